//! `redkey stop` and `redkey status`: the key without a screen.

use std::collections::HashSet;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::Setup;
use crate::cli::StopArgs;
use crate::clock;
use crate::config::Dirs;
use crate::control::audit::{self, Audit, Fact, Started};
use crate::control::client::{self, ClientError};
use crate::control::dir::RunDir;
use crate::control::holds::{self, Desks, Hold, Places};
use crate::control::lost;
use crate::control::mapping::scan::Proc;
use crate::control::meter::ledger;
use crate::control::peer;
use crate::control::protocol::Status;
use crate::control::stopping::{self, Record, Request, StopError, Target};
use crate::control::words::{Key, Mode, Phase, ProcId, Stop};
use crate::domain::event::Key as Digest;
use crate::domain::text::Text;

/// Exit codes of `redkey stop`.
pub mod code {
    pub const VERIFIED: u8 = 0;
    pub const REFUSED: u8 = 3;
    pub const UNKNOWN: u8 = 4;
    pub const FAILED: u8 = 5;
    pub const IDLE: u8 = 6;
}

/// What is printed of one run.
#[derive(Serialize)]
struct Line<'a> {
    run: &'a Text,
    /// As for the exit code: `verified`, `refused`, `unknown`, `failed`, `idle`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<&'a Stop>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<Text>,
}

/// Stops what the arguments name, all of it at once; the gravest exit code.
pub fn stop(setup: &Setup, args: &StopArgs, out: &mut (dyn Write + Send)) -> Result<u8> {
    let dirs = Dirs::find().context("no home directory is known (HOME is not set)\nhint: set HOME")?;
    let run_dir = RunDir::open(&dirs)?;
    let path = audit::path(&dirs);
    let log = Audit::open(&path);
    if let Some(leader) = &args.leader {
        return for_screen(setup, args, leader, (&path, &log), out);
    }
    let (targets, whys) = targets(setup, args, &run_dir, &path);
    if targets.is_empty() {
        let run = Text::new(args.run.as_deref().or(args.of_label.as_deref()).unwrap_or("any run"));
        let why = whys.into_iter().next().unwrap_or_else(|| ended(&dirs, &run));
        let line = Line { run: &run, result: "unknown", stop: None, why: Some(why) };
        print(&line, args.json, out)?;
        return Ok(code::UNKNOWN);
    }
    if let Some(target) = targets.iter().find(|target| !matches!(target, Target::Socket { .. }))
        && let Err(why) = peer::may_i(&path)
    {
        // A socket's owner refuses by itself; here nobody else would.
        let (run, result) = (target.name(), Err(StopError::Refused(why)));
        return report_as(&run, &result, args.json, out);
    }
    let mode = mode(args);
    let mut worst = code::VERIFIED;
    let one = |index: usize, target: &Target| {
        let request = Request {
            id: stop_id(&target.name(), index),
            mode,
            by: Text::new("command"),
            reason: Text::new(&args.reason),
            times: setup.rules.policy.stop.into(),
        };
        let tells = !args.json && targets.len() == 1;
        let mut seen = 0;
        stopping::stop(target, &request, &Record { log: &path, audit: &log }, None, &mut |stop| {
            if tells {
                seen = progress(stop, seen);
            }
            record(&log, target, stop);
        })
    };
    let results = at_once(&targets, &one);
    for (target, result) in targets.iter().zip(results) {
        let result = result.ok_or_else(|| anyhow::anyhow!("the stop of {} has crashed", target.name()))?;
        worst = worst.max(report(target, &result, args.json, out)?);
    }
    log.flush(std::time::Duration::from_millis(500));
    Ok(worst)
}

type Stopped = Result<Stop, StopError>;

/// Stops each in a thread of its own, the last one here; where there are no threads to be had, one after the other.
fn at_once(targets: &[Target], stop: &(dyn Fn(usize, &Target) -> Stopped + Sync)) -> Vec<Option<Stopped>> {
    std::thread::scope(|scope| {
        let others = targets.len().saturating_sub(1);
        let begun: Vec<_> = targets[..others]
            .iter()
            .enumerate()
            .map(|(i, target)| std::thread::Builder::new().spawn_scoped(scope, move || stop(i, target)))
            .collect();
        let last = targets.last().map(|target| Some(stop(others, target)));
        let ended = begun.into_iter().enumerate().map(|(i, thread)| match thread {
            Ok(thread) => thread.join().ok(),
            Err(_) => Some(stop(i, &targets[i])),
        });
        ended.collect::<Vec<_>>().into_iter().chain(last).collect()
    })
}

