//! Help, and the foot of the screen. Both read the table of keys.

use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::canvas::{Canvas, Cut, columns};
use super::command::{self, COMMANDS};
use super::keymap::{self, KEYS, Scope};
use super::line::Line;
use super::order::Only;
use super::theme::Role;
use super::{Mode, Scene, View, act, key, look, press};
use crate::control::words::Key;
use crate::domain::run::State;
use crate::domain::time::Span;

/// A line of help: what stands at its left, words, and how the left looks.
struct HelpLine {
    left: String,
    words: String,
    role: Role,
}

impl HelpLine {
    fn new(left: impl Into<String>, words: impl Into<String>, role: Role) -> Self {
        Self { left: left.into(), words: words.into(), role }
    }

    fn title(words: &str) -> Self {
        Self::new("", words, Role::Title)
    }
}

/// How long what was said to the person stays.
const NOTED: Span = Span::secs(15);
/// Width from which keys and marks stand side by side.
const TWO_COLUMNS: u16 = 104;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, scroll: u16, in_replay: bool) {
    let (rule, body) = area.top_rows(1);
    canvas.rule(rule, "HELP", "j k scroll, Esc closes", true);
    let body = body.inset(2);
    if body.width >= TWO_COLUMNS {
        let keys = keys(in_replay);
        let wide = |l: &HelpLine| columns(&l.words);
        let label = keys.iter().map(|l| columns(&l.left)).max().unwrap_or(0);
        let (left, right) = body.left_columns(label + keys.iter().map(wide).max().unwrap_or(0) + 5);
        lines(canvas, left, &keys, scroll);
        lines(canvas, right, &marks(canvas), scroll);
    } else {
        let all: Vec<HelpLine> =
            keys(in_replay).into_iter().chain([HelpLine::title("")]).chain(marks(canvas)).collect();
        lines(canvas, body, &all, scroll);
    }
}

/// How far help can be scrolled on a screen of this size.
pub fn most_scroll(width: u16, height: u16, in_replay: bool) -> u16 {
    let keys = keys(in_replay).len();
    let both = keys + 1 + MARKS;
    let tall = if width.saturating_sub(4) >= TWO_COLUMNS { keys.max(MARKS) } else { both };
    u16::try_from(tall).unwrap_or(u16::MAX).saturating_sub(height.saturating_sub(1))
}

fn lines(canvas: &mut Canvas<'_>, area: Rect, lines: &[HelpLine], scroll: u16) {
    let left = lines.iter().map(|l| columns(&l.left)).max().unwrap_or(0) + 2;
    for (y, line) in (area.top()..area.bottom()).zip(lines.iter().skip(usize::from(scroll))) {
        let style = canvas.style(line.role);
        if line.left.is_empty() {
            canvas.put(area.x, y, area.width, &line.words, style);
        } else {
            canvas.put(area.x, y, left.min(area.width), &line.left, style);
            canvas.put(area.x + left, y, area.width.saturating_sub(left), &line.words, canvas.style(Role::Text));
        }
    }
}

fn keys(in_replay: bool) -> Vec<HelpLine> {
    let mut lines = Vec::new();
    for (scope, title) in [
        (Scope::Replay, "Replay"),
        (Scope::Everywhere, "Everywhere"),
        (Scope::Fleet, "Fleet"),
        (Scope::Run, "Run"),
        (Scope::Gates, "Held actions"),
    ]
    .into_iter()
    .filter(|(scope, _)| in_replay || *scope != Scope::Replay)
    {
        lines.push(HelpLine::title(title));
        let bindings = KEYS.iter().filter(|b| b.scope == scope);
        lines.extend(bindings.map(|b| HelpLine::new(b.shown, b.words, Role::HelpKey)));
    }
    lines
}

/// Lines that [`marks`] gives.
const MARKS: usize = 1 + 7 + 1 + 6 + 1 + 5 + 1 + COMMANDS.len();

