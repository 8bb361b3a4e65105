//! Time in big digits, as on the arm.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use super::theme::{Rgb, Role};
use crate::domain::time::Span;

/// How big the digits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Five columns by nine half rows, two columns apart.
    Big,
    /// Three columns by three rows of half blocks.
    Small,
    /// Three columns by three rows of bars, for terminals without half blocks.
    SmallPlain,
}

impl Size {
    /// Rows and columns that `text` takes.
    pub fn of(self, text: &str) -> (u16, u16) {
        let wide: u16 = text.chars().map(|c| self.columns(c) + self.gap()).sum();
        let rows = if self == Size::Big { 5 } else { 3 };
        (rows, wide.saturating_sub(self.gap()))
    }

    /// Columns between two characters.
    fn gap(self) -> u16 {
        if self == Size::Big { 2 } else { 1 }
    }

    fn columns(self, c: char) -> u16 {
        match (self, c) {
            (Size::Big, ':' | ' ') => 1,
            (Size::Big, '-') => 3,
            (Size::Big, _) => 5,
            (_, ':' | ' ') => 1,
            (_, '-') => 2,
            _ => 3,
        }
    }

    /// The biggest that fits `area`, if any does.
    pub fn fitting(text: &str, area: Rect, is_ascii: bool) -> Option<Size> {
        let sizes = if is_ascii { [Size::Big, Size::SmallPlain] } else { [Size::Big, Size::Small] };
        sizes.into_iter().find(|size| {
            let (rows, columns) = size.of(text);
            rows <= area.height && columns <= area.width
        })
    }
}

/// `HH:MM:SS`; days in front where there are any, a sign when overspent.
pub fn text(left: Span) -> String {
    let s = left.0.unsigned_abs() / 1_000;
    let sign = if left.0 < 0 && s > 0 { "-" } else { "" };
    let (d, h, m, s) = (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60);
    match d {
        0 => format!("{sign}{h:02}:{m:02}:{s:02}"),
        1..4 => format!("{sign}{:02}:{m:02}:{s:02}", d * 24 + h),
        _ => format!("{sign}{d}d {h:02}:{m:02}"),
    }
}

/// Segments of a seven-segment digit, clockwise from the top, the middle last.
const TOP: u8 = 1;
const TOP_RIGHT: u8 = 2;
const LOW_RIGHT: u8 = 4;
const LOW: u8 = 8;
const LOW_LEFT: u8 = 16;
const TOP_LEFT: u8 = 32;
const MIDDLE: u8 = 64;

fn segments(c: char) -> u8 {
    match c {
        '0' => 0x3f,
        '1' => TOP_RIGHT | LOW_RIGHT,
        '2' => TOP | TOP_RIGHT | MIDDLE | LOW_LEFT | LOW,
        '3' => TOP | TOP_RIGHT | MIDDLE | LOW_RIGHT | LOW,
        '4' => TOP_LEFT | MIDDLE | TOP_RIGHT | LOW_RIGHT,
        '5' => TOP | TOP_LEFT | MIDDLE | LOW_RIGHT | LOW,
        '6' => TOP | TOP_LEFT | MIDDLE | LOW_LEFT | LOW_RIGHT | LOW,
        '7' => TOP | TOP_RIGHT | LOW_RIGHT,
        '8' => 0x7f,
        '9' => TOP | TOP_LEFT | TOP_RIGHT | MIDDLE | LOW_RIGHT | LOW,
        'd' => TOP_RIGHT | MIDDLE | LOW_LEFT | LOW_RIGHT | LOW,
        _ => 0,
    }
}

/// Is this pixel of a character lit? Characters are `columns` wide and `rows` high; strokes are as thick as `stroke`,
/// and do not fill the corners.
fn is_lit(c: char, (x, y): (u16, u16), (columns, rows): (u16, u16), stroke: u16) -> bool {
    let middle = (rows - stroke) / 2;
    match c {
        ':' => [rows / 4, rows - 1 - rows / 4].iter().any(|at| y.abs_diff(*at) < stroke.div_ceil(2)),
        '-' => (middle..middle + stroke).contains(&y),
        ' ' => false,
        _ => {
            let on = segments(c);
            let has = |segment: u8| on & segment != 0;
            let (left, right) = (x < stroke, x + stroke >= columns);
            let (upper, lower) = (y <= middle + stroke / 2, y + 1 >= rows - middle - stroke / 2);
            let is_corner = (x == 0 || x + 1 == columns) && (y == 0 || y + 1 == rows);
            let lit = (y < stroke && has(TOP))
                || ((middle..middle + stroke).contains(&y) && has(MIDDLE))
                || (y + stroke >= rows && has(LOW))
                || (left && upper && has(TOP_LEFT))
                || (left && lower && has(LOW_LEFT))
                || (right && upper && has(TOP_RIGHT))
                || (right && lower && has(LOW_RIGHT));
            lit && !(is_corner && rows > 5)
        }
    }
}

impl Size {
    /// Rows of pixels, and how thick strokes are. With half blocks there are two rows of pixels to a row.
    fn grid(self, is_ascii: bool) -> (u16, u16) {
        match (self, is_ascii) {
            (Size::Big, false) => (9, 1),
            _ => (5, 1),
        }
    }
}

