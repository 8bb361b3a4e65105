//! PURE. What the log says about a run or a session.

use std::collections::BTreeSet;

use super::record::{Fact, Record, Started};
use crate::domain::text::Text;
use crate::domain::time::Span;

/// What a session was given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The first budget that was recorded for it. `None`: none ever was, the policy's counts.
    pub budget: Option<Span>,
    /// All grants together; negative when more was taken.
    pub granted: Span,
}

impl Budget {
    /// All it may spend. `policy`: its budget, if none was ever recorded.
    pub fn total(self, policy: Span) -> Span {
        self.budget.unwrap_or(policy) + self.granted
    }
}

/// The budget of `session`. A later run that goes on with it brings no fresh clock: the first budget stays, and grants
/// add to it.
pub fn budget_of(records: &[Record], session: &str) -> Budget {
    let mut runs = BTreeSet::from([session]);
    let mut started: Vec<&Started> = Vec::new();
    let mut budget = Budget::default();
    for record in records {
        match &record.fact {
            Fact::RunStarted(start) => {
                if start.run.as_str() == session {
                    budget.budget = budget.budget.or(start.budget_ms);
                }
                started.retain(|other| other.run != start.run); // an attended run begins more than once
                started.push(start);
            }
            Fact::SessionAttached { run, session: attached } if attached.as_str() == session => {
                runs.insert(run.as_str());
                let start = started.iter().find(|start| start.run == *run);
                budget.budget = budget.budget.or(start.and_then(|start| start.budget_ms));
            }
            Fact::Granted { amount_ms, sessions, .. } => {
                let named = sessions.iter().any(|name| name.as_str() == session);
                // Given to a run before or without saying for which of its sessions.
                let meant = sessions.is_empty() && record.run.as_ref().is_some_and(|run| runs.contains(run.as_str()));
                if named || meant {
                    budget.granted += *amount_ms;
                }
            }
            _ => {}
        }
    }
    budget
}

/// A run whose end isn't recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Open<'a> {
    /// Its start; the processes it names are those of its boot.
    pub record: &'a Record,
    pub started: &'a Started,
}

/// Runs that have a start and no end, oldest first: they are under way, or were left behind.
pub fn open_runs(records: &[Record]) -> Vec<Open<'_>> {
    let mut open: Vec<Open<'_>> = Vec::new();
    for record in records {
        match &record.fact {
            Fact::RunStarted(started) => {
                open.retain(|other| other.started.run != started.run);
                open.push(Open { record, started });
            }
            Fact::RunEnded { .. } => open.retain(|other| Some(&other.started.run) != record.run.as_ref()),
            _ => {}
        }
    }
    open
}

/// Everything about a run or a session: what names it, and what names a run that it belongs to or a session of it.
pub fn facts_of<'a>(records: &'a [Record], name: &str) -> Vec<&'a Record> {
    let mut names = BTreeSet::from([name]);
    for record in records {
        if let Fact::SessionAttached { run, session } = &record.fact {
            if run.as_str() == name {
                names.insert(session.as_str());
            } else if session.as_str() == name {
                names.insert(run.as_str());
            }
        }
    }
    records.iter().filter(|record| names_in(record).any(|other| names.contains(other.as_str()))).collect()
}

/// Runs and sessions that a record names.
pub fn names_in(record: &Record) -> impl Iterator<Item = &Text> {
    let (one, two, many): (Option<&Text>, Option<&Text>, &[Text]) = match &record.fact {
        Fact::RunStarted(started) => (Some(&started.run), None, &[]),
        Fact::SessionAttached { run, session } => (Some(run), Some(session), &[]),
        Fact::Granted { other, sessions, .. } => (other.as_ref(), None, sessions),
        _ => (None, None, &[]),
    };
    record.run.iter().chain(one).chain(two).chain(many)
}
