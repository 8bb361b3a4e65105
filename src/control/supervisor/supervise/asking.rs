//! Asking the agent itself, and what comes of it.

use std::time::Duration;

use super::Supervisor;
use crate::control::desk::To;
use crate::control::ladder::Input;
use crate::control::proc;
use crate::control::protocol::{Interrupt, Role};
use crate::control::supervisor::wire::{FromRelay, ToRelay};
use crate::control::words::{Mode, Phase, Survivor};
use crate::domain::text::Text;

impl Supervisor {
    /// Somebody is there who can be asked: the agent itself, or its streams, or its server.
    pub(super) fn can_ask(&self) -> bool {
        self.asks_by_relay() || self.listens()
    }

    fn asks_by_relay(&self) -> bool {
        self.seat.asks_by_relay && self.seat.relay.as_ref().is_some_and(|r| !r.is_gone())
    }

    /// The agent has a connection of its own to the run's socket.
    fn listens(&self) -> bool {
        self.seat.desk.in_role(Role::Run) > 0
    }

    pub(super) fn ask(&mut self) {
        let Some(ladder) = &self.ladder else { return };
        let stop = ladder.state();
        let interrupt = Interrupt {
            interrupt_id: stop.id.clone(),
            reason: stop.reason.clone(),
            deadline_ms: self.seat.times.cooperative,
            mode: stop.mode.into(),
        };
        self.spent = Text::default();
        self.seat.desk.notify_all(To::Role(Role::Run), "interrupt", &interrupt);
        if let Some(relay) = &mut self.seat.relay {
            relay.send(&ToRelay::Interrupt);
        }
    }

    /// Who asks for us has heard something. None of the agents that are asked so ends by itself when it is idle: the
    /// first signal need not wait for that. One that listens on the socket may, and has its time.
    pub(super) fn heard(&mut self, word: FromRelay, now: Duration) {
        let spent = match word {
            FromRelay::Acknowledged => return self.climb(Input::Acknowledged, now),
            FromRelay::Idle => {
                self.climb(Input::Idle, now);
                true
            }
            FromRelay::Spent(why) => {
                self.spent = why;
                true
            }
        };
        if spent && !self.listens() {
            self.climb(Input::Spent, now);
        }
    }

    /// An interrupt that came to nothing: the agent runs on, and the receipt says why.
    pub(super) fn name_unheard(&mut self, now: Duration) {
        let leader = self.seat.leader.as_raw_nonzero().get() as u32;
        let Some(ladder) = &mut self.ladder else { return };
        let stop = ladder.state();
        let named = stop.receipt.as_ref().is_some_and(|receipt| !receipt.survivors.is_empty());
        if stop.mode != Mode::Interrupt || stop.phase != Phase::Failed || named {
            return;
        }
        let late = || Text::new("it was asked, and has not said in time that it stopped");
        let why = if self.spent.is_empty() { late() } else { self.spent.clone() };
        let stat = proc::read(leader).ok();
        let (name, state) = stat.map_or((proc::name(leader), '?'), |stat| (stat.name, stat.state));
        ladder.survivors(vec![Survivor { pid: leader, name, state, why }], now);
        self.dirty = true;
    }
}
