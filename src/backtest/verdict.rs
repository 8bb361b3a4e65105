//! What a policy makes of one session.

use serde::Serialize;

use super::mark::{Basis, Ended};
use crate::adapters::Form;
use crate::domain::event::RunId;
use crate::domain::meter::Meter;
use crate::domain::policy::AtZero;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::usage::Usd;

/// A session as it was, and what one policy, or two, make of it.
#[derive(Clone, Debug, Serialize)]
pub struct Session {
    #[serde(serialize_with = "as_text")]
    pub run: RunId,
    #[serde(skip)]
    pub form: Form,
    pub label: Text,
    pub cwd: Text,
    pub title: Text,
    pub started_at: Option<Stamp>,
    pub last_event_at: Option<Stamp>,
    /// As [`crate::report::Report::outcome`].
    pub outcome: &'static str,
    /// Did it end well, and who says so?
    pub ended: Ended,
    pub basis: Basis,
    pub note: Text,
    /// The whole session.
    pub total: Saved,
    pub cost_is_floor: bool,
    pub failures: u64,
    pub subagents: u64,
    pub unparsed_lines: u64,
    /// Grants by people, which are left out.
    pub grants_left_out: u64,
    /// The file it was read from, or the first of them.
    pub source: Text,
    pub policy: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Verdict>,
}

/// What one policy makes of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub budget_ms: Span,
    /// The policy line that gave it.
    pub because: Text,
    /// Of the whole session, as if nothing had stopped it.
    pub spent_ms: Span,
    /// When the clock or a cap first ran out.
    pub zero: Option<Zero>,
    /// What the policy does then; `None`: it never ran out.
    pub action: Option<AtZero>,
    /// What came after, if it was stopped or held.
    pub saved: Option<Saved>,
    /// Actions that would have been held for a person, up to the end or to where it was stopped.
    pub gates: u64,
    /// The first of them.
    pub first_gates: Vec<Gate>,
}

/// The moment at which the first meter ran out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Zero {
    pub at: Stamp,
    pub meter: Meter,
    /// Spent, used and passed until then.
    #[serde(flatten)]
    pub until: Saved,
    /// What charged last before it; empty where time alone did.
    pub what: Text,
}

/// Amounts: of a whole session, up to a moment, or after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Saved {
    pub clock_ms: Span,
    pub tokens: u64,
    pub usd: Usd,
    pub tool_calls: u64,
    /// Time spent working.
    pub worked_ms: Span,
    /// Real time, pauses included.
    pub real_ms: Span,
}

/// An action that would have waited for a person.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    pub at: Stamp,
    pub what: Text,
    /// The policy line that holds it.
    pub because: Text,
}

impl Verdict {
    /// Would the policy have ended or halted it?
    pub fn is_cut(&self) -> bool {
        matches!(self.action, Some(AtZero::Stop | AtZero::Hold))
    }
}

impl Saved {
    /// What came after `self` until `total`; an agent's own sum at the end may be lower than what was counted on the way.
    pub fn until(self, total: Saved) -> Saved {
        Saved {
            clock_ms: (total.clock_ms - self.clock_ms).max(Span::ZERO),
            tokens: total.tokens.saturating_sub(self.tokens),
            usd: (total.usd - self.usd).max(Usd::ZERO),
            tool_calls: total.tool_calls.saturating_sub(self.tool_calls),
            worked_ms: (total.worked_ms - self.worked_ms).max(Span::ZERO),
            real_ms: (total.real_ms - self.real_ms).max(Span::ZERO),
        }
    }
}

impl std::ops::AddAssign for Saved {
    fn add_assign(&mut self, o: Self) {
        self.clock_ms += o.clock_ms;
        self.tokens = self.tokens.saturating_add(o.tokens);
        self.usd += o.usd;
        self.tool_calls = self.tool_calls.saturating_add(o.tool_calls);
        self.worked_ms += o.worked_ms;
        self.real_ms += o.real_ms;
    }
}

fn as_text<S: serde::Serializer>(run: &RunId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(run)
}
