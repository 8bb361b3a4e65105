//! Any transcript or stream of an agent as a tape: it needn't have been recorded to be replayed.
//!
//! A beat's time is its event's own, except that time never runs backwards: an event without a time, or with one from
//! before, comes at the time of the one before it. What stands before the first time comes with it.

use std::collections::VecDeque;

use super::tape::{Beat, TapeError, TapeMsg};
use crate::domain::event::Event;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::Msg;
use crate::replay::Track;
use crate::sources::{Plan, Script};

/// The files of one run.
pub struct Transcript {
    script: Script,
    ready: VecDeque<Beat>,
    /// Messages from before the first time that is told.
    early: Vec<TapeMsg>,
    newest: Option<Stamp>,
    read: u64,
    done: bool,
}

impl Transcript {
    /// One for each run that `plan` names.
    ///
    /// # Errors
    /// Something that comes through a pipe is named: it can't be read a second time.
    pub fn all(plan: &Plan) -> Result<Vec<Self>, TapeError> {
        let (scripts, pipes) = Script::all(plan);
        match pipes.first() {
            Some(pipe) => Err(TapeError(Text::new(&format!("{pipe} can't be read twice; write it to a file first")))),
            None => Ok(scripts.into_iter().map(Self::of).collect()),
        }
    }

    fn of(script: Script) -> Self {
        Self { script, ready: VecDeque::new(), early: Vec::new(), newest: None, read: 0, done: false }
    }

    /// Reads on until something is ready, or everything was read.
    fn fill(&mut self) {
        while self.ready.is_empty() && !self.done {
            let mut messages = Vec::new();
            self.done = !self.script.step(&mut |msg| messages.push(msg));
            messages.into_iter().for_each(|msg| self.take(msg));
            if self.done {
                // Nothing told a time: all of it is one moment.
                self.release(Stamp(0));
            }
        }
    }

    fn take(&mut self, msg: Msg) {
        match msg {
            Msg::Events { source, events } => {
                events.into_iter().for_each(|event| self.event(source, event));
            }
            msg => {
                if let Msg::Lines { bytes, .. } = &msg {
                    self.read += bytes;
                }
                self.tell(TapeMsg::of(msg));
            }
        }
    }

    fn event(&mut self, source: u32, event: (Event, u64)) {
        if let Some(at) = event.0.at {
            self.release(at);
            self.newest = self.newest.max(Some(at));
        }
        self.tell(Some(TapeMsg::Events { source, events: vec![event] }));
    }

    fn tell(&mut self, msg: Option<TapeMsg>) {
        match (msg, self.newest) {
            (None, _) => {}
            (Some(msg), None) => self.early.push(msg),
            (Some(msg), Some(at)) => self.ready.push_back(Beat { at, msg }),
        }
    }

    /// Passes on what was held until a time was told.
    fn release(&mut self, at: Stamp) {
        self.ready.extend(self.early.drain(..).map(|msg| Beat { at, msg }));
    }
}

impl Iterator for Transcript {
    type Item = Result<Beat, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        self.ready.pop_front().map(Ok)
    }
}

impl Track for Transcript {
    fn fork(&self) -> Option<Box<dyn Track>> {
        let script = self.script.fork()?;
        let (ready, early) = (self.ready.clone(), self.early.clone());
        let Self { newest, read, done, .. } = *self;
        Some(Box::new(Self { script, ready, early, newest, read, done }))
    }

    fn progress(&self) -> (u64, u64) {
        let of = self.script.bytes();
        (if self.done { of } else { self.read.min(of) }, of)
    }
}
