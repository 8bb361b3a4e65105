//! PURE. Walks a line of JSON without decoding it: long texts are passed over at the speed of a byte search.
//!
//! It understands only what agents write every day. Whatever is unusual (escapes in a key or an id, numbers that are
//! not plain, anything that doesn't add up) is `None`, and the line goes to an adapter, which knows it all. What is
//! passed over is not checked beyond its quotes and brackets.

use memchr::memchr;

/// Bytes looked at by eights before the search for long texts is called: most texts are short.
const SHORT: usize = 40;

/// Marks the bytes of `word` that are `byte`: the top bit of the lowest such byte is set and none below it.
#[inline]
fn marks(word: u64, byte: u8) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let x = word ^ (ONES * u64::from(byte));
    x.wrapping_sub(ONES) & !x & (ONES << 7)
}

/// Place of the first quote.
#[inline]
fn quote(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk::<8>().filter(|_| at < SHORT) {
        let found = marks(u64::from_le_bytes(*eight), b'"');
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    memchr(b'"', &bytes[at..]).map(|place| at + place)
}

/// Place of the quote that ends a string, if no escape comes before it.
#[inline(always)]
fn plain_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let found = marks(word, b'"') | marks(word, b'\\');
        if found != 0 {
            at += found.trailing_zeros() as usize / 8;
            return (bytes[at] == b'"').then_some(at);
        }
        at += 8;
    }
    let end = bytes[at..].iter().position(|b| matches!(b, b'"' | b'\\'))?;
    (bytes[at + end] == b'"').then_some(at + end)
}

