//! Somebody of redkey's own is killed: the run must end all the same, or nobody may say that it has.

use std::fs;

use redkey::clock;

use crate::cells::verified;
use crate::faults::{Result, usually, with};
use crate::look::{self, Seen};
use crate::place::until;
use crate::shapes::Shape;
use crate::sockets;
use crate::sys;
use crate::trial::{Bench, End, Outcome, Run, broken, policy};

/// Kills somebody and waits until nothing of the shape is left; how long that took, in microseconds.
fn until_gone(run: &Run, kill: impl FnOnce()) -> Result<u64> {
    let began = clock::elapsed();
    kill();
    until(5_000, || (!run.members.iter().any(look::is_listed)).then_some(()))
        .ok_or_else(|| broken("the shape lives on"))?;
    // Then the slow look, for what was made since.
    until(5_000, || look::running(&run.place.program).is_empty().then_some(()))
        .ok_or_else(|| broken(format!("the shape lives on: {:?}", look::running(&run.place.program))))?;
    Ok(clock::elapsed().saturating_sub(began).as_micros() as u64)
}

pub fn audited(run: &Run, bench: &mut Bench, what: &str) -> Result<()> {
    let found = until(2_000, || {
        let text = fs::read_to_string(run.place.path("state/redkey/audit.jsonl")).unwrap_or_default();
        bench.children.poll();
        text.contains(what).then_some(())
    });
    found.ok_or_else(|| broken(format!("the audit log doesn't tell of {what}")))
}

pub fn kill_supervisor(bench: &mut Bench, shape: &Shape) -> Result {
    kill_one(bench, shape, |run| run.supervisor, "supervisor")
}

pub fn kill_guardian(bench: &mut Bench, shape: &Shape) -> Result {
    kill_one(bench, shape, |run| run.guardian, "guardian")
}

/// One of the two is killed: the other ends the run, and the log tells who was lost.
fn kill_one(bench: &mut Bench, shape: &Shape, whom: fn(&Run) -> u32, who: &str) -> Result {
    usually(bench, shape, |bench, run| {
        let took = until_gone(run, || sys::kill(whom(run), libc::SIGKILL))?;
        bench.check_end(run)?;
        audited(run, bench, who)?;
        Ok(Outcome { end: End::Verified, took_us: Some(took) })
    })
}

/// Nobody is left to end the run; a stop by command finds what is left of it.
pub fn kill_both(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        sys::kill(run.supervisor, libc::SIGSTOP);
        sys::kill(run.guardian, libc::SIGKILL);
        sys::kill(run.supervisor, libc::SIGKILL);
        bench.children.wait(run.guardian, 2_000).ok_or_else(|| broken("the guardian can't be killed"))?;
        until(2_000, || {
            bench.children.poll();
            look::one(run.supervisor).is_none().then_some(())
        })
        .ok_or_else(|| broken("the supervisor can't be killed"))?;
        sockets::ends(bench, run, &["--now"])
    })
}

/// The first rung has gone out.
pub fn under_way(bench: &mut Bench, run: &Run) -> Result<u32> {
    let words = ["stop", run.name.as_str(), "--json"];
    let pid = run.place.start("stop", &words).map_err(|e| broken(e.to_string()))?;
    until(2_000, || {
        let log = fs::read_to_string(run.place.path("state/redkey/audit.jsonl")).unwrap_or_default();
        bench.children.poll();
        log.contains("\"stop_requested\"").then_some(())
    })
    .ok_or_else(|| broken("the stop doesn't begin"))?;
    Ok(pid)
}

fn killed_in_a_stop(bench: &mut Bench, run: &Run, who: u32) -> Result {
    let client = under_way(bench, run)?;
    let took = until_gone(run, || sys::kill(who, libc::SIGKILL))?;
    bench.children.wait(client, 5_000).ok_or_else(|| broken("redkey stop goes on"))?;
    bench.check_end(run)?;
    Ok(Outcome { end: End::Verified, took_us: Some(took) })
}

pub fn kill_supervisor_in_a_stop(bench: &mut Bench, shape: &Shape) -> Result {
    let policy = policy(2_000, "10s", "stop");
    with(bench, shape, &policy, |_| {}, |bench, run| killed_in_a_stop(bench, run, run.supervisor))
}

pub fn kill_guardian_in_a_stop(bench: &mut Bench, shape: &Shape) -> Result {
    let policy = policy(2_000, "10s", "stop");
    with(bench, shape, &policy, |_| {}, |bench, run| killed_in_a_stop(bench, run, run.guardian))
}

/// The key works without its meter.
pub fn kill_meter(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        let own = look::below(run.guardian);
        let helpers: Vec<&Seen> = own.iter().filter(|s| s.parent == run.guardian && s.pid != run.supervisor).collect();
        if helpers.is_empty() {
            return Err(broken("there is no meter"));
        }
        helpers.iter().for_each(|seen| sys::kill(seen.pid, libc::SIGKILL));
        sys::sleep_us(20_000);
        if !run.members.iter().all(look::lives) {
            return Err(broken("the run has ended with its meter"));
        }
        verified(bench, run, &["--now"])
    })
}
