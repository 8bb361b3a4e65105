//! PURE. The model of everything that is watched, and the one function that changes it.
//!
//! Live and replay are the same path: messages in, effects out, `now` an argument.

mod control;
mod counters;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use crate::adapters::Form;
use crate::control::words::{Mode, ProcId};
use crate::domain::event::{Body, Event, RunId};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::run::{Context, Origin, Run, State};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tokens::Seen;
use crate::domain::usage::{Usage, Usd};

pub use control::{Fact, Hold, Note, Press};
pub use counters::Counters;
pub use source::{Place, Progress, Source, SourceState};

/// An event's own time is believed up to so far ahead of the time of its arrival; clocks differ a little.
const AHEAD: Span = Span(60_000);

/// A run that has been quiet for so long forgets its details; they are read again when somebody looks.
const QUIET: Span = Span(120_000);

/// Something that happened outside.
#[derive(Debug)]
pub enum Msg {
    /// A source was found. Numbers are given by the reader, from 0 upwards, once each.
    Opened { source: u32, name: Text, form: Option<Form> },
    /// What kind of source it is became clear, or it turned out to be unreadable.
    State { source: u32, state: SourceState },
    /// Events of one source, in order, each with the offset of its line.
    Events { source: u32, events: Vec<(Event, u64)> },
    /// Lines read since the last such message, and lines skipped because they are longer than can be held.
    Lines { source: u32, read: u64, bytes: u64, skipped: u64 },
    /// Events lost between reader and engine.
    Dropped(u64),
    /// Where was looked for runs, and what was found there.
    Looked(Vec<Place>),
    /// How far the reading of history has come.
    Progress(Progress),
    /// The whole of a run, read again from its source because its details were forgotten.
    History(Box<Run>),
    /// The text behind one event, for details on demand.
    Detail { origin: Origin, lines: Vec<Text> },
    /// Somebody looks at this run, or (`None`) at none.
    Look(Option<u32>),
    /// Somebody wants the whole of one event.
    LookAt(Origin),
    /// Control tells something of a run, a gate, or itself.
    Control(Fact),
    /// Somebody presses the key of this run.
    Press { run: RunId, mode: Mode },
    /// Somebody stops everything.
    PressAll,
    /// Somebody gives a run time or, negative, takes it.
    Give { run: RunId, amount: Span },
    /// Somebody moves time from one run to another.
    Transfer { from: RunId, to: RunId, amount: Span },
    /// Somebody answers a gate.
    Answer { gate: Text, allow: bool },
    /// Somebody lets a held run go on.
    Release { run: RunId },
    /// Time passes.
    Tick,
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The screen is stale.
    Redraw,
    /// Read a run's sources from the start and answer with [`Msg::History`].
    ReadHistory {
        run: u32,
        id: RunId,
        sources: Vec<u32>,
    },
    /// Read one line and answer with [`Msg::Detail`].
    ReadDetail(Origin),
    /// Stop this run: over its socket, or this process if it is still the same one.
    Stop {
        run: RunId,
        leader: Option<ProcId>,
        socket: Option<Text>,
        mode: Mode,
        id: Text,
    },
    /// Stop these, and whatever else listens.
    StopAll(Vec<Press>),
    /// Without a socket: into the record alone.
    Grant {
        run: RunId,
        socket: Option<Text>,
        amount: Span,
    },
    Transfer {
        from: RunId,
        from_socket: Option<Text>,
        to: RunId,
        to_socket: Option<Text>,
        amount: Span,
    },
    /// `run` as its socket calls it.
    Answer {
        run: Text,
        socket: Text,
        gate: Text,
        allow: bool,
    },
    Release {
        run: RunId,
        socket: Text,
    },
}

/// Everything that is known. Drawing reads it and changes nothing. A copy is cheap after [`Model::settle`]: runs are
/// shared until one of the copies changes them.
#[derive(Clone)]
pub struct Model {
    pub rules: Arc<Rules>,
    pub prices: Arc<Prices>,
    runs: Vec<Arc<Tracked>>,
    index: Arc<HashMap<RunId, u32>>,
    pub sources: Vec<Source>,
    pub places: Vec<Place>,
    pub progress: Progress,
    pub counters: Counters,
    /// Details of a quiet run, read again; dropped as soon as the run goes on.
    history: Option<Box<Run>>,
    pub detail: Option<(Origin, Vec<Text>)>,
    looked_at: Option<u32>,
    seen: Seen,
    control: control::Control,
}