fn mode(args: &StopArgs) -> Mode {
    match (args.now, args.interrupt) {
        (true, _) => Mode::Now,
        (_, true) => Mode::Interrupt,
        _ => Mode::Ladder,
    }
}

/// A screen's press on a run without a socket: this process goes up the ladder, whatever becomes of the screen.
fn for_screen(
    setup: &Setup,
    args: &StopArgs,
    leader: &str,
    (path, log): (&Path, &Audit),
    out: &mut dyn Write,
) -> Result<u8> {
    let leader = leader
        .split_once(':')
        .and_then(|(pid, start)| Some(ProcId { pid: pid.parse().ok()?, start: start.parse().ok()? }));
    let (Some(leader), Some(run)) = (leader, args.run.as_ref().and_then(|run| ledger::parse_id(&Text::new(run))))
    else {
        anyhow::bail!("`--leader PID:START` and a whole run id are needed");
    };
    if let Err(why) = peer::may_i(path) {
        writeln!(out, "refused: {why}")?;
        return Ok(code::REFUSED);
    }
    let target = Target::Process { run, leader };
    let request = Request {
        id: args.id.as_deref().map_or_else(|| stop_id(&target.name(), 0), Text::new),
        mode: mode(args),
        by: Text::new("screen"),
        reason: Text::new(&args.reason),
        times: setup.rules.policy.stop.into(),
    };
    let stdin = std::io::stdin();
    let record_of = Record { log: path, audit: log };
    let result = stopping::stop(&target, &request, &record_of, Some(stdin.as_fd()), &mut |stop| {
        record(log, &target, stop);
        // If the screen has gone, the record still tells.
        let _ = serde_json::to_writer(&mut *out, stop).map(|()| writeln!(out).and_then(|()| out.flush()));
    });
    log.flush(std::time::Duration::from_millis(500));
    match result {
        Ok(stop) if stop.phase == Phase::VerifiedDead => Ok(code::VERIFIED),
        Ok(_) => Ok(code::FAILED),
        Err(error) => {
            let _ = writeln!(out, "{error}"); // as above
            Ok(code::UNKNOWN)
        }
    }
}

