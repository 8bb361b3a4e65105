//! Tool calls that ask before they begin: refused, held, or let go.

use super::{Caller, Core, Kind, MARGIN, Waiting};
use crate::control::audit::Fact;
use crate::control::gates::{Ask, Closed, word};
use crate::control::link::{FromMeter, Reply};
use crate::control::protocol::{GateState, HookAnswer, HookCall};
use crate::control::words::Asker;
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tool::ToolInput;

impl Core {
    pub(super) fn hook(&mut self, caller: Caller, call: HookCall, now: Stamp) {
        self.suspects.hooked(&call.session, now);
        if let Some(why) = self.refuses() {
            return self.answer_hook(&caller, HookAnswer::End { why });
        }
        let Some((caller, call)) = self.unless_behind(caller, call, now) else { return };
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
    pub(super) fn patience(&self, deadline: Span) -> Span {
        (deadline - MARGIN).max(Span::ZERO).min(self.model.rules.policy.gate.timeout)
    }

    pub(super) fn gate(
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
    pub(super) fn close(&mut self, closed: Vec<Closed<Caller>>) {
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

    pub(super) fn answer_hook(&mut self, caller: &Caller, answer: HookAnswer) {
        self.out.push(FromMeter::Reply(Reply::new(caller.conn, caller.id.clone(), Ok(answer))));
    }

    /// Held calls whose hook can't wait any longer are refused.
    pub(super) fn give_up_waiting(&mut self, now: Stamp) {
        let (due, rest) = std::mem::take(&mut self.waiting).into_iter().partition(|one: &Waiting| now >= one.until);
        self.waiting = rest;
        let due: Vec<Waiting> = due;
        for one in due {
            let why = self.held.clone().unwrap_or_default();
            let name = &self.config.run;
            let why = Text::new(&format!("held, {why}: `redkey grant {name} 10m` lets it go on"));
            self.answer_hook(&one.caller, HookAnswer::End { why });
        }
    }

    /// Time in which a person is awaited costs nothing: it is given back when the wait is over, so that everybody who
    /// reads the record counts the same.
    pub(super) fn settle_waiting(&mut self, now: Stamp) {
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
}

/// Names of the event that comes before a tool call, of all agents.
pub(super) fn is_before_tool(event: &Text) -> bool {
    matches!(event.as_str(), "PreToolUse" | "BeforeTool" | "tool.execute.before")
}

pub(super) fn is_prompt(event: &Text) -> bool {
    matches!(event.as_str(), "UserPromptSubmit" | "BeforeAgent")
}
