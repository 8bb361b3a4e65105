//! opencode: the stream of `opencode run --format json`, and rows of its database.
//!
//! The two share ids: a message's id is the key of its model call, a part's id the key of its tool call, so that
//! a run seen both ways is counted once. They differ in what they tell:
//!
//! - The stream prints a tool call when it has finished, names no model, and says nothing of what a subagent
//!   does beyond the `task` call that ran it. Its run is over when the last step ends for another reason than
//!   tool calls; whoever ran it waits for the process, not for a person.
//! - Rows are written again with more in them. They show running tools, models and subagents (sessions with a
//!   parent, told as branches of the root's run). They don't show whether a person sits in front, so an answered
//!   prompt is the end of a turn, never of the run.

mod rows;
mod stream;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use super::lazy::{head, loose, stamp};
use super::{Format, Origin, Out};
use crate::domain::event::{Agent, Body, Failure, Key, Outcome, RunId};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;
use wire::{Data, Head, Metadata, State, Task, Times};

pub(super) fn sniff(line: &str) -> Option<Format> {
    if !line.contains("\"sessionID\"") && !line.contains("\"table\"") {
        return None;
    }
    let head: Head = serde_json::from_str(line).ok()?;
    let session: Option<String> = loose(head.session);
    if session.is_some() && stamp(head.timestamp).is_some() && stream::KINDS.contains(&&*head.kind) {
        return Some(Format::OpencodeStream);
    }
    rows::TABLES.contains(&&*head.table).then_some(Format::OpencodeRows)
}

#[derive(Clone)]
pub(super) struct Opencode(Source);

#[derive(Clone)]
enum Source {
    Stream(stream::Stream),
    Rows(rows::Rows),
}

impl Opencode {
    pub(super) fn new(format: Format, _origin: &Origin) -> Self {
        Self(match format {
            Format::OpencodeRows => Source::Rows(rows::Rows::default()),
            _ => Source::Stream(stream::Stream::default()),
        })
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        if !line.starts_with('{') {
            return out.unparsed("no JSON object");
        }
        match &mut self.0 {
            Source::Stream(stream) => stream.line(line, out),
            Source::Rows(rows) => rows.line(line, out),
        }
    }
}

fn set_run(out: &mut Out, session: &str) {
    if out.run.agent != Agent::Opencode || &*out.run.session != session {
        out.run = RunId::new(Agent::Opencode, session);
    }
}

fn message_key(message: &str) -> Key {
    Key::of(&["opencode", "message", message])
}

/// By the part's id, which no other call has. A call's own id comes from the provider, and some count from 0 in
/// every answer.
fn tool_key(part: &str, call: &str) -> Key {
    Key::of(if part.is_empty() { ["opencode", "call", call] } else { ["opencode", "part", part] }.as_slice())
}

/// How a step's end bears on the run: `None`, the agent goes on by itself.
fn ending(reason: &str) -> Option<(Outcome, Text)> {
    match reason {
        "" | "tool-calls" | "unknown" => None,
        "stop" => Some((Outcome::Finished, Text::default())),
        "length" => Some((Outcome::Finished, Text::new("the answer reached the model's length limit"))),
        other => Some((Outcome::Failed, Text::new(other))),
    }
}

/// Tells a tool part as call and result, each at its own time. A part that isn't running yet has no input to tell.
/// `announce`: tell of subagents too, for the source that shows them in no other way.
fn tool(part: &str, data: &Data, announce: bool, out: &mut Out) {
    let Some(state) = &data.state else { return };
    let done = match &*state.status {
        "running" => false,
        "completed" | "error" => true,
        _ => return,
    };
    let (now, time) = (out.at, state.time.unwrap_or_default());
    let key = tool_key(part, &data.call_id);
    out.at = time.start.stamp().or(now);
    let input = state.input.map(|raw| ToolInput::from_text(raw.get())).unwrap_or_default();
    out.push(Body::ToolCall { key, tool: Text::new(&data.tool), input: Box::new(input) });
    if done {
        let metadata: Metadata = loose(state.metadata).unwrap_or_default();
        let failed = &*state.status == "error" || loose::<f64>(metadata.exit).is_some_and(|code| code != 0.0);
        let failure = match failed {
            true => Failure::Flagged,
            // Calls of tools that don't exist are answered by a tool of this name, as a success.
            false if &*data.tool == "invalid" => Failure::Inferred,
            false => Failure::No,
        };
        if announce && &*data.tool == "task" {
            subagent(state, &metadata, time, failed, out);
        }
        out.at = time.end.stamp().or(now);
        let text = state.output.filter(|_| &*state.status != "error").or(state.error);
        out.push(Body::ToolResult { key, failure, text: head(text) });
    }
    out.at = now;
}

fn subagent(state: &State, metadata: &Metadata, time: Times, failed: bool, out: &mut Out) {
    let Some(id) = loose::<String>(metadata.session).filter(|id| !id.is_empty()) else { return };
    let id: Arc<str> = Arc::from(Text::limited(&id, 120).as_str());
    let task: Task = loose(state.input).unwrap_or_default();
    let name = task.description.text().or(task.subagent_type.text()).unwrap_or_default();
    out.push(Body::SubagentStarted { id: id.clone(), parent: None, depth: 1, name, by_call: true });
    out.at = time.end.stamp().or(out.at);
    out.push(Body::SubagentEnded { id, outcome: if failed { Outcome::Failed } else { Outcome::Finished } });
}
