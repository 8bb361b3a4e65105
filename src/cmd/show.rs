//! `redkey show`: one run, in words or as JSON.

use std::io::Write;

use anyhow::Result;

use super::{Setup, read};
use crate::clock;
use crate::domain::meter::{Meter, Reading};
use crate::domain::run::Run;
use crate::domain::time::{Span, Stamp};
use crate::engine::Model;
use crate::report::Report;

pub fn run(setup: &Setup, name: &str, json: bool, charges: bool, out: &mut dyn Write) -> Result<()> {
    let (model, number) = read::one_run(setup, name)?;
    let Some(run) = model.run(number) else { return Ok(()) };
    let now = clock::now();
    if json {
        serde_json::to_writer_pretty(&mut *out, &Report::of(run, now, &model.rules, charges))?;
        writeln!(out)?;
    } else {
        words(run, &model, now, out)?;
        if charges {
            writeln!(out)?;
            if run.statement.forgotten() > 0 {
                let (older, id) = (run.statement.forgotten(), &run.id);
                writeln!(out, "{older} older lines are not kept; `redkey tail {id}` prints them all")?;
            }
            for charge in run.statement.lines() {
                writeln!(out, "{}", super::tail::line(run, charge))?;
            }
        }
    }
    Ok(())
}

fn words(run: &Run, model: &Model, now: Stamp, out: &mut dyn Write) -> std::io::Result<()> {
    let rules = &model.rules;
    let state = run.state(now, rules);
    let facts = &run.facts;
    writeln!(out, "{}", run.id)?;
    let mut field = |name: &str, text: String| -> std::io::Result<()> {
        if text.is_empty() { Ok(()) } else { writeln!(out, "  {name:10} {text}") }
    };
    let reason = run.outcome_reason();
    let because = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
    field("state", format!("{}{because}", state.name()))?;
    field("agent", format!("{} {}", run.agent(), facts.version).trim_end().to_owned())?;
    field("models", run.tokens.models().iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))?;
    field("task", facts.title.to_string())?;
    field("directory", facts.cwd.to_string())?;
    field("label", facts.label.to_string())?;
    let left = run.left(now, rules);
    field(
        "clock",
        format!(
            "{left} left of {} ({}), {} spent",
            run.clock.granted.short(),
            run.because,
            run.spent(now, rules).short()
        ),
    )?;
    let (binding, forecast) = run.binding(now, rules);
    if let Some(f) = forecast.filter(|_| run.outcome.is_none()) {
        let range = format!("{} (80 % between {} and {}) of work", f.p50.short(), f.p10.short(), f.p90.short());
        field("forecast", format!("{} at zero in {range}", binding.name()))?;
    }
    for reading in run.readings(now, rules).iter().filter(|r| r.cap.is_some() && r.meter != Meter::Clock) {
        field("cap", meter(reading, binding))?;
    }
    let usage = run.tokens.usage();
    field(
        "tokens",
        format!(
            "{} in, {} out, {} cache read, {} cache write",
            usage.input, usage.output, usage.cache_read, usage.cache_write
        ),
    )?;
    let cost = run.tokens.cost();
    let so_far = if run.tokens.settled() || run.outcome.is_some() || usage.total() == 0 { "" } else { " so far" };
    let floor = if cost.is_floor { "≥ " } else { "" };
    field("cost", format!("{floor}{}{so_far}", cost.usd))?;
    let c = &run.counts;
    field("turns", format!("{} ({} model calls)", c.turns, run.tokens.model_calls))?;
    let inferred = match c.failed_inferred {
        0 => String::new(),
        n => format!(", {n} more by their output (heuristic)"),
    };
    field("tools", format!("{} calls, {} failed{inferred}, {} irreversible", c.tool_calls, c.failed, c.irreversible))?;
    field("api", if c.api_errors == 0 { String::new() } else { format!("{} errors", c.api_errors) })?;
    field("subagents", if run.subagents() == 0 { String::new() } else { run.subagents().to_string() })?;
    field("unparsed", if c.unparsed == 0 { String::new() } else { format!("{} lines", c.unparsed) })?;
    writeln!(out, "  spent on")?;
    let mut sums: Vec<_> =
        crate::domain::statement::Rule::ALL.iter().map(|r| (run.statement.sum(*r), r.name())).collect();
    sums.sort_by_key(|(sum, _)| std::cmp::Reverse(*sum));
    for (sum, name) in sums.into_iter().filter(|(sum, _)| *sum != Span::ZERO) {
        writeln!(out, "    {:>12}  {name}", sum.hms())?;
    }
    Ok(())
}

fn meter(reading: &Reading, binding: Meter) -> String {
    let used = reading.used;
    let cap = reading.cap.unwrap_or_default();
    let binds = if reading.meter == binding { ", binds" } else { "" };
    let share = reading.share().unwrap_or_default() * 100.0;
    match reading.meter {
        Meter::Usd => format!("usd ${used:.2} of ${cap:.2} ({share:.0} %{binds})"),
        Meter::Wall => {
            let span = |s: f64| Span((s * 1_000.0) as i64).short();
            format!("wall {} of {} ({share:.0} %{binds})", span(used), span(cap))
        }
        other => format!("{} {used:.0} of {cap:.0} ({share:.0} %{binds})", other.name()),
    }
}
