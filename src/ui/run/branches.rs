//! Subagents as a tree.

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, Cut, columns};
use super::super::theme::Role;
use super::super::{Pane, format, look};
use super::statement::select;
use super::{Seat, list};
use crate::domain::time::Span;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>, is_focused: bool) {
    let (rule, body) = area.top_rows(1);
    let count = seat.run.branches.len() - 1;
    let note = format::plural(count as u64, "subagent");
    canvas.rule(rule, "BRANCHES", &note, is_focused);
    let tree = list::tree(seat.run);
    let at = seat.scene.ui.run.at[Pane::Branches as usize];
    let position = at.and_then(|n| tree.iter().position(|(index, _)| *index as u64 == n)).unwrap_or(0);
    let first = list::first(position, tree.len(), body.height);
    for (row, (i, (index, levels))) in tree.iter().enumerate().skip(first).take(usize::from(body.height)).enumerate() {
        let area = body.row(u16::try_from(row).unwrap_or(u16::MAX));
        line(canvas, area, seat, *index, levels);
        if is_focused && i == position && at.is_some() {
            select(canvas, area);
        }
    }
}

fn line(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>, index: usize, levels: &[bool]) {
    let branch = &seat.run.branches[index];
    let (mut x, y) = (area.x, area.y);
    let room = |x: u16| area.right().saturating_sub(x);
    let border = canvas.style(Role::Border);
    // Deep trees are told by a number rather than by a margin that leaves no room.
    let shown = levels.len().min(4);
    for (n, more) in levels.iter().skip(levels.len() - shown).enumerate() {
        let mark = match (n + 1 == shown, more) {
            (true, true) => canvas.glyphs.branch,
            (true, false) => canvas.glyphs.last_branch,
            (false, true) => canvas.glyphs.trunk,
            (false, false) => "  ",
        };
        x += canvas.put(x, y, room(x), mark, border);
    }
    let state = match (index, branch.ended) {
        (0, _) => seat.state,
        (_, None) if !seat.state.is_live() => crate::domain::run::State::Idle,
        (_, None) => crate::domain::run::State::Working,
        (_, Some(outcome)) => look::ended(outcome),
    };
    let style = canvas.style(look::state_role(state));
    x += canvas.put(x, y, room(x), canvas.glyphs.state(state), style) + 1;
    let name = if index == 0 { "the run itself" } else { branch.name.as_str() };
    let name_width = (area.width * 2 / 5).max(8);
    let name_room = (area.x + 7 + name_width).saturating_sub(x + 1).min(room(x));
    canvas.put(x, y, name_room, name, canvas.style(Role::Text));
    x = (area.x + 7 + name_width).max(x);
    let amount = if branch.spent == Span::ZERO { String::new() } else { format::drop(branch.spent, canvas.glyphs) };
    canvas.right(x.min(area.right()), y, 8.min(room(x)), &amount, canvas.style(Role::Charge));
    x += 9;
    let tools = format::plural(u64::from(branch.tools), "call");
    x += canvas.put(x, y, room(x), &tools, canvas.style(Role::Muted)) + 1;
    if branch.failures > 0 {
        let failed = format!("{}{}", branch.failures, canvas.glyphs.state(crate::domain::run::State::Failed));
        x += canvas.put(x, y, room(x), &failed, canvas.style(Role::Warn)) + 1;
    }
    if room(x) >= 10 && columns(branch.doing.as_str()) > 0 {
        canvas.put(x, y, room(x), branch.doing.as_str(), canvas.style(Role::Muted));
    }
}
