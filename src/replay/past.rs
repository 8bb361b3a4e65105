//! The whole past of a run, read again for who looks at it: the model keeps its newest lines alone.

use std::sync::Arc;

use super::track::{Step, Steps, What};
use crate::domain::event::RunId;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::run::{Context, Origin, Run, Timeline};
use crate::domain::statement::Statement;
use crate::domain::time::Span;
use crate::domain::tokens::Seen;

/// Lines kept of a run that was read again.
const KEEP: usize = 50_000;
/// As the engine does: an event's own time is believed so far ahead of the clock.
const AHEAD: Span = Span(60_000);

/// Everything that is needed to read it, wherever that is done.
pub struct Past {
    pub(super) run: u32,
    pub(super) id: RunId,
    /// Steps that count.
    pub(super) until: u64,
    pub(super) rules: Arc<Rules>,
    pub(super) prices: Arc<Prices>,
    pub(super) parts: Vec<Part>,
}

pub(super) enum Part {
    Here(Arc<[Step]>),
    Again(Box<Steps>),
}

impl Past {
    /// Reads it. `None`: it isn't wanted any more.
    pub fn read(self, is_wanted: impl Fn() -> bool) -> Option<Run> {
        let mut run = Run::new(self.id.clone(), self.run);
        run.statement = Statement::new(KEEP);
        run.timeline = Timeline::new(KEEP);
        let mut seen = Seen::default();
        let mut cx = Context { rules: &self.rules, prices: &self.prices, seen: &mut seen };
        run.set_default_budget(&cx);
        let mut left = self.until;
        for part in self.parts {
            let steps: Box<dyn Iterator<Item = Step>> = match part {
                Part::Here(steps) => Box::new((0..steps.len()).map(move |at| steps[at].clone())),
                Part::Again(steps) => Box::new((*steps).filter_map(Result::ok)),
            };
            for step in steps {
                if left == 0 || (left.is_multiple_of(1_024) && !is_wanted()) {
                    break;
                }
                left -= 1;
                apply(&mut run, step, &mut cx);
            }
        }
        is_wanted().then_some(run)
    }
}

fn apply(run: &mut Run, step: Step, cx: &mut Context<'_>) {
    let What::Event { source, offset, event } = step.what else { return };
    if event.run == run.id {
        let at = event.at.map_or(step.at, |at| at.min(step.at + AHEAD));
        run.apply(&event, at, Origin { source, offset }, cx);
    }
}
