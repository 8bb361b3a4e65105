//! What is known of the hold on runs: keys, stops, gates, budgets and grants. It comes as facts; what a person wants
//! leaves as effects. Nothing here signals, asks or grants.

mod wants;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::{Effect, Model};
use crate::control::protocol::{self, Gate, GateState, Status};
use crate::control::words::{self, Grade, Mode, Phase, ProcId, Stop};
use crate::domain::event::{Agent, Key, RunId};
use crate::domain::policy::Caps;
use crate::domain::rules::Rules;
use crate::domain::run::{Grant, Run};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Runs that something is remembered of. The record of control may tell of more; what is lost is counted.
const MAX_KNOWN: usize = 65_536;
/// Notes kept.
const MAX_NOTES: usize = 64;

/// Something that control tells. What concerns a run that isn't known yet is kept until it appears.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// What a run was started with.
    Budget { run: RunId, budget: Option<Span>, caps: Option<Caps>, label: Text, by: Text },
    /// `key`: the same grant told again (by the record, by the socket) is one grant.
    Grant { run: RunId, key: Key, amount: Span, by: Text, reason: Text, at: Stamp },
    /// The hold that there is on a run now. It replaces the one before.
    Hold(Hold),
    /// There is no hold any more: its process has ended.
    Lost { run: RunId },
    /// A stop of a run, under way or over, where no status tells it.
    Stopped { run: RunId, stop: Box<Stop> },
    /// All gates that there are.
    Gates(Vec<Gate>),
    /// The record of control can't be written: why; `None`: it can again.
    Audit(Option<Text>),
    /// What a person should read: how what they asked for went.
    Note { run: Option<RunId>, text: Text },
}

/// What hold there is on a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    pub run: RunId,
    pub key: words::Key,
    /// Why it isn't a better one.
    pub why: Text,
    /// The agent's own process.
    pub leader: Option<ProcId>,
    /// Path of the run's socket.
    pub socket: Option<Text>,
    pub grade: Option<Grade>,
    /// As its socket told it last.
    pub status: Option<Box<Status>>,
}

impl Hold {
    /// No hold at all.
    pub fn none(run: RunId, why: impl Into<Text>) -> Self {
        Self { run, key: words::Key::None, why: why.into(), leader: None, socket: None, grade: None, status: None }
    }
}

/// A press of the key: whom it means, by identity and never by a place on the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Press {
    pub run: RunId,
    pub leader: Option<ProcId>,
    pub socket: Option<Text>,
    pub mode: Mode,
    /// The stop's id: the same press sent again is the same stop.
    pub id: Text,
}

/// A line for the person at the screen.
#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub at: Stamp,
    pub run: Option<RunId>,
    pub text: Text,
}

/// What control knows of one run.
#[derive(Clone, Debug, Default)]
struct Known {
    budget: Option<Budget>,
    grants: Vec<(Key, Grant)>,
    hold: Option<Hold>,
    stop: Option<Stop>,
}

#[derive(Clone, Debug, PartialEq)]
struct Budget {
    budget: Option<Span>,
    caps: Option<Caps>,
    label: Text,
    by: Text,
}

/// Everything that control told.
#[derive(Clone, Debug)]
pub(super) struct Control {
    known: HashMap<RunId, Known>,
    gates: Vec<Gate>,
    notes: VecDeque<Note>,
    trouble: Option<Text>,
    nobody: Hold,
    presses: u64,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            gates: Vec::new(),
            notes: VecDeque::new(),
            trouble: None,
            nobody: Hold::none(RunId::new(Agent::Native, ""), "no process of it was found"),
            presses: 0,
        }
    }
}

impl Control {
    /// Everything that was told of a run, for one that has just appeared or was read again.
    pub(super) fn tell(&self, run: &mut Run, rules: &Rules) {
        let Some(known) = self.known.get(&run.id) else { return };
        if let Some(budget) = &known.budget {
            budget.tell(run, rules);
        }
        known.grants.iter().for_each(|(_, grant)| run.grant(grant));
        if let Some(stop) = &known.stop {
            tell_end(run, stop);
        }
    }

