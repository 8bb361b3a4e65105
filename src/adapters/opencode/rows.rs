//! Rows of opencode's database, as JSON lines: `{"table":"session"|"message"|"part", …columns, "data":{…}}`.
//!
//! A row comes again whenever it was updated. Facts with a key may be told again; the others are told once, when
//! they are complete. Session rows come before what refers to them, and user messages before their parts. What
//! else comes out of order, as parts do where all messages come first, is told at its own, earlier time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;

use super::super::Out;
use super::super::lazy::{Str, head, loose};
use super::wire::{Data, Head, Problem, Row, usd};
use super::{ending, message_key, set_run, tool};
use crate::domain::event::{Body, Key, ModelCall, Outcome, RunInfo};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::usage::Usage;

pub(super) const TABLES: [&str; 3] = ["session", "message", "part"];

/// Parts that are read; others are left alone.
const PARTS: [&str; 4] = ["text", "reasoning", "tool", "retry"];

/// More generations than this are a loop in the data.
const MAX_DEPTH: u16 = 64;

/// What opencode calls a session until its model has thought of a title.
const UNTITLED: [&str; 2] = ["New session - ", "Child session - "];

#[derive(Clone, Default)]
pub(super) struct Rows {
    /// Child session → its parent.
    parents: HashMap<Arc<str>, Arc<str>>,
    /// Messages of the user, with their times.
    users: HashMap<Key, Option<Stamp>>,
    /// Facts without a key that were told.
    told: HashSet<Key>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Model<'a> {
    #[serde(borrow)]
    id: Str<'a>,
}

impl Rows {
    pub fn line(&mut self, text: &str, out: &mut Out) {
        let row = match serde_json::from_str::<Row>(text) {
            Ok(row) => row,
            Err(error) => {
                if !is_foreign(text) {
                    out.unparsed(&error.to_string());
                }
                return;
            }
        };
        out.at = row.time_updated.stamp().or(row.time_created.stamp()).or(out.at);
        match (&*row.table, &row.data) {
            ("session", _) => self.session(&row, out),
            ("message", Some(data)) => self.message(&row, data, out),
            ("part", Some(data)) => self.part(&row, data, out),
            _ => {}
        }
    }

    /// Root and number of generations above `session`.
    fn root(&self, session: &str) -> (Arc<str>, u16) {
        let (mut root, mut depth) = (Arc::from(session), 0);
        while let Some(parent) = self.parents.get(&root).filter(|_| depth < MAX_DEPTH) {
            root = parent.clone();
            depth += 1;
        }
        (root, depth)
    }

    /// The run is the root's, the branch the child's own; the root has none.
    fn place(&self, session: &str, out: &mut Out) -> u16 {
        let (root, depth) = self.root(session);
        set_run(out, &root);
        out.branch = (depth > 0).then(|| branch(session));
        depth
    }

    /// Told on the branch of the parent, as a subagent's start and end are.
    fn place_above(&self, session: &str, out: &mut Out) {
        let parent = self.parents.get(session).cloned();
        self.place(parent.as_deref().unwrap_or(session), out);
    }

    fn session(&mut self, row: &Row, out: &mut Out) {
        if !row.parent_id.is_empty() && *row.parent_id != *row.id {
            self.parents.insert(Arc::from(&*row.id), Arc::from(&*row.parent_id));
        }
        let depth = self.place(&row.id, out);
        if depth == 0 {
            // From its beginning, however often the row was touched since: what the run did is judged by where it did it.
            out.at = row.time_created.stamp().or(out.at);
            let title = row.title.text().filter(|t| !UNTITLED.iter().any(|prefix| t.as_str().starts_with(prefix)));
            return out.push(Body::Info(RunInfo {
                version: row.version.text(),
                model: loose::<Model>(row.model).and_then(|model| model.id.text()),
                cwd: row.directory.text(),
                title,
                ..RunInfo::default()
            }));
        }
        if self.told.insert(Key::of(&["session", &row.id])) {
            out.at = row.time_created.stamp().or(out.at);
            let id = branch(&row.id);
            self.place_above(&row.id, out);
            let suffix = format!(" (@{} subagent)", &*row.agent);
            let name = Text::new(row.title.strip_suffix(&suffix).unwrap_or(&row.title));
            let parent = out.branch.clone();
            out.push(Body::SubagentStarted { id, parent, depth, name, by_call: true });
        }
    }

