//! PURE. JSON laid out for reading, one short cleaned line after the other. Works on text that is no JSON as well.

use crate::domain::text::{MAX_TEXT, Text};

/// Lines shown at most.
const MAX_LINES: usize = 2_000;
/// Levels that are indented; deeper ones stand at the last.
const MAX_DEPTH: usize = 12;
/// What stands for one level. Cleaning takes spaces off the ends of a line, so it is no space.
const LEVEL: &str = "| ";

/// Lays out `text`. Nothing is reordered, rounded or dropped but what no terminal may see; a line feed inside a
/// string starts a new line, and so does the end of the space on a line.
pub fn pretty(text: &[u8]) -> Vec<Text> {
    let text = String::from_utf8_lossy(text);
    let mut page = Page { lines: Vec::new(), line: String::new(), depth: 0 };
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    while let Some(c) = chars.next() {
        if page.lines.len() >= MAX_LINES {
            page.lines.push(Text::new("…"));
            return page.lines;
        }
        if in_string {
            in_string = page.string(c, &mut chars);
        } else {
            in_string = page.structure(c, &mut chars);
        }
        page.wrap();
    }
    page.feed();
    page.lines
}

type Rest<'a> = std::iter::Peekable<std::str::Chars<'a>>;

struct Page {
    lines: Vec<Text>,
    line: String,
    depth: usize,
}

impl Page {
    /// A character inside a string; `false`: it ends the string.
    fn string(&mut self, c: char, rest: &mut Rest<'_>) -> bool {
        match (c, rest.peek()) {
            ('\\', Some('n')) => {
                rest.next();
                self.feed();
            }
            ('\\', Some(&next)) => {
                rest.next();
                self.line.push(c);
                self.line.push(next);
            }
            _ => self.line.push(c),
        }
        c != '"'
    }

    /// A character outside of strings; `true`: it begins one.
    fn structure(&mut self, c: char, rest: &mut Rest<'_>) -> bool {
        match c {
            '{' | '[' => {
                self.line.push(c);
                while rest.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    self.line.push(close);
                } else {
                    self.depth += 1;
                    self.feed();
                }
            }
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                self.feed();
                self.line.push(c);
            }
            ',' => {
                self.line.push(c);
                self.feed();
            }
            ':' => self.line.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => self.line.push(c),
        }
        c == '"'
    }

    /// Ends the line and indents the next.
    fn feed(&mut self) {
        let has_words = !self.line.trim_start_matches(LEVEL).is_empty();
        if has_words {
            self.lines.push(Text::new(&self.line));
        }
        self.line.clear();
        for _ in 0..self.depth.min(MAX_DEPTH) {
            self.line.push_str(LEVEL);
        }
    }

    fn wrap(&mut self) {
        if self.line.len() + 8 > MAX_TEXT {
            self.feed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Vec<String> {
        pretty(text.as_bytes()).iter().map(|line| line.as_str().to_owned()).collect()
    }

    #[test]
    fn structure_shows_and_strings_break_at_their_line_feeds() {
        let text = r#"{"a":[1,{"b":"x\ny\\n, {\"}"}],"c":{},"n":1e400}"#;
        assert_eq!(
            lines(text),
            [
                "{",
                "| \"a\": [",
                "| | 1,",
                "| | {",
                "| | | \"b\": \"x",
                "| | | y\\\\n, {\\\"}\"",
                "| | }",
                "| ],",
                "| \"c\": {},",
                "| \"n\": 1e400",
                "}",
            ]
        );
    }

    #[test]
    fn length_and_depth_are_bounded() {
        assert_eq!(pretty("[".repeat(100_000).as_bytes()).len(), MAX_LINES + 1);
        assert_eq!(lines("\"\x1b[31m\x1b]0;x\x07\""), ["\"[31m]0;x\""]);
        let long = lines(&format!("\"{}\"", "x".repeat(1_000)));
        assert_eq!(long.concat().len(), 1_002, "nothing is cut off");
    }

    proptest! {
        #[test]
        fn no_letter_of_json_is_lost(text in "[a-z\\\\n\"{}\\[\\],: ]{0,200}") {
            let count = |text: &str| text.chars().filter(|c| ('a'..='m').contains(c)).count();
            prop_assert_eq!(count(&lines(&text).concat()), count(&text));
        }
    }
}
