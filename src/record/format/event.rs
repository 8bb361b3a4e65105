//! PURE. `event`: one event of a source, and where its line stood. Lengths of time are milliseconds, money nano-dollars.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Hex, Words, is_zero};
use crate::domain::event::Outcome;
use crate::domain::tool::Kind;

/// `event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRec {
    /// The source's number.
    pub s: u32,
    /// Where its line begins in the source.
    pub o: u64,
    /// The run, `claude:0f3a…`.
    pub r: Arc<str>,
    /// The subagent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b: Option<Arc<str>>,
    /// When it happened, by its stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// What happened.
    pub e: BodyRec,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyRec {
    Info(Box<InfoRec>),
    Prompt(Said),
    Message(Said),
    Thought(Said),
    ModelCall(Box<CallRec>),
    Totals(Box<TotalsRec>),
    ToolCall(Box<ToolRec>),
    ToolResult {
        key: Hex,
        #[serde(default, skip_serializing_if = "is_zero")]
        failed: FailureRec,
        text: Words,
    },
    ApiError {
        text: Words,
        #[serde(default, skip_serializing_if = "is_zero")]
        retrying: bool,
    },
    SubagentStarted {
        id: Arc<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Arc<str>>,
        depth: u16,
        name: Words,
        #[serde(default, skip_serializing_if = "is_zero")]
        by_call: bool,
    },
    SubagentEnded {
        id: Arc<str>,
        outcome: Outcome,
    },
    Decision {
        text: Words,
        before: u32,
        after: u32,
    },
    ApprovalAsked(Said),
    ApprovalAnswered {
        allowed: bool,
        text: Words,
    },
    Verified(Said),
    Granted {
        ms: i64,
        by: Words,
        reason: Words,
    },
    Warning(Said),
    TurnEnded {},
    Ended {
        outcome: Outcome,
        reason: Words,
    },
    Unparsed(Said),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub text: Words,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureRec {
    #[default]
    No,
    /// The agent says so.
    Flagged,
    /// Its output looks like it.
    Inferred,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InfoRec {
    #[serde(skip_serializing_if = "is_zero")]
    pub name: Option<Words>,
    #[serde(skip_serializing_if = "is_zero")]
    pub version: Option<Words>,
    #[serde(skip_serializing_if = "is_zero")]
    pub model: Option<Words>,
    #[serde(skip_serializing_if = "is_zero")]
    pub cwd: Option<Words>,
    #[serde(skip_serializing_if = "is_zero")]
    pub title: Option<Words>,
    #[serde(skip_serializing_if = "is_zero")]
    pub label: Option<Words>,
    #[serde(skip_serializing_if = "is_zero")]
    pub budget: Option<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub expect: Option<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub contract: Vec<Words>,
    #[serde(skip_serializing_if = "is_zero")]
    pub interactive: Option<bool>,
    #[serde(skip_serializing_if = "is_zero")]
    pub forked_from: Option<Words>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageRec {
    #[serde(skip_serializing_if = "is_zero")]
    pub input: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub output: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write_1h: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallRec {
    #[serde(skip_serializing_if = "is_zero")]
    pub key: Option<Hex>,
    #[serde(skip_serializing_if = "is_zero")]
    pub message: Option<Hex>,
    #[serde(skip_serializing_if = "is_zero")]
    pub model: Option<Words>,
    pub usage: UsageRec,
    #[serde(skip_serializing_if = "is_zero")]
    pub cost: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TotalsRec {
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: Option<UsageRec>,
    #[serde(skip_serializing_if = "is_zero")]
    pub cost: Option<i64>,
    #[serde(skip_serializing_if = "is_zero")]
    pub with_subagents: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub models: Vec<(Words, UsageRec)>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolRec {
    pub key: Hex,
    pub tool: Words,
    pub digest: Hex,
    pub summary: Words,
    #[serde(skip_serializing_if = "is_zero")]
    pub command: Option<Arc<str>>,
    #[serde(skip_serializing_if = "is_zero")]
    pub paths: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "is_zero")]
    pub urls: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "is_zero")]
    pub kind: Option<Kind>,
    #[serde(skip_serializing_if = "is_zero")]
    pub partial: bool,
}
