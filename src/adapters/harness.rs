//! For adapters' tests: what must hold for every format, checked over every recording.

use serde_json::{Map, Value};

use super::testkit::{Tally, fixture, read};
use super::{Adapter, Origin};
use crate::domain::event::{Body, Event, Outcome};
use crate::domain::usage::Usage;

/// What an agent itself reported of one recorded stream.
pub(super) struct Expected {
    pub scenario: String,
    pub usage: Usage,
    pub cost: f64,
    pub calls: u64,
    pub flagged: u64,
    /// The stream's last line that says how it went.
    pub last: Value,
}

/// The recordings of `agent` by what they should add up to.
pub(super) fn expected(agent: &str) -> Vec<Expected> {
    let all: Map<String, Value> = serde_json::from_str(&fixture("EXPECTED.json")).unwrap();
    let number = |value: &Value, names: [&str; 2]| names.iter().find_map(|n| value[n].as_u64()).unwrap();
    all.into_iter()
        .filter_map(|(name, value)| {
            let scenario = name.strip_prefix(agent)?.strip_prefix('/')?.to_owned();
            let usage = Usage {
                input: number(&value["usage"], ["input", "input"]),
                output: number(&value["usage"], ["output", "output"]),
                cache_read: number(&value["usage"], ["cache_read", "cacheRead"]),
                cache_write: number(&value["usage"], ["cache_write", "cacheWrite"]),
                ..Usage::ZERO
            };
            let [calls, flagged] = ["tool_calls", "tool_errors_flagged"].map(|name| value[name].as_u64().unwrap());
            Some(Expected {
                scenario,
                usage,
                cost: value["cost_usd"].as_f64().unwrap(),
                calls,
                flagged,
                last: value["last"].clone(),
            })
        })
        .collect()
}

/// A stream's totals are those that the agent reported, and every line of it was read.
pub(super) fn assert_matches(tally: &Tally, expected: &Expected, outcome: Option<Outcome>) {
    let name = &expected.scenario;
    assert_eq!(tally.usage, expected.usage, "{name}: usage");
    assert!((tally.cost.as_f64() - expected.cost).abs() < 1e-6, "{name}: cost {} ≠ {}", tally.cost, expected.cost);
    assert_eq!(tally.calls as u64, expected.calls, "{name}: tool calls");
    assert_eq!(tally.flagged as u64, expected.flagged, "{name}: flagged failures");
    assert_eq!(tally.outcome, outcome, "{name}: outcome");
    assert_eq!(tally.unparsed, 0, "{name}: unparsed lines");
}

/// Lines cut anywhere are told as unparsed, or as nothing; they never panic and never become facts.
pub(super) fn assert_torn_lines_are_harmless(name: &str) {
    let text = fixture(name);
    let (format, _) = read(&text);
    let mut adapter = Adapter::new(format, &Origin { name: "test".into(), path: None, ..Origin::default() });
    for line in text.lines() {
        // Every byte of most lines; of the few huge ones a sample, on odd places.
        let step = if line.len() < 1_200 { 1 } else { line.len() / 400 };
        let mut events = Vec::new();
        for cut in (1..line.len()).step_by(step) {
            adapter.line(&line.as_bytes()[..cut], &mut events);
        }
        let facts: Vec<_> = events.iter().filter(|e| !matches!(e.body, Body::Unparsed { .. })).collect();
        assert!(facts.is_empty(), "{name}: {facts:?}");
    }
}

/// Fields that newer versions add, and keys in another order, change nothing.
pub(super) fn assert_only_meaning_counts(name: &str) {
    let text = fixture(name);
    let strange: Vec<String> =
        text.lines().map(|line| strange(serde_json::from_str(line).unwrap()).to_string()).collect();
    let (plain, other) = (read(&text), read(&strange.join("\n")));
    assert_eq!(plain.0, other.0, "{name}: format");
    assert_same(&plain.1, &other.1, name);
}

fn assert_same(plain: &[Event], other: &[Event], name: &str) {
    for (a, b) in plain.iter().zip(other) {
        assert_eq!(a, b, "{name}");
    }
    assert_eq!(plain.len(), other.len(), "{name}");
}

/// Objects with keys reversed and a field that nobody knows, except what tools were given, which is theirs.
fn strange(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut other = Map::new();
            other.insert("zz_new".into(), serde_json::json!({"type": "none", "text": [1, null, {"a": "b\\\"c"}]}));
            for (key, value) in map.into_iter().rev() {
                let theirs =
                    matches!(key.as_str(), "input" | "args" | "arguments" | "parameters" | "models" | "agents_states");
                other.insert(key, if theirs { value } else { strange(value) });
            }
            Value::Object(other)
        }
        Value::Array(list) => Value::Array(list.into_iter().map(strange).collect()),
        value => value,
    }
}
