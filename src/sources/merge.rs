//! Reads the files of one run from their starts and puts their events in order of time, so that what comes out does
//! not depend on which file was opened first. Holds about one chunk of each file.

use std::collections::VecDeque;

use super::source::{Cx, Source};
use super::tail::{CHUNK, Step};
use super::walk::Found;
use crate::domain::event::Event;
use crate::domain::time::Stamp;

/// Bytes read of all files together before something is passed on.
const TOTAL: usize = 1 << 20;
/// Smallest piece that is worth a read.
const LEAST: usize = 16 << 10;

/// The files of one run while they are read.
pub struct Merge {
    lanes: Vec<Lane>,
}

struct Lane {
    source: Source,
    /// Events with the time they are ordered by, which never falls within one file.
    queue: VecDeque<(Stamp, Event, u64)>,
    newest: Stamp,
    done: bool,
}

impl Merge {
    pub fn new(files: &[Found]) -> Self {
        Self::of(files.iter().map(Source::new))
    }

    pub fn of(sources: impl Iterator<Item = Source>) -> Self {
        let lane = |source| Lane { source, queue: VecDeque::new(), newest: Stamp(i64::MIN), done: false };
        Self { lanes: sources.map(lane).collect() }
    }

    /// One that reads on from the same place; `None`: a source can't be read twice in the same way.
    pub fn fork(&self) -> Option<Self> {
        let lanes: Option<Vec<Lane>> = self.lanes.iter().map(Lane::fork).collect();
        Some(Self { lanes: lanes? })
    }

    /// Reads on and passes on what is certain to come next. `true`: everything that is there was read.
    pub fn step(&mut self, cx: &mut Cx<'_>, finish: bool) -> bool {
        let alone = self.lanes.len() == 1;
        let piece = (TOTAL / self.lanes.len().max(1)).clamp(LEAST, CHUNK).min(cx.buffer.len());
        for lane in self.lanes.iter_mut().filter(|lane| lane.queue.is_empty() && !lane.done) {
            let events = lane.read(cx, piece, finish);
            if alone {
                // With nothing to merge with, order in the file is the order.
                lane.source.emit(events, cx.sink);
            } else {
                lane.queue_up(events);
            }
        }
        self.pass_on(cx);
        self.lanes.iter().all(|lane| lane.done && lane.queue.is_empty())
    }

    /// Takes the earliest event again and again, until a file that goes on has none in stock.
    fn pass_on(&mut self, cx: &mut Cx<'_>) {
        let mut run: Vec<(Event, u64)> = Vec::new();
        let mut from = usize::MAX;
        while self.lanes.iter().all(|lane| lane.done || !lane.queue.is_empty()) {
            let heads = self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.queue.front()?.0, at)));
            let Some((_, at)) = heads.min() else { break };
            if at != from && !run.is_empty() {
                self.lanes[from].source.emit(std::mem::take(&mut run), cx.sink);
            }
            from = at;
            run.extend(self.lanes[at].queue.pop_front().map(|(_, event, offset)| (event, offset)));
        }
        if let Some(lane) = self.lanes.get(from) {
            lane.source.emit(run, cx.sink);
        }
    }

    /// The sources, to be followed from here on.
    pub fn into_sources(self) -> impl Iterator<Item = Source> {
        self.lanes.into_iter().map(|lane| lane.source)
    }
}

impl Lane {
    fn fork(&self) -> Option<Self> {
        let (newest, done) = (self.newest, self.done);
        Some(Self { source: self.source.fork()?, queue: self.queue.clone(), newest, done })
    }

    fn read(&mut self, cx: &mut Cx<'_>, piece: usize, finish: bool) -> Vec<(Event, u64)> {
        let mut events = Vec::new();
        let (registry, sink) = (&mut *cx.registry, &mut *cx.sink);
        let mut part = Cx { registry, sink, buffer: &mut cx.buffer[..piece], now: cx.now, cutoff: cx.cutoff };
        if self.source.read(&mut part, &mut events) != Step::More {
            self.done = true;
            if finish {
                self.source.finish(&mut part, &mut events);
            }
            self.source.close();
        }
        events
    }

    fn queue_up(&mut self, events: Vec<(Event, u64)>) {
        for (event, offset) in events {
            self.newest = self.newest.max(event.at.unwrap_or(self.newest));
            self.queue.push_back((self.newest, event, offset));
        }
    }
}

#[cfg(test)]
mod tests;
