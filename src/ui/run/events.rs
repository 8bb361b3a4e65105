//! The timeline: what happened, the newest on top.

use ratatui::layout::Rect;

use super::super::canvas::{Canvas, Cut};
use super::super::glyphs::entry_word;
use super::super::theme::Role;
use super::super::{Pane, format};
use super::statement::{older, select};
use super::{Seat, list};
use crate::domain::run::{Entry, EntryKind};
use crate::domain::time::Span;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>, is_focused: bool) {
    let (rule, body) = area.top_rows(1);
    let view = &seat.scene.ui.run;
    canvas.rule(rule, "EVENTS", &format::count(seat.run.counts.events), is_focused);
    let shown: Vec<_> = list::entries(seat.run, view).collect();
    let at = view.at[Pane::Events as usize];
    let position = at.and_then(|n| shown.iter().position(|h| h.number <= n)).unwrap_or(0);
    let older = older(seat.run.timeline.forgotten(), seat.run.timeline.entries().len());
    let (body, foot) = if older.is_some() && body.height > 3 { body.bottom_rows(1) } else { (body, Rect::default()) };
    let first = list::first(position, shown.len(), body.height);
    for (row, (i, held)) in shown.iter().enumerate().skip(first).take(usize::from(body.height)).enumerate() {
        let area = body.row(u16::try_from(row).unwrap_or(u16::MAX));
        line(canvas, area, held.line, seat);
        if is_focused && i == position && at.is_some() {
            select(canvas, area);
        }
    }
    if let (Some(words), true) = (older, foot.height > 0) {
        canvas.put(foot.x, foot.y, foot.width, &words, canvas.style(Role::Muted));
    }
}

pub fn role(kind: EntryKind) -> Role {
    match kind {
        EntryKind::Failure | EntryKind::ApiError => Role::Error,
        EntryKind::Warning | EntryKind::Unparsed => Role::Warn,
        EntryKind::Prompt | EntryKind::Approval => Role::StateWaiting,
        EntryKind::Verified | EntryKind::Grant => Role::StateFinished,
        EntryKind::Subagent | EntryKind::Decision => Role::Accent,
        EntryKind::Tool | EntryKind::Message | EntryKind::End => Role::Text,
        EntryKind::Model | EntryKind::Result => Role::Muted,
    }
}

fn line(canvas: &mut Canvas<'_>, area: Rect, entry: &Entry, seat: &Seat<'_>) {
    let (mut x, y) = (area.x, area.y);
    let room = |x: u16| area.right().saturating_sub(x);
    if area.width >= 40 {
        let time = format::time_of_day(entry.at, seat.scene.ui.options.utc_offset);
        x += canvas.put(x, y, room(x), &time, canvas.style(Role::Border)) + 1;
    }
    let style = canvas.style(role(entry.kind));
    x += canvas.put(x, y, room(x), canvas.glyphs.entry(entry.kind), style) + 1;
    if area.width >= 56 {
        canvas.put(x, y, room(x), entry_word(entry.kind), style);
        x += 10;
    }
    let mut right = area.right();
    if entry.amount != Span::ZERO {
        let amount = format::amount(entry.amount, canvas.glyphs);
        let width = super::columns(&amount).min(room(x));
        right = right.saturating_sub(width);
        let role = match entry.amount {
            a if a < Span::ZERO => Role::Refund,
            a if a >= Span::mins(1) => Role::ChargeBig,
            _ => Role::Charge,
        };
        canvas.put(right, y, width, &amount, canvas.style(role));
        right = right.saturating_sub(1);
    }
    let text = canvas.style(if role(entry.kind) == Role::Muted { Role::Muted } else { Role::Text });
    let mark = if entry.branch > 0 { format!("{} ", canvas.glyphs.entry(EntryKind::Subagent)) } else { String::new() };
    canvas.pieces(x, y, right.saturating_sub(x), &[(&mark, canvas.style(Role::Accent)), (entry.what.as_str(), text)]);
}
