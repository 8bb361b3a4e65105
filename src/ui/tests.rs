//! What the screens look like, at every size, with and without colour, whatever agents write.

mod hand;
mod key;
mod replay;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::testkit::{NOW, Story, busy, fleet, fleet_in, model, model_with};
use super::theme::{Depth, Role, Theme};
use super::*;
use crate::domain::event::{Agent, Body, Failure, Outcome};
use crate::domain::tool::ToolInput;
use crate::engine::{Place, Progress};

fn ui(width: u16, height: u16) -> Ui {
    Ui::new(Options { size: (width, height), ..Options::default() })
}

fn theme(depth: Depth) -> Theme {
    Theme::named("default").unwrap().at(depth)
}

fn paint(model: &Model, ui: &Ui, (width, height): (u16, u16), depth: Depth) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, model, ui, &theme(depth), NOW)).unwrap();
    terminal.backend().buffer().clone()
}

/// The text on the screen, a line a row, without what trails.
fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let row = |y| {
        let mut line = String::new();
        let mut x = 0;
        while x < area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += canvas::columns(symbol).max(1);
        }
        line.trim_end().to_owned()
    };
    (0..area.height).map(row).collect::<Vec<_>>().join("\n")
}

fn shot(model: &Model, ui: &mut Ui) -> String {
    ui.refresh(model, NOW);
    text(&paint(model, ui, ui.options.size, Depth::True))
}

fn press(ui: &mut Ui, model: &Model, keys: &str) -> Vec<Action> {
    ui.refresh(model, NOW);
    let mut actions = Vec::new();
    for c in keys.chars() {
        let code = match c {
            '\r' => KeyCode::Enter,
            '\x1b' => KeyCode::Esc,
            '\t' => KeyCode::Tab,
            '\x08' => KeyCode::Backspace,
            c => KeyCode::Char(c),
        };
        actions.extend(ui.handle(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)), model, NOW));
    }
    actions
}

const SIZES: [(u16, u16); 4] = [(120, 40), (80, 24), (40, 10), (1, 1)];

#[test]
fn fleet_at_every_size_that_matters() {
    let model = fleet();
    for (width, height) in SIZES {
        insta::assert_snapshot!(format!("fleet_{width}x{height}"), shot(&model, &mut ui(width, height)));
    }
}

#[test]
fn run_at_every_size_that_matters() {
    let model = fleet();
    for (width, height) in SIZES {
        let mut ui = ui(width, height);
        press(&mut ui, &model, "\r");
        assert_eq!(ui.view(), View::Run(1));
        press(&mut ui, &model, "\x1bgG");
        ui.selected = Some(0);
        press(&mut ui, &model, "\r");
        insta::assert_snapshot!(format!("run_{width}x{height}"), shot(&model, &mut ui));
    }
}

#[test]
fn help_filter_command_and_details() {
    let model = fleet();
    let mut ui = ui(120, 40);
    press(&mut ui, &model, "?");
    insta::assert_snapshot!("help_120x40", shot(&model, &mut ui));
    press(&mut ui, &model, "\x1b/shop");
    insta::assert_snapshot!("filter_120x40", shot(&model, &mut ui));
    press(&mut ui, &model, " nothing like it");
    insta::assert_snapshot!("filter_without_hits_120x40", shot(&model, &mut ui));
    press(&mut ui, &model, "\x1b:sort ");
    insta::assert_snapshot!("command_120x40", shot(&model, &mut ui));
    press(&mut ui, &model, "\x1b");
    ui.selected = Some(0);
    press(&mut ui, &model, "\rjjj\r");
    insta::assert_snapshot!("charge_details_120x40", shot(&model, &mut ui));
    press(&mut ui, &model, "\x1bt");
    insta::assert_snapshot!("sums_120x40", shot(&model, &mut ui));
}

