//! What a thread hears of its subagents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::adapters::Out;
use crate::adapters::lax::{Raw, Str, loose};
use crate::domain::event::{Body, Outcome};
use crate::domain::text::Text;

/// A subagent's id as an event carries it.
pub(super) fn id(raw: &str) -> Arc<str> {
    Arc::from(Text::limited(raw, 120).as_str())
}

pub(super) fn started(child: &str, name: Text, parent: Option<Arc<str>>, depth: u16, out: &mut Out) {
    if !child.is_empty() {
        out.push(Body::SubagentStarted { id: id(child), parent, depth, name, by_call: true });
    }
}

/// Reports those that have ended, from `{id: state}`. A state is a word, `{"status": word}` or `{word: answer}`.
/// `shutdown` tells nothing new: only who had ended, or is stopped by its own thread's end, is shut down.
pub(super) fn ended(states: Raw, out: &mut Out) {
    let states: BTreeMap<String, Value> = loose(states).unwrap_or_default();
    for (child, state) in states {
        let word = match &state {
            Value::String(word) => Some(word.as_str()),
            Value::Object(map) => {
                map.get("status").and_then(Value::as_str).or_else(|| map.keys().next().map(String::as_str))
            }
            _ => None,
        };
        let outcome = match word {
            Some("completed") => Outcome::Finished,
            Some("errored" | "not_found") => Outcome::Failed,
            Some("interrupted") => Outcome::Interrupted,
            _ => continue,
        };
        out.push(Body::SubagentEnded { id: id(&child), outcome });
    }
}

/// What the tools that deal with subagents answer, in the parent's rollout.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub agent_id: Str<'a>,
    #[serde(borrow)]
    pub nickname: Str<'a>,
    /// Of `wait_agent`: `{id: state}`.
    #[serde(borrow)]
    pub status: Raw<'a>,
}
