//! Held actions: a banner for the oldest one, and a list of all of them with every word of the one under the cursor.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::canvas::{Canvas, Cut, columns};
use super::theme::Role;
use super::{Scene, Ui, press, run};
use crate::control::protocol::Gate;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::Model;

/// Held actions of one run, the oldest first.
pub fn of_run(model: &Model, number: u32) -> impl Iterator<Item = &Gate> {
    let socket = model.hold(number).status.as_ref().map(|status| status.run.clone());
    model.gates().iter().filter(move |gate| socket.as_ref() == Some(&gate.run))
}

/// The gate that an answer would be for: the one under the cursor of the list, else the oldest of the selected run.
pub fn at_hand<'a>(model: &'a Model, ui: &Ui) -> Option<&'a Gate> {
    match &ui.gates {
        Some(id) => model.gates().iter().find(|gate| gate.id == *id).or(model.gates().first()),
        None => of_run(model, ui.selected()?).next(),
    }
}

/// Who is held: the run as it is listed, else by its socket's name.
fn who(model: &Model, gate: &Gate) -> String {
    model.run_of_gate(gate).and_then(|n| model.run(n)).map_or_else(|| gate.run.to_string(), press::name)
}

/// `4:31`.
fn left(gate: &Gate, now: Stamp) -> String {
    let s = gate.until.since(now).0.max(0) / 1_000;
    format!("{}:{:02}", s / 60, s % 60)
}

/// Is there anything to hold a row for?
pub fn rows(model: &Model) -> u16 {
    u16::from(!model.gates().is_empty())
}

/// What the banner says around the action itself.
struct Banner {
    head: String,
    tail: String,
}

/// The fullest banner that leaves room for the whole action; where none does, the shortest.
fn words(model: &Model, ui: &Ui, gate: &Gate, width: u16, time: &str) -> Banner {
    let is_own = ui.gates.is_none() && at_hand(model, ui).is_some_and(|own| own.id == gate.id);
    let count = model.gates().len();
    let more = if count > 1 { format!("   +{} v", count - 1) } else { String::new() };
    let [keys, short] = if is_own { ["   Y allow  N deny ", "  Y N "] } else { ["   v lists it ", "  v "] };
    let own = |head: String, tail: String| Banner { head, tail };
    let banners = [
        own(format!(" HELD  {}  ", who(model, gate)), format!("   {time} left{more}{keys}")),
        own(" HELD  ".into(), format!("   {time} left{more}{keys}")),
        own(" HELD  ".into(), format!("  {time}{keys}")),
        own(" HELD ".into(), format!("  {time}{short}")),
    ];
    let fits = |b: &Banner| columns(&b.head) + columns(gate.what.as_str()) + columns(&b.tail) <= width;
    let [.., last, shortest] = &banners;
    let rest = if width >= 60 { last } else { shortest };
    let at = banners.iter().position(fits);
    let fallback = Banner { head: rest.head.clone(), tail: rest.tail.clone() };
    banners.into_iter().nth(at.unwrap_or(usize::MAX)).unwrap_or(fallback)
}

fn of_banner<'a>(model: &'a Model, ui: &Ui) -> Option<&'a Gate> {
    ui.selected().and_then(|number| of_run(model, number).next()).or(model.gates().first())
}

/// One row across the screen: what is held, for how long, and which keys answer.
pub fn banner(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    let (model, ui) = (scene.model, scene.ui);
    let Some(gate) = of_banner(model, ui).filter(|_| area.height > 0) else { return };
    let style = banner_style(canvas);
    canvas.put(area.x, area.y, area.width, &" ".repeat(usize::from(area.width)), style);
    let Banner { head, tail } = words(model, ui, gate, area.width, &left(gate, scene.now));
    let used = canvas.put(area.x, area.y, area.width, &head, style);
    let room = area.width.saturating_sub(used + columns(&tail));
    let used = used + canvas.put(area.x + used, area.y, room, gate.what.as_str(), style);
    canvas.put(area.x + used, area.y, area.width.saturating_sub(used), &tail, style);
}

