//! PURE. The ladder: which rung goes out when, and when a stop is over. `now` is the time since some fixed moment of
//! the same process, read from a clock that never jumps.
//!
//! A rung is bound by its time, whatever the agent answers. The run's end is only what [`Input::Gone`] brings: a proof.

use std::time::Duration;

use super::words::{Asker, Grade, Lit, Mode, Phase, Proof, Receipt, Rung, Stop, Survivor, Times};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Who is meant by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// The agent's own process.
    Leader,
    /// Every process of the run in the agent's process group: what Ctrl-C in a terminal would reach.
    Group,
    /// Every process of the run.
    All,
}

/// How this run is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// There is a way to ask the agent itself.
    pub cooperative: bool,
    /// [`Rung::Int`] or [`Rung::Term`].
    pub first: Rung,
    pub aim: Aim,
    pub times: Times,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Asked again: `Now` goes to KILL, `Ladder` after `Interrupt` goes on, anything else changes nothing.
    Press(Mode),
    /// The agent says that it heard.
    Acknowledged,
    /// The agent says that it has stopped working and waits.
    Idle,
    /// Nothing more comes of asking: it has done all it can do, or can do nothing.
    Spent,
    /// Processes as counted. `leader`: the agent's own process is among them.
    Counted { alive: u32, leader: bool },
    /// Proven: nothing is left.
    Gone(Proof),
    /// Nothing but time.
    Tick,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Do {
    /// Ask in the agent's own way.
    Ask,
    /// Send the rung's signal, then CONT to the same processes: a stopped process hears nothing but KILL.
    Signal(Rung, Aim),
    /// KILL whatever is left, again and again until it is gone.
    Kill,
    /// Say so: the state has changed.
    Tell,
}

/// One stop, from request to receipt.
#[derive(Clone, Debug)]
pub struct Ladder {
    plan: Plan,
    grade: Grade,
    stop: Stop,
    began: Duration,
    /// The rung that stands, and when it gives way to the next.
    until: Option<Duration>,
    /// TERM has gone to all because the agent is gone.
    orphaned: bool,
    most: u32,
}

impl Ladder {
    /// A stop that was asked for at `now`; `at` is the same moment on the calendar. Nothing is done until the first
    /// [`Input::Press`] or [`Input::Tick`]. `processes`: what is known to belong to the run.
    #[expect(clippy::too_many_arguments, reason = "all of them are the request")]
    pub fn new(
        id: Text,
        mode: Mode,
        by: Asker,
        reason: Text,
        plan: Plan,
        grade: Grade,
        processes: u32,
        at: Stamp,
        now: Duration,
    ) -> Self {
        let stop =
            Stop { id, mode, phase: Phase::Requested, by, reason, at, rungs: vec![], alive: processes, receipt: None };
        Self { plan, grade, stop, began: now, until: Some(now), orphaned: false, most: processes }
    }

    pub fn state(&self) -> &Stop {
        &self.stop
    }

    /// When [`Input::Tick`] is due. At once as long as nothing has been done.
    pub fn deadline(&self) -> Option<Duration> {
        self.until
    }

    /// More processes turned out to belong to the run: `processes` in all, from the request on.
    pub fn belong(&mut self, processes: u32) {
        self.most = self.most.max(processes);
    }

    /// One thing happened. What comes back is done in order.
    pub fn step(&mut self, input: Input, now: Duration) -> Vec<Do> {
        match input {
            Input::Gone(proof) => self.gone(proof, now),
            _ if self.stop.phase == Phase::VerifiedDead => vec![],
            Input::Press(mode) => self.press(mode, now),
            Input::Acknowledged => self.acknowledged(),
            Input::Idle => self.idle(now),
            Input::Spent => self.spent(now),
            Input::Counted { alive, leader } => self.counted(alive, leader, now),
            Input::Tick => self.tick(now),
        }
    }

    /// Long after KILL something is left: who, and why. Of an interrupt: the agent, which runs on.
    pub fn survivors(&mut self, survivors: Vec<Survivor>, now: Duration) {
        if self.stop.phase == Phase::Failed {
            if self.stop.mode != Mode::Interrupt {
                self.stop.alive = survivors.len() as u32;
            }
            self.most = self.most.max(survivors.len() as u32);
            self.stop.receipt = Some(self.receipt(None, survivors, now));
        }
    }

    fn rung(&self) -> Option<Rung> {
        self.stop.rungs.last().map(|lit| lit.rung)
    }

    fn press(&mut self, mode: Mode, now: Duration) -> Vec<Do> {
        match (mode, self.rung()) {
            (Mode::Now, Some(Rung::Kill)) => vec![],
            (Mode::Now, _) => {
                self.stop.mode = Mode::Now;
                self.light(Rung::Kill, now)
            }
            (Mode::Ladder, Some(_)) if self.stop.mode == Mode::Interrupt => {
                self.stop.mode = Mode::Ladder;
                self.next(now)
            }
            (_, None) => match self.stop.mode {
                Mode::Now => self.light(Rung::Kill, now),
                _ if self.plan.cooperative => self.light(Rung::Cooperative, now),
                Mode::Interrupt | Mode::Ladder => self.light(self.first(), now),
            },
            _ => vec![],
        }
    }

