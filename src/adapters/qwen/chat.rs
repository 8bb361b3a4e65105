//! What Qwen Code keeps on disk.
//!
//! An answer is told twice: by `ui_telemetry` when it arrives and by its own line, with the same counts. Answers and
//! tool calls of subagents are told by telemetry alone, so both are read and the second of each pair is dropped. A
//! telemetry line's `prompt_id` says whose it is: `<session>#<agent>#<round>` for a subagent.
//!
//! No line says that a run is over.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::stream::say;
use super::{api_error, failure, is_shell, place, usage};
use crate::adapters::Out;
use crate::adapters::json::{Count, Object, Word, read_line};
use crate::domain::event::{Body, Failure, Key, ModelCall, Outcome, RunInfo};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;

/// Kinds that are read.
const READ: [&str; 4] = ["user", "assistant", "tool_result", "system"];

/// Answers that may still be told a second time.
const UNPAIRED: usize = 32;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    subtype: Word<'a>,
    uuid: Word<'a>,
    session_id: Word<'a>,
    timestamp: Word<'a>,
    cwd: Word<'a>,
    version: Word<'a>,
    model: Word<'a>,
    message: Object<Message<'a>>,
    usage_metadata: Object<Metadata>,
    tool_call_result: Object<CallResult<'a>>,
    system_payload: Object<Payload<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    parts: Vec<Part<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Word<'a>,
    thought: Option<bool>,
    function_call: Object<Call<'a>>,
    function_response: Object<Response<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    id: Word<'a>,
    name: Word<'a>,
    args: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    id: Word<'a>,
    name: Word<'a>,
    response: Object<Output<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output<'a> {
    #[serde(borrow)]
    output: Word<'a>,
    error: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    prompt_token_count: Count,
    candidates_token_count: Count,
    cached_content_token_count: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CallResult<'a> {
    #[serde(borrow)]
    status: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow)]
    ui_event: Object<Telemetry<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Telemetry<'a> {
    #[serde(borrow, rename = "event.name")]
    name: Word<'a>,
    prompt_id: Word<'a>,
    model: Word<'a>,
    input_token_count: Count,
    output_token_count: Count,
    cached_content_token_count: Count,
    function_name: Word<'a>,
    function_args: Option<&'a RawValue>,
    status: Word<'a>,
    error: Word<'a>,
    error_message: Word<'a>,
    error_type: Word<'a>,
}

/// What a tool call that starts a subagent says of it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Task<'a> {
    #[serde(borrow)]
    subagent_type: Word<'a>,
    description: Word<'a>,
}

/// A call of a subagent that no telemetry has named an agent for yet.
#[derive(Clone)]
struct Announced {
    call: String,
    kind: String,
    name: Text,
}

#[derive(Clone, Default)]
pub(super) struct Chat {
    told: bool,
    titled: bool,
    model: String,
    /// Answers of the main branch told once: by telemetry (true) or by their own line.
    unpaired: Vec<(bool, Usage)>,
    announced: Vec<Announced>,
    /// Branches by the agent's name in telemetry.
    branches: HashMap<String, Arc<str>>,
}

impl Chat {
    pub(super) fn line(&mut self, text: &str, out: &mut Out) {
        let Some(line) = read_line::<Line<'_>>(text, &READ, out) else { return };
        if !READ.contains(&&*line.kind) {
            return;
        }
        out.branch = None;
        place(&line.session_id, &line.timestamp, out);
        self.info(&line, out);
        match &*line.kind {
            "user" => self.user(&line, out),
            "assistant" => self.assistant(&line, out),
            "tool_result" => self.tool_results(&line, out),
            _ if &*line.subtype == "ui_telemetry" => {
                if let Some(event) = line.system_payload.0.as_ref().and_then(|payload| payload.ui_event.0.as_ref()) {
                    self.telemetry(&line, event, out);
                }
            }
            _ => {}
        }
    }

