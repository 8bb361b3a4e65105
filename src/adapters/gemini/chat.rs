//! Chats: a header, then messages and patches to the whole. A message is written when it is complete and once more,
//! with the same id, when its tools have finished. Subagents have files of their own, in a folder named after the
//! session.
//!
//! Patches (`$set`, `$rewindTo`) repeat or take back what was written before; what was spent stays spent. The only new
//! thing in them is the summary.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::call_key;
use crate::adapters::json::{Count, parse};
use crate::adapters::lax::{Raw, Str, head, loose, plain_error};
use crate::adapters::{Origin, Out};
use crate::domain::event::{Agent, Body, Failure, Key, ModelCall, Outcome, RunId, RunInfo};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;

/// Messages whose texts are known to be reported; they are written again soon.
const RECENT: usize = 32;

/// What Gemini CLI itself puts into a user's mouth.
const CONTEXT: &str = "<session_context>";
const LOOP: &str = "System: Potential loop detected";

/// A header, a message or a patch.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, rename = "sessionId")]
    session: Str<'a>,
    #[serde(borrow)]
    kind: Str<'a>,
    #[serde(borrow, rename = "startTime")]
    start: Str<'a>,
    #[serde(borrow)]
    directories: Raw<'a>,
    /// In older versions a whole chat is one document.
    #[serde(borrow)]
    messages: Raw<'a>,
    #[serde(borrow)]
    summary: Str<'a>,
    #[serde(borrow, rename = "$set")]
    set: Raw<'a>,

    #[serde(borrow)]
    id: Str<'a>,
    #[serde(borrow)]
    timestamp: Str<'a>,
    #[serde(borrow, rename = "type")]
    role: Str<'a>,
    #[serde(borrow)]
    content: Raw<'a>,
    #[serde(borrow)]
    thoughts: Raw<'a>,
    #[serde(borrow)]
    tokens: Raw<'a>,
    #[serde(borrow)]
    model: Str<'a>,
    #[serde(borrow, rename = "toolCalls")]
    tools: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Str<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Thought<'a> {
    #[serde(borrow)]
    subject: Str<'a>,
    #[serde(borrow)]
    description: Str<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input: Count,
    output: Count,
    cached: Count,
    thoughts: Count,
    tool: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Call<'a> {
    #[serde(borrow)]
    id: Str<'a>,
    #[serde(borrow)]
    name: Str<'a>,
    #[serde(borrow)]
    args: Raw<'a>,
    #[serde(borrow)]
    status: Str<'a>,
    #[serde(borrow)]
    timestamp: Str<'a>,
    #[serde(borrow)]
    result: Raw<'a>,
    #[serde(borrow, rename = "agentId")]
    agent: Str<'a>,
}

#[derive(Clone)]
pub(in crate::adapters) struct Chat {
    /// The file's own session, which makes its keys; a subagent's run is another.
    session: String,
    /// The session in whose folder the file lies.
    parent: Option<String>,
    cwd: Option<Text>,
    branch: Option<Arc<str>>,
    titled: bool,
    said: VecDeque<Key>,
}

impl Chat {
    pub(super) fn new(origin: &Origin) -> Self {
        let parent = origin.path.as_deref().and_then(parent_session).map(str::to_owned);
        let cwd = origin.cwd.as_deref().map(Text::new);
        Self { session: origin.name.clone(), parent, cwd, branch: None, titled: false, said: VecDeque::new() }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        // Patches without a summary are half of all lines, and some hold the whole chat.
        if line.starts_with(r#"{"$set":{"#) && line.ends_with('}') && !line.contains(r#""summary""#) {
            return;
        }
        let Some(line) = parse::<Line>(line, out) else { return };
        out.branch.clone_from(&self.branch);
        if !line.session.is_empty() && line.role.is_empty() {
            self.header(&line, out);
            if let Some(messages) = line.messages
                && let Some(messages) = parse::<Vec<Line>>(messages.get(), out)
            {
                messages.iter().for_each(|message| self.message(message, out));
            }
            self.summary(&line.summary, out);
        } else if line.set.is_some() {
            let patch: Line = loose(line.set).unwrap_or_default();
            self.summary(&patch.summary, out);
        } else {
            self.message(&line, out);
        }
    }

