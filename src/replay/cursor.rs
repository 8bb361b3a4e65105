//! The model at a place of a tape, moved forwards.
//!
//! What it is depends on the place alone (how many steps were taken, and how late it is), never on how it came there:
//! seeking and playing are the same. Time that passes is told to the engine as live tells it, by ticks just after whole
//! seconds; where a tape brings ticks of its own, by those.

use std::sync::Arc;

use super::marks::{Happened, Kind};
use super::track::{Step, What};
use crate::control::audit;
use crate::domain::event::{Body, Event, RunId};
use crate::domain::rules::Rules;
use crate::domain::run::{EntryKind, Run};
use crate::domain::statement::Rule;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Effect, Fact, Model, Msg};
use crate::record::format::PolicyRec;
use crate::record::tape::{Side, TapeMsg};

/// Ticks come so long after a whole second.
const AFTER: i64 = 5;
const SECOND: i64 = 1_000;
/// So long after the last step, ticks change nothing any more but when the next rate is counted from.
const SETTLED: Span = Span::secs(200);
/// Which happens on every third tick, while nothing else does.
const WINDOW: i64 = 3_000;

/// Makes rules of a policy that stands on a tape; `None`: this redkey can't read it.
pub type Reader = Arc<dyn Fn(&PolicyRec) -> Option<Arc<Rules>> + Send + Sync>;

/// Nobody reads policies: the one in force now counts.
pub fn own_policy() -> Reader {
    Arc::new(|_| None)
}

#[derive(Clone)]
pub struct Cursor {
    pub model: Model,
    /// Steps taken.
    index: u64,
    now: Stamp,
    /// Time of the last step.
    last: Stamp,
    ticked: Stamp,
    /// The tape brings ticks.
    has_ticks: bool,
    reader: Reader,
}

impl Cursor {
    /// Before the first step of a tape that begins at `start`. `model` knows no runs yet.
    pub fn new(model: Model, start: Stamp, reader: Reader) -> Self {
        Self { model, index: 0, now: start, last: start, ticked: tick_before(start), has_ticks: false, reader }
    }

    pub fn index(&self) -> u64 {
        self.index
    }

    pub fn now(&self) -> Stamp {
        self.now
    }

    /// Time of the last step that was taken.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// Lets time pass up to `to`; never back.
    pub fn pass(&mut self, to: Stamp) {
        while !self.has_ticks {
            let next = Stamp(self.ticked.0.saturating_add(SECOND));
            if next > to {
                break;
            }
            if next.since(self.last) <= SETTLED {
                self.tick(next);
                continue;
            }
            let window = self.model.counters.window_start();
            let last = Stamp(window.0 + to.since(window).0 / WINDOW * WINDOW);
            if last <= self.ticked {
                break;
            }
            self.tick(last);
        }
        self.now = self.now.max(to);
    }

    fn tick(&mut self, at: Stamp) {
        self.model.apply(Msg::Tick, at);
        self.ticked = at;
    }

    /// Takes the next step; effects are nobody's.
    pub fn take(&mut self, step: &Step) {
        self.pass(step.at);
        self.ticked = self.ticked.max(tick_before(step.at));
        self.last = step.at;
        self.index += 1;
        match &step.what {
            What::Other(msg) if **msg == TapeMsg::Tick => self.has_ticks = true,
            What::Other(msg) => {
                if let TapeMsg::Side(Side::Policy(policy)) = &**msg
                    && let Some(rules) = (self.reader)(policy)
                {
                    self.model.rules = rules;
                }
            }
            What::Event { .. } => {}
        }
        if let Some(msg) = step.msg() {
            self.model.apply(msg, step.at);
        }
    }

