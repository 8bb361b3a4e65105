//! The record of control as facts for the engine: what runs were given, and how they were stopped.

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::control::audit::{self, Record};
use crate::control::words::{Asker, Lit, Mode, Phase, Stop};
use crate::domain::event::{Agent, Key, RunId};
use crate::domain::meter::Meter;
use crate::domain::policy::Caps;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Fact, Msg};

/// The log is looked at so often.
const POLL: Duration = Duration::from_millis(500);
/// Facts in one batch.
const BATCH: usize = 512;

/// Turns records into facts, in the order of the log.
#[derive(Debug, Default)]
pub struct Ledger {
    runs: HashMap<Text, Run>,
    /// Sessions whose budget is known: the first that was recorded stays.
    budgeted: HashMap<RunId, Text>,
    stops: HashMap<Text, Stop>,
}

#[derive(Debug, Default)]
struct Run {
    budget: Option<Span>,
    caps: Option<Caps>,
    label: Text,
    sessions: Vec<RunId>,
    /// Given without saying for which session.
    loose: Vec<Given>,
}

#[derive(Clone, Debug)]
struct Given {
    key: Key,
    amount: Span,
    by: Text,
    reason: Text,
    at: Stamp,
}

impl Given {
    fn to(&self, run: &RunId) -> Fact {
        let Self { key, amount, by, reason, at } = self.clone();
        Fact::Grant { run: run.clone(), key, amount, by, reason, at }
    }
}

impl Ledger {
    /// What this record says, after those before it.
    pub fn take(&mut self, record: &Record) -> Vec<Fact> {
        let name = record.run.clone().unwrap_or_default();
        match &record.fact {
            audit::Fact::RunStarted(start) => {
                let run = self.runs.entry(start.run.clone()).or_default();
                run.budget = start.budget_ms;
                run.caps = caps(&start.caps);
                run.label = start.label.clone();
                vec![]
            }
            audit::Fact::SessionAttached { run, session } => self.attached(run, session),
            audit::Fact::Granted { amount_ms, by, reason, sessions, .. } => {
                let key = Key::of(&["audit", &record.seq.to_string(), &record.at.0.to_string()]);
                let given = Given { key, amount: *amount_ms, by: who(by), reason: reason.clone(), at: record.at };
                self.granted(&name, &given, sessions)
            }
            audit::Fact::StopRequested { id, mode, by, reason } => {
                let stop = Stop {
                    id: id.clone(),
                    mode: *mode,
                    phase: Phase::Requested,
                    by: by.clone(),
                    reason: reason.clone(),
                    at: record.at,
                    rungs: vec![],
                    alive: 0,
                    receipt: None,
                };
                self.stops.insert(id.clone(), stop);
                vec![]
            }
            audit::Fact::Rung { id, rung, after_us } => {
                if let Some(stop) = self.stops.get_mut(id) {
                    stop.rungs.push(Lit { rung: *rung, after_us: *after_us });
                }
                vec![]
            }
            audit::Fact::StopEnded { id, receipt } => {
                let took = Span(i64::try_from(receipt.took_us / 1_000).unwrap_or(0));
                let mut stop = self.stops.remove(id).unwrap_or_else(|| unasked(id, record.at, took));
                stop.phase = receipt.phase;
                stop.alive = receipt.survivors.len() as u32;
                stop.receipt = Some(receipt.clone());
                let told = |run: RunId| Fact::Stopped { run, stop: Box::new(stop.clone()) };
                self.sessions_of(&name).into_iter().map(told).collect()
            }
            _ => vec![],
        }
    }

    fn attached(&mut self, run: &Text, session: &Text) -> Vec<Fact> {
        let Some(id) = parse_id(session) else { return vec![] };
        let entry = self.runs.entry(run.clone()).or_default();
        if entry.sessions.contains(&id) {
            return vec![];
        }
        entry.sessions.push(id.clone());
        let mut facts: Vec<Fact> = entry.loose.iter().map(|given| given.to(&id)).collect();
        let says = entry.budget.is_some() || entry.caps.is_some() || !entry.label.is_empty();
        if says {
            let first = !self.budgeted.contains_key(&id);
            if entry.budget.is_some() {
                self.budgeted.entry(id.clone()).or_insert_with(|| run.clone());
            }
            let budget = entry.budget.filter(|_| first);
            let (caps, label) = (entry.caps, entry.label.clone());
            facts.push(Fact::Budget { run: id, budget, caps, label, by: Text::default() });
        }
        facts
    }

