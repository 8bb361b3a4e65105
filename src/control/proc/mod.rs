//! Processes as the kernel tells them: who descends from whom, what is signalled, and what proves that it is gone.
//!
//! Nothing here acts on a bare number that may have passed to another process: what is signalled is held by a pidfd
//! ([`held`]), or is our own unreaped child, whose number can't be given away before it is reaped ([`kill`], [`reap`]).
//!
//! - [`stat`] — reads `/proc/PID/…`.
//! - [`tree`] — children and descendants; [`listen`] — where a process waits for connections.
//! - [`held`] — a process held by its pidfd.
//! - [`reap`], [`kill`] — for a single-threaded supervisor: what ended, and KILL until nothing is left.
//! - [`sys`] — fork, and what a child does before exec. The only unsafe code of redkey.
//!
//! Built for Linux. Elsewhere everything compiles and answers `Unsupported`, or nothing.

pub mod held;
pub mod kill;
pub mod listen;
pub mod reap;
pub mod stat;
pub mod sys;
pub mod tree;

#[cfg(all(test, target_os = "linux"))]
pub(super) mod testkit;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::io;

use rustix::process::{Pid, Signal};

pub use held::Held;
pub use kill::{Round, kill_round, survivors, survivors_among};
pub use listen::listens;
pub use reap::{Reaped, Status, is_child, reap_all};
pub use stat::{
    Stat, all, ancestors, boot_id, cmdline, cwd, environ, environ_has, exe, id, name, read, same_program, tracer, uid,
    user_name,
};
pub use sys::{Fork, PreExec, exit_now, fork, own_group, spawn, spawn_into, unshare_mounts, unshare_pids};
pub use tree::{Children, children, descendants};

/// This process's number.
pub fn own_pid() -> u32 {
    std::process::id()
}

/// The number as system calls take it; `None` for 0 and for what is no number of a process.
pub(crate) fn pid_of(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// From now on whatever below this process loses its parent becomes its child. Holds until it ends; children don't
/// inherit it.
#[cfg(target_os = "linux")]
pub fn become_subreaper() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
pub fn become_subreaper() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Sends `signal` to this process when the thread that forked it ends. `parent` is the number of that process as it
/// was known before the fork. An error of kind `NotFound` if the parent has ended already: the signal won't come.
#[cfg(target_os = "linux")]
pub fn die_with_parent(signal: Signal, parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(signal))?;
    if rustix::process::getppid() != pid_of(parent) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the parent has ended"));
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub fn die_with_parent(_signal: Signal, _parent: u32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Takes back [`die_with_parent`].
#[cfg(target_os = "linux")]
pub fn outlive_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(None)?)
}

#[cfg(not(target_os = "linux"))]
pub fn outlive_parent() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Raises the limit of open files to what is allowed. Children inherit it: not for the process that starts an agent.
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Where it is refused, the lower limit holds.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
}

/// How many files may be open at once.
pub fn open_files() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
