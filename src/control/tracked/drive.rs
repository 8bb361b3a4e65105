//! The loop: waits on every pidfd and on the ladder's time, looks for more processes, does what the ladder says.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use super::super::ladder::{Do, Input, Ladder};
use super::super::words::{Mode, Phase, Proof, Rung, Stop};
use super::set::Set;
use crate::clock;

/// New children are looked for so often while the ladder waits.
const LOOK: Duration = Duration::from_millis(250);
/// The same while some members are known by name alone and can't wake the loop.
const LOOK_UNHELD: Duration = Duration::from_millis(25);
/// KILL is repeated after so long, then after twice that, up to [`LOOK`].
const KILL_AGAIN: Duration = Duration::from_millis(4);
/// Looks in a row, all of them empty, before the set counts as gone.
const EMPTY_LOOKS: usize = 2;

pub struct Drive<'a> {
    set: &'a mut Set,
    ladder: Ladder,
    keep_trying: Duration,
    press: Option<BorrowedFd<'a>>,
    on_change: &'a mut dyn FnMut(&Stop),
    /// KILL has gone out; the pause until it is repeated.
    kill_again: Option<Duration>,
    look_at: Duration,
    /// The stop has failed, and is given up for good at this time.
    end: Option<Duration>,
}

impl<'a> Drive<'a> {
    pub fn new(
        set: &'a mut Set,
        ladder: Ladder,
        keep_trying: Duration,
        press: Option<BorrowedFd<'a>>,
        on_change: &'a mut dyn FnMut(&Stop),
    ) -> Self {
        Self { set, ladder, keep_trying, press, on_change, kill_again: None, look_at: clock::elapsed(), end: None }
    }

    pub fn run(mut self, mode: Mode) -> Stop {
        self.feed(Input::Press(mode));
        loop {
            self.turn();
            if self.is_over() {
                return self.ladder.state().clone();
            }
            self.wait();
        }
    }

    fn is_over(&mut self) -> bool {
        let stop = self.ladder.state();
        let by_interrupt = stop.mode == Mode::Interrupt && stop.receipt.is_some();
        let given_up = self.end.is_some_and(|end| clock::elapsed() >= end);
        if given_up {
            self.name_survivors();
        }
        stop_is_dead(self.ladder.state()) || by_interrupt || given_up
    }

    /// What has changed since the last wait.
    fn turn(&mut self) {
        let now = clock::elapsed();
        self.set.drop_gone();
        if now >= self.look_at {
            self.look_at = now + self.pause();
            if self.kill_again.is_some() {
                self.set.kill();
            } else {
                self.set.look(false);
            }
        }
        if self.set.alive() == 0 && (0..EMPTY_LOOKS).all(|_| self.set.look(true) == 0 && Set::can_look()) {
            self.ladder.belong(self.set.total());
            self.feed(Input::Gone(Proof::SetGone));
            return;
        }
        self.count();
        self.feed(Input::Tick);
    }

    fn count(&mut self) {
        self.ladder.belong(self.set.total());
        self.feed(Input::Counted { alive: self.set.alive(), leader: self.set.leader_is_alive() });
    }

    /// Until the next look.
    fn pause(&mut self) -> Duration {
        if let Some(again) = &mut self.kill_again {
            let pause = *again;
            *again = (pause * 2).min(LOOK);
            return pause;
        }
        if self.set.has_unheld() { LOOK_UNHELD } else { LOOK }
    }

    fn feed(&mut self, input: Input) {
        for what in self.ladder.step(input, clock::elapsed()) {
            match what {
                // The plan has no cooperative rung here.
                Do::Ask => {}
                Do::Signal(rung, aim) => {
                    self.set.look(true);
                    let signal = if rung == Rung::Int { Signal::INT } else { Signal::TERM };
                    self.set.signal(aim, &[signal, Signal::CONT]);
                }
                Do::Kill => {
                    self.kill_again = Some(KILL_AGAIN);
                    self.set.kill();
                    self.look_at = clock::elapsed() + self.pause();
                }
                Do::Tell => self.tell(),
            }
        }
    }

    fn tell(&mut self) {
        let stop = self.ladder.state();
        let after_kill = stop.mode != Mode::Interrupt && stop.phase == Phase::Failed;
        if after_kill && self.end.is_none() {
            self.end = Some(clock::elapsed() + self.keep_trying);
            self.name_survivors();
        }
        (self.on_change)(self.ladder.state());
    }

    fn name_survivors(&mut self) {
        let survivors = self.set.survivors();
        self.ladder.survivors(survivors, clock::elapsed());
    }

    /// Until one of the set is gone, somebody presses, or time is up.
    fn wait(&mut self) {
        let due = [Some(self.look_at), self.ladder.deadline(), self.end].into_iter().flatten().min();
        let time = due.map(|due| due.saturating_sub(clock::elapsed()).min(LOOK)).unwrap_or(LOOK);
        let time = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        fds.extend(self.press.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
        fds.extend(self.set.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let ready = poll(&mut fds, Some(&time));
        let pressed = self.press.is_some() && ready.is_ok() && fds.first().is_some_and(|fd| !fd.revents().is_empty());
        if pressed {
            self.pressed();
        }
    }

    fn pressed(&mut self) {
        let Some(press) = self.press else { return };
        let mut bytes = [0; 64];
        match rustix::io::read(press, &mut bytes) {
            Ok(1..) => self.feed(Input::Press(Mode::Now)),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            // Nobody is left to press, or it can't be read.
            Ok(0) | Err(_) => self.press = None,
        }
    }
}

fn stop_is_dead(stop: &Stop) -> bool {
    stop.phase == Phase::VerifiedDead
}
