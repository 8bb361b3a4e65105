//! Drawing into a buffer, clipped: nothing here can write outside of it, however small it is.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::glyphs::Glyphs;
use super::theme::{Role, Theme};

/// A buffer with the look of things.
pub struct Canvas<'a> {
    buf: &'a mut Buffer,
    pub theme: &'a Theme,
    pub glyphs: &'static Glyphs,
}

impl<'a> Canvas<'a> {
    pub fn new(buf: &'a mut Buffer, theme: &'a Theme, glyphs: &'static Glyphs) -> Self {
        Self { buf, theme, glyphs }
    }

    pub fn style(&self, role: Role) -> Style {
        self.theme.style(role)
    }

    /// Writes at most `width` columns of `text`, ending in an ellipsis if there is more. Returns the columns used.
    pub fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: impl Into<Style>) -> u16 {
        let area = self.buf.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return 0;
        }
        let width = width.min(area.right() - x);
        let fitted = fit(text, width, self.glyphs.ellipsis);
        let (end, _) = self.buf.set_stringn(x, y, fitted.as_ref(), usize::from(width), style);
        end.saturating_sub(x)
    }

    /// Writes `text` so that it ends at column `x + width`.
    pub fn right(&mut self, x: u16, y: u16, width: u16, text: &str, style: impl Into<Style>) {
        let used = columns(text).min(width);
        self.put(x + (width - used), y, used, text, style);
    }

    /// Writes pieces one after another; returns the columns used.
    pub fn pieces(&mut self, x: u16, y: u16, width: u16, pieces: &[(&str, Style)]) -> u16 {
        let mut used = 0;
        for (text, style) in pieces {
            if used >= width {
                break;
            }
            used += self.put(x + used, y, width - used, text, *style);
        }
        used
    }

    /// Repeats a one-column mark.
    pub fn repeat(&mut self, x: u16, y: u16, times: u16, mark: &str, style: Style) {
        let right = self.buf.area.right();
        for x in x..x.saturating_add(times).min(right) {
            self.put(x, y, 1, mark, style);
        }
    }

    /// Gives an area a style, text kept.
    pub fn tint(&mut self, area: Rect, style: Style) {
        self.buf.set_style(area, style);
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buf.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buf.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// A rule with a title in it: `── title ─────── note ──`.
    pub fn rule(&mut self, area: Rect, title: &str, note: &str, is_focused: bool) {
        if area.width == 0 || area.height == 0 {
            return;
        }
        let border = self.style(Role::Border);
        self.repeat(area.x, area.y, area.width, self.glyphs.rule, border);
        let room = area.width.saturating_sub(4);
        if !title.is_empty() && room > 0 {
            let style = self.style(if is_focused { Role::Title } else { Role::Header });
            let used = self.put(area.x + 3, area.y, room.saturating_sub(1), title, style);
            self.put(area.x + 2, area.y, 1, " ", border);
            self.put(area.x + 3 + used, area.y, 1, " ", border);
        }
        let taken = columns(title) + 8;
        let width = columns(note);
        if width > 0 && taken + width + 2 < area.width {
            let x = area.right() - width - 3;
            self.put(x - 1, area.y, width + 2, &format!(" {note} "), self.style(Role::Muted));
        }
    }

    /// Replaces everything that isn't ASCII, for terminals that show nothing else.
    pub fn make_ascii(&mut self) {
        for cell in &mut self.buf.content {
            let symbol = cell.symbol();
            if symbol.is_ascii() {
                continue;
            }
            let c = symbol.chars().next().map_or(' ', Glyphs::plain);
            cell.set_char(c);
        }
    }
}

/// Columns that `text` takes.
pub fn columns(text: &str) -> u16 {
    let width = if text.is_ascii() { text.len() } else { text.width() };
    u16::try_from(width).unwrap_or(u16::MAX)
}

/// `text` within `width` columns; what is too long ends in `ellipsis`.
pub fn fit<'t>(text: &'t str, width: u16, ellipsis: &str) -> Cow<'t, str> {
    let width = usize::from(width);
    if (text.is_ascii() && text.len() <= width) || text.width() <= width {
        return Cow::Borrowed(text);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let ellipsis = if ellipsis.width() <= width { ellipsis } else { "" };
    let room = width - ellipsis.width();
    let mut out = String::with_capacity(width + ellipsis.len());
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let wide = grapheme.width();
        if used + wide > room {
            break;
        }
        out.push_str(grapheme);
        used += wide;
    }
    out.truncate(out.trim_end().len());
    out.push_str(ellipsis);
    Cow::Owned(out)
}

/// Cutting pieces off an area without underflow.
pub trait Cut {
    /// The first `n` rows, and the rest.
    fn top_rows(self, n: u16) -> (Rect, Rect);
    /// All but the last `n` rows, and those.
    fn bottom_rows(self, n: u16) -> (Rect, Rect);
    /// The first `n` columns, and the rest.
    fn left_columns(self, n: u16) -> (Rect, Rect);
    /// `n` columns less on the left and on the right.
    fn inset(self, n: u16) -> Rect;
    /// One row of it; empty when there is none.
    fn row(self, n: u16) -> Rect;
}

impl Cut for Rect {
    fn top_rows(self, n: u16) -> (Rect, Rect) {
        let n = n.min(self.height);
        (Rect { height: n, ..self }, Rect { y: self.y + n, height: self.height - n, ..self })
    }

    fn bottom_rows(self, n: u16) -> (Rect, Rect) {
        self.top_rows(self.height.saturating_sub(n))
    }

    fn left_columns(self, n: u16) -> (Rect, Rect) {
        let n = n.min(self.width);
        (Rect { width: n, ..self }, Rect { x: self.x + n, width: self.width - n, ..self })
    }

    fn inset(self, n: u16) -> Rect {
        let n = n.min(self.width / 2);
        Rect { x: self.x + n, width: self.width - 2 * n, ..self }
    }

    fn row(self, n: u16) -> Rect {
        let n = n.min(self.height);
        Rect { y: self.y + n, height: (self.height - n).min(1), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        assert_eq!(fit("a longer text", 8, "…"), "a longe…");
        assert_eq!(fit("a longer text", 3, "…"), "a…");
        assert_eq!(fit("漢字漢字", 5, "…"), "漢字…");
        assert_eq!(fit("ab", 2, "…"), "ab");
        assert_eq!(fit("ab", 0, "…"), "");
    }

    proptest! {
        #[test]
        fn fitted_text_fits(text in any::<String>(), width in 0u16..40) {
            prop_assert!(columns(&fit(&text, width, "…")) <= width);
        }
    }
}