    fn granted(&mut self, name: &Text, given: &Given, sessions: &[Text]) -> Vec<Fact> {
        if !sessions.is_empty() {
            return sessions.iter().filter_map(parse_id).map(|id| given.to(&id)).collect();
        }
        if let Some(id) = parse_id(name) {
            return vec![given.to(&id)];
        }
        let run = self.runs.entry(name.clone()).or_default();
        run.loose.push(given.clone());
        run.sessions.iter().map(|id| given.to(id)).collect()
    }

    fn sessions_of(&self, name: &Text) -> Vec<RunId> {
        match (parse_id(name), self.runs.get(name)) {
            (Some(id), _) => vec![id],
            (None, Some(run)) => run.sessions.clone(),
            (None, None) => vec![],
        }
    }
}

fn unasked(id: &Text, at: Stamp, took: Span) -> Stop {
    Stop {
        id: id.clone(),
        mode: Mode::Ladder,
        phase: Phase::Requested,
        by: Asker::default(),
        reason: Text::default(),
        at: Stamp(at.0 - took.0),
        rungs: vec![],
        alive: 0,
        receipt: None,
    }
}

/// `claude:0f3a…`; `None` for the name of a socket.
pub fn parse_id(name: &Text) -> Option<RunId> {
    let (agent, session) = name.as_str().split_once(':')?;
    Some(RunId::new(Agent::parse(agent)?, session))
}

/// Who asked, in words.
pub fn who(by: &Asker) -> Text {
    match (by.user.is_empty(), by.by.is_empty()) {
        (true, _) => by.by.clone(),
        (false, true) => by.user.clone(),
        (false, false) => Text::new(&format!("{} ({})", by.user, by.by)),
    }
}

fn caps(recorded: &std::collections::BTreeMap<Text, f64>) -> Option<Caps> {
    let get = |meter: Meter| recorded.get(&Text::new(meter.name())).copied().filter(|cap| cap.is_finite());
    let count = |meter| get(meter).map(|cap| cap.max(0.0) as u64);
    let caps = Caps {
        usd: get(Meter::Usd),
        tokens: count(Meter::Tokens),
        output_tokens: count(Meter::OutputTokens),
        turns: count(Meter::Turns),
        tools: count(Meter::Tools),
        failures: count(Meter::Failures),
        depth: count(Meter::Depth),
        fanout: count(Meter::Fanout),
        wall: get(Meter::Wall).map(|secs| Span((secs * 1_000.0) as i64)),
    };
    (!recorded.is_empty()).then_some(caps)
}

/// Caps as the record holds them.
pub fn recorded(caps: &Caps) -> std::collections::BTreeMap<Text, f64> {
    Meter::ALL.iter().filter_map(|meter| Some((Text::new(meter.name()), meter.cap(caps)?))).collect()
}

/// Everything that the log says. A log that can't be read says nothing.
pub fn read(log: &Path) -> Vec<Fact> {
    let mut ledger = Ledger::default();
    let records = audit::read(log).map(|log| log.records).unwrap_or_default();
    records.iter().flat_map(|record| ledger.take(record)).collect()
}

/// Tells a screen everything that the log says, and then what is added to it, until nobody listens any more.
pub fn follow(log: &Path, tx: Sender<Vec<Msg>>) -> std::io::Result<()> {
    let mut tail = audit::Tail::new(log);
    let mut ledger = Ledger::default();
    let work = move || {
        while !tx.is_closed() {
            // A log that can't be read now may be readable in a moment.
            let records = tail.more().unwrap_or_default();
            let facts: Vec<Fact> = records.iter().flat_map(|record| ledger.take(record)).collect();
            for batch in facts.chunks(BATCH) {
                let batch = batch.iter().cloned().map(Msg::Control).collect();
                if tx.blocking_send(batch).is_err() {
                    return;
                }
            }
            // Nobody wakes it: this is a pause.
            thread::park_timeout(POLL);
        }
    };
    thread::Builder::new().name("ledger".into()).spawn(work).map(drop)
}

#[cfg(test)]
mod tests;
