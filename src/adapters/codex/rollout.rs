//! Rollouts: everything a thread did, on disk, a line at a time. A subagent's thread has a file of its own.

use std::sync::Arc;

use serde::Deserialize;

use super::ledger::{Answer, Ledger};
use super::line::{Counts, KINDS, Line, Payload, TokenLine, is_dull, token_line};
use super::lineage::{Lineage, is_v7};
use super::{Tokens, items, subagent};
use crate::adapters::lax::{Raw, Str, loose, plain_error};
use crate::adapters::{Origin, Out};
use crate::domain::event::{Agent, Body, Key, ModelCall, Outcome, RunId, RunInfo};
use crate::domain::text::Text;
use crate::domain::time::Stamp;

#[derive(Clone)]
pub(in crate::adapters) struct Rollout {
    /// The file has said whose it is.
    known: bool,
    pub(super) lineage: Lineage,
    ledger: Ledger,
    /// This thread, if it is a subagent.
    pub(super) branch: Option<Arc<str>>,
    pub(super) depth: u16,
    interactive: bool,
    pub(super) titled: bool,
    model: Text,
    cwd: Text,
    /// Model and directory as last reported.
    told: (Text, Text),
    last_error: Text,
    /// Calls that deal with subagents and wait for their answer.
    pub(super) collab: Vec<String>,
    /// Calls that have no id.
    pub(super) nameless: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source<'a> {
    #[serde(borrow)]
    subagent: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Kinship<'a> {
    #[serde(borrow)]
    thread_spawn: Option<Spawn<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spawn<'a> {
    #[serde(borrow)]
    parent_thread_id: Str<'a>,
    #[serde(borrow)]
    agent_nickname: Str<'a>,
    depth: u16,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Error<'a> {
    #[serde(borrow)]
    message: Str<'a>,
}

impl Rollout {
    pub(super) fn new(origin: &Origin) -> Self {
        // `rollout-<time>-<thread>`: stands in until the file's first line is seen.
        let name = &origin.name;
        let thread = name.get(name.len().saturating_sub(36)..).filter(|id| is_v7(id)).unwrap_or(name);
        Self {
            known: false,
            lineage: Lineage::new(thread),
            ledger: Ledger::default(),
            branch: None,
            depth: 0,
            interactive: false,
            titled: false,
            model: Text::default(),
            cwd: Text::default(),
            told: (Text::default(), Text::default()),
            last_error: Text::default(),
            collab: Vec::new(),
            nameless: 0,
        }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        if is_dull(line) {
            return;
        }
        if let Some(line) = token_line(line) {
            return self.tokens(&line, out);
        }
        let line = match serde_json::from_str::<Line>(line) {
            Ok(line) => line,
            Err(error) => return unparsed(line, &error, out),
        };
        self.place(&line.timestamp, out);
        let Some(payload) = &line.payload else { return };
        match &*line.kind {
            "session_meta" if self.known => self.lineage.ancestor(payload.id.or(&payload.session_id)),
            "session_meta" => self.meta(payload, out),
            "turn_context" => {
                self.lineage.turn_starts(&payload.turn_id);
                self.context(payload, out);
            }
            "response_item" => items::read(self, payload, out),
            "event_msg" => self.event(payload, out),
            "token_usage_record" => self.record(payload, out),
            _ => {}
        }
    }

    fn place(&self, timestamp: &str, out: &mut Out) {
        out.at = Stamp::parse_rfc3339(timestamp);
        out.branch.clone_from(&self.branch);
        if !self.known {
            out.run = RunId::new(Agent::Codex, self.lineage.turn_thread());
        }
    }

    fn tokens(&mut self, line: &TokenLine, out: &mut Out) {
        self.place(line.timestamp, out);
        match (line.usage, &line.info) {
            (Some(usage), _) => self.answered(usage, line.thread_token_usage, line.thread_id, out),
            (None, Some(info)) => self.counted(info, out),
            (None, None) => {}
        }
    }

    fn meta(&mut self, meta: &Payload, out: &mut Out) {
        let own = meta.id.or(&meta.session_id);
        if own.is_empty() {
            return out.unparsed("session_meta without an id");
        }
        self.known = true;
        self.lineage = Lineage::new(own);
        let kin = loose::<Source>(meta.source).and_then(|source| source.subagent);
        let kinship: Kinship = loose(kin).unwrap_or_default();
        let spawn = kinship.thread_spawn.as_ref();
        let parent = meta.parent_thread_id.or(spawn.map_or("", |spawn| &spawn.parent_thread_id));
        let root = match (kin.is_some() || !parent.is_empty(), &*meta.session_id) {
            (false, _) => own,
            (true, session) if !session.is_empty() && session != own => session,
            (true, _) if !parent.is_empty() => parent,
            _ => own,
        };
        out.run = RunId::new(Agent::Codex, root);
        let forked_from = &*meta.forked_from_id;
        for (id, forked) in [(forked_from, true), (parent, false)] {
            if !id.is_empty() {
                self.lineage.parent(id, forked);
            }
        }
        if root == own {
            self.interactive = is_interactive(meta);
        } else {
            let parent = Some(parent).filter(|id| !id.is_empty() && *id != root).map(subagent::id);
            let id = subagent::id(own);
            self.depth = spawn.map_or(1, |spawn| spawn.depth.max(1));
            let name = meta.agent_nickname.text().or_else(|| spawn.and_then(|spawn| spawn.agent_nickname.text()));
            // Reviews and the like are started by Codex itself, no call has paid for them.
            let (depth, name, by_call) = (self.depth, name.unwrap_or_default(), spawn.is_some());
            out.branch.clone_from(&parent);
            out.push(Body::SubagentStarted { id: id.clone(), parent, depth, name, by_call });
            self.branch = Some(id);
            out.branch.clone_from(&self.branch);
        }
        let is_root = self.branch.is_none();
        out.push(Body::Info(RunInfo {
            version: meta.cli_version.text(),
            cwd: meta.cwd.text(),
            interactive: is_root.then_some(self.interactive),
            forked_from: if is_root { meta.forked_from_id.text() } else { None },
            ..RunInfo::default()
        }));
    }

