//! `codex exec --json`: items of one turn as they start and complete. No times, no model, and tokens only at the end.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Tokens, subagent};
use crate::adapters::json::parse;
use crate::adapters::lax::{Raw, Str, head, loose, plain_error, whole};
use crate::adapters::{Origin, Out};
use crate::domain::event::{Agent, Body, Failure, Key, ModelCall, Outcome, RunId, RunInfo, Totals};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow, default)]
    thread_id: Str<'a>,
    #[serde(borrow, default)]
    message: Str<'a>,
    #[serde(borrow)]
    item: Option<Item<'a>>,
    #[serde(borrow)]
    usage: Raw<'a>,
    #[serde(borrow)]
    error: Raw<'a>,
}

/// Items of every type: each field belongs to some of them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    id: Str<'a>,
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    status: Str<'a>,
    #[serde(borrow)]
    text: Str<'a>,
    #[serde(borrow)]
    message: Str<'a>,
    #[serde(borrow)]
    command: Str<'a>,
    #[serde(borrow)]
    aggregated_output: Raw<'a>,
    #[serde(borrow)]
    exit_code: Raw<'a>,
    #[serde(borrow)]
    changes: Raw<'a>,
    #[serde(borrow)]
    server: Str<'a>,
    #[serde(borrow)]
    tool: Str<'a>,
    #[serde(borrow)]
    arguments: Raw<'a>,
    #[serde(borrow)]
    result: Raw<'a>,
    #[serde(borrow)]
    error: Raw<'a>,
    #[serde(borrow)]
    query: Raw<'a>,
    #[serde(borrow)]
    action: Raw<'a>,
    #[serde(borrow)]
    items: Raw<'a>,
    #[serde(borrow)]
    prompt: Raw<'a>,
    #[serde(borrow)]
    receiver_thread_ids: Raw<'a>,
    #[serde(borrow)]
    agents_states: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change<'a> {
    #[serde(borrow)]
    path: Str<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Error<'a> {
    #[serde(borrow)]
    message: Str<'a>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Started,
    Updated,
    Completed,
}

#[derive(Clone)]
pub(in crate::adapters) struct Exec {
    thread: String,
    /// Item numbers begin anew in every process, and one thread can be resumed by several: the source's name, and how
    /// many processes it has held so far, keep them apart.
    source: String,
    process: u32,
    /// The model is in the middle of an answer.
    answering: bool,
    /// Items started and not completed.
    open: Vec<String>,
    /// Versions of a plan so far.
    plans: u32,
}

impl Exec {
    pub(super) fn new(origin: &Origin) -> Self {
        Self {
            thread: origin.name.clone(),
            source: origin.name.clone(),
            process: 0,
            answering: false,
            open: Vec::new(),
            plans: 0,
        }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        let Some(line) = parse::<Line>(line, out) else { return };
        match &*line.kind {
            "thread.started" => self.thread_starts(&line.thread_id, out),
            "turn.started" => {
                self.answering = false;
                // The stream doesn't repeat what was asked.
                out.push(Body::Prompt { text: Text::default() });
            }
            "item.started" => self.item(Phase::Started, line.item.as_ref(), out),
            "item.updated" => self.item(Phase::Updated, line.item.as_ref(), out),
            "item.completed" => self.item(Phase::Completed, line.item.as_ref(), out),
            "turn.completed" => {
                if let Some(tokens) = loose::<Tokens>(line.usage) {
                    // Cumulative over the thread, processes before this one included; subagents are threads of their own.
                    let (usage, models) = (Some(tokens.usage()), Vec::new());
                    out.push(Body::Totals(Totals { usage, cost: None, with_subagents: false, models }));
                } else if line.usage.is_some() {
                    out.unparsed("turn.completed: usage can't be read");
                }
                self.end(Outcome::Finished, Text::default(), out);
            }
            "turn.failed" => {
                let error: Error = loose(line.error).unwrap_or_default();
                self.end(Outcome::Failed, plain_error(error.message.or(&line.message)), out);
            }
            "error" => {
                let retrying = line.message.starts_with("Reconnecting");
                out.push(Body::ApiError { text: plain_error(&line.message), retrying });
            }
            _ => {}
        }
    }

    fn thread_starts(&mut self, thread: &str, out: &mut Out) {
        if !thread.is_empty() {
            self.thread = thread.to_owned();
            out.run = RunId::new(Agent::Codex, thread);
        }
        self.process += 1;
        self.open.clear();
        self.answering = false;
        out.push(Body::Info(RunInfo { interactive: Some(false), ..RunInfo::default() }));
    }

    fn end(&mut self, outcome: Outcome, reason: Text, out: &mut Out) {
        self.answering = false;
        self.open.clear();
        out.push(Body::Ended { outcome, reason });
    }

