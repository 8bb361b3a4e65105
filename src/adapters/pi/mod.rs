//! pi: the stream of `pi --mode json` (and what `--mode rpc` adds), and session files.
//!
//! Both start with the same `session` line, so only the next one tells which it is. Both hold the same messages
//! and tool calls under the same keys. They differ in two things:
//!
//! - The stream says when the agent's loop is over (`agent_end`): the run has ended, as its last answer did.
//! - A session file is the same whether a person sat in front or a script ran `pi -p`. An answer that calls no
//!   tool is therefore the end of a turn, never of the run. An error or an abort is told as the end of the run
//!   in both; a run that goes on after all works again.
//!
//! Lines of the stream mostly carry no time. They are told at the last time that was named, which is the start of
//! the message they belong to or the end of the tool before them: never too late, seconds too early.

#[cfg(test)]
mod tests;
mod wire;

use super::lazy::{Str, head, loose, stamp};
use super::{Format, Origin, Out, json};
use crate::domain::event::{Agent, Body, Failure, Key, ModelCall, Outcome, RunId, RunInfo};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;
use wire::{Head, Line, Message, RpcState, Tokens, ToolOutput, first_text};

/// Types that only the stream has.
const STREAM: [&str; 9] = [
    "agent_start",
    "agent_end",
    "turn_start",
    "turn_end",
    "message_start",
    "message_update",
    "message_end",
    "tool_execution_start",
    "tool_execution_end",
];

/// Lines that repeat what others say, the bulk of a stream: each chunk of an answer brings the whole message, twice.
const REPEATS: [&str; 4] = ["message_update\",", "tool_execution_update\",", "message_start\",", "turn_end\","];

pub(super) fn sniff(line: &str) -> Option<Format> {
    if is_repeat(line) {
        return Some(Format::PiStream);
    }
    let head: Head = serde_json::from_str(line).ok()?;
    match &*head.kind {
        "model_change" | "thinking_level_change" if head.parent.is_some() => Some(Format::PiSession),
        // Other agents have lines of this type too.
        "message" if head.parent.is_some() && head.id.is_some() => {
            loose::<Message>(head.message).filter(|message| !message.role.is_empty()).map(|_| Format::PiSession)
        }
        "response" => (head.command.is_some() && head.success.is_some()).then_some(Format::PiStream),
        kind => STREAM.contains(&kind).then_some(Format::PiStream),
    }
}

/// Whether a line can be left unread. Only lines written exactly as pi writes them are; all others are parsed.
fn is_repeat(line: &str) -> bool {
    line.strip_prefix("{\"type\":\"").is_some_and(|rest| REPEATS.iter().any(|kind| rest.starts_with(kind)))
        && line.ends_with('}')
}

#[derive(Clone)]
pub(super) struct Pi {
    stream: bool,
    /// A line was told, so that the run's id can't be changed any more.
    begun: bool,
    /// The first prompt was told, as the run's title.
    titled: bool,
    /// The run was told as ended.
    ended: bool,
    model: Text,
    /// How the last answer ended, for `agent_end`.
    last: Option<(Outcome, Text)>,
}

impl Pi {
    pub(super) fn new(format: Format, _origin: &Origin) -> Self {
        Self::fresh(format == Format::PiStream)
    }

    fn fresh(stream: bool) -> Self {
        Self { stream, begun: false, titled: false, ended: false, model: Text::default(), last: None }
    }

    pub(super) fn line(&mut self, text: &str, out: &mut Out) {
        if is_repeat(text) {
            return;
        }
        if !text.starts_with('{') {
            return out.unparsed("no JSON object");
        }
        let line = match serde_json::from_str::<Line>(text) {
            Ok(line) => line,
            Err(error) => {
                // Of kinds that aren't known no shape is expected.
                let known =
                    |kind: &str| STREAM.contains(&kind) || ["session", "message", "model_change"].contains(&kind);
                if !serde_json::from_str::<Head>(text).is_ok_and(|head| !known(&head.kind)) {
                    out.unparsed(&error.to_string());
                }
                return;
            }
        };
        out.at = stamp(line.timestamp).or(out.at);
        match &*line.kind {
            "session" => self.session(&line, out),
            "message" | "message_end" => self.message(&line, out),
            "tool_execution_start" => self.tool_start(&line, out),
            "tool_execution_end" => tool_end(&line, out),
            "agent_end" => self.agent_end(&line, out),
            "auto_retry_start" => self.retry(&line, out),
            "model_change" => self.model(&line.model_id, out),
            "session_info" => {
                self.titled = true;
                out.push(Body::Info(RunInfo { title: line.name.text(), ..RunInfo::default() }));
            }
            "usage" | "compaction" | "branch_summary" => self.aside(&line, out),
            "response" => self.response(&line, out),
            _ => {}
        }
    }

    fn session(&mut self, line: &Line, out: &mut Out) {
        if line.id.is_empty() {
            return out.unparsed("a session line without an id");
        }
        *self = Self { begun: true, ..Self::fresh(self.stream) };
        out.run = RunId::new(Agent::Pi, &line.id);
        out.push(Body::Info(RunInfo {
            cwd: line.cwd.text(),
            interactive: self.stream.then_some(false),
            forked_from: line.parent_session.text(),
            ..RunInfo::default()
        }));
    }

    /// The rpc mode prints no `session` line; its client may have asked for the id before the first prompt.
    fn response(&mut self, line: &Line, out: &mut Out) {
        if line.success == Some(false) {
            out.push(Body::Warning { text: head(line.error) });
        }
        if let Some(state) = loose::<RpcState>(line.data)
            && !self.begun
            && !state.session.is_empty()
        {
            self.begun = true;
            out.run = RunId::new(Agent::Pi, &state.session);
        }
    }

