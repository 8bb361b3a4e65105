//! Time as money: what a run was given, what it has spent, what is left.

use serde::Serialize;

use super::time::Span;

/// A run's clock. `left` never rises but by a grant, a transfer or a narrowing decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Clock {
    #[serde(rename = "granted_ms")]
    pub granted: Span,
    #[serde(rename = "spent_ms")]
    pub spent: Span,
}

impl Clock {
    pub fn new(granted: Span) -> Self {
        Self { granted, spent: Span::ZERO }
    }

    /// What is left; negative once the run has overspent.
    pub fn left(&self) -> Span {
        self.granted - self.spent
    }

    /// Spends `amount` (≥ 0).
    pub fn spend(&mut self, amount: Span) {
        self.spent += amount.max(Span::ZERO);
    }

    /// Gives back up to `amount`, never above what was granted. Returns what was really given back.
    pub fn refund(&mut self, amount: Span) -> Span {
        let back = amount.max(Span::ZERO).min(self.spent);
        self.spent -= back;
        back
    }

    /// Adds to (or, negative, takes from) what was granted.
    pub fn grant(&mut self, amount: Span) {
        self.granted += amount;
    }
}
