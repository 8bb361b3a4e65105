//! The supervisor: one thread, one poll loop, between the agent and everybody who has a say about it.
//!
//! It is the parent of the agent and inherits whatever below it loses its parent, so the kernel's "no children" is the
//! proof that the run is over. It reads nothing of what the agent says; that is the meter's, which may die without harm.

mod asked;
mod asking;
mod climb;

use std::time::Duration;

use anyhow::Result;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};

use super::contain::Cgroup;
use super::launch::number;
use super::signals::{Arrived, Signals};
use super::wire::{End, FromGuardian, FromRelay, ToGuardian, ToRelay};
use crate::clock;
use crate::control::agents::Knowledge;
use crate::control::audit::{AuditSink, Fact, Pipe};
use crate::control::desk::{Desk, To};
use crate::control::ladder::{Aim, Input, Ladder, Plan};
use crate::control::link::{Ended, FromMeter, Link, ToMeter};
use crate::control::proc::{self, Children, Reaped, Status as Change};
use crate::control::protocol::{Snapshot, Status};
use crate::control::words::{Asker, Grade, Mode, Phase, ProcId, Proof, Rung, Times};
use crate::domain::text::Text;

/// Between two rounds of KILL, at first and at most.
const ROUND: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(250));
/// Calls in a row to reap what is a great many; a fork chain could keep us busy for ever.
const REAPS: usize = 8;
/// The socket's place is looked at so often.
const PLACE: Duration = Duration::from_secs(1);
/// A meter that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(8);
/// When the run is over, answers still on their way may take so long.
const LINGER: Duration = Duration::from_millis(500);

/// What the supervisor is given when it begins.
pub struct Seat {
    pub run: Text,
    pub agent: &'static Knowledge,
    pub times: Times,
    /// Processes that the agent leaves behind are ended; else they are waited for.
    pub end_leftovers: bool,
    pub guardian_pid: Pid,
    pub desk: Desk,
    /// To the meters that there may be, one after the other; the first is the one in office.
    pub meters: Vec<Link<ToMeter, FromMeter>>,
    pub relay: Option<Link<ToRelay, FromRelay>>,
    /// The agent can be asked through the relay, or whoever is at the other end of that link.
    pub asks_by_relay: bool,
    pub cgroup: Option<Cgroup>,
    pub audit: Pipe,
    pub children: Children,
    pub status: Status,
    pub leader: Pid,
}

pub struct Supervisor {
    seat: Seat,
    guardian: Link<ToGuardian, FromGuardian>,
    signals: Signals,
    me: ProcId,
    /// How the agent's own process ended.
    ended: Option<Ended>,
    ladder: Option<Ladder>,
    /// The stop is redkey's own tidying after an agent that ended by itself.
    tidying: bool,
    /// Why asking was of no use, the last time that it wasn't.
    spent: Text,
    left_behind: Vec<Text>,
    /// Kill rounds: when the next is due, and the pause after it.
    round: Option<(Duration, Duration)>,
    rounds: u32,
    count_at: Duration,
    place_at: Duration,
    /// Stops that were asked for, by their ids, the newest first.
    asked: Vec<Text>,
    /// When the meter last said something.
    heard_at: Duration,
    /// The last trouble with the socket's place, told once.
    misplaced: Option<Text>,
    rungs_told: usize,
    final_told: bool,
    seq: u64,
    dirty: bool,
    over: Option<Duration>,
    /// The meter can't write the audit log.
    log_degraded: bool,
}

impl Supervisor {
    /// Takes its seat: the agent has just been started and is our child.
    pub fn new(seat: Seat, guardian: Link<ToGuardian, FromGuardian>) -> Result<Self> {
        let caught = [SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU];
        let signals = Signals::open(&caught)?;
        let me = proc::id(std::process::id()).unwrap_or(ProcId { pid: std::process::id(), start: 0 });
        Ok(Self {
            seat,
            guardian,
            signals,
            me,
            ended: None,
            ladder: None,
            tidying: false,
            spent: Text::default(),
            left_behind: vec![],
            round: None,
            rounds: 0,
            count_at: Duration::ZERO,
            place_at: Duration::ZERO,
            asked: vec![],
            heard_at: clock::elapsed(),
            misplaced: None,
            rungs_told: 0,
            final_told: false,
            seq: 0,
            dirty: true,
            over: None,
            log_degraded: false,
        })
    }

    /// Runs until nothing of the run is left and everybody has been told.
    pub fn run(mut self) -> Result<()> {
        loop {
            let now = clock::elapsed();
            // In this order: a child that ends in between is told by the next signal.
            let arrived = self.signals.arrived();
            self.reap(now);
            self.work(arrived, now);
            self.tell(now);
            if self.over.is_some_and(|over| now >= over + LINGER || self.seat.desk.is_flushed()) {
                return Ok(());
            }
            self.wait(now)?;
        }
    }

