//! Any transcript or stream of an agent as a tape: it needn't have been recorded to be replayed.
//!
//! A beat's time is its event's own, except that time never runs backwards: an event without a time, or with one from
//! before, comes at the time of the one before it. What stands before the first time comes with it.

use std::collections::VecDeque;

use super::format::Header;
use super::tape::{Beat, Tape, TapeError, TapeMsg};
use crate::domain::event::{Body, Event};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Msg, SourceState};
use crate::replay::Track;
use crate::sources::{Plan, Script};

/// The files of one run.
pub struct Transcript {
    script: Script,
    header: Header,
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
            Some(pipe) => {
                let why = format!("{pipe} can be read only once\nhint: write it to a file first");
                Err(TapeError::Read(Text::new(&why)))
            }
            None => Ok(scripts.into_iter().map(Self::of).collect()),
        }
    }

    fn of(script: Script) -> Self {
        let header = Header { from: Text::new("transcript"), ..Header::default() };
        Self { script, header, ready: VecDeque::new(), early: Vec::new(), newest: None, read: 0, done: false }
    }

    /// Reads on until something is ready, or everything was read.
    fn fill(&mut self) {
        while self.ready.is_empty() && !self.done {
            let mut messages = Vec::new();
            self.done = !self.script.step(&mut |msg| messages.push(msg));
            messages.into_iter().for_each(|msg| self.take(msg));
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
                let at = self.newest.unwrap_or_default();
                if let Some(beat) = Beat::of(&msg, at) {
                    self.tell(beat.msg);
                }
            }
        }
    }

    fn event(&mut self, source: u32, event: (Event, u64)) {
        self.learn(&event.0);
        if let Some(at) = event.0.at {
            self.ready.extend(self.early.drain(..).map(|msg| Beat { at, msg }));
            self.newest = self.newest.max(Some(at));
        }
        self.tell(TapeMsg::Events { source, events: vec![event] });
    }

    fn tell(&mut self, msg: TapeMsg) {
        match self.newest {
            None => self.early.push(msg),
            Some(at) => self.ready.push_back(Beat { at, msg }),
        }
    }

    /// What the header says is what its events say first.
    fn learn(&mut self, event: &Event) {
        let header = &mut self.header;
        if header.agent.is_none() {
            header.agent = Some(event.run.agent);
            header.run = Text::new(&event.run.to_string());
        }
        if let Some(at) = event.at.filter(|_| header.started == Stamp::default()) {
            header.started = at;
        }
        if let Body::Info(info) = &event.body {
            let fill = |slot: &mut super::format::Words, new: &Option<Text>| {
                if slot.0.is_empty() {
                    *slot = new.clone().unwrap_or_default().into();
                }
            };
            fill(&mut header.cwd, &info.cwd);
            fill(&mut header.label, &info.label);
        }
    }

    /// Why nothing at all came of it.
    fn nothing(&self) -> TapeError {
        let name = self.early.iter().find_map(|msg| match msg {
            TapeMsg::Opened { name, .. } => Some(name.as_str()),
            _ => None,
        });
        let why = self.early.iter().find_map(|msg| match msg {
            TapeMsg::State { state: SourceState::Failed(why), .. } => Some(why.as_str()),
            TapeMsg::State { state: SourceState::Unknown, .. } => {
                Some("no line of it is in a format that redkey knows")
            }
            _ => None,
        });
        let why = why.unwrap_or("it holds no events of a run yet");
        TapeError::Read(match name {
            Some(name) if !why.starts_with(name) => Text::new(&format!("{name}: {why}")),
            _ => Text::new(why),
        })
    }
}

impl Iterator for Transcript {
    type Item = Result<Beat, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        if self.ready.is_empty() && !self.early.is_empty() {
            let nothing = self.nothing();
            self.early.clear();
            return Some(Err(nothing));
        }
        self.ready.pop_front().map(Ok)
    }
}

/// The header is filled as the first events are read.
impl Tape for Transcript {
    fn header(&self) -> &Header {
        &self.header
    }

    fn position(&self) -> (u64, u64) {
        let of = self.script.bytes();
        (if self.done { of } else { self.read.min(of) }, of)
    }
}

impl Track for Transcript {
    fn fork(&self) -> Option<Box<dyn Track>> {
        let script = self.script.fork()?;
        let (header, ready, early) = (self.header.clone(), self.ready.clone(), self.early.clone());
        let Self { newest, read, done, .. } = *self;
        Some(Box::new(Self { script, header, ready, early, newest, read, done }))
    }

    fn progress(&self) -> (u64, u64) {
        self.position()
    }
}
