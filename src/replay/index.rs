//! Reads a track once, from its start: cuts it into blocks, keeps the model at the start of each, notes what happened.

use std::sync::Arc;

use super::cursor::{Cursor, Reader};
use super::marks::Marks;
use super::track::{Step, Steps};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::Model;

/// Steps in a block. The first is short: what it holds is on the screen at once.
pub const BLOCK: usize = 4_096;
const FIRST: usize = 256;
/// A block ends, too, when its steps take so much memory.
const BLOCK_WEIGHT: usize = 8 << 20;

/// Consecutive steps.
pub struct Block {
    /// Steps before it.
    pub first: u64,
    pub count: usize,
    /// Times of its first and last step.
    pub begins: Stamp,
    pub ends: Stamp,
    pub weight: usize,
    /// The steps, while they are in memory.
    pub steps: Option<Arc<[Step]>>,
    /// Reads them again; `None`: they stay in memory.
    pub again: Option<Steps>,
    /// The model before its first step.
    pub saved: Option<Box<Cursor>>,
    /// About what the saved model takes that the one before it doesn't share.
    pub saved_weight: usize,
}

/// A block, and what happened in it.
pub struct Piece {
    pub block: Block,
    pub marks: Marks,
    /// Bytes read so far, and of how many.
    pub read: (u64, u64),
}

/// A look at what was read on.
pub enum Read {
    Piece(Box<Piece>),
    /// Something can't be read: what and why. The rest goes on.
    Trouble(Text),
    /// Everything was read.
    End,
}

pub struct Indexer {
    steps: Steps,
    /// Made when the time of the first step is known.
    cursor: Option<Cursor>,
    made: Option<(Model, Reader)>,
    start: Stamp,
    trouble: Option<Text>,
    is_first: bool,
    block: usize,
}

impl Indexer {
    /// `model` knows no runs yet.
    pub fn new(steps: Steps, model: Model, reader: Reader) -> Self {
        let made = Some((model, reader));
        Self { steps, cursor: None, made, start: Stamp::default(), trouble: None, is_first: true, block: BLOCK }
    }

    /// With blocks of another length.
    pub fn with_blocks(self, block: usize) -> Self {
        Self { block: block.max(1), ..self }
    }

    /// Reads the next block.
    pub fn read(&mut self) -> Read {
        if let Some(trouble) = self.trouble.take() {
            return Read::Trouble(trouble);
        }
        let again = self.steps.fork();
        let read = self.gather();
        let (Some(first), Some(last)) = (read.first(), read.last()) else {
            return self.trouble.take().map_or(Read::End, Read::Trouble);
        };
        let (begins, ends) = (first.at, last.at);
        if let Some((model, reader)) = self.made.take() {
            self.start = begins;
            self.cursor = Some(Cursor::new(model, begins, reader));
        }
        let Some(cursor) = &mut self.cursor else { return Read::End };
        cursor.model.settle();
        let saved = Some(Box::new(cursor.clone()));
        let first = cursor.index();
        let mut marks = Marks::default();
        for step in &read {
            let happened = cursor.watch(step);
            marks.note(cursor.index(), step.at, self.start, happened);
        }
        let weight = read.iter().map(Step::weight).sum();
        let saved_weight = weigh(&cursor.model, begins);
        let (count, steps) = (read.len(), Some(read.into()));
        let block = Block { first, count, begins, ends, weight, steps, again, saved, saved_weight };
        Read::Piece(Box::new(Piece { block, marks, read: self.steps.progress() }))
    }

    fn gather(&mut self) -> Vec<Step> {
        let most = if std::mem::take(&mut self.is_first) { self.block.min(FIRST) } else { self.block };
        let (mut read, mut weight) = (Vec::new(), 0);
        while read.len() < most && weight < BLOCK_WEIGHT && self.trouble.is_none() {
            match self.steps.next() {
                Some(Ok(step)) => {
                    weight += step.weight();
                    read.push(step);
                }
                Some(Err(error)) => self.trouble = Some(Text::limited(&error.to_string(), 400)),
                None => break,
            }
        }
        read
    }
}

/// About what runs take that have had news since `since`, and so are no longer shared with the copy before.
fn weigh(model: &Model, since: Stamp) -> usize {
    const LINE: usize = 220;
    let lines = |run: &crate::domain::run::Run| run.statement.lines().len() + run.timeline.entries().len();
    let fresh = model.runs().filter(|run| run.last_at.is_some_and(|at| at >= since));
    4_096 + 8 * model.runs().len() + fresh.map(|run| 4_096 + LINE * lines(run)).sum::<usize>()
}
