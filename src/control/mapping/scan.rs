//! One look at `/proc`: this user's processes, and which of them are agents.
//!
//! Most processes are none and stay none, so they are read when they are new, once more in the next look (a shell may
//! turn into an agent in its first moment), and then only every [`FULL`] (a shell may do that later, too).

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::names::{is_runtime, may_be_agent, recognise};
use crate::control::proc::stat;
use crate::control::words::ProcId;
use crate::domain::event::Agent;
use crate::domain::time::{Span, Stamp};

/// The kernel's unit of start times as it is shown to programs, the same on every machine that Rust's Linux targets run
/// on.
pub const TICKS_PER_SECOND: i64 = 100;

/// So often every process is looked at, known or not.
pub const FULL: Span = Span(30_000);

/// Nothing that is asked for is longer, and whatever is longer is not what is asked for.
const MAX_READ: u64 = 1 << 20;

/// Levels of parents that are followed.
const MAX_DEPTH: usize = 256;

/// A tree like `/proc`.
#[derive(Clone, Debug)]
pub struct Proc {
    root: PathBuf,
    /// Whose processes count.
    uid: u32,
    opened: Arc<AtomicU64>,
}

/// The part of `/proc/PID/stat` that is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub id: ProcId,
    /// The kernel's short name of the program, 15 bytes.
    pub comm: String,
    pub state: char,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
}

/// A process that is an agent by its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub id: ProcId,
    pub parent: u32,
    pub comm: String,
    pub agent: Agent,
    /// Where it stands; `None` if it can't be read.
    pub cwd: Option<PathBuf>,
    pub argv: Vec<String>,
    /// As it was given at its start; empty if it can't be read.
    pub vars: HashMap<String, OsString>,
    /// Its file system isn't ours (a container): what it calls its home is another directory than ours of that name.
    pub elsewhere: bool,
}

impl Proc {
    pub fn system() -> Self {
        Self::at(PathBuf::from("/proc"))
    }

    /// Another tree that is laid out the same.
    pub fn at(root: PathBuf) -> Self {
        Self { root, uid: rustix::process::geteuid().as_raw(), opened: Arc::default() }
    }

    /// There is such a thing on this system.
    pub fn is_there(&self) -> bool {
        self.root.join("self").exists() || self.root.join("uptime").exists()
    }

    /// Files and directories opened so far: what looking costs.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// When the machine was started, on the calendar that says `now`. Follows the calendar when that is set.
    pub fn boot(&self, now: Stamp) -> Option<Stamp> {
        let text = String::from_utf8(self.read(Path::new("uptime")).ok()?).ok()?;
        let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
        (seconds.is_finite() && seconds >= 0.0).then(|| Stamp(now.0.saturating_sub((seconds * 1e3).round() as i64)))
    }

    /// This user's processes, ascending.
    pub fn pids(&self) -> Vec<u32> {
        self.count();
        let Ok(entries) = fs::read_dir(&self.root) else { return vec![] };
        let pid = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
        let mut pids: Vec<u32> = entries.filter_map(pid).collect();
        pids.sort_unstable();
        pids
    }

    /// It is this user's.
    pub fn is_own(&self, pid: u32) -> bool {
        fs::metadata(self.root.join(pid.to_string())).is_ok_and(|meta| meta.uid() == self.uid)
    }

    pub fn stat(&self, pid: u32) -> Option<Stat> {
        parse_stat(&self.of(pid, "stat").ok()?).filter(|stat| stat.id.pid == pid)
    }

    /// The very process is there and not merely unburied.
    pub fn is_alive(&self, id: ProcId) -> bool {
        self.stat(id.pid).is_some_and(|stat| stat.id == id && !matches!(stat.state, 'Z' | 'X'))
    }

    pub fn argv(&self, pid: u32) -> Vec<String> {
        let bytes = self.of(pid, "cmdline").unwrap_or_default();
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(&bytes);
        if bytes.is_empty() {
            return vec![];
        }
        bytes.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    }

    pub fn vars(&self, pid: u32) -> HashMap<String, OsString> {
        let bytes = self.of(pid, "environ").unwrap_or_default();
        let pair = |entry: &[u8]| {
            let at = entry.iter().position(|byte| *byte == b'=')?;
            let name = std::str::from_utf8(&entry[..at]).ok()?;
            Some((name.to_owned(), OsString::from_vec(entry[at + 1..].to_vec())))
        };
        // The first one counts, as it does for the process itself.
        let mut vars = HashMap::new();
        for (name, value) in bytes.split(|byte| *byte == 0).filter_map(pair) {
            vars.entry(name).or_insert(value);
        }
        vars
    }

    /// Where a link of the process leads: `cwd`, `exe`. `None` as well if what it led to was removed.
    pub fn link(&self, pid: u32, name: &str) -> Option<PathBuf> {
        self.count();
        let path = fs::read_link(self.root.join(pid.to_string()).join(name)).ok()?;
        (!path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)")).then_some(path)
    }

    /// Files that the process holds open, each once.
    pub fn files(&self, pid: u32) -> Vec<PathBuf> {
        self.count();
        let Ok(entries) = fs::read_dir(self.root.join(pid.to_string()).join("fd")) else { return vec![] };
        let link = |entry: io::Result<fs::DirEntry>| fs::read_link(entry.ok()?.path()).ok();
        let mut files: Vec<PathBuf> = entries.filter_map(link).filter(|path| path.is_absolute()).collect();
        files.sort();
        files.dedup();
        files
    }

