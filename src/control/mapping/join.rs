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

/// What can be told of `owners` and `sessions`, all of one agent and one store. Each session is told once, with the
/// likeliest process.
pub fn join(agent: Agent, owners: &[Owner], sessions: &[Written]) -> Vec<Mapped> {
    let mut in_order: Vec<&Written> = sessions.iter().collect();
    in_order.sort_by_key(|session| (session.created, session.updated));
    // Processes that have a session already.
    let mut served: Vec<ProcId> = Vec::new();
    let mut mapped = Vec::new();
    for session in in_order {
        let mut may: Vec<&Owner> = owners.iter().filter(|owner| owner.may_own(session)).collect();
        let named: Vec<&Owner> = may.iter().copied().filter(|owner| owner.names(session)).collect();
        let is_named = named.len() == 1;
        if is_named {
            may = named;
        }
        let Some(owner) = may.iter().max_by_key(|owner| likelihood(owner, session, &served)) else { continue };
        served.push(owner.process);
        let others = sessions.iter().filter(|other| owner.may_own(other)).count();
        let why_not = if is_named { String::new() } else { doubt(agent, owner, &may, others) };
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

/// Who began before the session did, has no other one, and began last, is the likeliest.
fn likelihood(owner: &Owner, session: &Written, served: &[ProcId]) -> (bool, bool, Stamp, ProcId) {
    let made_it = session.created.is_some_and(|created| created >= owner.start);
    (made_it, !served.contains(&owner.process), owner.start, owner.process)
}

/// Why `owner` is not certain to own a session that `may` may own, and `sessions` are that it may own; empty if it is.
fn doubt(agent: Agent, owner: &Owner, may: &[&Owner], sessions: usize) -> String {
    match (may.len(), sessions) {
        (1, 1) => String::new(),
        (1, n) => format!(
            "{n} sessions were written here since process {} began; which one it is in can't be told",
            owner.process.pid
        ),
        _ => {
            let list: Vec<u32> = may.iter().map(|owner| owner.process.pid).collect();
            format!("{} of {} may be writing it", pids(&list), agent.name())
        }
    }
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
