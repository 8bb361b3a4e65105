//! A stop of an attended run: asked for, on its way up the ladder, told.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use super::Attendant;
use crate::clock;
use crate::control::audit::Fact;
use crate::control::ladder::Plan;
use crate::control::link::ToMeter;
use crate::control::peer::Peer;
use crate::control::proc;
use crate::control::protocol::StopCall;
use crate::control::tracked::{Request, Tracked};
use crate::control::words::{Asker, Grade, Lit, Mode, Phase, ProcId, Receipt, Rung, Stop, Survivor};
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// A stop on its way up the ladder, on a thread of its own.
pub(super) struct Climb {
    changes: Receiver<Stop>,
    /// Bytes come when there is a change.
    pub(super) wake: UnixStream,
    /// A byte: KILL at once.
    press: UnixStream,
    thread: JoinHandle<()>,
}

impl Attendant {
    pub(super) fn asked(&mut self, call: &StopCall, peer: &Peer) -> Stop {
        let by = Asker { by: call.by.clone(), user: self.user.clone(), uid: Some(peer.uid), pid: Some(peer.pid) };
        self.stop(call.interrupt_id.clone(), call.mode, by, call.reason.clone())
    }

    /// Begins a stop, or presses again on the one under way.
    pub(super) fn stop(&mut self, id: Text, mode: Mode, by: Asker, reason: Text) -> Stop {
        if let Some(stop) = self.status.stop.clone() {
            let is_same = stop.id == id;
            let under_way = self.climb.is_some();
            if is_same || under_way {
                if !is_same && mode == Mode::Now {
                    self.press();
                }
                return stop;
            }
        }
        self.record(Fact::StopRequested { id: id.clone(), mode, by: by.clone(), reason: reason.clone() });
        self.rungs_told = 0;
        let stop = Stop {
            id,
            mode,
            phase: Phase::Requested,
            by,
            reason,
            at: clock::now(),
            rungs: vec![],
            alive: self.status.alive,
            receipt: None,
        };
        if mode == Mode::Interrupt {
            // The meter refuses the next call; there is nothing else to be done.
            let rungs = vec![Lit { rung: Rung::Cooperative, after_us: 0 }];
            self.changed(Stop { phase: Phase::Delivered, rungs, ..stop });
        } else {
            self.changed(stop.clone());
            if let Err(error) = self.climb(&stop) {
                let why = Text::new(&format!("can't hold the agent's process: {error}"));
                self.changed(failed(stop, self.leader, why));
            }
        }
        self.status.stop.clone().unwrap_or_else(|| failed_unheard(self.leader))
    }

    fn press(&mut self) {
        if let Some(climb) = &mut self.climb {
            // A full pipe has been pressed often enough.
            let _ = climb.press.write(&[1]);
        }
    }

    fn climb(&mut self, stop: &Stop) -> std::io::Result<()> {
        let mut tracked = Tracked::open(self.leader)?.marks(self.marks.clone()).sparing(&[proc::own_pid()]);
        let plan = Plan { cooperative: false, first: self.knowledge.first, aim: self.knowledge.aim, times: self.times };
        let Stop { id, mode, by, reason, .. } = stop.clone();
        let request = Request { plan, mode, id, by, reason };
        let (tx, changes): (Sender<Stop>, Receiver<Stop>) = channel();
        let (wake, mut waker) = UnixStream::pair()?;
        let (press, pressed) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        press.set_nonblocking(true)?;
        let thread = thread::Builder::new().name("ladder".into()).spawn(move || {
            tracked.run(request, Some(pressed.as_fd()), &mut |stop| {
                // Whoever doesn't listen any more has ended, and with it what there is to tell.
                let _ = tx.send(stop.clone());
                let _ = waker.write(&[1]);
            });
        })?;
        self.climb = Some(Climb { changes, wake, press, thread });
        Ok(())
    }

    /// What the ladder's thread has told.
    pub(super) fn climbed(&mut self) {
        let Some(climb) = &mut self.climb else { return };
        let mut bytes = [0; 64];
        while climb.wake.read(&mut bytes).is_ok_and(|n| n > 0) {}
        // Looked at before the last change is taken: what it said until its end is all there.
        let is_over = climb.thread.is_finished();
        let changes: Vec<Stop> = climb.changes.try_iter().collect();
        for stop in changes {
            self.changed(stop);
        }
        if is_over {
            self.climb = None;
        }
    }

    pub(super) fn changed(&mut self, stop: Stop) {
        for lit in stop.rungs.iter().skip(self.rungs_told) {
            self.audit.record(
                Some(&self.status.run),
                Fact::Rung { id: stop.id.clone(), rung: lit.rung, after_us: lit.after_us },
            );
        }
        self.rungs_told = self.rungs_told.max(stop.rungs.len());
        let had = self.status.stop.as_ref().filter(|old| old.id == stop.id).and_then(|old| old.receipt.as_ref());
        if let Some(receipt) = stop.receipt.as_ref().filter(|receipt| had.map(|had| had.phase) != Some(receipt.phase)) {
            self.record(Fact::StopEnded { id: stop.id.clone(), receipt: receipt.clone() });
        }
        self.link.send(&ToMeter::Stop(stop.clone()));
        self.status.alive = if stop.phase == Phase::VerifiedDead { 0 } else { stop.alive };
        self.status.stop = Some(stop);
        self.dirty = true;
    }
}

fn failed(stop: Stop, leader: ProcId, why: Text) -> Stop {
    let survivor = Survivor { pid: leader.pid, name: proc::name(leader.pid), state: '?', why };
    let receipt = Receipt {
        phase: Phase::Failed,
        grade: Grade::Tracked,
        proof: None,
        processes: 1,
        rung: None,
        took_us: 0,
        survivors: vec![survivor],
    };
    Stop { phase: Phase::Failed, receipt: Some(receipt), ..stop }
}

fn failed_unheard(leader: ProcId) -> Stop {
    let stop = Stop {
        id: Text::default(),
        mode: Mode::Ladder,
        phase: Phase::Failed,
        by: Asker::default(),
        reason: Text::default(),
        at: Stamp::default(),
        rungs: vec![],
        alive: 1,
        receipt: None,
    };
    failed(stop, leader, Text::new("the stop was not begun"))
}
