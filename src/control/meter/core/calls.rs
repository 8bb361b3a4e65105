//! Calls of persons and agents on the run's socket.

use super::{Caller, Core, Kind};
use crate::control::audit::Fact;
use crate::control::link::{Asked, FromMeter, Reply};
use crate::control::protocol::{self, Call, Gate, GrantCall, RpcError, code};
use crate::control::words::Asker;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

impl Core {
    pub(super) fn call(&mut self, asked: Asked, now: Stamp) {
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
                    let released = Text::new(&format!("released by {}", why.by));
                    self.note(released.clone());
                    self.go_on(&released, now);
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
}
