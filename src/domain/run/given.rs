//! What a run is given from outside its stream: its budget, grants, and the proof of its end.

use super::Run;
use super::timeline::{Entry, EntryKind, Origin};
use crate::domain::policy::Caps;
use crate::domain::rules::Rules;
use crate::domain::statement::{Charge, Factors, Rule};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// What a dying agent or its supervisor still wrote may be so much younger than the proof.
const FLUSH: Span = Span(1_000);

/// Time given to (or, negative, taken from) a run by a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub amount: Span,
    pub by: Text,
    pub reason: Text,
    pub at: Stamp,
}

impl Run {
    /// The clock and caps that the run was started with. They go before what the policy or the run itself says, and
    /// may become known at any time: grants are added to them.
    pub fn give_budget(
        &mut self,
        budget: Option<Span>,
        caps: Option<Caps>,
        label: &Text,
        because: Text,
        rules: &Rules,
    ) {
        if self.facts.label.is_empty() {
            self.facts.label = label.clone();
        }
        if let Some(budget) = budget {
            self.clock.granted = budget + self.grants;
            self.because = because;
            self.budget_given = true;
        }
        if let Some(caps) = caps {
            self.caps = caps;
            self.caps_given = true;
        }
        self.settle_budget(None, rules);
    }

    /// A grant that stands in the record of control, not in the run's stream.
    pub fn grant(&mut self, grant: &Grant) {
        let what = self.granted(grant.at, 0, grant.amount, &grant.by, &grant.reason);
        let Grant { amount, at, .. } = *grant;
        self.timeline.push(Entry {
            at,
            kind: EntryKind::Grant,
            branch: 0,
            what,
            amount: -amount,
            origin: Origin::NOWHERE,
        });
    }

    /// Moves the clock and writes the line.
    pub(super) fn granted(&mut self, at: Stamp, branch: u16, amount: Span, by: &Text, reason: &Text) -> Text {
        self.clock.grant(amount);
        self.grants += amount;
        let what = match reason.is_empty() {
            true => Text::new(&format!("by {by}")),
            false => Text::new(&format!("by {by}: {reason}")),
        };
        let charge =
            Charge { at, amount: -amount, rule: Rule::Grant, branch, factors: Factors::NONE, what: what.clone() };
        self.statement.push(charge);
        what
    }

    /// Every process of it was proven gone at `at`. It ends there, whenever its events are read, unless it was taken up
    /// again later.
    pub fn stopped(&mut self, at: Stamp, reason: Text) {
        if self.proven_end.as_ref().is_none_or(|(known, _)| *known <= at) {
            self.proven_end = Some((at, reason));
        }
    }

    /// When it was proven gone and why, if nothing came after that.
    pub(super) fn dead(&self) -> Option<(Stamp, &Text)> {
        let (at, reason) = self.proven_end.as_ref()?;
        self.last_at.is_none_or(|last| last <= *at + FLUSH).then_some((*at, reason))
    }
}
