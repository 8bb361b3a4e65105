//! The burn: what was left over real time, and the forecast as a fan from now to zero.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::canvas::{Canvas, Cut, columns};
use super::super::spark::Spent;
use super::super::theme::Role;
use super::super::{format, look};
use super::Seat;
use crate::domain::forecast::Forecast;
use crate::domain::run::{Run, State};
use crate::domain::statement::Rule;
use crate::domain::time::{Span, Stamp};

/// Columns for the labels of the upright axis.
const GUTTER: u16 = 5;

/// What a dot belongs to; the later hides the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    None,
    Zero,
    Band,
    Middle,
    Left,
}

/// A grid of dots: two by four in a cell as braille, or one a cell in ASCII.
struct Grid {
    cells: (u16, u16),
    scale: (i32, i32),
    dots: Vec<(u8, Layer)>,
}

impl Grid {
    fn new(width: u16, height: u16, is_ascii: bool) -> Self {
        let scale = if is_ascii { (1, 1) } else { (2, 4) };
        Self { cells: (width, height), scale, dots: vec![(0, Layer::None); usize::from(width) * usize::from(height)] }
    }

    fn size(&self) -> (i32, i32) {
        (i32::from(self.cells.0) * self.scale.0, i32::from(self.cells.1) * self.scale.1)
    }

    fn set(&mut self, x: i32, y: i32, layer: Layer) {
        let (width, height) = self.size();
        if !(0..width).contains(&x) || !(0..height).contains(&y) {
            return;
        }
        let index = (y / self.scale.1) * i32::from(self.cells.0) + x / self.scale.0;
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let bit = BITS[(y % self.scale.1) as usize][(x % self.scale.0) as usize];
        if let Some((bits, top)) = usize::try_from(index).ok().and_then(|i| self.dots.get_mut(i)) {
            // A cell has one colour: what lies behind a line would only blur it.
            if layer > *top && layer >= Layer::Middle {
                *bits = 0;
            }
            if layer >= *top || *top < Layer::Middle {
                *bits |= bit;
            }
            *top = (*top).max(layer);
        }
    }

    fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, line: Style) {
        for y in 0..self.cells.1 {
            for x in 0..self.cells.0 {
                let (bits, layer) = self.dots[usize::from(y) * usize::from(self.cells.0) + usize::from(x)];
                if layer == Layer::None {
                    continue;
                }
                let (style, mark) = match layer {
                    Layer::Left => (line, '*'),
                    Layer::Middle => (canvas.style(Role::FanMid), '+'),
                    Layer::Band => (canvas.style(Role::FanBand), '.'),
                    _ => (canvas.style(Role::Border), '_'),
                };
                let c =
                    if canvas.glyphs.is_ascii { mark } else { char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ') };
                canvas.put(area.x + x, area.y + y, 1, c.encode_utf8(&mut [0; 4]), style);
            }
        }
    }
}

/// Times and amounts of the plot.
struct Plot<'a> {
    run: &'a Run,
    spent: Spent<'a>,
    start: Stamp,
    now: Stamp,
    end: Stamp,
    /// What is left now, and the edges of the upright axis, in milliseconds of clock time.
    left: f64,
    high: f64,
    low: f64,
    forecast: Option<Forecast>,
    is_over: bool,
}

impl<'a> Plot<'a> {
    fn of(seat: &Seat<'a>) -> Option<Self> {
        let run = seat.run;
        let rules = &seat.scene.model.rules;
        let start = run.first_at?;
        let now = if seat.state.is_live() || seat.state == State::Idle { seat.now } else { run.last_at?.min(seat.now) }
            .max(start + Span::secs(1));
        let forecast = match seat.state {
            State::Working if seat.left > Span::ZERO => run.forecast(&run.readings(seat.now, rules)[0], rules),
            _ => None,
        };
        let elapsed = now.since(start).0;
        // The fan may take up to half of the width; a later zero runs off the edge.
        let ahead = forecast.map_or(0, |f| f.p90.0.clamp(elapsed * 2 / 5, elapsed.max(60_000)));
        let spent = Spent::of(run, seat.now, rules);
        let left = seat.left.0 as f64;
        let granted = run.clock.granted.0 as f64;
        let is_over = !seat.state.is_live() && seat.state != State::Idle;
        let plot =
            Self { run, spent, start, now, end: now + Span(ahead), left, high: 1.0, low: 0.0, forecast, is_over };
        let high = plot.left_at(start).max(granted).max(1.0);
        Some(Self { high, low: left.min(0.0) * 1.05, ..plot })
    }

    /// What was left at `at`: grants that came later weren't there yet.
    fn left_at(&self, at: Stamp) -> f64 {
        let later = |c: &&crate::domain::statement::Charge| c.rule == Rule::Grant && c.at > at;
        let grants: i64 = self.run.statement.lines().filter(later).map(|c| -c.amount.0).sum();
        (self.run.clock.granted.0 - grants - self.spent.at(at)) as f64
    }

