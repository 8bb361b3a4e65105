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

/// Rows that the meters want: one for each that has a limit, and one for two that have none.
pub fn rows(seat: &Seat<'_>, all: bool) -> u16 {
    let shown = shown(seat, all);
    let limited = shown.iter().filter(|r| r.cap.is_some()).count();
    u16::try_from(limited + (shown.len() - limited).div_ceil(2)).unwrap_or(u16::MAX)
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>) {
    let (rule, body) = area.top_rows(1);
    if area.height < 2 {
        return;
    }
    canvas.rule(rule, "METERS", "what is left", false);
    let (binding, _) = seat.run.binding(seat.now, &seat.scene.model.rules);
    let (limited, others): (Vec<Reading>, Vec<Reading>) = shown(seat, true).into_iter().partition(|r| r.cap.is_some());
    let mut rows = body.top()..body.bottom();
    let is_live = seat.state.is_live();
    let tail = limited.iter().map(|r| columns(&words(r))).max().unwrap_or(0);
    for (y, reading) in rows.by_ref().take(limited.len()).zip(&limited) {
        let area = Rect { y, height: 1, ..body };
        line(canvas, area, reading, tail, (is_live, is_live && reading.meter == binding));
    }
    let half = body.width / 2;
    for (y, pair) in rows.zip(others.chunks(2)) {
        for (x, reading) in [body.x, body.x + half + 1].into_iter().zip(pair) {
            plain(canvas, Rect::new(x, y, half.saturating_sub(1), 1), reading);
        }
    }
}

/// A meter without a limit: what was used.
fn plain(canvas: &mut Canvas<'_>, area: Rect, reading: &Reading) {
    let muted = canvas.style(Role::Muted);
    let used = canvas.put(area.x, area.y, area.width, format::meter(reading.meter), muted);
    let text = format::quantity(reading.meter, reading.used);
    canvas.right(area.x + used, area.y, area.width - used, &text, canvas.style(Role::Text));
}

/// What is left of how much; once nothing is, what was used of how much.
fn words(reading: &Reading) -> String {
    let quantity = |value| format::quantity(reading.meter, value);
    let cap = quantity(reading.cap.unwrap_or(0.0));
    if reading.is_out() {
        format!("{} of {cap} used", quantity(reading.used))
    } else {
        format!("{} of {cap}", quantity(reading.left().unwrap_or(0.0)))
    }
}

/// One meter: name, gauge, words in `tail` columns, and whether it binds.
fn line(canvas: &mut Canvas<'_>, area: Rect, reading: &Reading, tail: u16, (is_live, binds): (bool, bool)) {
    const NAME: u16 = 11;
    const MARK: u16 = 6;
    let Rect { x, y, width, .. } = area;
    let share = 1.0 - reading.share().unwrap_or(0.0);
    let role = match share {
        _ if reading.is_out() => Role::Error,
        _ if !is_live => Role::Muted,
        s if s < 0.2 => Role::ClockLow,
        _ => Role::GaugeFill,
    };
    let fill = Style { bg: None, ..canvas.style(role) };
    let text = canvas.style(if binds { Role::Title } else { Role::Text });
    canvas.put(x, y, (NAME - 1).min(width), format::meter(reading.meter), text);
    let rest = width.saturating_sub(NAME);
    let tail = tail.min(rest.saturating_sub(MARK));
    let gauge = rest.saturating_sub(tail + MARK + 1);
    if gauge >= 3 {
        look::gauge(canvas, x + NAME, y, gauge, share, fill);
    }
    let words_x = x + width.saturating_sub(tail + MARK);
    canvas.right(words_x, y, tail, &words(reading), if reading.is_out() { fill } else { text });
    let mark = match (binds, reading.is_out()) {
        (false, _) => "",
        (true, false) => "binds",
        (true, true) => "out",
    };
    canvas.put(words_x + tail + 1, y, (MARK - 1).min(width), mark, canvas.style(Role::Warn));
}
