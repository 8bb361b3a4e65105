//! Claude Code: the stream of `claude -p --output-format stream-json`, and the transcripts that it keeps on disk,
//! one file for a session and one for each subagent (`<session>/subagents/agent-<id>.jsonl`).
//!
//! Both give one line for each content block; the lines of one answer share `message.id` and repeat its usage, so a
//! [`ModelCall`](crate::domain::event::ModelCall) is made of every line and the most complete one counts. Names are
//! `snake_case` in the stream and `camelCase` on disk; only transcripts have an answer's real output tokens.

mod agents;
mod message;
mod peek;
mod prompt;
mod stream;
#[cfg(test)]
mod tests;
mod totals;
mod transcript;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json::{Object, Word};
use super::{Format, Origin, Out};
use crate::domain::event::{Agent, RunId};
use crate::domain::time::Stamp;

pub(crate) use message::{SYNTHETIC, keys_of, usage_of};
use stream::Stream;
use transcript::Transcript;

/// What tells Claude's lines from those of other agents.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Marks<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    subtype: Word<'a>,
    uuid: Word<'a>,
    session_id: Word<'a>,
    #[serde(rename = "sessionId")]
    session: Word<'a>,
    timestamp: Option<IgnoredAny>,
    #[serde(rename = "isSidechain")]
    sidechain: Option<IgnoredAny>,
    #[serde(rename = "leafUuid")]
    leaf: Option<IgnoredAny>,
    #[serde(rename = "messageId")]
    message_id: Option<IgnoredAny>,
    message: Object<MessageMarks<'a>>,
    claude_code_version: Option<IgnoredAny>,
    #[serde(rename = "permissionMode")]
    permission_mode: Option<IgnoredAny>,
    #[serde(rename = "apiKeySource")]
    key_source: Option<IgnoredAny>,
    tool_use_result: Option<IgnoredAny>,
    total_cost_usd: Option<IgnoredAny>,
    api_message_id: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageMarks<'a> {
    #[serde(borrow)]
    id: Word<'a>,
}

/// Subtypes of `system` that no other agent's stream has.
const SYSTEM: [&str; 12] = [
    "api_retry",
    "background_tasks_changed",
    "compact_boundary",
    "hook_response",
    "hook_started",
    "informational",
    "permission_denied",
    "task_notification",
    "task_progress",
    "task_started",
    "task_updated",
    "thinking_tokens",
];

/// Kinds of transcript lines that have nothing but their session's id to be known by.
const BOOKKEEPING: [&str; 11] = [
    "agent-name",
    "ai-title",
    "atis-latch",
    "bridge-session",
    "cost-state",
    "custom-title",
    "last-prompt",
    "mode",
    "permission-mode",
    "queue-operation",
    "tools-used",
];

/// Callers ask for Qwen Code first: its lines look alike, and what only it has is known there.
pub(super) fn sniff(line: &str) -> Option<Format> {
    let marks: Marks<'_> = serde_json::from_str(line).ok()?;
    let kind = &*marks.kind;
    if !marks.session.is_empty() {
        let entry = marks.sidechain.is_some() && !marks.uuid.is_empty();
        return (entry || BOOKKEEPING.contains(&kind)).then_some(Format::ClaudeTranscript);
    }
    if marks.session_id.is_empty() {
        let old = (kind == "summary" && marks.leaf.is_some())
            || (kind.starts_with("file-history-") && marks.message_id.is_some());
        return old.then_some(Format::ClaudeTranscript);
    }
    let known = match kind {
        "system" if &*marks.subtype == "init" => {
            marks.claude_code_version.is_some() || marks.permission_mode.is_some() || marks.key_source.is_some()
        }
        "system" => SYSTEM.contains(&&*marks.subtype),
        "assistant" => marks.message.0.is_some_and(|m| !m.id.is_empty() && *m.id != *marks.uuid),
        "user" => marks.message.0.is_some() && (marks.timestamp.is_some() || marks.tool_use_result.is_some()),
        "result" => marks.total_cost_usd.is_some(),
        "stream_event" => marks.api_message_id.is_some(),
        _ => false,
    };
    known.then_some(Format::ClaudeStream)
}

#[derive(Clone)]
pub(super) struct Claude(Source);

#[derive(Clone)]
enum Source {
    Stream(Box<Stream>),
    Transcript(Box<Transcript>),
}

impl Claude {
    pub(super) fn new(format: Format, _origin: &Origin) -> Self {
        match format {
            Format::ClaudeTranscript => Self(Source::Transcript(Box::default())),
            _ => Self(Source::Stream(Box::default())),
        }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        match &mut self.0 {
            Source::Stream(stream) => stream.line(line, out),
            Source::Transcript(transcript) => transcript.line(line, out),
        }
    }
}

/// Sets whose line this is and when it was written. In a transcript a line without a time keeps the one before it: it
/// was written right after, and a run that ended last week didn't end just now.
fn place(session: &str, timestamp: &str, out: &mut Out) {
    if !session.is_empty() && *session != *out.run.session {
        out.run = RunId::new(Agent::Claude, session);
    }
    if let Some(at) = Stamp::parse_rfc3339(timestamp) {
        out.at = Some(at);
    }
}
