//! IO. Starting `redkey attend` for a run that nobody attends yet.
//!
//! Tools run side by side, so several hooks may find nobody at once: they take turns at a lock, and whoever comes later
//! finds the socket there. The new process prints `ready` when it listens; that, or its end, is waited for, never a time.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::settings::Hooked;
use crate::clock;
use crate::control::client::{Client, ClientError};
use crate::control::dir::RunDir;
use crate::control::protocol::Role;

/// Until then it listens, or it doesn't count any more.
const START: Duration = Duration::from_secs(3);
/// Whoever is well greets at once.
pub(super) const GREETING: Duration = Duration::from_secs(5);
/// What it prints then.
const READY: &[u8] = b"ready\n";

/// What the new process has to know.
pub(super) struct Attendance<'a> {
    /// redkey itself.
    pub program: &'a Path,
    pub agent: Hooked,
    pub session: &'a str,
    pub transcript: Option<&'a str>,
    /// The agent's own process.
    pub pid: u32,
}

/// A conversation with whoever attends the run; with a new process if there is none.
pub(super) fn reach(dir: &RunDir, name: &str, attendance: &Attendance) -> Result<Client, String> {
    let path = dir.socket_path(name).map_err(|error| error.to_string())?;
    let open = || Client::connect(&path, Role::Hook, GREETING);
    match open() {
        Err(ClientError::NotThere) => {}
        other => return other.map_err(|error| error.to_string()),
    }
    let begun = clock::elapsed();
    let _lock = lock(&dir.path().join("attend.lock"))?;
    match open() {
        Err(ClientError::NotThere) => {}
        other => return other.map_err(|error| error.to_string()),
    }
    // Whoever was before us in the queue has tried so long without success.
    let deadline = begun + START;
    if clock::elapsed() >= deadline {
        return Err("`redkey attend` does not start".into());
    }
    // One that ends at once may have found that somebody else attends the run already.
    let started = start(attendance, deadline);
    open().map_err(|error| started.err().unwrap_or_else(|| format!("`redkey attend` is ready, but {error}")))
}

fn lock(path: &PathBuf) -> Result<File, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(failed)?;
    file.lock().map_err(failed)?;
    Ok(file)
}

/// A process of its own group with nothing of ours open, so that it outlives the hook and does not keep the agent waiting.
fn start(attendance: &Attendance, deadline: Duration) -> Result<(), String> {
    let mut command = Command::new(attendance.program);
    command.arg("attend").args(["--agent", attendance.agent.name()]).args(["--session", attendance.session]);
    if let Some(transcript) = attendance.transcript {
        command.args(["--transcript", transcript]);
    }
    command.args(["--pid", &attendance.pid.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("`redkey attend` can't be started: {error}"))?;
    let Some(mut stdout) = child.stdout.take() else { return Err("`redkey attend` has no output".into()) };
    let mut said = Vec::new();
    while !said.starts_with(READY) {
        let left = deadline.checked_sub(clock::elapsed()).ok_or("`redkey attend` does not get ready")?;
        wait_readable(&stdout, left)?;
        let mut chunk = [0; 64];
        match stdout.read(&mut chunk) {
            Ok(0) => return Err("`redkey attend` ended before it was ready".into()),
            Ok(n) => said.extend_from_slice(&chunk[..n]),
            Err(error) => return Err(format!("`redkey attend` can't be heard: {error}")),
        }
        if said.len() > 4 * 1024 {
            return Err("`redkey attend` says something else than that it is ready".into());
        }
    }
    Ok(())
}

/// Until there is something to read, or the end.
pub(super) fn wait_readable(fd: &impl std::os::fd::AsFd, within: Duration) -> Result<(), String> {
    let end = clock::elapsed() + within;
    loop {
        let left = end.saturating_sub(clock::elapsed());
        let time = Timespec::try_from(left).map_err(|error| error.to_string())?;
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&time)) {
            Ok(0) => return Err("nothing came in time".into()),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// The process that the hook belongs to: what the agent says it is, else the first ancestor that is not a shell.
pub(super) fn agent_pid(told: Option<&str>) -> u32 {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
    if let Some(pid) = told.and_then(|told| told.parse().ok()).filter(|pid| *pid > 1) {
        return pid;
    }
    let mut pid = parent;
    // A hook runs in one shell or two; more would be something else.
    for _ in 0..4 {
        match parent_of_shell(pid) {
            Some(next) if next > 1 => pid = next,
            _ => break,
        }
    }
    pid
}

/// The parent of a process that is a shell; `None`: it isn't one, or nothing is known of it.
fn parent_of_shell(pid: u32) -> Option<u32> {
    const SHELLS: [&str; 8] = ["sh", "bash", "dash", "zsh", "ksh", "ash", "fish", "busybox"];
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    if !SHELLS.contains(&name) {
        return None;
    }
    rest.split_whitespace().nth(1)?.parse().ok()
}
