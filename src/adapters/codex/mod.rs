//! PURE. Codex: the stream that `codex exec --json` prints, and the rollouts that it keeps on disk.
//!
//! A run is a root thread; the threads of its subagents are its branches. The stream numbers its items anew in every
//! process, the rollout uses the provider's call ids: facts of the two can't be joined, so a run is read from one of
//! them.

mod exec;
mod items;
mod ledger;
mod line;
mod lineage;
mod output;
mod rollout;
mod subagent;
#[cfg(test)]
mod tests;

pub(crate) use items::{call_key, is_collab};
pub(crate) use output::surely_succeeded;
use serde::Deserialize;

use super::json::Count;
use super::lax::{Raw, Str};
use super::{Format, Origin, Out};
use crate::domain::usage::Usage;

pub(super) fn sniff(line: &str) -> Option<Format> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Str<'a>,
        #[serde(borrow, default)]
        timestamp: Str<'a>,
        #[serde(borrow, default)]
        thread_id: Str<'a>,
        #[serde(borrow)]
        item: Raw<'a>,
        #[serde(borrow)]
        usage: Raw<'a>,
        #[serde(borrow)]
        error: Raw<'a>,
        #[serde(borrow)]
        payload: Raw<'a>,
    }
    let head: Head = serde_json::from_str(line).ok()?;
    let object = |raw: Raw| raw.is_some_and(|raw| raw.get().starts_with('{'));
    match &*head.kind {
        "thread.started" if !head.thread_id.is_empty() => Some(Format::CodexExec),
        "turn.started" => Some(Format::CodexExec),
        "turn.completed" if object(head.usage) => Some(Format::CodexExec),
        "turn.failed" if object(head.error) => Some(Format::CodexExec),
        "item.started" | "item.updated" | "item.completed" if object(head.item) => Some(Format::CodexExec),
        kind if line::KINDS.contains(&kind) && object(head.payload) && !head.timestamp.is_empty() => {
            Some(Format::CodexRollout)
        }
        _ => None,
    }
}

#[derive(Clone)]
pub(super) enum Codex {
    Exec(exec::Exec),
    Rollout(Box<rollout::Rollout>),
}

impl Codex {
    pub(super) fn new(format: Format, origin: &Origin) -> Self {
        match format {
            Format::CodexExec => Codex::Exec(exec::Exec::new(origin)),
            _ => Codex::Rollout(Box::new(rollout::Rollout::new(origin))),
        }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        match self {
            Codex::Exec(exec) => exec.line(line, out),
            Codex::Rollout(rollout) => rollout.line(line, out),
        }
    }
}

/// Tokens as Codex counts them: `input_tokens` includes cache reads and writes, `output_tokens` includes reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Count,
    cached_input_tokens: Count,
    cache_write_input_tokens: Count,
    output_tokens: Count,
    reasoning_output_tokens: Count,
}

impl Tokens {
    fn usage(self) -> Usage {
        let cache_read = self.cached_input_tokens.0.min(self.input_tokens.0);
        let cache_write = self.cache_write_input_tokens.0.min(self.input_tokens.0 - cache_read);
        Usage {
            input: self.input_tokens.0 - cache_read - cache_write,
            output: self.output_tokens.0,
            cache_read,
            cache_write,
            ..Usage::ZERO
        }
    }

    fn zip(self, o: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            input_tokens: Count(f(self.input_tokens.0, o.input_tokens.0)),
            cached_input_tokens: Count(f(self.cached_input_tokens.0, o.cached_input_tokens.0)),
            cache_write_input_tokens: Count(f(self.cache_write_input_tokens.0, o.cache_write_input_tokens.0)),
            output_tokens: Count(f(self.output_tokens.0, o.output_tokens.0)),
            reasoning_output_tokens: Count(f(self.reasoning_output_tokens.0, o.reasoning_output_tokens.0)),
        }
    }

    fn plus(self, o: Self) -> Self {
        self.zip(o, u64::saturating_add)
    }

    fn minus(self, o: Self) -> Self {
        self.zip(o, u64::saturating_sub)
    }

    /// All five numbers, to be told from any other total of the same thread.
    fn digits(self) -> String {
        let Self { input_tokens: i, cached_input_tokens: c, cache_write_input_tokens: w, output_tokens: o, .. } = self;
        format!("{}/{}/{}/{}/{}", i.0, c.0, w.0, o.0, self.reasoning_output_tokens.0)
    }
}
