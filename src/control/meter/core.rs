//! The meter without its surroundings: messages in, what is to be said out. No IO, no clock; `now` is an argument.

mod behind;
mod calls;
mod hooks;

use std::sync::Arc;

use self::behind::Behind;
use super::decide::{self, Decision, Memory, Rule};
use super::suspects::Suspects;
use super::total::Total;
use crate::control::audit::Fact;
use crate::control::gates::Book;
use crate::control::link::{FromMeter, StopAsk, ToMeter};
use crate::control::protocol::{self, HookCall, Metered, Resume};
use crate::control::words::{AtZero, Mode, Phase, Stop};
use crate::domain::event::RunId;
use crate::domain::policy::Caps;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Model, Msg};
use crate::record::format::{RunSum, Sum};

/// Notes kept for the status.
const MAX_NOTES: usize = 16;
/// A hook has so much less time than it says: its answer has to get there.
const MARGIN: Span = Span(300);

/// What a run is to its meter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name of its socket.
    pub run: Text,
    pub cwd: Text,
    pub at_zero: AtZero,
    /// redkey did not start it: a hook is all there is.
    pub hooked: bool,
    /// What the run was given at its start, over what the policy says.
    pub budget: Option<Span>,
    pub caps: Option<Caps>,
    pub started: Stamp,
    /// Whose grants these are.
    pub user: Text,
    /// Makes the gates' ids unguessable.
    pub salt: u64,
}

/// Somebody on the run's socket who waits for an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Caller {
    pub conn: crate::control::desk::ConnId,
    pub id: crate::control::desk::Id,
    /// How the answer is put.
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Hook,
    Agent,
}

/// A tool call that waits because its run is held.
#[derive(Debug)]
struct Waiting {
    caller: Caller,
    call: HookCall,
    until: Stamp,
}

/// What the meter knows and decides.
pub struct Core {
    pub config: Config,
    pub model: Model,
    sessions: Vec<RunId>,
    /// What the sessions were given before this run, if anything: a resumed one gets no fresh clock.
    budget: Option<Span>,
    grants: Span,
    memory: Memory,
    gates: Book<Caller>,
    waiting: Vec<Waiting>,
    /// What its sessions' files say isn't read yet.
    behind: Option<Behind>,
    /// Since when somebody waits for a person: that time costs nothing.
    waiting_since: Option<Stamp>,
    /// Why the run stands still.
    held: Option<Text>,
    /// Why it ends.
    ending: Option<Text>,
    stop: Option<Stop>,
    suspects: Suspects,
    notes: Vec<Text>,
    out: Vec<FromMeter>,
    /// Lines for the run's stream.
    pub lines: Vec<String>,
}

