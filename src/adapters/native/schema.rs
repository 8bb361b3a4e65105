//! redkey's own events: one JSON object a line, written by any agent in any language.
//!
//! Rules of the format: a reader ignores fields and types it doesn't know, so that both may be added within a
//! version; a field never changes its meaning within one. The types here are what may be written;
//! reading is more forgiving (`null` is absent, counts may be floats, ids may be numbers).

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::super::json::Count;
use super::super::lazy::Str;
use crate::domain::event::Outcome;
use crate::domain::tool::Kind;

/// Version of the format that this program reads and writes.
pub const VERSION: u32 = 1;

/// One line of a redkey event stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "redkey event")]
pub struct Line {
    /// Version of the format: 1. Marks the line as a redkey event, so every line has it.
    #[schemars(range(min = 1, max = 1))]
    pub redkey: u32,
    /// Your id for this run. Left out: the run of the line before, or one named after the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When it happened. Left out: when the line arrives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ts: Option<Time>,
    /// The subagent that did it. Left out: the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    #[serde(flatten)]
    pub event: Event,
}

impl Line {
    /// A line of the present version, without time or branch.
    pub fn new(run: &str, event: Event) -> Self {
        Self { redkey: VERSION, run: Some(run.to_owned()), ts: None, branch: None, event }
    }

    /// As one line of JSON, without the line end.
    pub fn to_json(&self) -> String {
        // Maps here have only string keys, and numbers are finite or null: there is nothing that JSON can't hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Milliseconds since the Unix epoch, or RFC 3339: `1795442304378` or `"2026-11-23T13:58:24.378Z"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Time {
    Ms(i64),
    Rfc3339(String),
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    RunStarted(RunStarted),
    Prompt(Said),
    Message(Message),
    ModelCall(ModelCall),
    ToolCall(ToolCall),
    ToolResult(ToolResult),
    SubagentStarted(SubagentStarted),
    SubagentEnded(SubagentEnded),
    Decision(Decision),
    ApprovalAsked(Said),
    ApprovalAnswered(ApprovalAnswered),
    Verified(Said),
    ApiError(ApiError),
    Warning(Said),
    TurnEnded(TurnEnded),
    RunEnded(RunEnded),
}

/// What the run says about itself; every field may be left out, and the event may come again with more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunStarted {
    /// Name of the program, as `my-agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the run is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Working directory; paths of tools are relative to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Runs with one label are alike: estimates come from them. Left out: the agent's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The clock that this run is given: `30m`, `1h30m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// How much of the clock it expects to need: `20m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// What it promises to leave behind, in words.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub contract: Vec<String>,
    /// A person sits in front: the end of a turn is waiting, not the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactive: Option<bool>,
}

/// A text: a prompt, a question that needs approval, what was verified, a warning.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Said {
    #[serde(deserialize_with = "or_default")]
    pub text: String,
}

/// Something that the agent said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Message {
    #[serde(deserialize_with = "or_default")]
    pub text: String,
    /// A thought, not an answer.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub thinking: bool,
}

/// One answer of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelCall {
    /// The same id again replaces what was said of this answer, as when it is still streaming. Left out: an answer
    /// of its own.
    #[serde(deserialize_with = "optional_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Without what was read from or written to a cache.
    #[serde(deserialize_with = "count")]
    pub input_tokens: u64,
    /// Reasoning included.
    #[serde(deserialize_with = "count")]
    pub output_tokens: u64,
    #[serde(deserialize_with = "count")]
    pub cache_read_tokens: u64,
    #[serde(deserialize_with = "count")]
    pub cache_write_tokens: u64,
    /// What it cost, in US dollars, if you know. Left out: worked out from the model's price, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// A tool starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCall {
    /// Joins call and result; unique in the run.
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// Name of the tool.
    pub tool: String,
    /// What it does, for its price. Left out: guessed from the name and the input.
    #[serde(default, deserialize_with = "or_default_if_unknown", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What it was given. Of an object `command`, `path` (or `file_path`, `paths`, …) and `url` are understood; an
    /// identical input again is seen as a repetition.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
}

/// A tool is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolResult {
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// False: it failed.
    #[serde(default = "yes", deserialize_with = "or_yes")]
    pub ok: bool,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A subagent starts; what it does carries its id as `branch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubagentStarted {
    #[serde(deserialize_with = "id")]
    pub id: String,
    /// The subagent that started it. Left out: the run itself.
    #[serde(default, deserialize_with = "optional_id", skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Generations below the run: 1 for its own.
    #[serde(default = "one", deserialize_with = "depth")]
    pub depth: u16,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// A `tool_call` of kind `spawn` was told for it, so it isn't charged again.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "is_false")]
    pub by_call: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubagentEnded {
    #[serde(deserialize_with = "id")]
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub outcome: Outcome,
}

/// The number of options open before and after a decision: narrowing gives time back, widening costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub text: String,
    pub before: u32,
    pub after: u32,
}

/// A person answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalAnswered {
    pub allowed: bool,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// The provider refused or dropped a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ApiError {
    #[serde(deserialize_with = "or_default")]
    pub text: String,
    /// The agent tries again by itself.
    #[serde(deserialize_with = "or_default")]
    pub retrying: bool,
}

/// The agent is done with what it was asked; an interactive run now waits for a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TurnEnded {}

/// The run is over.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RunEnded {
    #[serde(deserialize_with = "or_default")]
    pub outcome: Outcome,
    #[serde(deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

fn is_false(b: &bool) -> bool {
    !b
}

fn yes() -> bool {
    true
}

fn one() -> u16 {
    1
}

/// `null` reads as absent.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn or_yes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(true))
}

/// A value that a later version may have added reads as absent.
fn or_default_if_unknown<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Kind>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Ok(Count::deserialize(deserializer)?.0)
}

fn depth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    Ok(u16::try_from(Count::deserialize(deserializer)?.0).unwrap_or(u16::MAX).max(1))
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    optional_id(deserializer)?.ok_or_else(|| serde::de::Error::custom("an id can't be empty"))
}

fn optional_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Some(Str::deserialize(deserializer)?.0.into_owned()).filter(|id| !id.is_empty()))
}