#[derive(Clone)]
struct Tracked {
    run: Run,
    /// A run that is read from disk takes nothing from its live stream, or everything would count twice.
    form: Form,
    sources: Vec<u32>,
    shrunk: bool,
}

/// Sums over runs, each answer counted once however many runs hold a copy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    pub runs: usize,
    pub working: usize,
    pub waiting: usize,
    pub at_zero: usize,
    pub usage: Usage,
    pub usd: Usd,
    pub is_floor: bool,
    pub spent: Span,
    pub left: Span,
}

impl Model {
    pub fn new(rules: Arc<Rules>, prices: Arc<Prices>) -> Self {
        Self {
            rules,
            prices,
            runs: Vec::new(),
            index: Arc::default(),
            sources: Vec::new(),
            places: Vec::new(),
            progress: Progress::default(),
            counters: Counters::default(),
            history: None,
            detail: None,
            looked_at: None,
            seen: Seen::default(),
            control: control::Control::default(),
        }
    }

    /// Makes copies cheap; changes nothing that can be read.
    pub fn settle(&mut self) {
        self.seen.settle();
    }

    /// Applies one message. The only way the model changes.
    pub fn apply(&mut self, msg: Msg, now: Stamp) -> Vec<Effect> {
        match msg {
            Msg::Opened { source, name, form } => {
                self.sources.push(Source::new(source, name, form));
                vec![]
            }
            Msg::State { source, state } => {
                if let Some(s) = self.source_mut(source) {
                    s.set_state(state);
                }
                vec![Effect::Redraw]
            }
            Msg::Events { source, events } => {
                self.counters.arrived(events.len() as u64, now);
                for (event, offset) in events {
                    self.event(&event, Origin { source, offset }, now);
                }
                vec![Effect::Redraw]
            }
            Msg::Lines { source, read, bytes, skipped } => {
                self.counters.lines += read;
                self.counters.bytes += bytes;
                self.counters.skipped += skipped;
                if let Some(s) = self.source_mut(source) {
                    s.lines += read;
                    s.skipped += skipped;
                }
                if skipped > 0 { vec![Effect::Redraw] } else { vec![] }
            }
            Msg::Dropped(lost) => {
                self.counters.dropped += lost;
                vec![Effect::Redraw]
            }
            Msg::Looked(places) => {
                self.places = places;
                vec![Effect::Redraw]
            }
            Msg::Progress(progress) => {
                self.progress = progress;
                vec![Effect::Redraw]
            }
            Msg::History(mut run) => {
                let is_current = self
                    .runs
                    .get(run.number as usize)
                    .is_some_and(|t| t.run.counts.events <= run.counts.events && self.looked_at == Some(run.number));
                if is_current {
                    self.control.tell(&mut run, &self.rules);
                    self.history = Some(run);
                }
                vec![Effect::Redraw]
            }
            Msg::Detail { origin, lines } => {
                self.detail = Some((origin, lines));
                vec![Effect::Redraw]
            }
            Msg::Look(run) => self.look(run),
            Msg::LookAt(origin) => {
                self.detail = None;
                vec![Effect::ReadDetail(origin)]
            }
            Msg::Control(fact) => self.fact(fact, now),
            Msg::Press { run, mode } => self.press(run, mode, now),
            Msg::PressAll => self.press_all(now),
            Msg::Give { run, amount } => self.give(run, amount),
            Msg::Transfer { from, to, amount } => self.transfer(from, to, amount, now),
            Msg::Answer { gate, allow } => self.answer(&gate, allow, now),
            Msg::Release { run } => self.release(run, now),
            Msg::Tick => {
                self.counters.tick(now);
                self.shrink_quiet(now);
                vec![Effect::Redraw]
            }
        }
    }

    fn event(&mut self, event: &Event, origin: Origin, now: Stamp) {
        let form = self.source(origin.source).and_then(|s| s.form).unwrap_or(Form::Stream);
        let number = self.number_of(&event.run, form);
        let tracked = Arc::make_mut(&mut self.runs[number as usize]);
        if tracked.form != form {
            self.counters.shadowed += 1;
            return;
        }
        if !tracked.sources.contains(&origin.source) {
            tracked.sources.push(origin.source);
        }
        if matches!(event.body, Body::Unparsed { .. }) {
            self.counters.unparsed += 1;
        }
        let at = event.at.map_or(now, |at| at.min(now + AHEAD));
        let mut cx = Context { rules: &self.rules, prices: &self.prices, seen: &mut self.seen };
        tracked.run.apply(event, at, origin, &mut cx);
        tracked.shrunk = false;
        if self.history.as_ref().is_some_and(|h| h.number == number) {
            self.history = None;
        }
    }

