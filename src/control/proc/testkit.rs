//! Processes for tests: started with a script, ready when they say so, gone when the test is over.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::{Held, PreExec};

/// Nothing that is awaited takes longer than so many seconds.
const PATIENCE: i64 = 20;

pub struct Started {
    pub child: Child,
    out: BufReader<ChildStdout>,
    /// Killed at the end as well: what doesn't descend from the child.
    pub others: Vec<Held>,
}

/// Runs `script` in a shell that hears INT and TERM, whatever the tests were started with.
pub fn sh(script: &str) -> Started {
    sh_with(script, &[])
}

pub fn sh_with(script: &str, env: &[(&str, &str)]) -> Started {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).envs(env.iter().copied());
    start(&mut command)
}

pub fn start(command: &mut Command) -> Started {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let pre = PreExec { reset: vec![Signal::INT, Signal::TERM], ..PreExec::default() };
    let mut child = super::spawn(command, pre).expect("a shell");
    let out = BufReader::new(child.stdout.take().expect("its output"));
    Started { child, out, others: vec![] }
}

impl Started {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// The next lines are numbers of processes.
    pub fn pids(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.line().parse().expect("a number")).collect()
    }

    /// The next two lines, in any order: `done`, and the number of a process that descends from init by then.
    pub fn stray(&mut self) -> u32 {
        let lines = [self.line(), self.line()];
        assert!(lines.iter().any(|line| line == "done"), "{lines:?}");
        let pid = lines.iter().find_map(|line| line.parse().ok()).expect("a number");
        self.others.push(Held::open(pid).expect("the stray is alive"));
        pid
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let below: Vec<Held> =
            super::descendants(self.pid()).iter().filter_map(|stat| Held::open_id(stat.id()).ok()).collect();
        for held in below.iter().chain(&self.others) {
            let _ = held.signal(Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for the kernel to say that it is gone.
pub fn await_gone(held: &Held) {
    let mut fds = [PollFd::new(held, PollFlags::IN)];
    let ready = poll(&mut fds, Some(&Timespec { tv_sec: PATIENCE, tv_nsec: 0 })).expect("poll");
    assert_eq!(ready, 1, "{:?} is still there: {:?}", held.id, held.stat());
}