    fn header(&mut self, line: &Line, out: &mut Out) {
        self.session = line.session.to_string();
        out.at = Stamp::parse_rfc3339(&line.start);
        out.run = RunId::new(Agent::Gemini, &self.session);
        if &*line.kind == "subagent"
            && let Some(parent) = &self.parent
        {
            out.run = RunId::new(Agent::Gemini, parent);
            out.branch = None;
            let id = agent_id(&self.session);
            let started = (id.clone(), Text::default());
            out.push(Body::SubagentStarted { id: started.0, parent: None, depth: 1, name: started.1, by_call: true });
            self.branch = Some(id);
            out.branch.clone_from(&self.branch);
        }
        let directories: Vec<Str> = loose(line.directories).unwrap_or_default();
        let cwd = directories.first().and_then(Str::text).or_else(|| self.cwd.clone());
        out.push(Body::Info(RunInfo { cwd, ..RunInfo::default() }));
    }

    /// Of a session it is a title, of a subagent the answer that it hands back.
    fn summary(&mut self, summary: &Str, out: &mut Out) {
        let Some(text) = summary.text() else { return };
        match &self.branch {
            Some(id) => out.push(Body::SubagentEnded { id: id.clone(), outcome: Outcome::Finished }),
            None => out.push(Body::Info(RunInfo { title: Some(text), ..RunInfo::default() })),
        }
    }

    fn message(&mut self, line: &Line, out: &mut Out) {
        out.at = Stamp::parse_rfc3339(&line.timestamp);
        match &*line.role {
            "user" => self.prompt(line, out),
            "gemini" => self.answer(line, out),
            "error" => out.push(Body::ApiError { text: plain_error(&text_of(line.content)), retrying: false }),
            "warning" => out.push(Body::Warning { text: Text::new(&text_of(line.content)) }),
            _ => {}
        }
    }

    fn prompt(&mut self, line: &Line, out: &mut Out) {
        let said = text_of(line.content);
        let text = Text::new(&said);
        if text.is_empty() || said.starts_with(CONTEXT) {
            return;
        }
        if said.starts_with(LOOP) {
            return out.push(Body::Warning { text });
        }
        if !self.titled && self.branch.is_none() {
            self.titled = true;
            out.push(Body::Info(RunInfo { title: Some(text.clone()), ..RunInfo::default() }));
        }
        out.push(Body::Prompt { text });
    }

    fn answer(&mut self, line: &Line, out: &mut Out) {
        let key = Key::of(&["gemini", &self.session, "answer", &line.id]);
        if !self.said.contains(&key) {
            self.said.truncate(RECENT - 1);
            self.said.push_front(key);
            say(line, out);
        }
        if let Some(tokens) = line.tokens.and_then(|tokens| parse::<Tokens>(tokens.get(), out)) {
            let (usage, model) = (usage(&tokens), line.model.text());
            out.push(Body::ModelCall(ModelCall { key: Some(key), message: None, model, usage, cost: None }));
        }
        let Some(tools) = line.tools else {
            // Most answers without calls end a turn. One whose tools still run looks the same, and is written again
            // with them once they are done: then the run has worked all along, from this answer's time on.
            if self.branch.is_none() && !text_of(line.content).is_empty() {
                out.push(Body::TurnEnded);
            }
            return;
        };
        for (index, call) in parse::<Vec<Call>>(tools.get(), out).unwrap_or_default().iter().enumerate() {
            // A call without an id is known by its place, since answers are written twice.
            let key = match (&*call.id, &*line.id) {
                ("", "") => out.own_key(),
                ("", answer) => call_key(&self.session, &format!("{answer}#{index}")),
                (id, _) => call_key(&self.session, id),
            };
            self.call(key, call, out);
        }
    }

