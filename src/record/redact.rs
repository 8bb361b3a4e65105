//! PURE. Secrets in what is about to be written are replaced by `[redacted:NAME]`, whatever field they stand in.
//!
//! Rules are patterns by name ([`pattern`]), from the policy. They are tried on every string of a line of JSON, as it
//! reads without its escapes. What is left is the same line with other strings: a rule can't break it.

pub mod pattern;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memmem::Finder;

pub use pattern::{BadPattern, Pattern};

/// Rules, ready for use.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    /// What stands for the secret.
    instead: String,
    /// A text without this (in small letters) can't match.
    needle: Finder<'static>,
}

impl Redactor {
    /// Compiles rules by name; a rule without patterns is off.
    pub fn new(rules: &BTreeMap<String, Vec<String>>) -> Result<Self, BadPattern> {
        let mut redactor = Self::default();
        for (name, patterns) in rules {
            for text in patterns {
                let pattern = Pattern::parse(text).map_err(|why| BadPattern { name: name.clone(), why })?;
                let needle = Finder::new(pattern.needle().as_bytes()).into_owned();
                redactor.rules.push(Rule { pattern, instead: format!("[redacted:{name}]"), needle });
            }
        }
        Ok(redactor)
    }

    pub fn is_off(&self) -> bool {
        self.rules.is_empty()
    }

    /// The text without its secrets; `None`: there are none in it.
    pub fn text(&self, text: &str) -> Option<String> {
        let small = text.to_ascii_lowercase();
        let rules = self.rules.iter().filter(|rule| rule.needle.find(small.as_bytes()).is_some());
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        for rule in rules {
            found.extend(rule.pattern.find_all(text).into_iter().map(|range| (range, rule.instead.as_str())));
        }
        // Of overlapping ones the first, and of those the longest.
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for (range, instead) in &found {
            if range.start >= done {
                out.push_str(&text[done..range.start]);
                out.push_str(instead);
                done = range.end;
            } else if range.end > done {
                done = range.end;
            }
        }
        out.push_str(&text[done..]);
        (!found.is_empty()).then_some(out)
    }

    /// Redacts all strings of one line (or several) of JSON in place, from the byte `from` on. How many were changed.
    pub fn line(&self, line: &mut Vec<u8>, from: usize) -> usize {
        let small = line[from..].to_ascii_lowercase();
        if !self.rules.iter().any(|rule| rule.may_be_in(&small)) {
            return 0;
        }
        let mut out = Vec::with_capacity(line.len() - from);
        let (mut changed, mut at) = (0, from);
        while let Some(start) = memchr::memchr(b'"', &line[at..]).map(|i| at + i) {
            let Some(end) = string_end(line, start + 1) else { break };
            out.extend_from_slice(&line[at..start]);
            let token = &line[start..=end];
            match serde_json::from_slice::<String>(token).ok().and_then(|text| self.text(&text)) {
                Some(text) => {
                    changed += 1;
                    // A string can't fail to be written.
                    let _ = serde_json::to_writer(&mut out, &text);
                }
                None => out.extend_from_slice(token),
            }
            at = end + 1;
        }
        if changed > 0 {
            out.extend_from_slice(&line[at..]);
            line.truncate(from);
            line.append(&mut out);
        }
        changed
    }
}

impl Rule {
    /// Might any string of these bytes match? A needle that JSON would write with an escape is taken as found.
    fn may_be_in(&self, small: &[u8]) -> bool {
        let is_escaped = |b: &u8| matches!(b, b'"' | b'\\') || *b < 0x20 || *b > 0x7e;
        self.needle.needle().iter().any(is_escaped) || self.needle.find(small).is_some()
    }
}

/// Where the string that begins before `at` has its closing quote.
fn string_end(line: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr2(b'"', b'\\', line.get(at..)?)?;
        if line[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}
