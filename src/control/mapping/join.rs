//! PURE. Processes and sessions that have only a directory and times in common: which belong together for sure.
//!
//! A session *may be* a process's if it stands in the process's directory and was written since the process began. It
//! *is* the process's if it may be nobody else's and the process may have no other. Everything else is told, but not as
//! certain: a process that was in the same place and is gone already leaves a session that looks like the survivor's.

use super::Mapped;
use crate::control::words::ProcId;
use crate::domain::event::{Agent, RunId};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// A process needs so long from its start until it writes to a session that was there before. What was written sooner
/// was written by its predecessor.
const TAKES_UP: Span = Span(100);

/// A process that may own a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Owner {
    pub process: ProcId,
    pub leader: ProcId,
    pub start: Stamp,
    /// The directory whose sessions may be its own; `None`: any, it serves them all.
    pub directory: Option<String>,
    /// Sessions are named on command lines to go on with them.
    pub argv: Vec<String>,
}

/// A session that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub id: String,
    pub directory: String,
    /// `None`: not known.
    pub created: Option<Stamp>,
    pub updated: Stamp,
    /// What it stands in, as it is shown.
    pub place: String,
}

impl Owner {
    fn may_own(&self, session: &Written) -> bool {
        let is_older = session.created.is_none_or(|created| created < self.start);
        let since = if is_older { self.start + TAKES_UP } else { self.start };
        self.directory.as_ref().is_none_or(|directory| *directory == session.directory) && session.updated >= since
    }

    fn names(&self, session: &Written) -> bool {
        let of = |arg: &String| arg == &session.id || arg.split_once('=').is_some_and(|(_, value)| value == session.id);
        self.argv.iter().skip(1).any(of)
    }
}

/// What can be told of `owners` and `sessions`, all of one agent and one store.
pub fn join(agent: Agent, owners: &[Owner], sessions: &[Written]) -> Vec<Mapped> {
    let mut mapped = Vec::new();
    for session in sessions {
        let mut may: Vec<&Owner> = owners.iter().filter(|owner| owner.may_own(session)).collect();
        let named: Vec<&Owner> = may.iter().copied().filter(|owner| owner.names(session)).collect();
        let is_named = named.len() == 1;
        if is_named {
            may = named;
        }
        // Told once, with the youngest of those that may be it.
        let Some(owner) = may.iter().max_by_key(|owner| (owner.start, owner.process)) else { continue };
        let others = sessions.iter().filter(|other| owner.may_own(other)).count();
        let why_not = match (may.len(), others) {
            (1, _) if is_named => String::new(),
            (1, 1) => String::new(),
            (1, n) => format!(
                "{n} sessions were written here since process {} began; which one it is in can't be told",
                owner.process.pid
            ),
            _ => format!(
                "{} of {agent} may be writing it",
                pids(&may.iter().map(|owner| owner.process.pid).collect::<Vec<_>>()),
                agent = agent.name()
            ),
        };
        let how = if is_named { "named on its command line, and " } else { "" };
        mapped.push(Mapped {
            session: RunId::new(agent, &session.id),
            leader: owner.leader,
            process: owner.process,
            how: Text::new(&format!("{how}the same directory: {}", session.place)),
            certain: why_not.is_empty(),
            why_not: Text::new(&why_not),
        });
    }
    mapped
}

/// `processes 12, 34 and 56`
pub fn pids(pids: &[u32]) -> String {
    match pids {
        [] => "no process".to_owned(),
        [one] => format!("process {one}"),
        [some @ .., last] => {
            let some: Vec<String> = some.iter().map(u32::to_string).collect();
            format!("processes {} and {last}", some.join(", "))
        }
    }
}

#[cfg(test)]
mod tests;