    fn wait(&mut self, now: Duration) -> Result<()> {
        let times = [
            self.seat.desk.deadline(),
            self.ladder.as_ref().and_then(Ladder::deadline),
            self.round.map(|(at, _)| at),
            self.counts().then_some(self.count_at),
            self.over.map_or(Some(self.place_at), |over| Some(over + LINGER)),
        ];
        let timeout = times.into_iter().flatten().min().map(|at| at.saturating_sub(now));
        let mut fds = self.seat.desk.poll_fds();
        fds.push(PollFd::from_borrowed_fd(self.signals.fd(), PollFlags::IN));
        for (fd, interest, gone) in [
            (self.guardian.fd(), self.guardian.interest(), self.guardian.is_gone()),
            (self.seat.meters[0].fd(), self.seat.meters[0].interest(), self.seat.meters[0].is_gone()),
        ] {
            if !gone {
                fds.push(PollFd::from_borrowed_fd(fd, interest));
            }
        }
        if let Some(relay) = self.seat.relay.as_ref().filter(|r| !r.is_gone()) {
            fds.push(PollFd::from_borrowed_fd(relay.fd(), relay.interest()));
        }
        super::poll(&mut fds, timeout)?;
        Ok(())
    }

    fn work(&mut self, arrived: Vec<Arrived>, now: Duration) {
        for arrived in arrived {
            if arrived.signal == SIGTERM {
                self.told_to_end(arrived.sender, now);
            }
        }
        for FromGuardian::Signal(signal) in self.guardian.pump() {
            self.pass_on(signal);
        }
        self.next_meter();
        for message in self.seat.meters[0].pump() {
            self.heard_at = now;
            self.meter_says(message, now);
        }
        for word in self.seat.relay.iter_mut().flat_map(Link::pump).collect::<Vec<_>>() {
            self.heard(word, now);
        }
        for inbound in self.seat.desk.serve(now) {
            self.inbound(inbound, now);
        }
        self.keep_order(now);
        if self.counts() && now >= self.count_at {
            self.count(now);
        }
        self.climb(Input::Tick, now);
        if self.round.is_some_and(|(at, _)| now >= at) {
            self.kill_round(now);
        }
    }

    /// The agent is the same user, and can remove our socket: the key would be gone. It can suspend our meter, too.
    fn keep_order(&mut self, now: Duration) {
        if now < self.place_at || self.over.is_some() {
            return;
        }
        self.place_at = now + PLACE;
        let trouble = self.seat.desk.keep_place();
        if let Some(what) = trouble.as_ref().filter(|what| self.misplaced.as_ref() != Some(what)) {
            self.seat.audit.record(Some(&self.seat.run), Fact::Warned { what: what.clone() });
        }
        self.misplaced = trouble;
        self.check_meter(now);
    }

    /// A meter that hangs lets the clock run on: it is ended, and another begins. Unless a person has suspended the run.
    fn check_meter(&mut self, now: Duration) {
        if now < self.heard_at + SILENCE || self.seat.meters[0].is_gone() {
            return;
        }
        self.heard_at = now;
        let guardian = number(self.seat.guardian_pid);
        if proc::read(guardian).is_ok_and(|stat| !matches!(stat.state, 'T' | 't')) {
            self.seat.audit.record(Some(&self.seat.run), Fact::Warned { what: Text::new("the meter hangs") });
            self.guardian.send(&ToGuardian::MeterHangs);
        }
    }

    /// Where the meter was killed, the guardian starts another, on the next link. The last link stays.
    fn next_meter(&mut self) {
        while self.seat.meters.len() > 1 && self.seat.meters[0].is_gone() {
            self.seat.meters.remove(0);
            self.heard_at = clock::elapsed();
            self.seat
                .audit
                .record(Some(&self.seat.run), Fact::Warned { what: Text::new("the meter was gone; another begins") });
            self.dirty = true;
        }
    }

    // What ends.

    fn reap(&mut self, now: Duration) {
        let leader = self.seat.leader.as_raw_nonzero().get() as u32;
        let (mut reaped, mut suspended) = (0, false);
        let mut ended = None;
        let mut told = |pid, change: Change| match change {
            Change::Exited(code) if pid == leader => ended = Some(Ended { code: Some(code), signal: None }),
            Change::Killed(signal) if pid == leader => ended = Some(Ended { code: None, signal: Some(signal) }),
            Change::Exited(_) | Change::Killed(_) => reaped += 1,
            Change::Stopped(_) if pid == leader => suspended = true,
            Change::Stopped(_) | Change::Continued => {}
        };
        let mut state = proc::reap_all(&mut told);
        for _ in 0..REAPS {
            if !state.as_ref().is_ok_and(|reaped| reaped.is_cut_short()) {
                break;
            }
            state = proc::reap_all(&mut told);
        }
        if suspended && self.ladder.is_none() {
            self.guardian.send(&ToGuardian::Suspended);
        }
        if let Some(ended) = ended {
            self.ended = Some(ended);
            self.seat.meters[0].send(&ToMeter::Ended(ended));
            self.dirty = true;
        }
        if (reaped > 0 || ended.is_some()) && self.ladder.is_some() {
            self.count_at = self.count_at.min(now);
            if let Some((at, pause)) = &mut self.round {
                // What was below the dead is ours now.
                (*at, *pause) = ((*at).min(now), ROUND.0);
            }
        }
        if matches!(state, Ok(Reaped::NoChildren)) {
            self.nothing_left(now);
        } else if ended.is_some() {
            self.left_alone(now);
        }
    }

