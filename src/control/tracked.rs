//! The ladder for processes that redkey did not start: they are found, held by pidfds and signalled through these.
//!
//! What is proven at the end is that every process found is gone, that none of them had a child that wasn't found, and
//! that nothing carries the run's marks in its environment. A process that lost its parent *before* it was first looked
//! for, left its session and cleared its environment isn't found: the grade is [`Grade::Tracked`], the lowest.

mod drive;
mod set;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::ladder::{Ladder, Plan};
use super::proc;
use super::words::{Asker, Grade, Mode, ProcId, Stop};
use crate::clock;
use crate::domain::text::Text;

/// After the stop has failed, it goes on being tried for so long.
const KEEP_TRYING: Duration = Duration::from_secs(10);

/// A stop as it is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// `cooperative` is not used: asking the agent in its own way is not done here.
    pub plan: Plan,
    pub mode: Mode,
    pub id: Text,
    pub by: Asker,
    pub reason: Text,
}

/// A process and everything that belongs to it, each held.
pub struct Tracked {
    set: set::Set,
    keep_trying: Duration,
}

impl Tracked {
    /// Holds `leader` and everything below it, in whatever session. An error of kind `NotFound` if it is gone or its
    /// number is another's now; `Unsupported` where there are no pidfds.
    pub fn open(leader: ProcId) -> io::Result<Self> {
        proc::raise_open_files();
        Ok(Self { set: set::Set::open(leader)?, keep_trying: KEEP_TRYING })
    }

    /// Holds these and everything below each: what is left of a run whose leader may be gone. Those that are gone by now
    /// are left out; `NotFound` if all are.
    pub fn open_all(ids: &[ProcId]) -> io::Result<Self> {
        proc::raise_open_files();
        Ok(Self { set: set::Set::open_all(ids)?, keep_trying: KEEP_TRYING })
    }

    /// Variables that only this run's processes have in their environment, as name and value. Processes of the same
    /// user that have one and started after the leader belong to the run, wherever they descend from now.
    pub fn marks(mut self, marks: Vec<(String, String)>) -> Self {
        self.set.marks = marks.into_iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect();
        self
    }

    /// Never touches these processes, and doesn't count them. This process itself is always spared.
    pub fn sparing(mut self, pids: &[u32]) -> Self {
        self.set.spare(pids);
        self
    }

    /// How long a failed stop goes on being tried.
    pub fn keep_trying(mut self, time: Duration) -> Self {
        self.keep_trying = time;
        self
    }

    /// Looks again for what belongs to the run, and tells who does.
    pub fn members(&mut self) -> Vec<ProcId> {
        self.set.look(true);
        self.set.ids()
    }

    /// Goes up the ladder until nothing is left, or the stop has failed and was tried long enough. `press`: when bytes
    /// can be read from it, KILL at once; they are taken. `on_change` is told each new state, the last one included.
    pub fn run(&mut self, request: Request, press: Option<BorrowedFd<'_>>, on_change: &mut dyn FnMut(&Stop)) -> Stop {
        let Request { plan, mode, id, by, reason } = request;
        let plan = Plan { cooperative: false, ..plan };
        self.set.look(true);
        let (at, now) = (clock::now(), clock::elapsed());
        let ladder = Ladder::new(id, mode, by, reason, plan, Grade::Tracked, self.set.total(), at, now);
        drive::Drive::new(&mut self.set, ladder, self.keep_trying, press, on_change).run(mode)
    }
}