#[test]
fn an_empty_screen_says_where_it_looked() {
    let mut model = model();
    let place = |agent, path: &str, exists, found, recent, trouble: Option<&str>| Place {
        agent: Some(agent),
        path: path.into(),
        exists,
        found,
        recent,
        trouble: trouble.map(Text::from),
    };
    model.apply(
        Msg::Looked(vec![
            place(Agent::Claude, "~/.claude/projects", true, 214, 0, None),
            place(Agent::Codex, "~/.codex/sessions", false, 0, 0, None),
            place(Agent::Opencode, "~/.local/share/opencode/opencode.db", true, 0, 0, Some("permission denied")),
        ]),
        NOW,
    );
    insta::assert_snapshot!("empty_80x24", shot(&model, &mut ui(80, 24)));
    let progress = Progress { done_files: 10, total_files: 40, done_bytes: 2_500_000, total_bytes: 10_000_000 };
    model.apply(Msg::Progress(progress), NOW);
    let reading = shot(&model, &mut ui(80, 24));
    assert!(reading.contains("reading history") && reading.contains("25 %  2.5 MB of 10.0 MB"), "{reading}");
}

#[test]
fn nothing_panics_at_any_size() {
    let (full, empty) = (fleet(), model());
    for width in 1..=130 {
        for height in 1..=45 {
            let mut ui = ui(width, height);
            ui.refresh(&full, NOW);
            paint(&full, &ui, (width, height), Depth::C16);
            ui.view = View::Run(0);
            ui.options.ascii = height % 2 == 0;
            paint(&full, &ui, (width, height), Depth::None);
            match (width + height) % 3 {
                0 => {
                    ui.run.pane = Pane::Branches;
                    ui.run.detail = Some(Detail::Event(3));
                }
                1 => ui.help = Some(2),
                _ => ui.view = View::Fleet,
            }
            let shown = if ui.view == View::Fleet { &empty } else { &full };
            ui.refresh(shown, NOW);
            paint(shown, &ui, (width, height), Depth::C256);
        }
    }
}

#[test]
fn states_differ_without_colour_and_without_words() {
    use crate::domain::run::State;
    let states = [
        State::AtZero,
        State::Working,
        State::Waiting,
        State::Idle,
        State::Failed,
        State::Interrupted,
        State::Finished,
    ];
    for is_ascii in [false, true] {
        let marks: std::collections::HashSet<_> = states.map(|s| Glyphs::of(is_ascii).state(s)).into();
        assert_eq!(marks.len(), states.len());
    }
    // All of them are on the screen of the made-up fleet.
    let mut ui = ui(120, 40);
    let screen = shot(&fleet(), &mut ui);
    for state in states.iter().filter(|s| **s != State::Interrupted) {
        assert!(
            screen.contains(&format!("{} {}", Glyphs::of(false).state(*state), state.name())),
            "{state:?}\n{screen}"
        );
    }
    assert!(screen.contains("⊘ interru…"), "{screen}");
}

/// What agents could write to get at the terminal.
const HOSTILE: &str = "\x1b]52;c;aGk=\x07\x1b[2J\u{9b}31m\u{202e}evil\u{200b}\u{e0041}\r\n\tx\x7f\0e\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}漢字";

