//! What became of our children. Only for a process with a single thread that waits for them here and nowhere else
//! (never through `std::process::Child`): two waiters steal statuses from each other.

use std::io;

use rustix::process::{WaitOptions, WaitStatus, wait};

/// Statuses taken in one call; a fork chain could keep it busy for ever.
const MOST: u32 = 4_096;

/// What became of one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Exited(i32),
    /// Ended by a signal of this number.
    Killed(i32),
    /// Stopped by a signal of this number; it is alive.
    Stopped(i32),
    Continued,
}

impl Status {
    /// Is it gone, and its number free?
    pub fn is_end(self) -> bool {
        matches!(self, Status::Exited(_) | Status::Killed(_))
    }

    /// As a shell tells it: 128 and the signal's number.
    pub fn code(self) -> Option<i32> {
        match self {
            Status::Exited(code) => Some(code),
            Status::Killed(signal) => Some(128 + signal),
            Status::Stopped(_) | Status::Continued => None,
        }
    }

    fn of(status: WaitStatus) -> Option<Self> {
        if let Some(code) = status.exit_status() {
            return Some(Status::Exited(code));
        }
        if let Some(signal) = status.terminating_signal() {
            return Some(Status::Killed(signal));
        }
        if let Some(signal) = status.stopping_signal() {
            return Some(Status::Stopped(signal));
        }
        status.continued().then_some(Status::Continued)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// So many statuses were told, and there are children left, or may be: ask again when SIGCHLD comes, and at once
    /// if it is a great many.
    Some(u32),
    /// There are children, none has anything to tell.
    NoneReady,
    /// The kernel says that there is no child at all, of any kind (ECHILD). Whatever was told in this call came
    /// before.
    NoChildren,
}

impl Reaped {
    /// The call ended for its own bound, not for lack of statuses.
    pub fn is_cut_short(self) -> bool {
        self == Reaped::Some(MOST)
    }
}

/// Takes every status that is ready, without waiting: ends, stops and continuations, children made by `clone` with
/// another signal than SIGCHLD included.
pub fn reap_all(on_status: &mut dyn FnMut(u32, Status)) -> io::Result<Reaped> {
    let options = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED | all_kinds();
    let mut told = 0;
    while told < MOST {
        match wait(options) {
            Ok(Some((pid, status))) => {
                told += 1;
                if let Some(status) = Status::of(status) {
                    on_status(pid.as_raw_nonzero().get().unsigned_abs(), status);
                }
            }
            Ok(None) if told == 0 => return Ok(Reaped::NoneReady),
            Ok(None) => return Ok(Reaped::Some(told)),
            Err(rustix::io::Errno::CHILD) => return Ok(Reaped::NoChildren),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Reaped::Some(told))
}

#[cfg(target_os = "linux")]
fn all_kinds() -> WaitOptions {
    WaitOptions::from_bits_retain(libc::__WALL as u32)
}

#[cfg(not(target_os = "linux"))]
fn all_kinds() -> WaitOptions {
    WaitOptions::empty()
}

/// Is `pid` our own child, ended or not? Needs no descriptor and takes nothing from it.
#[cfg(target_os = "linux")]
pub fn is_child(pid: u32) -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let options = options | WaitIdOptions::from_bits_retain(libc::__WALL as u32);
    super::pid_of(pid).is_some_and(|pid| waitid(WaitId::Pid(pid), options).is_ok())
}

#[cfg(not(target_os = "linux"))]
pub fn is_child(_pid: u32) -> bool {
    false
}