    fn number_of(&mut self, id: &RunId, form: Form) -> u32 {
        if let Some(number) = self.index.get(id) {
            return *number;
        }
        let number = self.runs.len() as u32;
        let mut run = Run::new(id.clone(), number);
        let cx = Context { rules: &self.rules, prices: &self.prices, seen: &mut self.seen };
        run.set_default_budget(&cx);
        self.control.tell(&mut run, &self.rules);
        self.runs.push(Arc::new(Tracked { run, form, sources: Vec::new(), shrunk: false }));
        Arc::make_mut(&mut self.index).insert(id.clone(), number);
        number
    }

    fn look(&mut self, run: Option<u32>) -> Vec<Effect> {
        self.looked_at = run;
        self.detail = None;
        self.history = None;
        let wanted = run.and_then(|number| self.runs.get(number as usize));
        match wanted {
            Some(t) if t.run.statement.forgotten() > 0 || t.run.timeline.forgotten() > 0 => {
                let effect =
                    Effect::ReadHistory { run: t.run.number, id: t.run.id.clone(), sources: t.sources.clone() };
                vec![effect, Effect::Redraw]
            }
            _ => vec![Effect::Redraw],
        }
    }

    fn shrink_quiet(&mut self, now: Stamp) {
        for tracked in self.runs.iter_mut().filter(|t| !t.shrunk) {
            let is_quiet = tracked.run.last_at.is_none_or(|last| now.since(last) > QUIET);
            // What came through a pipe can't be read again.
            let is_pipe = |s: &u32| self.sources.get(*s as usize).is_some_and(Source::is_pipe);
            if is_quiet && !tracked.sources.iter().any(is_pipe) && self.looked_at != Some(tracked.run.number) {
                let tracked = Arc::make_mut(tracked);
                tracked.run.shrink();
                tracked.shrunk = true;
            }
        }
    }

    /// All runs, in order of appearance.
    pub fn runs(&self) -> impl ExactSizeIterator<Item = &Run> {
        self.runs.iter().map(|t| &t.run)
    }

    pub fn run(&self, number: u32) -> Option<&Run> {
        self.runs.get(number as usize).map(|t| &t.run)
    }

    pub fn find(&self, id: &RunId) -> Option<&Run> {
        self.index.get(id).and_then(|n| self.run(*n))
    }

    /// The run with all its details, where they were read again; the same numbers.
    pub fn run_in_full(&self, number: u32) -> Option<&Run> {
        match &self.history {
            Some(run) if run.number == number => Some(run),
            _ => self.run(number),
        }
    }

    /// Sources a run is read from.
    pub fn sources_of(&self, number: u32) -> &[u32] {
        self.runs.get(number as usize).map_or(&[], |t| &t.sources)
    }

    pub fn source(&self, number: u32) -> Option<&Source> {
        // Numbers are given in order, so a source's place is its number unless a reader started elsewhere.
        self.sources
            .get(number as usize)
            .filter(|s| s.number == number)
            .or_else(|| self.sources.iter().find(|s| s.number == number))
    }

    fn source_mut(&mut self, number: u32) -> Option<&mut Source> {
        let direct = self.sources.get(number as usize).is_some_and(|s| s.number == number);
        if direct {
            self.sources.get_mut(number as usize)
        } else {
            self.sources.iter_mut().find(|s| s.number == number)
        }
    }

    /// Sums over `runs`.
    pub fn totals<'a>(&self, runs: impl Iterator<Item = &'a Run>, now: Stamp) -> Totals {
        let mut totals = Totals::default();
        for run in runs {
            let state = run.state(now, &self.rules);
            totals.runs += 1;
            totals.working += usize::from(state == State::Working);
            totals.waiting += usize::from(state == State::Waiting);
            totals.at_zero += usize::from(state == State::AtZero);
            let (usage, usd) = run.tokens.own();
            totals.usage += usage;
            totals.usd += usd;
            totals.is_floor |= run.tokens.cost().is_floor;
            totals.spent += run.spent(now, &self.rules);
            if state.is_live() {
                totals.left += run.left(now, &self.rules).max(Span::ZERO);
            }
        }
        totals
    }
}
