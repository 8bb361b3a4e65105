//! PURE. Where everything is in a JSON text, so that it can be changed in one place and nowhere else.

use super::Broken;

/// A value and where it stands, in bytes of the text.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    Object(Vec<Member>),
    Array(Vec<Node>),
    Text(String),
    /// A number, `true`, `false`, `null`: as it is written.
    Plain(String),
}

#[derive(Debug, PartialEq)]
pub(super) struct Member {
    pub key: String,
    /// Where its key begins; it ends where its value does.
    pub start: usize,
    pub value: Node,
}

/// A JSON text that has been read.
pub(super) struct Document {
    /// The text with every comment overwritten by spaces, byte by byte: places are the same in both.
    pub plain: String,
    /// `None`: there is nothing but space and comments.
    pub root: Option<Node>,
}

const BOM: &str = "\u{feff}";
/// Brackets within brackets; settings have a handful.
const DEEPEST: usize = 128;

impl Document {
    /// Reads JSON, with comments if `comments` (an agent that reads none would drop the whole file). A byte order mark
    /// is taken for space.
    pub fn read(text: &str, comments: bool) -> Result<Self, Broken> {
        let mut plain = if comments { without_comments(text) } else { text.to_owned() };
        if comments && text.starts_with(BOM) {
            plain.replace_range(0..BOM.len(), "   ");
        }
        if plain.bytes().all(is_space) {
            return Ok(Self { plain, root: None });
        }
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&plain) {
            return Err(Broken::at_line(error.line(), error.column(), words(&error)));
        }
        if let Some(at) = too_deep(plain.as_bytes()) {
            return Err(Broken::at(text, at, "brackets are nested too deep"));
        }
        let mut scanner = Scanner { bytes: plain.as_bytes(), at: 0 };
        let root = scanner.value();
        Ok(Self { root: Some(root), plain })
    }
}

/// serde_json's words without the place, which is told apart.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ").map_or(text.as_str(), |(words, _)| words) {
        "key must be a string" => "a name in quotes belongs here; a comma before it may be one too many".to_owned(),
        words => words.to_owned(),
    }
}

/// Where brackets go deeper than [`DEEPEST`].
fn too_deep(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = end_of_string(bytes, at);
                continue;
            }
            b'{' | b'[' if depth == DEEPEST => return Some(at),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Overwrites `//` to the end of the line and `/* */` by spaces; line breaks stay.
fn without_comments(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'/' => {
                let end = end_of_comment(text, at);
                out[at..end].iter_mut().filter(|b| !matches!(**b, b'\n' | b'\r')).for_each(|b| *b = b' ');
                at = end.max(at + 1);
            }
            _ => at += 1,
        }
    }
    // Whole comments were overwritten, so no character was cut.
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

/// Where the comment that begins at `at` ends; `at` if none does.
fn end_of_comment(text: &str, at: usize) -> usize {
    let rest = &text[at..];
    if rest.starts_with("//") {
        return rest.find('\n').map_or(text.len(), |end| at + rest[..end].trim_end_matches('\r').len());
    }
    match rest.strip_prefix("/*").and_then(|rest| rest.find("*/")) {
        Some(length) => at + length + 4,
        None => at,
    }
}

/// The place after the string that begins at `at`; the end of the text if it never ends.
fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Walks over a text that is known to be JSON, and not too deep.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&mut self) -> u8 {
        while self.bytes.get(self.at).is_some_and(|b| is_space(*b)) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied().unwrap_or_default()
    }

    fn value(&mut self) -> Node {
        let first = self.peek();
        let start = self.at;
        let kind = match first {
            b'{' => Kind::Object(self.members()),
            b'[' => Kind::Array(self.items()),
            b'"' => Kind::Text(self.string()),
            _ => {
                let ends = |b: &u8| is_space(*b) || matches!(b, b',' | b']' | b'}');
                let length = self.bytes[start..].iter().position(ends);
                self.at = length.map_or(self.bytes.len(), |n| start + n);
                Kind::Plain(String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned())
            }
        };
        Node { start, end: self.at, kind }
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at = end_of_string(self.bytes, start);
        let raw = &self.bytes[start..self.at];
        // Half a surrogate pair is valid JSON and no text; such a string is none that anybody looks for.
        serde_json::from_slice(raw).unwrap_or_else(|_| String::from_utf8_lossy(raw).into_owned())
    }

    fn members(&mut self) -> Vec<Member> {
        let mut members = Vec::new();
        self.at += 1;
        while self.peek() == b'"' {
            let start = self.at;
            let key = self.string();
            self.peek(); // the colon
            self.at += 1;
            let value = self.value();
            members.push(Member { key, start, value });
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at = (self.at + 1).min(self.bytes.len());
        members
    }

    fn items(&mut self) -> Vec<Node> {
        let mut items = Vec::new();
        self.at += 1;
        while !matches!(self.peek(), b']' | 0) {
            items.push(self.value());
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        self.at = (self.at + 1).min(self.bytes.len());
        items
    }
}

impl Node {
    pub fn members(&self) -> Option<&[Member]> {
        match &self.kind {
            Kind::Object(members) => Some(members),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key; of the last one, as the agents' parsers take it, if the key is there twice.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.members()?.iter().rev().find(|member| member.key == key).map(|member| &member.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_text() {
        let text = "{ // a \"x\"\n \"é\": [1, /* { */ \"b\\\"]\"], \"u\": \"\\ud800\" }";
        let document = Document::read(text, true).expect("JSON");
        assert_eq!(document.plain.len(), text.len());
        let root = document.root.expect("a value");
        assert_eq!((root.start, root.end), (0, text.len()));
        let list = root.get("é").expect("the list");
        assert_eq!(&text[list.start..list.end], "[1, /* { */ \"b\\\"]\"]");
        let items = list.items().expect("items");
        assert_eq!(items[0].kind, Kind::Plain("1".into()));
        assert_eq!(items[1].text(), Some("b\"]"));
        assert!(root.get("u").is_some());
    }

    #[test]
    fn what_is_broken_is_told_with_its_place() {
        for (text, comments, line, column) in [
            ("{\n  \"a\": 1,\n}", true, 3, 1),
            ("{\"a\": // no\n1}", false, 1, 7),
            ("{\"a\":1} x", true, 1, 9),
            ("{\"a\": /* never ends", true, 1, 7),
            ("\u{feff}{}", false, 1, 1),
            ("{\"a", true, 1, 3),
        ] {
            let error = Document::read(text, comments).err().expect("broken");
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(Document::read(&"[".repeat(100_000), true).is_err());
        let nested = |depth: usize| Document::read(&format!("{}{}", "[".repeat(depth), "]".repeat(depth)), true);
        assert!(nested(DEEPEST).is_ok());
        let error = nested(100_000).err().expect("refused");
        assert_eq!((error.line, error.column), (1, DEEPEST + 1));
    }
}
