//! PURE. One source's bytes become events: recognise the format, then hand every line to its adapter.

use serde::de::IgnoredAny;

use super::lines::{Lines, MAX_LINE};
use super::told::Told;
use crate::adapters::{self, Adapter, Format, SNIFF_LINES};
use crate::domain::event::Event;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::SourceState;

/// First bytes of an unknown source that are shown.
const SHOWN: usize = 80;

/// What one step of reading brought.
#[derive(Debug, Default)]
pub struct Batch {
    /// What became clear about the source, if anything.
    pub state: Option<SourceState>,
    /// Events with the offset of their line, in order.
    pub events: Vec<(Event, u64)>,
    pub lines: u64,
    pub bytes: u64,
    pub skipped: u64,
    /// How a source begins that is not recognised, for a person to see what it is.
    pub begins: Option<Text>,
}

impl Batch {
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && self.events.is_empty() && self.lines == 0 && self.bytes == 0 && self.skipped == 0
    }
}

/// Reads one source from its start. Lines that come before the format is known are kept and read afterwards.
pub struct Decoder {
    origin: adapters::Origin,
    lines: Lines,
    mind: Mind,
    past: Past,
    scratch: Vec<Event>,
}

enum Mind {
    Sniffing(Vec<(u64, Box<[u8]>)>),
    Reading(Box<Adapter>),
    Unknown,
}

/// What is known of the lines read so far.
#[derive(Default)]
struct Past {
    clock: Fallback,
    told: Told,
}

/// Which time an event gets when its line says none and it was not read as it happened.
#[derive(Clone, Default)]
struct Fallback {
    /// Newest time that the source has told so far.
    told: Option<Stamp>,
    /// Nothing in the source happened after this; `None` while it is followed live (then the engine's time counts).
    latest: Option<Stamp>,
    /// Events from before the first time that the source tells; they happened no later than that.
    early: Vec<(Event, u64)>,
}

/// Events held until a time is told; a source with more tells none.
const MAX_EARLY: usize = 1_024;

impl Fallback {
    /// Gives the event a time if it needs one, and passes it on, or holds it until one is told.
    fn date(&mut self, mut event: Event, line: u64, batch: &mut Batch) {
        match (event.at, self.latest, self.told) {
            (Some(at), ..) => {
                if self.told.replace(at).is_none() {
                    self.release(at, batch);
                }
            }
            (None, Some(_), Some(told)) => event.at = Some(told),
            (None, Some(latest), None) => {
                self.early.push((event, line));
                if self.early.len() >= MAX_EARLY {
                    self.release(latest, batch);
                }
                return;
            }
            (None, None, _) => {}
        }
        batch.events.push((event, line));
    }

    /// Passes on what was held.
    fn release(&mut self, at: Stamp, batch: &mut Batch) {
        batch.events.extend(self.early.drain(..).map(|(event, line)| (Event { at: Some(at), ..event }, line)));
    }

    /// No time was told in what there is.
    fn give_up(&mut self, batch: &mut Batch) {
        if let Some(latest) = self.latest {
            self.release(latest, batch);
        }
    }
}

impl Decoder {
    pub fn new(origin: adapters::Origin) -> Self {
        Self {
            origin,
            lines: Lines::default(),
            mind: Mind::Sniffing(Vec::new()),
            past: Past::default(),
            scratch: Vec::new(),
        }
    }

    /// Starts over: what comes next is another content of the same source, read without regard to what it said before.
    pub fn restart(&mut self) {
        let latest = self.past.clock.latest;
        *self = Self::new(std::mem::take(&mut self.origin));
        self.past.clock.latest = latest;
    }

    /// One that reads on from the same place in the same content, which has no other: what was told is not kept.
    pub fn fork(&self) -> Self {
        let mind = match &self.mind {
            Mind::Sniffing(held) => Mind::Sniffing(held.clone()),
            Mind::Reading(adapter) => Mind::Reading(adapter.clone()),
            Mind::Unknown => Mind::Unknown,
        };
        let clock = self.past.clock.clone();
        let past = Past { clock, told: Told::default() };
        Self { origin: self.origin.clone(), lines: self.lines.clone(), mind, past, scratch: Vec::new() }
    }

    /// Starts over with another content of the same source. Lines that the old one had too are not passed on again.
    pub fn start_over(&mut self) {
        let mut told = std::mem::take(&mut self.past.told);
        told.start_over();
        self.restart();
        self.past.told = told;
    }

    /// What comes next was written by `latest` at the latest; `None`: it is read as it is written.
    pub fn set_latest(&mut self, latest: Option<Stamp>) {
        self.past.clock.latest = latest;
    }

