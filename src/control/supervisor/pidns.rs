//! A pid namespace for one run: what is inside can neither see nor signal what is outside, and the kernel ends all of
//! it with its first process. No privilege is needed where unprivileged user namespaces are allowed.
//!
//! The first process is ours. It starts the agent, waits for whatever loses its parent, and ends as the agent ends.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal};

use crate::control::proc::{self, Fork, PreExec, Reaped, Status};

/// The namespace's first process, waiting for the word to start the agent.
pub struct Init {
    pub pid: Pid,
    go: PipeWriter,
    report: PipeReader,
}

/// Which side of the fork this is.
pub enum Side {
    Outside(Init),
    /// The first process. It holds whatever its parent held and must let go of it before [`First::run`].
    First(First),
}

/// The first process, before it does anything.
pub struct First {
    go: PipeReader,
    report: PipeWriter,
}

/// Makes the namespace and its first process. The caller must be a subreaper and stays outside: who is in a user namespace
/// can't look at those who aren't. A process between the two enters, makes the first one, and ends.
pub fn split() -> Result<Side> {
    let (go_read, go) = io::pipe()?;
    let (report, report_write) = io::pipe()?;
    let (mut told, mut tell) = io::pipe()?;
    if let Fork::Parent(between) = proc::fork()? {
        drop((go_read, report_write, tell));
        let mut words = String::new();
        told.read_to_string(&mut words)?;
        rustix::process::waitpid(Some(between), rustix::process::WaitOptions::empty())?;
        let pid = words.parse().ok().and_then(Pid::from_raw);
        return match pid {
            Some(pid) => Ok(Side::Outside(Init { pid, go, report })),
            None => Err(anyhow::Error::msg(words)),
        };
    }
    let made = enter().and_then(|()| Ok(proc::fork()?));
    match made {
        Ok(Fork::Child) => {
            drop((go, tell, told, report));
            Ok(Side::First(First { go: go_read, report: report_write }))
        }
        Ok(Fork::Parent(pid)) => {
            let _ = write!(tell, "{}", pid.as_raw_nonzero()); // unheard, it is as if there were none
            proc::exit_now(0)
        }
        Err(error) => {
            let _ = write!(tell, "{error:#}"); // as above
            proc::exit_now(1)
        }
    }
}

impl Init {
    /// Lets it start the agent, in the process group `group`; `None`: in ours.
    pub fn start(&mut self, group: Option<Pid>) -> io::Result<()> {
        if group.is_some() {
            rustix::process::setpgid(Some(self.pid), group)?;
        }
        self.go.write_all(b"!")?;
        let mut error = String::new();
        self.report.read_to_string(&mut error)?;
        match error.trim().parse::<i32>() {
            Ok(number) => Err(io::Error::from_raw_os_error(number)),
            Err(_) => Ok(()),
        }
    }
}

/// Enters namespaces of our own for users and for the pids of children. Inside we are who we are outside.
fn enter() -> Result<()> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    if let Err(error) = proc::unshare_pids() {
        bail!(
            "no pid namespace for this run: {error}\nhint: unprivileged user namespaces must be allowed \
             (`sysctl kernel.unprivileged_userns_clone user.max_user_namespaces`), or use `--contain auto`"
        );
    }
    // As root of the outside the map may be written as it is; the same line serves both.
    fs::write("/proc/self/setgroups", "deny").context("cannot deny setgroups")?;
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).context("cannot map the user")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).context("cannot map the group")?;
    Ok(())
}

impl First {
    /// Starts what `command` makes when it is told to, and waits for its end; the exit code. `wait`: when the agent has
    /// ended, wait for what it left behind too.
    pub fn run(self, command: Command, wait: bool) -> i32 {
        first(command, self.go, self.report, wait)
    }
}

fn first(mut command: Command, mut go: PipeReader, mut report: PipeWriter, wait: bool) -> i32 {
    if go.read_exact(&mut [0]).is_err() {
        return 0; // whoever made us has gone
    }
    let begun = own_proc().and_then(|()| {
        proc::die_with_parent(Signal::KILL, 0)?;
        let reset = vec![Signal::INT, Signal::TERM, Signal::QUIT, Signal::TSTP];
        proc::spawn(&mut command, PreExec { reset, ..PreExec::default() })
    });
    let agent = match begun {
        Ok(child) => child.id(),
        Err(error) => {
            let _ = write!(report, "{}", error.raw_os_error().unwrap_or(libc::EIO)); // its end tells as much
            return 127;
        }
    };
    drop((go, report, command));
    // The agent's streams are the agent's.
    let _ = super::streams::let_go_of_streams();
    let mut code = None;
    loop {
        let reaped = proc::reap_all(&mut |pid, status: Status| {
            if pid == agent && status.is_end() {
                code = status.code();
            }
        });
        match (code, reaped) {
            (Some(code), _) if !wait => return code,
            (code, Ok(Reaped::NoChildren)) => return code.unwrap_or(125),
            _ => {}
        }
        // Wakes when a child has something to tell.
        let _ = rustix::process::waitid(
            rustix::process::WaitId::All,
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        );
    }
}

/// A /proc that shows what is inside.
fn own_proc() -> io::Result<()> {
    proc::unshare_mounts()?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("proc", "/proc", "proc", flags, None::<&std::ffi::CStr>)?)
}