#[derive(Clone)]
pub(crate) struct Walk<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    pub fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// The next byte that is no white space, left where it is.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.line.get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(byte),
            }
        }
    }

    #[inline]
    pub fn eat(&mut self, byte: u8) -> Option<()> {
        let found = self.peek()? == byte;
        self.at += usize::from(found);
        found.then_some(())
    }

    /// Nothing but white space is left.
    pub fn is_over(&mut self) -> bool {
        self.peek().is_none()
    }

    /// The inside of a string, escapes as they stand.
    #[inline]
    pub fn raw(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let start = self.at;
        let mut at = start;
        loop {
            at += quote(&self.line[at..])?;
            // A quote is the end unless an odd number of backslashes stands before it: mostly none, else mostly one.
            let is_end = match &self.line[start..at] {
                [.., b'\\', b'\\'] => {
                    self.line[start..at].iter().rev().take_while(|b| **b == b'\\').count().is_multiple_of(2)
                }
                [.., b'\\'] => false,
                _ => true,
            };
            at += 1;
            if is_end {
                self.at = at;
                return Some(&self.line[start..at - 1]);
            }
        }
    }

    /// The beginning of the string that comes next, escapes as they stand, which may end in the middle of one. The walk
    /// can't go on from here.
    pub fn beginning(&mut self, most: usize) -> &'a [u8] {
        let rest = &self.line[self.at..];
        let mut inner = Walk::new(&rest[..rest.len().min(most)]);
        inner.raw().unwrap_or_else(|| inner.line.get(1..).unwrap_or_default())
    }

    /// A string without escapes.
    pub fn plain(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.plain_bytes()?).ok()
    }

    /// A string without escapes, not checked to be text.
    #[inline(always)]
    pub fn plain_bytes(&mut self) -> Option<&'a [u8]> {
        self.eat(b'"')?;
        let rest = &self.line[self.at..];
        let end = plain_end(rest)?;
        self.at += end + 1;
        Some(&rest[..end])
    }

    /// A string without escapes, or `null`, which reads as empty. Not checked to be text.
    #[inline]
    pub fn word(&mut self) -> Option<&'a [u8]> {
        if self.peek()? == b'n' {
            return self.literal(b"null").map(|()| &b""[..]);
        }
        self.plain_bytes()
    }

    /// What is not passed yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.line[self.at..]
    }

    /// Passes over `n` bytes that are known to be whole values.
    pub fn pass(&mut self, n: usize) {
        self.at = (self.at + n).min(self.line.len());
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        let found = self.line.get(self.at..)?.starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found.then_some(())
    }

    /// `true`; `false` and `null` are both not.
    pub fn flag(&mut self) -> Option<bool> {
        match self.peek()? {
            b't' => self.literal(b"true").map(|()| true),
            b'f' => self.literal(b"false").map(|()| false),
            _ => self.literal(b"null").map(|()| false),
        }
    }

    /// A plain whole number that is not negative, or `null`, which reads as 0.
    pub fn count(&mut self) -> Option<u64> {
        if self.peek()? == b'n' {
            return self.literal(b"null").map(|()| 0);
        }
        let start = self.at;
        let mut n = 0u64;
        while let Some(digit) = self.line.get(self.at).filter(|b| b.is_ascii_digit()) {
            n = n.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let is_whole = self.at > start && matches!(self.line.get(self.at), Some(b',' | b'}' | b']' | b' '));
        is_whole.then_some(n)
    }

    /// Enters an object.
    pub fn open(&mut self) -> Option<()> {
        self.eat(b'{')
    }

    /// The next key of an object, with its colon passed; `Some(None)` at the object's end, which is passed too.
    #[inline(always)]
    pub fn key(&mut self) -> Option<Option<&'a [u8]>> {
        match self.peek()? {
            b'}' => {
                self.at += 1;
                return Some(None);
            }
            b',' => self.at += 1,
            _ => {}
        }
        let key = self.plain_bytes()?;
        self.eat(b':')?;
        Some(Some(key))
    }

    /// Enters a list.
    pub fn open_list(&mut self) -> Option<()> {
        self.eat(b'[')
    }

    /// Is there another element? The list's end is passed.
    pub fn more(&mut self) -> Option<bool> {
        match self.peek()? {
            b']' => {
                self.at += 1;
                Some(false)
            }
            b',' => {
                self.at += 1;
                Some(true)
            }
            _ => Some(true),
        }
    }

    /// Passes over a value of any kind.
    pub fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.raw().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                let rest = &self.line[self.at..];
                self.at += rest.iter().position(|b| matches!(b, b',' | b'}' | b']' | b' '))?;
                Some(())
            }
            _ => None,
        }
    }

    /// Passes over a value of any kind and returns it as it stands.
    pub fn span(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Some(&self.line[start..self.at])
    }

    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0u32;
        loop {
            match *self.line.get(self.at)? {
                b'"' => {
                    self.raw()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_passed_over_whole() {
        for value in [
            r#""a""#,
            r#""a\"b""#,
            r#""a\\""#,
            r#""\\\"""#,
            "{}",
            "[ ]",
            r#"{"a":[1,{"b":"}\"]"}],"c":null}"#,
            "-1.5e3",
            "true",
            "null",
        ] {
            let line = format!(r#"{{ "x" : {value} ,"y":7}}"#);
            let mut walk = Walk::new(line.as_bytes());
            assert!(walk.open().is_some());
            assert_eq!(walk.key(), Some(Some(&b"x"[..])));
            assert!(walk.skip().is_some(), "{value}");
            assert_eq!(walk.key(), Some(Some(&b"y"[..])), "{value}");
            assert_eq!(walk.count(), Some(7));
            assert_eq!(walk.key(), Some(None));
            assert!(walk.is_over());
        }
    }

    #[test]
    fn quotes_are_found_at_any_distance() {
        for length in 0..100 {
            for filler in [b'a', b'#', b'!', 0xa2, b'\\'] {
                let mut text = vec![filler; length];
                assert_eq!(quote(&text), None);
                text.push(b'"');
                text.extend_from_slice(b"\"###\"");
                assert_eq!(quote(&text), Some(length));
            }
        }
    }

    #[test]
    fn what_is_unusual_or_torn_is_refused() {
        assert_eq!(Walk::new(br#"{"\u0061":1}"#).key(), None);
        assert_eq!(Walk::new(br#""a\nb""#).plain(), None);
        assert_eq!(Walk::new(br#""a"#).raw(), None);
        assert_eq!(Walk::new(br#""a\""#).raw(), None);
        assert_eq!(Walk::new(br#"{"a":[1}"#).skip(), None);
        for number in ["1.0,", "-1,", "1e3,", "99999999999999999999,", "\"1\",", ",", "1"] {
            assert_eq!(Walk::new(number.as_bytes()).count(), None, "{number}");
        }
        assert_eq!(Walk::new(b"null,").count(), Some(0));
    }
}
