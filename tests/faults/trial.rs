//! One trial: a run of a shape is started, stopped, and looked for.

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use redkey::clock;
use serde_json::Value;

use crate::look::{self, Seen};
use crate::place::{self, Children, Place, until};
use crate::shapes::Shape;
use crate::sys;

/// Times of the ladder in most trials, in milliseconds.
pub const RUNG: u64 = 100;

pub const SUBREAPER: &str = "subreaper";
pub const PIDNS: &str = "pidns";

/// What a trial came to.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    Verified,
    /// redkey said that it failed, as it had to.
    Failed,
    Skipped(String),
    /// redkey said that nothing was left, and something was.
    False(String),
    /// Anything else that must not happen.
    Broken(String),
}

#[derive(Clone, Debug)]
pub struct Outcome {
    pub end: End,
    /// What is to be bounded, in microseconds; for most: from the last rung to the proof.
    pub took_us: Option<u64>,
}

impl Outcome {
    pub fn of(end: End) -> Self {
        Self { end, took_us: None }
    }
}

/// A trial that can't go on.
pub type Stuck = End;

pub fn broken(why: impl Into<String>) -> Stuck {
    End::Broken(why.into())
}

/// What is common to all trials.
pub struct Bench {
    pub children: Children,
    /// Our own program, where a link to it can be made.
    original: PathBuf,
    number: usize,
    /// Prints all that redkey has printed in a trial that went wrong.
    pub keep: bool,
    /// How runs are contained.
    pub contain: &'static str,
}

/// A run under way.
pub struct Run {
    pub place: Place,
    pub guardian: u32,
    pub supervisor: u32,
    pub name: String,
    /// The processes of the shape, when it was ready.
    pub members: Vec<Seen>,
}

pub fn policy(rung: u64, give_up: &str, leftovers: &str) -> String {
    format!(
        "[stop]\ncooperative = \"{rung}ms\"\nint = \"{rung}ms\"\nterm = \"{rung}ms\"\norphans = \"{rung}ms\"\n\
         give_up = \"{give_up}\"\nleftovers = \"{leftovers}\"\n"
    )
}

impl Bench {
    pub fn new() -> io::Result<Self> {
        sys::become_subreaper();
        Ok(Self {
            children: Children::default(),
            original: std::env::current_exe()?,
            number: 0,
            keep: false,
            contain: SUBREAPER,
        })
    }

    /// Starts a run and waits until all its processes are there. `change`: the last word on the command line of redkey.
    pub fn start(&mut self, shape: &Shape, policy: &str, change: impl FnOnce(&mut Command)) -> Result<Run, Stuck> {
        self.number += 1;
        self.children.forget();
        let place = Place::new(&self.original, self.number, policy).map_err(|e| broken(format!("no place: {e}")))?;
        let words: [&OsStr; 8] = [
            "run".as_ref(),
            "--contain".as_ref(),
            self.contain.as_ref(),
            "--".as_ref(),
            place.program.as_os_str(),
            "shape".as_ref(),
            shape.name.as_ref(),
            place.fifo.as_os_str(),
        ];
        let mut command = place.redkey(&words);
        let file = |name: &str| std::fs::File::create(place.path(name)).map_or_else(|_| Stdio::null(), Stdio::from);
        command.stdout(file("run.out")).stderr(file("run.err"));
        change(&mut command);
        let guardian = command.spawn().map_err(|e| broken(format!("redkey does not start: {e}")))?.id();
        let mut run = Run { place, guardian, supervisor: 0, name: String::new(), members: vec![] };
        match self.settle(&mut run, shape) {
            Ok(()) => Ok(run),
            Err(end) => Err(self.finish(run, Outcome::of(end)).end),
        }
    }

    fn settle(&mut self, run: &mut Run, shape: &Shape) -> Result<(), Stuck> {
        let ready = until(15_000, || {
            if let Some(status) = self.children.ended(run.guardian) {
                let why = run.place.printed("run");
                let refused = self.contain == PIDNS && why.contains("no pid namespace");
                let skip = why.lines().find(|line| !line.is_empty()).unwrap_or_default().to_owned();
                return Some(if refused { Ok(Some(skip)) } else { Err(format!("redkey run: status {status}: {why}")) });
            }
            is_ready(run.place.heard())
        });
        match ready {
            Some(Ok(None)) => {}
            Some(Ok(Some(skip))) => return Err(End::Skipped(skip)),
            Some(Err(why)) => return Err(broken(why)),
            None => return Err(broken(format!("never ready: {}", run.place.heard().len()))),
        }
        run.name = until(1_000, || run.place.run_name()).ok_or_else(|| broken("it has no socket"))?;
        run.members = look::running(&run.place.program);
        if shape.name == "eperm" {
            // Nobody may read what it runs: whoever is below and isn't redkey.
            let own = place::redkey();
            let theirs = |seen: &Seen| look::program(seen.pid).as_ref() != Some(&own);
            run.members = look::below(run.guardian).into_iter().filter(theirs).collect();
        }
        let living = run.members.iter().filter(|seen| look::lives(seen)).count();
        if living < shape.alive && !shape.moving {
            return Err(broken(format!("{living} of {} processes are alive before the stop", shape.alive)));
        }
        // A walk is no photograph: whoever loses its parent meanwhile is not on it.
        until(1_000, || self.place_in_tree(run, shape).ok()).map_or_else(|| self.place_in_tree(run, shape), Ok)
    }

