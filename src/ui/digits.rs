//! Time in big digits, as on the arm.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Canvas;
use super::theme::Role;
use crate::domain::time::Span;

/// How big the digits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Six columns by five rows.
    Big,
    /// Three columns by three rows of half blocks.
    Small,
    /// Three columns by five rows, for terminals without half blocks.
    SmallPlain,
}

impl Size {
    /// Rows and columns that `text` takes.
    pub fn of(self, text: &str) -> (u16, u16) {
        let wide: u16 = text.chars().map(|c| self.columns(c) + 1).sum();
        let rows = if self == Size::Small { 3 } else { 5 };
        (rows, wide.saturating_sub(1))
    }

    fn columns(self, c: char) -> u16 {
        match (self, c) {
            (Size::Big, ':' | ' ') => 2,
            (Size::Big, '-') => 4,
            (Size::Big, _) => 6,
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

/// Is pixel (`column` of `columns`, `row` of 5) of this character lit? Strokes are as wide as `columns / 3`.
fn is_lit(c: char, column: u16, row: u16, columns: u16) -> bool {
    match c {
        ':' => row == 1 || row == 3,
        '-' => row == 2,
        ' ' => false,
        _ => {
            let on = segments(c);
            let stroke = (columns / 3).max(1);
            let (left, right) = (column < stroke, column >= columns - stroke);
            let has = |segment: u8| on & segment != 0;
            (row == 0 && has(TOP))
                || (row == 2 && has(MIDDLE))
                || (row == 4 && has(LOW))
                || (left && row <= 2 && has(TOP_LEFT))
                || (left && row >= 2 && has(LOW_LEFT))
                || (right && row <= 2 && has(TOP_RIGHT))
                || (right && row >= 2 && has(LOW_RIGHT))
        }
    }
}

/// Draws `text` at the top left of `area`. Hours and minutes that are still zero stand back; on terminals with fine
/// colours the digits are brighter at the top, and unlit segments can just be seen.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, text: &str, role: Role, size: Size) {
    let base = canvas.style(role);
    // What lies behind digits is the terminal's own; a role that is told by its background is told by that colour.
    let lit = Style { bg: None, fg: base.bg.or(base.fg), ..base };
    let ghost = canvas.style(Role::ClockGhost);
    let first = text.find(|c: char| c.is_ascii_digit() && c != '0').unwrap_or(text.len());
    let mut x = area.x;
    for (i, c) in text.char_indices() {
        let columns = size.columns(c);
        let is_back = i < first && i + 5 < text.len() && c != '-';
        let style = if is_back { canvas.style(Role::Muted) } else { lit };
        for row in 0..5 {
            for column in 0..columns {
                let on = is_lit(c, column, row, columns);
                match size {
                    Size::Small if row % 2 == 0 => half(canvas, (x + column, area.y), (c, column, row), style),
                    Size::Small => {}
                    _ if on => {
                        let shine = (!is_back).then(|| shine(canvas, role, row)).flatten();
                        let style = shine.map_or(style, |fg| style.fg(fg));
                        canvas.put(x + column, area.y + row, 1, canvas.glyphs.full, style);
                    }
                    _ if c.is_ascii_digit() && size == Size::Big && ghost.fg.is_some() => {
                        if is_lit('8', column, row, columns) {
                            canvas.put(x + column, area.y + row, 1, canvas.glyphs.full, ghost);
                        }
                    }
                    _ => {}
                }
            }
        }
        x += columns + 1;
    }
}

/// Brighter at the top, the colour itself at the bottom.
fn shine(canvas: &Canvas<'_>, role: Role, row: u16) -> Option<ratatui::style::Color> {
    if canvas.style(role).bg.is_some() {
        return None;
    }
    canvas.theme.lighter(role, [0.40, 0.26, 0.15, 0.06, 0.0][usize::from(row.min(4))])
}

/// Two pixels, one above the other, in one cell.
fn half(canvas: &mut Canvas<'_>, at: (u16, u16), (c, column, row): (char, u16, u16), style: Style) {
    let columns = Size::Small.columns(c);
    let upper = is_lit(c, column, row, columns);
    let lower = row < 4 && is_lit(c, column, row + 1, columns);
    let mark = match (upper, lower) {
        (true, true) => "█",
        (true, false) => "▀",
        (false, true) => "▄",
        (false, false) => return,
    };
    canvas.put(at.0, at.1 + row / 2, 1, mark, style);
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
        assert_eq!(Size::fitting("00:00:00", area(47, 5), false), Some(Size::Big));
        assert_eq!(Size::fitting("00:00:00", area(46, 5), false), Some(Size::Small));
        assert_eq!(Size::fitting("00:00:00", area(27, 3), false), Some(Size::Small));
        assert_eq!(Size::fitting("00:00:00", area(27, 3), true), None);
    }
}
