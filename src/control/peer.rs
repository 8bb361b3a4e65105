//! Who is on the other end of a connection, and what they may do.
//!
//! Another user gets nothing. Of this user's processes, whatever descends from a run, or carries the mark of a known
//! agent, can't be an operator: an agent doesn't give itself time, answer its own gates, or stop itself or its neighbours.
//! Clearing the environment doesn't help it: every ancestor is looked at, whether it is a process of a run by the audit
//! log, or was started with a run's mark. This binds agents that don't set out to break it; a process of the same user has other ways (it can write to files and
//! trace processes), and only another user id or a pid namespace closes those.

use std::fs;

mod known;

use serde::{Deserialize, Serialize};

use super::proc::stat;
use super::protocol::{Call, Role};
use super::words::ProcId;
use crate::domain::text::Text;

pub use known::Known;

/// Variables of the environment that mark what was started by a run or an agent, as `NAME` or `NAME=value`.
pub const MARKS: &[&str] = &[
    "REDKEY_RUN",
    "CLAUDECODE=1",
    "CLAUDE_CODE_SESSION_ID",
    "CODEX_THREAD_ID",
    "GEMINI_CLI",
    "OPENCODE_PID",
    "PI_CODING_AGENT",
    "QWEN_CODE",
];

/// The one of them that every run's processes are started with.
const RUN_MARK: &str = MARKS[0];

/// More generations than any process has.
const MAX_DEPTH: usize = 4_096;
/// A parent may end while its line is being read; the line is then read anew.
const TRIES: usize = 8;

/// The process that opened a connection, as the kernel and `/proc` tell it. It may have handed the connection on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    pub pid: u32,
    pub uid: u32,
    /// When it started, in clock ticks since boot; `None`: it could not be read.
    #[serde(default)]
    pub start: Option<u64>,
    /// What it calls itself.
    #[serde(default)]
    pub name: Text,
}

