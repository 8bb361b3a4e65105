//! Faults beside the shapes: somebody of redkey's own is killed, many ask at once, something has run out.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::process::Stdio;

use redkey::clock;

use crate::cells::{quiet, verified};
use crate::look::{self, Seen};
use crate::place::{self, limited, until};
use crate::shapes::Shape;
use crate::sys;
use crate::trial::{Bench, End, Outcome, RUNG, Run, Stuck, broken, policy};

type Result<T = Outcome> = std::result::Result<T, Stuck>;

fn usual() -> String {
    policy(RUNG, "10s", "stop")
}

/// Runs a trial's middle and always clears up after it.
fn with(
    bench: &mut Bench,
    shape: &Shape,
    policy: &str,
    change: impl FnOnce(&mut std::process::Command),
    middle: impl FnOnce(&mut Bench, &mut Run) -> Result,
) -> Result {
    let mut run = bench.start(shape, policy, change)?;
    let outcome = middle(bench, &mut run).unwrap_or_else(Outcome::of);
    Ok(bench.finish(run, outcome))
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
            if code == 0 || line["stop"]["phase"] == "verified-dead" {
                return Err(End::False(format!("somebody else's process lives: {line}")));
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

fn audited(run: &Run, bench: &mut Bench, what: &str) -> Result<()> {
    let found = until(2_000, || {
        let text = fs::read_to_string(run.place.path("state/redkey/audit.jsonl")).unwrap_or_default();
        bench.children.poll();
        text.contains(what).then_some(())
    });
    found.ok_or_else(|| broken(format!("the audit log doesn't tell of {what}")))
}

pub fn kill_supervisor(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            let took = until_gone(run, || sys::kill(run.supervisor, libc::SIGKILL))?;
            bench.check_end(run)?;
            audited(run, bench, "supervisor")?;
            Ok(Outcome { end: End::Verified, took_us: Some(took) })
        },
    )
}

pub fn kill_guardian(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            let took = until_gone(run, || sys::kill(run.guardian, libc::SIGKILL))?;
            bench.check_end(run)?;
            audited(run, bench, "guardian")?;
            Ok(Outcome { end: End::Verified, took_us: Some(took) })
        },
    )
}

/// Nobody is left to end the run: what matters is that nobody says it has ended.
pub fn kill_both(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            sys::kill(run.supervisor, libc::SIGSTOP);
            sys::kill(run.guardian, libc::SIGKILL);
            sys::kill(run.supervisor, libc::SIGKILL);
            bench.children.wait(run.guardian, 2_000).ok_or_else(|| broken("the guardian can't be killed"))?;
            until(2_000, || {
                bench.children.poll();
                look::one(run.supervisor).is_none().then_some(())
            })
            .ok_or_else(|| broken("the supervisor can't be killed"))?;
            let lives = run.members.iter().any(look::lives);
            let (code, _) = bench.stop(run, &["--now"])?;
            let line = run.place.json("stop");
            let still = run.members.iter().any(look::lives);
            if code == 0 && still {
                return Err(End::False(format!("nobody ended it: {line}")));
            }
            for (name, args) in [("status", vec!["status", "--json"]), ("audit", vec!["audit", "--json"])] {
                let pid = run.place.start(name, &args).map_err(|e| broken(e.to_string()))?;
                bench.children.wait(pid, 5_000).ok_or_else(|| broken(format!("redkey {name} goes on")))?;
                let told = run.place.printed(name);
                if still && told.to_lowercase().replace(' ', "-").contains("verified-dead") {
                    return Err(End::False(format!("redkey {name}: {told}")));
                }
            }
            Ok(Outcome::of(if lives { End::Failed } else { End::Verified }))
        },
    )
}

/// The first rung has gone out.
fn under_way(bench: &mut Bench, run: &Run) -> Result<u32> {
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
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            let own = look::below(run.guardian);
            let helpers: Vec<&Seen> =
                own.iter().filter(|s| s.parent == run.guardian && s.pid != run.supervisor).collect();
            if helpers.is_empty() {
                return Err(broken("there is no meter"));
            }
            helpers.iter().for_each(|seen| sys::kill(seen.pid, libc::SIGKILL));
            sys::sleep_us(20_000);
            if !run.members.iter().all(look::lives) {
                return Err(broken("the run has ended with its meter"));
            }
            verified(bench, run, &["--now"])
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
    with(bench, shape, &usual(), |_| {}, |bench, run| at_once(bench, run, &[&[], &[]]))
}

pub fn fifty_clients(bench: &mut Bench, shape: &Shape) -> Result {
    let policy = policy(500, "10s", "stop");
    with(bench, shape, &policy, |_| {}, |bench, run| at_once(bench, run, &[&[] as &[&str]; 50]))
}