impl Core {
    pub fn new(config: Config, rules: Arc<Rules>, prices: Arc<Prices>) -> Self {
        let suspects = Suspects::new(config.hooked.then_some(config.started));
        Self {
            budget: config.budget,
            gates: Book::new(config.salt),
            config,
            model: Model::new(rules, prices),
            sessions: Vec::new(),
            grants: Span::ZERO,
            memory: Memory::default(),
            waiting: Vec::new(),
            behind: None,
            waiting_since: None,
            held: None,
            ending: None,
            stop: None,
            suspects,
            notes: Vec::new(),
            out: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// What was decided since the last time, in order.
    pub fn take(&mut self) -> Vec<FromMeter> {
        std::mem::take(&mut self.out)
    }

    pub fn sessions(&self) -> &[RunId] {
        &self.sessions
    }

    /// A session belongs to this run. `before`: the budget it had before, and the grants that it was given since.
    pub fn attach(&mut self, session: RunId, before: Option<Span>, grants: Span) {
        if self.sessions.contains(&session) {
            return;
        }
        if self.sessions.is_empty() {
            self.budget = before.or(self.budget);
        }
        self.grants += grants;
        let fact = Fact::SessionAttached { run: self.config.run.clone(), session: Text::new(&session.to_string()) };
        self.sessions.push(session);
        self.record(&fact);
    }

    /// A session turned out to be something else's.
    pub fn detach(&mut self, session: &RunId) {
        self.sessions.retain(|one| one != session);
    }

    /// Something was read of the sessions.
    pub fn read(&mut self, msg: Msg, now: Stamp) {
        if let Msg::Events { events, .. } = &msg {
            for (event, _) in events.iter().filter(|(event, _)| self.sessions.contains(&event.run)) {
                let cwd = self.model.find(&event.run).map(|run| run.facts.cwd.clone());
                let cwd = cwd.filter(|cwd| !cwd.is_empty()).unwrap_or_else(|| self.config.cwd.clone());
                self.suspects.event(event, &self.model.rules, &cwd, now);
            }
        }
        self.model.apply(msg, now);
        for (what, call) in self.suspects.take(&self.gates) {
            self.note(Text::new(&format!("GATE BYPASSED: {what} has run without an answer")));
            self.record(&Fact::GateBypassed { what, call });
        }
    }

    /// The supervisor says something.
    pub fn told(&mut self, message: ToMeter, now: Stamp) {
        match message {
            ToMeter::Call(asked) => {
                // What is asked is answered by the clock as it stands now.
                self.tick(now);
                self.call(asked, now);
            }
            ToMeter::Gone(conn) => {
                self.waiting.retain(|one| one.caller.conn != conn);
                self.forget_behind(conn);
                let closed = self.gates.withdraw(|caller| caller.conn == conn);
                self.close(closed);
                self.settle_waiting(now);
            }
            ToMeter::Stop(stop) => self.stopped(stop, now),
            ToMeter::Ended(_) => {
                let closed = self.gates.deny_all("the run has ended");
                self.close(closed);
            }
            ToMeter::Pids(_) => {}
        }
    }

    /// Time has passed: gates run out, the clock may have come to a point.
    pub fn tick(&mut self, now: Stamp) {
        let closed = self.gates.expire(now);
        self.close(closed);
        self.give_up_waiting(now);
        self.settle_waiting(now);
        if self.is_reading(now) {
            return;
        }
        // While a person is awaited the run stands still, and that time will be given back. A held run is looked at all
        // the same: it may have been given more.
        if self.waiting_since.is_some() && self.held.is_none() {
            return;
        }
        let Some(total) = self.total(now) else { return };
        let rules = self.model.rules.clone();
        let rule = Rule { at_zero: self.config.at_zero, warn_at: &rules.policy.clock.warn_at };
        for decision in decide::decide(rule, &mut self.memory, &total.reading()) {
            self.act(decision, now);
        }
    }

    /// When [`Core::tick`] has something to do at the latest, apart from what the clock does.
    pub fn next_due(&self) -> Option<Stamp> {
        let waiting = self.waiting.iter().map(|one| one.until);
        waiting.chain(self.gates.next_expiry()).chain(self.behind.as_ref().and_then(Behind::due)).min()
    }

    /// What is left on the clock, if it runs: then it comes to zero in so long.
    pub fn runs_out_in(&self, now: Stamp) -> Option<Span> {
        let left = self.total(now).filter(|_| self.is_moving(now)).map(|total| total.granted - total.spent)?;
        let percent = i64::from(self.model.rules.policy.tariff.wall_percent);
        (left > Span::ZERO && percent > 0).then(|| Span(left.0.saturating_mul(100) / percent))
    }

    fn act(&mut self, decision: Decision, now: Stamp) {
        match decision {
            Decision::Warn { left, .. } => {
                let what = Text::new(&format!("{} left on the clock", left.short()));
                self.note(what.clone());
                self.record(&Fact::Warned { what });
            }
            Decision::Zero { meter, did } => {
                let why = Text::new(&format!("{} at zero", meter.name()));
                self.note(why.clone());
                self.record(&Fact::AtZero { did, meter: Text::new(meter.name()) });
                match did {
                    AtZero::Warn => {}
                    AtZero::Hold => self.hold(why),
                    AtZero::Stop => {
                        self.ask_stop(Mode::Ladder, &why);
                        self.end(why, now);
                    }
                }
            }
            Decision::Back => {
                let left = self.total(now).map(|total| total.granted - total.spent).unwrap_or_default();
                self.go_on(&Text::new(&format!("{} on its clock", left.short())), now);
            }
        }
    }

    fn ask_stop(&mut self, mode: Mode, why: &Text) {
        self.out.push(FromMeter::Stop(StopAsk { mode, reason: why.clone(), by: Text::new("clock") }));
    }

    /// The run stands still. An agent that redkey did not start is held by its hook alone.
    fn hold(&mut self, why: Text) {
        if self.held.is_none() && !self.config.hooked {
            self.ask_stop(Mode::Interrupt, &why);
        }
        self.record(&Fact::Held);
        self.held = Some(why);
    }

    /// Whoever waits goes on, and an agent that listens is told that it may.
    fn go_on(&mut self, why: &Text, now: Stamp) {
        if self.held.take().is_none() {
            return;
        }
        let left_ms = self.clock(now).map(|clock| clock.left_ms);
        self.out.push(FromMeter::Resume(Resume { reason: why.clone(), left_ms }));
        for one in std::mem::take(&mut self.waiting) {
            self.hook(one.caller, one.call, now);
        }
        self.settle_waiting(now);
    }

    /// The run ends: whoever waits is told.
    fn end(&mut self, why: Text, now: Stamp) {
        let closed = self.gates.deny_all(&format!("the run is stopped: {why}"));
        self.ending.get_or_insert(why);
        self.close(closed);
        for one in std::mem::take(&mut self.waiting) {
            self.hook(one.caller, one.call, now);
        }
        self.settle_waiting(now);
    }

    fn stopped(&mut self, stop: Stop, now: Stamp) {
        if stop.mode != Mode::Interrupt {
            let by = if stop.by.by.is_empty() { "redkey" } else { stop.by.by.as_str() };
            let why = match stop.reason.is_empty() {
                true => Text::new(&format!("stopped by {by}")),
                false => Text::new(&format!("stopped by {by}: {}", stop.reason)),
            };
            self.end(why, now);
        }
        self.stop = Some(stop);
    }

    /// Why the next tool call is refused for good.
    fn refuses(&self) -> Option<Text> {
        let interrupted = |stop: &&Stop| stop.mode == Mode::Interrupt && !stop.phase.is_final() && self.held.is_none();
        let interrupt = self.stop.as_ref().filter(interrupted);
        self.ending.clone().or_else(|| interrupt.map(|stop| Text::new(&format!("interrupted by {}", stop.by.by))))
    }

    /// Something that the person should know.
    pub fn note(&mut self, text: Text) {
        if self.notes.len() >= MAX_NOTES {
            self.notes.remove(0);
        }
        self.notes.push(text);
    }

    fn record(&mut self, fact: &Fact) {
        if let Ok(raw) = serde_json::value::to_raw_value(fact) {
            self.out.push(FromMeter::Event(protocol::Raw(raw)));
        }
    }

    fn total(&self, now: Stamp) -> Option<Total> {
        let runs = self.sessions.iter().filter_map(|id| self.model.find(id));
        if self.is_bare() {
            let Config { started, caps, .. } = self.config;
            return Some(Total::bare(started, self.budget, self.grants, caps, now, &self.model.rules));
        }
        Total::of(runs, self.budget, self.grants, self.config.caps, now, &self.model.rules)
    }

    /// redkey has started something, and nothing of what runs there is known yet: its clock is the wall's.
    fn is_bare(&self) -> bool {
        self.sessions.is_empty() && !self.config.hooked
    }

    fn clock(&self, now: Stamp) -> Option<protocol::Clock> {
        let total = self.total(now)?;
        Some(protocol::Clock {
            granted_ms: total.granted,
            spent_ms: total.spent,
            left_ms: total.granted - total.spent,
            binding: Text::new(total.binding.name()),
            out: !total.out.is_empty(),
            held: self.held.is_some(),
        })
    }

    /// What the clock says, for the recording: together, and each session by itself.
    pub fn sum(&self, now: Stamp) -> Option<Sum> {
        let total = self.total(now)?;
        let rules = &self.model.rules;
        let runs = self.sessions.iter().filter_map(|id| self.model.find(id)).map(|run| RunSum::of(run, now, rules));
        Some(Sum { granted: total.granted.0, spent: total.spent.0, runs: runs.collect() })
    }

    /// Before any session was recognised.
    fn bare_clock(&self) -> protocol::Clock {
        let granted = self.budget.unwrap_or(self.model.rules.policy.budget.default) + self.grants;
        protocol::Clock { granted_ms: granted, left_ms: granted, ..protocol::Clock::default() }
    }

    /// The run as its status tells it.
    pub fn metered(&self, now: Stamp) -> Metered {
        Metered {
            agent: self.sessions.first().map(|id| id.agent),
            sessions: self.sessions.iter().map(|id| Text::new(&id.to_string())).collect(),
            clock: self.clock(now),
            budget_ms: self.budget,
            gates: self.gates.waiting().cloned().collect(),
            notes: self.notes.clone(),
        }
    }

    /// Does anything change by time alone?
    pub fn is_moving(&self, now: Stamp) -> bool {
        let rules = &self.model.rules;
        self.is_bare() || self.sessions.iter().filter_map(|id| self.model.find(id)).any(|run| run.ticks(now, rules))
    }

    /// Is the run proven to be over?
    pub fn is_over(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.phase == Phase::VerifiedDead)
    }
}