    fn message(&mut self, line: &Line, out: &mut Out) {
        let Some(raw) = line.message else { return };
        let Some(message) = json::parse::<Message>(raw.get(), out) else { return };
        self.begun = true;
        if line.timestamp.is_none() {
            // The message's own time is that of its start, which a tool's end may have passed.
            out.at = out.at.max(stamp(message.timestamp));
        }
        match &*message.role {
            "user" => self.prompt(&message, out),
            "assistant" => self.answer(&message, out),
            "toolResult" => self.tool_result(&message, out),
            _ => {}
        }
    }

    fn prompt(&mut self, message: &Message, out: &mut Out) {
        let text = first_text(message.content);
        if !self.titled && !text.is_empty() {
            self.titled = true;
            out.push(Body::Info(RunInfo { title: Some(text.clone()), ..RunInfo::default() }));
        }
        self.ended = false;
        out.push(Body::Prompt { text });
    }

    fn answer(&mut self, message: &Message, out: &mut Out) {
        if !message.model.is_empty() {
            self.model(&message.model, out);
        }
        let failed = matches!(&*message.stop_reason, "error" | "aborted");
        if let Some(tokens) = &message.usage {
            // A refused request took nothing; an answer that took nothing, as local models say, was one still.
            if !failed || tokens.usage().total() > 0 {
                call(message.key(), message.model.text(), tokens, out);
            }
        }
        for block in message.blocks() {
            match &*block.kind {
                "text" => out.push(Body::Message { text: head(block.text), thinking: false }),
                "thinking" => out.push(Body::Message { text: head(block.thinking), thinking: true }),
                // The stream tells of a call when it starts; a session file has only this.
                "toolCall" if !self.stream => {
                    let input = block.arguments.map(|raw| ToolInput::from_text(raw.get())).unwrap_or_default();
                    let (key, tool) = (out.call_key(&block.id, tool_key), Text::new(&block.name));
                    out.push(Body::ToolCall { key, tool, input: Box::new(input) });
                }
                _ => {}
            }
        }
        self.answer_ended(message, out);
    }

    fn answer_ended(&mut self, message: &Message, out: &mut Out) {
        let reason = Text::new(&message.error);
        self.last = match &*message.stop_reason {
            "stop" => Some((Outcome::Finished, reason)),
            "length" => Some((Outcome::Finished, Text::new("the answer reached the model's length limit"))),
            "error" => {
                out.push(Body::ApiError { text: reason.clone(), retrying: false });
                Some((Outcome::Failed, reason))
            }
            "aborted" => Some((Outcome::Interrupted, reason)),
            _ => None,
        };
        if !self.stream
            && let Some((outcome, reason)) = self.last.take()
        {
            let finished = outcome == Outcome::Finished;
            out.push(if finished { Body::TurnEnded } else { Body::Ended { outcome, reason } });
        }
    }

    fn agent_end(&mut self, line: &Line, out: &mut Out) {
        if line.will_retry == Some(true) {
            return;
        }
        if let Some((outcome, reason)) = self.last.take() {
            self.ended = true;
            out.push(Body::Ended { outcome, reason });
        }
    }

    /// The error was told with the answer, and perhaps the end; but the agent tries again by itself.
    fn retry(&mut self, line: &Line, out: &mut Out) {
        if std::mem::take(&mut self.ended) {
            let text = Text::new(&format!("tries again, {} of {}", line.attempt.0, line.max_attempts.0));
            out.push(Body::Prompt { text });
        }
    }

    fn tool_start(&mut self, line: &Line, out: &mut Out) {
        self.begun = true;
        let input = line.args.map(|raw| ToolInput::from_text(raw.get())).unwrap_or_default();
        let (key, tool) = (out.call_key(&line.tool_call_id, tool_key), Text::new(&line.tool_name));
        out.push(Body::ToolCall { key, tool, input: Box::new(input) });
    }

    /// In the stream the end of the execution has told it already, at once; here comes what the tool itself took.
    fn tool_result(&mut self, message: &Message, out: &mut Out) {
        if !self.stream {
            let (key, text) = (out.result_key(&message.tool_call_id, tool_key), first_text(message.content));
            out.push(Body::ToolResult { key, failure: failure(message.is_error), text });
        }
        if let Some(tokens) = &message.usage {
            call(Key::of(&["pi", "inside", &message.tool_call_id]), None, tokens, out);
        }
    }

    /// What a model took for a summary, or to keep a cache warm.
    fn aside(&mut self, line: &Line, out: &mut Out) {
        if let Some(tokens) = loose::<Tokens>(line.usage) {
            call(Key::of(&["pi", "entry", &line.id, &out.run.session]), None, &tokens, out);
        }
    }

    fn model(&mut self, model: &Str, out: &mut Out) {
        let model = Text::new(model);
        if model != self.model {
            self.model = model.clone();
            out.push(Body::Info(RunInfo { model: Some(model), ..RunInfo::default() }));
        }
    }
}

fn tool_end(line: &Line, out: &mut Out) {
    let output: ToolOutput = loose(line.result).unwrap_or_default();
    let (key, text) = (out.result_key(&line.tool_call_id, tool_key), first_text(output.content));
    out.push(Body::ToolResult { key, failure: failure(line.is_error), text });
}

fn failure(is_error: Option<bool>) -> Failure {
    if is_error == Some(true) { Failure::Flagged } else { Failure::No }
}

fn call(key: Key, model: Option<Text>, tokens: &Tokens, out: &mut Out) {
    let (usage, cost) = (tokens.usage(), tokens.cost());
    out.push(Body::ModelCall(ModelCall { key: Some(key), message: None, model, usage, cost }));
}

fn tool_key(call: &str) -> Key {
    Key::of(&["pi", "tool", call])
}
