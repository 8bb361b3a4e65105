//! PURE. `fact`: what control told of a run. Holds, gates and stops stand here as a run's socket tells them.

use serde::{Deserialize, Serialize};

use super::{Hex, Words, is_zero};
use crate::control::protocol::{Gate, Status};
use crate::control::words::{Grade, Key, ProcId, Stop};
use crate::domain::text::Text;

/// `fact`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactLine {
    pub f: FactRec,
}

/// Runs are named `claude:0f3a…`; lengths of time are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactRec {
    Budget {
        run: Text,
        #[serde(default, skip_serializing_if = "is_zero")]
        budget: Option<i64>,
        #[serde(default, skip_serializing_if = "is_zero")]
        caps: Option<CapsRec>,
        #[serde(default, skip_serializing_if = "is_zero")]
        label: Words,
        #[serde(default, skip_serializing_if = "is_zero")]
        by: Words,
    },
    Grant {
        run: Text,
        key: Hex,
        ms: i64,
        by: Words,
        reason: Words,
        at: i64,
    },
    Hold(Box<HoldRec>),
    Lost {
        run: Text,
    },
    Stopped {
        run: Text,
        stop: Box<Stop>,
    },
    Gates(Vec<Gate>),
    Audit(Option<Words>),
    Note {
        #[serde(default, skip_serializing_if = "is_zero")]
        run: Option<Text>,
        text: Words,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoldRec {
    pub run: Text,
    pub key: Key,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub why: Words,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leader: Option<ProcId>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub socket: Option<Words>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grade: Option<Grade>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Box<Status>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CapsRec {
    /// Dollars, as text: readers of JSON are not exact to the last bit.
    #[serde(skip_serializing_if = "is_zero")]
    pub usd: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub turns: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub tools: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub failures: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub depth: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub fanout: Option<u64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub wall: Option<i64>,
}
