//! Going up the ladder: who is asked, signalled, killed and counted.

use std::time::Duration;

use rustix::process::Signal;

use super::{ROUND, Supervisor};
use crate::clock;
use crate::control::audit::{AuditSink, Fact};
use crate::control::ladder::{Aim, Do, Input, Ladder, Plan};
use crate::control::proc::{self, Held};
use crate::control::supervisor::wire::{End, ToGuardian};
use crate::control::words::{Asker, Grade, Mode, Phase, Rung, Stop, Survivor};
use crate::domain::text::Text;

/// Counting may take so much of the time of a stop: it waits this many times what it took last.
const COUNT_REST: u32 = 8;

impl Supervisor {
    /// Begins a stop, or presses again on the one under way.
    pub(super) fn stop(&mut self, id: Text, mode: Mode, by: Asker, reason: Text, now: Duration) {
        self.drop_interrupt();
        if self.ladder.is_some() {
            // Who presses again is in the record too, by an id of their own.
            self.seat.audit.record(Some(&self.seat.run), Fact::StopRequested { id, mode, by, reason });
            if std::mem::take(&mut self.tidying) {
                // Now somebody asks for it, and waits for its end.
                self.dirty = true;
                return self.climb(Input::Press(Mode::Now), now);
            }
            return self.climb(Input::Press(mode), now);
        }
        let plan =
            Plan { cooperative: self.can_ask(), first: self.seat.agent.first, aim: self.aim(), times: self.seat.times };
        self.begin(id, mode, by, reason, plan, now);
    }

    /// An interrupt that is over is history: what comes next is asked by somebody else, and is another stop.
    pub(super) fn drop_interrupt(&mut self) {
        let over = |stop: &Stop| stop.mode == Mode::Interrupt && stop.phase.is_final();
        if self.ladder.as_ref().is_some_and(|ladder| over(ladder.state())) {
            self.record_stop();
            self.ladder = None;
        }
    }

    /// In a namespace our child is its first process, which signals pass by; the agent is in its group.
    fn aim(&self) -> Aim {
        if self.seat.status.grade == Some(Grade::Pidns) { Aim::Group } else { self.seat.agent.aim }
    }

    pub(super) fn begin(&mut self, id: Text, mode: Mode, by: Asker, reason: Text, plan: Plan, now: Duration) {
        // For KILL at once, counting waits: it takes longer than the kill.
        let members = if mode == Mode::Now { self.direct() } else { proc::descendants(self.me.pid).len() as u32 };
        let grade = self.seat.status.grade.unwrap_or(Grade::Subreaper);
        let fact = Fact::StopRequested { id: id.clone(), mode, by: by.clone(), reason: reason.clone() };
        self.seat.audit.record(Some(&self.seat.run), fact);
        (self.rungs_told, self.final_told) = (0, false);
        self.ladder = Some(Ladder::new(id, mode, by, reason, plan, grade, members, clock::now(), now));
        self.climb(Input::Press(mode), now);
    }

    pub(super) fn climb(&mut self, input: Input, now: Duration) {
        let Some(ladder) = &mut self.ladder else { return };
        for action in ladder.step(input, now) {
            match action {
                Do::Ask => self.ask(),
                Do::Signal(rung, aim) => self.signal(rung, aim),
                Do::Kill => {
                    self.round = Some((now, ROUND.0));
                    self.kill_round(now);
                }
                Do::Tell => self.dirty = true,
            }
        }
        self.name_survivors(now);
    }

    /// Sends a rung's signal to whom it is meant for, each held so that no other process can be hit.
    fn signal(&mut self, rung: Rung, aim: Aim) {
        let signal = if rung == Rung::Int { Signal::INT } else { Signal::TERM };
        let leader = self.seat.leader.as_raw_nonzero().get() as u32;
        let all = proc::descendants(self.me.pid);
        let group = all.iter().find(|s| s.pid == leader).map(|s| s.pgrp);
        let meant = all.iter().filter(|s| match aim {
            Aim::Leader => s.pid == leader,
            Aim::Group => Some(s.pgrp) == group,
            Aim::All => true,
        });
        for stat in meant {
            let Ok(held) = Held::open(stat.pid) else { continue };
            if held.is_descendant_of(&self.me) {
                // One that is dead by now, or may not be signalled, is found by the count.
                let _ = held.signal(signal);
                let _ = held.signal(Signal::CONT);
            }
        }
    }

    pub(super) fn kill_round(&mut self, now: Duration) {
        let Some((_, pause)) = self.round else { return };
        if let Some(cgroup) = &self.seat.cgroup {
            let _ = cgroup.kill(); // what it can't reach, the walk below does
        }
        self.rounds = self.rounds.wrapping_add(1);
        let round = proc::kill_round(self.me.pid, &self.seat.children, &[], self.rounds);
        if let Some(ladder) = &mut self.ladder {
            ladder.belong(round.sent);
        }
        self.round = Some((now + pause, (pause * 2).min(ROUND.1)));
    }

    /// Is a count worth its time? Only while a stop is under way and before KILL, which counts by itself.
    pub(super) fn counts(&self) -> bool {
        self.ladder.as_ref().is_some_and(|l| !l.state().phase.is_final()) && self.over.is_none() && self.round.is_none()
    }

    pub(super) fn count(&mut self, now: Duration) {
        let began = clock::elapsed();
        let alive = proc::descendants(self.me.pid).iter().filter(|s| s.state != 'Z').count() as u32;
        let took = clock::elapsed().saturating_sub(began);
        self.count_at = now + (took * COUNT_REST).max(Duration::from_millis(25));
        self.seat.status.alive = alive;
        self.climb(Input::Counted { alive, leader: self.ended.is_none() }, now);
    }

    fn direct(&self) -> u32 {
        self.seat.children.list().map_or(0, |c| c.len() as u32)
    }

    pub(super) fn refresh_alive(&mut self) {
        if self.over.is_none() {
            self.seat.status.alive = proc::descendants(self.me.pid).len() as u32;
        }
    }

    fn name_survivors(&mut self, now: Duration) {
        self.name_unheard(now);
        let failed = |l: &Ladder| l.state().phase == Phase::Failed && l.state().mode != Mode::Interrupt;
        if let Some(ladder) = self.ladder.as_mut().filter(|l| failed(l))
            && !self.final_told
        {
            let survivors: Vec<Survivor> = proc::survivors(self.me.pid);
            self.seat.status.alive = survivors.len() as u32;
            ladder.survivors(survivors, now);
            self.dirty = true;
            if self.ended.is_some() {
                self.go_on_alone();
            }
        }
    }

    /// The agent is gone and something can't be killed. The user gets their shell back; we go on trying.
    fn go_on_alone(&mut self) {
        if proc::outlive_parent().is_ok() {
            let stop = self.ladder.as_ref().map(|l| l.state().clone());
            let ended = self.ended.unwrap_or_default();
            self.guardian.send(&ToGuardian::Ended(End {
                code: ended.code,
                signal: ended.signal,
                stop,
                left_behind: vec![],
            }));
        }
    }
}