    /// Calls are written when they have finished, with the time of that.
    fn call(&self, key: Key, call: &Call, out: &mut Out) {
        let asked = out.at;
        let input = Box::new(ToolInput::from_text(call.args.map_or("null", RawValue::get)));
        out.push(Body::ToolCall { key, tool: Text::new(&call.name), input });
        let agent = Some(agent_id(&call.agent)).filter(|id| !id.is_empty());
        if let Some(id) = agent.clone() {
            let args: Value = loose(call.args).unwrap_or_default();
            let name = Text::new(args.get("agent_name").and_then(Value::as_str).unwrap_or_default());
            let depth = if self.branch.is_some() { 2 } else { 1 };
            let parent = self.branch.clone();
            out.push(Body::SubagentStarted { id, parent, depth, name, by_call: true });
        }
        let failure = match &*call.status {
            "success" => Failure::No,
            "error" | "cancelled" => Failure::Flagged,
            _ => return, // still to come
        };
        out.at = Stamp::parse_rfc3339(&call.timestamp).or(asked);
        let text = response(call.result);
        let is_silent_failure = failure == Failure::No && is_failed_command(&call.name, &text);
        let failure = if is_silent_failure { Failure::Inferred } else { failure };
        out.push(Body::ToolResult { key, failure, text: Text::new(&text) });
        if let Some(id) = agent {
            let outcome = if failure == Failure::Flagged { Outcome::Failed } else { Outcome::Finished };
            out.push(Body::SubagentEnded { id, outcome });
        }
        out.at = asked;
    }
}

fn say(line: &Line, out: &mut Out) {
    let thoughts: Vec<Thought> = loose(line.thoughts).unwrap_or_default();
    for thought in thoughts {
        let text = Text::new(&format!("{}: {}", &*thought.subject, &*thought.description));
        out.push(Body::Message { text, thinking: true });
    }
    let text = Text::new(&text_of(line.content));
    if !text.is_empty() {
        out.push(Body::Message { text, thinking: false });
    }
}

fn usage(tokens: &Tokens) -> Usage {
    let cache_read = tokens.cached.0.min(tokens.input.0);
    Usage {
        input: (tokens.input.0 - cache_read).saturating_add(tokens.tool.0),
        output: tokens.output.0,
        reasoning: tokens.thoughts.0,
        cache_read,
        ..Usage::ZERO
    }
}

/// A string, or the first text among parts.
fn text_of(content: Raw) -> String {
    match loose::<Vec<Part>>(content) {
        Some(parts) => {
            parts.iter().map(|part| &*part.text).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
        }
        None => loose::<Str>(content).unwrap_or_default().0.into_owned(),
    }
}

/// What a tool gave back to the model: `[{functionResponse: {response: {output | error}}}]`.
fn response(result: Raw) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Response<'a> {
        #[serde(borrow)]
        output: Str<'a>,
        #[serde(borrow)]
        error: Str<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Function<'a> {
        #[serde(borrow)]
        response: Response<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Part<'a> {
        #[serde(borrow)]
        function_response: Function<'a>,
    }
    match loose::<Vec<Part>>(result).unwrap_or_default().first() {
        Some(part) => part.function_response.response.error.or(&part.function_response.response.output).to_owned(),
        None => head(result).into_owned(),
    }
}

/// The output of a command ends in a few lines in a fixed form, one of them its exit code unless that is 0.
fn is_failed_command(tool: &str, output: &str) -> bool {
    const TRAILERS: [&str; 5] =
        ["</untrusted_context>", "Process Group PGID:", "Background PIDs:", "Signal:", "Error:"];
    if tool != "run_shell_command" {
        return false;
    }
    let mut lines = output.lines().rev().skip_while(|line| TRAILERS.iter().any(|trailer| line.starts_with(trailer)));
    let code = lines.next().and_then(|line| line.strip_prefix("Exit Code: ")).map(str::trim);
    code.is_some_and(|code| code != "0" && code.parse::<i64>().is_ok())
}

fn agent_id(session: &str) -> Arc<str> {
    Arc::from(Text::limited(session, 120).as_str())
}

/// `…/chats/<parent>/<file>`; a file directly in `chats` has none.
fn parent_session(path: &str) -> Option<&str> {
    let mut parts = path.rsplit(['/', '\\']).skip(1);
    let parent = parts.next().filter(|parent| !parent.is_empty())?;
    (parts.next() == Some("chats")).then_some(parent)
}