    fn info(&mut self, line: &Line<'_>, out: &mut Out) {
        let some = |text: &str| (!text.is_empty()).then(|| Text::new(text));
        let said = !line.cwd.is_empty() || !line.version.is_empty();
        if said && !self.told {
            self.told = true;
            out.push(Body::Info(RunInfo { cwd: some(&line.cwd), version: some(&line.version), ..RunInfo::default() }));
        }
        if !line.model.is_empty() && *line.model != *self.model {
            self.model = line.model.to_string();
            out.push(Body::Info(RunInfo { model: some(&line.model), ..RunInfo::default() }));
        }
    }

    fn user(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("a user line without a message") };
        let text = message.parts.iter().map(|part| part.text.trim()).find(|text| !text.is_empty());
        let Some(text) = text.map(Text::new) else { return };
        if !self.titled {
            self.titled = true;
            out.push(Body::Info(RunInfo { title: Some(text.clone()), ..RunInfo::default() }));
        }
        out.push(Body::Prompt { text });
    }

    fn assistant(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("an assistant line without a message") };
        if let Some(tokens) = &line.usage_metadata.0 {
            let (input, output) = (tokens.prompt_token_count.0, tokens.candidates_token_count.0);
            self.answer(false, usage(input, output, tokens.cached_content_token_count.0), &line.model, &line.uuid, out);
        }
        let (mut spoke, mut called) = (false, false);
        for part in &message.parts {
            if let Some(call) = &part.function_call.0 {
                called = true;
                self.tool_call(call, out);
            } else if let Some(error) = api_error(&part.text) {
                out.push(Body::ApiError { text: Text::new(error), retrying: false });
                return out.push(Body::Ended { outcome: Outcome::Failed, reason: Text::new("api_error") });
            } else {
                let thinking = part.thought == Some(true);
                spoke |= !thinking && !part.text.trim().is_empty();
                say(&part.text, thinking, out);
            }
        }
        if spoke && !called {
            out.push(Body::TurnEnded);
        }
    }

    /// One answer of the main branch, unless it was told before.
    fn answer(&mut self, telemetry: bool, usage: Usage, model: &str, id: &str, out: &mut Out) {
        if let Some(at) = self.unpaired.iter().position(|told| *told == (!telemetry, usage)) {
            self.unpaired.remove(at);
            return;
        }
        if self.unpaired.len() == UNPAIRED {
            self.unpaired.remove(0);
        }
        self.unpaired.push((telemetry, usage));
        model_call(usage, model, id, out);
    }

    fn tool_call(&mut self, call: &Call<'_>, out: &mut Out) {
        let raw = call.args.map_or("null", RawValue::get);
        if matches!(&*call.name, "agent" | "task") {
            let task = serde_json::from_str::<Task<'_>>(raw).unwrap_or_default();
            self.announced.push(Announced {
                call: call.id.to_string(),
                kind: task.subagent_type.to_string(),
                name: Text::new(&task.description),
            });
        }
        let input = Box::new(ToolInput::from_text(raw));
        let key = out.call_key(&call.id, |id| Key::of(&[id]));
        out.push(Body::ToolCall { key, tool: Text::new(&call.name), input });
    }

    fn tool_results(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("a tool's result without a message") };
        let status = line.tool_call_result.0.as_ref().map_or("", |result| &*result.status);
        for response in message.parts.iter().filter_map(|part| part.function_response.0.as_ref()) {
            let said = response.response.0.as_ref();
            let error = said.map_or("", |said| &*said.error);
            let text = if error.is_empty() { said.map_or("", |said| &*said.output) } else { error };
            let flagged = !error.is_empty() || matches!(status, "error" | "cancelled");
            let failure = failure(flagged, is_shell(&response.name), text);
            let key = out.result_key(&response.id, |id| Key::of(&[id]));
            out.push(Body::ToolResult { key, failure, text: Text::new(text) });
            self.agent_done(&response.id, failure, out);
        }
    }

    /// A subagent is done when the call that started it is.
    fn agent_done(&mut self, call: &str, failure: Failure, out: &mut Out) {
        self.announced.retain(|announced| announced.call != *call);
        let count = self.branches.len();
        self.branches.retain(|_, id| **id != *call);
        if self.branches.len() < count {
            let outcome = if failure == Failure::No { Outcome::Finished } else { Outcome::Failed };
            out.push(Body::SubagentEnded { id: Arc::from(call), outcome });
        }
    }

    fn telemetry(&mut self, line: &Line<'_>, event: &Telemetry<'_>, out: &mut Out) {
        out.branch = self.branch(&line.session_id, &event.prompt_id, out);
        match event.name.rsplit('.').next().unwrap_or_default() {
            "api_response" => {
                let (input, output) = (event.input_token_count.0, event.output_token_count.0);
                let usage = usage(input, output, event.cached_content_token_count.0);
                match out.branch {
                    None => self.answer(true, usage, &event.model, &line.uuid, out),
                    Some(_) => model_call(usage, &event.model, &line.uuid, out),
                }
            }
            "api_error" => self.refused(event, out),
            // The main branch has lines for its calls.
            "tool_call" if out.branch.is_some() => {
                let key = if line.uuid.is_empty() { out.own_key() } else { Key::of(&[&line.uuid]) };
                let input = Box::new(ToolInput::from_text(event.function_args.map_or("null", RawValue::get)));
                out.push(Body::ToolCall { key, tool: Text::new(&event.function_name), input });
                let failure = if &*event.status == "success" { Failure::No } else { Failure::Flagged };
                out.push(Body::ToolResult { key, failure, text: Text::new(&event.error) });
            }
            _ => {}
        }
    }

    /// Retries are silent, so an error that is told ends the turn.
    fn refused(&self, event: &Telemetry<'_>, out: &mut Out) {
        let aborted = event.error_type.contains("Abort");
        if !aborted {
            out.push(Body::ApiError { text: Text::new(&event.error_message), retrying: false });
        }
        if out.branch.is_none() {
            let (outcome, reason) =
                if aborted { (Outcome::Interrupted, "cancelled") } else { (Outcome::Failed, "api_error") };
            out.push(Body::Ended { outcome, reason: Text::new(reason) });
        }
    }

    /// The branch of a telemetry line. An agent that a tool call announced goes by the call's id, as in the stream;
    /// those that Qwen Code starts for itself (`managed-…`) are branches, but nobody's subagents.
    fn branch(&mut self, session: &str, prompt: &str, out: &mut Out) -> Option<Arc<str>> {
        let agent = prompt.strip_prefix(session)?.strip_prefix('#')?.split('#').next()?;
        if agent.is_empty() {
            return None;
        }
        if let Some(branch) = self.branches.get(agent) {
            return Some(branch.clone());
        }
        let of_kind = |a: &Announced| agent.strip_prefix(&*a.kind).is_some_and(|rest| rest.starts_with('-'));
        let announced = self.announced.iter().position(of_kind).map(|at| self.announced.remove(at));
        let id = announced.as_ref().map_or(agent, |announced| &announced.call);
        let id: Arc<str> = Arc::from(Text::limited(id, 120).as_str());
        self.branches.insert(agent.to_owned(), id.clone());
        if !agent.starts_with("managed-") {
            let by_call = announced.is_some();
            let name = announced.map_or_else(|| Text::new(agent), |announced| announced.name);
            out.push(Body::SubagentStarted { id: id.clone(), parent: None, depth: 1, name, by_call });
        }
        Some(id)
    }
}

fn model_call(usage: Usage, model: &str, id: &str, out: &mut Out) {
    if usage != Usage::ZERO {
        out.push(Body::ModelCall(ModelCall {
            key: (!id.is_empty()).then(|| Key::of(&[id])),
            message: None,
            model: (!model.is_empty()).then(|| Text::new(model)),
            usage,
            cost: None,
        }));
    }
}
