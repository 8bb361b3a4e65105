//! What is replayed: beats in order of time that can be read again from any place; several on one time axis.

use std::collections::VecDeque;

use crate::domain::event::Event;
use crate::domain::time::Stamp;
use crate::engine::Msg;
use crate::record::tape::{Beat, Side, TapeError, TapeMsg};

/// Beats in order of time.
pub trait Track: Iterator<Item = Result<Beat, TapeError>> + Send {
    /// One that reads on from the same place; `None`: this can't be read twice in the same way.
    fn fork(&self) -> Option<Box<dyn Track>>;

    /// Bytes read, and of how many.
    fn progress(&self) -> (u64, u64);
}

/// The smallest step of a replay: one event, or another message.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub at: Stamp,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    Event { source: u32, offset: u64, event: Box<Event> },
    Other(Box<TapeMsg>),
}

impl Step {
    /// What the engine is told. Events that came together were told together; told one by one at the same time they
    /// come to the same.
    ///
    /// `None`: it isn't for the engine.
    pub fn msg(&self) -> Option<Msg> {
        match &self.what {
            What::Event { source, offset, event } => {
                Some(Msg::Events { source: *source, events: vec![((**event).clone(), *offset)] })
            }
            What::Other(msg) => Beat { at: self.at, msg: (**msg).clone() }.into_msg(),
        }
    }

    /// Does anything happen in it that a person would want to stop at?
    pub fn is_notable(&self) -> bool {
        match &self.what {
            What::Event { .. } => true,
            What::Other(msg) => !matches!(
                **msg,
                TapeMsg::Tick
                    | TapeMsg::Lines { .. }
                    | TapeMsg::Opened { .. }
                    | TapeMsg::State { .. }
                    | TapeMsg::Side(Side::Sum(_))
            ),
        }
    }

    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        // Fixed parts; texts are short, and most are one or two per event.
        size_of::<Self>()
            + match &self.what {
                What::Event { event, .. } => size_of::<Event>() + 160 + event_text(event),
                What::Other(_) => size_of::<TapeMsg>() + 200,
            }
    }
}

/// The one part of an event that may be long.
fn event_text(event: &Event) -> usize {
    match &event.body {
        crate::domain::event::Body::ToolCall { input, .. } => input.command.as_ref().map_or(0, |c| c.len()) + 200,
        _ => 0,
    }
}

/// A track as steps.
pub struct Steps {
    track: Box<dyn Track>,
    /// The rest of a beat with many events.
    held: VecDeque<Step>,
    newest: Stamp,
}

impl Steps {
    pub fn new(track: Box<dyn Track>) -> Self {
        Self { track, held: VecDeque::new(), newest: Stamp(i64::MIN) }
    }

    pub fn fork(&self) -> Option<Self> {
        Some(Self { track: self.track.fork()?, held: self.held.clone(), newest: self.newest })
    }

    pub fn progress(&self) -> (u64, u64) {
        self.track.progress()
    }

    fn cut(&mut self, beat: Beat) -> Option<Step> {
        // Whoever made the tape says that times never fall; nothing here breaks if they do.
        let at = beat.at.max(self.newest);
        self.newest = at;
        match beat.msg {
            TapeMsg::Events { source, events } => {
                let step = |(event, offset)| Step { at, what: What::Event { source, offset, event: Box::new(event) } };
                self.held.extend(events.into_iter().map(step));
                self.held.pop_front()
            }
            other => Some(Step { at, what: What::Other(Box::new(other)) }),
        }
    }
}

