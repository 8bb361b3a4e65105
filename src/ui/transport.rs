//! The transport bar of a replay: play or pause, speed, place and length, and marks where something happened.

use ratatui::layout::Rect;

use super::canvas::{Canvas, Cut, columns};
use super::glyphs::Glyphs;
use super::theme::Role;
use crate::domain::time::{Span, Stamp};
use crate::replay::marks::{Bucket, Kind};
use crate::replay::{Player, Reel, Speed, player};

/// Parts of the time that are told apart; a bar that is wider repeats some.
const PARTS: usize = 240;
/// Screens from this height on have a row for the marks and one for the rest.
const TALL: u16 = 24;

/// What the bar shows: a replay at a moment.
#[derive(Clone, Debug, Default)]
pub struct Transport {
    pub is_playing: bool,
    pub is_at_end: bool,
    pub speed: Option<Speed>,
    pub cap: Option<Span>,
    /// What jumps look for.
    pub kind: Option<Kind>,
    pub start: Stamp,
    pub end: Stamp,
    pub now: Stamp,
    /// Percent that is read; none: all of it.
    pub reading: Option<u8>,
    pub buckets: Vec<Bucket>,
    /// Steps and end that the buckets are of.
    of: (u64, Stamp),
    /// What local time is ahead of UTC.
    pub offset: Span,
}

impl Transport {
    /// Brings it up to date. Marks are sorted anew only when there are more.
    pub fn update(&mut self, reel: &Reel, player: &Player, offset: Span) {
        let of = (reel.len(), reel.end());
        if self.of != of || self.buckets.is_empty() {
            self.of = of;
            self.buckets = reel.marks().buckets(reel.start(), reel.end(), PARTS);
        }
        let (read, all) = reel.read;
        *self = Self {
            is_playing: player.is_playing,
            is_at_end: reel.is_done() && player::is_at_end(reel),
            speed: Some(player.speed),
            cap: player.cap,
            kind: player.kind,
            start: reel.start(),
            end: reel.end(),
            now: reel.now(),
            reading: (!reel.is_done()).then(|| u8::try_from(read * 100 / all.max(1)).unwrap_or(99).min(99)),
            buckets: std::mem::take(&mut self.buckets),
            of,
            offset,
        };
    }

    fn share(&self) -> f64 {
        player::percent(self.now, self.start, self.end) / 100.0
    }
}

/// Rows that the bar takes of a screen.
pub fn rows(height: u16) -> u16 {
    match height {
        0..6 => 0,
        6..TALL => 1,
        _ => 2,
    }
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, bar: &Transport) {
    if area.height == 0 || area.width < 8 {
        return;
    }
    canvas.clear(area);
    canvas.tint(area, canvas.style(Role::Text));
    let below = area.row(area.height - 1);
    let left = state(bar, canvas.glyphs);
    let right = place(bar, area.width);
    let style = canvas.style(if bar.is_playing { Role::Accent } else { Role::Warn });
    let used = canvas.put(below.x + 1, below.y, below.width.saturating_sub(2), &left, style);
    let x = below.x + (used + 3).max(14).min(below.width);
    let width = below.right().saturating_sub(x + columns(&right) + 3);
    canvas.right(below.x, below.y, below.width.saturating_sub(1), &right, canvas.style(Role::Text));
    if width < 8 {
        return;
    }
    line(canvas, Rect { x, width, ..below }, bar);
    if area.height > 1 {
        let above = Rect { x, width, ..area.row(0) };
        let kind = bar.kind.map_or("all marks".to_owned(), |kind| format!("{}s", kind.name()));
        canvas.put(area.x + 1, area.y, (x - area.x).saturating_sub(2), &kind, canvas.style(Role::Muted));
        charges(canvas, above, bar);
        marks(canvas, above, bar);
    } else {
        marks(canvas, Rect { x, width, ..below }, bar);
    }
}

/// Whether it plays, and how fast.
fn state(bar: &Transport, glyphs: &Glyphs) -> String {
    let speed = match bar.speed {
        Some(Speed::Times(times)) => format!("{times}{}", glyphs.times),
        _ => "max".to_owned(),
    };
    let mark = match (bar.is_playing, bar.is_at_end, glyphs.is_ascii) {
        (true, _, false) => "▶",
        (true, _, true) => ">",
        (false, true, false) => "■",
        (false, true, true) => "#",
        (false, false, false) => "‖",
        (false, false, true) => "=",
    };
    let cap = bar.cap.map_or(String::new(), |cap| format!(" idle {}", cap.short()));
    format!("{mark} {speed}{cap}")
}

