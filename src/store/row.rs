//! PURE. One run as the ledger keeps it.

use serde::Serialize;

use crate::adapters::Form;
use crate::domain::event::RunId;
use crate::domain::run::Run;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::usage::Usd;

/// Figures are those of the run's last event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    #[serde(serialize_with = "as_text")]
    pub run: RunId,
    pub label: Text,
    /// Working directory.
    pub project: Text,
    /// A title, else the first prompt.
    pub task: Text,
    pub started_at: Option<Stamp>,
    pub ended_at: Option<Stamp>,
    /// As [`crate::report::Report::outcome`].
    pub outcome: Text,
    pub spent_ms: Span,
    pub budget_ms: Span,
    pub worked_ms: Span,
    pub tokens: u64,
    pub cost_usd: Usd,
    pub cost_is_floor: bool,
    pub tool_calls: u64,
    /// `good`, `bad`, or empty.
    pub mark: Text,
    pub note: Text,
    /// The file it was read from, or the first of them.
    pub source: Text,
    #[serde(skip)]
    pub form: Form,
}

impl Row {
    pub fn of(run: &Run, form: Form, source: Text) -> Self {
        let cost = run.tokens.cost();
        Self {
            run: run.id.clone(),
            label: run.facts.label.clone(),
            project: run.facts.cwd.clone(),
            task: run.facts.title.clone(),
            started_at: run.first_at,
            ended_at: run.last_at,
            outcome: Text::new(run.outcome_name()),
            spent_ms: run.clock.spent,
            budget_ms: run.clock.granted,
            worked_ms: run.worked,
            tokens: run.tokens.usage().total(),
            cost_usd: cost.usd,
            cost_is_floor: cost.is_floor,
            tool_calls: run.counts.tool_calls,
            mark: Text::default(),
            note: Text::default(),
            source,
            form,
        }
    }
}

fn as_text<S: serde::Serializer>(run: &RunId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(run)
}
