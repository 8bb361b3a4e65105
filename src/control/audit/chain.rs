//! PURE. What ties the lines of the log together: each carries the SHA-256 of the record before it.
//!
//! That shows changes only to somebody who has kept a later hash elsewhere: whoever can write the file can write it anew
//! from its first line on.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::record::{Fact, Record};
use super::split::Piece;

/// The SHA-256 of a line, without its newline. In JSON and in print: 64 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seal([u8; 32]);

impl Seal {
    /// What stands before the first line.
    pub const NONE: Self = Self([0; 32]);

    pub fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    /// Reads what was printed.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for Seal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Seal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 64 hex digits"))
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The first record there is isn't number 1: the beginning is missing.
    Beheaded { seq: u64 },
    /// Records are missing, or are there twice.
    Seq { expected: u64, found: u64 },
    /// The record before it is not the one that was there when this one was written.
    Prev,
    /// No record, and the next one doesn't say so.
    Torn { bytes: u64 },
    /// It tells of torn bytes that aren't there, or are others.
    Recovered { bytes: u64 },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Beheaded { seq } => write!(f, "the log begins with record {seq}; what came before is missing"),
            What::Seq { expected, found } => write!(f, "record {found} stands where record {expected} belongs"),
            What::Prev => write!(f, "what stands before this record is not what stood there when it was written"),
            What::Torn { bytes } => {
                write!(f, "{bytes} bytes that are no record, and the next one doesn't account for them")
            }
            What::Recovered { bytes } => write!(f, "tells of {bytes} torn bytes which are not there"),
        }
    }
}

/// A place where the chain doesn't hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    /// Counted from 1.
    pub line: u64,
    pub what: What,
}

/// What a walk over the whole log has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub records: u64,
    pub breaks: Vec<Break>,
    /// Lines that are no record.
    pub torn: u64,
    /// Bytes at the end that are no record: a write that was cut off (or is under way), which the next record will
    /// account for.
    pub tail: u64,
    /// The seal of the last record, to be kept elsewhere.
    pub head: Seal,
    /// Whether the seal that was asked for is one of the chain's.
    pub has_kept: Option<bool>,
}

impl Report {
    /// Nothing is broken, and the seal that was kept is there.
    pub fn is_intact(&self) -> bool {
        self.breaks.is_empty() && self.has_kept != Some(false)
    }
}

/// Walks over lines of a log, first to last.
#[derive(Debug, Default)]
pub struct Verifier {
    report: Report,
    line: u64,
    last: Option<(u64, Seal)>,
    gap: Option<Gap>,
    kept: Option<Seal>,
}

/// Bytes between two records that are no record.
#[derive(Debug, Default)]
pub struct Gap {
    line: u64,
    lines: u64,
    bytes: u64,
    hasher: Sha256,
}

impl Gap {
    /// One more line of it, without its newline.
    pub fn add(&mut self, line: &[u8]) {
        if self.lines > 0 {
            self.more(b"\n");
        }
        self.lines += 1;
        self.more(line);
    }

    /// More bytes of the same line.
    pub fn more(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    /// The record that accounts for it.
    pub fn recovered(self) -> Fact {
        Fact::Recovered { torn_bytes: self.bytes, torn: Some(Seal(self.hasher.finalize().into())) }
    }
}

/// The line as a record, if it is one.
pub fn parse(line: &[u8]) -> Option<Record> {
    serde_json::from_slice(line).ok()
}

impl Verifier {
    /// `kept`: a seal that was written down elsewhere; the report says whether it is part of the chain.
    pub fn new(kept: Option<Seal>) -> Self {
        Self { kept, ..Self::default() }
    }

    /// For what follows the record of that number and seal.
    pub fn after(seq: u64, seal: Seal) -> Self {
        Self { last: Some((seq, seal)), ..Self::default() }
    }

    /// A line without its newline.
    pub fn line(&mut self, line: &[u8]) {
        self.line += 1;
        let Some(record) = parse(line) else {
            return self.torn(line);
        };
        self.close_gap(&record);
        self.link(&record);
        let seal = Seal::of(line);
        self.last = Some((record.seq, seal));
        self.report.records += 1;
        self.report.head = seal;
        if self.kept == Some(seal) {
            self.report.has_kept = Some(true);
        }
    }

    /// A line, or a piece of one that is too long to be a record.
    pub fn piece(&mut self, piece: Piece<'_>) {
        match (piece.starts, piece.ends) {
            (true, true) => self.line(piece.bytes),
            (true, false) => {
                self.line += 1;
                self.torn(piece.bytes);
            }
            (false, _) => {
                if let Some(gap) = &mut self.gap {
                    gap.more(piece.bytes);
                }
            }
        }
    }

    /// Number and seal of the last record, and what follows it.
    pub fn end(self) -> (Option<(u64, Seal)>, Option<Gap>) {
        (self.last, self.gap)
    }

    fn torn(&mut self, bytes: &[u8]) {
        let number = self.line;
        self.gap.get_or_insert_with(|| Gap { line: number, ..Gap::default() }).add(bytes);
        self.report.torn += 1;
    }

    /// Nothing follows.
    pub fn finish(mut self) -> Report {
        self.report.tail = self.gap.map_or(0, |gap| gap.bytes.max(1));
        if self.kept.is_some() {
            self.report.has_kept.get_or_insert(false);
        }
        self.report
    }

    fn close_gap(&mut self, record: &Record) {
        let recovered = |fact: &Fact| match fact {
            Fact::Recovered { torn_bytes, torn } if *torn_bytes > 0 || torn.is_some() => Some(*torn_bytes),
            _ => None,
        };
        match (self.gap.take(), recovered(&record.fact)) {
            (Some(gap), _) => {
                let (line, bytes) = (gap.line, gap.bytes);
                if gap.recovered() != record.fact {
                    self.report.breaks.push(Break { line, what: What::Torn { bytes } });
                }
            }
            (None, Some(bytes)) => self.broken(What::Recovered { bytes }),
            (None, None) => {}
        }
    }

    fn link(&mut self, record: &Record) {
        match self.last {
            None if record.seq != 1 => self.broken(What::Beheaded { seq: record.seq }),
            None if record.prev != Seal::NONE => self.broken(What::Prev),
            None => {}
            Some((last, seal)) => {
                let expected = last.saturating_add(1);
                if record.seq != expected {
                    self.broken(What::Seq { expected, found: record.seq });
                }
                if record.prev != seal {
                    self.broken(What::Prev);
                }
            }
        }
    }

    fn broken(&mut self, what: What) {
        self.report.breaks.push(Break { line: self.line, what });
    }
}

/// Verifies lines that are all there, without their newlines.
pub fn verify<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Report {
    let mut verifier = Verifier::new(None);
    lines.into_iter().for_each(|line| verifier.line(line));
    verifier.finish()
}