/// Time of day, place and length.
fn place(bar: &Transport, width: u16) -> String {
    let of_day = Span((bar.now + bar.offset).0.rem_euclid(86_400_000)).hms();
    let (at, all) = (bar.now.since(bar.start), bar.end.since(bar.start));
    let reading = bar.reading.map_or(String::new(), |percent| format!("  reading {percent} %"));
    match width {
        0..50 => format!("{at}{reading}"),
        50..90 => format!("{at} of {all}{reading}"),
        _ => format!("{of_day}   {at} of {all}  {:>3.0} %{reading}", bar.share() * 100.0),
    }
}

/// What has been played, where it is, and what is to come.
fn line(canvas: &mut Canvas<'_>, area: Rect, bar: &Transport) {
    let head = (bar.share() * f64::from(area.width.saturating_sub(1))).round() as u16;
    let (played, coming) = (canvas.style(Role::GaugeFill), canvas.style(Role::GaugeEmpty));
    canvas.repeat(area.x, area.y, head, canvas.glyphs.gauge_full, played);
    canvas.repeat(area.x + head, area.y, area.width - head, canvas.glyphs.gauge_empty, coming);
    let mark = if canvas.glyphs.is_ascii { "O" } else { "●" };
    canvas.put(area.x + head, area.y, 1, mark, canvas.style(Role::Title));
}

/// How much was charged when.
fn charges(canvas: &mut Canvas<'_>, area: Rect, bar: &Transport) {
    let columns = columns_of(bar, area.width);
    let most = columns.iter().map(|column| column.charges).max().unwrap_or(0);
    let style = canvas.style(Role::Muted);
    for (x, column) in (area.x..).zip(columns) {
        if column.charges > 0 {
            let height = (f64::from(column.charges) / f64::from(most) * 8.0).ceil() as usize;
            canvas.put(x, area.y, 1, canvas.glyphs.spark[height.clamp(1, 8)], style);
        }
    }
}

/// What else happened; of several in one column, what weighs most.
fn marks(canvas: &mut Canvas<'_>, area: Rect, bar: &Transport) {
    for (x, column) in (area.x..).zip(columns_of(bar, area.width)) {
        let has = |kind: Kind| column.kinds & 1 << kind as u8 != 0 && bar.kind.is_none_or(|wanted| wanted == kind);
        let order = [Kind::Interrupt, Kind::Gate, Kind::Flag, Kind::Failure];
        if let Some(kind) = order.into_iter().find(|kind| has(*kind)) {
            let (mark, role) = mark(kind, canvas.glyphs.is_ascii);
            canvas.put(x, area.y, 1, mark, canvas.style(role));
        }
    }
}

/// How a kind is marked.
pub fn mark(kind: Kind, is_ascii: bool) -> (&'static str, Role) {
    match (kind, is_ascii) {
        (Kind::Flag, _) => ("!", Role::Warn),
        (Kind::Gate, _) => ("?", Role::StateWaiting),
        (Kind::Interrupt, false) => ("⊘", Role::StateZero),
        (Kind::Interrupt, true) => ("/", Role::StateZero),
        (Kind::Failure, false) => ("✗", Role::StateFailed),
        (Kind::Failure, true) => ("x", Role::StateFailed),
    }
}

/// The parts of the time that fall into each column.
fn columns_of(bar: &Transport, width: u16) -> Vec<Bucket> {
    let (parts, width) = (bar.buckets.len(), usize::from(width).max(1));
    if parts == 0 {
        return Vec::new();
    }
    let column = |x: usize| {
        let from = x * parts / width;
        let to = ((x + 1) * parts / width).max(from + 1).min(parts);
        bar.buckets[from.min(to - 1)..to].iter().fold(Bucket::default(), |sum, bucket| Bucket {
            charges: sum.charges + bucket.charges,
            kinds: sum.kinds | bucket.kinds,
        })
    };
    (0..width).map(column).collect()
}
