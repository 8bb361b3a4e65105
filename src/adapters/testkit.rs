//! For adapters' tests: reads a recorded file and adds up its events by the rules that the engine follows.

use std::collections::{HashMap, HashSet};

use super::{Adapter, Format, Origin, sniff};
use crate::domain::event::{Body, Event, Failure, Key, Outcome};
use crate::domain::usage::{Usage, Usd};

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub usage: Usage,
    pub cost: Usd,
    pub calls: usize,
    pub flagged: usize,
    pub inferred: usize,
    pub subagents: usize,
    pub unparsed: usize,
    pub model_calls: usize,
    pub outcome: Option<Outcome>,
    pub reason: String,
    pub events: Vec<Event>,
}

pub(super) fn fixture(name: &str) -> String {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Recognises and reads `text` line by line.
pub(super) fn read(text: &str) -> (Format, Vec<Event>) {
    let format = text.lines().find_map(|line| sniff(line.as_bytes())).expect("format is recognised");
    let mut adapter = Adapter::new(format, &Origin { name: "test".into(), path: None, ..Origin::default() });
    let mut events = Vec::new();
    for line in text.lines() {
        adapter.line(line.as_bytes(), &mut events);
    }
    adapter.finish(&mut events);
    (format, events)
}

/// Files of one run are merged by time, as the sources do: what has no time follows what came before it.
pub(super) fn by_time(events: &mut [Event]) {
    let mut told = None;
    for event in events.iter_mut() {
        told = event.at.or(told);
        event.at = told;
    }
    events.sort_by_key(|event| event.at);
}

/// Totals over the main stream and, where given, its subagents' files.
pub(super) fn tally(names: &[&str]) -> Tally {
    let mut all = Vec::new();
    for name in names {
        all.extend(read(&fixture(name)).1);
    }
    by_time(&mut all);
    add_up(all)
}

pub(super) fn add_up(events: Vec<Event>) -> Tally {
    let mut t = Tally::default();
    let mut seen: HashMap<Key, Usage> = HashMap::new();
    let (mut tools, mut results, mut branches) = (HashSet::new(), HashSet::new(), HashSet::new());
    // What calls of the main branch are known by beside their key.
    let mut main = HashSet::new();
    for event in &events {
        match &event.body {
            Body::ModelCall(call) => {
                if event.branch.is_none() {
                    main.extend(call.message);
                }
                let told = |key| seen.contains_key(&key) || (event.branch.is_some() && main.contains(&key));
                if call.message.is_some_and(told) {
                    continue;
                }
                t.model_calls += 1;
                t.cost += call.cost.unwrap_or_default();
                let before = call.key.and_then(|key| seen.get(&key).copied());
                if before.is_some() {
                    t.model_calls -= 1;
                }
                let now = before.unwrap_or_default().max(call.usage);
                t.usage += now - before.unwrap_or_default();
                if let Some(key) = call.key {
                    seen.insert(key, now);
                }
            }
            Body::Totals(totals) => {
                t.usage = totals.usage.unwrap_or(t.usage);
                t.cost = totals.cost.unwrap_or(t.cost);
            }
            Body::ToolCall { key, .. } => t.calls += usize::from(tools.insert(*key)),
            Body::ToolResult { key, failure, .. } if results.insert(*key) => match failure {
                Failure::Flagged => t.flagged += 1,
                Failure::Inferred => t.inferred += 1,
                Failure::No => {}
            },
            Body::SubagentStarted { id, .. } => t.subagents += usize::from(branches.insert(id.clone())),
            Body::Unparsed { .. } => t.unparsed += 1,
            Body::Prompt { .. } if event.branch.is_none() => t.outcome = None,
            Body::Ended { outcome, reason } if event.branch.is_none() => {
                t.outcome = Some(*outcome);
                t.reason = reason.to_string();
            }
            _ => {}
        }
    }
    t.events = events;
    t
}

/// What the agent itself reported of each of its streams: name without the agent's folder, and the report.
pub(super) fn expected(agent: &str) -> Vec<(String, serde_json::Value)> {
    let all: serde_json::Value = serde_json::from_str(&fixture("EXPECTED.json")).expect("EXPECTED.json is JSON");
    let all = all.as_object().expect("EXPECTED.json is an object");
    let of_agent = |(name, want): (&String, &serde_json::Value)| {
        name.strip_prefix(agent).and_then(|name| name.strip_prefix('/')).map(|name| (name.to_owned(), want.clone()))
    };
    all.iter().filter_map(of_agent).collect()
}

pub(super) fn exists(name: &str) -> bool {
    std::path::Path::new(&format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).exists()
}

/// The same facts, written differently: keys in reverse, fields that nobody knows, spaces everywhere.
pub(super) fn disguise(line: &str) -> String {
    use serde_json::{Map, Value, json};
    fn turn(value: Value, depth: usize) -> Value {
        match value {
            Value::Object(map) => {
                let mut turned = Map::new();
                // A tool's arguments are its own.
                let inside = depth < 4 && !map.contains_key("command") && !map.contains_key("file_path");
                if inside {
                    turned.insert("zz_unknown".into(), json!({"type": "user", "is_error": [true, null]}));
                }
                let mut pairs: Vec<_> = map.into_iter().collect();
                if inside {
                    pairs.reverse();
                }
                for (key, value) in pairs {
                    let own = matches!(key.as_str(), "input" | "args" | "function_args" | "modelUsage");
                    let value = if own { value } else { turn(value, depth + 1) };
                    turned.insert(key, value);
                }
                Value::Object(turned)
            }
            Value::Array(list) => Value::Array(list.into_iter().map(|value| turn(value, depth + 1)).collect()),
            plain => plain,
        }
    }
    let value = serde_json::from_str(line).expect("fixtures are JSON");
    serde_json::to_string_pretty(&turn(value, 0)).expect("writes").replace('\n', " ")
}
