//! What `claude -p --output-format stream-json` prints.
//!
//! Output tokens are only known at the end of an answer: the lines of its blocks carry the count from its start. The
//! real one comes with partial messages (`message_delta`), else with `result`.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::agents::{self, Agents};
use super::message::{ApiUsage, Message, assistant, model_call};
use super::prompt::{Said, element, user};
use super::totals::{ModelUsage, outcome, totals};
use super::{peek, place};
use crate::adapters::Out;
use crate::adapters::json::{Count, Object, Word, parse, read_line};
use crate::domain::event::{Body, Outcome, RunInfo};
use crate::domain::text::Text;
use crate::domain::usage::Usage;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    session_id: Word<'a>,
    timestamp: Word<'a>,
    agent_id: Word<'a>,
    parent_tool_use_id: Word<'a>,
    subagent_type: Word<'a>,
    task_description: Word<'a>,
    request_id: Word<'a>,
    message: Object<Message<'a>>,
    is_api_error_message: Option<bool>,
    #[serde(rename = "isSynthetic")]
    is_synthetic: Option<bool>,
    tool_use_result: Object<AgentResult<'a>>,
}

/// The result of a tool that started a subagent; other tools' results have none of this.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct AgentResult<'a> {
    #[serde(borrow)]
    pub agent_id: Word<'a>,
    pub status: Word<'a>,
    pub description: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct System<'a> {
    #[serde(borrow)]
    subtype: Word<'a>,
    cwd: Word<'a>,
    model: Word<'a>,
    claude_code_version: Word<'a>,
    attempt: Count,
    max_retries: Count,
    error_status: Count,
    error: Word<'a>,
    task_id: Word<'a>,
    tool_use_id: Word<'a>,
    task_type: Word<'a>,
    status: Word<'a>,
    description: Word<'a>,
    subagent_type: Word<'a>,
    spawn_depth: Count,
    patch: Object<Patch<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Patch<'a> {
    #[serde(borrow)]
    status: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ending<'a> {
    #[serde(borrow)]
    subtype: Word<'a>,
    terminal_reason: Word<'a>,
    is_error: Option<bool>,
    total_cost_usd: Option<f64>,
    usage: Object<ApiUsage>,
    #[serde(rename = "modelUsage")]
    models: ModelUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Partial<'a> {
    #[serde(borrow)]
    event: Object<PartialEvent<'a>>,
    api_message_id: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PartialEvent<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    message: Object<Message<'a>>,
    usage: Object<ApiUsage>,
}

/// The answer that a branch is giving: partial messages name neither its request nor, in older versions, its id.
#[derive(Clone, Default)]
struct Answer {
    id: String,
    model: String,
    /// Known from the answer's first block on.
    request: Option<String>,
    /// What partial messages have said before the request was known.
    waiting: Option<Usage>,
}

#[derive(Clone, Default)]
pub(super) struct Stream {
    agents: Agents,
    answers: HashMap<Option<Arc<str>>, Answer>,
    interrupted: bool,
}

impl Stream {
    pub(super) fn line(&mut self, text: &str, out: &mut Out) {
        if peek::stream_is_silent(text) {
            return;
        }
        let Some(line) = read_line::<Line<'_>>(text, &peek::STREAM, out) else { return };
        if !peek::STREAM.contains(&&*line.kind) {
            return;
        }
        out.branch = None;
        // A stream is read as it is written: a line without a time (a retry, a result) happens when it arrives.
        out.at = None;
        place(&line.session_id, &line.timestamp, out);
        out.branch = self.branch(&line, out);
        match &*line.kind {
            "assistant" => self.assistant(&line, out),
            "user" => self.user(&line, out),
            "system" => self.system(text, out),
            "result" => self.result(text, out),
            _ => self.partial(text, out),
        }
    }

    /// The subagent that a line belongs to; its first line tells of its start where nothing else has.
    fn branch(&mut self, line: &Line<'_>, out: &mut Out) -> Option<Arc<str>> {
        let (id, call) = match (line.agent_id.is_empty(), line.parent_tool_use_id.is_empty()) {
            (true, true) => return None,
            (true, false) => (&*line.parent_tool_use_id, ""),
            (false, _) => (&*line.agent_id, &*line.parent_tool_use_id),
        };
        let name = if line.task_description.is_empty() { &line.subagent_type } else { &line.task_description };
        let branch = self.agents.started(id, call, None, name, out);
        self.agents.works(&branch);
        Some(branch)
    }

