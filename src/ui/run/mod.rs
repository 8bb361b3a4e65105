//! One run: its clock in big digits and what that means, its meters, the statement of charges, the burn, its
//! branches, its events.

mod branches;
mod chart;
mod detail;
mod events;
mod facts;
mod list;
mod meters;
mod statement;

use ratatui::layout::Rect;

use super::canvas::{Canvas, Cut, columns};
use super::digits::{self, Size};
use super::theme::Role;
use super::{Pane, Scene, gates, key, look};
use crate::domain::run::{Run, State};
use crate::domain::time::{Span, Stamp};

pub use detail::{entry, wrap};
pub use facts::meaning;
pub use list::{first, lines};
pub use statement::line as charge_line;

/// What every part of the view reads.
struct Seat<'a> {
    scene: &'a Scene<'a>,
    /// With all its lines, where they have been read again.
    run: &'a Run,
    state: State,
    left: Span,
    now: Stamp,
}

/// Where everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Layout {
    header: Rect,
    /// What is held and waits for an answer.
    gate: Rect,
    alerts: Rect,
    key: Rect,
    clock: Rect,
    /// Beside the clock.
    facts: Rect,
    /// Under the clock.
    gauge: Rect,
    meaning: Rect,
    meters: Rect,
    chart: Rect,
    branches: Rect,
    /// The list that has the focus, and, where there is room, the other one.
    first: Rect,
    second: Rect,
    footer: Rect,
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>, number: u32) {
    let Some(run) = scene.model.run_in_full(number) else { return };
    let rules = &scene.model.rules;
    let seat = Seat::of(run, scene);
    let text = digits::text(seat.left);
    let layout = layout(area, &seat, &text, canvas.glyphs.is_ascii);
    facts::header(canvas, layout.header, &seat);
    gates::banner(canvas, layout.gate, scene);
    for (y, (words, role)) in (layout.alerts.top()..layout.alerts.bottom()).zip(key::alerts(scene, Some(number))) {
        let style = canvas.style(role);
        canvas.put(layout.alerts.x + 1, y, layout.alerts.width.saturating_sub(1), &format!("! {words}"), style);
    }
    if let Some(grip) = key::Grip::in_scene(scene, number).filter(|_| layout.key.height > 0) {
        key::draw(canvas, layout.key, &grip, scene, key::Size::Large);
    }
    clock(canvas, layout.clock, &seat, &text);
    let role = look::clock_role(seat.state, seat.left, rules);
    if layout.gauge.height > 0 {
        let style = canvas.style(if role == Role::ClockOk { Role::GaugeFill } else { role });
        let share = seat.left.0 as f64 / run.clock.granted.0.max(1) as f64;
        let gauge = layout.gauge;
        look::gauge(canvas, gauge.x, gauge.y, gauge.width, share, ratatui::style::Style { bg: None, ..style });
    }
    meaning(canvas, layout.meaning, run, scene);
    facts::draw(canvas, layout.facts, &seat);
    meters::draw(canvas, layout.meters, &seat);
    chart::draw(canvas, layout.chart, &seat);
    if layout.branches.height > 0 {
        branches::draw(canvas, layout.branches, &seat, scene.ui.run.pane == Pane::Branches);
    }
    lists(canvas, &layout, &seat);
    let chip = Some(number).filter(|_| layout.key.height == 0);
    super::help::footer_with_key(canvas, layout.footer, scene, chip);
}

/// The burn of a run as it is drawn elsewhere.
pub fn burn(canvas: &mut Canvas<'_>, area: Rect, run: &Run, scene: &Scene<'_>) {
    chart::draw(canvas, area, &Seat::of(run, scene));
}

impl<'a> Seat<'a> {
    fn of(run: &'a Run, scene: &'a Scene<'a>) -> Self {
        let rules = &scene.model.rules;
        Self { scene, run, state: run.state(scene.now, rules), left: run.left(scene.now, rules), now: scene.now }
    }
}

/// The lists: the one with the focus, and the other where there is room.
fn lists(canvas: &mut Canvas<'_>, layout: &Layout, seat: &Seat<'_>) {
    let view = &seat.scene.ui.run;
    let mut first = layout.first;
    if view.detail.is_some() {
        let (above, below) =
            if layout.second.height > 0 { (first, layout.second) } else { first.bottom_rows(first.height / 2) };
        first = above;
        detail::draw(canvas, below, seat);
    }
    let is_two = layout.second.height > 0;
    match view.pane {
        // With room for two lists they keep their places and the focus moves between them.
        pane if is_two => {
            statement::draw(canvas, first, seat, pane == Pane::Statement);
            if view.detail.is_none() {
                events::draw(canvas, layout.second, seat, pane == Pane::Events);
            }
        }
        Pane::Branches if layout.branches.height == 0 => branches::draw(canvas, first, seat, true),
        Pane::Events => events::draw(canvas, first, seat, true),
        pane => statement::draw(canvas, first, seat, pane == Pane::Statement),
    }
}

fn clock(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>, text: &str) {
    let role = look::clock_role(seat.state, seat.left, &seat.scene.model.rules);
    match Size::fitting(text, area, canvas.glyphs.is_ascii) {
        Some(size) => digits::draw(canvas, area, text, role, size),
        None => {
            let style = canvas.style(role);
            canvas.put(area.x, area.y, area.width, text, style);
        }
    }
}

