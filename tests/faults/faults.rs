//! Faults beside the shapes: rungs that must be on time, a process that can't be killed, many who ask at once, screens.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::cells::verified;
use crate::kills::{audited, under_way};
use crate::look::{self, Seen};
use crate::place::{self, until};
use crate::shapes::Shape;
use crate::sys;
use crate::trial::{Bench, End, Outcome, RUNG, Run, Stuck, broken, policy};

pub type Result<T = Outcome> = std::result::Result<T, Stuck>;

pub fn usual() -> String {
    policy(RUNG, "10s", "stop")
}

/// Runs a trial's middle and always clears up after it.
pub fn with(
    bench: &mut Bench,
    shape: &Shape,
    policy: &str,
    change: impl FnOnce(&mut Command),
    middle: impl FnOnce(&mut Bench, &mut Run) -> Result,
) -> Result {
    let mut run = bench.start(shape, policy, change)?;
    let outcome = middle(bench, &mut run).unwrap_or_else(Outcome::of);
    Ok(bench.finish(run, outcome))
}

/// The same under the usual policy, with nothing about the start changed.
pub fn usually(bench: &mut Bench, shape: &Shape, middle: impl FnOnce(&mut Bench, &mut Run) -> Result) -> Result {
    with(bench, shape, &usual(), |_| {}, middle)
}

/// Each rung within 100 ms of its time: as the receipt tells, and as the shape itself heard the signals.
pub fn rungs_on_time(bench: &mut Bench, shape: &Shape) -> Result {
    const RUNG: u64 = 300;
    with(
        bench,
        shape,
        &policy(RUNG, "10s", "stop"),
        |_| {},
        |bench, run| {
            let began = sys::now_us();
            verified(bench, run, &[])?;
            let mut worst = 0u64;
            let rungs = run.place.json("stop")["stop"]["rungs"].clone();
            let lit: Vec<(String, u64)> = rungs
                .as_array()
                .into_iter()
                .flatten()
                .map(|lit| (lit["rung"].as_str().unwrap_or_default().to_owned(), lit["after_us"].as_u64().unwrap_or(0)))
                .collect();
            let names: Vec<&str> = lit.iter().map(|(name, _)| name.as_str()).collect();
            if names != ["int", "term", "kill"] {
                return Err(broken(format!("the rungs were {names:?}")));
            }
            for (at, (_, after)) in lit.iter().enumerate() {
                worst = worst.max(after.abs_diff(at as u64 * RUNG * 1_000));
            }
            let heard: Vec<(i32, u64)> = run
                .place
                .heard()
                .lines()
                .filter_map(|line| line.strip_prefix("s ")?.split_once(' '))
                .filter_map(|(signal, at)| Some((signal.parse().ok()?, at.parse().ok()?)))
                .collect();
            let [(libc::SIGINT, int), (libc::SIGTERM, term)] = heard[..] else {
                return Err(broken(format!("the shape heard {heard:?}")));
            };
            worst = worst.max((term - int).abs_diff(RUNG * 1_000));
            if int < began {
                return Err(broken("a signal before the stop"));
            }
            Ok(Outcome { end: End::Verified, took_us: Some(worst) })
        },
    )
}

/// A process that we may not signal: a failure with its name and the reason, never a proof.
pub fn another_user(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &policy(RUNG, "1s", "stop"),
        |_| {},
        |bench, run| {
            let (code, _) = bench.stop(run, &["--now"])?;
            let line = run.place.json("stop");
            let living: Vec<&Seen> = run.members.iter().filter(|seen| look::lives(seen)).collect();
            if living.is_empty() {
                return Err(broken(format!("it could be killed after all: {line}")));
            }
            if code == 0 || line["stop"]["phase"] == "verified-dead" {
                return Err(End::False(format!("{living:?} lives, and {line}")));
            }
            let survivors = line["stop"]["receipt"]["survivors"].clone();
            let named = survivors.as_array().is_some_and(|list| {
                list.iter().any(|one| run.members.iter().any(|seen| one["pid"] == seen.pid && one["why"] != ""))
            });
            if code != 5 || !named {
                return Err(broken(format!("exit code {code}, and {line}")));
            }
            Ok(Outcome::of(End::Failed))
        },
    )
}

/// Several stops at once: one ladder, one result. `args`: of each.
fn at_once(bench: &mut Bench, run: &Run, args: &[&[&str]]) -> Result {
    let mut clients = vec![];
    for (n, args) in args.iter().enumerate() {
        let words: Vec<&str> = ["stop", run.name.as_str(), "--json"].into_iter().chain(args.iter().copied()).collect();
        let name = format!("stop{n}");
        clients.push((run.place.start(&name, &words).map_err(|e| broken(e.to_string()))?, name));
    }
    let mut told = vec![];
    for (pid, name) in clients {
        let status = bench.children.wait(pid, 15_000).ok_or_else(|| broken("redkey stop goes on"))?;
        let (code, line) = (place::code(status), run.place.json(&name));
        // One that came when all was over has no receipt, and says just that.
        if code == 0 {
            told.push(line["stop"].clone());
        } else if code != 4 {
            return Err(broken(format!("redkey stop ended with {code}: {}", run.place.printed(&name))));
        }
    }
    bench.check(run)?;
    bench.check_end(run)?;
    let Some(first) = told.first() else { return Err(broken("nobody was told")) };
    if let Some(other) = told.iter().find(|one| *one != first) {
        return Err(broken(format!("two results: {first} and {other}")));
    }
    let took = first["receipt"]["took_us"].as_u64().unwrap_or(0);
    let lit = first["rungs"].as_array().and_then(|rungs| rungs.last()?["after_us"].as_u64()).unwrap_or(0);
    Ok(Outcome { end: End::Verified, took_us: Some(took.saturating_sub(lit)) })
}