    fn acknowledged(&mut self) -> Vec<Do> {
        if matches!(self.stop.phase, Phase::Requested | Phase::Delivered) {
            self.stop.phase = Phase::Acknowledged;
            return vec![Do::Tell];
        }
        vec![]
    }

    /// The agent obeyed and is alive. That ends a plain interrupt; the ladder takes it for an answer and goes on in
    /// its time: its phase must not look as if there were nothing more to wait for.
    fn idle(&mut self, now: Duration) -> Vec<Do> {
        if self.stop.mode != Mode::Interrupt {
            return self.acknowledged();
        }
        if self.rung().is_none() || self.stop.phase == Phase::IdleAfterInterrupt {
            return vec![];
        }
        self.until = None;
        self.stop.phase = Phase::IdleAfterInterrupt;
        self.stop.receipt = Some(self.receipt(None, vec![], now));
        vec![Do::Tell]
    }

    /// Whoever waits on after this waits for nothing.
    fn spent(&mut self, now: Duration) -> Vec<Do> {
        if self.rung() != Some(Rung::Cooperative) || self.stop.phase.is_final() {
            return vec![];
        }
        if self.stop.mode == Mode::Interrupt { self.unheard(now) } else { self.next(now) }
    }

    /// It was asked and goes on, and that is the answer to an interrupt.
    fn unheard(&mut self, now: Duration) -> Vec<Do> {
        self.until = None;
        self.stop.phase = Phase::Failed;
        self.stop.receipt = Some(self.receipt(None, vec![], now));
        vec![Do::Tell]
    }

    fn counted(&mut self, alive: u32, leader: bool, now: Duration) -> Vec<Do> {
        self.most = self.most.max(alive);
        let changed = self.stop.alive != alive;
        self.stop.alive = alive;
        let rung = self.rung();
        let left_behind = !leader && alive > 0 && !self.orphaned && rung.is_some() && rung < Some(Rung::Kill);
        if left_behind && self.stop.mode != Mode::Interrupt {
            self.orphaned = true;
            return self.light(Rung::Term, now);
        }
        if changed { vec![Do::Tell] } else { vec![] }
    }

    fn tick(&mut self, now: Duration) -> Vec<Do> {
        if self.until.is_none_or(|until| now < until) {
            return vec![];
        }
        if self.stop.mode == Mode::Interrupt && self.rung().is_some() {
            return self.unheard(now);
        }
        self.next(now)
    }

    fn next(&mut self, now: Duration) -> Vec<Do> {
        match self.rung() {
            None => self.press(self.stop.mode, now),
            Some(Rung::Cooperative) => self.light(self.first(), now),
            Some(Rung::Int) => self.light(Rung::Term, now),
            Some(Rung::Term) => self.light(Rung::Kill, now),
            Some(Rung::Kill) => {
                self.until = None;
                self.stop.phase = Phase::Failed;
                self.stop.receipt = Some(self.receipt(None, vec![], now));
                vec![Do::Tell]
            }
        }
    }

    /// The first signal; whatever the plan says, asking is none.
    fn first(&self) -> Rung {
        self.plan.first.max(Rung::Int)
    }

    fn light(&mut self, rung: Rung, now: Duration) -> Vec<Do> {
        let after_us = self.since(now);
        self.stop.phase = if self.rung().is_none() { Phase::Delivered } else { Phase::Escalating };
        self.stop.receipt = None;
        if self.rung() != Some(rung) {
            self.stop.rungs.push(Lit { rung, after_us });
        }
        let times = &self.plan.times;
        let (time, action) = match rung {
            Rung::Cooperative => (times.cooperative, Do::Ask),
            Rung::Int => (times.int, Do::Signal(rung, if rung == self.plan.first { self.plan.aim } else { Aim::All })),
            Rung::Term if self.orphaned => (times.orphans, Do::Signal(rung, Aim::All)),
            Rung::Term if self.plan.first == Rung::Term => (times.term, Do::Signal(rung, self.plan.aim)),
            Rung::Term => (times.term, Do::Signal(rung, Aim::All)),
            Rung::Kill => (times.give_up, Do::Kill),
        };
        self.until = Some(now + duration(time));
        vec![action, Do::Tell]
    }

    fn gone(&mut self, proof: Proof, now: Duration) -> Vec<Do> {
        if self.stop.phase == Phase::VerifiedDead {
            return vec![];
        }
        self.until = None;
        self.stop.phase = Phase::VerifiedDead;
        self.stop.alive = 0;
        self.stop.receipt = Some(self.receipt(Some(proof), vec![], now));
        vec![Do::Tell]
    }

    fn receipt(&self, proof: Option<Proof>, survivors: Vec<Survivor>, now: Duration) -> Receipt {
        Receipt {
            phase: self.stop.phase,
            grade: self.grade,
            proof,
            processes: self.most,
            rung: self.rung(),
            took_us: self.since(now),
            survivors,
        }
    }

    fn since(&self, now: Duration) -> u64 {
        u64::try_from(now.saturating_sub(self.began).as_micros()).unwrap_or(u64::MAX)
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_millis(span.0.max(0) as u64)
}

#[cfg(test)]
mod tests;
