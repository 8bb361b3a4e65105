//! The blocks that are there so far, and the model at any moment of them.

use std::sync::Arc;

use super::cursor::{Cursor, Reader};
use super::index::{Block, Piece};
use super::marks::Marks;
use super::past::{Part, Past};
use super::track::Step;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Effect, Model, Msg};

/// Bytes of steps that are kept in memory; what is over is read again from its source, a block at a time.
pub const BEATS: usize = 64 << 20;
/// Bytes of models that are kept, one at the start of every so many blocks.
pub const SAVED: usize = 96 << 20;

/// A tape as far as it is read, and a place in it.
pub struct Reel {
    blocks: Vec<Block>,
    marks: Marks,
    /// The model before the first step, until there is a block.
    empty: Option<(Model, Reader)>,
    cursor: Option<Cursor>,
    /// The run that somebody looks at.
    looked: Option<u32>,
    effects: Vec<Effect>,
    in_memory: usize,
    saved: usize,
    /// Of every so many blocks the model is kept.
    stride: usize,
    pub read: (u64, u64),
    done: bool,
    trouble: Option<Text>,
    /// Most bytes of steps and of models.
    limits: (usize, usize),
}

impl Reel {
    pub fn new(model: Model, reader: Reader) -> Self {
        Self {
            blocks: Vec::new(),
            marks: Marks::default(),
            empty: Some((model, reader)),
            cursor: None,
            looked: None,
            effects: Vec::new(),
            in_memory: 0,
            saved: 0,
            stride: 1,
            read: (0, 0),
            done: false,
            trouble: None,
            limits: (BEATS, SAVED),
        }
    }

    /// With other limits for steps and models in memory.
    pub fn with_limits(self, steps: usize, models: usize) -> Self {
        Self { limits: (steps, models), ..self }
    }

    /// More of the tape. Pieces come in order.
    pub fn push(&mut self, piece: Piece) {
        let Piece { block, mut marks, read } = piece;
        if let Some((model, reader)) = self.empty.take() {
            self.cursor = Some(Cursor::new(model, block.begins, reader));
        }
        self.marks.append(&mut marks);
        self.read = read;
        self.in_memory += block.weight;
        self.saved += block.saved_weight;
        self.blocks.push(block);
        self.thin_saved();
        self.forget(self.blocks.len() - 1);
    }

    /// Nothing more will come.
    pub fn finish(&mut self) {
        self.done = true;
        self.read.0 = self.read.1;
    }

    /// Something can't be read.
    pub fn complain(&mut self, trouble: Text) {
        self.trouble.get_or_insert(trouble);
    }

    pub fn trouble(&self) -> Option<&Text> {
        self.trouble.as_ref()
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Steps that are there so far.
    pub fn len(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.first + block.count as u64)
    }

    /// Time of the first step.
    pub fn start(&self) -> Stamp {
        self.blocks.first().map_or(Stamp::default(), |block| block.begins)
    }

    /// Time of the last step that is there so far.
    pub fn end(&self) -> Stamp {
        self.blocks.last().map_or(Stamp::default(), |block| block.ends)
    }

    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Steps taken.
    pub fn index(&self) -> u64 {
        self.cursor.as_ref().map_or(0, Cursor::index)
    }

    pub fn now(&self) -> Stamp {
        self.cursor.as_ref().map_or(Stamp::default(), Cursor::now)
    }

    /// Time of the last step that was taken.
    pub fn last(&self) -> Stamp {
        self.cursor.as_ref().map_or(Stamp::default(), Cursor::last)
    }

    pub fn model(&self) -> Option<&Model> {
        self.cursor.as_ref().map(|cursor| &cursor.model).or(self.empty.as_ref().map(|(model, _)| model))
    }

    /// Tells the model something that is not on the tape: what somebody looks at, and what was read for them.
    pub fn tell(&mut self, msg: Msg) -> Vec<Effect> {
        let Some(cursor) = &mut self.cursor else { return vec![] };
        match msg {
            Msg::Look(run) => {
                self.looked = run;
                cursor.look(run)
            }
            msg => {
                let now = cursor.now();
                cursor.model.apply(msg, now)
            }
        }
    }

    /// What the engine asked for when it was shown what somebody looks at.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Time of the next step, if it is there.
    pub fn next_at(&mut self) -> Option<Stamp> {
        self.with_step(self.index(), |step| step.at)
    }

    /// Reads the step that is taken after `index` others.
    pub fn with_step<T>(&mut self, index: u64, read: impl FnOnce(&Step) -> T) -> Option<T> {
        let place = self.block_of(index)?;
        let steps = self.steps(place)?;
        steps.get(usize::try_from(index - self.blocks[place].first).ok()?).map(read)
    }

    /// Takes one step; false if there is none.
    pub fn forward(&mut self) -> bool {
        let index = self.index();
        self.take_until(index + 1) && self.index() > index
    }

    /// Lets time pass up to the next step, at most to `to`.
    pub fn pass(&mut self, to: Stamp) {
        let next = self.next_at();
        if let Some(cursor) = &mut self.cursor {
            cursor.pass(next.map_or(to, |next| next.min(to)));
        }
    }

    /// Goes to the moment right after `index` steps, or as far as there are.
    pub fn seek(&mut self, index: u64) {
        let index = index.min(self.len());
        let at = match index.checked_sub(1) {
            None => self.start(),
            Some(before) => match self.with_step(before, |step| step.at) {
                Some(at) => at,
                None => return,
            },
        };
        self.go(index, at);
    }