impl Peer {
    /// Of the other end of this Unix socket.
    pub fn of(stream: &std::os::unix::net::UnixStream) -> std::io::Result<Self> {
        let (pid, uid) = credentials(stream)?;
        let read = stat::read(pid).ok();
        let start = read.as_ref().map(|stat| stat.start);
        Ok(Self { pid, uid, start, name: read.map(|stat| stat.name).unwrap_or_default() })
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn credentials(stream: &std::os::unix::net::UnixStream) -> std::io::Result<(u32, u32)> {
    let found = rustix::net::sockopt::socket_peercred(stream)?;
    Ok((found.pid.as_raw_nonzero().get().unsigned_abs(), found.uid.as_raw()))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn credentials(_: &std::os::unix::net::UnixStream) -> std::io::Result<(u32, u32)> {
    Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "this system doesn't say who opened a connection"))
}

/// Is this a user who may connect at all?
pub fn may_connect(peer_uid: u32, own_uid: u32) -> Result<(), Text> {
    match peer_uid == own_uid {
        true => Ok(()),
        false => Err(Text::new(&format!("user {peer_uid} is not user {own_uid}, whose run this is"))),
    }
}

/// May somebody with this role do this? What a call means is checked elsewhere.
pub fn may(role: Role, call: &Call) -> bool {
    use Call::*;
    match role {
        Role::Operator => !matches!(call, Hello(_) | Ack(_) | Event(_) | Hook(_)),
        Role::Watch => matches!(call, Status(_) | Subscribe(_) | GateList(_)),
        Role::Run => matches!(call, Status(_) | Ack(_) | Event(_) | GateAsk(_)),
        Role::Hook => matches!(call, Status(_) | Hook(_)),
    }
}

/// May this process be an operator? `kept`: process ids whose descendants, and themselves, may not.
/// `marks`: as [`MARKS`]. What can't be read of the process itself is a reason to refuse.
pub fn may_operate(peer: &Peer, kept: &[u32], marks: &[&str], known: &mut Known) -> Result<(), Text> {
    let line = lineage(peer).map_err(|why| Text::new(&why))?;
    let refuse = |id: &ProcId, whose: &str| {
        let who = if id.pid == peer.pid { "is part of" } else { "descends from" };
        Err(Text::new(&format!("process {} ({}) {who} {whose}", peer.pid, peer.name)))
    };
    if let Some(id) = line.iter().find(|id| kept.contains(&id.pid)) {
        return refuse(id, "the run it wants to control");
    }
    known.refresh();
    if let Some(id) = line.iter().find(|id| known.is_of_a_run(**id) || is_marked(id, marks)) {
        return refuse(id, "another run");
    }
    let environ = fs::read(format!("/proc/{}/environ", peer.pid))
        .map_err(|e| Text::new(&format!("the environment of process {} can't be read: {e}", peer.pid)))?;
    match mark(&environ, marks) {
        Some(name) => {
            let who = format!("process {} ({}) was started by an agent", peer.pid, peer.name);
            Err(Text::new(&format!("{who}: {name} is in its environment")))
        }
        None => Ok(()),
    }
}

/// Was it started as part of a run? Ancestors of another user can't be looked at, and are none.
fn is_marked(id: &ProcId, marks: &[&str]) -> bool {
    marks.contains(&RUN_MARK)
        && fs::read(format!("/proc/{}/environ", id.pid)).is_ok_and(|raw| mark(&raw, &[RUN_MARK]).is_some())
}

/// This process itself, for what is done without a socket. `log`: the audit log.
pub fn may_i(log: &std::path::Path) -> Result<(), Text> {
    let own = stat::read(super::proc::own_pid()).map_err(|e| Text::new(&format!("/proc can't be read: {e}")))?;
    let peer = Peer { pid: own.pid, uid: super::dir::own_uid(), start: Some(own.start), name: own.name };
    may_operate(&peer, &[], MARKS, &mut Known::by(log))
        .map_err(|why| Text::new(&format!("{why}; it can't be an operator")))
}

/// The first of `marks` in an environment as the kernel shows it: entries that end in NUL.
fn mark<'a>(environ: &[u8], marks: &[&'a str]) -> Option<&'a str> {
    marks.iter().copied().find(|mark| {
        environ.split(|b| *b == 0).any(|entry| match mark.contains('=') {
            true => entry == mark.as_bytes(),
            false => entry.strip_prefix(mark.as_bytes()).is_some_and(|rest| rest.first() == Some(&b'=')),
        })
    })
}

/// The process and its ancestors, itself first.
fn lineage(peer: &Peer) -> Result<Vec<ProcId>, String> {
    let mut why = String::new();
    for _ in 0..TRIES {
        match lineage_once(peer) {
            Ok(line) => return Ok(line),
            Err(Broken::Ended(what)) => return Err(what),
            Err(Broken::Changed(what)) => why = what,
        }
    }
    Err(why)
}

enum Broken {
    /// The process itself is gone.
    Ended(String),
    /// An ancestor ended on the way.
    Changed(String),
}

fn lineage_once(peer: &Peer) -> Result<Vec<ProcId>, Broken> {
    let own = stat::read(peer.pid)
        .map_err(|e| Broken::Ended(format!("process {}, which asks, can't be looked at: {e}", peer.pid)))?;
    if own.state == 'Z' || peer.start != Some(own.start) {
        return Err(Broken::Ended(format!("process {}, which asked, is gone", peer.pid)));
    }
    let (mut line, mut child) = (vec![own.id()], own);
    while child.ppid > 0 && line.len() < MAX_DEPTH {
        let pid = child.ppid;
        let parent = stat::read(pid).map_err(|e| {
            Broken::Changed(format!("process {pid}, an ancestor of {}, can't be looked at: {e}", peer.pid))
        })?;
        if parent.start > child.start {
            return Err(Broken::Changed(format!("process {pid} is younger than its child")));
        }
        line.push(parent.id());
        child = parent;
    }
    match child.ppid {
        0 => Ok(line),
        _ => Err(Broken::Ended(format!("process {} has too many ancestors", peer.pid))),
    }
}

#[cfg(test)]
mod tests;
