//! What complexity costs and how much of it a run may spend: the typed form of a policy file.
//!
//! The shipped values stand in `assets/policy.toml` and nowhere else. Layers (user, project, flags) are merged by
//! [`crate::config`]; [`super::rules`] compiles the result for use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::Agent;
use super::time::Span;
use super::tool::Kind;

/// A policy file. Every field may be left out in a layer; unknown keys are errors.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    pub version: u32,
    pub budget: Budget,
    pub caps: Caps,
    pub clock: Clock,
    pub stop: Stopping,
    pub gate: Gating,
    pub tariff: Tariff,
    pub materiality: Vec<Materiality>,
    pub forecast: Forecast,
    pub shell: BTreeMap<String, ShellClass>,
    pub tools: BTreeMap<String, BTreeMap<String, ToolClass>>,
    pub watch: Watch,
    pub record: Recording,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    pub default: Span,
    pub declared_max: Span,
    pub rules: Vec<BudgetRule>,
}

/// The first rule whose fields all match decides a run's clock and caps.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetRule {
    pub agent: Option<Agent>,
    /// Glob over the working directory; a leading `~/` means the home directory of whoever wrote the file.
    pub project: Option<String>,
    pub label: Option<String>,
    pub budget: Option<Span>,
    pub caps: Caps,
    /// From a project's file: lowers what the first other rule gives, and never raises it.
    #[serde(skip)]
    pub tightens: bool,
}

/// Hard limits beside the clock. `None`: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Caps {
    pub usd: Option<f64>,
    pub tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub turns: Option<u64>,
    pub tools: Option<u64>,
    pub failures: Option<u64>,
    pub depth: Option<u64>,
    pub fanout: Option<u64>,
    pub wall: Option<Span>,
}

impl Caps {
    /// `self` where it says something, `below` elsewhere.
    pub fn or(self, below: Caps) -> Caps {
        Caps {
            usd: self.usd.or(below.usd),
            tokens: self.tokens.or(below.tokens),
            output_tokens: self.output_tokens.or(below.output_tokens),
            turns: self.turns.or(below.turns),
            tools: self.tools.or(below.tools),
            failures: self.failures.or(below.failures),
            depth: self.depth.or(below.depth),
            fanout: self.fanout.or(below.fanout),
            wall: self.wall.or(below.wall),
        }
    }

    /// The lower limit of each meter; no limit is the highest.
    pub fn tightest(self, other: Caps) -> Caps {
        fn low<T: PartialOrd + Copy>(a: Option<T>, b: Option<T>) -> Option<T> {
            a.zip(b).map_or(a.or(b), |(a, b)| Some(if b < a { b } else { a }))
        }
        Caps {
            usd: low(self.usd, other.usd),
            tokens: low(self.tokens, other.tokens),
            output_tokens: low(self.output_tokens, other.output_tokens),
            turns: low(self.turns, other.turns),
            tools: low(self.tools, other.tools),
            failures: low(self.failures, other.failures),
            depth: low(self.depth, other.depth),
            fanout: low(self.fanout, other.fanout),
            wall: low(self.wall, other.wall),
        }
    }

