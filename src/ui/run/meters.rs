//! Every meter that has a limit, drained like the clock, and which of them runs out first.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::canvas::{Canvas, Cut, columns};
use super::super::theme::Role;
use super::super::{format, look};
use super::Seat;
use crate::domain::meter::{Meter, Reading};

/// Meters to show: those with a limit, and, where there is room, those that have anything to tell.
fn shown(seat: &Seat<'_>, all: bool) -> Vec<Reading> {
    let readings = seat.run.readings(seat.now, &seat.scene.model.rules);
    let mut shown: Vec<Reading> = readings.iter().filter(|r| r.cap.is_some()).copied().collect();
    if all {
        let telling = |r: &&Reading| r.cap.is_none() && r.used > 0.0 && !matches!(r.meter, Meter::Depth);
        shown.extend(readings.iter().filter(telling).copied());
    }
    shown
}

/// Rows that the meters want.
pub fn rows(seat: &Seat<'_>, all: bool) -> u16 {
    u16::try_from(shown(seat, all).len()).unwrap_or(u16::MAX)
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>) {
    let (rule, body) = area.top_rows(1);
    if area.height < 2 {
        return;
    }
    canvas.rule(rule, "METERS", "what is left", false);
    let (binding, _) = seat.run.binding(seat.now, &seat.scene.model.rules);
    for (y, reading) in (body.top()..body.bottom()).zip(shown(seat, true)) {
        line(canvas, Rect { y, height: 1, ..body }, &reading, reading.meter == binding && seat.state.is_live());
    }
}

fn line(canvas: &mut Canvas<'_>, area: Rect, reading: &Reading, binds: bool) {
    let Rect { x, y, width, .. } = area;
    let muted = canvas.style(Role::Muted);
    let name = format::meter(reading.meter);
    let quantity = |value| format::quantity(reading.meter, value);
    let (Some(cap), Some(left)) = (reading.cap, reading.left()) else {
        canvas.put(x, y, 10.min(width), name, muted);
        canvas.right(x, y, width, &format!("{} used, no limit", quantity(reading.used)), muted);
        return;
    };
    let share = if cap > 0.0 { left / cap } else { 0.0 };
    let role = match share {
        s if s <= 0.0 => Role::Error,
        s if s < 0.2 => Role::ClockLow,
        _ => Role::GaugeFill,
    };
    let style = canvas.style(if binds { Role::Title } else { Role::Text });
    canvas.put(x, y, 10.min(width), name, style);
    let text = if left <= 0.0 {
        format!("{} of {} used", quantity(reading.used), quantity(cap))
    } else {
        format!("{} of {}", quantity(left), quantity(cap))
    };
    let mark = if binds { if left <= 0.0 { " out" } else { " binds" } } else { "" };
    let tail = columns(&text) + 6;
    let gauge = width.saturating_sub(11 + tail + 1);
    let fill = canvas.style(role);
    if gauge >= 3 {
        look::gauge(canvas, x + 11, y, gauge, share, Style { bg: None, ..fill });
    }
    let start = x + width.saturating_sub(tail);
    let used = canvas.put(start.max(x + 11.min(width)), y, width.saturating_sub(11), &text, if left <= 0.0 { fill } else { style });
    canvas.put(start.max(x + 11.min(width)) + used, y, width.saturating_sub(11 + used).min(6), mark, canvas.style(Role::Warn));
}