    fn item(&mut self, phase: Phase, item: Option<&Item>, out: &mut Out) {
        let Some(item) = item else { return out.unparsed("an item without content") };
        match &*item.kind {
            kind @ ("agent_message" | "reasoning") => {
                self.answer(out);
                if phase == Phase::Completed {
                    out.push(Body::Message { text: Text::new(&item.text), thinking: kind == "reasoning" });
                }
            }
            "command_execution" | "file_change" | "mcp_tool_call" | "web_search" | "collab_tool_call" => {
                self.tool(phase, item, out);
            }
            "todo_list" if phase != Phase::Completed => self.plan(item, out),
            // Codex warns like this, of an unknown model for example; the run goes on.
            "error" if phase == Phase::Completed => out.push(Body::Warning { text: Text::new(&item.message) }),
            _ => {}
        }
    }

    /// The stream shows no model calls. An answer begins with the first thing that the model does after a turn's start
    /// or a tool's result; its tokens come with the turn's end. Calls of one answer that run one after the other look
    /// like several answers.
    fn answer(&mut self, out: &mut Out) {
        if !self.answering {
            self.answering = true;
            let usage = Usage::ZERO;
            out.push(Body::ModelCall(ModelCall { key: None, message: None, model: None, usage, cost: None }));
        }
    }

    fn key(&self, item: &str) -> Key {
        Key::of(&["codex", &self.thread, &self.source, &self.process.to_string(), item])
    }

    fn tool(&mut self, phase: Phase, item: &Item, out: &mut Out) {
        // Two items without an id that start are two.
        let known = |id: &String| *id == *item.id && !(id.is_empty() && phase == Phase::Started);
        let open = self.open.iter().position(known);
        if phase != Phase::Updated && open.is_none() {
            self.answer(out);
            let (tool, input) = describe(item);
            let key = out.call_key(&item.id, |id| self.key(id));
            out.push(Body::ToolCall { key, tool, input: Box::new(input) });
        }
        match (phase, open) {
            (Phase::Started, None) => self.open.push(item.id.to_string()),
            (Phase::Completed, open) => {
                open.map(|at| self.open.remove(at));
                let (failure, text) = result(item);
                let key = out.result_key(&item.id, |id| self.key(id));
                out.push(Body::ToolResult { key, failure, text });
                self.answering = false;
                if item.kind.0 == "collab_tool_call" {
                    collab(item, out);
                }
            }
            _ => {}
        }
    }

    /// Each version of a plan is one call of `update_plan`, as the rollout shows; that the list is complete is none.
    fn plan(&mut self, item: &Item, out: &mut Out) {
        self.answer(out);
        self.plans += 1;
        let key = self.key(&format!("{}#{}", &*item.id, self.plans));
        let plan = json!({ "plan": loose::<Value>(item.items) });
        let input = Box::new(ToolInput::from_value(&plan));
        out.push(Body::ToolCall { key, tool: Text::new("update_plan"), input });
        out.push(Body::ToolResult { key, failure: Failure::No, text: Text::default() });
        self.answering = false;
    }
}

/// Tool and input under the names that the rollout has for them.
fn describe(item: &Item) -> (Text, ToolInput) {
    match &*item.kind {
        "command_execution" => (Text::new("exec_command"), ToolInput::from_command(&item.command)),
        "file_change" => {
            let changes: Vec<Change> = loose(item.changes).unwrap_or_default();
            let paths: Vec<&str> = changes.iter().map(|change| &*change.path).collect();
            (Text::new("apply_patch"), ToolInput::from_value(&json!({ "paths": paths })))
        }
        "mcp_tool_call" => {
            let name = format!("{}.{}", &*item.server, &*item.tool);
            (Text::new(name.trim_matches('.')), ToolInput::from_text(&whole(item.arguments)))
        }
        "web_search" => {
            let action: Option<Value> = loose(item.action);
            let url = action.as_ref().and_then(|action| action.get("url"));
            let query = json!({ "query": loose::<Value>(item.query), "url": url });
            (Text::new("web_search"), ToolInput::from_value(&query))
        }
        _ => {
            let (prompt, to) = (loose::<Value>(item.prompt), loose::<Value>(item.receiver_thread_ids));
            (Text::new(&item.tool), ToolInput::from_value(&json!({ "prompt": prompt, "agents": to })))
        }
    }
}

fn result(item: &Item) -> (Failure, Text) {
    let error = head(item.error);
    let failed = matches!(&*item.status, "failed" | "declined")
        || !error.is_empty()
        || loose::<i64>(item.exit_code).is_some_and(|code| code != 0);
    let text = match loose::<Error>(item.error) {
        Some(error) if !error.message.is_empty() => Text::new(&error.message),
        _ if !error.is_empty() => Text::new(&error),
        _ => Text::new(&head(item.aggregated_output.or(item.result))),
    };
    (if failed { Failure::Flagged } else { Failure::No }, text)
}

fn collab(item: &Item, out: &mut Out) {
    if item.tool.0 == "spawn_agent" {
        let children: Vec<Str> = loose(item.receiver_thread_ids).unwrap_or_default();
        for child in children {
            subagent::started(&child, Text::default(), None, 1, out);
        }
    }
    subagent::ended(item.agents_states, out);
}