    fn message(&mut self, row: &Row, data: &Data, out: &mut Out) {
        let time = data.time.unwrap_or_default();
        let key = message_key(&row.id);
        if &*data.role != "assistant" {
            if &*data.role == "user" {
                self.users.insert(key, time.created.stamp().or(row.time_created.stamp()));
            }
            return;
        }
        let depth = self.place(&row.session_id, out);
        out.at = time.completed.stamp().or(out.at);
        let usage = data.tokens.map(|tokens| tokens.usage()).unwrap_or_default();
        // A row starts with zeros; a local model may end with them.
        if usage != Usage::ZERO || !data.finish.is_empty() {
            let (model, cost) = (data.model_id.text(), usd(data.cost));
            out.push(Body::ModelCall(ModelCall { key: Some(key), message: None, model, usage, cost }));
        }
        let end = match &data.error {
            Some(problem) => Some((problem.outcome(), problem.text())),
            None => ending(&data.finish).filter(|_| time.completed.stamp().is_some()),
        };
        if let Some((outcome, reason)) = end
            && self.told.insert(Key::of(&["end", &row.id]))
        {
            self.end(row, depth, (outcome, reason), data.error.as_ref(), out);
        }
    }

    fn end(&self, row: &Row, depth: u16, end: (Outcome, Text), problem: Option<&Problem>, out: &mut Out) {
        let (outcome, reason) = end;
        if problem.is_some_and(Problem::is_providers) {
            out.push(Body::ApiError { text: reason.clone(), retrying: false });
        }
        if depth > 0 {
            self.place_above(&row.session_id, out);
            out.push(Body::SubagentEnded { id: branch(&row.session_id), outcome });
        } else if outcome == Outcome::Finished {
            out.push(Body::TurnEnded);
        } else {
            out.push(Body::Ended { outcome, reason });
        }
    }

    fn part(&mut self, row: &Row, data: &Data, out: &mut Out) {
        if !PARTS.contains(&&*data.kind) {
            return;
        }
        self.place(&row.session_id, out);
        let time = data.time.unwrap_or_default();
        match &*data.kind {
            "tool" => tool(&row.id, data, false, out),
            "retry" => {
                if let (Some(problem), true) = (&data.error, self.told.insert(Key::of(&["part", &row.id]))) {
                    out.at = time.created.stamp().or(out.at);
                    out.push(Body::ApiError { text: problem.text(), retrying: true });
                }
            }
            kind => match self.users.get(&message_key(&row.message_id)) {
                Some(&at) => self.prompt(row, data, at, out),
                // A text grows until it has an end.
                None if time.end.stamp().is_some() && self.told.insert(Key::of(&["part", &row.id])) => {
                    out.at = time.end.stamp().or(out.at);
                    out.push(Body::Message { text: head(data.text), thinking: kind == "reasoning" });
                }
                None => {}
            },
        }
    }

    /// Of a user's message the first text is the prompt; what follows is what opencode attached.
    fn prompt(&mut self, row: &Row, data: &Data, at: Option<Stamp>, out: &mut Out) {
        if data.synthetic == Some(true) || !self.told.insert(Key::of(&["prompt", &row.message_id])) {
            return;
        }
        out.at = at.or(out.at);
        out.push(Body::Prompt { text: head(data.text) });
    }
}

/// A branch's id is printed, so it is cleaned as run ids are.
fn branch(session: &str) -> Arc<str> {
    Arc::from(Text::limited(session, 120).as_str())
}

/// A row that isn't one of those read, so that its shape is none of ours.
fn is_foreign(text: &str) -> bool {
    let Ok(row) = serde_json::from_str::<Head>(text) else { return false };
    match &*row.table {
        "part" => loose::<Head>(row.data).is_some_and(|data| !PARTS.contains(&&*data.kind)),
        table => !TABLES.contains(&table),
    }
}
