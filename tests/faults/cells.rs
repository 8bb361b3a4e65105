//! What is tried: every shape in both ways of stopping, and everything that may go wrong beside.

use crate::faults;
use crate::kills;
use crate::limits;
use crate::place;
use crate::reuse;
use crate::shapes::{self, Shape};
use crate::sockets;
use crate::trial::{self, Bench, End, Outcome, RUNG, Run, Stuck, broken, policy};

/// One line of the table.
#[derive(Clone)]
pub struct Cell {
    pub name: String,
    /// The longest that 99 of 100 may take, in milliseconds; what is measured is up to the cell.
    pub bound_ms: u64,
    /// Too long for a first look.
    pub heavy: bool,
    shape: &'static str,
    run: Trial,
}

#[derive(Clone, Copy)]
enum Trial {
    Now,
    Ladder,
    /// At once, in a pid namespace of its own.
    Contained,
    Other(fn(&mut Bench, &Shape) -> Result<Outcome, Stuck>),
}

/// By how many processes there are, and whether they go on being made.
fn bound(shape: &Shape) -> u64 {
    match shape.name {
        "fork-chain" | "fork-chains-20" => 3_000,
        "children-3000" => 2_000,
        "children-1000" | "children-300" => 1_000,
        _ => 250,
    }
}

pub fn all() -> Vec<Cell> {
    let mut cells = vec![];
    let plain = |shape: &&Shape| !matches!(shape.name, "deaf" | "eperm");
    for shape in shapes::ALL.iter().filter(plain) {
        for (way, run) in [("now", Trial::Now), ("ladder", Trial::Ladder)] {
            let name = format!("{} {way}", shape.name);
            let heavy = matches!(shape.name, "children-1000" | "children-3000");
            cells.push(Cell { name, bound_ms: bound(shape), heavy, shape: shape.name, run });
        }
    }
    for name in
        ["plain", "daemon-clean", "fork-chains-20", "watchdog-pair", "zombie-leader", "all-at-once", "children-1000"]
    {
        if let Some(shape) = shapes::find(name) {
            let heavy = name == "children-1000";
            let run = Trial::Contained;
            cells.push(Cell {
                name: format!("{name} in a namespace"),
                bound_ms: bound(shape),
                heavy,
                shape: name,
                run,
            });
        }
    }
    let mut other = |name: &str, shape, bound_ms, run| {
        cells.push(Cell { name: name.into(), bound_ms, heavy: false, shape, run: Trial::Other(run) });
    };
    other("rungs on time", "deaf", 100, faults::rungs_on_time);
    other("EPERM child", "eperm", 250, faults::another_user);
    for shape in ["plain", "daemon-clean", "all-at-once", "fork-chain"] {
        other(&format!("kill supervisor, {shape}"), shape, 500, kills::kill_supervisor);
        other(&format!("kill guardian, {shape}"), shape, 500, kills::kill_guardian);
    }
    other("pid reuse", "ignores", 250, reuse::innocent_lives);
    other("kill both", "setsid", 500, kills::kill_both);
    other("socket removed", "ignores", 250, sockets::removed);
    other("socket answered by another", "ignores", 250, sockets::impostor);
    other("supervisor suspended", "ignores", 250, sockets::suspended);
    other("kill supervisor in a stop", "ignores", 500, kills::kill_supervisor_in_a_stop);
    other("kill guardian in a stop", "ignores", 500, kills::kill_guardian_in_a_stop);
    other("kill meter", "ignores", 250, kills::kill_meter);
    other("two stops at once", "ignores", 250, faults::two_stops);
    other("50 clients at once", "ignores", 250, faults::fifty_clients);
    other("client killed in a stop", "ignores", 250, faults::client_killed);
    other("client's output closed", "ignores", 250, faults::client_output_closed);
    other("clock at zero", "ignores", 250, faults::clock_at_zero);
    other("screen killed", "plain", 250, faults::screen_killed);
    other("screen stopped", "plain", 250, faults::screen_stopped);
    other("no file may be written", "plain", 250, limits::no_file_size);
    other("full disk", "plain", 250, limits::full_disk);
    other("no descriptors left", "plain", 250, limits::no_descriptors);
    other("no forks left", "plain", 250, limits::no_forks);
    other("run's output closed", "plain", 250, limits::run_output_closed);
    cells
}

impl Cell {
    pub fn trial(&self, bench: &mut Bench) -> Outcome {
        let Some(shape) = shapes::find(self.shape) else { return Outcome::of(broken("no such shape")) };
        let result = match self.run {
            Trial::Now => stopped(bench, shape, &["--now"]),
            Trial::Ladder => stopped(bench, shape, &[]),
            Trial::Contained => contained(bench, shape),
            Trial::Other(run) => run(bench, shape),
        };
        result.unwrap_or_else(Outcome::of)
    }
}

/// The plain trial: start, stop, look.
fn stopped(bench: &mut Bench, shape: &Shape, args: &[&str]) -> Result<Outcome, Stuck> {
    let leftovers = if shape.name == "leader-first" { "wait" } else { "stop" };
    let run = bench.start(shape, &policy(RUNG, "10s", leftovers), |_| {})?;
    let outcome = verified(bench, &run, args).unwrap_or_else(Outcome::of);
    Ok(bench.finish(run, outcome))
}

fn contained(bench: &mut Bench, shape: &Shape) -> Result<Outcome, Stuck> {
    bench.contain = trial::PIDNS;
    let outcome = stopped(bench, shape, &["--now"]);
    bench.contain = trial::SUBREAPER;
    outcome
}

/// A stop that must be verified, and truly so.
pub fn verified(bench: &mut Bench, run: &Run, args: &[&str]) -> Result<Outcome, Stuck> {
    let (code, _) = bench.stop(run, args)?;
    if code != 0 {
        return Err(broken(format!("redkey stop ended with {code}: {}", run.place.printed("stop"))));
    }
    bench.check(run)?;
    let (took, receipt) = run.receipt("stop")?;
    let status = bench.check_end(run)?;
    if place::code(status) != 124 {
        return Err(broken(format!("redkey run ended with {status}, not with 124")));
    }
    let proof = if bench.contain == trial::PIDNS { "namespace-gone" } else { "no-children" };
    if receipt["phase"] != "verified-dead" || receipt["proof"] != proof {
        return Err(broken(format!("an odd receipt: {receipt}")));
    }
    Ok(Outcome { end: End::Verified, took_us: Some(took) })
}
