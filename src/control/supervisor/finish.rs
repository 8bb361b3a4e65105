//! The end of what the agent printed: it is out before redkey says a word of its own, and before its exit code.

use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::signals::Signals;
use crate::clock;
use crate::control::proc::{self, Reaped};

/// Waits until our child `helper` has ended. With `patience`, at most so long; without, as long as whoever reads takes,
/// as a program waits that writes to them: a signal ends that. What has not ended by then is ended.
pub fn wait_for(helper: u32, patience: Option<Duration>) {
    let until = patience.map(|patience| clock::elapsed() + patience);
    if let Ok(mut signals) = Signals::open(&[SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT]) {
        while is_there(helper) {
            let left = until.map(|until| until.saturating_sub(clock::elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                break;
            }
            let waited = super::poll(&mut [PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN)], left);
            if waited.is_err() || signals.arrived().iter().any(|arrived| arrived.signal != SIGCHLD) {
                break;
            }
        }
    }
    if is_there(helper)
        && let Some(pid) = proc::pid_of(helper)
    {
        // Our unreaped child: the number is its own.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn is_there(helper: u32) -> bool {
    while proc::reap_all(&mut |_, _| {}).is_ok_and(Reaped::is_cut_short) {}
    proc::is_child(helper)
}
