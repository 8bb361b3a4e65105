//! One line of input, edited in place.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::text::clean;

/// Longest input, in bytes.
const MAX: usize = 200;

/// Text with a cursor. Holds no control characters, whatever is typed or pasted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// Byte offset, always at the start of a grapheme or at the end.
    cursor: usize,
}

impl Line {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    pub fn set(&mut self, text: &str) {
        self.clear();
        self.insert(text);
    }

    /// `before` and `after`, the cursor between them.
    pub fn set_around(&mut self, before: &str, after: &str) {
        self.set(before);
        let cursor = self.cursor;
        self.insert(after);
        self.cursor = cursor.min(self.text.len());
    }

    /// Text before and after the cursor.
    pub fn split(&self) -> (&str, &str) {
        self.text.split_at(self.cursor)
    }

    /// Inserts `text` without what could act on a terminal; line breaks become spaces.
    pub fn insert(&mut self, text: &str) {
        let text = clean(text);
        if self.text.len() + text.len() <= MAX {
            self.text.insert_str(self.cursor, &text);
            self.cursor += text.len();
        }
    }

    /// Applies a key that edits; false if it doesn't.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if ctrl => self.clear(),
            KeyCode::Char('w') if ctrl => self.delete_word(),
            KeyCode::Char('a') if ctrl => self.cursor = 0,
            KeyCode::Char('e') if ctrl => self.cursor = self.text.len(),
            KeyCode::Char(c) if !ctrl && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(c.encode_utf8(&mut [0; 4]))
            }
            KeyCode::Backspace => self.delete_back(),
            KeyCode::Delete => {
                let next = self.next();
                self.text.replace_range(self.cursor..next, "");
            }
            KeyCode::Left => self.cursor = self.previous(),
            KeyCode::Right => self.cursor = self.next(),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    fn delete_back(&mut self) {
        let start = self.previous();
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    fn delete_word(&mut self) {
        let head = self.text[..self.cursor].trim_end();
        let start = head.rfind(' ').map_or(0, |space| space + 1);
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    fn previous(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(i, _)| i)
    }

    fn next(&self) -> usize {
        let grapheme = self.text[self.cursor..].graphemes(true).next();
        self.cursor + grapheme.map_or(0, str::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut Line, code: KeyCode, modifiers: KeyModifiers) {
        line.key(&KeyEvent::new(code, modifiers));
    }

    #[test]
    fn editing() {
        let mut line = Line::default();
        line.insert("one two é");
        press(&mut line, KeyCode::Backspace, KeyModifiers::NONE);
        press(&mut line, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(line.split(), ("one ", ""));
        press(&mut line, KeyCode::Left, KeyModifiers::NONE);
        press(&mut line, KeyCode::Char('X'), KeyModifiers::SHIFT);
        assert_eq!(line.split(), ("oneX", " "));
        press(&mut line, KeyCode::Delete, KeyModifiers::NONE);
        press(&mut line, KeyCode::Home, KeyModifiers::NONE);
        assert_eq!(line.split(), ("", "oneX"));
    }

    #[test]
    fn pasted_text_is_cleaned_and_bounded() {
        let mut line = Line::default();
        line.insert("a\x1b[31m\nb");
        assert_eq!(line.as_str(), "a[31m b");
        line.insert(&"x".repeat(1_000));
        assert_eq!(line.as_str(), "a[31m b");
    }
}
