//! Over all sessions: what a policy would have got right and wrong, and what that stands on.

use serde::Serialize;

use super::mark::{Basis, Ended};
use super::verdict::{Saved, Session, Verdict};
use crate::domain::policy::AtZero;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub sessions: u64,
    pub good: Counted,
    pub bad: Counted,
    /// Neither marked nor ended in a way that tells.
    pub unknown: u64,
    pub policy: Side,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Side>,
}

/// Who says so of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    pub by_mark: u64,
    pub by_outcome: u64,
}

/// What one policy makes of all sessions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Side {
    /// The clock or a cap ran out.
    pub at_zero: u64,
    pub stopped: u64,
    pub held: u64,
    pub warned: u64,
    /// Sessions with an action that would have waited for a person, and how many such actions there are.
    pub gated_sessions: u64,
    pub gates: u64,
    /// Ended well, and would have been stopped or held.
    pub false_stops: u64,
    /// Ended badly, and would have gone on.
    pub missed_stops: u64,
    /// Ended badly, and would have been stopped or held.
    pub caught: u64,
    /// Stopped or held, and nobody says how they ended.
    pub cut_unknown: u64,
    /// What came after zero, in sessions that ended badly, well, or nobody says how.
    pub saved_of_bad: Saved,
    pub lost_of_good: Saved,
    pub saved_of_unknown: Saved,
}

impl Counted {
    pub fn all(self) -> u64 {
        self.by_mark + self.by_outcome
    }
}

impl Summary {
    pub fn of(sessions: &[Session]) -> Self {
        let mut summary = Self { sessions: sessions.len() as u64, ..Self::default() };
        for session in sessions {
            summary.count(session);
            summary.policy.add(session.ended, &session.policy);
            if let Some(verdict) = &session.against {
                summary.against.get_or_insert_default().add(session.ended, verdict);
            }
        }
        summary
    }

    fn count(&mut self, session: &Session) {
        let counted = match session.ended {
            Ended::Good => &mut self.good,
            Ended::Bad => &mut self.bad,
            Ended::Unknown => return self.unknown += 1,
        };
        match session.basis {
            Basis::Mark => counted.by_mark += 1,
            _ => counted.by_outcome += 1,
        }
    }
}

impl Side {
    fn add(&mut self, ended: Ended, verdict: &Verdict) {
        self.at_zero += u64::from(verdict.zero.is_some());
        self.stopped += u64::from(verdict.action == Some(AtZero::Stop));
        self.held += u64::from(verdict.action == Some(AtZero::Hold));
        self.warned += u64::from(verdict.action == Some(AtZero::Warn));
        self.gated_sessions += u64::from(verdict.gates > 0);
        self.gates += verdict.gates;
        let saved = verdict.saved.unwrap_or_default();
        let (count, sum) = match (ended, verdict.is_cut()) {
            (Ended::Good, true) => (&mut self.false_stops, &mut self.lost_of_good),
            (Ended::Bad, true) => (&mut self.caught, &mut self.saved_of_bad),
            (Ended::Unknown, true) => (&mut self.cut_unknown, &mut self.saved_of_unknown),
            (Ended::Bad, false) => return self.missed_stops += 1,
            (_, false) => return,
        };
        *count += 1;
        *sum += saved;
    }
}