/// The stop goes on without whoever asked.
pub fn client_killed(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            let client = under_way(bench, run)?;
            sys::kill(client, libc::SIGKILL);
            let status =
                bench.children.wait(run.guardian, 5_000).ok_or_else(|| broken("the stop has ended with its client"))?;
            bench.check(run)?;
            bench.check_end(run)?;
            if place::code(status) != 124 {
                return Err(broken(format!("redkey run ended with {status}, not with 124")));
            }
            Ok(Outcome::of(End::Verified))
        },
    )
}

/// Nobody reads what `redkey stop` prints.
pub fn client_output_closed(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            let (reader, writer) = std::io::pipe().map_err(|e| broken(e.to_string()))?;
            drop(reader);
            let words = ["stop", run.name.as_str(), "--json"].map(OsStr::new);
            let mut command = run.place.redkey(&words);
            let errors = writer.try_clone().map_err(|e| broken(e.to_string()))?;
            let client = command.stdout(writer).stderr(errors).spawn().map_err(|e| broken(e.to_string()))?.id();
            drop(command);
            bench.children.wait(client, 5_000).ok_or_else(|| broken("redkey stop goes on"))?;
            let status =
                bench.children.wait(run.guardian, 5_000).ok_or_else(|| broken("the stop has ended with its client"))?;
            bench.check(run)?;
            bench.check_end(run)?;
            if place::code(status) != 124 {
                return Err(broken(format!("redkey run ended with {status}, not with 124")));
            }
            Ok(Outcome::of(End::Verified))
        },
    )
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
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            let (screen, _end) = screen(bench, run)?;
            sys::sleep_us(sys::now_us() % 60_000);
            sys::kill(screen, libc::SIGKILL);
            bench.children.wait(screen, 2_000).ok_or_else(|| broken("the screen can't be killed"))?;
            if !run.members.iter().all(look::lives) {
                return Err(broken("the run has ended with the screen"));
            }
            verified(bench, run, &["--now"])
        },
    )
}

pub fn screen_stopped(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
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
        },
    )
}

fn says_degraded(bench: &mut Bench, run: &Run) -> Result<()> {
    let told = until(3_000, || {
        let pid = run.place.start("status", &["status", "--json"]).ok()?;
        bench.children.wait(pid, 3_000)?;
        (run.place.json("status")[0]["audit_degraded"] == true).then_some(())
    });
    told.ok_or_else(|| broken(format!("it doesn't say that the log can't be written: {}", run.place.printed("status"))))
}

/// redkey and the run may not make any file longer: the audit log can't be written.
pub fn no_file_size(bench: &mut Bench, shape: &Shape) -> Result {
    let limit = |command: &mut std::process::Command| {
        quiet(command);
        limited(command, libc::RLIMIT_FSIZE, 0);
    };
    with(bench, shape, &usual(), limit, |bench, run| {
        let told = says_degraded(bench, run);
        let outcome = verified(bench, run, &["--now"])?;
        told.map(|()| outcome)
    })
}

/// The log's disk is full: a file system of its own, which takes root.
pub fn full_disk(bench: &mut Bench, shape: &Shape) -> Result {
    let Some(state) = std::env::var_os("FAULTS_FULL").filter(|path| !path.is_empty()) else {
        return Err(End::Skipped("needs root to set up: FAULTS_FULL names a writable directory on a full disk".into()));
    };
    let change = |command: &mut std::process::Command| _ = command.env("XDG_STATE_HOME", &state);
    with(bench, shape, &usual(), change, |bench, run| {
        let told = says_degraded(bench, run);
        let outcome = verified(bench, run, &["--now"])?;
        told.map(|()| outcome)
    })
}

/// The supervisor may not open anything any more: what it needs for a stop it has.
pub fn no_descriptors(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            let open = fs::read_dir(format!("/proc/{}/fd", run.supervisor)).map_or(0, Iterator::count) as u64;
            // As many as are open: the next one is refused.
            sys::limit_of(run.supervisor, libc::RLIMIT_NOFILE, open, open)
                .map_err(|e| broken(format!("no limit: {e}")))?;
            verified(bench, run, &["--now"])
        },
    )
}

pub fn no_forks(bench: &mut Bench, shape: &Shape) -> Result {
    with(
        bench,
        shape,
        &usual(),
        |_| {},
        |bench, run| {
            for pid in [run.supervisor, run.guardian] {
                sys::limit_of(pid, libc::RLIMIT_NPROC, 0, 0).map_err(|e| broken(format!("no limit: {e}")))?;
            }
            verified(bench, run, &["--now"])
        },
    )
}

/// Nobody reads what `redkey run` and the agent print.
pub fn run_output_closed(bench: &mut Bench, shape: &Shape) -> Result {
    let (reader, writer) = std::io::pipe().map_err(|e| broken(e.to_string()))?;
    let _ = writer.as_raw_fd();
    let change = |command: &mut std::process::Command| {
        let errors = writer.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
        command.stdout(writer).stderr(errors);
    };
    with(bench, shape, &usual(), change, |bench, run| {
        drop(reader);
        verified(bench, run, &["--now"])
    })
}
