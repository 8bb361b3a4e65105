//! PURE. A run as plain data: what `show --json` and `ls --json` print, the same numbers as the screen.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::forecast::Forecast;
use crate::domain::meter::Meter;
use crate::domain::rules::Rules;
use crate::domain::run::{Run, State};
use crate::domain::statement::{Charge, Rule};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::usage::{Usage, Usd};

/// One run at one moment. Amounts of time are whole milliseconds, money is dollars.
#[derive(Debug, Serialize)]
pub struct Report {
    pub run: String,
    pub agent: &'static str,
    pub version: Text,
    pub models: Vec<Text>,
    pub project: Text,
    pub cwd: Text,
    pub title: Text,
    pub label: Text,
    pub state: State,
    /// `finished`, `failed`, `interrupted`, `waiting` for a person, or `unfinished` when the stream breaks off.
    pub outcome: &'static str,
    pub outcome_reason: Text,
    /// The agent hasn't summed up yet: figures can still change without a further answer.
    pub provisional: bool,
    pub tokens: Usage,
    pub cost_usd: Usd,
    pub cost_is_floor: bool,
    pub turns: u64,
    pub model_calls: u64,
    pub tool_calls: u64,
    /// Failed by the agent's own word.
    pub failed_tool_calls: u64,
    /// Called a success by the agent, but the output says otherwise; a heuristic.
    pub failed_tool_calls_inferred: u64,
    pub api_errors: u64,
    pub subagents: u64,
    pub irreversible_actions: u64,
    pub unparsed_lines: u64,
    pub started_at: Option<Stamp>,
    pub last_event_at: Option<Stamp>,
    pub worked_ms: Span,
    pub clock: ClockReport,
    /// Cap of each meter that has one: dollars, counts, or seconds.
    pub caps: BTreeMap<&'static str, f64>,
    /// What each meter has used, in the units of `caps`; the clock in seconds.
    pub used: BTreeMap<&'static str, f64>,
    /// The meter that runs out first.
    pub binding: Meter,
    /// Real working time until it does; absent for runs that have ended.
    pub forecast: Option<Forecast>,
    /// Clock time burnt per second of working time, lately.
    pub pace: Option<f64>,
    /// What each rule took in all, in milliseconds.
    pub spent_by_rule: BTreeMap<&'static str, Span>,
    pub branches: Vec<BranchReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub charges: Option<Vec<Charge>>,
}

#[derive(Debug, Serialize)]
pub struct ClockReport {
    pub granted_ms: Span,
    pub spent_ms: Span,
    pub left_ms: Span,
    /// The policy line that gave it.
    pub because: Text,
}

#[derive(Debug, Serialize)]
pub struct BranchReport {
    pub id: Option<Text>,
    pub name: Text,
    pub depth: u16,
    pub spent_ms: Span,
    pub tool_calls: u32,
    pub failures: u32,
    pub output_tokens: u64,
    pub outcome: Option<&'static str>,
}

impl Report {
    /// Reads a run at `now`. `with_charges` adds the statement's lines.
    pub fn of(run: &Run, now: Stamp, rules: &Rules, with_charges: bool) -> Self {
        let state = run.state(now, rules);
        let (binding, forecast) = run.binding(now, rules);
        let readings = run.readings(now, rules);
        let cost = run.tokens.cost();
        Self {
            run: run.id.to_string(),
            agent: run.id.agent.name(),
            version: run.facts.version.clone(),
            models: run.tokens.models().to_vec(),
            project: Text::new(run.project()),
            cwd: run.facts.cwd.clone(),
            title: run.facts.title.clone(),
            label: run.facts.label.clone(),
            state,
            outcome: run.outcome_name(),
            outcome_reason: Text::new(run.outcome_reason()),
            provisional: !run.tokens.settled() && run.outcome.is_none() && run.tokens.usage().total() > 0,
            tokens: run.tokens.usage(),
            cost_usd: cost.usd,
            cost_is_floor: cost.is_floor,
            turns: run.counts.turns,
            model_calls: run.tokens.model_calls,
            tool_calls: run.counts.tool_calls,
            failed_tool_calls: run.counts.failed,
            failed_tool_calls_inferred: run.counts.failed_inferred,
            api_errors: run.counts.api_errors,
            subagents: run.subagents(),
            irreversible_actions: run.counts.irreversible,
            unparsed_lines: run.counts.unparsed,
            started_at: run.first_at,
            last_event_at: run.last_at,
            worked_ms: run.worked + run.unsettled(now, rules),
            clock: ClockReport {
                granted_ms: run.clock.granted,
                spent_ms: run.spent(now, rules),
                left_ms: run.left(now, rules),
                because: run.because.clone(),
            },
            caps: readings.iter().filter_map(|r| Some((r.meter.name(), r.cap?))).collect(),
            used: readings.iter().map(|r| (r.meter.name(), r.used)).collect(),
            binding,
            forecast: forecast.filter(|_| run.outcome.is_none()),
            pace: run.pace(rules),
            spent_by_rule: Rule::ALL
                .iter()
                .map(|rule| (rule.name(), run.statement.sum(*rule)))
                .filter(|(_, sum)| *sum != Span::ZERO)
                .collect(),
            branches: run.branches.iter().map(BranchReport::of).collect(),
            charges: with_charges.then(|| run.statement.lines().cloned().collect()),
        }
    }
}

impl BranchReport {
    fn of(branch: &crate::domain::run::Branch) -> Self {
        Self {
            id: branch.id.as_deref().map(Text::new),
            name: branch.name.clone(),
            depth: branch.depth,
            spent_ms: branch.spent,
            tool_calls: branch.tools,
            failures: branch.failures,
            output_tokens: branch.output_tokens,
            outcome: branch.ended.map(|o| o.name()),
        }
    }
}