    fn note(&mut self, at: Stamp, run: Option<RunId>, text: Text) {
        if self.notes.len() >= MAX_NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(Note { at, run, text });
    }

    /// An id for a press that no other press has.
    fn press_id(&mut self, run: &RunId, mode: Mode, now: Stamp) -> Text {
        self.presses += 1;
        let parts = [run.to_string(), format!("{mode:?}"), now.0.to_string(), self.presses.to_string()];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Text::new(&format!("s-{:016x}", Key::of(&parts).0))
    }
}

impl Budget {
    fn tell(&self, run: &mut Run, rules: &Rules) {
        let because = match self.by.is_empty() {
            true => Text::new("given at its start"),
            false => Text::new(&format!("given at its start by {}", self.by)),
        };
        run.give_budget(self.budget, self.caps, &self.label, because, rules);
    }
}

/// A proven end is the run's end, whatever its stream says or fails to say.
fn tell_end(run: &mut Run, stop: &Stop) {
    let Some(receipt) = stop.receipt.as_ref().filter(|r| r.phase == Phase::VerifiedDead) else { return };
    let took = i64::try_from(receipt.took_us / 1_000).unwrap_or(i64::MAX);
    let by = if stop.by.by.is_empty() { "redkey" } else { stop.by.by.as_str() };
    let why = if stop.reason.is_empty() { String::new() } else { format!(" ({})", stop.reason) };
    run.stopped(stop.at + Span(took), Text::new(&format!("stopped by {by}{why}")));
}

/// Reading.
impl Model {
    /// The hold on a run; without any its key is `none`, and it says why.
    pub fn hold(&self, number: u32) -> &Hold {
        self.known(number).and_then(|known| known.hold.as_ref()).unwrap_or(&self.control.nobody)
    }

    /// The newest stop of a run, under way or over.
    pub fn stop_of(&self, number: u32) -> Option<&Stop> {
        self.known(number)?.stop.as_ref()
    }

    /// The clock that a run shares with other sessions of the same supervised run; `None`: it has its own.
    pub fn shared_clock(&self, number: u32) -> Option<&protocol::Clock> {
        let metered = &self.hold(number).status.as_ref()?.metered;
        metered.clock.as_ref().filter(|_| metered.sessions.len() > 1)
    }

    /// Actions that wait for an answer, the oldest first.
    pub fn gates(&self) -> &[Gate] {
        &self.control.gates
    }

    /// The run that a gate is about, if it is known.
    pub fn run_of_gate(&self, gate: &Gate) -> Option<u32> {
        let id = self.hold_of_socket(&gate.run).map(|hold| &hold.run)?;
        self.index.get(id).copied()
    }

    /// What was said to the person, the oldest first.
    pub fn notes(&self) -> impl DoubleEndedIterator<Item = &Note> + ExactSizeIterator {
        self.control.notes.iter()
    }

    /// Why the record of control can't be written, if it can't.
    pub fn audit_trouble(&self) -> Option<&Text> {
        self.control.trouble.as_ref()
    }

    fn known(&self, number: u32) -> Option<&Known> {
        self.control.known.get(&self.run(number)?.id)
    }

    fn hold_of_socket(&self, name: &Text) -> Option<&Hold> {
        let named = |hold: &&Hold| hold.status.as_ref().is_some_and(|status| status.run == *name);
        let holds = self.control.known.values().filter_map(|known| known.hold.as_ref());
        // Of several sessions under one supervisor always the same one.
        holds.filter(named).min_by(|a, b| a.run.cmp(&b.run))
    }

    fn hold_of(&self, run: &RunId) -> &Hold {
        self.control.known.get(run).and_then(|known| known.hold.as_ref()).unwrap_or(&self.control.nobody)
    }
}