/// Draws `text` at the top left of `area`. Hours and minutes that are still zero stand back; on terminals with fine
/// colours the digits are brighter at the top, and unlit segments can just be seen.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, text: &str, role: Role, size: Size) {
    let first = text.find(|c: char| c.is_ascii_digit() && c != '0').unwrap_or(text.len());
    let mut x = area.x;
    for (i, c) in text.char_indices() {
        let stands_back = i < first && i + 5 < text.len() && c != '-';
        let rows = size.of(text).0;
        for row in 0..rows {
            for column in 0..size.columns(c) {
                cell(canvas, (x + column, area.y + row), (c, column, row), (role, size, stands_back));
            }
        }
        x += size.columns(c) + size.gap();
    }
}

/// One cell of a character: up to two pixels, one above the other.
fn cell(
    canvas: &mut Canvas<'_>,
    at: (u16, u16),
    (c, column, row): (char, u16, u16),
    (role, size, stands_back): (Role, Size, bool),
) {
    let is_ascii = canvas.glyphs.is_ascii;
    let (rows, stroke) = size.grid(is_ascii);
    let columns = size.columns(c);
    if is_ascii || size == Size::SmallPlain {
        let mark = if size == Size::SmallPlain {
            bar(c, column, row)
        } else if is_lit(c, (column, row), (columns, rows), stroke) {
            canvas.glyphs.full
        } else {
            " "
        };
        if mark != " " {
            canvas.put(at.0, at.1, 1, mark, stroke_style(canvas, role, stands_back, 0.0));
        }
        return;
    }
    let lit = |y: u16| y < rows && is_lit(c, (column, y), (columns, rows), stroke);
    let ghost = canvas.style(Role::ClockGhost).fg.filter(|_| size == Size::Big && c.is_ascii_digit());
    let unlit = |y: u16| y < rows && ghost.is_some() && is_lit('8', (column, y), (columns, rows), stroke);
    let height = f32::from(row) / f32::from((rows / 2).max(1));
    let style = stroke_style(canvas, role, stands_back, 0.42 * (1.0 - height).powi(2));
    let (above, below) = (2 * row, 2 * row + 1);
    let behind = |is_ghost: bool| Style { bg: ghost.filter(|_| is_ghost), ..style };
    let faint = Style { fg: ghost, bg: None, ..style };
    let (mark, style) = match (lit(above), lit(below), unlit(above), unlit(below)) {
        (true, true, ..) => ("█", style),
        (true, false, _, is_ghost) => ("▀", behind(is_ghost)),
        (false, true, is_ghost, _) => ("▄", behind(is_ghost)),
        (false, false, true, true) => ("█", faint),
        (false, false, true, false) => ("▀", faint),
        (false, false, false, true) => ("▄", faint),
        (false, false, false, false) => return,
    };
    canvas.put(at.0, at.1, 1, mark, style);
}

/// A cell of a digit made of bars: ` _ ` above `|_|` above `|_|`.
fn bar(c: char, column: u16, row: u16) -> &'static str {
    let on = |segment: u8| segments(c) & segment != 0;
    match (c, row, column) {
        (':', 1 | 2, _) => ".",
        ('-', 1, _) => "_",
        (_, 0, 1) if on(TOP) => "_",
        (_, 1, 1) if on(MIDDLE) => "_",
        (_, 2, 1) if on(LOW) => "_",
        (_, 1, 0) if on(TOP_LEFT) => "|",
        (_, 1, 2) if on(TOP_RIGHT) => "|",
        (_, 2, 0) if on(LOW_LEFT) => "|",
        (_, 2, 2) if on(LOW_RIGHT) => "|",
        _ => " ",
    }
}

/// What a lit pixel looks like. `shine`: how much lighter than the role's colour.
fn stroke_style(canvas: &Canvas<'_>, role: Role, stands_back: bool, shine: f32) -> Style {
    let base = canvas.style(role);
    if stands_back {
        let dim = canvas.theme.faded(role);
        return dim.map_or(canvas.style(Role::Border), |fg| Style { bg: None, ..base.fg(fg) });
    }
    // What lies behind digits is the terminal's own; a role that is told by its background is told by that colour.
    let fg = canvas.theme.mixed(role, Rgb(255, 255, 255), shine).or(base.bg).or(base.fg);
    let style = Style { bg: None, fg, ..base };
    style.remove_modifier(ratatui::style::Modifier::REVERSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_grows_to_days_and_below_zero() {
        assert_eq!(text(Span::mins(24)), "00:24:00");
        assert_eq!(text(Span::secs(-65)), "-00:01:05");
        assert_eq!(text(Span(-400)), "00:00:00");
        assert_eq!(text(Span::mins(30 * 60)), "30:00:00");
        assert_eq!(text(Span::mins(24 * 60 * 9)), "9d 00:00");
    }

    #[test]
    fn all_digits_differ() {
        let shapes: Vec<u8> = ('0'..='9').chain(['d']).map(segments).collect();
        let unique: std::collections::HashSet<_> = shapes.iter().collect();
        assert_eq!(unique.len(), shapes.len());
    }

    #[test]
    fn the_biggest_size_that_fits_is_taken() {
        let area = |width, height| Rect::new(0, 0, width, height);
        assert_eq!(Size::fitting("00:00:00", area(46, 5), false), Some(Size::Big));
        assert_eq!(Size::fitting("00:00:00", area(45, 5), false), Some(Size::Small));
        assert_eq!(Size::fitting("00:00:00", area(27, 3), false), Some(Size::Small));
        assert_eq!(Size::fitting("00:00:00", area(27, 3), true), Some(Size::SmallPlain));
        assert_eq!(Size::fitting("00:00:00", area(26, 3), true), None);
    }
}
