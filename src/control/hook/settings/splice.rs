//! PURE. Putting one element into a JSON text, and taking one out again.
//!
//! What was put in must come out to the byte, with nothing kept beside the text. So the text itself says whether a
//! bracket was made by us or was there before: inside one of ours, white space follows the opening bracket; into an empty
//! one of the user's, the element goes right behind the opening bracket, and what was in there stays behind it. A file
//! made by us ends in a line break, one that was there and blank does not get one.

use super::text::{Node, is_space};

/// What is put in.
pub(super) enum Out {
    Object(Vec<(&'static str, Out)>),
    Array(Vec<Out>),
    /// JSON as it is written.
    Leaf(String),
}

/// How a text is laid out.
pub(super) struct Layout {
    /// One step of indentation.
    unit: String,
    newline: &'static str,
}

impl Layout {
    pub fn of(text: &str, root: Option<&Node>) -> Self {
        let newline = match text.find('\n') {
            Some(at) if text[..at].ends_with('\r') => "\r\n",
            _ => "\n",
        };
        let first = root.and_then(|root| root.members()).and_then(|members| members.first());
        let unit = first.and_then(|first| indent_before(text, first.start)).filter(|unit| !unit.is_empty());
        Self { unit: unit.unwrap_or("  ").to_owned(), newline }
    }

    /// The element as text. `indent` is that of the line it begins on; `None`: on one line.
    fn render(&self, out: &Out, indent: Option<&str>) -> String {
        let (open, close, parts): (_, _, Vec<String>) = match out {
            Out::Leaf(json) => return json.clone(),
            Out::Object(members) => {
                let member = |(key, value): &(&str, Out)| format!("\"{key}\": {}", self.render_inner(value, indent));
                ('{', '}', members.iter().map(member).collect())
            }
            Out::Array(items) => ('[', ']', items.iter().map(|item| self.render_inner(item, indent)).collect()),
        };
        match indent {
            None => format!("{open} {} {close}", parts.join(", ")),
            Some(indent) => {
                let newline = format!("{}{indent}", self.newline);
                let parts = parts.join(&format!(",{newline}{}", self.unit));
                format!("{open}{newline}{}{parts}{newline}{close}", self.unit)
            }
        }
    }

    fn render_inner(&self, out: &Out, indent: Option<&str>) -> String {
        let deeper = indent.map(|indent| format!("{indent}{}", self.unit));
        self.render(out, deeper.as_deref())
    }

    /// A whole file, for where there was none: with a line break at its end.
    pub fn file(&self, out: &Out) -> String {
        self.render(out, Some("")) + self.newline
    }

    /// An object for a file that holds nothing but the white space `blank`: without one.
    pub fn behind(&self, blank: &str, out: &Out) -> String {
        format!("{blank}{}", self.render(out, Some("")))
    }

    /// Puts an element behind the last one of the object or array `into`; `key` if it is an object.
    pub fn append(&self, text: &str, plain: &str, into: &Node, key: Option<&str>, out: &Out) -> String {
        let line = line_indent(text, into.start);
        let rendered = |indent: Option<&str>| match key {
            Some(key) => format!("\"{key}\": {}", self.render(out, indent)),
            None => self.render(out, indent),
        };
        let children = children(into);
        let Some((last_start, last_end)) = children.last().copied() else {
            let open = into.start + 1;
            return [&text[..open], &rendered(Some(line)), &text[open..]].concat();
        };
        if !plain[into.start..into.end].contains('\n') {
            return [&text[..last_end], ", ", &rendered(None), &text[last_end..]].concat();
        }
        let indent = match indent_before(text, last_start) {
            Some(indent) => indent.to_owned(),
            None => format!("{line}{}", self.unit),
        };
        let behind = behind_comments(text, plain, last_end, into.end);
        let element = format!("{}{indent}{}", self.newline, rendered(Some(&indent)));
        [&text[..last_end], ",", &text[last_end..behind], &element, &text[behind..]].concat()
    }
}

/// Where the elements (for an object: from key to value) of a bracket are.
pub(super) fn children(node: &Node) -> Vec<(usize, usize)> {
    match (node.members(), node.items()) {
        (Some(members), _) => members.iter().map(|m| (m.start, m.value.end)).collect(),
        (_, Some(items)) => items.iter().map(|item| (item.start, item.end)).collect(),
        _ => vec![],
    }
}

/// Is the one element of this bracket all there is in it, and was the bracket made to hold it?
pub(super) fn was_made_for(text: &str, node: &Node) -> bool {
    let inside = |from: usize, to: usize| text.as_bytes()[from..to].iter().all(|b| is_space(*b));
    match children(node)[..] {
        [(start, end)] => {
            start > node.start + 1 && inside(node.start + 1, start) && end < node.end && inside(end, node.end - 1)
        }
        _ => false,
    }
}

/// Takes out the element with this number.
pub(super) fn remove(text: &str, plain: &str, from: &Node, number: usize) -> String {
    let children = children(from);
    let (start, end) = children[number];
    if let Some(previous) = number.checked_sub(1) {
        let (_, before) = children[previous];
        let comma = before + plain[before..start].find(',').unwrap_or_default();
        let space = before_element(text, start).max(comma + 1);
        return [&text[..comma], &text[comma + 1..space], &text[end..]].concat();
    }
    if let Some((next, _)) = children.get(number + 1).copied() {
        let comma = end + plain[end..next].find(',').unwrap_or_default();
        // Comments between the two are the user's.
        let rest = if text[comma + 1..next].bytes().all(is_space) { next } else { comma + 1 };
        return [&text[..start], &text[end..comma], &text[rest..]].concat();
    }
    [&text[..start], &text[end..]].concat()
}

/// Before the line break and the indentation of the element that begins at `start`.
fn before_element(text: &str, start: usize) -> usize {
    let line = text[..start].trim_end_matches([' ', '\t']);
    let line = line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
    line.len()
}

/// Behind the comments on the same line that belong to what ends at `from`.
fn behind_comments(text: &str, plain: &str, from: usize, limit: usize) -> usize {
    let line = text[from..limit].find('\n').map_or(limit - 1, |end| from + end);
    // Blank where comments are overwritten, but not blank itself: a comment. One that goes on below stays where it is.
    let (shown, blank) = (&text[from..line], &plain[from..line]);
    if !blank.bytes().all(is_space) {
        return from;
    }
    let used = shown.trim_end_matches('\r');
    let ends = used.trim_end();
    let opened = ends.rfind("/*").is_some_and(|at| !ends[at..].contains("*/")) && !ends.trim_start().starts_with("//");
    if ends.trim_start().is_empty() || opened { from } else { from + used.len() }
}

/// The indentation of what begins at `start`, if nothing stands before it on its line.
fn indent_before(text: &str, start: usize) -> Option<&str> {
    let line = text[..start].rfind('\n')? + 1;
    let before = &text[line..start];
    before.bytes().all(|b| matches!(b, b' ' | b'\t')).then_some(before)
}

/// The indentation of the line that `at` is on.
fn line_indent(text: &str, at: usize) -> &str {
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let length = text[line..at].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &text[line..line + length]
}
