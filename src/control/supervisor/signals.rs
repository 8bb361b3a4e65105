//! Signals as something to poll for, with who sent each.
//!
//! They are caught, not ignored: what is started from here begins with the default actions, whatever a background shell
//! had set.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use anyhow::Result;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::{Cause, Sent};

/// A signal that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub signal: i32,
    /// The process that sent it; `None`: the kernel did, as for a key of the terminal.
    pub sender: Option<i32>,
}

/// Signals that are waited for. To be opened after the last fork: a child must not write into its parent's pipe.
pub struct Signals(SignalDelivery<UnixStream, WithOrigin>);

impl Signals {
    pub fn open(signals: &[i32]) -> Result<Self> {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        Ok(Self(SignalDelivery::with_pipe(read, write, WithOrigin::default(), signals)?))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }

    /// What has arrived since; doesn't wait.
    pub fn arrived(&mut self) -> Vec<Arrived> {
        let mut buffer = [0; 256];
        while matches!(self.0.get_read_mut().read(&mut buffer), Ok(n) if n > 0) {}
        self.0
            .pending()
            .map(|origin| {
                let sent = matches!(origin.cause, Cause::Sent(Sent::User | Sent::TKill | Sent::Queue));
                Arrived { signal: origin.signal, sender: origin.process.filter(|_| sent).map(|p| p.pid) }
            })
            .collect()
    }
}
