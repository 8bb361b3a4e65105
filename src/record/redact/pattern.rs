//! PURE. The patterns of redaction: a part of what regular expressions can do, chosen so that nothing is ever tried twice
//! from one place: no pattern and no text makes it slow.
//!
//! | written | matches |
//! | --- | --- |
//! | `abc` | itself; `\` before a character takes it literally |
//! | `.` | any character but a line break |
//! | `[A-Z_]`, `[^ "]` | one character of (or not of) a set; `\s`, `\d`, `\w` may stand in and outside of it |
//! | `? * + {3} {3,} {3,9}` | so many of what stands before: as many as there are, and none is given back |
//! | `( )` | once at most: what is replaced; without it, everything that matches |
//! | `\b` | at the beginning alone: no letter or digit stands before |
//! | `(?i)` | at the very beginning: letters in either case |
//!
//! A text that redkey has shortened ends in `…`. A secret that was cut there is still one: from its first repetition on,
//! a pattern that meets the cut has matched.

use std::ops::Range;

/// A pattern that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct BadPattern {
    pub name: String,
    pub why: String,
}

/// Most that a repetition may ask for, or take.
const MAX_REPEAT: u32 = 10_000;
const CUT: char = '…';

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    parts: Vec<Part>,
    /// Which parts are replaced; all of them if none is marked.
    secret: Option<Range<usize>>,
    boundary: bool,
    fold: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    set: Set,
    least: u32,
    most: u32,
}

/// Characters, as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Set {
    ranges: Vec<(char, char)>,
    not: bool,
}

impl Set {
    fn one(c: char) -> Self {
        Self { ranges: vec![(c, c)], not: false }
    }

    fn holds(&self, c: char, fold: bool) -> bool {
        let within = |c: char| self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
        let is_in = within(c) || (fold && (within(c.to_ascii_lowercase()) || within(c.to_ascii_uppercase())));
        is_in != self.not
    }

    /// The only character that it holds.
    fn single(&self) -> Option<char> {
        match self.ranges.as_slice() {
            [(from, to)] if from == to && !self.not => Some(*from),
            _ => None,
        }
    }
}

impl Part {
    fn is_literal(&self) -> bool {
        self.least == 1 && self.most == 1 && self.set.single().is_some()
    }
}

impl Pattern {
    /// Reads a pattern; what is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pattern = Self { parts: Vec::new(), secret: None, boundary: false, fold: false };
        let mut rest = text;
        if let Some(after) = rest.strip_prefix("(?i)") {
            pattern.fold = true;
            rest = after;
        }
        if let Some(after) = rest.strip_prefix(r"\b") {
            pattern.boundary = true;
            rest = after;
        }
        let mut open = None;
        let mut chars = rest.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '(' if open.is_some() || pattern.secret.is_some() => return Err("has more than one ( )".into()),
                '(' => open = Some(pattern.parts.len()),
                ')' => match open.take() {
                    Some(start) => pattern.secret = Some(start..pattern.parts.len()),
                    None => return Err("has a ) without a (".into()),
                },
                '|' => return Err("has a |; write two patterns instead".into()),
                '*' | '+' | '?' | '{' => return Err(format!("has a {c} with nothing before it to repeat")),
                _ => {
                    let set = set(c, &mut chars)?;
                    let (least, most) = repeat(&mut chars)?;
                    pattern.parts.push(Part { set, least, most });
                }
            }
        }
        if open.is_some() {
            return Err("has a ( without a )".into());
        }
        if pattern.secret.as_ref().is_some_and(Range::is_empty) {
            return Err("has an empty ( )".into());
        }
        if pattern.needle().len() < 2 {
            return Err("must have at least two characters in a row that stand for themselves".into());
        }
        Ok(pattern)
    }

    /// The longest run of characters that every match holds, in small letters.
    pub fn needle(&self) -> String {
        let runs = self.parts.split(|part| !part.is_literal());
        let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
        longest.iter().filter_map(|part| part.set.single()).map(|c| c.to_ascii_lowercase()).collect()
    }

    /// Everything to be replaced, in order and without overlap.
    pub fn find_all(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut from = 0;
        while from < text.len() {
            let before = text[..from].chars().next_back();
            let is_inside = self.boundary && before.is_some_and(|c| c.is_ascii_alphanumeric());
            match if is_inside { None } else { self.match_at(text, from) } {
                Some((secret, end)) => {
                    found.push(secret);
                    from = end.max(from + 1);
                }
                None => from += 1,
            }
            while !text.is_char_boundary(from) {
                from += 1;
            }
        }
        found
    }

    /// The secret, and where the match ends.
    fn match_at(&self, text: &str, from: usize) -> Option<(Range<usize>, usize)> {
        let mut at = from;
        let mut secret = from..from;
        let mut repeated = false;
        for (index, part) in self.parts.iter().enumerate() {
            if self.secret.as_ref().is_some_and(|marked| marked.start == index) {
                secret.start = at;
            }
            let mut count = 0;
            while count < part.most {
                let Some(c) = text[at..].chars().next() else { break };
                let is_cut = c == CUT && at + c.len_utf8() == text.len();
                if is_cut && (repeated || (count > 0 && !part.is_literal())) {
                    let start = if self.secret.as_ref().is_none_or(|m| index >= m.start) { secret.start } else { at };
                    return (start < at).then_some((start..at, at));
                }
                if !part.set.holds(c, self.fold) {
                    break;
                }
                at += c.len_utf8();
                count += 1;
            }
            if count < part.least {
                return None;
            }
            repeated |= !part.is_literal() && count > 0;
            if self.secret.as_ref().is_none_or(|marked| marked.end == index + 1) {
                secret.end = at;
            }
        }
        (!secret.is_empty()).then_some((secret, at))
    }
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