    fn row(&self, left: f64, height: i32) -> i32 {
        let share = (self.high - left) / (self.high - self.low).max(1.0);
        (share * f64::from(height - 1)).round() as i32
    }

    fn column(&self, at: Stamp, width: i32) -> i32 {
        let share = at.since(self.start).0 as f64 / self.end.since(self.start).0.max(1) as f64;
        (share * f64::from(width - 1)).round() as i32
    }

    fn time(&self, column: i32, width: i32) -> Stamp {
        let share = f64::from(column) / f64::from((width - 1).max(1));
        self.start + Span((self.end.since(self.start).0 as f64 * share) as i64)
    }
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>) {
    if area.height < 4 || area.width < GUTTER + 8 {
        return;
    }
    let (rule, body) = area.top_rows(1);
    canvas.rule(rule, "BURN", "left over real time", false);
    let Some(plot) = Plot::of(seat) else { return };
    let (body, axis) = body.bottom_rows(1);
    let field = Rect { x: body.x + GUTTER, width: body.width - GUTTER, ..body };
    let mut grid = Grid::new(field.width, field.height, canvas.glyphs.is_ascii);
    let (width, height) = grid.size();
    let zero = plot.row(0.0, height);
    for x in (0..width).step_by(if canvas.glyphs.is_ascii { 2 } else { 3 }) {
        grid.set(x, zero, Layer::Zero);
    }
    fan(&mut grid, &plot);
    curve(&mut grid, &plot);
    let role = look::clock_role(seat.state, seat.left, &seat.scene.model.rules);
    let line = canvas.style(role);
    grid.draw(canvas, field, Style { fg: line.bg.or(line.fg), bg: None, ..line });
    labels(canvas, body, axis, &plot);
}

/// What was left, as a line with steps where charges landed.
fn curve(grid: &mut Grid, plot: &Plot<'_>) {
    let (width, height) = grid.size();
    let last = plot.column(plot.now, width);
    let mut before = None;
    for x in 0..=last {
        let at = plot.time(x, width).min(plot.now);
        let left = if x == last { plot.left } else { plot.left_at(at) };
        let y = plot.row(left, height);
        let from = before.unwrap_or(y);
        for y in from.min(y)..=from.max(y) {
            grid.set(x, y, Layer::Left);
        }
        before = Some(y);
    }
}

/// From now to zero: the middle as a line, the band from p10 to p90 in dots.
fn fan(grid: &mut Grid, plot: &Plot<'_>) {
    let Some(forecast) = plot.forecast else { return };
    let (width, height) = grid.size();
    let first = plot.column(plot.now, width) + 1;
    let mut before = plot.row(plot.left, height);
    let left_after = |span: Span, zero: Span| plot.left * (1.0 - span.0 as f64 / zero.0.max(1) as f64);
    for x in first..width {
        let after = plot.time(x, width).since(plot.now);
        let edge = |zero: Span| plot.row(left_after(after, zero).max(0.0), height);
        let (upper, lower) = (edge(forecast.p90), edge(forecast.p10));
        if after <= forecast.p90 {
            for y in upper..=lower {
                if (x + y) % 2 == 0 || grid.scale.0 == 1 {
                    grid.set(x, y, Layer::Band);
                }
            }
        }
        if after <= forecast.p50 {
            let y = edge(forecast.p50);
            for y in before.min(y)..=y {
                grid.set(x, y, Layer::Middle);
            }
            before = y + 1;
        }
    }
}

fn labels(canvas: &mut Canvas<'_>, body: Rect, axis: Rect, plot: &Plot<'_>) {
    let muted = canvas.style(Role::Border);
    let gutter = GUTTER - 1;
    canvas.right(body.x, body.y, gutter, &format::about(Span(plot.high as i64)), muted);
    let height = i32::from(body.height);
    let zero = u16::try_from(plot.row(0.0, height).clamp(0, height - 1)).unwrap_or(0);
    if body.height > 2 {
        canvas.right(body.x, body.y + zero, gutter, "0", muted);
    }
    let field = body.width - GUTTER;
    let x = |at| body.x + GUTTER + u16::try_from(plot.column(at, i32::from(field)).max(0)).unwrap_or(0);
    let ago = format!("{}{}", canvas.glyphs.minus, format::about(plot.now.since(plot.start)));
    canvas.put(body.x + GUTTER, axis.y, field, &ago, muted);
    let now = x(plot.now).saturating_sub(1).min(axis.right().saturating_sub(3));
    if now > body.x + GUTTER + columns(&ago) + 1 {
        let word = if plot.is_over { "end" } else { "now" };
        canvas.put(now, axis.y, 3, word, canvas.style(Role::Muted));
    }
    let ahead = format!("+{}", format::about(plot.end.since(plot.now)));
    if plot.end > plot.now && axis.right().saturating_sub(columns(&ahead)) > now + 4 {
        canvas.right(axis.x, axis.y, axis.width, &ahead, muted);
    }
}
