//! What opencode writes, as far as it is read. One shape serves the parts of the stream and the rows' `data`:
//! the fields that both have mean the same.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::json::Count;
use super::super::lazy::{Str, loose, stamp_ms};
use crate::domain::event::Outcome;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::usage::{Usage, Usd};

/// A line of `opencode run --format json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    pub timestamp: Ms,
    #[serde(borrow, rename = "sessionID")]
    pub session: Str<'a>,
    #[serde(borrow)]
    pub part: Option<Data<'a>>,
    #[serde(borrow)]
    pub error: Option<Problem<'a>>,
}

/// A row of the database.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Row<'a> {
    #[serde(borrow)]
    pub table: Str<'a>,
    #[serde(borrow)]
    pub id: Str<'a>,
    #[serde(borrow)]
    pub session_id: Str<'a>,
    #[serde(borrow)]
    pub message_id: Str<'a>,
    #[serde(borrow)]
    pub parent_id: Str<'a>,
    #[serde(borrow)]
    pub directory: Str<'a>,
    #[serde(borrow)]
    pub title: Str<'a>,
    #[serde(borrow)]
    pub version: Str<'a>,
    #[serde(borrow)]
    pub agent: Str<'a>,
    #[serde(borrow)]
    pub model: Option<&'a RawValue>,
    pub time_created: Ms,
    pub time_updated: Ms,
    #[serde(borrow)]
    pub data: Option<Data<'a>>,
}

/// Enough of a line to say what it is, for those that can't be read in full.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub table: Str<'a>,
    #[serde(borrow, rename = "sessionID")]
    pub session: Option<&'a RawValue>,
    #[serde(borrow)]
    pub timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Data<'a> {
    #[serde(borrow)]
    pub id: Str<'a>,
    #[serde(borrow, rename = "messageID")]
    pub message_id: Str<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub role: Str<'a>,
    #[serde(borrow, rename = "modelID")]
    pub model_id: Str<'a>,
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
    /// A text that opencode, not a person, put into a prompt.
    pub synthetic: Option<bool>,
    #[serde(borrow)]
    pub tool: Str<'a>,
    #[serde(borrow, rename = "callID")]
    pub call_id: Str<'a>,
    #[serde(borrow)]
    pub state: Option<State<'a>>,
    #[serde(borrow)]
    pub reason: Str<'a>,
    #[serde(borrow)]
    pub finish: Str<'a>,
    pub tokens: Option<Tokens>,
    pub cost: Option<f64>,
    pub time: Option<Times>,
    #[serde(borrow)]
    pub error: Option<Problem<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State<'a> {
    #[serde(borrow)]
    pub status: Str<'a>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub metadata: Option<&'a RawValue>,
    pub time: Option<Times>,
}

/// What tools add to a result. Every tool has its own, so each field may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub exit: Option<&'a RawValue>,
    #[serde(borrow, rename = "sessionId")]
    pub session: Option<&'a RawValue>,
}

/// The input of the `task` tool, which starts a subagent.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Task<'a> {
    #[serde(borrow)]
    pub description: Str<'a>,
    #[serde(borrow)]
    pub subagent_type: Str<'a>,
}

/// Milliseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Ms(Option<f64>);

impl Ms {
    pub fn stamp(self) -> Option<Stamp> {
        stamp_ms(self.0?)
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Times {
    pub created: Ms,
    pub completed: Ms,
    pub start: Ms,
    pub end: Ms,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    total: Count,
    input: Count,
    output: Count,
    reasoning: Count,
    cache: Option<Cache>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Cache {
    read: Count,
    write: Count,
}

impl Tokens {
    /// Input is without cache already. Reasoning stands beside `output`, and is added to it, except in versions
    /// that had it inside: those wrote no `total`, or one that is the sum without it.
    pub fn usage(&self) -> Usage {
        let cache = self.cache.unwrap_or_default();
        let mut usage = Usage {
            input: self.input.0,
            output: self.output.0,
            cache_read: cache.read.0,
            cache_write: cache.write.0,
            ..Usage::ZERO
        };
        if self.total.0 != 0 && self.total.0 != usage.total() {
            usage.output = usage.output.saturating_add(self.reasoning.0);
        }
        usage
    }
}

/// Why something ended early.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Problem<'a> {
    #[serde(borrow)]
    pub name: Str<'a>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    message: Str<'a>,
    #[serde(rename = "statusCode")]
    status: Count,
}

impl Problem<'_> {
    pub fn outcome(&self) -> Outcome {
        if &*self.name == "MessageAbortedError" { Outcome::Interrupted } else { Outcome::Failed }
    }

    /// The provider's doing, not the user's or the agent's own.
    pub fn is_providers(&self) -> bool {
        matches!(&*self.name, "APIError" | "ProviderAuthError")
            || loose::<Details>(self.data).is_some_and(|details| details.status.0 != 0)
    }

    /// `400: message`, or the error's name where it says no more.
    pub fn text(&self) -> Text {
        let details: Details = loose(self.data).unwrap_or_default();
        match (details.status.0, details.message.is_empty()) {
            (_, true) => Text::new(&self.name),
            (0, _) => Text::new(&details.message),
            (status, _) => Text::new(&format!("{status}: {}", &*details.message)),
        }
    }
}

pub(super) fn usd(cost: Option<f64>) -> Option<Usd> {
    cost.and_then(Usd::from_f64)
}
