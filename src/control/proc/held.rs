//! A process held by its pidfd: signals reach it or nobody, whatever becomes of its number.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::Signal;

use super::super::words::ProcId;
use super::stat;

/// Longer chains of parents than this aren't real.
const MAX_DEPTH: usize = 4_096;

#[derive(Debug)]
pub struct Held {
    pub id: ProcId,
    pub fd: OwnedFd,
}

impl Held {
    /// Holds the process that has the number now; `id` is of the very process that the pidfd holds.
    pub fn open(pid: u32) -> io::Result<Self> {
        let fd = pidfd::open(pid)?;
        let stat = stat::read(pid)?;
        // Still unreaped, so the number was its own all the while, and the stat with it.
        if !pidfd::is_unreaped(&fd) {
            return Err(gone());
        }
        Ok(Self { id: stat.id(), fd })
    }

    /// Holds the process that is meant, or nothing.
    pub fn open_id(id: ProcId) -> io::Result<Self> {
        let held = Self::open(id.pid)?;
        if held.id == id { Ok(held) } else { Err(gone()) }
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        pidfd::signal(&self.fd, signal)
    }

    /// Have all of its threads ended? It may still wait to be reaped. A process whose main thread alone has ended
    /// (state `Z`) isn't gone.
    pub fn is_gone(&self) -> bool {
        pidfd::is_readable(&self.fd)
    }

    /// Does it still have its number? Then nobody else has.
    pub fn is_unreaped(&self) -> bool {
        pidfd::is_unreaped(&self.fd)
    }

    /// What the kernel tells of it now.
    pub fn stat(&self) -> io::Result<stat::Stat> {
        let stat = stat::read(self.id.pid)?;
        if self.is_unreaped() { Ok(stat) } else { Err(gone()) }
    }

    /// Does it descend from `root` now? Each step is checked again from below after its parent was read, so that a
    /// number that changed hands in between can't lead astray.
    pub fn is_descendant_of(&self, root: &ProcId) -> bool {
        let Ok(mut child) = self.stat() else { return false };
        for _ in 0..MAX_DEPTH {
            if child.ppid == 0 {
                return false;
            }
            let Ok(parent) = stat::read(child.ppid) else { return false };
            let unchanged = stat::read(child.pid).is_ok_and(|now| now.id() == child.id() && now.ppid == child.ppid);
            if !unchanged {
                return false;
            }
            if parent.id() == *root {
                return self.is_unreaped();
            }
            child = parent;
        }
        false
    }
}

impl AsFd for Held {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Is this the error of a table of open files that is full?
pub fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

fn gone() -> io::Error {
    io::Error::from_raw_os_error(libc::ESRCH)
}

#[cfg(target_os = "linux")]
mod pidfd {
    use std::io;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    pub fn open(pid: u32) -> io::Result<OwnedFd> {
        let pid = super::super::pid_of(pid).ok_or_else(super::gone)?;
        Ok(pidfd_open(pid, PidfdFlags::empty())?)
    }

    pub fn signal(fd: &OwnedFd, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(fd, signal)?)
    }

    pub fn is_unreaped(fd: &OwnedFd) -> bool {
        super::super::sys::pidfd_is_unreaped(fd.as_fd())
    }

    pub fn is_readable(fd: &OwnedFd) -> bool {
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        loop {
            match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
                Ok(n) => return n > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod pidfd {
    use std::io;
    use std::os::fd::OwnedFd;

    use rustix::process::Signal;

    pub fn open(_pid: u32) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn signal(_fd: &OwnedFd, _signal: Signal) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn is_unreaped(_fd: &OwnedFd) -> bool {
        false
    }

    pub fn is_readable(_fd: &OwnedFd) -> bool {
        false
    }
}