fn marks(canvas: &Canvas<'_>) -> Vec<HelpLine> {
    let glyphs = canvas.glyphs;
    let mut lines = vec![HelpLine::title("States")];
    for (state, words) in [
        (State::Working, "its clock runs"),
        (State::Waiting, "for a person; its clock stands still"),
        (State::Idle, "silent for a while; its clock stands still"),
        (State::AtZero, "a limit has run out and it goes on"),
        (State::Finished, "ended well"),
        (State::Failed, "ended badly"),
        (State::Interrupted, "ended by somebody"),
    ] {
        let left = format!("{} {}", glyphs.state(state), state.name());
        lines.push(HelpLine::new(left, words, look::state_role(state)));
    }
    lines.push(HelpLine::title("Figures"));
    let least = format!("{}$1.20", glyphs.at_least);
    let fan = format!("12m 9{}17m", glyphs.dash);
    let repeat = format!("repeat {}8", glyphs.times);
    for (left, words) in [
        ("00:24:31", "clock time left: complexity, priced as time"),
        (&fan, "real time to zero: likely, 8 times in 10"),
        ("obeyed", "idle after an interrupt: alive, not stopped"),
        ("~$1.20", "can still change while the run goes on"),
        (&least, "at least: the price of a model isn't known"),
        (&repeat, "the same call again; each time costs double"),
    ] {
        lines.push(HelpLine::new(left, words, Role::Accent));
    }
    lines.push(HelpLine::title("Keys: what hold there is"));
    for (key, words) in [
        (Key::Native, "the agent itself listens"),
        (Key::Supervised, "redkey run started it: every process is held"),
        (Key::Hooked, "its next tool call can be refused"),
        (Key::Signal, "its process was found and can be signalled"),
        (Key::None, "only watched: redkey can't stop it"),
    ] {
        lines.push(HelpLine::new(key.name(), words, key::key_role(key)));
    }
    lines.push(HelpLine::title("Commands, after :"));
    for (name, takes, words) in COMMANDS {
        lines.push(HelpLine::new(format!("{name} {takes}"), words, Role::HelpKey));
    }
    lines
}

/// The foot of the screen with, at its right end, one word for the key of a run whose key is drawn nowhere else.
pub fn footer_with_key(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>, run: Option<u32>) {
    if scene.ui.transport.is_some() {
        // Nothing can be stopped there.
        return foot(canvas, area, scene, None);
    }
    if run.is_none() {
        let grip = scene.ui.selected().and_then(|number| key::Grip::in_scene(scene, number));
        return foot(canvas, area, scene, grip.and_then(|grip| key::press_word(&grip)));
    }
    let grip = run.and_then(|number| key::Grip::in_scene(scene, number));
    let used = grip.map_or(0, |grip| key::chip(canvas, area, &grip, scene.now));
    foot(canvas, Rect { width: area.width - used.min(area.width), ..area }, scene, None);
}

/// The foot of the screen: what is being typed, an answer, or which keys do what.
pub fn footer(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    foot(canvas, area, scene, None);
}

/// `press`: what X does, where it does anything.
fn foot(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>, press: Option<&'static str>) {
    if area.height == 0 {
        return;
    }
    let ui = scene.ui;
    match (&ui.mode, &ui.note) {
        (Mode::Filter, _) => {
            let listed = &scene.listing;
            let hits = format!("{} of {} runs   Enter keeps it, Esc drops it", listed.order.len(), listed.all.runs);
            typing(canvas, area, "/", &ui.filter, &hits);
        }
        (Mode::Command(line), _) => {
            let all = command::completions(line.as_str());
            let words: Vec<String> = match &all[..] {
                [(text, words)] if !words.is_empty() => vec![format!("{text}  {words}")],
                _ => all.into_iter().map(|(text, _)| text.trim_end().to_owned()).collect(),
            };
            let hint =
                if words.is_empty() { aim(line, scene) } else { format!("{}{}", aim(line, scene), words.join("   ")) };
            typing(canvas, area, ":", line, &hint);
        }
        (Mode::Keys, Some(note)) => {
            let style = canvas.style(Role::Warn);
            canvas.put(area.x + 1, area.y, area.width.saturating_sub(1), note.as_str(), style);
        }
        (Mode::Keys, None) => match said(scene) {
            Some(note) => {
                let style = canvas.style(Role::Warn);
                canvas.put(area.x + 1, area.y, area.width.saturating_sub(1), note, style);
            }
            None => hints(canvas, area, scene, press),
        },
    }
}