    /// The supervisor is the guardian's child that the shape is below of.
    fn place_in_tree(&self, run: &mut Run, shape: &Shape) -> Result<(), Stuck> {
        let own = look::below(run.guardian);
        let foreign = |seen: &Seen| look::program(seen.pid).is_some_and(|program| program != place::redkey());
        let mut children = own.iter().filter(|seen| seen.parent == run.guardian);
        let supervisor = children.find(|seen| look::below(seen.pid).iter().any(foreign));
        run.supervisor = supervisor.ok_or_else(|| broken("it has no supervisor"))?.pid;
        let outside = run
            .members
            .iter()
            .find(|seen| !shape.moving && look::is_listed(seen) && !own.iter().any(|one| one.pid == seen.pid));
        outside.map_or(Ok(()), |seen| Err(broken(format!("{seen:?} is not below redkey"))))
    }

    /// A stop by command; the exit code, and how long the command took.
    pub fn stop(&mut self, run: &Run, args: &[&str]) -> Result<(i32, Duration), Stuck> {
        let began = clock::elapsed();
        let words: Vec<&str> = ["stop", run.name.as_str(), "--json"].into_iter().chain(args.iter().copied()).collect();
        let pid = run.place.start("stop", &words).map_err(|e| broken(format!("redkey stop does not start: {e}")))?;
        let status = self.children.wait(pid, 25_000).ok_or_else(|| {
            sys::kill(pid, libc::SIGKILL);
            broken(format!("redkey stop goes on: {}", run.place.printed("stop")))
        })?;
        Ok((place::code(status), clock::elapsed().saturating_sub(began)))
    }

    /// redkey says that nothing is left: is it true?
    pub fn check(&mut self, run: &Run) -> Result<(), Stuck> {
        let left = look::running(&run.place.program);
        let mut left: Vec<&Seen> = left.iter().chain(run.members.iter().filter(|seen| look::is_listed(seen))).collect();
        left.truncate(5);
        if left.is_empty() { Ok(()) } else { Err(End::False(format!("left: {left:?}"))) }
    }

    /// redkey's own processes end, and then there is no child: nothing got past them to us.
    pub fn check_end(&mut self, run: &Run) -> Result<i32, Stuck> {
        let Some(status) = self.children.wait(run.guardian, 5_000) else {
            let tree = self.some_below();
            return Err(broken(format!("redkey run goes on: {tree:?} {}", run.place.printed("run"))));
        };
        let own = place::redkey();
        // The writer of the log waits some seconds for a disk that is full.
        let none = until(6_000, || self.children.poll().then_some(()));
        if none.is_none() {
            let left = look::below(std::process::id());
            let foreign = left.iter().any(|seen| look::program(seen.pid).as_ref() != Some(&own));
            let why = format!("left to the harness: {:?}", self.some_below());
            return Err(if foreign { End::False(why) } else { broken(why) });
        }
        Ok(status)
    }

    /// What is below us, as far as it fits in a message.
    fn some_below(&self) -> Vec<Seen> {
        look::below(std::process::id()).into_iter().take(5).collect()
    }

    /// Ends whatever is left of a trial, whichever way it went, and drops its place.
    pub fn finish(&mut self, run: Run, outcome: Outcome) -> Outcome {
        if self.keep && matches!(outcome.end, End::False(_) | End::Broken(_)) {
            eprintln!(
                "{:?}\n--- run\n{}--- stop\n{}",
                outcome.end,
                run.place.printed("run"),
                run.place.printed("stop")
            );
        }
        let gone = until(15_000, || {
            for seen in look::below(std::process::id()) {
                sys::kill(seen.pid, libc::SIGKILL);
            }
            self.children.poll().then_some(())
        });
        if gone.is_none() {
            eprintln!("can't clear up: {:?}", self.some_below());
        }
        outcome
    }
}

impl Run {
    /// Time from the last rung to the proof, and the receipt itself.
    pub fn receipt(&self, name: &str) -> Result<(u64, Value), Stuck> {
        let line = self.place.json(name);
        let receipt = line["stop"]["receipt"].clone();
        let took = receipt["took_us"].as_u64().ok_or_else(|| broken(format!("no receipt: {line}")))?;
        let lit = line["stop"]["rungs"].as_array().and_then(|rungs| rungs.last()?["after_us"].as_u64()).unwrap_or(0);
        Ok((took.saturating_sub(lit), receipt))
    }
}

/// Has everybody said that they are up? The reason, if the shape can't be had.
fn is_ready(heard: &str) -> Option<Result<Option<String>, String>> {
    let (mut wanted, mut up) = (None, 0);
    for line in heard.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        match line.trim().split_once(' ') {
            Some(("n", count)) => wanted = count.parse::<usize>().ok(),
            Some(("u", _)) => up += 1,
            Some(("skip", why)) => return Some(Ok(Some(why.to_owned()))),
            _ => {}
        }
    }
    wanted.is_some_and(|wanted| up >= wanted).then_some(Ok(None))
}
