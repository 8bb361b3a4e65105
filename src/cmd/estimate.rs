//! `redkey estimate`, and the budget of `redkey run --budget auto`: what finished runs took that are like it.

use std::ffi::OsString;
use std::io::Write;

use anyhow::{Result, bail};
use serde::Serialize;

use super::Setup;
use super::ledger::{dirs, most, refresh};
use crate::cli::EstimateArgs;
use crate::clock;
use crate::domain::event::Agent;
use crate::domain::rules::Allowance;
use crate::domain::text::Text;
use crate::domain::time::Span;
use crate::store::like::{self, ENOUGH, Estimate, Kind, Query};

/// An answer, as JSON has it.
#[derive(Debug, Serialize)]
struct Answer {
    query: Query,
    /// Rows of the ledger, of whatever kind.
    ledger_rows: usize,
    precedent: Option<Estimate>,
    /// Every kind of likeness that was tried, nearest first.
    tried: Vec<Kind>,
    /// What `redkey run --budget auto` would give.
    budget_ms: Span,
    /// Where that comes from.
    because: String,
}

pub fn run(setup: &Setup, args: &EstimateArgs, out: &mut dyn Write) -> Result<()> {
    let agent = match args.agent.as_deref() {
        None => None,
        Some(name) => match Agent::parse(name) {
            Some(agent) => Some(agent),
            None => {
                let names: Vec<&str> = Agent::ALL.iter().map(|agent| agent.name()).collect();
                bail!("no agent is called {}\nhint: one of {}", Text::new(name), names.join(", "))
            }
        },
    };
    let text = |given: &Option<String>| Text::new(given.as_deref().unwrap_or_default());
    let cwd = Text::new(&std::env::current_dir().unwrap_or_default().to_string_lossy());
    let query = Query { agent, label: text(&args.label), project: cwd, task: text(&args.task) };
    let agent = query.agent.unwrap_or(Agent::Native);
    let given = setup.rules.allowance(agent, query.project.as_str(), query.label.as_str());
    let answer = answer(setup, query, &given)?;
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &answer)?;
        writeln!(out)?;
        return Ok(());
    }
    Ok(words(&answer, out)?)
}

/// The budget of a run that is about to start, told on standard error in one line. What can't be found out is no reason
/// not to start it.
pub fn auto(
    setup: &Setup,
    agent: Option<Agent>,
    label: &Text,
    cwd: &Text,
    command: &[OsString],
    given: &Allowance,
) -> Span {
    let query = Query { agent, label: label.clone(), project: cwd.clone(), task: task_of(command) };
    let (budget, why) = match answer(setup, query, given) {
        Ok(answer) => (answer.budget_ms, answer.because),
        Err(error) => {
            let error = format!("{error:#}");
            let error = Text::new(error.lines().next().unwrap_or_default());
            (given.clock, format!("the policy's ({}), since nothing could be estimated: {error}", given.because))
        }
    };
    let _ = writeln!(std::io::stderr(), "redkey: budget {}: {why}", budget.short());
    budget
}

/// The task, as far as a command line tells: its longest argument of several words.
fn task_of(command: &[OsString]) -> Text {
    let arguments = command.iter().skip(1).map(|argument| argument.to_string_lossy());
    let tasks =
        arguments.filter(|argument| !argument.starts_with('-') && argument.trim().contains(char::is_whitespace));
    tasks.max_by_key(|task| task.len()).map(|task| Text::new(&task)).unwrap_or_default()
}

fn answer(setup: &Setup, query: Query, given: &Allowance) -> Result<Answer> {
    let (ledger, _) = refresh(setup, &dirs()?, &[], false)?;
    let rows = ledger.rows()?;
    let (precedent, tried) = like::estimate(&rows, &query, clock::now());
    let (budget_ms, because) = match &precedent {
        Some(found) => {
            let budget = like::suggested(found, most(&setup.rules, given));
            let cut = if budget < found.p90_ms { ", cut to what the policy allows" } else { "" };
            (budget, format!("p90 of {} finished runs like it ({}), rounded up{cut}", found.runs, found.like))
        }
        None => {
            let nearest = tried.iter().map(|kind| kind.runs).max().unwrap_or(0);
            let why = format!("no precedent, {nearest} finished runs are like it and {ENOUGH} are needed");
            (given.clock, format!("the policy's ({}); {why}", given.because))
        }
    };
    Ok(Answer { query, ledger_rows: rows.len(), precedent, tried, budget_ms, because })
}

fn words(answer: &Answer, out: &mut dyn Write) -> std::io::Result<()> {
    match &answer.precedent {
        Some(found) => {
            writeln!(out, "p50 {}, p90 {} of clock time", found.p50_ms.short(), found.p90_ms.short())?;
            writeln!(out, "{} finished runs stand behind it: {}", found.runs, found.like)?;
        }
        None => writeln!(out, "no precedent: fewer than {ENOUGH} finished runs are like it")?,
    }
    for kind in answer.tried.iter().filter(|kind| kind.runs < ENOUGH) {
        writeln!(out, "  {}: {}", kind.like, kind.runs)?;
    }
    if answer.ledger_rows == 0 {
        writeln!(out, "The ledger is empty: no session was found (`redkey ls --all` says where it was looked for).")?;
    } else if answer.tried.is_empty() || answer.precedent.is_none() {
        writeln!(out, "Of {} runs that are known. `redkey ledger ls` lists them.", answer.ledger_rows)?;
    }
    writeln!(out, "budget {}: {}", answer.budget_ms.short(), answer.because)?;
    writeln!(out, "`redkey run --budget auto …` gives as much.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_the_longest_argument_of_several_words() {
        for (command, task) in [
            (&["claude", "-p", "fix the parser", "--model", "x"][..], "fix the parser"),
            (&["codex", "exec", "short one", "and a longer one"], "and a longer one"),
            (&["claude"], ""),
            (&["a command with spaces", "--flag with words"], ""),
        ] {
            let command: Vec<OsString> = command.iter().map(OsString::from).collect();
            assert_eq!(task_of(&command).as_str(), task);
        }
    }
}
