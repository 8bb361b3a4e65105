//! A rollout's `response_item`s: what was said to the model, what it said, and the tools it called.

use serde::Deserialize;

use super::line::Payload;
use super::rollout::Rollout;
use super::{output, subagent};
use crate::adapters::Out;
use crate::adapters::lax::{Raw, Str, loose, whole};
use crate::domain::event::{Body, Failure, Key, RunInfo};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;

/// Calls that wait for their answer, at most.
const MAX_OPEN: usize = 64;

/// What Codex itself puts into a user's mouth.
const WRAPPERS: [&str; 9] = [
    "<environment_context>",
    "<user_instructions>",
    "<turn_aborted>",
    "<subagent_notification>",
    "<user_shell_command>",
    "<skill>",
    "<hook_prompt",
    "<permissions instructions>",
    "# AGENTS.md instructions",
];

/// What an editor puts before a user's words.
const REQUEST: &str = "## My request for Codex:";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Str<'a>,
}

pub(super) fn read(rollout: &mut Rollout, item: &Payload, out: &mut Out) {
    match (&*item.kind, &*item.role) {
        ("message", "user") => prompt(rollout, item, out),
        ("message", "assistant") => {
            rollout.lineage.model_speaks();
            say(rollout, item.content, false, out);
        }
        ("reasoning", _) => {
            rollout.lineage.model_speaks();
            say(rollout, item.summary, true, out);
        }
        ("function_call" | "custom_tool_call" | "local_shell_call" | "mcp_tool_call" | "tool_search_call", _) => {
            call(rollout, item, out);
        }
        // These are carried out by the provider, within the answer.
        ("web_search_call" | "image_generation_call", _) => {
            let key = call(rollout, item, out);
            let failure = if &*item.status == "failed" { Failure::Flagged } else { Failure::No };
            out.push(Body::ToolResult { key, failure, text: Text::default() });
        }
        (kind, _) if kind.ends_with("_output") => result(rollout, item, out),
        _ => {}
    }
}

fn prompt(rollout: &mut Rollout, item: &Payload, out: &mut Out) {
    let parts: Vec<Part> = loose(item.content).unwrap_or_default();
    let is_own = |text: &&str| !text.is_empty() && !WRAPPERS.iter().any(|wrapper| text.starts_with(wrapper));
    let Some(text) = parts.iter().map(|part| part.text.trim_start()).find(is_own) else { return };
    let text = Text::new(text.split_once(REQUEST).map_or(text, |(_, request)| request));
    if !rollout.titled && rollout.branch.is_none() {
        rollout.titled = true;
        out.push(Body::Info(RunInfo { title: Some(text.clone()), ..RunInfo::default() }));
    }
    if !rollout.lineage.is_copy() {
        out.push(Body::Prompt { text });
    }
}

fn say(rollout: &Rollout, parts: Raw, thinking: bool, out: &mut Out) {
    let parts: Vec<Part> = loose(parts).unwrap_or_default();
    if let Some(text) = parts.iter().find_map(|part| part.text.text())
        && !rollout.lineage.is_copy()
    {
        out.push(Body::Message { text, thinking });
    }
}

/// Ids of calls come from the provider and are unique within a thread; a copy has its original's.
fn key(rollout: &Rollout, call: &str) -> Key {
    call_key(rollout.lineage.turn_thread(), call)
}

pub(crate) fn call_key(thread: &str, call: &str) -> Key {
    Key::of(&["codex", thread, "call", call])
}

/// Deals with subagents: the call's result says who they are and how they are.
pub(crate) fn is_collab(tool: &str) -> bool {
    matches!(tool, "spawn_agent" | "wait_agent" | "wait" | "close_agent" | "resume_agent")
}

fn call(rollout: &mut Rollout, item: &Payload, out: &mut Out) -> Key {
    rollout.lineage.model_speaks();
    let id = item.call_id.or(&item.id);
    let key = if id.is_empty() {
        rollout.nameless += 1;
        key(rollout, &format!("#{}", rollout.nameless))
    } else {
        key(rollout, id)
    };
    let tool = name(item);
    if is_collab(tool.as_str()) {
        rollout.collab.truncate(MAX_OPEN - 1);
        rollout.collab.push(id.to_owned());
    }
    let given = whole(item.arguments.or(item.input).or(item.action));
    out.push(Body::ToolCall { key, tool, input: Box::new(ToolInput::from_text(&given)) });
    key
}

/// `server.tool` for tools of a server, as in the stream; else the tool's own name.
fn name(item: &Payload) -> Text {
    let kind = item.kind.strip_suffix("_call").unwrap_or_default();
    let name = item.name.or(kind);
    let server = item.namespace.strip_prefix("mcp__").map(|server| (server.trim_end_matches("__"), name));
    match server.or_else(|| name.strip_prefix("mcp__")?.split_once("__")) {
        Some((server, tool)) => Text::new(&format!("{server}.{tool}")),
        None => Text::new(name),
    }
}

fn result(rollout: &mut Rollout, item: &Payload, out: &mut Out) {
    let (failure, text) = output::read(item.output);
    let key = key(rollout, &item.call_id);
    out.push(Body::ToolResult { key, failure, text });
    let Some(at) = rollout.collab.iter().position(|call| *call == *item.call_id) else { return };
    rollout.collab.remove(at);
    let answer = whole(item.output);
    let answer: subagent::Answer = serde_json::from_str(&answer).unwrap_or_default();
    if rollout.lineage.is_copy() {
        return;
    }
    if !answer.agent_id.is_empty() {
        let name = answer.nickname.text().unwrap_or_default();
        subagent::started(&answer.agent_id, name, rollout.branch.clone(), rollout.depth.saturating_add(1), out);
    }
    subagent::ended(answer.status, out);
}
