//! The session's own sums, at the end of a turn in the stream and at the end of a session on disk.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::adapters::json::{Count, Object};
use crate::domain::event::{Outcome, Totals};
use crate::domain::text::Text;
use crate::domain::usage::{Usage, Usd};

/// What each model took, for the whole session: subagents, dropped attempts and earlier processes included.
pub(super) type ModelUsage = Object<BTreeMap<String, Object<ModelTotals>>>;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ModelTotals {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    #[serde(rename = "cacheCreationEphemeral1hInputTokens")]
    cache_creation_1h: Count,
}

/// `fallback` is used where no model is named.
pub(super) fn totals(models: &ModelUsage, fallback: Option<Usage>, dollars: Option<f64>) -> Totals {
    let mut usage = fallback;
    let mut sums: Vec<(Text, Usage)> = Vec::new();
    for (name, model) in models.0.iter().flatten() {
        let Some(model) = &model.0 else { continue };
        let took = Usage {
            input: model.input_tokens.0,
            output: model.output_tokens.0,
            cache_read: model.cache_read_input_tokens.0,
            cache_write: model.cache_creation_input_tokens.0,
            cache_write_1h: model.cache_creation_1h.0,
            ..Usage::ZERO
        };
        usage = if sums.is_empty() { Some(took) } else { usage.map(|sum| sum + took) };
        sums.push((Text::new(name), took));
    }
    Totals { usage, cost: dollars.and_then(Usd::from_f64), with_subagents: true, models: sums }
}

/// How a turn ended, by `terminal_reason`; without one, by what older versions give. `interrupted`: the stream said
/// that somebody stopped it.
pub(super) fn outcome(reason: &str, subtype: &str, is_error: bool, interrupted: bool) -> Outcome {
    match reason {
        "api_error" | "max_turns" | "budget_exhausted" => Outcome::Failed,
        "hook_stopped" | "tool_deferred" | "stop_hook_prevented" => Outcome::Interrupted,
        _ if reason.starts_with("aborted") => Outcome::Interrupted,
        _ if subtype == "error_during_execution" && interrupted => Outcome::Interrupted,
        _ if is_error || subtype.starts_with("error") => Outcome::Failed,
        _ => Outcome::Finished,
    }
}
