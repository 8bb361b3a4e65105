//! A closer look at the selected run, without leaving the fleet: its clock, and what it was charged for.

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, Cut};
use super::super::digits::{self, Size};
use super::super::theme::Role;
use super::super::{Scene, key, look, run};
use crate::domain::statement::Rule;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    let Some(run) = scene.ui.selected.and_then(|number| scene.model.run(number)) else { return };
    if area.height < 3 {
        return;
    }
    let (rule, body) = area.top_rows(1);
    let title = format!("{} {} {}", run.agent(), canvas.glyphs.dot, run.project());
    canvas.rule(rule, &title, run.facts.title.as_str(), false);
    let rules = &scene.model.rules;
    let state = run.state(scene.now, rules);
    let left = run.left(scene.now, rules);
    let text = digits::text(left);
    let (half, size, beside) = parts(body, &text, canvas.glyphs.is_ascii);
    let body = body.inset(2);
    if let Some(size) = size {
        let (rows, columns) = size.of(&text);
        let top = u16::from(body.height >= rows + 3);
        let clock = Rect { y: body.y + top, ..body };
        digits::draw(canvas, clock, &text, look::clock_role(state, left, rules), size);
        let below = clock.y + rows + u16::from(body.height > rows + top + 2);
        run::meaning(canvas, Rect { y: below, height: 1, ..half }, run, scene);
        let chart = Rect { y: below + 2, width: columns.max(half.width.min(48)), ..body };
        let chart = Rect { height: body.bottom().saturating_sub(chart.y), ..chart };
        run::burn(canvas, chart, run, scene);
    }
    let (panel, charges) = split(beside, scene);
    if let Some(grip) = key::Grip::in_scene(scene, run.number).filter(|_| panel.height > 0) {
        key::draw(canvas, panel, &grip, scene, key::Size::Medium);
    }
    newest(canvas, charges, run, scene);
}

/// The half of the clock, how big its digits are, and what is left beside it.
fn parts(body: Rect, text: &str, is_ascii: bool) -> (Rect, Option<Size>, Rect) {
    let body = body.inset(2);
    let half = Rect { width: (body.width * 5 / 11).max(28).min(body.width), ..body };
    let size = Size::fitting(text, Rect { height: body.height.saturating_sub(1), ..half }, is_ascii);
    let taken = size.map_or(0, |size| size.of(text).1.max(half.width.min(48)) + 3).min(body.width);
    (half, size, Rect { x: body.x + taken, width: body.width - taken, ..body })
}

/// The key above, the newest charges below; the key takes half of the rows at most.
fn split(area: Rect, scene: &Scene<'_>) -> (Rect, Rect) {
    let grip = scene.ui.selected.and_then(|number| key::Grip::in_scene(scene, number));
    let most = Rect { height: (area.height / 2).max(area.height.min(3)), ..area };
    let rows = grip.map_or(0, |grip| key::rows(&grip, most, key::Size::Medium)).min(most.height);
    let (panel, rest) = area.top_rows(rows);
    (panel, rest.top_rows(u16::from(rows > 0 && rest.height > 4)).1)
}

/// Is the key drawn in a preview of this area?
pub fn has_panel(area: Rect, scene: &Scene<'_>, is_ascii: bool) -> bool {
    let Some(run) = scene.ui.selected.and_then(|number| scene.model.run(number)) else { return false };
    if area.height < 3 {
        return false;
    }
    let text = digits::text(run.left(scene.now, &scene.model.rules));
    split(parts(area.top_rows(1).1, &text, is_ascii).2, scene).0.height > 0
}

/// The newest charges; time that just passes is left out.
fn newest(canvas: &mut Canvas<'_>, area: Rect, run: &crate::domain::run::Run, scene: &Scene<'_>) {
    if area.width < 16 {
        return;
    }
    let lines = run.statement.lines().rev().filter(|c| c.rule != Rule::Wall);
    let mut y = area.y;
    for charge in lines.take(usize::from(area.height)) {
        run::charge_line(canvas, Rect { y, height: 1, ..area }, charge, scene, false);
        y += 1;
    }
    if y == area.y {
        canvas.put(area.x, y, area.width, "nothing charged yet", canvas.style(Role::Muted));
    }
}