pub fn two_stops(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| at_once(bench, run, &[&[], &[]]))
}

pub fn fifty_clients(bench: &mut Bench, shape: &Shape) -> Result {
    let policy = policy(500, "10s", "stop");
    with(bench, shape, &policy, |_| {}, |bench, run| at_once(bench, run, &[&[] as &[&str]; 50]))
}

/// The stop has gone on to its end without whoever asked.
fn stopped_alone(bench: &mut Bench, run: &mut Run) -> Result {
    let status =
        bench.children.wait(run.guardian, 5_000).ok_or_else(|| broken("the stop has ended with its client"))?;
    bench.check(run)?;
    bench.check_end(run)?;
    if place::code(status) != 124 {
        return Err(broken(format!("redkey run ended with {status}, not with 124")));
    }
    Ok(Outcome::of(End::Verified))
}

/// The stop goes on without whoever asked.
pub fn client_killed(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        let client = under_way(bench, run)?;
        sys::kill(client, libc::SIGKILL);
        stopped_alone(bench, run)
    })
}

/// Nobody reads what `redkey stop` prints.
pub fn client_output_closed(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        let (reader, writer) = std::io::pipe().map_err(|e| broken(e.to_string()))?;
        drop(reader);
        let words = ["stop", run.name.as_str(), "--json"].map(OsStr::new);
        let mut command = run.place.redkey(&words);
        let errors = writer.try_clone().map_err(|e| broken(e.to_string()))?;
        let client = command.stdout(writer).stderr(errors).spawn().map_err(|e| broken(e.to_string()))?.id();
        drop(command);
        bench.children.wait(client, 5_000).ok_or_else(|| broken("redkey stop goes on"))?;
        stopped_alone(bench, run)
    })
}

/// Nobody asks and nobody looks: the run's own clock runs out, and it is stopped.
pub fn clock_at_zero(bench: &mut Bench, shape: &Shape) -> Result {
    let policy = usual() + "[budget]\ndefault = \"1s\"\n";
    with(
        bench,
        shape,
        &policy,
        |_| {},
        |bench, run| {
            let status =
                bench.children.wait(run.guardian, 15_000).ok_or_else(|| broken("its clock doesn't stop it"))?;
            bench.check(run)?;
            bench.check_end(run)?;
            audited(run, bench, "verified-dead")?;
            if place::code(status) != 124 {
                return Err(broken(format!("redkey run ended with {status}, not with 124")));
            }
            Ok(Outcome::of(End::Verified))
        },
    )
}

/// A screen that looks on, and has drawn something.
fn screen(bench: &mut Bench, run: &Run) -> Result<(u32, File)> {
    let (ours, theirs) = sys::terminal().map_err(|e| broken(format!("no terminal: {e}")))?;
    let mut command = run.place.redkey(&[]);
    let end = || theirs.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
    command.stdin(end()).stdout(end()).stderr(end());
    let pid = command.spawn().map_err(|e| broken(e.to_string()))?.id();
    drop((command, theirs));
    let mut ours = File::from(ours);
    rustix::io::ioctl_fionbio(&ours, true).map_err(|e| broken(e.to_string()))?;
    let drawn = until(5_000, || {
        bench.children.poll();
        matches!(ours.read(&mut [0; 4096]), Ok(1..)).then_some(())
    });
    drawn.ok_or_else(|| broken("the screen draws nothing"))?;
    Ok((pid, ours))
}

pub fn screen_killed(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        let (screen, _end) = screen(bench, run)?;
        sys::sleep_us(sys::now_us() % 60_000);
        sys::kill(screen, libc::SIGKILL);
        bench.children.wait(screen, 2_000).ok_or_else(|| broken("the screen can't be killed"))?;
        if !run.members.iter().all(look::lives) {
            return Err(broken("the run has ended with the screen"));
        }
        verified(bench, run, &["--now"])
    })
}

pub fn screen_stopped(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        let (screen, _end) = screen(bench, run)?;
        sys::kill(screen, libc::SIGSTOP);
        let (code, _) = bench.stop(run, &["--now"])?;
        let checked = bench.check(run);
        let took = run.receipt("stop");
        sys::kill(screen, libc::SIGKILL);
        bench.children.wait(screen, 2_000).ok_or_else(|| broken("the screen can't be killed"))?;
        checked?;
        if code != 0 {
            return Err(broken(format!("redkey stop ended with {code}: {}", run.place.printed("stop"))));
        }
        bench.check_end(run)?;
        Ok(Outcome { end: End::Verified, took_us: Some(took?.0) })
    })
}