/// Facts.
impl Model {
    pub(super) fn fact(&mut self, fact: Fact, now: Stamp) -> Vec<Effect> {
        let changed = match fact {
            Fact::Budget { run, budget, caps, label, by } => self.budget(run, Budget { budget, caps, label, by }),
            Fact::Grant { run, key, amount, by, reason, at } => {
                self.granted(run, key, Grant { amount, by, reason, at })
            }
            Fact::Hold(hold) => self.held(hold),
            Fact::Lost { run } => self.lost(run),
            Fact::Stopped { run, stop } => self.stopped(&run, *stop),
            Fact::Gates(mut gates) => {
                gates.retain(|gate| gate.state == GateState::Waiting);
                gates.sort_by_key(|gate| gate.asked);
                let changed = self.control.gates != gates;
                self.control.gates = gates;
                changed
            }
            Fact::Audit(trouble) => {
                let changed = self.control.trouble != trouble;
                self.control.trouble = trouble;
                changed
            }
            Fact::Note { run, text } => {
                self.control.note(now, run, text);
                true
            }
        };
        if changed { vec![Effect::Redraw] } else { vec![] }
    }

    fn known_mut(&mut self, run: &RunId) -> Option<&mut Known> {
        if !self.control.known.contains_key(run) {
            if self.control.known.len() >= MAX_KNOWN {
                self.counters.dropped += 1;
                return None;
            }
            self.control.known.insert(run.clone(), Known::default());
        }
        self.control.known.get_mut(run)
    }

    /// The run itself, and what was read again of it.
    fn copies(&mut self, run: &RunId) -> impl Iterator<Item = &mut Run> {
        let number = self.index.get(run).copied();
        let own = number.and_then(|n| self.runs.get_mut(n as usize)).map(|tracked| &mut Arc::make_mut(tracked).run);
        let history = self.history.as_deref_mut().filter(|history| Some(history.number) == number);
        own.into_iter().chain(history)
    }

    fn budget(&mut self, run: RunId, budget: Budget) -> bool {
        let rules = self.rules.clone();
        if self.known_mut(&run).is_none_or(|known| known.budget.as_ref() == Some(&budget)) {
            return false;
        }
        self.copies(&run).for_each(|run| budget.tell(run, &rules));
        if let Some(known) = self.known_mut(&run) {
            known.budget = Some(budget);
        }
        true
    }

    fn granted(&mut self, run: RunId, key: Key, grant: Grant) -> bool {
        let Some(known) = self.known_mut(&run) else { return false };
        if known.grants.iter().any(|(k, _)| *k == key) {
            return false;
        }
        known.grants.push((key, grant.clone()));
        self.copies(&run).for_each(|run| run.grant(&grant));
        true
    }

    fn held(&mut self, hold: Hold) -> bool {
        let Some(known) = self.known_mut(&hold.run) else { return false };
        if known.hold.as_ref() == Some(&hold) {
            return false;
        }
        let run = hold.run.clone();
        let status = hold.status.clone();
        known.hold = Some(hold);
        if let Some(status) = status {
            self.control.gates.retain(|gate| gate.run != status.run);
            let waiting = status.metered.gates.iter().filter(|gate| gate.state == GateState::Waiting);
            self.control.gates.extend(waiting.cloned());
            self.control.gates.sort_by_key(|gate| gate.asked);
            self.control.trouble = self.control.trouble.take().filter(|_| status.audit_degraded).or_else(|| {
                status.audit_degraded.then(|| Text::new(&format!("{} can't write the record of control", status.run)))
            });
            if let Some(stop) = status.stop {
                self.stopped(&run, stop);
            }
        }
        true
    }

    fn lost(&mut self, run: RunId) -> bool {
        let Some(known) = self.control.known.get_mut(&run) else { return false };
        let Some(hold) = known.hold.as_mut().filter(|hold| hold.key != words::Key::None) else { return false };
        let socket = hold.status.as_ref().map(|status| status.run.clone());
        *hold = Hold::none(run, "its process has ended");
        if let Some(socket) = socket {
            self.control.gates.retain(|gate| gate.run != socket);
        }
        true
    }

    fn stopped(&mut self, run: &RunId, stop: Stop) -> bool {
        if self.known_mut(run).is_none_or(|known| known.stop.as_ref() == Some(&stop)) {
            return false;
        }
        self.copies(run).for_each(|run| tell_end(run, &stop));
        if let Some(known) = self.known_mut(run) {
            known.stop = Some(stop);
        }
        true
    }
}

#[cfg(test)]
mod tests;
