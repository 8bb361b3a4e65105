//! What pi writes, as far as it is read.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::json::Count;
use super::super::lazy::{Str, head, loose};
use crate::domain::event::Key;
use crate::domain::text::Text;
use crate::domain::usage::{Usage, Usd};

/// A line of the stream (`--mode json`, `--mode rpc`) or of a session file. Their types don't overlap.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub id: Str<'a>,
    #[serde(borrow)]
    pub timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    // Of `session`.
    #[serde(borrow)]
    pub cwd: Str<'a>,
    #[serde(borrow, rename = "parentSession")]
    pub parent_session: Str<'a>,
    // Of `model_change` and `session_info`.
    #[serde(borrow, rename = "modelId")]
    pub model_id: Str<'a>,
    #[serde(borrow)]
    pub name: Str<'a>,
    // Of `tool_execution_*`.
    #[serde(borrow, rename = "toolCallId")]
    pub tool_call_id: Str<'a>,
    #[serde(borrow, rename = "toolName")]
    pub tool_name: Str<'a>,
    #[serde(borrow)]
    pub args: Option<&'a RawValue>,
    #[serde(borrow)]
    pub result: Option<&'a RawValue>,
    #[serde(rename = "isError")]
    pub is_error: Option<bool>,
    // Of `agent_end` and `auto_retry_start`.
    #[serde(rename = "willRetry")]
    pub will_retry: Option<bool>,
    pub attempt: Count,
    #[serde(rename = "maxAttempts")]
    pub max_attempts: Count,
    // Of `usage`, `compaction` and `branch_summary`: what a model took outside of the conversation.
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
    // Of `response`.
    pub success: Option<bool>,
    #[serde(borrow)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow)]
    pub data: Option<&'a RawValue>,
}

/// Enough of a line to say what it is, for those that can't be read in full.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow, rename = "parentId")]
    pub parent: Option<&'a RawValue>,
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub command: Option<&'a RawValue>,
    pub success: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub role: Str<'a>,
    /// A string, or a list of [`Block`]s.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub model: Str<'a>,
    pub usage: Option<Tokens>,
    #[serde(borrow, rename = "stopReason")]
    pub stop_reason: Str<'a>,
    #[serde(borrow, rename = "errorMessage")]
    pub error: Str<'a>,
    #[serde(borrow)]
    pub timestamp: Option<&'a RawValue>,
    #[serde(borrow, rename = "responseId")]
    pub response_id: Str<'a>,
    #[serde(borrow, rename = "toolCallId")]
    pub tool_call_id: Str<'a>,
    #[serde(rename = "isError")]
    pub is_error: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    pub id: Str<'a>,
    #[serde(borrow)]
    pub name: Str<'a>,
    #[serde(borrow)]
    pub arguments: Option<&'a RawValue>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    input: Count,
    output: Count,
    #[serde(rename = "cacheRead")]
    cache_read: Count,
    #[serde(rename = "cacheWrite")]
    cache_write: Count,
    cost: Option<Cost>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Cost {
    total: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolOutput<'a> {
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
}

/// What a client of the rpc mode may ask for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RpcState<'a> {
    #[serde(borrow, rename = "sessionId")]
    pub session: Str<'a>,
}

impl Tokens {
    /// Input is without cache already.
    pub fn usage(&self) -> Usage {
        Usage {
            input: self.input.0,
            output: self.output.0,
            cache_read: self.cache_read.0,
            cache_write: self.cache_write.0,
            ..Usage::ZERO
        }
    }

    pub fn cost(&self) -> Option<Usd> {
        self.cost?.total.and_then(Usd::from_f64)
    }
}

impl<'a> Message<'a> {
    /// The same in stream and session file, and in copies of a message in forked sessions.
    pub fn key(&self) -> Key {
        Key::of(&["pi", "message", &self.response_id, self.timestamp.map_or("", RawValue::get)])
    }

    pub fn blocks(&self) -> Vec<Block<'a>> {
        blocks(self.content)
    }
}

/// Content as blocks. Of a list with a block that can't be read, those before it are lost too: none is known to exist.
pub(super) fn blocks(content: Option<&RawValue>) -> Vec<Block<'_>> {
    match content {
        Some(raw) if raw.get().starts_with('"') => {
            vec![Block { kind: Str(Cow::Borrowed("text")), text: Some(raw), ..Block::default() }]
        }
        raw => loose(raw).unwrap_or_default(),
    }
}

/// The first text of some content.
pub(super) fn first_text(content: Option<&RawValue>) -> Text {
    blocks(content).iter().find(|block| &*block.kind == "text").map(|block| head(block.text)).unwrap_or_default()
}
