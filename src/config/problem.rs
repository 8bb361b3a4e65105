//! What is wrong with a policy, told as compilers do: `path:line:column: message`, the line, and a caret under it.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use crate::domain::text::clean;

/// Columns of a source line that are shown at most on each side of the marked part.
const MAX_SIDE: usize = 100;

/// One thing that is wrong, and where. Printing it is safe whatever the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A file's path, or the flag or variable that was given.
    pub path: String,
    pub place: Option<Box<Place>>,
    pub message: String,
}

/// A place in a file, with its line in three parts: before, under and after the caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    before: String,
    marked: String,
    after: String,
}

/// Everything that is wrong with the policy, at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl Problem {
    /// A problem of a whole file, a flag or a variable.
    pub fn of(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), place: None, message: message.into() }
    }

    /// A problem with the bytes `span` of `text`.
    pub fn at(path: &str, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { path: path.into(), place: Some(Box::new(Place::new(text, span))), message: message.into() }
    }
}

impl Place {
    fn new(text: &str, span: Range<usize>) -> Self {
        let start = floor(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |i| start + i);
        let end = floor(text, span.end.clamp(start, line_end));
        let before = &text[line_start..start];
        Self {
            line: text[..start].matches('\n').count() + 1,
            column: before.chars().count() + 1,
            before: last_columns(&clean(before)),
            marked: first_columns(&clean(&text[start..end])),
            after: first_columns(clean(&text[end..line_end]).trim_end()),
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn first_columns(text: &str) -> String {
    if text.chars().count() <= MAX_SIDE {
        return text.to_owned();
    }
    text.chars().take(MAX_SIDE).chain(['…']).collect()
}

fn last_columns(text: &str) -> String {
    let count = text.chars().count();
    if count <= MAX_SIDE {
        return text.to_owned();
    }
    ['…'].into_iter().chain(text.chars().skip(count - MAX_SIDE)).collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, message) = (clean(&self.path), clean(&self.message));
        let Some(place) = &self.place else { return write!(f, "{path}: {message}") };
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(place.before.width());
        let caret = "^".repeat(place.marked.width().max(1));
        writeln!(f, "{path}:{}:{}: {message}", place.line, place.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}{}{}", place.before, place.marked, place.after)?;
        write!(f, "{margin} | {indent}{caret}")
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                // A blank line after a snippet; flags and variables stand one below the other.
                let after_snippet = self.problems[i - 1].place.is_some();
                write!(f, "{}", if after_snippet { "\n\n" } else { "\n" })?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_caret_stands_under_wide_and_hidden_characters() {
        let text = "a = 1\n\"日本\u{202e}\" = \x1b[31mx # end\n";
        let start = text.find("\x1b").expect("there");
        let shown = Problem::at("p\x1b.toml", text, start..start + 6, "no\nsuch").to_string();
        assert_eq!(shown, "p.toml:2:9: no such\n  |\n2 | \"日本\" = [31mx # end\n  |          ^^^^^");
    }

    proptest! {
        #[test]
        fn any_span_of_any_text_can_be_shown(text in any::<String>(), a in 0usize..200, b in 0usize..200) {
            let shown = Problem::at(&text, &text, a..b, text.clone()).to_string();
            prop_assert!(shown.lines().all(|line| clean(line) == line));
        }
    }
}