#[test]
fn nothing_that_agents_write_reaches_the_terminal() {
    let mut model = model();
    let mut story = Story::new(Agent::Claude, HOSTILE, 0, 60);
    story.begin(HOSTILE, HOSTILE, HOSTILE).answer(2, HOSTILE, 10, 10).bash(4, HOSTILE);
    story.call(8, HOSTILE, ToolInput::from_command(HOSTILE), Failure::Flagged, HOSTILE);
    for body in [
        Body::SubagentStarted { id: HOSTILE.into(), parent: None, depth: 1, name: HOSTILE.into(), by_call: false },
        Body::Message { text: HOSTILE.into(), thinking: false },
        Body::Warning { text: HOSTILE.into() },
        Body::Granted { amount: Span::mins(1), by: HOSTILE.into(), reason: HOSTILE.into() },
        Body::Unparsed { why: HOSTILE.into() },
        Body::Ended { outcome: Outcome::Failed, reason: HOSTILE.into() },
    ] {
        story.tell(10, body);
    }
    story.apply_to(&mut model);
    model.apply(Msg::Detail { origin: Default::default(), lines: vec![HOSTILE.into()] }, NOW);
    for ascii in [false, true] {
        for size in SIZES {
            let mut ui = ui(size.0, size.1);
            ui.options.ascii = ascii;
            ui.warn(HOSTILE.into());
            press(&mut ui, &model, "/");
            ui.handle(Input::Paste(HOSTILE.into()), &model, NOW);
            check_clean(&paint(&model, &ui, size, Depth::True), ascii);
            press(&mut ui, &model, "\x1b\r");
            check_clean(&paint(&model, &ui, size, Depth::True), ascii);
            press(&mut ui, &model, "e\r");
            ui.say(HOSTILE.into());
            check_clean(&paint(&model, &ui, size, Depth::True), ascii);
            assert!(ui.title(&model, NOW).as_str().chars().all(|c| !c.is_control()));
        }
    }
}

fn check_clean(buffer: &Buffer, ascii: bool) {
    for cell in &buffer.content {
        let symbol = cell.symbol();
        assert!(
            !symbol.chars().any(
                |c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{200b}' | '\u{e0000}'..='\u{e0fff}')
            ),
            "{symbol:?}"
        );
        assert!(symbol.chars().count() <= 6, "{symbol:?}");
        assert!(!ascii || symbol.is_ascii(), "{symbol:?}");
    }
}

#[test]
fn keys_do_what_the_table_says() {
    let model = fleet();
    let mut ui = ui(120, 40);
    let debug = |actions: Vec<Action>| format!("{actions:?}");
    assert_eq!(debug(press(&mut ui, &model, "j")), "[Redraw]");
    assert_eq!(debug(press(&mut ui, &model, "\r")), "[Send(Look(Some(0))), Redraw]");
    assert_eq!(debug(press(&mut ui, &model, "n")), "[Send(Look(Some(4))), Redraw]");
    assert_eq!(debug(press(&mut ui, &model, "p")), "[Send(Look(Some(0))), Redraw]");
    assert_eq!(
        debug(press(&mut ui, &model, "e\r")),
        "[Redraw, Send(LookAt(Origin { source: 0, offset: 66000 })), Redraw]"
    );
    assert_eq!(debug(press(&mut ui, &model, "\x1b\x1b")), "[Redraw, Send(Look(None)), Redraw]");
    assert_eq!(debug(press(&mut ui, &model, "m")), "[Mouse(true), Redraw]");
    assert_eq!(debug(press(&mut ui, &model, ":theme light\r").split_off(12)), "[Theme(\"light\"), Redraw]");
    assert_eq!(debug(press(&mut ui, &model, "q")), "[Quit]");
    let control = |c| Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
    assert_eq!(debug(ui.handle(control('z'), &model, NOW)), "[Suspend]");
    assert_eq!(debug(ui.handle(control('c'), &model, NOW)), "[Quit]");
}

#[test]
fn typed_and_pasted_text_never_commands() {
    let model = fleet();
    let mut ui = ui(120, 40);
    assert!(ui.handle(Input::Paste("q:quit\r".into()), &model, NOW).is_empty());
    let actions = press(&mut ui, &model, "/qx?K");
    assert!(actions.iter().all(|a| matches!(a, Action::Redraw)), "{actions:?}");
    assert_eq!(ui.wish.filter, "qx?K");
    ui.handle(Input::Paste("\r:quit\n".into()), &model, NOW);
    assert_eq!(ui.wish.filter, "qx?K :quit ");
    press(&mut ui, &model, "\x1b:");
    let actions = ui.handle(Input::Paste("quit\r\n".into()), &model, NOW);
    assert!(matches!(actions[..], [Action::Redraw]), "{actions:?}");
    assert!(matches!(&ui.mode, Mode::Command(line) if line.as_str() == "quit "));
}