impl Iterator for Steps {
    type Item = Result<Step, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(step) = self.held.pop_front() {
                return Some(Ok(step));
            }
            match self.track.next()? {
                Ok(beat) => {
                    if let Some(step) = self.cut(beat) {
                        return Some(Ok(step));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Several tracks on one time axis, with numbers of sources that don't clash.
pub struct Together {
    lanes: Vec<Lane>,
    /// Sources opened so far.
    sources: u32,
}

struct Lane {
    track: Box<dyn Track>,
    head: Option<Result<Beat, TapeError>>,
    /// Numbers that its sources have here, by the numbers that they have there.
    numbers: Vec<u32>,
}

impl Together {
    pub fn new(tracks: Vec<Box<dyn Track>>) -> Self {
        let lane = |mut track: Box<dyn Track>| Lane { head: track.next(), track, numbers: Vec::new() };
        Self { lanes: tracks.into_iter().map(lane).collect(), sources: 0 }
    }
}

impl Lane {
    /// Trouble goes first: it is told before anything is played over it.
    fn due(&self) -> Option<Stamp> {
        self.head.as_ref().map(|head| head.as_ref().map_or(Stamp(i64::MIN), |beat| beat.at))
    }

    /// The number of a source here.
    fn number(&self, source: u32) -> u32 {
        self.numbers.get(source as usize).copied().unwrap_or(u32::MAX)
    }

    fn opened(&mut self, source: u32, next: &mut u32) {
        let at = source as usize;
        // No source of a tape is far beyond those that came before it.
        if at < self.numbers.len() + 65_536 {
            self.numbers.resize(self.numbers.len().max(at + 1), u32::MAX);
            self.numbers[at] = *next;
            *next += 1;
        }
    }

    fn renumber(&mut self, msg: TapeMsg, next: &mut u32) -> TapeMsg {
        match msg {
            TapeMsg::Opened { source, name, form } => {
                self.opened(source, next);
                TapeMsg::Opened { source: self.number(source), name, form }
            }
            TapeMsg::State { source, state } => TapeMsg::State { source: self.number(source), state },
            TapeMsg::Events { source, events } => TapeMsg::Events { source: self.number(source), events },
            TapeMsg::Lines { source, read, bytes, skipped } => {
                TapeMsg::Lines { source: self.number(source), read, bytes, skipped }
            }
            other => other,
        }
    }
}

impl Iterator for Together {
    type Item = Result<Beat, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let due = self.lanes.iter().enumerate().filter_map(|(at, lane)| Some((lane.due()?, at)));
        let (_, at) = due.min()?;
        let lane = &mut self.lanes[at];
        let head = lane.head.take()?;
        lane.head = lane.track.next();
        Some(head.map(|beat| Beat { at: beat.at, msg: lane.renumber(beat.msg, &mut self.sources) }))
    }
}

impl Track for Together {
    fn fork(&self) -> Option<Box<dyn Track>> {
        let fork = |lane: &Lane| {
            Some(Lane { track: lane.track.fork()?, head: lane.head.clone(), numbers: lane.numbers.clone() })
        };
        // What has ended has nothing more to tell.
        let lanes: Option<Vec<Lane>> = self.lanes.iter().filter(|lane| lane.head.is_some()).map(fork).collect();
        Some(Box::new(Self { lanes: lanes?, sources: self.sources }))
    }

    fn progress(&self) -> (u64, u64) {
        let parts = self.lanes.iter().map(|lane| lane.track.progress());
        parts.fold((0, 0), |(read, of), (r, o)| (read + r, of + o))
    }
}

/// Beats that are all in memory.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    beats: std::sync::Arc<[Beat]>,
    next: usize,
}

impl InMemory {
    pub fn new(beats: Vec<Beat>) -> Self {
        Self { beats: beats.into(), next: 0 }
    }
}

impl Iterator for InMemory {
    type Item = Result<Beat, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let beat = self.beats.get(self.next)?;
        self.next += 1;
        Some(Ok(beat.clone()))
    }
}

impl Track for InMemory {
    fn fork(&self) -> Option<Box<dyn Track>> {
        Some(Box::new(self.clone()))
    }

    fn progress(&self) -> (u64, u64) {
        (self.next as u64, self.beats.len() as u64)
    }
}