/// Height at which lists get company, and width at which there are two columns.
const TALL: u16 = 30;
const WIDE: u16 = 72;

fn layout(area: Rect, seat: &Seat<'_>, text: &str, is_ascii: bool) -> Layout {
    let mut l = Layout::default();
    let mut rest = area;
    if area.height >= 2 {
        (l.header, rest) = rest.top_rows(1);
    }
    if area.height >= 8 {
        (rest, l.footer) = rest.bottom_rows(1);
    }
    let (scene, number) = (seat.scene, seat.run.number);
    if area.height >= 5 {
        (l.gate, rest) = rest.top_rows(gates::rows(scene.model));
        let alerts = u16::try_from(key::alerts(scene, Some(number)).len()).unwrap_or(u16::MAX);
        (l.alerts, rest) = rest.top_rows(alerts.min(area.height / 8));
    }
    let is_roomy = area.height >= TALL;
    if is_roomy {
        rest = rest.top_rows(1).1;
    }
    let rest = rest.inset(u16::from(area.width >= 30));
    let (rest, left) = top(&mut l, area, rest, text, is_ascii);
    let rest = if is_roomy { rest.top_rows(1).1 } else { rest };
    if area.width < WIDE || rest.height < 6 {
        (l.key, l.first) = if rest.height >= 10 { with_key(rest, seat) } else { (Rect::default(), rest) };
        return l;
    }
    let (left, right) = rest.left_columns(left);
    let right = Rect { x: right.x + 2, width: right.width.saturating_sub(2), ..right };
    side(&mut l, left, seat);
    let (key, right) = with_key(right, seat);
    l.key = key;
    if is_roomy {
        let (first, second) = right.top_rows(right.height * 11 / 20);
        (l.first, l.second) = (first.bottom_rows(1).0, second);
    } else {
        l.first = right;
    }
    l
}

/// The key, with a row under it where there is room, and the rest.
fn with_key(area: Rect, seat: &Seat<'_>) -> (Rect, Rect) {
    let most = Rect { height: area.height * 2 / 5, ..area };
    let grip = key::Grip::in_scene(seat.scene, seat.run.number);
    let rows = grip.map_or(0, |grip| key::rows(&grip, most, key::Size::Large)).min(most.height);
    let (key, rest) = area.top_rows(rows);
    (key, rest.top_rows(u16::from(rows > 3)).1)
}

/// The clock, what stands beside and under it. Returns the rest, and how wide the left column is.
fn top(l: &mut Layout, area: Rect, rest: Rect, text: &str, is_ascii: bool) -> (Rect, u16) {
    // Digits may take at most this share of the screen; what is left must say what they mean.
    let room = Rect {
        width: rest.width.min(area.width.saturating_sub(if area.width >= 60 { 26 } else { 0 })),
        height: area.height.saturating_sub(5).min(5),
        ..rest
    };
    let (rows, wide) = match Size::fitting(text, room, is_ascii) {
        Some(size) if size != Size::Big || area.height >= 18 => size.of(text),
        Some(_) if area.height >= 8 => Size::Small.of(text),
        _ => (1, columns(text)),
    };
    let has_gauge = area.height >= 9;
    let (block, rest) = rest.top_rows(rows + 2 * u16::from(has_gauge));
    let wide = wide.min(block.width);
    l.clock = Rect { width: wide, height: rows.min(block.height), ..block };
    let beside = Rect { x: block.x + wide + 3, width: block.width.saturating_sub(wide + 3), ..block };
    let left = wide.max(if area.width >= 110 { 48 } else { 32 }).min(block.width * 6 / 11);
    if has_gauge {
        l.gauge = Rect { y: block.y + rows, width: if area.width < WIDE { block.width } else { wide }, ..block }.row(0);
        l.meaning = Rect {
            y: block.y + rows + 1,
            width: block.width.min(if area.width < WIDE { u16::MAX } else { wide.max(left) }),
            ..block
        }
        .row(0);
    }
    l.facts = if area.width < WIDE {
        Rect { height: rows.min(block.height), ..beside }
    } else {
        Rect { x: block.x + wide.max(left) + 2, width: block.width.saturating_sub(wide.max(left) + 2), ..beside }
    };
    (rest, left)
}

/// Meters, the burn and the branches, one under the other.
fn side(l: &mut Layout, area: Rect, seat: &Seat<'_>) {
    let wanted = meters::rows(seat, area.height >= 20) + 1;
    let (meters, rest) = area.top_rows(wanted.min(area.height * 3 / 5));
    l.meters = meters;
    let mut rest = if area.height >= 20 { rest.top_rows(1).1 } else { rest };
    let tree = u16::try_from(seat.run.branches.len()).unwrap_or(u16::MAX).saturating_add(1);
    if seat.run.branches.len() > 1 && rest.height >= 12 {
        (rest, l.branches) = rest.bottom_rows(tree.min(rest.height * 2 / 5));
        rest = rest.bottom_rows(u16::from(rest.height > 9)).0;
    }
    if rest.height >= 5 {
        l.chart = rest;
    } else {
        l.branches = if l.branches.height > 0 { l.branches } else { Rect { height: 0, ..rest } };
    }
}
