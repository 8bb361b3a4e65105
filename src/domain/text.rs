//! The one sanitiser. Every string that came from an agent passes through [`Text`] before anything keeps or
//! prints it; what is left can't move the cursor, change colours, or reorder what a reader sees.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Longest text kept of one field, in bytes. Longer ones end in `…`.
pub const MAX_TEXT: usize = 240;

/// Combining marks kept on one grapheme; more is an attack on the line above.
const MAX_MARKS: usize = 4;

/// A single line of text that is safe to print: no control characters, no bidi overrides, no zero-width or
/// tag characters, at most [`MAX_TEXT`] bytes. It can be made only by cleaning.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Text(Option<Arc<str>>);

impl Text {
    /// Cleans and shortens `raw`.
    pub fn new(raw: &str) -> Self {
        Self::limited(raw, MAX_TEXT)
    }

    /// Cleans `raw` and keeps at most `max` bytes of it. Reads no further than that takes: most of a megabyte of tool
    /// output is dropped anyway.
    pub fn limited(raw: &str, max: usize) -> Self {
        let raw = raw.trim_start();
        if raw.len() <= max && is_plain(raw) {
            let text = raw.trim_end();
            return Self((!text.is_empty()).then(|| Arc::from(text)));
        }
        let mut out = String::with_capacity(raw.len().min(max + 8));
        let whole = clean_into(raw, max, &mut out);
        if whole && out.len() <= max {
            let text = out.trim();
            return Self((!text.is_empty()).then(|| Arc::from(text)));
        }
        out.truncate(floor_boundary(&out, max.saturating_sub('…'.len_utf8())).len());
        out.push('…');
        Self(Some(Arc::from(out.trim_start())))
    }

    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<&str> for Text {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Text {
    /// Cleaned like any other text: what comes over a socket or out of a file is as hostile as an agent's output.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        Ok(Self::new(&raw))
    }
}

/// Replaces what a terminal could act on: a line break, tab or carriage return becomes one space, an escape
/// sequence's introducer and every other control character disappear, and so do invisible and reordering characters.
pub fn clean(raw: &str) -> Cow<'_, str> {
    if is_plain(raw) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    clean_into(raw, usize::MAX, &mut out);
    Cow::Owned(out)
}

fn is_plain(raw: &str) -> bool {
    raw.bytes().all(|b| (0x20..0x7f).contains(&b))
}

/// Appends cleaned text until `max` bytes are passed; true if all of `raw` was read.
fn clean_into(raw: &str, max: usize, out: &mut String) -> bool {
    let mut marks = 0;
    for c in raw.chars() {
        if out.len() > max {
            return false;
        }
        match c {
            ' '..='~' => {
                marks = 0;
                out.push(c);
            }
            '\n' | '\t' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => {
                marks = 0;
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c if is_hidden(c) => {}
            c if is_mark(c) => {
                marks += 1;
                if marks <= MAX_MARKS {
                    out.push(c);
                }
            }
            c => {
                marks = 0;
                out.push(c);
            }
        }
    }
    true
}

/// Control, format, bidi, zero-width, tag, private-use-plane and unassigned-by-design characters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}' | '\u{f0000}'..='\u{10ffff}')
}

/// Marks that stack on the character before them.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036f}' | '\u{0483}'..='\u{0489}' | '\u{0591}'..='\u{05bd}' | '\u{0610}'..='\u{061a}'
        | '\u{064b}'..='\u{065f}' | '\u{0e31}' | '\u{0e34}'..='\u{0e3a}' | '\u{0e47}'..='\u{0e4e}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}')
}

fn floor_boundary(s: &str, max: usize) -> &str {
    if s.len() <= max {
        return s;
    }
    let mut end = max;
    while !s.is_char_boundary(end) {
        end -= 1;
    }
    &s[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_lose_their_introducer() {
        assert_eq!(Text::new("\x1b]52;c;aGk=\x07hi").as_str(), "]52;c;aGk=hi");
        assert_eq!(Text::new("a\u{9b}31mb").as_str(), "a31mb");
        assert_eq!(Text::new("x\x7fy\0z").as_str(), "xyz");
    }

    #[test]
    fn lines_become_one_line() {
        assert_eq!(Text::new("one\r\n\ttwo\n").as_str(), "one two");
    }

    #[test]
    fn bidi_zero_width_and_tags_disappear() {
        assert_eq!(Text::new("a\u{202e}b\u{200b}c\u{e0041}d\u{feff}").as_str(), "abcd");
    }

    #[test]
    fn stacked_marks_are_bounded() {
        let zalgo = format!("e{}", "\u{0301}".repeat(500));
        assert_eq!(clean(&zalgo).chars().count(), 1 + MAX_MARKS);
    }

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        let text = Text::new(&"é".repeat(5_000));
        assert!(text.as_str().len() <= MAX_TEXT);
        assert!(text.as_str().ends_with('…'));
    }

    proptest! {
        #[test]
        fn no_control_character_survives(raw in any::<String>()) {
            let text = Text::new(&raw);
            prop_assert!(text.as_str().chars().all(|c| !is_hidden(c)));
            prop_assert!(text.as_str().len() <= MAX_TEXT);
        }

        #[test]
        fn cleaning_twice_changes_nothing(raw in any::<String>()) {
            let once = clean(&raw).into_owned();
            prop_assert_eq!(clean(&once).into_owned(), once);
        }
    }
}
