//! Counts that the screen shows about redkey itself: nothing is lost without being seen.

use crate::domain::time::{Span, Stamp};

/// Time over which events per second are averaged.
const WINDOW: Span = Span(3_000);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    pub events: u64,
    pub lines: u64,
    pub bytes: u64,
    /// Lines that could not be read as what they claim to be.
    pub unparsed: u64,
    /// Lines longer than can be held.
    pub skipped: u64,
    /// Events lost on a full channel.
    pub dropped: u64,
    /// Events of a second copy of a run (its live stream beside its transcript) that were not counted again.
    pub shadowed: u64,
    window_start: Stamp,
    window_events: u64,
    rate: f64,
}

impl Counters {
    pub(super) fn arrived(&mut self, events: u64, now: Stamp) {
        self.tick(now);
        self.events += events;
        self.window_events += events;
    }

    pub(super) fn tick(&mut self, now: Stamp) {
        let age = now.since(self.window_start);
        if age >= WINDOW {
            self.rate = self.window_events as f64 / age.as_secs_f64();
            self.window_events = 0;
            self.window_start = now;
        }
    }

    /// Since when events are counted for the next rate.
    pub fn window_start(&self) -> Stamp {
        self.window_start
    }

    /// Events per second over the last full window.
    pub fn rate(&self) -> f64 {
        self.rate
    }
}
