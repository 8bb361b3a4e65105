//! `redkey tail`: the statement as it is written, one line per charge.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use tokio::sync::mpsc;

use super::{Setup, read};
use crate::clock;
use crate::domain::event::RunId;
use crate::domain::run::Run;
use crate::domain::statement::{Charge, Factors, Rule};
use crate::domain::time::{Span, Stamp};
use crate::engine::{Model, Msg, SourceState};
use crate::sources::{self, Plan};

pub fn run(setup: &Setup, name: &str, follow: bool, json: bool, out: &mut dyn Write) -> Result<()> {
    let path = Path::new(name);
    if name == "-" || (follow && path.exists()) {
        return follow_plan(setup, read::plan(setup, &[path.to_owned()], true)?, None, json, out);
    }
    if follow {
        let (id, _) = read::one_id(setup, name)?; // says so now if there is no such run
        return follow_plan(setup, read::plan(setup, &[], true)?, Some(id), json, out);
    }
    let (plan, wanted) = if path.exists() {
        (read::plan(setup, &[path.to_owned()], true)?, None)
    } else {
        let (id, plan) = read::one_id(setup, name)?;
        (plan, Some(id))
    };
    let mut printer = Printer { json, wanted, seen: Vec::new() };
    let mut failed = Ok(());
    let mut model = read::model(setup);
    let now = plan.now;
    sources::read_now(&plan, &mut |msg| {
        each_event(&mut model, msg, now, |model| {
            if failed.is_ok() {
                failed = printer.news(model, out);
            }
        });
    });
    failed?;
    printer.rest(&model, out)?;
    if model.runs().len() == 0 {
        read::one_run(setup, name)?; // the error says why
    }
    Ok(())
}

/// Lines go out as they come in, until the sources end or (for one run) it has ended.
fn follow_plan(setup: &Setup, plan: Plan, wanted: Option<RunId>, json: bool, out: &mut dyn Write) -> Result<()> {
    let ends_with_input = plan.targets.iter().any(|t| matches!(t, sources::Target::Stdin));
    let (tx, mut rx) = mpsc::channel(64);
    let _watcher = sources::spawn(plan, tx)?;
    let mut model = read::model(setup);
    let mut printer = Printer { json, wanted, seen: Vec::new() };
    while let Some(batch) = rx.blocking_recv() {
        for msg in batch {
            let mut result = Ok(());
            each_event(&mut model, msg, clock::now(), |model| {
                if result.is_ok() {
                    result = printer.news(model, out);
                }
            });
            result?;
        }
        out.flush()?;
        let closed = !model.sources.is_empty()
            && model
                .sources
                .iter()
                .all(|s| matches!(s.state, SourceState::Closed | SourceState::Unknown | SourceState::Failed(_)));
        let ended = !ends_with_input
            && model.progress.is_done()
            && model.runs().len() > 0
            && model.runs().filter(|run| printer.wants(run)).all(|run| run.outcome.is_some());
        if (ends_with_input && closed) || ended {
            break;
        }
    }
    Ok(printer.rest(&model, out)?)
}

/// Applies events one at a time, so that no charge scrolls away unprinted.
fn each_event(model: &mut Model, msg: Msg, now: Stamp, mut after: impl FnMut(&Model)) {
    match msg {
        Msg::Events { source, events } => {
            for event in events {
                model.apply(Msg::Events { source, events: vec![event] }, now);
                after(model);
            }
        }
        other => {
            model.apply(other, now);
        }
    }
}

struct Printer {
    json: bool,
    /// The run whose lines are printed; `None`: all.
    wanted: Option<RunId>,
    /// Lines printed, per run.
    seen: Vec<u64>,
}

impl Printer {
    fn wants(&self, run: &Run) -> bool {
        self.wanted.as_ref().is_none_or(|id| run.id == *id)
    }

    /// Prints what is new and stays as it is: wall time still grows its line, so that waits.
    fn news(&mut self, model: &Model, out: &mut dyn Write) -> std::io::Result<()> {
        self.print(model, |run| run.statement.settled(), out)
    }

    /// Nothing follows: prints the lines that waited.
    fn rest(&mut self, model: &Model, out: &mut dyn Write) -> std::io::Result<()> {
        self.print(model, |run| run.statement.written(), out)?;
        out.flush()
    }

    fn print(&mut self, model: &Model, ready: fn(&Run) -> u64, out: &mut dyn Write) -> std::io::Result<()> {
        for run in model.runs() {
            if !self.wants(run) {
                continue;
            }
            let number = run.number as usize;
            if self.seen.len() <= number {
                self.seen.resize(number + 1, 0);
            }
            let ready = ready(run);
            let fresh = ready.saturating_sub(self.seen[number]) as usize;
            for charge in run.statement.since(self.seen[number]).take(fresh) {
                if self.json {
                    serde_json::to_writer(&mut *out, charge)?;
                    writeln!(out)?;
                } else {
                    writeln!(out, "{}", line(run, charge))?;
                }
            }
            self.seen[number] = self.seen[number].max(ready);
        }
        Ok(())
    }
}

/// `2026-11-23 13:56:11  -00:05:00  irreversible  Bash git push  ×1.1 chain`
pub fn line(run: &Run, charge: &Charge) -> String {
    let sign = if charge.amount > Span::ZERO { "-" } else { "+" };
    let amount = Span(charge.amount.0.abs());
    let tenths = if amount.0 % 1_000 == 0 { String::new() } else { format!(".{:03}", amount.0 % 1_000) };
    let branch = match run.branches.get(usize::from(charge.branch)) {
        Some(branch) if charge.branch > 0 => format!("  [{}]", branch.name),
        _ => String::new(),
    };
    let factors = factors(charge.factors);
    let what = if charge.rule == Rule::Wall { "" } else { charge.what.as_str() };
    format!(
        "{}  {sign}{}{tenths:4}  {:12}  {what}{factors}{branch}",
        local(charge.at),
        amount.hms(),
        charge.rule.name()
    )
    .trim_end()
    .to_owned()
}

/// The multipliers that multiply: `  ×8 repeat ×1.3 chain`.
pub fn factors(f: Factors) -> String {
    f.named().map(|(name, percent)| format!("  ×{} {name}", f64::from(percent) / 100.0)).collect()
}

/// Local time to the second.
pub(super) fn local(at: Stamp) -> String {
    use chrono::TimeZone;
    match chrono::Local.timestamp_millis_opt(at.0).single() {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        None => at.0.to_string(),
    }
}
