//! What the supervisor is asked, by whom, and what it answers.

use std::time::Duration;

use rustix::process::Signal;

use super::Supervisor;
use crate::clock;
use crate::control::audit::{AuditSink, Fact, Lost};
use crate::control::desk::{Inbound, To};
use crate::control::ladder::Input;
use crate::control::link::{Asked, FromMeter, ToMeter};
use crate::control::peer::Peer;
use crate::control::proc;
use crate::control::protocol::{Call, Role, RpcError, Snapshot, StopCall, code};
use crate::control::words::{Asker, Mode, Rung, Stop};
use crate::domain::text::Text;

/// Stops whose ids are remembered: who asks again with one of them hears how it goes, and presses nothing.
const ASKED: usize = 64;

impl Supervisor {
    pub(super) fn told_to_end(&mut self, sender: Option<i32>, now: Duration) {
        let orphaned = rustix::process::getppid() != Some(self.seat.guardian_pid);
        if orphaned {
            self.seat.audit.record(Some(&self.seat.run), Fact::SupervisorLost { who: Lost::Guardian });
        }
        let (mode, by) = if orphaned { (Mode::Now, "guardian lost") } else { (Mode::Ladder, "signal TERM") };
        let by = Asker { by: Text::new(by), pid: sender.map(|p| p as u32), ..Asker::default() };
        let id = Text::new(&format!("term-{}", clock::now().0));
        self.stop(id, mode, by, Text::default(), now);
    }

    pub(super) fn pass_on(&self, signal: i32) {
        if self.ended.is_none()
            && let Some(signal) = Signal::from_named_raw(signal)
        {
            // The agent is our unreaped child, so the number is its own. It may be dead already.
            let _ = rustix::process::kill_process(self.seat.leader, signal);
        }
    }

    pub(super) fn meter_says(&mut self, message: FromMeter, now: Duration) {
        match message {
            FromMeter::Reply(reply) => {
                let (conn, id) = (reply.conn, reply.id.clone());
                self.seat.desk.reply(conn, id, reply.into_result());
            }
            FromMeter::Metered(metered) => {
                self.seat.status.metered = *metered;
                self.dirty = true;
            }
            // To hold is not to end: an agent that nobody can ask is held by its hook alone.
            FromMeter::Stop(ask) if ask.mode == Mode::Interrupt && !self.can_ask() => {}
            FromMeter::Stop(ask) => {
                let id = Text::new(&format!("{}-{}", ask.by, clock::now().0));
                self.stop(id, ask.mode, Asker { by: ask.by, ..Asker::default() }, ask.reason, now);
            }
            FromMeter::Event(raw) => {
                if let Ok(fact) = serde_json::from_str::<Fact>(raw.0.get()) {
                    self.seat.audit.record(Some(&self.seat.run), fact);
                }
            }
            FromMeter::Resume(resume) => {
                self.seat.desk.notify_all(To::Role(Role::Run), "resume", &resume);
            }
            FromMeter::Degraded(degraded) => {
                self.dirty |= self.log_degraded != degraded;
                self.log_degraded = degraded;
            }
        }
    }

    pub(super) fn inbound(&mut self, inbound: Inbound, now: Duration) {
        match inbound {
            Inbound::Call { conn, id, call, peer, role } => match call {
                Call::Status(_) => {
                    self.refresh_alive();
                    let status = self.seat.status.clone();
                    self.seat.desk.reply(conn, id, Ok(status));
                }
                Call::Subscribe(_) => {
                    self.refresh_alive();
                    let snapshot = Snapshot { seq: self.seq, status: self.seat.status.clone() };
                    self.seat.desk.reply(conn, id, Ok(snapshot));
                }
                Call::Stop(call) => {
                    let stop = self.stop_call(call, &peer, now);
                    self.seat.desk.reply(conn, id, stop);
                }
                Call::Ack(ack) => {
                    if self.stop_id() == Some(&ack.interrupt_id) {
                        self.climb(if ack.idle { Input::Idle } else { Input::Acknowledged }, now);
                    }
                    self.seat.desk.reply(conn, id, Ok(true));
                }
                Call::Hello(_) => {}
                call => self.hand_to_meter(Asked { conn, id, call, peer, role }),
            },
            Inbound::Gone { conn } => {
                self.seat.meters[0].send(&ToMeter::Gone(conn));
            }
            Inbound::Refused { peer, why } => {
                let (uid, pid) = (Some(peer.uid), Some(peer.pid));
                self.seat.audit.record(Some(&self.seat.run), Fact::PeerRefused { uid, pid, why });
            }
        }
    }

    fn hand_to_meter(&mut self, asked: Asked) {
        let (conn, id) = (asked.conn, asked.id.clone());
        if !self.seat.meters[0].send(&ToMeter::Call(asked)) {
            let error = RpcError::new(code::NO_METER, "the run's meter isn't there; the key works without it");
            self.seat.desk.reply::<bool>(conn, id, Err(error));
        }
    }

    fn stop_id(&self) -> Option<&Text> {
        self.ladder.as_ref().map(|l| &l.state().id)
    }

    fn stop_call(&mut self, call: StopCall, peer: &Peer, now: Duration) -> Result<Stop, RpcError> {
        let known = self.asked.contains(&call.interrupt_id);
        if call.mode == Mode::Interrupt && !self.can_ask() && self.seat.agent.first != Rung::Int {
            let why = "this agent can't be interrupted without ending it: it listens to nobody, and INT isn't for it";
            return Err(RpcError::new(code::REFUSED, why));
        }
        if !known && self.over.is_none() {
            let by = Asker {
                by: if call.by.is_empty() { Text::new("socket") } else { call.by },
                user: proc::user_name(peer.uid),
                uid: Some(peer.uid),
                pid: Some(peer.pid),
            };
            self.asked.truncate(ASKED - 1);
            self.asked.insert(0, call.interrupt_id.clone());
            self.stop(call.interrupt_id, call.mode, by, call.reason, now);
        }
        match &self.ladder {
            Some(ladder) => Ok(ladder.state().clone()),
            None => Err(RpcError::new(code::UNKNOWN, "the run is over: nothing of it is left")),
        }
    }
}