fn banner_style(canvas: &Canvas<'_>) -> Style {
    let style = canvas.style(Role::StateWaiting).remove_modifier(Modifier::UNDERLINED);
    style.add_modifier(Modifier::REVERSED | Modifier::BOLD)
}

/// Can every word of the action be read where it is shown? Nobody may be led to allow what is cut off.
pub fn shows_all(model: &Model, ui: &Ui) -> bool {
    let (width, height) = ui.options.size;
    let Some(gate) = at_hand(model, ui) else { return false };
    let is_cut = gate.what.as_str().ends_with('…');
    match &ui.gates {
        Some(_) => {
            !is_cut && usize::from(page(Rect::new(0, 0, width, height)).1.height) >= whole(gate, width, model).len()
        }
        None => {
            // However long the time that is left takes to write.
            let Banner { head, tail } = words(model, ui, gate, width, "9999:59");
            !is_cut && height >= 5 && columns(&head) + columns(&tail) + columns(gate.what.as_str()) <= width
        }
    }
}

/// The list, and every word of the gate under the cursor.
fn page(area: Rect) -> (Rect, Rect) {
    let body = area.top_rows(1).1.bottom_rows(1).0.inset(1);
    let (list, whole) = body.top_rows((body.height / 2).max(body.height.min(1)));
    (list, whole)
}

fn whole(gate: &Gate, width: u16, model: &Model) -> Vec<(String, Role)> {
    let width = width.saturating_sub(2);
    let mut lines: Vec<(String, Role)> = Vec::new();
    let mut add = |text: &str, role: Role| lines.extend(run::wrap(text, width).into_iter().map(|line| (line, role)));
    add(gate.what.as_str(), Role::Title);
    let because = if gate.because.is_empty() { "the policy" } else { gate.because.as_str() };
    add(&format!("held by {because}; asked by {}", who(model, gate)), Role::Muted);
    if gate.what.as_str().ends_with('…') {
        add("longer than what can be shown: it can't be allowed here", Role::Error);
    }
    lines
}

/// Draws the list of all gates.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    let (model, ui) = (scene.model, scene.ui);
    let (rule, _) = area.top_rows(1);
    let gates = model.gates();
    let note = if gates.is_empty() { "" } else { "no answer in time is a denial" };
    canvas.rule(rule, &format!("HELD ACTIONS  {}", gates.len()), note, true);
    let (list, below) = page(area);
    let Some(at) = at_hand(model, ui) else {
        canvas.put(list.x, list.y, list.width, "no action waits for an answer", canvas.style(Role::Muted));
        return super::help::footer(canvas, area.bottom_rows(1).1, scene);
    };
    let position = gates.iter().position(|gate| gate.id == at.id).unwrap_or(0);
    let first = run::first(position, gates.len(), list.height);
    for (y, gate) in (list.top()..list.bottom()).zip(gates.iter().skip(first)) {
        let is_at = gate.id == at.id;
        let style = canvas.style(if is_at { Role::Selected } else { Role::Text });
        if is_at {
            canvas.put(list.x, y, list.width, &" ".repeat(usize::from(list.width)), style);
        }
        let time = format!(" {:>5}  ", left(gate, scene.now));
        let who = format!("{}  ", who(model, gate));
        canvas.pieces(list.x, y, list.width, &[(&time, style), (&who, style), (gate.what.as_str(), style)]);
    }
    for (y, (line, role)) in (below.top()..below.bottom()).zip(whole(at, area.width, model)) {
        canvas.put(below.x, y, below.width, line.trim_end(), canvas.style(role));
    }
    super::help::footer(canvas, area.bottom_rows(1).1, scene);
}

impl Ui {
    /// Moves in the list of gates.
    pub(super) fn step_gate(&mut self, by: isize, model: &Model) {
        let gates = model.gates();
        let id: Option<Text> = at_hand(model, self).map(|gate| gate.id.clone());
        let at = gates.iter().position(|gate| Some(&gate.id) == id.as_ref()).unwrap_or(0);
        let to = at.saturating_add_signed(by).min(gates.len().saturating_sub(1));
        self.gates = Some(gates.get(to).map_or_else(Text::default, |gate| gate.id.clone()));
    }
}
