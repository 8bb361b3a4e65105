//! A closer look at the selected run, without leaving the fleet: its clock, and what it was charged for.

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, Cut};
use super::super::digits::{self, Size};
use super::super::theme::Role;
use super::super::{Scene, look, run};
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
    let body = body.inset(2);
    let half = Rect { width: (body.width * 5 / 11).max(28).min(body.width), ..body };
    let body_clock = Rect { height: body.height.saturating_sub(1), ..half };
    let mut x = body.x;
    if let Some(size) = Size::fitting(&text, body_clock, canvas.glyphs.is_ascii) {
        let (rows, columns) = size.of(&text);
        let top = u16::from(body.height >= rows + 3);
        let clock = Rect { y: body.y + top, ..body };
        digits::draw(canvas, clock, &text, look::clock_role(state, left, rules), size);
        let below = clock.y + rows + u16::from(body.height > rows + top + 2);
        run::meaning(canvas, Rect { y: below, height: 1, ..half }, run, scene);
        x += columns.max(half.width.min(48)) + 3;
        let chart = Rect { y: below + 2, width: columns.max(half.width.min(48)), ..body };
        let chart = Rect { height: body.bottom().saturating_sub(chart.y), ..chart };
        run::burn(canvas, chart, run, scene);
    }
    let charges = Rect { x, y: body.y, width: body.right().saturating_sub(x), height: body.height };
    newest(canvas, charges, run, scene);
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
