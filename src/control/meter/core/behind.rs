//! A session that somebody goes on with has a past, which may have used up its clock. Until that is read, nothing is
//! decided, and whoever asks waits: else the first call of a session at zero would go through.

use super::hooks::{is_before_tool, is_prompt};
use super::{Caller, Core, Waiting};
use crate::control::desk::ConnId;
use crate::control::protocol::{HookAnswer, HookCall};
use crate::control::words::AtZero;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Reading may take so long; then it is decided as at zero.
const BOUND: Span = Span::secs(10);

/// What is not read yet.
#[derive(Debug)]
pub(super) struct Behind {
    until: Stamp,
    calls: Vec<Waiting>,
    /// The run was held because it took too long.
    holds: bool,
}

impl Behind {
    /// When somebody can't be kept waiting any longer.
    pub(super) fn due(&self) -> Option<Stamp> {
        let calls = self.calls.iter().map(|one| one.until);
        calls.chain((!self.holds).then_some(self.until)).min().filter(|_| !self.calls.is_empty())
    }
}

impl Core {
    /// Files of its sessions are going to be read.
    pub fn fall_behind(&mut self, now: Stamp) {
        self.behind.get_or_insert_with(|| Behind { until: now + BOUND, calls: Vec::new(), holds: false });
    }

    /// All of them are read, or there are none.
    pub fn caught_up(&mut self, now: Stamp) {
        let Some(behind) = self.behind.take() else { return };
        self.tick(now);
        // At zero it is held for that, which the tick has just said.
        if behind.holds && self.held.as_ref() == Some(&unread()) {
            self.go_on(&Text::new("its transcript is read"), now);
        }
        for one in behind.calls {
            self.hook(one.caller, one.call, now);
        }
    }

    /// Nothing is to be decided yet: half a past may look like a whole one that ends in a call that still runs.
    pub(super) fn is_reading(&mut self, now: Stamp) -> bool {
        self.give_up_reading(now);
        self.behind.as_ref().is_some_and(|behind| now < behind.until)
    }

    /// The call, if it can be answered now.
    pub(super) fn unless_behind(&mut self, caller: Caller, call: HookCall, now: Stamp) -> Option<(Caller, HookCall)> {
        let matters = is_before_tool(&call.event) || is_prompt(&call.event);
        let patience = self.patience(call.deadline_ms);
        match &mut self.behind {
            Some(behind) if matters && now < behind.until => {
                behind.calls.push(Waiting { caller, call, until: now + patience });
                None
            }
            _ => Some((caller, call)),
        }
    }

    pub(super) fn forget_behind(&mut self, conn: ConnId) {
        if let Some(behind) = &mut self.behind {
            behind.calls.retain(|one| one.caller.conn != conn);
        }
    }

    /// It takes too long: whoever waits is answered as if the clock were at zero.
    fn give_up_reading(&mut self, now: Stamp) {
        let Some(behind) = &mut self.behind else { return };
        let is_over = now >= behind.until;
        let (due, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut behind.calls).into_iter().partition(|one| is_over || now >= one.until);
        behind.calls = rest;
        if due.is_empty() {
            return;
        }
        let at_zero = self.config.at_zero;
        if at_zero == AtZero::Hold && is_over && !std::mem::replace(&mut behind.holds, true) && self.held.is_none() {
            self.hold(unread());
        }
        for one in due {
            match at_zero {
                AtZero::Warn => self.answer_hook(&one.caller, HookAnswer::Pass),
                // Those that can wait for a person do.
                AtZero::Hold if now < one.until => self.hook(one.caller, one.call, now),
                AtZero::Hold | AtZero::Stop => self.answer_hook(&one.caller, HookAnswer::End { why: unread() }),
            }
        }
    }
}

fn unread() -> Text {
    Text::new("what this session has used so far is not read yet")
}