    /// Takes the next step and says what happened in it.
    pub fn watch(&mut self, step: &Step) -> Happened {
        match &step.what {
            What::Event { event, .. } => {
                let before = self.model.find(&event.run).map_or(Seen::default(), |run| self.seen(run));
                self.take(step);
                let after = self.model.find(&event.run);
                after.map_or(Happened::default(), |run| self.event(event, run, before))
            }
            What::Other(msg) => match &**msg {
                TapeMsg::Control(fact) => {
                    let before = self.held(fact);
                    self.take(step);
                    let after = self.held(fact);
                    let mut happened = Happened::default();
                    happened.set(Kind::Gate, after.0 > before.0);
                    happened.set(Kind::Interrupt, after.1.is_some() && after.1 != before.1);
                    happened
                }
                TapeMsg::Side(side) => {
                    let happened = beside(side);
                    self.take(step);
                    happened
                }
                _ => {
                    self.take(step);
                    Happened::default()
                }
            },
        }
    }

    fn seen(&self, run: &Run) -> Seen {
        Seen {
            lines: run.statement.written(),
            entries: run.timeline.written(),
            is_out: run.is_out(self.now, &self.model.rules),
        }
    }

    fn event(&self, event: &Event, run: &Run, before: Seen) -> Happened {
        let after = self.seen(run);
        let mut happened = Happened::default();
        let new = usize::try_from(after.lines - before.lines).unwrap_or(usize::MAX);
        happened.charge = run.statement.lines().rev().take(new).any(|charge| charge.rule != Rule::Wall);
        happened.set(Kind::Flag, after.is_out && !before.is_out);
        if after.entries == before.entries {
            return happened;
        }
        let Some(entry) = run.timeline.entries().next_back() else { return happened };
        match entry.kind {
            EntryKind::Failure | EntryKind::ApiError => happened.set(Kind::Failure, true),
            EntryKind::Warning => happened.set(Kind::Flag, true),
            EntryKind::Approval => happened.set(Kind::Gate, matches!(event.body, Body::ApprovalAsked { .. })),
            EntryKind::End => {
                use crate::domain::event::Outcome;
                if let Some((outcome, _)) = &run.outcome {
                    happened.set(Kind::Failure, *outcome == Outcome::Failed);
                    happened.set(Kind::Interrupt, *outcome == Outcome::Interrupted);
                }
            }
            _ => {}
        }
        happened
    }

    /// Gates that wait, and the newest stop of the run that the fact is about.
    fn held(&self, fact: &Fact) -> (usize, Option<String>) {
        let run: Option<&RunId> = match fact {
            Fact::Hold(hold) => Some(&hold.run),
            Fact::Stopped { run, .. } => Some(run),
            _ => None,
        };
        let number = run.and_then(|id| self.model.find(id)).map(|run| run.number);
        let stop = number.and_then(|number| self.model.stop_of(number)).map(|stop| stop.id.to_string());
        (self.model.gates().len(), stop)
    }

    /// Somebody looks at a run (or at none).
    pub fn look(&mut self, run: Option<u32>) -> Vec<Effect> {
        self.model.apply(Msg::Look(run), self.now)
    }
}

#[derive(Clone, Copy, Default)]
struct Seen {
    lines: u64,
    entries: u64,
    is_out: bool,
}

/// What stands beside the engine's messages on a recording.
fn beside(side: &Side) -> Happened {
    let mut happened = Happened::default();
    match side {
        Side::Mark(mark) => happened.set(Kind::Flag, mark.what.as_str() == "flag"),
        Side::Audit(fact) => match &**fact {
            audit::Fact::AtZero { .. } | audit::Fact::Warned { .. } => happened.set(Kind::Flag, true),
            audit::Fact::GateAsked { .. } => happened.set(Kind::Gate, true),
            audit::Fact::StopRequested { .. } => happened.set(Kind::Interrupt, true),
            _ => {}
        },
        _ => {}
    }
    happened
}

/// The newest time at or before `at` at which live would tick.
fn tick_before(at: Stamp) -> Stamp {
    Stamp((at.0.saturating_sub(AFTER)).div_euclid(SECOND).saturating_mul(SECOND).saturating_add(AFTER))
}
