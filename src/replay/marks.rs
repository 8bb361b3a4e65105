//! Where something happened: charges, flags, gates, interrupts, failures.
//!
//! Eight bytes a charge, twenty-four for each of the others; so many of a tape are kept, and the rest is not marked.

use crate::domain::time::Stamp;

/// Most charges that are noted, and most of all others.
const MAX_CHARGES: usize = 8_000_000;
const MAX_OTHERS: usize = 1_000_000;

/// What is worth a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Something that wants a person's judgement: a warning, a clock or cap that ran out.
    Flag,
    /// An action was held, or the agent asked.
    Gate,
    /// A stop was asked for, or somebody cut it off.
    Interrupt,
    /// A call, a request or the run failed.
    Failure,
}

impl Kind {
    pub const ALL: [Kind; 4] = [Kind::Flag, Kind::Gate, Kind::Interrupt, Kind::Failure];

    pub fn name(self) -> &'static str {
        match self {
            Kind::Flag => "flag",
            Kind::Gate => "gate",
            Kind::Interrupt => "interrupt",
            Kind::Failure => "failure",
        }
    }

    /// The kind that a person writes, whole or shortened, one or many.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.trim_end_matches('s');
        Self::ALL.into_iter().find(|kind| !word.is_empty() && kind.name().starts_with(word))
    }
}

/// What happened in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    pub charge: bool,
    /// A bit for each kind.
    pub kinds: u8,
}

impl Happened {
    pub fn set(&mut self, kind: Kind, yes: bool) {
        if yes {
            self.kinds |= 1 << kind as u8;
        }
    }

    pub fn has(self, kind: Kind) -> bool {
        self.kinds & 1 << kind as u8 != 0
    }
}

/// A place: so many steps are taken when it has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    pub index: u64,
    pub at: Stamp,
    pub kinds: u8,
}

/// All marks, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Index, and whole seconds since the start.
    charges: Vec<(u32, u32)>,
    others: Vec<Mark>,
}

/// What happened in one part of the time, for drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    pub charges: u32,
    pub kinds: u8,
}

impl Marks {
    pub fn note(&mut self, index: u64, at: Stamp, start: Stamp, happened: Happened) {
        if happened.charge && self.charges.len() < MAX_CHARGES {
            let seconds = u32::try_from(at.since(start).0 / 1_000).unwrap_or(0);
            self.charges.push((u32::try_from(index).unwrap_or(u32::MAX), seconds));
        }
        if happened.kinds != 0 && self.others.len() < MAX_OTHERS {
            self.others.push(Mark { index, at, kinds: happened.kinds });
        }
    }

    pub fn append(&mut self, other: &mut Self) {
        self.charges.append(&mut other.charges);
        self.others.append(&mut other.others);
    }

    pub fn others(&self) -> &[Mark] {
        &self.others
    }

    /// The next charge after `index` (or, negative, the one before it), `by` charges away.
    pub fn charge(&self, index: u64, by: i64) -> Option<u64> {
        let at = |place: usize| self.charges.get(place).map(|(index, _)| u64::from(*index));
        let after = self.charges.partition_point(|(i, _)| u64::from(*i) <= index);
        let before = self.charges.partition_point(|(i, _)| u64::from(*i) < index);
        away(after, before, by).and_then(at)
    }

    /// The next place of a kind (any, if none is named), or the one before.
    pub fn next(&self, index: u64, kind: Option<Kind>, by: i64) -> Option<u64> {
        let wanted = kind.map_or(u8::MAX, |kind| 1 << kind as u8);
        let mut fitting = self.others.iter().filter(|mark| mark.kinds & wanted != 0);
        if by > 0 {
            fitting.filter(|mark| mark.index > index).map(|mark| mark.index).nth(by.unsigned_abs() as usize - 1)
        } else {
            let steps = by.unsigned_abs().max(1) as usize;
            fitting.by_ref().rev().filter(|mark| mark.index < index).map(|mark| mark.index).nth(steps - 1)
        }
    }

    /// How many of each kind there are.
    pub fn count(&self, kind: Kind) -> usize {
        self.others.iter().filter(|mark| mark.kinds & 1 << kind as u8 != 0).count()
    }

    /// What happened in each of `parts` equal parts of the time from `start` to `end`.
    pub fn buckets(&self, start: Stamp, end: Stamp, parts: usize) -> Vec<Bucket> {
        let mut buckets = vec![Bucket::default(); parts.max(1)];
        let length = end.since(start).0.max(1);
        let last = buckets.len() - 1;
        let place = |ms: i64| {
            let share = ms.clamp(0, length) as f64 / length as f64;
            ((share * buckets_len(last)) as usize).min(last)
        };
        for (_, seconds) in &self.charges {
            buckets[place(i64::from(*seconds) * 1_000)].charges += 1;
        }
        for mark in &self.others {
            buckets[place(mark.at.since(start).0)].kinds |= mark.kinds;
        }
        buckets
    }
}

fn buckets_len(last: usize) -> f64 {
    (last + 1) as f64
}

/// The place `by` away, where those before the present one end at `before` and those after it begin at `after`.
fn away(after: usize, before: usize, by: i64) -> Option<usize> {
    let steps = usize::try_from(by.unsigned_abs()).unwrap_or(usize::MAX).max(1);
    if by > 0 { after.checked_add(steps - 1) } else { before.checked_sub(steps) }
}
