//! What Claude Code keeps on disk.
//!
//! A transcript has no line that says how it ended. What is known: a turn's last answer has a final `stop_reason`,
//! `cost-state` is written when the session closes (and not when it is killed), a note says that somebody
//! interrupted it. A run that nobody sits at is finished with its turn.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::agents::Agents;
use super::message::{Message, SYNTHETIC, assistant};
use super::prompt::{Said, classify, user};
use super::stream::{AgentResult, agent_result, notified};
use super::totals::{ModelUsage, totals};
use super::{peek, place};
use crate::adapters::Out;
use crate::adapters::json::{Count, Object, Word, parse, read_line};
use crate::domain::event::{Body, Key, Outcome, RunInfo};
use crate::domain::text::Text;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    subtype: Word<'a>,
    session_id: Word<'a>,
    timestamp: Word<'a>,
    uuid: Word<'a>,
    parent_uuid: Word<'a>,
    is_sidechain: Option<bool>,
    agent_id: Word<'a>,
    request_id: Word<'a>,
    cwd: Word<'a>,
    version: Word<'a>,
    entrypoint: Word<'a>,
    forked_from: Object<Fork<'a>>,
    message: Object<Message<'a>>,
    is_meta: Option<bool>,
    is_compact_summary: Option<bool>,
    is_api_error_message: Option<bool>,
    tool_use_result: Object<AgentResult<'a>>,
    error: Object<Refusal<'a>>,
    retry_attempt: Count,
    max_retries: Count,
    attachment: Object<Attachment<'a>>,
    summary: Word<'a>,
    ai_title: Word<'a>,
    custom_title: Word<'a>,
    content: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fork<'a> {
    #[serde(borrow)]
    session_id: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal<'a> {
    status: Count,
    #[serde(borrow)]
    formatted: Word<'a>,
    message: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attachment<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CostState {
    #[serde(rename = "totalCostUSD")]
    dollars: Option<f64>,
    #[serde(rename = "hasUnknownModelCost")]
    incomplete: Option<bool>,
    #[serde(rename = "modelUsage")]
    models: ModelUsage,
}

const CUT_OFF: &str = "session closed in the middle of a turn";

/// Where the main branch stands.
#[derive(Clone, Default, PartialEq)]
enum Turn {
    /// Nothing was asked yet.
    #[default]
    None,
    Open,
    Over,
    /// An end of the run has been told since the last work.
    Ended,
}

/// Which title a run has; better ones replace worse.
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
enum Title {
    #[default]
    None,
    Prompt,
    Given,
    /// By a person.
    Chosen,
}

#[derive(Clone, Default)]
pub(super) struct Transcript {
    agents: Agents,
    /// Branch of each line of sidechains whose lines name no agent, by the digest of the line's id.
    chains: HashMap<Key, Arc<str>>,
    turn: Turn,
    /// The session closed in the middle of a turn, and nobody has asked for more.
    cut_off: bool,
    /// The turn began with a command, which Claude Code may have answered without the model.
    by_command: bool,
    title: Title,
    cwd: bool,
    forked: bool,
    version: String,
    entrypoint: String,
    model: String,
    interactive: Option<bool>,
}

impl Transcript {
    pub(super) fn line(&mut self, text: &str, out: &mut Out) {
        if peek::transcript_is_silent(text) {
            return;
        }
        let Some(line) = read_line::<Line<'_>>(text, &peek::TRANSCRIPT, out) else { return };
        let kind = &*line.kind;
        let limit_reached = line.attachment.0.as_ref().is_some_and(|a| &*a.kind == "max_turns_reached");
        if !peek::TRANSCRIPT.contains(&kind) && !limit_reached {
            return;
        }
        out.branch = None;
        place(&line.session_id, &line.timestamp, out);
        self.info(&line, out);
        out.branch = self.branch(&line, out);
        match kind {
            "assistant" => self.assistant(&line, out),
            "user" => self.user(&line, out),
            "system" => self.system(&line, out),
            "cost-state" => self.closed(text, out),
            "queue-operation" => {
                if let Said::Notification(text) = classify(&line.content) {
                    notified(text, &mut self.agents, out);
                }
            }
            "summary" => self.titled(Title::Given, &line.summary, out),
            "ai-title" => self.titled(Title::Given, &line.ai_title, out),
            "custom-title" => self.titled(Title::Chosen, &line.custom_title, out),
            _ => self.end(Outcome::Failed, "max_turns", out),
        }
    }

    /// Every line repeats where it was written and by what; only news are told.
    fn info(&mut self, line: &Line<'_>, out: &mut Out) {
        let mut info = RunInfo::default();
        if !self.cwd && !line.cwd.is_empty() {
            self.cwd = true;
            info.cwd = Some(Text::new(&line.cwd));
        }
        if !line.version.is_empty() && *line.version != *self.version {
            self.version = line.version.to_string();
            info.version = Some(Text::new(&line.version));
        }
        if !line.entrypoint.is_empty() && *line.entrypoint != *self.entrypoint {
            self.entrypoint = line.entrypoint.to_string();
            self.interactive = Some(!line.entrypoint.starts_with("sdk"));
            info.interactive = self.interactive;
        }
        if let Some(fork) = &line.forked_from.0
            && !self.forked
            && !fork.session_id.is_empty()
        {
            self.forked = true;
            info.forked_from = Some(Text::new(&fork.session_id));
        }
        if info != RunInfo::default() {
            out.push(Body::Info(info));
        }
    }

