//! Qwen Code: the stream of `qwen -p --output-format stream-json`, and the chats that it keeps on disk.
//!
//! The stream looks like Claude Code's, but every line has a message id of its own and usage stands on one line of
//! each answer. Chats look like Gemini CLI's. Input tokens include what came from the cache. The agent calls a shell
//! command that fails a success, and a run that ends with an API error too: both are read from text.

mod chat;
mod stream;
#[cfg(test)]
mod tests;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::json::{Object, Word};
use super::{Format, Origin, Out};
use crate::domain::event::{Agent, Failure, RunId};
use crate::domain::time::Stamp;
use crate::domain::usage::Usage;

use chat::Chat;
use stream::Stream;

/// What tells Qwen's lines from those of other agents.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Marks<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    uuid: Word<'a>,
    session_id: Word<'a>,
    #[serde(rename = "sessionId")]
    session: Word<'a>,
    timestamp: Option<IgnoredAny>,
    message: Object<MessageMarks<'a>>,
    qwen_code_version: Option<IgnoredAny>,
    usage: Option<IgnoredAny>,
    total_cost_usd: Option<IgnoredAny>,
    #[serde(rename = "systemPayload")]
    payload: Option<IgnoredAny>,
    #[serde(rename = "toolCallResult")]
    result: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MessageMarks<'a> {
    #[serde(borrow)]
    id: Word<'a>,
    parts: Option<IgnoredAny>,
}

pub(super) fn sniff(line: &str) -> Option<Format> {
    let marks: Marks<'_> = serde_json::from_str(line).ok()?;
    let message = marks.message.0.unwrap_or_default();
    if !marks.session.is_empty() && !marks.uuid.is_empty() {
        let chat = message.parts.is_some() || marks.payload.is_some() || marks.result.is_some();
        return chat.then_some(Format::QwenChat);
    }
    let stream = !marks.session_id.is_empty()
        && match &*marks.kind {
            "system" => marks.qwen_code_version.is_some(),
            "assistant" => marks.timestamp.is_none() && !marks.uuid.is_empty() && *marks.uuid == *message.id,
            "result" => marks.usage.is_some() && marks.total_cost_usd.is_none(),
            _ => false,
        };
    stream.then_some(Format::QwenStream)
}

#[derive(Clone)]
pub(super) struct Qwen(Source);

#[derive(Clone)]
enum Source {
    Stream(Box<Stream>),
    Chat(Box<Chat>),
}

impl Qwen {
    pub(super) fn new(format: Format, _origin: &Origin) -> Self {
        match format {
            Format::QwenChat => Self(Source::Chat(Box::default())),
            _ => Self(Source::Stream(Box::default())),
        }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        match &mut self.0 {
            Source::Stream(stream) => stream.line(line, out),
            Source::Chat(chat) => chat.line(line, out),
        }
    }
}

/// Sets whose line this is and when it was written; the stream has no times at all.
fn place(session: &str, timestamp: &str, out: &mut Out) {
    if !session.is_empty() && *session != *out.run.session {
        out.run = RunId::new(Agent::Qwen, session);
    }
    if let Some(at) = Stamp::parse_rfc3339(timestamp) {
        out.at = Some(at);
    }
}

/// Tokens as Qwen counts them, input with cache reads in it.
fn usage(input: u64, output: u64, cached: u64) -> Usage {
    let cache_read = cached.min(input);
    Usage { input: input - cache_read, output, cache_read, ..Usage::ZERO }
}

/// The text of a failed request, which stands where an answer would.
fn api_error(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix("[API Error: ").map(|text| text.trim_end().trim_end_matches(']'))
}

fn is_shell(tool: &str) -> bool {
    matches!(tool, "run_shell_command" | "shell")
}

/// How a tool call went. What a shell printed says more than its status: `Command exited with code: 3` where it
/// printed nothing, else a line `Exit Code: 3`.
fn failure(flagged: bool, shell: bool, text: &str) -> Failure {
    if flagged {
        return Failure::Flagged;
    }
    let short = text.strip_prefix("Command exited with code: ");
    let long = || text.rfind("\nExit Code: ").map(|at| &text[at + "\nExit Code: ".len()..]);
    let code = short.or_else(long).map(|rest| rest.split(|c: char| !(c.is_ascii_digit() || c == '-')).next());
    match code.flatten() {
        Some(code) if shell && !code.is_empty() && code != "0" => Failure::Inferred,
        _ => Failure::No,
    }
}
