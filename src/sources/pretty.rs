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
    let mut out = Page { lines: Vec::new(), line: String::new(), depth: 0 };
    let mut chars = text.chars().peekable();
    let mut in_string = false;
    while let Some(c) = chars.next() {
        if out.lines.len() >= MAX_LINES {
            out.lines.push(Text::new("…"));
            return out.lines;
        }
        if in_string {
            match (c, chars.peek()) {
                ('\\', Some('n')) => {
                    chars.next();
                    out.feed();
                }
                ('\\', Some(&next)) => {
                    chars.next();
                    out.line.push(c);
                    out.line.push(next);
                }
                _ => out.line.push(c),
            }
            in_string = c != '"';
            out.wrap();
            continue;
        }
        match c {
            '{' | '[' => {
                out.line.push(c);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(close) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.line.push(close);
                } else {
                    out.depth += 1;
                    out.feed();
                }
            }
            '}' | ']' => {
                out.depth = out.depth.saturating_sub(1);
                out.feed();
                out.line.push(c);
            }
            ',' => {
                out.line.push(c);
                out.feed();
            }
            ':' => out.line.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => {
                in_string = c == '"';
                out.line.push(c);
            }
        }
        out.wrap();
    }
    out.feed();
    out.lines
}

struct Page {
    lines: Vec<Text>,
    line: String,
    depth: usize,
}

impl Page {
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
        if self.line.len() + 4 > MAX_TEXT {
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
        assert_eq!(pretty("\\u001b[31m\x1b]0;x\x07\n".as_bytes()).len(), 1);
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