    fn branch(&mut self, line: &Line<'_>, out: &mut Out) -> Option<Arc<str>> {
        if !line.agent_id.is_empty() {
            return Some(self.join(&line.agent_id, line, out));
        }
        if line.is_sidechain != Some(true) {
            return None;
        }
        // Older versions kept sidechains in the main file, joined to nothing but their own first line.
        let parent = self.chains.get(&Key::of(&[&line.parent_uuid])).filter(|_| !line.parent_uuid.is_empty());
        let branch = match parent.cloned() {
            Some(branch) => self.join(&branch, line, out),
            None => self.join(&line.uuid, line, out),
        };
        self.chains.insert(Key::of(&[&line.uuid]), branch.clone());
        Some(branch)
    }

    /// A subagent's file doesn't say what the agent is called; what it was told to do stands in for that.
    fn join(&mut self, id: &str, line: &Line<'_>, out: &mut Out) -> Arc<str> {
        let branch = match self.agents.branch(id) {
            Some(branch) => branch,
            None => {
                let told = line.message.0.as_ref().and_then(|message| message.content.first_text());
                let name = Text::limited(told.unwrap_or_default(), 60);
                self.agents.started(id, "", None, name.as_str(), out)
            }
        };
        self.agents.works(&branch);
        branch
    }

    fn assistant(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("an assistant line without a message") };
        if let Some(text) = message.api_error(line.is_api_error_message) {
            out.push(Body::ApiError { text, retrying: false });
            return self.end(Outcome::Failed, "api_error", out);
        }
        if *message.model == *SYNTHETIC {
            return;
        }
        if out.branch.is_none() {
            self.turn = Turn::Open;
            self.by_command = false;
            if !message.model.is_empty() && *message.model != *self.model {
                self.model = message.model.to_string();
                out.push(Body::Info(RunInfo { model: Some(Text::new(&message.model)), ..RunInfo::default() }));
            }
        }
        let spoke = assistant(message, &line.request_id, out);
        // The lines of one answer all carry its reason; the turn is over with what it says, not with its thoughts.
        if spoke && matches!(&*message.stop_reason, "end_turn" | "stop_sequence" | "refusal") {
            self.turn_over(out);
        }
    }

    fn user(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("a user line without a message") };
        let hidden = line.is_meta == Some(true) || line.is_compact_summary == Some(true);
        let mut prompted = hidden;
        user(&message.content, out, |said, out| match said {
            Said::Interrupted => self.end(Outcome::Interrupted, "interrupted by user", out),
            Said::Notification(text) => notified(text, &mut self.agents, out),
            Said::LocalOutput if self.by_command => self.turn_over(out),
            Said::Prompt(text) if !prompted => {
                prompted = true;
                self.prompt(text, false, out);
            }
            Said::Command(text) if !prompted => {
                prompted = true;
                self.prompt(&text, true, out);
            }
            _ => {}
        });
        if let Some(result) = &line.tool_use_result.0 {
            let call = message.content.results().next().map_or("", |(call, _)| call);
            agent_result(result, call, &mut self.agents, out);
        }
        // What a signal cuts off is written after the session's sums. It is no new work.
        if self.cut_off && out.branch.is_none() && message.content.results().next().is_some() {
            self.end(Outcome::Interrupted, CUT_OFF, out);
        }
    }

    fn prompt(&mut self, text: &str, by_command: bool, out: &mut Out) {
        if out.branch.is_none() {
            self.turn = Turn::Open;
            self.cut_off = false;
            self.by_command = by_command;
            if self.title == Title::None {
                self.titled(Title::Prompt, text, out);
            }
        }
        out.push(Body::Prompt { text: Text::new(text) });
    }

    fn titled(&mut self, title: Title, text: &str, out: &mut Out) {
        let text = Text::new(text);
        if title >= self.title && !text.is_empty() {
            self.title = title;
            out.push(Body::Info(RunInfo { title: Some(text), ..RunInfo::default() }));
        }
    }

    fn system(&mut self, line: &Line<'_>, out: &mut Out) {
        match &*line.subtype {
            "api_error" => {
                let said = line
                    .error
                    .0
                    .as_ref()
                    .map_or("", |e| if e.formatted.is_empty() { &e.message } else { &e.formatted });
                let status = line.error.0.as_ref().map_or(0, |e| e.status.0);
                let said = if said.is_empty() && status > 0 { status.to_string() } else { said.to_owned() };
                let text = format!("{said} (attempt {} of {})", line.retry_attempt.0, line.max_retries.0);
                out.push(Body::ApiError { text: Text::new(&text), retrying: true });
            }
            "turn_duration" if out.branch.is_none() && self.turn == Turn::Open => self.turn_over(out),
            _ => {}
        }
    }

    fn turn_over(&mut self, out: &mut Out) {
        self.by_command = false;
        if let Some(branch) = out.branch.clone() {
            return self.agents.ended(&branch, Outcome::Finished, out);
        }
        self.turn = Turn::Over;
        out.push(Body::TurnEnded);
        if self.interactive == Some(false) {
            self.end(Outcome::Finished, "end of turn", out);
        }
    }

    fn end(&mut self, outcome: Outcome, reason: &str, out: &mut Out) {
        if let Some(branch) = out.branch.clone() {
            return self.agents.ended(&branch, outcome, out);
        }
        self.turn = Turn::Ended;
        out.push(Body::Ended { outcome, reason: Text::new(reason) });
    }

    /// The session's sums, written when it closes. One that closes while work is open was stopped.
    fn closed(&mut self, text: &str, out: &mut Out) {
        let Some(state) = parse::<CostState>(text, out) else { return };
        let dollars = state.dollars.filter(|_| state.incomplete != Some(true));
        out.push(Body::Totals(totals(&state.models, None, dollars)));
        match self.turn {
            Turn::Open => {
                self.cut_off = true;
                self.end(Outcome::Interrupted, CUT_OFF, out);
            }
            Turn::Over => self.end(Outcome::Finished, "session closed", out),
            Turn::None | Turn::Ended => {}
        }
    }
}