    /// The numbers that the process has, its own first, then in each pid namespace below.
    pub fn numbers(&self, pid: u32) -> Vec<u32> {
        let text = String::from_utf8(self.of(pid, "status").unwrap_or_default()).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or("");
        let mut numbers = vec![pid];
        numbers.extend(line.split_whitespace().filter_map(|n| n.parse::<u32>().ok()).filter(|n| *n != pid));
        numbers
    }

    /// `id` is `root` or descends from it, as far as the kernel's present parents tell.
    pub fn descends(&self, id: ProcId, root: ProcId) -> bool {
        let mut stat = self.stat(id.pid).filter(|stat| stat.id == id);
        for _ in 0..MAX_DEPTH {
            let Some(at) = stat else { return false };
            if at.id == root {
                return true;
            }
            // A parent started before its child; another one has only taken the number.
            stat = self.stat(at.parent).filter(|parent| parent.id.start <= at.id.start);
        }
        false
    }

    /// The process sees another file system than we do.
    fn is_elsewhere(&self, pid: u32) -> bool {
        let theirs = fs::metadata(self.root.join(pid.to_string()).join("root"));
        let ours = fs::metadata(self.root.join("self").join("root"));
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => (theirs.dev(), theirs.ino()) != (ours.dev(), ours.ino()),
            _ => false,
        }
    }

    fn candidate(&self, stat: Stat) -> Option<Candidate> {
        if !may_be_agent(&stat.comm) || matches!(stat.state, 'Z' | 'X') {
            return None;
        }
        let pid = stat.id.pid;
        let argv = self.argv(pid);
        let exe = self.link(pid, "exe");
        let exe = exe.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let agent = recognise(&stat.comm, exe, &argv)?;
        Some(Candidate {
            id: stat.id,
            parent: stat.parent,
            comm: stat.comm,
            agent,
            cwd: self.link(pid, "cwd"),
            argv,
            vars: self.vars(pid),
            elsewhere: self.is_elsewhere(pid),
        })
    }

    fn of(&self, pid: u32, name: &str) -> io::Result<Vec<u8>> {
        self.read(&Path::new(&pid.to_string()).join(name))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        use io::Read;
        self.count();
        let mut bytes = Vec::new();
        fs::File::open(self.root.join(path))?.take(MAX_READ).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn count(&self) {
        self.opened.fetch_add(1, Ordering::Relaxed);
    }
}

impl Candidate {
    /// This one is the launcher that started `child` to do the work: gemini and qwen start themselves once more, and
    /// tell the second by a variable. The tools inherit it: an agent that such a tool starts has it as well.
    pub fn launched(&self, child: &Candidate) -> bool {
        let name = match child.agent {
            Agent::Gemini => "GEMINI_CLI_NO_RELAUNCH",
            Agent::Qwen => "QWEN_CODE_NO_RELAUNCH",
            _ => return false,
        };
        let is_set = |one: &Candidate| one.vars.get(name).is_some_and(|value| !value.is_empty());
        self.agent == child.agent && self.id.pid == child.parent && is_set(child) && !is_set(self)
    }
}

/// What is known of processes from the last look.
#[derive(Debug, Default)]
pub struct Memory {
    known: HashMap<u32, Known>,
    full_at: Option<Stamp>,
}

#[derive(Debug, Default)]
struct Known {
    /// Looks in which it was no agent.
    looks: u8,
    candidate: Option<Candidate>,
}

impl Memory {
    /// The agents among this user's processes.
    pub fn look(&mut self, proc: &Proc, now: Stamp) -> Vec<Candidate> {
        let is_full = self.full_at.is_none_or(|at| now.since(at) >= FULL || now < at);
        if is_full {
            self.full_at = Some(now);
        }
        let pids = proc.pids();
        let mut known = HashMap::with_capacity(pids.len());
        let mut found = Vec::new();
        for pid in pids {
            let mut one = self.known.remove(&pid).unwrap_or_default();
            if one.candidate.is_some() || one.looks < 2 || is_full {
                one.look(proc, pid);
            }
            found.extend(one.candidate.clone());
            known.insert(pid, one);
        }
        self.known = known;
        found
    }
}

impl Known {
    fn look(&mut self, proc: &Proc, pid: u32) {
        let stat = proc.is_own(pid).then(|| proc.stat(pid)).flatten();
        let same = |old: &Candidate, stat: &Stat| {
            old.id == stat.id && old.comm == stat.comm && !matches!(stat.state, 'Z' | 'X')
        };
        match (self.candidate.take(), stat) {
            // Its arguments and environment stay; its place may change, and its parent may go. (A runtime may turn
            // into another agent and keep its name.)
            (Some(old), Some(stat)) if same(&old, &stat) && !is_runtime(&old.comm) => {
                self.candidate = Some(Candidate { parent: stat.parent, cwd: proc.link(pid, "cwd"), ..old });
            }
            (_, Some(stat)) => self.candidate = proc.candidate(stat),
            (_, None) => {}
        }
        self.looks = if self.candidate.is_some() { 0 } else { self.looks.saturating_add(1) };
    }
}

fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let stat = stat::parse(bytes)?;
    let (id, comm) = (stat.id(), stat.name.as_str().to_owned());
    Some(Stat { id, comm, state: stat.state, parent: stat.ppid, group: stat.pgrp, session: stat.session })
}

#[cfg(test)]
mod tests;
