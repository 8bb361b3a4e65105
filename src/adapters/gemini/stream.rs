//! `-o stream-json`: chunks of text, tools, and one sum at the end, subagents included, whose own work is not shown.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::call_key;
use crate::adapters::json::{Count, parse};
use crate::adapters::lax::{Raw, Str, head, loose, plain_error};
use crate::adapters::{Origin, Out};
use crate::domain::event::{Agent, Body, Failure, ModelCall, Outcome, RunId, RunInfo, Totals};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;

/// Chunks are put together into messages of about this many bytes: more would not be shown, and a long answer still
/// shows that it goes on.
const MESSAGE: usize = 1_024;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    timestamp: Str<'a>,
    #[serde(borrow)]
    session_id: Str<'a>,
    #[serde(borrow)]
    model: Str<'a>,
    #[serde(borrow)]
    role: Str<'a>,
    #[serde(borrow)]
    content: Str<'a>,
    #[serde(borrow)]
    tool_name: Str<'a>,
    #[serde(borrow)]
    tool_id: Str<'a>,
    #[serde(borrow)]
    parameters: Raw<'a>,
    #[serde(borrow)]
    status: Str<'a>,
    #[serde(borrow)]
    output: Raw<'a>,
    #[serde(borrow)]
    error: Raw<'a>,
    #[serde(borrow)]
    message: Str<'a>,
    #[serde(borrow)]
    stats: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Error<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    message: Str<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Models {
    models: Option<BTreeMap<String, Sum>>,
}

/// `total_tokens` holds thoughts, which `output_tokens` leaves out. (It would also hold the prompts of tools that run
/// at the provider; Gemini CLI has none in its sessions.)
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Sum {
    total_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    cached: Count,
}

impl Sum {
    fn usage(self) -> Usage {
        let cache_read = self.cached.0.min(self.input_tokens.0);
        let beyond_input = self.total_tokens.0.saturating_sub(self.input_tokens.0);
        Usage {
            input: self.input_tokens.0 - cache_read,
            output: self.output_tokens.0,
            reasoning: beyond_input.saturating_sub(self.output_tokens.0),
            cache_read,
            ..Usage::ZERO
        }
    }
}

#[derive(Clone)]
pub(in crate::adapters) struct Stream {
    session: String,
    titled: bool,
    /// The model is in the middle of an answer.
    answering: bool,
    /// Chunks not yet reported, and the time of the last of them.
    said: String,
    said_at: Option<Stamp>,
    /// How the run ends, where that isn't by doing its task.
    stop: Option<(Outcome, Text)>,
}

impl Stream {
    pub(super) fn new(origin: &Origin) -> Self {
        let session = origin.name.clone();
        Self { session, titled: false, answering: false, said: String::new(), said_at: None, stop: None }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        let Some(line) = parse::<Line>(line, out) else { return };
        let at = Stamp::parse_rfc3339(&line.timestamp);
        if &*line.kind == "message" && &*line.role == "assistant" {
            out.at = at;
            self.chunk(&line.content, out);
            return;
        }
        self.flush(out);
        out.at = at;
        match &*line.kind {
            "init" => self.init(&line, out),
            "message" if &*line.role == "user" => self.prompt(&line, out),
            "tool_use" => {
                self.answer(out);
                let input = Box::new(ToolInput::from_text(line.parameters.map_or("null", RawValue::get)));
                let key = out.call_key(&line.tool_id, |id| call_key(&self.session, id));
                out.push(Body::ToolCall { key, tool: Text::new(&line.tool_name), input });
            }
            "tool_result" => self.tool_result(&line, out),
            "error" => {
                if line.message.contains("Loop detected") {
                    let why = Text::new("the agent stopped itself: Loop detected");
                    self.stop = Some((Outcome::Finished, why));
                }
                out.push(Body::Warning { text: plain_error(&line.message) });
            }
            "result" => self.result(&line, out),
            _ => {}
        }
    }

    fn init(&mut self, line: &Line, out: &mut Out) {
        if !line.session_id.is_empty() {
            self.session = line.session_id.to_string();
            out.run = RunId::new(Agent::Gemini, &self.session);
        }
        self.answering = false;
        self.stop = None;
        let model = line.model.text();
        out.push(Body::Info(RunInfo { model, interactive: Some(false), ..RunInfo::default() }));
    }

    fn prompt(&mut self, line: &Line, out: &mut Out) {
        self.answering = false;
        let text = Text::new(&line.content);
        if !self.titled {
            self.titled = true;
            out.push(Body::Info(RunInfo { title: Some(text.clone()), ..RunInfo::default() }));
        }
        out.push(Body::Prompt { text });
    }

    fn chunk(&mut self, text: &str, out: &mut Out) {
        self.answer(out);
        self.said.push_str(text);
        self.said_at = out.at;
        if self.said.len() >= MESSAGE {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut Out) {
        let text = Text::limited(&self.said, MESSAGE);
        self.said.clear();
        if !text.is_empty() {
            out.at = self.said_at;
            out.push(Body::Message { text, thinking: false });
        }
    }

    /// The stream shows no model calls: an answer begins with the first thing that the model does after a prompt or a
    /// tool's result. Its tokens come with the sum at the end.
    fn answer(&mut self, out: &mut Out) {
        if !self.answering {
            self.answering = true;
            let usage = Usage::ZERO;
            out.push(Body::ModelCall(ModelCall { key: None, message: None, model: None, usage, cost: None }));
        }
    }

    fn tool_result(&mut self, line: &Line, out: &mut Out) {
        self.answering = false;
        let error: Error = loose(line.error).unwrap_or_default();
        let output = head(line.output);
        let failure = match &*line.status {
            "success" if is_failed_command(&output) => Failure::Inferred,
            "success" | "" => Failure::No,
            _ => Failure::Flagged,
        };
        let text = Text::new(error.message.or(&output));
        if &*error.kind == "stop_execution" {
            self.stop = Some((Outcome::Interrupted, text.clone()));
        }
        let key = out.result_key(&line.tool_id, |id| call_key(&self.session, id));
        out.push(Body::ToolResult { key, failure, text });
    }

    fn result(&mut self, line: &Line, out: &mut Out) {
        self.answering = false;
        match (loose::<Sum>(line.stats), loose::<Models>(line.stats)) {
            (Some(sum), models) => {
                let models = models.and_then(|m| m.models).unwrap_or_default();
                let models = models.iter().map(|(name, sum)| (Text::new(name), sum.usage())).collect();
                out.push(Body::Totals(Totals { usage: Some(sum.usage()), cost: None, with_subagents: true, models }));
            }
            _ if line.stats.is_some() => out.unparsed("result: stats can't be read"),
            _ => {}
        }
        let stop = self.stop.take();
        if &*line.status == "success" {
            let (outcome, reason) = stop.unwrap_or((Outcome::Finished, Text::default()));
            return out.push(Body::Ended { outcome, reason });
        }
        let error: Error = loose(line.error).unwrap_or_default();
        let reason = plain_error(&error.message);
        if error.message.starts_with("[API Error") {
            out.push(Body::ApiError { text: reason.clone(), retrying: false });
        }
        out.push(Body::Ended { outcome: Outcome::Failed, reason });
    }
}

/// A command that printed nothing is reported by its exit code; of any other, the stream doesn't tell.
fn is_failed_command(output: &str) -> bool {
    let code = output.trim().strip_prefix("Command exited with code: ").and_then(|code| code.parse::<i64>().ok());
    code.is_some_and(|code| code != 0)
}
