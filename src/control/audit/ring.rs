//! PURE. Facts that wait for the disk: at most so many, the newest kept, what is lost counted; when to try again.
//!
//! `now` is the time since some fixed moment, from a clock that never jumps.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use super::record::{Entry, Fact};
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// Entries written under one lock.
const MAX_BATCH: usize = 256;

/// First and longest pause after the log could not be written.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The same while another process writes.
const BUSY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// Another process that writes for so long is stuck.
const STUCK: Duration = Duration::from_secs(2);

/// What the writer does next.
#[derive(Debug, PartialEq)]
pub enum Next {
    Write(Batch),
    /// For so long, or until something is pushed.
    Wait(Option<Duration>),
    End,
}

/// What is written next.
#[derive(Debug, PartialEq)]
pub struct Batch {
    pub entries: Vec<Entry>,
    pub sync: bool,
    /// The first entry tells of the trouble there was, with so many lost.
    note: Option<u64>,
}

#[derive(Debug)]
pub struct Ring {
    queue: VecDeque<Entry>,
    capacity: usize,
    /// Pushed so far; written or lost so far; on the disk so far (or lost).
    pushed: u64,
    settled: u64,
    synced: u64,
    /// Lost and not yet told in the log; lost at all.
    lost: u64,
    lost_ever: u64,
    must_sync: bool,
    trouble: Option<Text>,
    /// This trouble stands in the log.
    is_told: bool,
    busy_since: Option<Duration>,
    pause: Duration,
    next_try: Option<Duration>,
    is_closing: bool,
}

impl Ring {
    pub fn new(capacity: usize) -> Self {
        Self {
            queue: VecDeque::new(),
            capacity,
            pushed: 0,
            settled: 0,
            synced: 0,
            lost: 0,
            lost_ever: 0,
            must_sync: false,
            trouble: None,
            is_told: false,
            busy_since: None,
            pause: Duration::ZERO,
            next_try: None,
            is_closing: false,
        }
    }

    pub fn push(&mut self, entry: Entry) {
        self.pushed += 1;
        self.queue.push_back(entry);
        self.bound();
    }

    /// What keeps facts from the disk.
    pub fn trouble(&self) -> Option<&Text> {
        self.trouble.as_ref()
    }

    pub fn set_trouble(&mut self, why: Text) {
        self.trouble = Some(why);
        self.is_told = false;
    }

    pub fn lost_ever(&self) -> u64 {
        self.lost_ever
    }

    /// Lost in a place where nobody can count them but the writer.
    pub fn add_lost(&mut self, lost: u64) {
        self.lost += lost;
        self.lost_ever += lost;
    }

    /// Asks for everything pushed so far to be on the disk, and now. It is when [`Ring::is_synced`] says so of what is
    /// returned.
    pub fn ask_sync(&mut self) -> u64 {
        if self.synced < self.pushed || self.trouble.is_some() {
            self.must_sync = true;
            self.next_try = None;
        }
        self.pushed
    }

    pub fn is_synced(&self, target: u64) -> bool {
        self.synced >= target
    }

    /// Nothing will be pushed any more: one more try, at once.
    pub fn close(&mut self) {
        self.is_closing = true;
        self.next_try = None;
        self.must_sync = true;
    }

    /// What to do now. `at` is the same moment on the calendar.
    pub fn next(&mut self, now: Duration, at: Stamp) -> Next {
        let has_work =
            !self.queue.is_empty() || (self.must_sync && self.synced < self.pushed) || self.trouble.is_some();
        if !has_work {
            return if self.is_closing { Next::End } else { Next::Wait(None) };
        }
        if let Some(until) = self.next_try.filter(|until| *until > now) {
            return Next::Wait(Some(until - now));
        }
        let mut entries = Vec::new();
        let note = (self.lost > 0 || (self.trouble.is_some() && !self.is_told)).then_some(self.lost);
        if let Some(lost) = note {
            let why = self.trouble.clone().unwrap_or_else(|| Text::new("more facts than could be kept in memory"));
            entries.push(Entry { at, run: None, fact: Fact::Degraded { why, lost } });
        }
        let count = self.queue.len().min(MAX_BATCH);
        entries.extend(self.queue.drain(..count));
        let sync = self.must_sync || self.trouble.is_some() || entries.iter().any(|entry| entry.fact.is_durable());
        Next::Write(Batch { entries, sync, note })
    }

    /// What became of a batch: `done` entries of it stand in the log.
    pub fn settle(&mut self, batch: Batch, done: usize, result: io::Result<()>, now: Duration) {
        let mut entries = batch.entries;
        let mut written = done as u64;
        if let (Some(told), true) = (batch.note, done > 0) {
            self.lost = self.lost.saturating_sub(told);
            self.is_told = true;
            written -= 1;
        }
        self.settled += written;
        // What was not written goes back to the front, except the note: the next one says more.
        let rest = entries.split_off(done.max(usize::from(batch.note.is_some())).min(entries.len()));
        for entry in rest.into_iter().rev() {
            self.queue.push_front(entry);
        }
        self.bound();
        match result {
            Ok(()) => self.went_well(batch.sync),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.was_busy(now),
            Err(error) => self.failed(&error, batch.sync, now),
        }
    }

    fn went_well(&mut self, sync: bool) {
        if sync {
            self.synced = self.settled;
            self.must_sync = self.must_sync && self.synced < self.pushed;
        }
        self.trouble = None;
        self.is_told = false;
        self.busy_since = None;
        self.next_try = None;
        self.pause = Duration::ZERO;
    }

    fn was_busy(&mut self, now: Duration) {
        let since = *self.busy_since.get_or_insert(now);
        if now.saturating_sub(since) >= STUCK && self.trouble.is_none() {
            self.set_trouble(Text::new("another process has locked the log and does not go on"));
        }
        self.wait(BUSY, now);
        self.is_closing_too_long(now, since);
    }

    fn failed(&mut self, error: &io::Error, sync: bool, now: Duration) {
        if self.trouble.is_none() {
            self.is_told = false;
        }
        self.trouble = Some(Text::new(&error.to_string()));
        self.must_sync |= sync;
        self.busy_since = None;
        self.wait(PAUSE, now);
        if self.is_closing {
            self.give_up();
        }
    }

    fn is_closing_too_long(&mut self, now: Duration, since: Duration) {
        if self.is_closing && now.saturating_sub(since) >= STUCK {
            self.give_up();
        }
    }

    fn wait(&mut self, (first, most): (Duration, Duration), now: Duration) {
        self.pause = (self.pause * 2).clamp(first, most);
        self.next_try = Some(now + self.pause);
    }

    fn give_up(&mut self) {
        self.queue.clear();
        self.trouble = None;
        self.synced = self.pushed;
    }

    fn bound(&mut self) {
        while self.queue.len() > self.capacity {
            self.queue.pop_front();
            self.settled += 1;
            self.add_lost(1);
        }
    }
}
