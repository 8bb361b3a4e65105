//! Tokens and money, as whole numbers.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize, Serializer};

/// Tokens by kind. `input` never includes cache; agents that report it inclusively are converted by their adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub input: u64,
    pub output: u64,
    /// Reasoning that the agent reports beside its output (Gemini); 0 where it is inside. Priced as output.
    pub reasoning: u64,
    pub cache_read: u64,
    /// All cache writes, whatever their lifetime.
    pub cache_write: u64,
    /// The part of `cache_write` that is kept for an hour and priced higher.
    #[serde(skip_serializing, default)]
    pub cache_write_1h: u64,
}

impl Usage {
    pub const ZERO: Self = Self { input: 0, output: 0, reasoning: 0, cache_read: 0, cache_write: 0, cache_write_1h: 0 };

    /// Every token, cached or not.
    pub fn total(&self) -> u64 {
        [self.output, self.reasoning, self.cache_read, self.cache_write]
            .iter()
            .fold(self.input, |n, m| n.saturating_add(*m))
    }

    /// Everything the model read.
    pub fn context(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// Everything the model wrote.
    pub fn written(&self) -> u64 {
        self.output.saturating_add(self.reasoning)
    }

    /// Input the model had to read afresh: what the tariff charges as uncached input.
    pub fn uncached_input(&self) -> u64 {
        self.input.saturating_add(self.cache_write)
    }

    /// Field by field, the larger: the most complete record of one answer.
    pub fn max(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }

    fn zip(self, o: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            input: f(self.input, o.input),
            output: f(self.output, o.output),
            reasoning: f(self.reasoning, o.reasoning),
            cache_read: f(self.cache_read, o.cache_read),
            cache_write: f(self.cache_write, o.cache_write),
            cache_write_1h: f(self.cache_write_1h, o.cache_write_1h),
        }
    }
}

impl Add for Usage {
    type Output = Usage;
    fn add(self, o: Self) -> Self {
        self.zip(o, u64::saturating_add)
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

/// Saturating: what was counted before can't be more than nothing less.
impl Sub for Usage {
    type Output = Usage;
    fn sub(self, o: Self) -> Self {
        self.zip(o, u64::saturating_sub)
    }
}

/// An amount of money in nano-dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub i64);

impl Usd {
    pub const ZERO: Self = Self(0);

    /// Rounds to the nano-dollar; `None` for anything that is no finite amount.
    pub fn from_f64(dollars: f64) -> Option<Self> {
        (dollars.is_finite() && dollars.abs() < 9e9).then(|| Self((dollars * 1e9).round() as i64))
    }

    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl Add for Usd {
    type Output = Usd;
    fn add(self, o: Self) -> Self {
        Usd(self.0.saturating_add(o.0))
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, o: Self) {
        *self = *self + o;
    }
}

impl Sub for Usd {
    type Output = Usd;
    fn sub(self, o: Self) -> Self {
        Usd(self.0.saturating_sub(o.0))
    }
}

/// `$1.20`, `$0.0042`: two digits, more where two would show nothing.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.as_f64();
        let digits = if self.0 != 0 && dollars.abs() < 0.1 { 4 } else { 2 };
        f.pad(&format!("${dollars:.digits$}"))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}
