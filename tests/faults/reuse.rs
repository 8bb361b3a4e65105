//! A process of a run ends during a stop, and somebody else's gets its number. In a pid namespace of our own the next
//! number can be chosen, so the harness starts itself in one.

use std::fs;
use std::process::{Command, Stdio};

use crate::look;
use crate::place::{Place, until};
use crate::shapes::{self, Shape};
use crate::sys;
use crate::trial::{Bench, End, Outcome, Run, Stuck, broken, policy};

/// Inside there was no way to choose a number.
const NO_CHOICE: i32 = 9;

/// Starts the harness in a namespace and reads from its exit code how the trial went.
pub fn innocent_lives(bench: &mut Bench, _: &Shape) -> Result<Outcome, Stuck> {
    let own = std::env::current_exe().map_err(|e| broken(e.to_string()))?;
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(own)
        .arg("reuse");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let Ok(child) = command.spawn() else { return Err(End::Skipped("there is no `unshare`".into())) };
    let status = bench.children.wait(child.id(), 60_000);
    until(2_000, || bench.children.poll().then_some(()));
    match status.map(crate::place::code) {
        Some(0) => Ok(Outcome::of(End::Verified)),
        Some(NO_CHOICE) | Some(1) => Err(End::Skipped("pid numbers can't be chosen in a namespace here".into())),
        Some(2) => Err(End::False("an innocent process was signalled, or something is left".into())),
        other => Err(broken(format!("the trial in the namespace ended with {other:?}"))),
    }
}

/// The trial itself; the exit code.
pub fn inside() -> i32 {
    let Ok(mut bench) = Bench::new() else { return 3 };
    let Some(shape) = shapes::find("ignores") else { return 3 };
    let mut run = match bench.start(shape, &policy(1_000, "10s", "stop"), |_| {}) {
        Ok(run) => run,
        Err(end) => return tell(&end),
    };
    let end = trial(&mut bench, &mut run).unwrap_or_else(|end| end);
    let code = tell(&end);
    bench.finish(run, Outcome::of(end));
    code
}

fn tell(end: &End) -> i32 {
    if *end != End::Verified {
        eprintln!("{end:?}");
    }
    match end {
        End::Verified => 0,
        End::Skipped(_) => NO_CHOICE,
        End::False(_) => 2,
        _ => 3,
    }
}

fn trial(bench: &mut Bench, run: &mut Run) -> Result<End, Stuck> {
    let words = ["stop", run.name.as_str(), "--json"];
    let client = run.place.start("stop", &words).map_err(|e| broken(e.to_string()))?;
    let log = run.place.path("state/redkey/audit.jsonl");
    until(3_000, || fs::read_to_string(&log).ok().filter(|log| log.contains("\"stop_requested\"")).map(drop))
        .ok_or_else(|| broken("the stop doesn't begin"))?;
    // Between INT and TERM one of the run's processes ends, the last of the tree, and its number becomes free.
    let victim = run.members.iter().max_by_key(|seen| seen.start).ok_or_else(|| broken("nothing is alive"))?.clone();
    sys::kill(victim.pid, libc::SIGKILL);
    sys::kill(victim.parent, libc::SIGKILL);
    until(1_000, || (!look::is_listed(&victim)).then_some(())).ok_or_else(|| broken("its number doesn't get free"))?;
    let mut innocent = Innocent::with_number(victim.pid)?;
    let status = bench.children.wait(client, 10_000).ok_or_else(|| broken("redkey stop goes on"))?;
    let lives = look::one(victim.pid).is_some_and(|seen| look::lives(&seen));
    let heard = innocent.place.heard().lines().any(|line| line.starts_with('s'));
    sys::kill(victim.pid, libc::SIGKILL);
    if !lives || heard {
        return Err(End::False(format!("the innocent {} lives: {lives}, was signalled: {heard}", victim.pid)));
    }
    if crate::place::code(status) != 0 {
        return Err(broken(format!("redkey stop: {}", run.place.printed("stop"))));
    }
    // Its number is another's now, who may even have started in the same tick of the clock.
    run.members.retain(|seen| seen.pid != victim.pid);
    bench.check(run)?;
    Ok(End::Verified)
}

/// A process of nobody's run, that tells of every signal.
struct Innocent {
    place: Place,
}

impl Innocent {
    fn with_number(pid: u32) -> Result<Self, Stuck> {
        let own = std::env::current_exe().map_err(|e| broken(e.to_string()))?;
        let mut place = Place::new(&own, 0, "").map_err(|e| broken(e.to_string()))?;
        for _ in 0..50 {
            fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())
                .map_err(|e| End::Skipped(format!("the next number can't be chosen: {e}")))?;
            let mut command = Command::new(&place.program);
            command.args(["shape", "deaf"]).arg(&place.fifo).stdin(Stdio::null());
            let child = command.spawn().map_err(|e| broken(e.to_string()))?;
            if child.id() == pid {
                let up = until(2_000, || place.heard().contains("u ").then_some(()));
                return up.map(|()| Self { place }).ok_or_else(|| broken("the innocent doesn't come up"));
            }
            sys::kill(child.id(), libc::SIGKILL);
        }
        Err(broken("the number can't be had"))
    }
}
