//! Attending a run that redkey did not start: the socket, the clock and the key of an agent whose hook is installed.
//!
//! There are no processes of its own here. The hook refuses calls, which the meter decides; a stop goes to the agent's
//! process and whatever is found below it ([`crate::control::tracked`]), so its proof is of the lowest grade. One thread,
//! one poll loop; the meter and a stop under way have a thread each.

mod climb;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::{self};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, poll};

use super::{MeterSetup, ledger};
use crate::clock;
use crate::control::agents::{self, Knowledge};
use crate::control::audit::{Audit, Fact, Started};
use crate::control::desk::{self, Desk, Inbound, To};
use crate::control::link::{self, Asked, Ended, FromMeter, Link, Reply, ToMeter};
use crate::control::mapping;
use crate::control::proc::{self, Held};
use crate::control::protocol::{Call, Metered, Role, Snapshot, Status};
use crate::control::words::{Asker, Mode, ProcId, Receipt, Stop, Times};
use crate::domain::event::Agent;
use crate::domain::text::Text;

/// Updates go out at most so often.
const PAUSE: Duration = Duration::from_millis(100);
/// Time for the log at the end.
const FLUSH: Duration = Duration::from_secs(2);

/// Who attends.
pub struct Attendant {
    desk: Desk,
    link: Link<ToMeter, FromMeter>,
    audit: Audit,
    agent: Held,
    leader: ProcId,
    marks: Vec<(String, String)>,
    /// How this kind of agent is stopped.
    knowledge: &'static Knowledge,
    times: Times,
    user: Text,
    status: Status,
    seq: u64,
    dirty: bool,
    next_update: Duration,
    climb: Option<climb::Climb>,
    rungs_told: usize,
}

impl Attendant {
    /// `desk` is open already: whoever can't open it is not the one who attends. `agent`: its process.
    pub fn new(desk: Desk, audit: Audit, agent: ProcId, setup: MeterSetup) -> Result<Self> {
        let held = Held::open_id(agent).context("the agent's process is gone")?;
        let (agent_kind, session) = match &setup.session {
            Some((kind, session, _)) => (Some(*kind), session.clone()),
            None => (None, Text::default()),
        };
        let marks = agent_kind.map(|kind| mapping::marks(kind, session.as_str())).unwrap_or_default();
        let status = Status {
            run: setup.run.clone(),
            label: setup.label.clone(),
            command: setup.command.clone(),
            cwd: setup.cwd.clone(),
            started: setup.started,
            leader: Some(agent),
            supervisor: proc::id(proc::own_pid()),
            guardian: None,
            grade: None,
            grade_why: Text::new("redkey did not start it"),
            at_zero: setup.at_zero,
            alive: 1,
            stop: None,
            meter: true,
            metered: Metered::default(),
            audit_degraded: false,
        };
        let started = Started {
            run: setup.run.clone(),
            label: setup.label.clone(),
            command: setup.command.clone(),
            cwd: setup.cwd.clone(),
            supervisor: status.supervisor.unwrap_or(ProcId { pid: 0, start: 0 }),
            guardian: None,
            leader: Some(agent),
            grade: None,
            budget_ms: setup.budget,
            caps: setup.caps.as_ref().map(ledger::recorded).unwrap_or_default(),
            expect_ms: None,
            at_zero: setup.at_zero,
        };
        let log = setup.state.join("audit.jsonl");
        let (ours, theirs) = link::pair()?;
        let mut attendant = Self {
            desk,
            link: Link::new(ours)?,
            audit,
            agent: held,
            leader: agent,
            marks,
            knowledge: agents::of(agent_kind),
            times: setup.rules.policy.stop.into(),
            user: setup.user.clone(),
            status,
            seq: 0,
            dirty: true,
            next_update: Duration::ZERO,
            climb: None,
            rungs_told: 0,
        };
        attendant.desk.keep_out(&[agent.pid, proc::own_pid()]);
        attendant.desk.keep_out_runs(&log);
        attendant.record(Fact::RunStarted(Box::new(started)));
        thread::Builder::new().name("meter".into()).spawn(move || super::run(theirs, setup))?;
        Ok(attendant)
    }

    /// Until the agent's process is gone, and a stop under way has said how it ended.
    pub fn run(mut self) -> Result<()> {
        let mut gone = false;
        loop {
            self.wait(gone)?;
            let now = clock::elapsed();
            for inbound in self.desk.serve(now) {
                self.inbound(inbound);
            }
            for message in self.link.pump() {
                self.metered(message);
            }
            self.climbed();
            self.update(now);
            if !gone && self.agent.is_gone() {
                gone = true;
                self.link.send(&ToMeter::Ended(Ended::default()));
            }
            if gone && self.climb.is_none() {
                break;
            }
        }
        self.record(Fact::RunEnded { code: None, signal: None, outcome: Text::new("its process has ended") });
        self.status.alive = 0;
        self.dirty = true;
        self.update(Duration::MAX);
        self.audit.flush(FLUSH);
        Ok(())
    }