    fn context(&mut self, context: &Payload, out: &mut Out) {
        self.model = context.model.text().unwrap_or_else(|| self.model.clone());
        self.cwd = context.cwd.text().unwrap_or_else(|| self.cwd.clone());
        let now = (self.model.clone(), self.cwd.clone());
        if self.branch.is_none() && !self.lineage.is_copy() && self.told != now {
            let (model, cwd) = now.clone();
            self.told = now;
            out.push(Body::Info(RunInfo { model: Some(model), cwd: Some(cwd), ..RunInfo::default() }));
        }
    }

    fn record(&mut self, record: &Payload, out: &mut Out) {
        let Some(usage) = loose::<Tokens>(record.usage) else {
            return out.unparsed("token_usage_record: usage can't be read");
        };
        self.answered(usage, loose::<Tokens>(record.thread_token_usage), &record.thread_id, out);
    }

    fn answered(&mut self, usage: Tokens, total: Option<Tokens>, thread: &str, out: &mut Out) {
        if let Some(answer) = self.ledger.record(usage, total) {
            let thread = if thread.is_empty() { self.lineage.answer_thread() } else { thread };
            self.model_call(thread, answer, out);
        }
    }

    fn token_count(&mut self, event: &Payload, out: &mut Out) {
        let Some(info) = event.info.filter(|info| info.get() != "null") else { return };
        match loose(Some(info)) {
            Some(counts) => self.counted(&counts, out),
            None => out.unparsed("token_count: info can't be read"),
        }
    }

    fn counted(&mut self, counts: &Counts, out: &mut Out) {
        let Some(total) = counts.total_token_usage else { return };
        if let Some(answer) = self.ledger.count(counts.last_token_usage, total) {
            self.model_call(self.lineage.answer_thread(), answer, out);
        }
    }

    /// The thread's total after an answer identifies it: both kinds of lines that tell of answers have it, and so do
    /// the copies of one kind that forks and subagents keep.
    fn model_call(&self, thread: &str, answer: Answer, out: &mut Out) {
        let key = Key::of(&["codex", thread, "answer", &answer.total.digits()]);
        out.push(Body::ModelCall(ModelCall {
            key: Some(key),
            message: None,
            model: Some(self.model.clone()).filter(|model| !model.is_empty()),
            usage: answer.usage.usage(),
            cost: None,
        }));
    }

    fn event(&mut self, event: &Payload, out: &mut Out) {
        match &*event.kind {
            "task_started" | "turn_started" => self.lineage.turn_starts(&event.turn_id),
            "token_count" => self.token_count(event, out),
            _ if self.lineage.is_copy() => {}
            "task_complete" | "turn_complete" => match loose::<Error>(event.error) {
                Some(error) if event.error.is_some_and(|error| error.get() != "null") => {
                    let text = plain_error(&error.message);
                    self.api_error(text.clone(), false, out);
                    self.turn_over(Outcome::Failed, text, out);
                }
                _ => self.turn_over(Outcome::Finished, Text::default(), out),
            },
            // A turn that another one replaces is no end.
            "turn_aborted" if &*event.reason == "replaced" => {}
            "turn_aborted" => self.turn_over(Outcome::Interrupted, Text::new(&event.reason), out),
            "error" => self.api_error(plain_error(&event.message), false, out),
            "stream_error" => self.api_error(plain_error(&event.message), true, out),
            "warning" => out.push(Body::Warning { text: Text::new(&event.message) }),
            "thread_name_updated" if self.branch.is_none() => {
                let title = event.thread_name.text();
                out.push(Body::Info(RunInfo { title, ..RunInfo::default() }));
            }
            _ => {}
        }
    }

    /// An error that ends a turn is told as an event and with the end.
    fn api_error(&mut self, text: Text, retrying: bool, out: &mut Out) {
        if text != self.last_error {
            self.last_error = text.clone();
            out.push(Body::ApiError { text, retrying });
        }
    }

    fn turn_over(&mut self, outcome: Outcome, reason: Text, out: &mut Out) {
        self.last_error = Text::default();
        match &self.branch {
            Some(id) => out.push(Body::SubagentEnded { id: id.clone(), outcome }),
            None if self.interactive && outcome != Outcome::Interrupted => out.push(Body::TurnEnded),
            None => out.push(Body::Ended { outcome, reason }),
        }
    }
}

/// A person sits at the terminal and at an editor, but not at `codex exec`. The oldest files don't tell the source.
fn is_interactive(meta: &Payload) -> bool {
    let source: Str = loose(meta.source).unwrap_or_default();
    match &*source {
        "" => matches!(&*meta.originator, "codex_cli_rs" | "codex-tui" | "codex_vscode"),
        source => matches!(source, "cli" | "vscode") && &*meta.originator != "codex_exec",
    }
}

/// Lines of kinds that aren't known may have any shape.
fn unparsed(line: &str, error: &serde_json::Error, out: &mut Out) {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Str<'a>,
    }
    match serde_json::from_str::<Kind>(line) {
        Ok(other) if !KINDS.contains(&&*other.kind) => {}
        _ => out.unparsed(&error.to_string()),
    }
}
