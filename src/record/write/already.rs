//! What a recording holds already, for a recorder that goes on with it: it reads its sources from their beginning, and
//! what it is told again is neither charged nor written a second time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

use crate::domain::event::Event;
use crate::domain::text::Text;
use crate::engine::Msg;
use crate::record::convert;
use crate::record::redact::Redactor;
use crate::record::tape::{Beat, TapeMsg};

/// The sources and events of an old recording.
#[derive(Debug, Default)]
pub struct Already {
    redactor: Redactor,
    /// Sources by name, with the number that they have on the tape.
    known: HashMap<Text, u32>,
    names: HashMap<u32, Text>,
    /// The tape's numbers of sources that have others now.
    now: HashMap<u32, u32>,
    next: u32,
    /// How often an event is on the tape and was not told again so far.
    events: HashMap<u64, u32>,
    scratch: Vec<u8>,
}

impl Already {
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, ..Self::default() }
    }

    /// A beat of the old tape.
    pub fn note(&mut self, beat: &Beat) {
        match &beat.msg {
            TapeMsg::Opened { source, name, .. } => {
                self.known.insert(name.clone(), *source);
                self.names.insert(*source, name.clone());
                self.next = self.next.max(after(*source));
            }
            TapeMsg::Events { source, events } => {
                let name = self.names.get(source).cloned().unwrap_or_default();
                for (event, offset) in events {
                    let digest = self.digest(&name, event, *offset);
                    *self.events.entry(digest).or_default() += 1;
                }
            }
            _ => {}
        }
    }

    /// What is new of a message, with the tape's numbers; `None`: nothing.
    pub fn news(&mut self, msg: Msg) -> Option<Msg> {
        match msg {
            Msg::Opened { source, name, form } => {
                if let Some(known) = self.known.get(&name) {
                    self.now.insert(source, *known);
                    return None;
                }
                let number = if self.names.contains_key(&source) { self.next } else { source };
                self.next = self.next.max(after(number));
                self.now.insert(source, number);
                self.known.insert(name.clone(), number);
                self.names.insert(number, name.clone());
                Some(Msg::Opened { source: number, name, form })
            }
            Msg::State { source, state } => Some(Msg::State { source: self.number(source), state }),
            Msg::Lines { source, read, bytes, skipped } => {
                Some(Msg::Lines { source: self.number(source), read, bytes, skipped })
            }
            Msg::Events { source, mut events } => {
                let source = self.number(source);
                if !self.events.is_empty() {
                    let name = self.names.get(&source).cloned().unwrap_or_default();
                    events.retain(|(event, offset)| !self.is_known(&name, event, *offset));
                }
                (!events.is_empty()).then_some(Msg::Events { source, events })
            }
            other => Some(other),
        }
    }

    fn number(&self, source: u32) -> u32 {
        self.now.get(&source).copied().unwrap_or(source)
    }

    fn is_known(&mut self, name: &Text, event: &Event, offset: u64) -> bool {
        let digest = self.digest(name, event, offset);
        let Some(count) = self.events.get_mut(&digest) else { return false };
        *count -= 1;
        if *count == 0 {
            self.events.remove(&digest);
        }
        true
    }

    /// The same for an event that was read and for its line in the file, in which secrets are replaced.
    fn digest(&mut self, name: &Text, event: &Event, offset: u64) -> u64 {
        self.scratch.clear();
        convert::write_timeless(event, offset, &mut self.scratch);
        self.redactor.line(&mut self.scratch, 0);
        let mut hasher = DefaultHasher::new();
        hasher.write(name.as_str().as_bytes());
        hasher.write(&self.scratch);
        hasher.finish()
    }
}

/// The number after a source's; the last one there is is no file's.
fn after(source: u32) -> u32 {
    source.checked_add(1).unwrap_or(0)
}
