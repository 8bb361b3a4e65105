//! Meters beside the clock: plain quantities with an optional hard limit.

use serde::Serialize;

use super::policy::Caps;

/// What is metered. The clock is one of them, so that "which binds" has one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Meter {
    Clock,
    Usd,
    Tokens,
    OutputTokens,
    Turns,
    Tools,
    Failures,
    Depth,
    Fanout,
    Wall,
}

impl Meter {
    pub const COUNT: usize = 10;
    pub const ALL: [Meter; Self::COUNT] = [
        Meter::Clock,
        Meter::Usd,
        Meter::Tokens,
        Meter::OutputTokens,
        Meter::Turns,
        Meter::Tools,
        Meter::Failures,
        Meter::Depth,
        Meter::Fanout,
        Meter::Wall,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Meter::Clock => "clock",
            Meter::Usd => "usd",
            Meter::Tokens => "tokens",
            Meter::OutputTokens => "output_tokens",
            Meter::Turns => "turns",
            Meter::Tools => "tools",
            Meter::Failures => "failures",
            Meter::Depth => "depth",
            Meter::Fanout => "fanout",
            Meter::Wall => "wall",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.name() == name)
    }

    /// The cap on this meter, in the unit of [`Reading::used`].
    pub fn cap(self, caps: &Caps) -> Option<f64> {
        match self {
            Meter::Clock => None, // the clock's limit is what was granted
            Meter::Usd => caps.usd,
            Meter::Tokens => caps.tokens.map(|n| n as f64),
            Meter::OutputTokens => caps.output_tokens.map(|n| n as f64),
            Meter::Turns => caps.turns.map(|n| n as f64),
            Meter::Tools => caps.tools.map(|n| n as f64),
            Meter::Failures => caps.failures.map(|n| n as f64),
            Meter::Depth => caps.depth.map(|n| n as f64),
            Meter::Fanout => caps.fanout.map(|n| n as f64),
            Meter::Wall => caps.wall.map(|span| span.as_secs_f64()),
        }
    }
}

/// A meter's state: dollars, counts, or seconds for the two clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub meter: Meter,
    pub used: f64,
    pub cap: Option<f64>,
}

impl Reading {
    pub fn left(&self) -> Option<f64> {
        self.cap.map(|cap| cap - self.used)
    }

    /// Share of the cap that is used; a cap of nothing is used up.
    pub fn share(&self) -> Option<f64> {
        self.cap.map(|cap| if cap > 0.0 { self.used / cap } else { 1.0 })
    }

    pub fn is_out(&self) -> bool {
        self.left().is_some_and(|left| left <= 0.0)
    }
}