    /// The agent has gone and something of it has stayed.
    fn left_alone(&mut self, now: Duration) {
        if self.ladder.is_some() {
            return self.count(now);
        }
        self.left_behind = proc::descendants(self.me.pid)
            .iter()
            .filter(|s| s.state != 'Z')
            .map(|s| Text::new(&format!("{} ({})", s.name, s.pid)))
            .collect();
        if !self.seat.end_leftovers {
            return;
        }
        self.tidying = true;
        let plan = Plan {
            cooperative: false,
            first: Rung::Term,
            aim: Aim::All,
            times: Times { term: self.seat.times.orphans, ..self.seat.times },
        };
        let by = Asker { by: Text::new("end of the run"), ..Asker::default() };
        self.begin(Text::new("leftovers"), Mode::Ladder, by, Text::default(), plan, now);
    }

    /// The kernel says that we have no children. In a cgroup, it has to be empty as well.
    fn nothing_left(&mut self, now: Duration) {
        if self.over.is_some() || self.ended.is_none() {
            return;
        }
        let proof = match &self.seat.cgroup {
            Some(cgroup) => match cgroup.is_populated() {
                Ok(false) => Proof::CgroupEmpty,
                // Somebody outside put a process of theirs there, or it can't be read: that is no proof.
                Ok(true) | Err(_) => {
                    self.round.get_or_insert((now, ROUND.0));
                    return;
                }
            },
            None if self.seat.status.grade == Some(Grade::Pidns) => Proof::NamespaceGone,
            None => Proof::NoChildren,
        };
        self.round = None;
        self.seat.status.alive = 0;
        self.drop_interrupt();
        self.climb(Input::Gone(proof), now);
        self.over = Some(now);
        self.dirty = true;
    }

    // Who hears of it.

    fn tell(&mut self, now: Duration) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        self.seat.status.meter = !self.seat.meters[0].is_gone();
        self.seat.status.audit_degraded = self.log_degraded || self.seat.audit.is_degraded();
        self.seat.status.stop = self.ladder.as_ref().map(|l| l.state().clone()).filter(|_| !self.tidying);
        self.record_stop();
        if let Some(stop) = &self.seat.status.stop {
            self.seat.meters[0].send(&ToMeter::Stop(stop.clone()));
        }
        self.seq += 1;
        let snapshot = Snapshot { seq: self.seq, status: self.seat.status.clone() };
        self.seat.desk.notify_all(To::Subscribed, "update", &snapshot);
        if self.over == Some(now) {
            self.finish();
        }
    }

    fn record_stop(&mut self) {
        let Some(ladder) = &self.ladder else { return };
        let stop = ladder.state();
        let run = Some(&self.seat.run);
        for lit in &stop.rungs[self.rungs_told.min(stop.rungs.len())..] {
            self.seat.audit.record(run, Fact::Rung { id: stop.id.clone(), rung: lit.rung, after_us: lit.after_us });
        }
        self.rungs_told = stop.rungs.len();
        let verified = stop.phase == Phase::VerifiedDead;
        if let Some(receipt) = stop.receipt.as_ref().filter(|_| !self.final_told || verified) {
            self.final_told = true;
            self.seat.audit.record(run, Fact::StopEnded { id: stop.id.clone(), receipt: receipt.clone() });
        }
    }

    fn finish(&mut self) {
        let ended = self.ended.unwrap_or_default();
        let end = End {
            code: ended.code,
            signal: ended.signal,
            stop: self.seat.status.stop.clone(),
            left_behind: std::mem::take(&mut self.left_behind),
        };
        let outcome = end
            .stop
            .as_ref()
            .and_then(|s| s.receipt.as_ref())
            .map_or_else(|| Text::new("ended by itself"), |receipt| Text::new(&receipt.words()));
        let fact = Fact::RunEnded { code: end.code, signal: end.signal, outcome };
        self.seat.audit.record(Some(&self.seat.run), fact);
        self.guardian.send(&ToGuardian::Ended(end));
        // It may have been suspended with the agent; stopped, it would never hear of the end.
        if let Some(guardian) = rustix::process::getppid().filter(|_| !self.guardian.is_gone()) {
            let _ = rustix::process::kill_process(guardian, Signal::CONT);
        }
    }
}