    fn assistant(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("an assistant line without a message") };
        if let Some(text) = message.api_error(line.is_api_error_message) {
            return out.push(Body::ApiError { text, retrying: false });
        }
        self.join_partial(message, &line.request_id, out);
        assistant(message, &line.request_id, out);
    }

    fn user(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("a user line without a message") };
        let hidden = line.is_synthetic == Some(true);
        let (agents, interrupted) = (&mut self.agents, &mut self.interrupted);
        let mut prompted = false;
        user(&message.content, out, |said, out| match said {
            Said::Interrupted => match out.branch.clone() {
                Some(branch) => agents.ended(&branch, Outcome::Interrupted, out),
                None => {
                    *interrupted = true;
                    out.push(Body::Ended { outcome: Outcome::Interrupted, reason: Text::new("interrupted by user") });
                }
            },
            Said::Notification(text) => notified(text, agents, out),
            Said::Prompt(text) if !hidden && !prompted => {
                prompted = true;
                out.push(Body::Prompt { text: Text::new(text) });
            }
            Said::Command(text) if !hidden && !prompted => {
                prompted = true;
                out.push(Body::Prompt { text: Text::new(&text) });
            }
            _ => {}
        });
        if let Some(result) = &line.tool_use_result.0 {
            let call = message.content.results().next().map_or("", |(call, _)| call);
            agent_result(result, call, &mut self.agents, out);
        }
        // A subagent that the lines know only by its tool call is done when that call is.
        for (call, failed) in message.content.results() {
            let running = line.tool_use_result.0.as_ref().is_some_and(|r| &*r.status == "async_launched");
            if !running {
                self.agents.ended(call, if failed { Outcome::Failed } else { Outcome::Finished }, out);
            }
        }
    }

    fn system(&mut self, text: &str, out: &mut Out) {
        let Some(line) = parse::<System<'_>>(text, out) else { return };
        match &*line.subtype {
            "init" => {
                let some = |text: &str| (!text.is_empty()).then(|| Text::new(text));
                out.push(Body::Info(RunInfo {
                    cwd: some(&line.cwd),
                    model: some(&line.model),
                    version: some(&line.claude_code_version),
                    interactive: Some(false),
                    ..RunInfo::default()
                }));
            }
            "api_retry" => {
                let status = if line.error_status.0 == 0 { String::new() } else { format!("{} ", line.error_status.0) };
                let text = format!("{status}{} (attempt {} of {})", &*line.error, line.attempt.0, line.max_retries.0);
                out.push(Body::ApiError { text: Text::new(&text), retrying: true });
            }
            // A background shell is a task as well.
            "task_started" if &*line.task_type == "local_agent" => {
                let depth = u16::try_from(line.spawn_depth.0).ok().filter(|&depth| depth > 0);
                let name = if line.description.is_empty() { &line.subagent_type } else { &line.description };
                self.agents.started(&line.task_id, &line.tool_use_id, depth, name, out);
                self.agents.works(&line.task_id);
            }
            "task_notification" => self.task_ended(&line.task_id, &line.status, out),
            "task_updated" => {
                let status = line.patch.0.as_ref().map_or("", |patch| &*patch.status);
                self.task_ended(&line.task_id, status, out);
            }
            _ => {}
        }
    }

    fn task_ended(&mut self, id: &str, status: &str, out: &mut Out) {
        if let Some(outcome) = agents::outcome(status) {
            self.agents.ended(id, outcome, out);
        }
    }

    /// Its sums are those of the whole session, so the last result of several is the one that holds.
    fn result(&mut self, text: &str, out: &mut Out) {
        let Some(line) = parse::<Ending<'_>>(text, out) else { return };
        let usage = line.usage.0.as_ref().map(ApiUsage::usage);
        out.push(Body::Totals(totals(&line.models, usage, line.total_cost_usd)));
        let reason = if line.terminal_reason.is_empty() { &line.subtype } else { &line.terminal_reason };
        let is_error = line.is_error == Some(true);
        let outcome = outcome(&line.terminal_reason, &line.subtype, is_error, self.interrupted);
        self.interrupted = false;
        out.push(Body::Ended { outcome, reason: Text::new(reason) });
    }

    fn partial(&mut self, text: &str, out: &mut Out) {
        let Some(line) = parse::<Partial<'_>>(text, out) else { return };
        let Some(event) = line.event.0 else { return };
        let answer = self.answers.entry(out.branch.clone()).or_default();
        match &*event.kind {
            "message_start" => {
                let Some(message) = event.message.0 else { return };
                *answer = Answer { id: message.id.to_string(), model: message.model.to_string(), ..Answer::default() };
            }
            "message_delta" if line.api_message_id.is_empty() || *line.api_message_id == *answer.id => {
                let Some(usage) = event.usage.0 else { return };
                match &answer.request {
                    Some(request) => {
                        let call = model_call(&answer.id, request, &answer.model, usage.usage());
                        call.into_iter().for_each(|call| out.push(call));
                    }
                    None => answer.waiting = Some(usage.usage()),
                }
            }
            _ => {}
        }
    }

    /// A block's line says which request the partial messages of its answer belong to.
    fn join_partial(&mut self, message: &Message<'_>, request: &str, out: &mut Out) {
        let Some(answer) = self.answers.get_mut(&out.branch) else { return };
        if answer.id.is_empty() || *answer.id != *message.id {
            return;
        }
        answer.request = Some(request.to_owned());
        if let Some(usage) = answer.waiting.take()
            && let Some(call) = model_call(&answer.id, request, &answer.model, usage)
        {
            out.push(call);
        }
    }
}

/// A tool's result that names a subagent: started in the background, or done.
pub(super) fn agent_result(result: &AgentResult<'_>, call: &str, agents: &mut Agents, out: &mut Out) {
    if result.agent_id.is_empty() {
        return;
    }
    agents.started(&result.agent_id, call, None, &result.description, out);
    if let Some(outcome) = agents::outcome(&result.status) {
        agents.ended(&result.agent_id, outcome, out);
    }
}

/// A report of background work, as Claude Code hands it to the model.
pub(super) fn notified(text: &str, agents: &mut Agents, out: &mut Out) {
    let (Some(id), Some(status)) = (element(text, "task-id"), element(text, "status")) else { return };
    if let Some(outcome) = agents::outcome(status.trim()) {
        agents.ended(id.trim(), outcome, out);
    }
}