/// One character or set that begins with `c`.
fn set(c: char, chars: &mut Chars<'_>) -> Result<Set, String> {
    match c {
        '.' => Ok(Set { ranges: vec![('\n', '\n')], not: true }),
        '\\' => escaped(chars.next().ok_or("ends in a \\")?),
        '[' => bracket(chars),
        c => Ok(Set::one(c)),
    }
}

fn escaped(c: char) -> Result<Set, String> {
    let ranges = match c {
        's' => vec![(' ', ' '), ('\t', '\r')],
        'd' => vec![('0', '9')],
        'w' => vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')],
        'n' => vec![('\n', '\n')],
        't' => vec![('\t', '\t')],
        'b' => return Err("has a \\b that is not at its beginning".into()),
        c if c.is_ascii_alphanumeric() => return Err(format!("has a \\{c}, which means nothing here")),
        c => vec![(c, c)],
    };
    Ok(Set { ranges, not: false })
}

fn bracket(chars: &mut Chars<'_>) -> Result<Set, String> {
    let mut set = Set { ranges: Vec::new(), not: chars.next_if_eq(&'^').is_some() };
    loop {
        let c = match chars.next().ok_or("has a [ without a ]")? {
            ']' if set.ranges.is_empty() => return Err("has an empty [ ]".into()),
            ']' => return Ok(set),
            '\\' => {
                let inner = escaped(chars.next().ok_or("ends in a \\")?)?;
                match inner.single() {
                    Some(c) => c,
                    None => {
                        set.ranges.extend(inner.ranges);
                        continue;
                    }
                }
            }
            c => c,
        };
        // A dash before the closing bracket is one.
        let mut ahead = chars.clone();
        let to = match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) if to != ']' => {
                chars.next();
                chars.next();
                if to == '\\' { chars.next().ok_or("ends in a \\")? } else { to }
            }
            _ => c,
        };
        if to < c {
            return Err(format!("has the range {c}-{to}, which is backwards"));
        }
        set.ranges.push((c, to));
    }
}

fn repeat(chars: &mut Chars<'_>) -> Result<(u32, u32), String> {
    let counts = match chars.peek() {
        Some('?') => (0, 1),
        Some('*') => (0, u32::MAX),
        Some('+') => (1, u32::MAX),
        Some('{') => {
            chars.next();
            let inside: String = chars.by_ref().take_while(|c| *c != '}').collect();
            let bad = || format!("has {{{inside}}}, which is no number of times");
            let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MAX_REPEAT).ok_or_else(bad);
            let (least, most) = match inside.split_once(',') {
                None => (number(&inside)?, number(&inside)?),
                Some((least, "")) => (number(least)?, u32::MAX),
                Some((least, most)) => (number(least)?, number(most)?),
            };
            return if least <= most && most > 0 { Ok((least, most)) } else { Err(bad()) };
        }
        _ => return Ok((1, 1)),
    };
    chars.next();
    Ok(counts)
}
