//! What a backtest found, for people.

use std::io::{Result, Write};

use super::Outcome;
use crate::backtest::mark::{Basis, Ended};
use crate::backtest::summary::{Counted, Side, Summary};
use crate::backtest::{Saved, Session, Verdict};
use crate::cmd::sessions::{columns, short};
use crate::domain::meter::Meter;

pub fn print(outcome: &Outcome, out: &mut dyn Write) -> Result<()> {
    match &outcome.against {
        Some(_) => two(outcome, out)?,
        None => one(outcome, out)?,
    }
    writeln!(out)?;
    stands_on(&outcome.summary, out)?;
    writeln!(out)?;
    sums(outcome, out)?;
    if outcome.shadowed > 0 {
        writeln!(out, "{} live streams and recordings beside a transcript were not counted again", outcome.shadowed)?;
    }
    for what in &outcome.trouble {
        writeln!(out, "not (wholly) read: {what}")?;
    }
    let grants: u64 = outcome.sessions.iter().map(|session| session.grants_left_out).sum();
    if grants > 0 {
        writeln!(out, "{grants} grants by people were left out: they were made on another clock")?;
    }
    let unparsed: u64 = outcome.sessions.iter().map(|session| session.unparsed_lines).sum();
    if unparsed > 0 {
        writeln!(out, "{unparsed} lines could not be parsed")?;
    }
    Ok(())
}

fn one(outcome: &Outcome, out: &mut dyn Write) -> Result<()> {
    let head =
        ["RUN", "ENDED", "SPENT", "BUDGET", "ZERO AT", "BY", "WOULD", "GATES", "SAVED", "TOKENS", "COST", "WORK"];
    let mut rows = vec![head.into_iter().chain(["TASK"]).map(str::to_owned).collect::<Vec<_>>()];
    for session in &outcome.sessions {
        let verdict = &session.policy;
        let mut row = vec![name(session), ended(session), verdict.spent_ms.short(), verdict.budget_ms.short()];
        row.extend(zero(verdict));
        row.push(count(verdict.gates));
        row.extend(saved(verdict.saved.as_ref()));
        row.push(short(&session.title, 40));
        rows.push(row);
    }
    columns(&rows, &[2, 3, 4, 7, 8, 9, 10, 11], out)
}

fn two(outcome: &Outcome, out: &mut dyn Write) -> Result<()> {
    let side = ["SPENT", "ZERO AT", "BY", "WOULD", "GATES", "SAVED", "│"];
    let head = ["RUN", "ENDED"].into_iter().chain(side).chain(side);
    let mut rows = vec![head.chain(["TASK"]).map(str::to_owned).collect::<Vec<_>>()];
    for session in &outcome.sessions {
        let mut row = vec![name(session), ended(session)];
        for verdict in [Some(&session.policy), session.against.as_ref()].into_iter().flatten() {
            row.push(verdict.spent_ms.short());
            row.extend(zero(verdict));
            row.push(count(verdict.gates));
            row.push(verdict.saved.map_or(String::new(), |saved| saved.clock_ms.short()));
            row.push("│".into());
        }
        row.push(short(&session.title, 30));
        rows.push(row);
    }
    writeln!(out, "left: {}; right: {}", outcome.policy, outcome.against.as_ref().map_or("", |name| name.as_str()))?;
    columns(&rows, &[2, 3, 6, 7, 9, 10, 13, 14], out)
}

fn name(session: &Session) -> String {
    let id: String = session.run.session.chars().take(8).collect();
    format!("{}:{id}", session.run.agent.name())
}

/// `good*`: a person says so.
fn ended(session: &Session) -> String {
    match (session.ended, session.basis) {
        (Ended::Good, Basis::Mark) => "good*".into(),
        (Ended::Bad, Basis::Mark) => "bad*".into(),
        _ => session.outcome.to_owned(),
    }
}

/// When it ran out (working time), by which meter, and what would have been done.
fn zero(verdict: &Verdict) -> [String; 3] {
    let Some(zero) = &verdict.zero else { return Default::default() };
    let meter = if zero.meter == Meter::Clock { String::new() } else { zero.meter.name().to_owned() };
    [zero.until.worked_ms.short(), meter, verdict.action.map_or("", |action| action.name()).to_owned()]
}

fn saved(saved: Option<&Saved>) -> [String; 4] {
    saved.map_or_else(Default::default, |saved| {
        [saved.clock_ms.short(), tokens(saved.tokens), saved.usd.to_string(), saved.worked_ms.short()]
    })
}

fn count(n: u64) -> String {
    if n == 0 { String::new() } else { n.to_string() }
}

fn tokens(n: u64) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..10_000_000 => format!("{}k", n / 1_000),
        _ => format!("{}M", n / 1_000_000),
    }
}

/// How much is known of how they ended, and from whom.
fn stands_on(summary: &Summary, out: &mut dyn Write) -> Result<()> {
    let who = |c: Counted| format!("{} ({} by mark, {} by the agent's word)", c.all(), c.by_mark, c.by_outcome);
    writeln!(
        out,
        "{} sessions. Ended well: {}; badly: {}; nobody says: {}",
        summary.sessions,
        who(summary.good),
        who(summary.bad),
        summary.unknown
    )?;
    if summary.good.by_mark + summary.bad.by_mark == 0 {
        writeln!(out, "Nobody has marked any: an agent that went round in circles calls that finished too.")?;
        writeln!(out, "`redkey mark RUN good|bad` says better.")?;
    }
    Ok(())
}

fn sums(outcome: &Outcome, out: &mut dyn Write) -> Result<()> {
    let summary = &outcome.summary;
    let sides: Vec<&Side> = [Some(&summary.policy), summary.against.as_ref()].into_iter().flatten().collect();
    let mut rows = Vec::new();
    if let Some(against) = &outcome.against {
        rows.push(vec![String::new(), outcome.policy.to_string(), against.to_string()]);
    }
    let mut row = |what: &str, cell: &dyn Fn(&Side) -> String| {
        rows.push(std::iter::once(what.to_owned()).chain(sides.iter().map(|side| cell(side))).collect());
    };
    let (good, bad) = (summary.good.all(), summary.bad.all());
    row("ran out", &|s| {
        format!("{} of {} (stop {}, hold {}, warn {})", s.at_zero, summary.sessions, s.stopped, s.held, s.warned)
    });
    row("false stops: ended well, would have been cut", &|s| format!("{} of {good}", s.false_stops));
    row("missed stops: ended badly, would have gone on", &|s| format!("{} of {bad}", s.missed_stops));
    row("caught: ended badly, would have been cut", &|s| format!("{} of {bad}", s.caught));
    row("cut, and nobody says how it ended", &|s| format!("{} of {}", s.cut_unknown, summary.unknown));
    row("saved of those that ended badly", &|s| amount(&s.saved_of_bad));
    row("cut off those that ended well", &|s| amount(&s.lost_of_good));
    row("cut off the others", &|s| amount(&s.saved_of_unknown));
    row("actions that would have waited for a person", &|s| format!("{} in {} sessions", s.gates, s.gated_sessions));
    columns(&rows, &[], out)
}

fn amount(saved: &Saved) -> String {
    let Saved { clock_ms, tokens: n, usd, worked_ms, .. } = saved;
    format!("clock {}, {} tokens, {usd}, work {}", clock_ms.short(), tokens(*n), worked_ms.short())
}
