//! One source as the engine sees it: a number, a name, what became of it.

use std::path::{Path, PathBuf};

use super::decode::Batch;
use super::env::is_document;
use super::opencode::Database;
use super::tail::{Kind, Step, Tail};
use super::walk::{Found, is_database};
use crate::domain::event::Event;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Msg, SourceState};

/// Events in one message at most.
const EVENTS: usize = 512;

/// What a source number stands for, to read it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    File(PathBuf, Kind),
    Database(PathBuf),
    /// Standard input or a pipe: what was read is gone.
    Pipe,
}

/// Numbers of sources, given from 0 upwards.
#[derive(Clone, Debug, Default)]
pub struct Registry(Vec<Kept>);

impl Registry {
    pub fn add(&mut self, kept: Kept) -> u32 {
        self.0.push(kept);
        (self.0.len() - 1) as u32
    }

    pub fn get(&self, number: u32) -> Option<&Kept> {
        self.0.get(number as usize)
    }
}

/// What reading needs from around it.
pub struct Cx<'a> {
    pub registry: &'a mut Registry,
    pub sink: &'a mut dyn FnMut(Msg),
    pub buffer: &'a mut [u8],
    pub now: Stamp,
    /// What was not written since then is left alone, where a source holds many runs.
    pub cutoff: Stamp,
}

enum Feed {
    File(Tail),
    Database(Database),
}

/// A file or database that is read.
pub struct Source {
    feed: Feed,
    number: Option<u32>,
    /// The user pointed at it: it is shown even if nobody knows what it is.
    named: bool,
    /// Lines, bytes and skipped lines that are not told yet, because the source isn't.
    untold: (u64, u64, u64),
}

impl Source {
    pub fn new(found: &Found) -> Self {
        let name = found.path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let kept = if is_database(&found.path) {
            Kept::Database(found.path.clone())
        } else {
            Kept::File(found.path.clone(), if is_document(name) { Kind::Document } else { Kind::Lines })
        };
        let feed = feed(&kept);
        // A database that can be opened is one; a pipe is never found by looking.
        Self {
            feed: feed.unwrap_or_else(|| Feed::Database(Database::new(&found.path))),
            number: None,
            named: found.named,
            untold: (0, 0, 0),
        }
    }

    /// The same source from the start, for reading it again.
    pub fn again(kept: &Kept) -> Option<Self> {
        Some(Self { feed: feed(kept)?, number: None, named: false, untold: (0, 0, 0) })
    }

    /// One that reads on from the same place; `None`: this can't be read twice in the same way.
    pub fn fork(&self) -> Option<Self> {
        let Feed::File(tail) = &self.feed else { return None };
        Some(Self { feed: Feed::File(tail.fork()), ..*self })
    }

    pub fn path(&self) -> &Path {
        match &self.feed {
            Feed::File(tail) => tail.path(),
            Feed::Database(database) => database.path(),
        }
    }

    /// A line has said what it is.
    pub fn is_recognised(&self) -> bool {
        match &self.feed {
            Feed::File(tail) => tail.is_recognised(),
            Feed::Database(_) => self.number.is_some(),
        }
    }

    pub fn has_changed(&self) -> bool {
        match &self.feed {
            Feed::File(tail) => tail.has_changed(),
            Feed::Database(database) => database.has_changed(),
        }
    }

    /// Looking into it costs more than reading what was added.
    pub fn is_costly(&self) -> bool {
        matches!(self.feed, Feed::Database(_))
    }

    pub fn is_open(&self) -> bool {
        matches!(&self.feed, Feed::File(tail) if tail.is_open())
    }

    pub fn close(&mut self) {
        if let Feed::File(tail) = &mut self.feed {
            tail.close();
        }
    }

    pub fn go_live(&mut self) {
        if let Feed::File(tail) = &mut self.feed {
            tail.go_live();
        }
    }

    /// Reads one step. Events are appended to `events`, everything else is told at once. Events exist only once the
    /// source has a number.
    pub fn read(&mut self, cx: &mut Cx<'_>, events: &mut Vec<(Event, u64)>) -> Step {
        let mut batch = Batch::default();
        let step = match &mut self.feed {
            Feed::File(tail) => tail.step(cx.buffer, &mut batch),
            Feed::Database(database) => database.step(cx.cutoff, cx.now, &mut batch),
        };
        self.tell(&mut batch, cx);
        events.append(&mut batch.events);
        step
    }

    /// Nothing more will be read from it.
    pub fn finish(&mut self, cx: &mut Cx<'_>, events: &mut Vec<(Event, u64)>) {
        let mut batch = Batch::default();
        if let Feed::File(tail) = &mut self.feed {
            tail.finish(&mut batch);
        }
        self.tell(&mut batch, cx);
        events.append(&mut batch.events);
    }

    /// Passes on events of this source.
    pub fn emit(&self, events: Vec<(Event, u64)>, sink: &mut dyn FnMut(Msg)) {
        if let Some(number) = self.number {
            emit(number, events, sink);
        }
    }

    fn tell(&mut self, batch: &mut Batch, cx: &mut Cx<'_>) {
        let state = batch.state.take();
        let is_worth_telling = matches!(state, Some(SourceState::Reading(_) | SourceState::Failed(_)));
        if self.number.is_none() && (self.named || is_worth_telling) {
            let form = match &state {
                Some(SourceState::Reading(format)) => Some(format.form()),
                _ => None,
            };
            let kept = self.kept();
            let number = cx.registry.add(kept);
            let name = Text::new(&self.path().to_string_lossy());
            (cx.sink)(Msg::Opened { source: number, name, form });
            self.number = Some(number);
        }
        self.untold.0 += batch.lines;
        self.untold.1 += batch.bytes;
        self.untold.2 += batch.skipped;
        let Some(source) = self.number else { return };
        if let Some(state) = state {
            (cx.sink)(Msg::State { source, state });
        }
        if self.untold != (0, 0, 0) {
            let (read, bytes, skipped) = std::mem::take(&mut self.untold);
            (cx.sink)(Msg::Lines { source, read, bytes, skipped });
        }
    }

    fn kept(&self) -> Kept {
        match &self.feed {
            Feed::File(tail) => Kept::File(tail.path().to_owned(), tail.kind()),
            Feed::Database(database) => Kept::Database(database.path().to_owned()),
        }
    }
}

fn feed(kept: &Kept) -> Option<Feed> {
    match kept {
        Kept::File(path, kind) => Some(Feed::File(Tail::new(path, *kind))),
        Kept::Database(path) => Some(Feed::Database(Database::new(path))),
        Kept::Pipe => None,
    }
}

/// Passes on events in messages of bounded size.
pub fn emit(source: u32, events: Vec<(Event, u64)>, sink: &mut dyn FnMut(Msg)) {
    if events.len() <= EVENTS {
        if !events.is_empty() {
            sink(Msg::Events { source, events });
        }
        return;
    }
    let mut rest = events.into_iter();
    while rest.len() > 0 {
        sink(Msg::Events { source, events: rest.by_ref().take(EVENTS).collect() });
    }
}
