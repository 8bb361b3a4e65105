//! The ordinary engine, watched: before each event for what time alone used up since the last one, after it for what it
//! charged.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::mark::{Marked, ended};
use super::verdict::{Gate, Saved, Session, Verdict, Zero};
use crate::adapters::Form;
use crate::domain::event::{Body, Event, Key, RunId};
use crate::domain::meter::{Meter, Reading};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::run::Run;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Fact, Model, Msg};

/// As the engine does: an event's own time is believed so far ahead of the clock.
const AHEAD: Span = Span(60_000);
/// Gates of one session that are told in full; the others are counted.
const FIRST_GATES: usize = 8;
/// Calls remembered as held, so that one that is told twice counts once.
const MAX_HELD: usize = 65_536;
/// Whenever so many more runs have appeared in one source, those that are over forget their lines.
const FORGET_EVERY: usize = 32;

/// What is known of runs beside their streams.
#[derive(Debug, Default)]
pub struct Known {
    /// Labels and proven ends. Budgets and grants are left out: the policy that is tried gives its own.
    pub facts: HashMap<RunId, Vec<Fact>>,
    pub marks: HashMap<String, Marked>,
}

impl Known {
    /// Takes from the record of control what holds under any policy.
    pub fn learn(&mut self, fact: Fact) {
        if let Some((run, fact)) = under_any_policy(fact) {
            self.facts.entry(run).or_default().push(fact);
        }
    }
}

/// What holds whatever the policy: labels and proven ends.
fn under_any_policy(fact: Fact) -> Option<(RunId, Fact)> {
    match fact {
        Fact::Budget { run, label, by, .. } if !label.is_empty() => {
            Some((run.clone(), Fact::Budget { run, budget: None, caps: None, label, by }))
        }
        Fact::Stopped { ref run, .. } => Some((run.clone(), fact)),
        _ => None,
    }
}

/// Runs the messages of sessions under one policy.
pub struct Judge<'a> {
    model: Model,
    rules: Arc<Rules>,
    known: &'a Known,
    /// By the run's number.
    watched: Vec<Watched>,
    now: Stamp,
    /// `now` is when it arrived, not when it is read again.
    is_taped: bool,
    /// The newest time that any event told.
    newest: Option<Stamp>,
}

#[derive(Default)]
struct Watched {
    zero: Option<Zero>,
    gates: u64,
    first_gates: Vec<Gate>,
    held: HashSet<Key>,
    grants: u64,
}

impl<'a> Judge<'a> {
    /// `now`: no event is taken to be later than this.
    pub fn new(rules: Arc<Rules>, prices: Arc<Prices>, known: &'a Known, now: Stamp) -> Self {
        let model = Model::new(rules.clone(), prices);
        Self { model, rules, known, watched: Vec::new(), now, is_taped: false, newest: None }
    }

    /// Takes what a tape says was told at `now`.
    pub fn take_at(&mut self, msg: Msg, now: Stamp) {
        self.now = now;
        self.is_taped = true;
        self.take(msg);
    }

    /// Takes what is read of a transcript.
    pub fn take(&mut self, msg: Msg) {
        match msg {
            Msg::Events { source, events } => {
                events.into_iter().for_each(|(event, offset)| self.event(source, event, offset));
            }
            // What people gave is left out.
            Msg::Control(Fact::Grant { run, .. }) => {
                if let Some(run) = self.model.find(&run)
                    && let Some(watched) = self.watched.get_mut(run.number as usize)
                {
                    watched.grants += 1;
                }
            }
            Msg::Control(fact) => {
                if let Some((_, fact)) = under_any_policy(fact) {
                    self.model.apply(Msg::Control(fact), self.now);
                }
            }
            other => drop(self.model.apply(other, self.now)),
        }
    }

    /// An event without a time happened when it arrived, or (where nobody knows that) when the one before it did.
    fn event(&mut self, source: u32, event: Event, offset: u64) {
        let id = event.run.clone();
        let number = match self.model.find(&id) {
            Some(run) => run.number as usize,
            None => self.appears(&id),
        };
        if self.watched.len() <= number {
            self.watched.resize_with(number + 1, Watched::default);
        }
        if matches!(event.body, Body::Granted { .. }) {
            self.watched[number].grants += 1;
            return;
        }
        self.newest = self.newest.max(event.at);
        let known = || self.model.find(&id).and_then(|run| run.last_at).or(self.newest).unwrap_or(self.now);
        let now = if event.at.is_some() || self.is_taped { self.now } else { known() };
        let at = event.at.map_or(now, |at| at.min(now + AHEAD));
        if self.watched[number].zero.is_none() {
            self.before(&id, number, at);
            self.gate(&id, number, &event, at);
        }
        self.model.apply(Msg::Events { source, events: vec![(event, offset)] }, now);
        if let Some(run) = self.model.find(&id)
            && self.watched[number].zero.is_none()
        {
            self.watched[number].zero = out_after(run, &self.rules);
        }
    }

    /// The number that a run will have that is not known yet.
    fn appears(&mut self, id: &RunId) -> usize {
        for fact in self.known.facts.get(id).into_iter().flatten() {
            self.model.apply(Msg::Control(fact.clone()), self.now);
        }
        let number = self.model.runs().len();
        if number > 0 && number.is_multiple_of(FORGET_EVERY) {
            self.model.apply(Msg::Tick, self.now);
        }
        number
    }