    /// Goes to the moment `at`: everything up to then has happened.
    pub fn seek_time(&mut self, at: Stamp) {
        let at = at.max(self.start());
        let place = self.blocks.partition_point(|block| block.begins <= at).saturating_sub(1);
        let Some(steps) = self.steps(place) else { return };
        let within = steps.partition_point(|step| step.at <= at);
        let index = self.blocks.get(place).map_or(0, |block| block.first) + within as u64;
        self.go(index, at.min(if index >= self.len() && !self.done { self.end() } else { at }));
    }

    fn go(&mut self, index: u64, at: Stamp) {
        let is_ahead = self.cursor.as_ref().is_some_and(|cursor| cursor.index() <= index && cursor.now() <= at);
        let target = self.block_of(index.saturating_sub(1)).unwrap_or(0);
        let nearest = (0..=target).rev().find(|place| self.blocks.get(*place).is_some_and(|b| b.saved.is_some()));
        let saved = nearest.and_then(|place| self.blocks.get(place)).and_then(|block| block.saved.as_ref());
        if let Some(saved) = saved.filter(|saved| !is_ahead || saved.index() > self.index()) {
            let mut cursor = (**saved).clone();
            self.effects = cursor.look(self.looked);
            self.cursor = Some(cursor);
        }
        self.take_until(index);
        if let Some(cursor) = &mut self.cursor {
            cursor.pass(at);
        }
    }

    /// Takes steps until `index` are taken; false if they can't be had.
    fn take_until(&mut self, index: u64) -> bool {
        while self.index() < index {
            let at = self.index();
            let Some(place) = self.block_of(at) else { return false };
            let Some(steps) = self.steps(place) else { return false };
            let first = self.blocks[place].first;
            let from = usize::try_from(at - first).unwrap_or(usize::MAX).min(steps.len());
            let to = usize::try_from(index - first).unwrap_or(usize::MAX).min(steps.len());
            let Some(cursor) = &mut self.cursor else { return false };
            steps[from..to].iter().for_each(|step| cursor.take(step));
            if from == to {
                return false;
            }
        }
        true
    }

    /// The block that holds the step after `index` others.
    fn block_of(&self, index: u64) -> Option<usize> {
        let place = self.blocks.partition_point(|block| block.first <= index).checked_sub(1)?;
        (index < self.blocks[place].first + self.blocks[place].count as u64).then_some(place)
    }

    /// The steps of a block, read again if they must be.
    fn steps(&mut self, place: usize) -> Option<Arc<[Step]>> {
        let block = self.blocks.get_mut(place)?;
        if let Some(steps) = &block.steps {
            return Some(steps.clone());
        }
        let again = block.again.as_ref()?.fork()?;
        let steps: Vec<Step> = again.take(block.count).filter_map(Result::ok).collect();
        let (begins, ends) = (steps.first().map(|step| step.at), steps.last().map(|step| step.at));
        if steps.len() != block.count || begins != Some(block.begins) || ends != Some(block.ends) {
            self.complain(Text::new("what is replayed has changed since it was read; open it anew"));
            return None;
        }
        let steps: Arc<[Step]> = steps.into();
        block.steps = Some(steps.clone());
        self.in_memory += block.weight;
        self.forget(place);
        Some(steps)
    }

    /// Forgets steps that can be read again, the farthest from here first, while there are too many. Never those of
    /// `place`.
    fn forget(&mut self, place: usize) {
        let here = self.block_of(self.index()).unwrap_or(0);
        while self.in_memory > self.limits.0 {
            let can_go = |(at, block): &(usize, &Block)| {
                block.steps.is_some() && block.again.is_some() && *at != here && *at != place
            };
            let farthest = self.blocks.iter().enumerate().filter(can_go).map(|(at, _)| at);
            let Some(at) = farthest.max_by_key(|at| at.abs_diff(here)) else { return };
            self.blocks[at].steps = None;
            self.in_memory -= self.blocks[at].weight;
        }
    }

    /// Keeps every second of the models that are kept, while they take too much; the first always.
    fn thin_saved(&mut self) {
        if self.blocks.len() > 1 && !(self.blocks.len() - 1).is_multiple_of(self.stride) {
            self.unsave(self.blocks.len() - 1);
        }
        while self.saved > self.limits.1 && self.stride < self.blocks.len() {
            self.stride *= 2;
            let off: Vec<usize> = (0..self.blocks.len()).filter(|place| !place.is_multiple_of(self.stride)).collect();
            off.into_iter().for_each(|place| self.unsave(place));
        }
    }

    fn unsave(&mut self, place: usize) {
        let block = &mut self.blocks[place];
        if block.saved.take().is_some() {
            self.saved -= block.saved_weight;
        }
    }

    /// What is needed to read the whole past of a run up to here. `None`: it isn't there.
    pub fn past(&self, run: u32) -> Option<Past> {
        let (model, until) = (self.model()?, self.index());
        let again = self.blocks.first().and_then(|block| block.again.as_ref()?.fork());
        let parts = match again {
            Some(again) => vec![Part::Again(Box::new(again))],
            None => {
                let blocks = self.blocks.iter().take_while(|block| block.first < until);
                blocks.map(|block| block.steps.clone().map(Part::Here)).collect::<Option<Vec<_>>>()?
            }
        };
        Some(Past {
            run,
            id: model.run(run)?.id.clone(),
            until,
            rules: model.rules.clone(),
            prices: model.prices.clone(),
            parts,
        })
    }

    /// Blocks, those of them in memory, and those with a model: for tests and for whoever measures.
    pub fn holds(&self) -> (usize, usize, usize) {
        let kept = self.blocks.iter().filter(|block| block.steps.is_some()).count();
        (self.blocks.len(), kept, self.blocks.iter().filter(|block| block.saved.is_some()).count())
    }
}
