//! The statement: one line per charge, newest last, bounded; sums per rule for what has scrolled away.

use std::collections::VecDeque;

use serde::Serialize;

use super::text::Text;
use super::time::{Span, Stamp};

/// The rule of the tariff that a charge follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Rule {
    Wall,
    ModelCall,
    Read,
    Write,
    Execute,
    Network,
    Other,
    Spawn,
    FirstTouch,
    NewRoot,
    Irreversible,
    Failure,
    Narrowing,
    Widening,
    Grant,
}

impl Rule {
    pub const COUNT: usize = 15;
    pub const ALL: [Rule; Self::COUNT] = [
        Rule::Wall,
        Rule::ModelCall,
        Rule::Read,
        Rule::Write,
        Rule::Execute,
        Rule::Network,
        Rule::Other,
        Rule::Spawn,
        Rule::FirstTouch,
        Rule::NewRoot,
        Rule::Irreversible,
        Rule::Failure,
        Rule::Narrowing,
        Rule::Widening,
        Rule::Grant,
    ];

    /// As the statement shows it.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Wall => "wall time",
            Rule::ModelCall => "model call",
            Rule::Read => "read",
            Rule::Write => "write",
            Rule::Execute => "execute",
            Rule::Network => "network",
            Rule::Other => "other tool",
            Rule::Spawn => "spawn",
            Rule::FirstTouch => "first touch",
            Rule::NewRoot => "new root",
            Rule::Irreversible => "irreversible",
            Rule::Failure => "failure",
            Rule::Narrowing => "narrowing",
            Rule::Widening => "widening",
            Rule::Grant => "grant",
        }
    }
}

/// The multipliers on a charge, in percent; 100 each when nothing multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Factors {
    /// Identical calls in a row: 100, 200, 400, …
    pub repeat: u16,
    /// Length of the unverified chain.
    pub chain: u16,
    pub materiality: u16,
}

impl Factors {
    pub const NONE: Self = Self { repeat: 100, chain: 100, materiality: 100 };

    pub fn apply(self, base: Span) -> Span {
        base.percent(i64::from(self.repeat)).percent(i64::from(self.chain)).percent(i64::from(self.materiality))
    }

    /// Those that multiply, with their percent, in the order in which they apply.
    pub fn named(self) -> impl Iterator<Item = (&'static str, u16)> {
        [("repeat", self.repeat), ("chain", self.chain), ("materiality", self.materiality)]
            .into_iter()
            .filter(|(_, percent)| *percent != 100)
    }

    /// All multipliers as one number: 1.0 when nothing multiplies.
    pub fn product(self) -> f64 {
        f64::from(self.repeat) * f64::from(self.chain) * f64::from(self.materiality) / 1e6
    }
}

/// One line of a statement.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Charge {
    pub at: Stamp,
    /// Positive: spent. Negative: came back.
    #[serde(rename = "amount_ms")]
    pub amount: Span,
    pub rule: Rule,
    /// Index into the run's branches; 0 is the run itself.
    pub branch: u16,
    pub factors: Factors,
    pub what: Text,
}

/// Charges in order. Keeps the newest [`Statement::keep`] lines and the sums of all.
#[derive(Clone, Debug)]
pub struct Statement {
    lines: VecDeque<Charge>,
    /// How many lines there have ever been; the newest line has number `written`.
    written: u64,
    /// The newest line grows no more.
    closed: bool,
    sums: [Span; Rule::COUNT],
    keep: usize,
}

impl Statement {
    pub fn new(keep: usize) -> Self {
        Self { lines: VecDeque::new(), written: 0, closed: true, sums: [Span::ZERO; Rule::COUNT], keep }
    }

    /// Appends a line. Wall time that follows wall time grows that line instead, until it is closed.
    pub fn push(&mut self, charge: Charge) {
        self.sums[charge.rule as usize] += charge.amount;
        if !self.closed
            && charge.rule == Rule::Wall
            && let Some(last) = self.lines.back_mut()
            && last.rule == Rule::Wall
        {
            last.amount += charge.amount;
            last.at = charge.at;
            return;
        }
        self.closed = charge.rule != Rule::Wall;
        self.lines.push_back(charge);
        self.written += 1;
        self.trim_to(self.keep);
    }

    /// Work is over for now: wall time that may follow is a line of its own.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Lines that stay as they are: all, or all but the newest.
    pub fn settled(&self) -> u64 {
        self.written - u64::from(!self.closed)
    }

    /// Forgets all but the newest `keep` lines; sums stay.
    pub fn trim_to(&mut self, keep: usize) {
        while self.lines.len() > keep {
            self.lines.pop_front();
        }
        if self.lines.capacity() > 2 * self.lines.len().max(16) {
            self.lines.shrink_to_fit();
        }
    }

    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &Charge> + ExactSizeIterator {
        self.lines.iter()
    }

    pub fn last(&self) -> Option<&Charge> {
        self.lines.back()
    }

    /// Lines after the `seen`-th, for readers that follow along.
    pub fn since(&self, seen: u64) -> impl Iterator<Item = &Charge> {
        let fresh = usize::try_from(self.written.saturating_sub(seen)).unwrap_or(usize::MAX);
        self.lines.iter().skip(self.lines.len().saturating_sub(fresh))
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    /// Lines that are no longer kept.
    pub fn forgotten(&self) -> u64 {
        self.written - self.lines.len() as u64
    }

    /// What each rule took in all.
    pub fn sum(&self, rule: Rule) -> Span {
        self.sums[rule as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_grows_its_line_until_the_line_is_closed() {
        let mut statement = Statement::new(10);
        let charge = |rule| Charge {
            at: Stamp(0),
            amount: Span(10),
            rule,
            branch: 0,
            factors: Factors::NONE,
            what: Text::default(),
        };
        statement.close();
        assert_eq!(statement.settled(), 0);
        statement.push(charge(Rule::Wall));
        statement.push(charge(Rule::Wall));
        assert_eq!((statement.written(), statement.settled()), (1, 0));
        statement.close();
        assert_eq!(statement.settled(), 1);
        statement.push(charge(Rule::Wall));
        assert_eq!((statement.written(), statement.settled()), (2, 1));
        statement.push(charge(Rule::Read));
        assert_eq!((statement.written(), statement.settled()), (3, 3));
        assert_eq!(statement.lines().map(|c| c.amount.0).collect::<Vec<_>>(), [20, 10, 10]);
    }
}