    fn before(&mut self, id: &RunId, number: usize, at: Stamp) {
        if let Some(run) = self.model.find(id) {
            self.watched[number].zero = out_before(run, at, &self.rules);
        }
    }

    fn gate(&mut self, id: &RunId, number: usize, event: &Event, at: Stamp) {
        let Body::ToolCall { key, tool, input } = &event.body else { return };
        let watched = &mut self.watched[number];
        if watched.zero.is_some() {
            return;
        }
        let cwd = self.model.find(id).map(|run| run.facts.cwd.clone()).unwrap_or_default();
        let Some(because) = self.rules.gate(id.agent, tool, input, cwd.as_str()) else { return };
        if watched.held.len() >= MAX_HELD || !watched.held.insert(*key) {
            return;
        }
        watched.gates += 1;
        if watched.first_gates.len() < FIRST_GATES {
            let what = Text::new(&format!("{tool} {}", input.summary));
            watched.first_gates.push(Gate { at, what, because: Text::new(&because) });
        }
    }

    /// Everything was read: a session for each run, judged by this policy.
    pub fn finish(self) -> Vec<Session> {
        let Self { model, rules, known, mut watched, .. } = self;
        watched.resize_with(model.runs().len().max(watched.len()), Watched::default);
        let pairs = model.runs().zip(watched);
        pairs.filter(|(run, _)| run.counts.events > 0).map(|(run, w)| session(run, w, &model, &rules, known)).collect()
    }
}

fn session(run: &Run, watched: Watched, model: &Model, rules: &Rules, known: &Known) -> Session {
    let marked = known.marks.get(&run.id.to_string());
    let outcome = run.outcome_name();
    let (ended, basis) = ended(marked.map(|marked| marked.mark), outcome);
    let source = model.sources_of(run.number).first().and_then(|number| model.source(*number));
    let total = so_far(run);
    let at_zero = rules.policy.clock.at_zero;
    let mut verdict = Verdict {
        budget_ms: run.clock.granted,
        because: run.because.clone(),
        spent_ms: run.clock.spent,
        action: watched.zero.as_ref().map(|_| at_zero),
        saved: None,
        zero: watched.zero,
        gates: watched.gates,
        first_gates: watched.first_gates,
    };
    if verdict.is_cut() {
        verdict.saved = verdict.zero.as_ref().map(|zero| zero.until.until(total));
    }
    Session {
        run: run.id.clone(),
        form: source.and_then(|source| source.form).unwrap_or(Form::Stream),
        label: run.facts.label.clone(),
        cwd: run.facts.cwd.clone(),
        title: run.facts.title.clone(),
        started_at: run.first_at,
        last_event_at: run.last_at,
        outcome,
        ended,
        basis,
        note: marked.map(|marked| marked.note.clone()).unwrap_or_default(),
        total,
        cost_is_floor: run.tokens.cost().is_floor,
        failures: run.failures(),
        subagents: run.subagents(),
        unparsed_lines: run.counts.unparsed,
        grants_left_out: watched.grants,
        source: source.map(|source| source.name.clone()).unwrap_or_default(),
        policy: verdict,
        against: None,
    }
}

/// Everything up to the last event.
fn so_far(run: &Run) -> Saved {
    let real = run.last_at.zip(run.first_at).map(|(last, first)| last.since(first));
    Saved {
        clock_ms: run.clock.spent,
        tokens: run.tokens.usage().total(),
        usd: run.tokens.cost().usd,
        tool_calls: run.counts.tool_calls,
        worked_ms: run.worked,
        real_ms: real.unwrap_or_default(),
    }
}

/// Did the last event use something up?
fn out_after(run: &Run, rules: &Rules) -> Option<Zero> {
    let at = run.last_at?;
    let out = run.readings(at, rules).into_iter().find(Reading::is_out)?;
    let what = run.timeline.entries().next_back().map(|entry| entry.what.clone()).unwrap_or_default();
    Some(Zero { at, meter: out.meter, until: so_far(run), what })
}

/// Does time alone use something up before `at`? When, to the millisecond.
pub(super) fn out_before(run: &Run, at: Stamp, rules: &Rules) -> Option<Zero> {
    let last = run.last_at?;
    let gap = run.unsettled(at, rules);
    let percent = i64::from(rules.policy.tariff.wall_percent);
    let clock = (percent > 0).then(|| Span(ceil_div(i128::from(run.clock.left().0) * 100, percent)));
    let wall = run.caps.wall.map(|cap| cap - run.worked);
    let clock = clock.map(|after| (after, Meter::Clock));
    let (after, meter) =
        clock.into_iter().chain(wall.map(|after| (after, Meter::Wall))).min_by_key(|(after, _)| *after)?;
    if after > gap || gap <= Span::ZERO {
        return None;
    }
    let after = after.max(Span::ZERO);
    let mut until = so_far(run);
    until.clock_ms += after.percent(percent);
    until.worked_ms += after;
    until.real_ms += after;
    Some(Zero { at: last + after, meter, until, what: Text::default() })
}

/// The least whole number that is not below `a / b`.
fn ceil_div(a: i128, b: i64) -> i64 {
    let b = i128::from(b);
    let up = a.div_euclid(b) + i128::from(a.rem_euclid(b) != 0);
    i64::try_from(up).unwrap_or(if up < 0 { i64::MIN } else { i64::MAX })
}