    /// The higher limit of each meter; no limit is the highest.
    pub fn loosest(self, other: Caps) -> Caps {
        fn high<T: PartialOrd + Copy>(a: Option<T>, b: Option<T>) -> Option<T> {
            a.zip(b).map(|(a, b)| if b > a { b } else { a })
        }
        Caps {
            usd: high(self.usd, other.usd),
            tokens: high(self.tokens, other.tokens),
            output_tokens: high(self.output_tokens, other.output_tokens),
            turns: high(self.turns, other.turns),
            tools: high(self.tools, other.tools),
            failures: high(self.failures, other.failures),
            depth: high(self.depth, other.depth),
            fanout: high(self.fanout, other.fanout),
            wall: high(self.wall, other.wall),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clock {
    pub idle_after: Span,
    pub tool_idle_after: Span,
    pub low: Span,
    /// What becomes of a run that redkey started when its clock or a cap has run out.
    pub at_zero: AtZero,
    /// The same for runs that only their hook holds.
    pub at_zero_hooked: AtZero,
    /// Time left at which a warning goes off, in any order.
    pub warn_at: Vec<Span>,
}

/// What becomes of a run at zero, in rising rigour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtZero {
    /// Say so and let it run.
    Warn,
    /// Let the call in hand finish, then stand still until a person answers.
    Hold,
    /// The ladder.
    #[default]
    Stop,
}

impl AtZero {
    pub fn name(self) -> &'static str {
        match self {
            AtZero::Warn => "warn",
            AtZero::Hold => "hold",
            AtZero::Stop => "stop",
        }
    }
}

impl std::fmt::Display for AtZero {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How long each rung of a stop may take, and what a run's end includes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Stopping {
    pub cooperative: Span,
    pub int: Span,
    pub term: Span,
    pub orphans: Span,
    pub give_up: Span,
    pub leftovers: Leftovers,
}

/// What becomes of processes that an agent leaves behind when it ends by itself, in rising rigour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Leftovers {
    /// The run goes on until they have ended too.
    Wait,
    #[default]
    Stop,
}

impl Leftovers {
    pub fn name(self) -> &'static str {
        match self {
            Leftovers::Wait => "wait",
            Leftovers::Stop => "stop",
        }
    }
}

/// Which actions are held until a person answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gating {
    /// No answer for so long is a denial.
    pub timeout: Span,
    /// Hold everything that counts as irreversible.
    pub irreversible: bool,
    /// Patterns of shell commands: held too (`true`), or exempt from `irreversible` (`false`).
    pub patterns: BTreeMap<String, bool>,
}

/// The price list. Spans are clock time.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tariff {
    pub wall_percent: u32,
    pub model_call: Span,
    pub output_tokens_per_second: u32,
    pub uncached_input_tokens_per_second: u32,
    pub read: Span,
    pub write: Span,
    pub execute: Span,
    pub network: Span,
    pub other: Span,
    pub spawn: Span,
    pub first_touch: Span,
    pub new_root: Span,
    pub irreversible: Span,
    pub repeat_limit: u32,
    pub failure: Span,
    pub failure_limit: u32,
    pub chain_step_percent: u32,
    pub chain_limit_percent: u32,
    pub narrowed_bit: Span,
    pub widened_bit: Span,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Materiality {
    pub glob: String,
    pub percent: u32,
    /// From a project's file: raises what the first other glob gives, and never lowers it.
    #[serde(skip)]
    pub tightens: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forecast {
    pub sample: Span,
    pub half_life: Span,
    pub prior_percent: u32,
    pub prior_samples: u32,
    pub drift_percent: u32,
    pub interval_percent: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    pub active_within: Span,
}

/// What is recorded, how long it is kept, and what must not be in it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Recording {
    /// The screen records what it watches.
    pub watched: bool,
    /// Older recordings go.
    pub keep: Span,
    /// The oldest go while all together are larger, in megabytes.
    pub keep_mb: u32,
    /// Patterns of secrets by name ([`crate::record::redact`]); a name without any is off.
    pub redact: BTreeMap<String, Vec<String>>,
}

/// What a shell command counts as, in rising gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShellClass {
    /// The pattern is switched off.
    Off,
    Read,
    Execute,
    Verify,
    Network,
    /// Irreversible for paths outside the project, else an ordinary execution.
    IrreversibleOutside,
    Irreversible,
}

/// What a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolClass {
    Read,
    Write,
    Execute,
    Network,
    Spawn,
    Verify,
    Irreversible,
    /// Asks a person: the run waits until it is answered.
    Ask,
    Other,
}

impl From<Kind> for ToolClass {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Read => ToolClass::Read,
            Kind::Write => ToolClass::Write,
            Kind::Execute => ToolClass::Execute,
            Kind::Network => ToolClass::Network,
            Kind::Spawn => ToolClass::Spawn,
            Kind::Other => ToolClass::Other,
        }
    }
}

/// The text of the policy that redkey ships.
pub const EMBEDDED: &str = include_str!("../../assets/policy.toml");