/// What was said to the person lately.
fn said<'a>(scene: &Scene<'a>) -> Option<&'a str> {
    let note = scene.model.notes().next_back()?;
    let age = scene.now.since(note.at);
    (age >= Span::ZERO && age < NOTED).then(|| note.text.as_str())
}

/// Whom a command that acts is about; of a transfer, who there is.
fn aim(line: &Line, scene: &Scene<'_>) -> String {
    let text = line.as_str().trim_start();
    if text.starts_with("transfer ") {
        let runs = act::names(scene.model, scene.ui).map(|(short, name)| format!("{short} {name}"));
        return runs.collect::<Vec<_>>().join("   ");
    }
    let word = text.split(' ').next().unwrap_or("");
    if !command::WHOLE.contains(&word) {
        return if command::completions(text).is_empty() { "no such command".into() } else { String::new() };
    }
    let run = scene.ui.aim.run.and_then(|number| scene.model.run(number));
    run.map_or(String::new(), |run| format!("{}   ", press::name(run)))
}

fn typing(canvas: &mut Canvas<'_>, area: Rect, mark: &str, line: &Line, hint: &str) {
    let text = canvas.style(Role::Text);
    let (before, after) = line.split();
    let cursor = after.chars().next().map_or(" ".to_owned(), String::from);
    let rest = after.get(cursor.len()..).unwrap_or("");
    // A long line is shown from its end.
    let room = usize::from(area.width.saturating_sub(4));
    let skip = before.chars().count().saturating_sub(room);
    let before: String = before.chars().skip(skip).collect();
    let at_cursor = text.add_modifier(Modifier::REVERSED);
    let pieces =
        [(mark, canvas.style(Role::HelpKey)), (before.as_str(), text), (cursor.as_str(), at_cursor), (rest, text)];
    let used = canvas.pieces(area.x + 1, area.y, area.width.saturating_sub(1), &pieces);
    let x = area.x + used + 4;
    canvas.put(x, area.y, area.right().saturating_sub(x), hint, canvas.style(Role::Muted));
}

fn hints(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>, press: Option<&'static str>) {
    let wish = &scene.ui.wish;
    let scope = match scene.ui.view {
        _ if scene.ui.gates.is_some() => Scope::Gates,
        View::Fleet => Scope::Fleet,
        View::Run(_) => Scope::Run,
    };
    let mut x = area.x + 1;
    let is_fleet = scope == Scope::Fleet;
    if is_fleet && !wish.filter.is_empty() {
        let chip = format!("/{}  {} of {}", wish.filter, scene.listing.order.len(), scene.listing.all.runs);
        x += canvas.put(x, area.y, area.right().saturating_sub(x), &chip, canvas.style(Role::Accent)) + 2;
    }
    let narrows = !wish.filter.is_empty() || wish.only != Only::All;
    let answers = [("Y", "allow".to_owned()), ("N", "deny".to_owned())];
    let answers = answers.into_iter().filter(|_| scope == Scope::Gates && !scene.model.gates().is_empty());
    let hints = keymap::hints(scope, scene.ui.transport.is_some())
        .filter(|(_, words)| *words != "back" || !is_fleet || narrows)
        .map(|(key, words)| match words {
            "back" if is_fleet => (key, "list all".to_owned()),
            "sort" => (key, format!("sort: {}", wish.sort.name())),
            "states" => (key, format!("states: {}", wish.only.name())),
            words => (key, words.to_owned()),
        });
    let mut hints: Vec<(&str, String)> =
        press.map(|words| ("X", words.to_owned())).into_iter().chain(answers).chain(hints).collect();
    let wide =
        |hints: &[(&str, String)]| hints.iter().map(|(key, words)| columns(key) + columns(words) + 3).sum::<u16>();
    // The key to all others stays longest.
    while hints.len() > 1 && x + wide(&hints) > area.right() + 1 {
        let last = if hints[hints.len() - 1].0 == "?" { hints.len() - 2 } else { hints.len() - 1 };
        hints.remove(last);
    }
    for (key, words) in &hints {
        x += canvas.put(x, area.y, area.right().saturating_sub(x), key, canvas.style(Role::HelpKey)) + 1;
        x += canvas.put(x, area.y, area.right().saturating_sub(x), words, canvas.style(Role::Muted)) + 2;
    }
}