    /// No line said what this is, and no more will be looked at.
    pub fn is_unknown(&self) -> bool {
        matches!(self.mind, Mind::Unknown)
    }

    /// A line has said what this is.
    pub fn is_recognised(&self) -> bool {
        matches!(self.mind, Mind::Reading(_))
    }

    pub fn format(&self) -> Option<Format> {
        match &self.mind {
            Mind::Reading(adapter) => Some(adapter.format()),
            _ => None,
        }
    }

    /// The next bytes.
    pub fn feed(&mut self, bytes: &[u8], batch: &mut Batch) {
        batch.bytes += bytes.len() as u64;
        let Self { origin, lines, mind, past, scratch } = self;
        lines.push(bytes, |at, line| mind.line(origin, at, line, past, scratch, batch));
        batch.skipped += lines.take_skipped();
    }

    /// One whole line that stands at `at`.
    pub fn feed_line(&mut self, at: u64, line: &[u8], batch: &mut Batch) {
        let Self { origin, mind, past, scratch, .. } = self;
        batch.bytes += line.len() as u64;
        mind.line(origin, at, line, past, scratch, batch);
    }

    /// There is nothing more for now. A last line without a line feed is read if it is a whole JSON value.
    pub fn pause(&mut self, batch: &mut Batch) {
        let Self { origin, lines, mind, past, scratch } = self;
        lines.flush_if(is_whole, |at, line| mind.line(origin, at, line, past, scratch, batch));
        past.clock.give_up(batch);
    }

    /// The source has ended: what is left is the last line. A source that told nothing is unknown now.
    pub fn finish(&mut self, batch: &mut Batch) {
        let Self { origin, lines, mind, past, scratch } = self;
        lines.finish(|at, line| mind.line(origin, at, line, past, scratch, batch));
        batch.skipped += lines.take_skipped();
        match mind {
            Mind::Sniffing(held) if !held.is_empty() => mind.give_up(batch),
            Mind::Reading(adapter) => {
                adapter.finish(scratch);
                tell(0, past, scratch, batch);
            }
            _ => {}
        }
        past.clock.give_up(batch);
    }
}

impl Mind {
    fn line(
        &mut self,
        origin: &adapters::Origin,
        at: u64,
        line: &[u8],
        past: &mut Past,
        scratch: &mut Vec<Event>,
        batch: &mut Batch,
    ) {
        if line.is_empty() {
            return;
        }
        batch.lines += 1;
        match self {
            Mind::Reading(adapter) => read(adapter, at, line, past, scratch, batch),
            Mind::Unknown => {}
            Mind::Sniffing(held) => {
                let format = adapters::sniff(line);
                held.push((at, Box::from(line)));
                if let Some(format) = format {
                    let mut adapter = Box::new(Adapter::new(format, origin));
                    for (at, line) in held.drain(..) {
                        read(&mut adapter, at, &line, past, scratch, batch);
                    }
                    *self = Mind::Reading(adapter);
                    batch.state = Some(SourceState::Reading(format));
                } else if held.len() >= SNIFF_LINES || held.iter().map(|(_, l)| l.len()).sum::<usize>() > MAX_LINE {
                    self.give_up(batch);
                }
            }
        }
    }

    fn give_up(&mut self, batch: &mut Batch) {
        if let Mind::Sniffing(held) = self
            && let Some((_, line)) = held.first()
        {
            let head = &line[..line.len().min(4 * SHOWN)];
            batch.begins = Some(Text::limited(&String::from_utf8_lossy(head), SHOWN));
        }
        *self = Mind::Unknown;
        batch.state = Some(SourceState::Unknown);
    }
}

fn read(adapter: &mut Adapter, at: u64, line: &[u8], past: &mut Past, scratch: &mut Vec<Event>, batch: &mut Batch) {
    adapter.line(line, scratch);
    if !past.told.is_new(adapter.format(), line, scratch) {
        scratch.clear();
    }
    tell(at, past, scratch, batch);
}

/// Passes on what the line at `at` brought.
fn tell(at: u64, past: &mut Past, scratch: &mut Vec<Event>, batch: &mut Batch) {
    for event in scratch.drain(..) {
        past.clock.date(event, at, batch);
    }
}

/// Nothing but a line feed can follow a complete JSON value; half of one is never a value itself, numbers aside.
fn is_whole(line: &[u8]) -> bool {
    line.trim_ascii_end().ends_with(b"}") && serde_json::from_slice::<IgnoredAny>(line.trim_ascii()).is_ok()
}
