//! What happened, in order, one short line each, with the place in its source where the whole of it stands.

use std::collections::VecDeque;

use serde::Serialize;

use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Where an event was read: a source's number and the offset of its line there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    pub source: u32,
    pub offset: u64,
}

impl Origin {
    /// Of what stands in no source: what a person did.
    pub const NOWHERE: Origin = Origin { source: u32::MAX, offset: 0 };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    Prompt,
    Message,
    Model,
    Tool,
    Result,
    Failure,
    ApiError,
    Subagent,
    Decision,
    Approval,
    Verified,
    Grant,
    Warning,
    End,
    Unparsed,
}

/// One event as a reader sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub at: Stamp,
    pub kind: EntryKind,
    pub branch: u16,
    pub what: Text,
    /// What it charged in all.
    #[serde(rename = "amount_ms")]
    pub amount: Span,
    pub origin: Origin,
}

/// The newest entries, and how many there have been.
#[derive(Clone, Debug)]
pub struct Timeline {
    entries: VecDeque<Entry>,
    written: u64,
    keep: usize,
}

impl Timeline {
    pub fn new(keep: usize) -> Self {
        Self { entries: VecDeque::new(), written: 0, keep }
    }

    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        self.written += 1;
        self.trim_to(self.keep);
    }

    pub fn trim_to(&mut self, keep: usize) {
        while self.entries.len() > keep {
            self.entries.pop_front();
        }
        if self.entries.capacity() > 2 * self.entries.len().max(16) {
            self.entries.shrink_to_fit();
        }
    }

    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.entries.iter()
    }

    pub fn written(&self) -> u64 {
        self.written
    }

    /// Entries that are no longer kept.
    pub fn forgotten(&self) -> u64 {
        self.written - self.entries.len() as u64
    }
}
