//! IO. A run that redkey starts: who its processes are and how they begin.
//!
//! - [`guardian`] — what the user's shell sees: waits, passes signals on, ends as the agent ended;
//! - [`supervise`] — the agent's parent: socket, ladder, proof;
//! - [`relay`] — passes standard streams on, where somebody must read along; [`contain`] — a cgroup for the run;
//! - [`asker`] — asks the agent's own server; [`finish`] — the last of what was printed; [`lines`] — lines that pass by;
//! - [`launch`] — pipes and forks, in the one order that is right; [`agent`], [`streams`] — the agent and what it speaks
//!   through; [`pidns`] — a namespace; [`meters`] — the meters;
//! - [`signals`], [`wire`] — signals to poll for; what these processes tell each other.
//!
//! ```text
//! redkey run          guardian, in the user's process group
//! ├── supervisor      own group; dies with the guardian, and then the run does
//! │   └── agent       in the user's group: the terminal's keys reach it as if redkey weren't there
//! ├── meter           reads what the agent does; may die without harm to the key
//! └── relay or asker  only where streams are passed on, or the agent has a server
//! ```
//!
//! Guardian and supervisor both inherit processes that lose their parent, so either may be killed and the other still
//! ends, and counts, all of them. Both have one thread: only so may they fork, and wait for children without losing one.

mod agent;
mod asker;
pub(in crate::control) mod contain;
mod finish;
mod guardian;
mod launch;
mod lines;
mod meters;
mod pidns;
mod relay;
mod signals;
mod streams;
mod supervise;
mod wire;

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, Timespec};

pub use contain::Contain;
pub use guardian::code;
pub use launch::{Launch, launch};

/// Waits for the descriptors, at most so long; a signal ends the wait too.
fn poll(fds: &mut [PollFd<'_>], timeout: Option<Duration>) -> io::Result<()> {
    // Rounded up, so that whoever waits for a moment doesn't wake just before it.
    let timeout = timeout.map(|t| Timespec {
        tv_sec: i64::try_from(t.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(t.subsec_nanos()),
    });
    match rustix::event::poll(fds, timeout.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
