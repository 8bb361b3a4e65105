//! The meter without its surroundings: messages in, what is to be said out. No IO, no clock; `now` is an argument.

use std::sync::Arc;

use super::decide::{self, Decision, Memory, Rule};
use super::suspects::Suspects;
use super::total::Total;
use crate::control::audit::Fact;
use crate::control::gates::{Ask, Book, Closed, word};
use crate::control::link::{Asked, FromMeter, Reply, StopAsk, ToMeter};
use crate::control::protocol::{self, Call, Gate, GateState, GrantCall, HookAnswer, HookCall, Metered, RpcError, code};
use crate::control::words::{Asker, AtZero, Mode, Phase, Stop};
use crate::domain::event::RunId;
use crate::domain::policy::Caps;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tool::ToolInput;
use crate::engine::{Model, Msg};

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
            ToMeter::Call(asked) => self.call(asked, now),
            ToMeter::Gone(conn) => {
                self.waiting.retain(|one| one.caller.conn != conn);
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
        self.waiting.iter().map(|one| one.until).chain(self.gates.next_expiry()).min()
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
            Decision::Back => self.go_on(now),
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

    fn go_on(&mut self, now: Stamp) {
        if self.held.take().is_none() {
            return;
        }
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

    fn call(&mut self, asked: Asked, now: Stamp) {
        let by = |by: &Text| Asker {
            by: by.clone(),
            user: self.config.user.clone(),
            uid: Some(asked.peer.uid),
            pid: Some(asked.peer.pid),
        };
        let Asked { conn, id, call, .. } = asked.clone();
        let reply = match call {
            Call::Grant(grant) => Reply::new(conn, id, self.grant(&grant, by(&grant.by), now)),
            Call::Take(grant) => Reply::new(conn, id, self.takes(&grant, by(&grant.by), now)),
            Call::GateList(_) => Reply::new(conn, id, Ok(self.gates.waiting().cloned().collect::<Vec<Gate>>())),
            Call::GateAnswer(answer) => {
                let closed = self.gates.answer(&answer.gate, answer.allow, answer.by, answer.reason, now);
                let result = closed.map(|closed| {
                    let gate = closed.gate.clone();
                    self.close(vec![closed]);
                    self.settle_waiting(now);
                    gate
                });
                let refused = |refusal| RpcError::new(code::UNKNOWN, &format!("{}: {refusal}", answer.gate));
                Reply::new(conn, id, result.map_err(refused))
            }
            Call::GateAsk(ask) => {
                let because = Text::new("the agent asks");
                return self.gate(ask.text, because, None, Caller { conn, id, kind: Kind::Agent }, None, now);
            }
            Call::Hook(call) => return self.hook(Caller { conn, id, kind: Kind::Hook }, call, now),
            Call::Release(why) => {
                let held = self.held.is_some();
                if held {
                    self.record(&Fact::Released { by: by(&why.by), reason: why.reason });
                    self.note(Text::new(&format!("released by {}", why.by)));
                    self.go_on(now);
                }
                let clock = self.clock(now).filter(|_| held);
                Reply::new(conn, id, clock.ok_or_else(|| RpcError::new(code::UNKNOWN, "this run is not held")))
            }
            Call::Event(line) => Reply::new(conn, id, self.event(line.0.get())),
            Call::Hello(_) | Call::Status(_) | Call::Subscribe(_) | Call::Stop(_) | Call::Ack(_) => {
                Reply::new::<()>(conn, id, Err(RpcError::new(code::INTERNAL, "this is not the meter's to answer")))
            }
        };
        self.out.push(FromMeter::Reply(reply));
    }

    fn grant(&mut self, call: &GrantCall, by: Asker, now: Stamp) -> Result<protocol::Clock, RpcError> {
        if call.amount_ms <= Span::ZERO {
            return Err(RpcError::new(code::INVALID_PARAMS, "grant more than nothing; `take` takes"));
        }
        if let Some(why) = &self.ending {
            return Err(RpcError::new(code::REFUSED, &format!("too late: {why}")));
        }
        self.given(call.amount_ms, by, call);
        self.tick(now);
        Ok(self.clock(now).unwrap_or_else(|| self.bare_clock()))
    }

    /// Takes what is left and no more.
    fn takes(&mut self, call: &GrantCall, by: Asker, now: Stamp) -> Result<protocol::Clock, RpcError> {
        if call.amount_ms <= Span::ZERO {
            return Err(RpcError::new(code::INVALID_PARAMS, "take more than nothing"));
        }
        let left = self.clock(now).map_or(Span::ZERO, |clock| clock.left_ms);
        let amount = call.amount_ms.min(left);
        if amount <= Span::ZERO {
            return Err(RpcError::new(code::REFUSED, "it has no time left to give"));
        }
        self.given(-amount, by, call);
        self.tick(now);
        Ok(self.clock(now).unwrap_or_else(|| self.bare_clock()))
    }

    fn given(&mut self, amount: Span, by: Asker, call: &GrantCall) {
        self.grants += amount;
        let verb = if amount < Span::ZERO { "taken" } else { "granted" };
        self.note(Text::new(&format!("{} {verb} by {}", Span(amount.0.abs()).short(), by.by)));
        let sessions = self.sessions.iter().map(|id| Text::new(&id.to_string())).collect();
        let (reason, other) = (call.reason.clone(), call.other.clone());
        self.record(&Fact::Granted { amount_ms: amount, by, reason, other, sessions });
    }

    /// A line of redkey's own events, told over the socket: it becomes part of this run's stream.
    fn event(&mut self, line: &str) -> Result<bool, RpcError> {
        let bad = |why: &str| RpcError::new(code::INVALID_PARAMS, why);
        let mut value: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|_| bad("an event is a JSON object"))?;
        if !value.contains_key("type") {
            return Err(bad("an event has a `type`"));
        }
        value.entry("redkey").or_insert_with(|| 1.into());
        value.insert("run".into(), self.config.run.as_str().into());
        self.lines.push(serde_json::Value::Object(value).to_string());
        Ok(true)
    }

    fn hook(&mut self, caller: Caller, call: HookCall, now: Stamp) {
        self.suspects.hooked(&call.session, now);
        if let Some(why) = self.refuses() {
            return self.answer_hook(&caller, HookAnswer::End { why });
        }
        let (Some(tool), true) = (&call.tool, is_before_tool(&call.event)) else {
            // What a person types while the run is held is refused at once: the person is there to lift the hold.
            let refused = self.held.clone().filter(|_| is_prompt(&call.event));
            return self.answer_hook(&caller, refused.map_or(HookAnswer::Pass, |why| HookAnswer::End { why }));
        };
        if self.held.is_some() {
            let until = now + self.patience(call.deadline_ms);
            self.waiting.push(Waiting { caller, call, until });
            return self.settle_waiting(now);
        }
        let input = call.input.as_ref().map(|raw| ToolInput::from_text(raw.0.get())).unwrap_or_default();
        let id = RunId::new(call.agent, call.session.as_str());
        let cwd = self.model.find(&id).map(|run| run.facts.cwd.clone()).filter(|cwd| !cwd.is_empty());
        let cwd = cwd.unwrap_or_else(|| self.config.cwd.clone());
        match self.model.rules.gate(call.agent, tool, &input, cwd.as_str()) {
            None => self.answer_hook(&caller, HookAnswer::Pass),
            Some(because) => {
                let what = Text::new(&format!("{tool} {}", input.summary));
                self.gate(what, Text::new(&because), call.call.clone(), caller, Some(call.deadline_ms), now);
            }
        }
    }

    /// How long a call may wait for a person.
    fn patience(&self, deadline: Span) -> Span {
        (deadline - MARGIN).max(Span::ZERO).min(self.model.rules.policy.gate.timeout)
    }

    fn gate(
        &mut self,
        what: Text,
        because: Text,
        call: Option<Text>,
        caller: Caller,
        deadline: Option<Span>,
        now: Stamp,
    ) {
        let timeout = deadline.map_or(self.model.rules.policy.gate.timeout, |deadline| self.patience(deadline));
        let ask = Ask { run: self.config.run.clone(), what, because, call, timeout };
        match self.gates.ask(ask, caller, now) {
            Ok(gate) => {
                self.record(&Fact::GateAsked { gate });
                self.settle_waiting(now);
            }
            Err(closed) => self.close(vec![*closed]),
        }
    }

    /// Answered gates: their askers are told, and the log.
    fn close(&mut self, closed: Vec<Closed<Caller>>) {
        for Closed { gate, asker } in closed {
            self.record(&Fact::GateAnswered { gate: gate.clone() });
            if gate.state == GateState::Withdrawn {
                continue;
            }
            match asker.kind {
                Kind::Agent => self.out.push(FromMeter::Reply(Reply::new(asker.conn, asker.id, Ok(gate)))),
                Kind::Hook => {
                    let mut why = format!("{} by {}", word(gate.state), gate.by);
                    if gate.state == GateState::Expired {
                        why = word(gate.state).to_owned();
                    }
                    if !gate.reason.is_empty() && gate.state != GateState::Expired {
                        why = format!("{why}: {}", gate.reason);
                    }
                    let why = Text::new(&format!("{why} ({})", gate.id));
                    let answer = match (gate.state, self.ending.is_some()) {
                        (GateState::Allowed, _) => HookAnswer::Allow { why },
                        (_, true) => HookAnswer::End { why },
                        _ => HookAnswer::Deny { why },
                    };
                    self.answer_hook(&asker, answer);
                }
            }
        }
    }

    fn answer_hook(&mut self, caller: &Caller, answer: HookAnswer) {
        self.out.push(FromMeter::Reply(Reply::new(caller.conn, caller.id.clone(), Ok(answer))));
    }

    /// Held calls whose hook can't wait any longer are refused.
    fn give_up_waiting(&mut self, now: Stamp) {
        let (due, rest) = std::mem::take(&mut self.waiting).into_iter().partition(|one: &Waiting| now >= one.until);
        self.waiting = rest;
        let due: Vec<Waiting> = due;
        for one in due {
            let why = self.held.clone().unwrap_or_default();
            let name = &self.config.run;
            let why = Text::new(&format!("held, {why}: `redkey grant {name} 10m` or `redkey release {name}`"));
            self.answer_hook(&one.caller, HookAnswer::End { why });
        }
    }

    /// Time in which a person is awaited costs nothing: it is given back when the wait is over, so that everybody who
    /// reads the record counts the same.
    fn settle_waiting(&mut self, now: Stamp) {
        // An agent that merely says that it asks somebody goes on being charged, or it could stop its own clock.
        let is_waiting = !self.waiting.is_empty() || self.gates.awaits(|caller| caller.kind == Kind::Hook);
        match (is_waiting, self.waiting_since) {
            (true, None) => self.waiting_since = Some(now),
            (false, Some(since)) => {
                self.waiting_since = None;
                let clock = &self.model.rules.policy.clock;
                let waited = now.since(since).clamp(Span::ZERO, clock.tool_idle_after);
                let amount = waited.percent(i64::from(self.model.rules.policy.tariff.wall_percent));
                if amount > Span::ZERO {
                    self.grants += amount;
                    let by = Asker { by: Text::new("redkey"), ..Asker::default() };
                    let reason = Text::new("waited for a person");
                    let sessions = self.sessions.iter().map(|id| Text::new(&id.to_string())).collect();
                    self.record(&Fact::Granted { amount_ms: amount, by, reason, other: None, sessions });
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, text: Text) {
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
        Total::of(runs, self.budget, self.grants, self.config.caps, now, &self.model.rules)
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
        self.sessions.iter().filter_map(|id| self.model.find(id)).any(|run| run.ticks(now, rules))
    }

    /// Is the run proven to be over?
    pub fn is_over(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.phase == Phase::VerifiedDead)
    }
}

/// Names of the event that comes before a tool call, of all agents.
fn is_before_tool(event: &Text) -> bool {
    matches!(event.as_str(), "PreToolUse" | "BeforeTool" | "tool.execute.before")
}

fn is_prompt(event: &Text) -> bool {
    matches!(event.as_str(), "UserPromptSubmit" | "BeforeAgent")
}
