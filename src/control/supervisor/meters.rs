//! The meters of a run: one at a time, in a process of its own, and another when one was killed.

use std::io::{self, PipeReader};
use std::os::unix::net::UnixStream;

use anyhow::Result;

use super::launch::number;
use super::streams::let_go_of_streams;
use crate::control::proc::{self, Fork};
use crate::control::words::ProcId;
use crate::domain::event::Agent;
use crate::domain::text::Text;

/// The meter's work, until its link is closed.
pub type MeterMain = Box<dyn Fn(MeterStart) -> Result<()>>;

/// What the meter is started with.
pub struct MeterStart {
    pub run: Text,
    pub link: UnixStream,
    pub audit: PipeReader,
    /// The process below which the run is: the supervisor.
    pub root: Option<ProcId>,
    pub agent: Option<Agent>,
    pub command: Text,
    pub cwd: Text,
}

/// The meters of a run: one at a time, and another when one was killed.
pub(super) struct Meters {
    pub(super) work: MeterMain,
    /// Their ends of the links to the supervisor, which has the others.
    pub(super) ends: Vec<UnixStream>,
    pub(super) audit: PipeReader,
    pub(super) run: Text,
    pub(super) root: Option<ProcId>,
    pub(super) agent: Option<Agent>,
    pub(super) command: Text,
    pub(super) cwd: Text,
}

/// Which side of a meter's fork this is.
pub(super) enum Forked {
    Running(u32),
    /// This is the meter. It must let go of what the guardian holds, and then [`Meters::be`].
    Inside(UnixStream),
    /// There were too many.
    NoMore,
}

impl Meters {
    /// Starts the next one.
    pub(super) fn start(&mut self) -> io::Result<Forked> {
        if self.ends.is_empty() {
            return Ok(Forked::NoMore);
        }
        let end = self.ends.remove(0);
        Ok(match proc::fork()? {
            Fork::Parent(pid) => Forked::Running(number(pid)),
            Fork::Child => Forked::Inside(end),
        })
    }

    /// The meter's whole life; its exit code.
    pub(super) fn be(&mut self, link: UnixStream) -> i32 {
        self.ends.clear();
        let Ok(audit) = self.audit.try_clone() else { return 1 };
        let start = MeterStart {
            run: self.run.clone(),
            link,
            audit,
            root: self.root,
            agent: self.agent,
            command: self.command.clone(),
            cwd: self.cwd.clone(),
        };
        meter_main(&self.work, start)
    }
}

fn meter_main(work: &MeterMain, start: MeterStart) -> i32 {
    let begin = || -> io::Result<()> {
        rustix::process::setpgid(None, None)?;
        let_go_of_streams()
    };
    match begin().map_err(anyhow::Error::from).and_then(|()| work(start)) {
        Ok(()) => 0,
        Err(_) => 1, // the supervisor sees that it is gone, and shows it
    }
}