/// Runs that a stop by these arguments means, and why others can't be stopped.
fn targets(setup: &Setup, args: &StopArgs, run_dir: &RunDir, log: &Path) -> (Vec<Target>, Vec<Text>) {
    let socket = |name: &str| {
        let path = run_dir.socket_path(name).ok()?;
        Some(Target::Socket { name: Text::new(name), path })
    };
    // A whole name needs nobody's word: the slot that is kept for a stop is there even if all others are taken.
    let named = args.run.as_ref().filter(|run| run_dir.names().contains(run));
    if let Some(target) = named.and_then(|run| socket(run)) {
        return (vec![target], vec![]);
    }
    let survey = client::survey(run_dir);
    let by_socket: Vec<(String, Status)> = match (&args.run, &args.of_label) {
        (Some(run), _) => survey.matching(run),
        (None, Some(label)) => survey.matching(label).into_iter().filter(|(_, s)| s.label.as_str() == label).collect(),
        (None, None) => survey.runs.clone(),
    };
    let mut targets: Vec<Target> = by_socket.iter().filter_map(|(name, _)| socket(name)).collect();
    if args.run.is_none() {
        // What doesn't answer may be of that label; it is asked too, and its silence is no success.
        let there = |error: &ClientError| !matches!(error, ClientError::NotThere);
        targets.extend(survey.silent.iter().filter(|(_, e)| there(e)).filter_map(|(name, _)| socket(name)));
    }
    for target in silent_targets(args, run_dir, log, &survey.answered()) {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let mut whys = vec![];
    if args.of_label.is_none() && (targets.is_empty() || args.every) {
        let taken: HashSet<&Text> = by_socket.iter().flat_map(|(_, s)| &s.metered.sessions).collect();
        for hold in found(setup, run_dir) {
            let name = Text::new(&hold.run.to_string());
            if taken.contains(&name) || hold.key != Key::Signal && args.every || !means(args, &hold) {
                continue;
            }
            match hold.leader.filter(|_| hold.key == Key::Signal) {
                Some(leader) => targets.push(Target::Process { run: hold.run, leader }),
                None => whys.push(hold.why),
            }
        }
    }
    if args.run.is_some() && targets.len() > 1 {
        let names: Vec<String> = targets.iter().map(|t| t.name().to_string()).collect();
        return (vec![], vec![Text::new(&format!("that may mean several runs: {}", names.join(", ")))]);
    }
    (targets, whys)
}

/// Recorded runs that gave no answer: they lost their socket or their supervisor, or it hangs.
fn silent_targets(args: &StopArgs, run_dir: &RunDir, log: &Path, answered: &[String]) -> Vec<Target> {
    let silent = lost::silent(log, answered).unwrap_or_default(); // no log: nothing is known of such runs
    let wanted = |started: &Started| match (&args.run, &args.of_label) {
        (Some(run), _) => started.run.as_str() == run || started.label.as_str() == run,
        (None, Some(label)) => started.label.as_str() == label,
        (None, None) => true,
    };
    let sockets = run_dir.names();
    let target = |run: Text| match run_dir.socket_path(run.as_str()) {
        Ok(path) if sockets.iter().any(|name| name == run.as_str()) => Target::Socket { name: run, path },
        _ => Target::Lost { name: run },
    };
    silent.into_iter().filter(|(run, _)| wanted(&run.started)).map(|(run, _)| target(run.started.run)).collect()
}

fn means(args: &StopArgs, hold: &Hold) -> bool {
    args.run.as_deref().is_none_or(|wanted| {
        !wanted.is_empty() && (hold.run.session.starts_with(wanted) || hold.run.to_string().starts_with(wanted))
    })
}

fn found(setup: &Setup, run_dir: &RunDir) -> Vec<Hold> {
    let places = Places { sockets: PathBuf::from(run_dir.path()), proc: Proc::system(), env: setup.env.clone() };
    holds::look(&places, &Desks)
}

/// Why a run of this name can't be stopped: it may have been, before.
fn ended(dirs: &Dirs, run: &Text) -> Text {
    let log = audit::read(&audit::path(dirs)).map(|log| log.records).unwrap_or_default();
    let last = audit::facts_of(&log, run.as_str()).into_iter().rev().find_map(|record| match &record.fact {
        Fact::RunEnded { outcome, .. } => Some(Text::new(&format!("it is over: {outcome}"))),
        _ => None,
    });
    last.unwrap_or_else(|| Text::new("no run of that name has a key (`redkey status` lists those that have)"))
}

fn stop_id(name: &Text, index: usize) -> Text {
    let parts = [name.as_str(), &clock::now().0.to_string(), &std::process::id().to_string(), &index.to_string()];
    Text::new(&format!("c-{:016x}", Digest::of(&parts).0))
}

/// Runs that redkey supervises record themselves.
fn record(log: &Audit, target: &Target, stop: &Stop) {
    let Target::Process { .. } = target else { return };
    let name = target.name();
    match (&stop.receipt, stop.rungs.last()) {
        (Some(receipt), _) => {
            log.record(Some(&name), Fact::StopEnded { id: stop.id.clone(), receipt: receipt.clone() });
        }
        (None, Some(lit)) if stop.rungs.len() == 1 && stop.phase == Phase::Delivered && lit.after_us < 1_000_000 => {
            let (id, mode, by, reason) = (stop.id.clone(), stop.mode, stop.by.clone(), stop.reason.clone());
            log.record(Some(&name), Fact::StopRequested { id, mode, by, reason });
        }
        _ => {}
    }
}

/// Tells each rung as it lights, on standard error; how many were told.
fn progress(stop: &Stop, seen: usize) -> usize {
    for lit in &stop.rungs[seen.min(stop.rungs.len())..] {
        // Nobody needs it but a person who looks.
        let _ = writeln!(
            std::io::stderr().lock(),
            "{:>4} after {}, {} alive",
            lit.rung.name(),
            crate::control::words::format_took(lit.after_us),
            stop.alive
        );
    }
    stop.rungs.len()
}

fn report(target: &Target, result: &Result<Stop, StopError>, json: bool, out: &mut dyn Write) -> Result<u8> {
    report_as(&target.name(), result, json, out)
}

fn report_as(run: &Text, result: &Result<Stop, StopError>, json: bool, out: &mut dyn Write) -> Result<u8> {
    let (result, stop, why, code) = match result {
        Ok(stop) => match stop.phase {
            Phase::VerifiedDead => ("verified", Some(stop), None, code::VERIFIED),
            Phase::IdleAfterInterrupt => ("idle", Some(stop), None, code::IDLE),
            _ => ("failed", Some(stop), None, code::FAILED),
        },
        Err(StopError::Refused(why)) => ("refused", None, Some(why.clone()), code::REFUSED),
        Err(StopError::Unknown(why)) => ("unknown", None, Some(why.clone()), code::UNKNOWN),
        Err(StopError::Broken(why)) => ("failed", None, Some(Text::new(why)), code::FAILED),
    };
    print(&Line { run, result, stop, why }, json, out)?;
    Ok(code)
}

fn print(line: &Line<'_>, json: bool, out: &mut dyn Write) -> Result<()> {
    if json {
        serde_json::to_writer(&mut *out, line)?;
        writeln!(out)?;
        return Ok(());
    }
    let receipt = line.stop.and_then(|stop| stop.receipt.as_ref());
    let words = receipt.map_or_else(|| line.result.to_owned(), |r| r.words());
    let why = line.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    writeln!(out, "{}  {words}{why}", line.run)?;
    for s in receipt.iter().flat_map(|r| &r.survivors) {
        writeln!(out, "  {:>8} {:<16} {} {}", s.pid, s.name, s.state, s.why)?;
    }
    Ok(())
}

/// Prints the runs that listen, or the one that is named; exit code 4 if it isn't there.
pub fn status(run: Option<&str>, json: bool, out: &mut dyn Write) -> Result<u8> {
    let dirs = Dirs::find().context("no home directory is known (HOME is not set)\nhint: set HOME")?;
    let run_dir = RunDir::open(&dirs)?;
    crate::control::desk::tidy(&run_dir); // sockets of runs that were killed
    let survey = client::survey(&run_dir);
    let runs = run.map_or_else(|| survey.runs.clone(), |wanted| survey.matching(wanted));
    let lost = lost::silent(&audit::path(&dirs), &survey.answered())?;
    if json {
        let statuses: Vec<&Status> = runs.iter().map(|(_, status)| status).collect();
        serde_json::to_writer(&mut *out, &statuses)?;
        writeln!(out)?;
    } else {
        if runs.is_empty() && lost.is_empty() {
            writeln!(out, "no run has a key of its own; `redkey run -- COMMAND` starts one that has")?;
        }
        for (name, status) in &runs {
            status_line(name, status, out)?;
        }
        for (name, error) in &survey.silent {
            writeln!(out, "{name}  no answer: {error}")?;
        }
        for (lost, left) in lost.iter().filter(|(lost, _)| run.is_none_or(|wanted| lost.started.run.as_str() == wanted))
        {
            let what =
                if lost.keepers().is_empty() { "its supervisor is gone" } else { "its supervisor doesn't answer" };
            let Started { run, command, .. } = &lost.started;
            writeln!(out, "{run}  LOST: {what}, {left} alive  {command}  (`redkey stop {run}` ends it)")?;
        }
    }
    Ok(if run.is_some() && runs.is_empty() { code::UNKNOWN } else { 0 })
}

fn status_line(name: &str, status: &Status, out: &mut dyn Write) -> Result<()> {
    let clock = status.metered.clock.as_ref().map_or_else(|| "--:--".to_owned(), |c| c.left_ms.hms());
    let grade = status.grade.map_or("hooked", |grade| grade.name());
    let stop = status.stop.as_ref().map(|s| format!("  {}", s.phase)).unwrap_or_default();
    let meter = if status.meter { "" } else { "  no meter" };
    let held = if status.metered.clock.as_ref().is_some_and(|c| c.held) { "  held" } else { "" };
    let sessions: Vec<&str> = status.metered.sessions.iter().map(Text::as_str).collect();
    writeln!(
        out,
        "{name}  {clock}  {grade}  {} alive{stop}{held}{meter}  {}  {}",
        status.alive,
        status.command,
        sessions.join(" ")
    )?;
    Ok(())
}
