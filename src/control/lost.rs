//! IO. Runs by the record of their start: who must answer on a run's socket, and what is left of a run whose supervisor
//! is gone or doesn't answer.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use rustix::process::Signal;

use super::audit::{self, Fact, Started};
use super::peer::Peer;
use super::proc::{self, Held};
use super::supervisor::contain;
use super::words::{ProcId, Receipt};
use crate::domain::text::Text;

/// What the audit log says of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    pub started: Started,
    /// What its end is called; `None`: no end is recorded.
    pub outcome: Option<Text>,
    /// Receipts of its stops, with their ids, oldest first.
    pub receipts: Vec<(Text, Receipt)>,
}

impl Recorded {
    /// The run of this name, if it started since the machine did: process ids of another boot mean nothing.
    pub fn read(log: &Path, run: &str) -> io::Result<Option<Self>> {
        let boot = proc::boot_id();
        let mut found: Option<Self> = None;
        for record in audit::about(log, run)?.into_iter().filter(|r| r.boot_id == boot) {
            match (record.fact, &mut found) {
                (Fact::RunStarted(started), _) if started.run.as_str() == run => {
                    found = Some(Self { started: *started, outcome: None, receipts: vec![] });
                }
                (Fact::RunEnded { outcome, .. }, Some(found)) => found.outcome = Some(outcome),
                (Fact::StopEnded { id, receipt }, Some(found)) => found.receipts.push((id, receipt)),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Is it this process that must answer for the run?
    pub fn is_answered_by(&self, server: &Peer) -> bool {
        let supervisor = self.started.supervisor;
        server.pid == supervisor.pid && server.start == Some(supervisor.start)
    }

    /// The receipt of the stop with this id; of another stop of the run, if that one has none.
    pub fn receipt(&self, id: &Text) -> Option<&Receipt> {
        let own = self.receipts.iter().rev().find(|(other, _)| other == id);
        own.or(self.receipts.last()).map(|(_, receipt)| receipt)
    }

    /// redkey's own processes of this run that are there: supervisor and guardian.
    pub fn keepers(&self) -> Vec<Held> {
        self.keeper_ids().filter_map(|id| Held::open_id(id).ok()).filter(|held| !held.is_gone()).collect()
    }

    fn keeper_ids(&self) -> impl Iterator<Item = ProcId> {
        std::iter::once(self.started.supervisor).chain(self.started.guardian)
    }

    /// The agent's processes that are there: below its first process, in its cgroup, or marked by its environment.
    pub fn left(&self) -> Vec<ProcId> {
        let keepers: Vec<u32> = self.keeper_ids().map(|id| id.pid).collect();
        let mut pids: BTreeSet<u32> = BTreeSet::new();
        if let Some(leader) = self.started.leader.filter(|id| proc::id(id.pid) == Some(*id)) {
            pids.insert(leader.pid);
            pids.extend(proc::descendants(leader.pid).iter().map(|stat| stat.pid));
        }
        pids.extend(contain::members(self.started.run.as_str()));
        let mark = format!("{}={}", super::native::RUN, self.started.run);
        pids.extend(proc::all().into_iter().filter(|pid| proc::environ_has(*pid, mark.as_bytes())));
        let own = proc::own_pid();
        let stats =
            pids.into_iter().filter(|pid| *pid != own && !keepers.contains(pid)).filter_map(|p| proc::read(p).ok());
        stats.filter(|stat| stat.state != 'Z').map(|stat| stat.id()).collect()
    }

    /// What marks the run's processes, as name and value.
    pub fn marks(&self) -> Vec<(String, String)> {
        vec![(super::native::RUN.to_owned(), self.started.run.to_string())]
    }

    /// KILL to what is in the run's cgroup, if it has one.
    pub fn kill_cgroup(&self) {
        contain::kill(self.started.run.as_str());
    }

    /// Removes what an ended run has left behind besides processes.
    pub fn tidy(&self) {
        contain::tidy(self.started.run.as_str());
    }
}

/// Wakes processes that were suspended from outside.
pub fn wake(keepers: &[Held]) {
    for held in keepers {
        let _ = held.signal(Signal::CONT); // one that is gone by now needs no waking
    }
}

/// Runs with a recorded start and no end that aren't among those that `answered`, and of which something is left: the
/// agent's processes, or their supervisor. With the number of the agent's processes.
pub fn silent(log: &Path, answered: &[String]) -> io::Result<Vec<(Recorded, usize)>> {
    let boot = proc::boot_id();
    let log = audit::read(log)?;
    let open = audit::open_runs(&log.records).into_iter().filter(|open| open.record.boot_id == boot);
    let recorded = open.map(|open| Recorded { started: open.started.clone(), outcome: None, receipts: vec![] });
    let lost =
        recorded.filter(|run| run.started.grade.is_some() && !answered.iter().any(|s| run.started.run.as_str() == s));
    let counted = lost.map(|run| (run.left().len(), run));
    Ok(counted.filter(|(left, run)| *left > 0 || !run.keepers().is_empty()).map(|(left, run)| (run, left)).collect())
}