    fn wait(&self, gone: bool) -> Result<()> {
        let now = clock::elapsed();
        let due = [self.desk.deadline(), self.dirty.then_some(self.next_update)];
        let wait = due.into_iter().flatten().min().map(|at| at.saturating_sub(now));
        let wait = wait.and_then(|wait| wait.try_into().ok());
        let mut fds = self.desk.poll_fds();
        if !self.link.is_gone() {
            fds.push(PollFd::from_borrowed_fd(self.link.fd(), self.link.interest()));
        }
        if let Some(climb) = &self.climb {
            fds.push(PollFd::from_borrowed_fd(climb.wake.as_fd(), PollFlags::IN));
        }
        if !gone {
            fds.push(PollFd::from_borrowed_fd(self.agent.as_fd(), PollFlags::IN));
        }
        match poll(&mut fds, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("can't wait for the run's socket"),
        }
    }

    fn inbound(&mut self, inbound: Inbound) {
        match inbound {
            Inbound::Call { conn, id, call, peer, role } => match call {
                Call::Status(_) => self.desk.reply(conn, id, Ok(&self.status)),
                Call::Subscribe(_) => {
                    let snapshot = Snapshot { seq: self.seq, status: self.status.clone() };
                    self.desk.reply(conn, id, Ok(snapshot));
                }
                Call::Stop(stop) => {
                    let stop = self.asked(&stop, &peer);
                    self.desk.reply(conn, id, Ok(stop));
                }
                Call::Ack(_) => self.desk.reply(conn, id, Ok(true)),
                call => {
                    let asked = Asked { conn, id, call, peer, role };
                    let (conn, id) = (asked.conn, asked.id.clone());
                    if self.link.is_gone() || !self.link.send(&ToMeter::Call(asked)) {
                        self.desk.reply::<()>(conn, id, Err(super::no_meter()));
                    }
                }
            },
            Inbound::Gone { conn } => {
                self.link.send(&ToMeter::Gone(conn));
            }
            Inbound::Refused { peer, why } => {
                self.record(Fact::PeerRefused { uid: Some(peer.uid), pid: Some(peer.pid), why });
            }
        }
    }

    fn metered(&mut self, message: FromMeter) {
        match message {
            FromMeter::Reply(reply) => self.replied(reply),
            FromMeter::Metered(metered) => {
                self.status.metered = *metered;
                self.dirty = true;
            }
            FromMeter::Stop(ask) => {
                let by = Asker { by: ask.by, ..Asker::default() };
                let id = Text::new(&format!("clock-{}", clock::now().0));
                self.stop(id, ask.mode, by, ask.reason);
            }
            FromMeter::Event(raw) => {
                if let Ok(fact) = serde_json::from_str::<Fact>(raw.0.get()) {
                    self.record(fact);
                }
            }
            FromMeter::Resume(resume) => {
                self.desk.notify_all(To::Role(Role::Run), "resume", &resume);
            }
            FromMeter::Degraded(_) => {} // it writes the log itself, and knows
        }
    }

    /// An interrupt of a run that only its hook holds is obeyed when the next call has been refused.
    fn replied(&mut self, reply: Reply) {
        let refused = reply.result.as_ref().is_some_and(|raw| raw.0.get().contains(r#""answer":"end""#));
        let (conn, id) = (reply.conn, reply.id.clone());
        self.desk.reply(conn, id, reply.into_result());
        let waits = |stop: &Stop| stop.mode == Mode::Interrupt && !stop.phase.is_final();
        if let Some(stop) = self.status.stop.clone().filter(|stop| refused && waits(stop)) {
            let took_us = clock::now().since(stop.at).0.max(0).unsigned_abs() * 1_000;
            let receipt = Receipt::idle(took_us);
            self.changed(Stop { phase: receipt.phase, receipt: Some(receipt), ..stop });
        }
    }

    fn update(&mut self, now: Duration) {
        self.status.meter = !self.link.is_gone();
        self.status.audit_degraded = self.audit.is_degraded();
        if self.dirty && now >= self.next_update {
            self.seq += 1;
            self.dirty = false;
            self.next_update = now.saturating_add(PAUSE);
            let snapshot = Snapshot { seq: self.seq, status: self.status.clone() };
            self.desk.notify_all(To::Subscribed, "update", &snapshot);
        }
    }

    fn record(&self, fact: Fact) {
        self.audit.record(Some(&self.status.run), fact);
    }
}

/// Opens the desk of an attended run; `None`: somebody attends it already.
pub fn open(dir: &crate::control::dir::RunDir, name: &str) -> Result<Option<Desk>> {
    match Desk::open(dir, name, desk::welcome(name)) {
        Ok(desk) => Ok(Some(desk)),
        Err(desk::DeskError::InUse { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is told on the command line of `redkey attend`.
#[derive(Clone, Debug)]
pub struct Told {
    pub agent: Agent,
    pub session: Text,
    pub transcript: Option<PathBuf>,
    pub pid: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::dir::attended;
    use crate::control::hook::call;
    use crate::control::hook::settings::Hooked;

    #[test]
    fn hook_and_attendant_mean_the_same_socket() {
        for agent in Hooked::ALL {
            let kind = Agent::parse(agent.name()).unwrap();
            for session in ["0f3a1b2c-aaaa-4bbb-8ccc-1234567890ab", "019a1b2c-aaaa-7bbb-8ccc-1234567890ab", "x"] {
                assert_eq!(attended(kind, session), call::run_name(agent, session));
            }
        }
    }
}