#[test]
fn a_selection_stays_on_its_run() {
    let mut model = fleet();
    let mut ui = ui(120, 40);
    press(&mut ui, &model, "jj");
    let selected = ui.selected();
    press(&mut ui, &model, "sssS");
    assert_eq!(ui.selected(), selected);
    Story::new(Agent::Claude, "new", 9, 1).begin("m", "/x", "new").apply_to(&mut model);
    ui.refresh(&model, NOW);
    assert_eq!(ui.selected(), selected);
    assert_eq!(model.runs().len(), 9);
}

#[test]
fn a_line_that_is_read_stays_while_new_ones_come() {
    let mut model = model();
    busy(0).apply_to(&mut model);
    let mut ui = ui(120, 40);
    press(&mut ui, &model, "\rjj");
    let held = ui.run.at[0];
    assert!(held.is_some());
    let mut more = Story::new(Agent::Claude, "6c0f2a7b-41d2-4a5e-9f2d-7d1f0e3b9c11", 0, 420);
    more.bash(419, "sleep 1").apply_to(&mut model);
    ui.refresh(&model, NOW);
    assert_eq!(ui.run.at[0], held);
    press(&mut ui, &model, "g");
    assert_eq!(ui.run.at[0], None);
}

#[test]
fn a_drop_is_explained_where_it_is_seen() {
    let mut ui = ui(160, 40);
    let screen = shot(&fleet(), &mut ui);
    let row = screen.lines().find(|l| l.contains("claude") && l.contains("working")).unwrap();
    assert!(row.contains('−') && row.contains("git push"), "{screen}");
}

#[test]
fn without_colour_the_buffer_has_none() {
    let model = fleet();
    let mut ui = ui(120, 40);
    ui.refresh(&model, NOW);
    let buffer = paint(&model, &ui, (120, 40), Depth::None);
    for cell in &buffer.content {
        assert_eq!((cell.fg, cell.bg), (ratatui::style::Color::Reset, ratatui::style::Color::Reset));
    }
    let _ = Role::ALL;
}

#[test]
fn of_a_thousand_runs_the_selected_one_is_in_sight() {
    let mut model = model();
    for i in 0..1_000 {
        let mut story = Story::new(Agent::Claude, "x", i, 60);
        story
            .begin("m", "/x", &format!("task {i}"))
            .rename(crate::domain::event::RunId::new(Agent::Claude, &format!("s{i}")));
        story.apply_to(&mut model);
    }
    let mut ui = ui(120, 40);
    for keys in ["", "G", "g", "Gkkkkk", "ggjjjjjjjjjjjjjjjjjjjjjj"] {
        press(&mut ui, &model, keys);
        let screen = shot(&model, &mut ui);
        let title = model.run(ui.selected().unwrap()).unwrap().facts.title.to_string();
        let row = screen.lines().find(|l| l.starts_with('▌')).unwrap_or_else(|| panic!("{keys}: {screen}"));
        assert!(row.contains(&title), "{title}: {row}");
    }
}

#[test]
fn the_meter_that_binds_is_named() {
    let caps = crate::domain::policy::Caps { usd: Some(0.55), tools: Some(200), ..Default::default() };
    let model = fleet_in(model_with(caps));
    let mut ui = ui(160, 40);
    let screen = shot(&model, &mut ui);
    let row = screen.lines().find(|l| l.contains("claude") && l.contains("working")).unwrap();
    assert!(row.contains("usd "), "{screen}");
    ui.view = View::Run(0);
    let screen = shot(&model, &mut ui);
    assert!(screen.contains("until cost runs out"), "{screen}");
    assert!(screen.lines().any(|l| l.contains("of $0.55 binds")), "{screen}");
}
