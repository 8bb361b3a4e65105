//! What the record of control knows of runs, put on a tape that wasn't recorded: budgets before a run's first event,
//! grants and stops at their time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::track::Track;
use crate::domain::event::RunId;
use crate::domain::time::{Span, Stamp};
use crate::engine::Fact;
use crate::record::tape::{Beat, TapeError, TapeMsg};

/// Facts by their run, each with its time; none: it holds from the start.
pub type Known = HashMap<RunId, Vec<(Option<Stamp>, Fact)>>;

/// Sorts facts; those that are about no run, or about a live process, are left out.
pub fn known(facts: impl IntoIterator<Item = Fact>) -> Known {
    let mut known = Known::new();
    for fact in facts {
        let (run, at) = match &fact {
            Fact::Budget { run, .. } => (run, None),
            Fact::Grant { run, at, .. } => (run, Some(*at)),
            Fact::Stopped { run, stop } => {
                let took = stop.receipt.as_ref().map_or(0, |receipt| receipt.took_us / 1_000);
                (run, Some(stop.at + Span(i64::try_from(took).unwrap_or(0))))
            }
            _ => continue,
        };
        known.entry(run.clone()).or_default().push((at, fact));
    }
    known
}

/// A track with facts.
pub struct WithFacts {
    track: Box<dyn Track>,
    known: Arc<Known>,
    told: HashSet<RunId>,
    head: Option<Result<Beat, TapeError>>,
    /// Before the head, and at their times.
    first: VecDeque<Beat>,
    due: VecDeque<Beat>,
}

impl WithFacts {
    pub fn new(track: Box<dyn Track>, known: Arc<Known>) -> Self {
        let mut with =
            Self { track, known, told: HashSet::new(), head: None, first: VecDeque::new(), due: VecDeque::new() };
        with.advance();
        with
    }

    /// Takes the next head, and what is known of the runs that it tells of.
    fn advance(&mut self) {
        self.head = self.track.next();
        let Some(Ok(Beat { at, msg: TapeMsg::Events { events, .. } })) = &self.head else { return };
        for (event, _) in events {
            if self.told.contains(&event.run) {
                continue;
            }
            self.told.insert(event.run.clone());
            for (when, fact) in self.known.get(&event.run).into_iter().flatten() {
                let beat = Beat { at: when.unwrap_or(*at).max(*at), msg: TapeMsg::Control(fact.clone()) };
                match when {
                    None => self.first.push_back(beat),
                    Some(_) => {
                        let place = self.due.partition_point(|other| other.at <= beat.at);
                        self.due.insert(place, beat);
                    }
                }
            }
        }
    }
}

impl Iterator for WithFacts {
    type Item = Result<Beat, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.pop_front() {
            return Some(Ok(first));
        }
        let head_at = match &self.head {
            Some(Ok(beat)) => beat.at,
            Some(Err(_)) => Stamp(i64::MIN),
            None => Stamp(i64::MAX),
        };
        if self.due.front().is_some_and(|beat| beat.at < head_at) {
            return self.due.pop_front().map(Ok);
        }
        let head = self.head.take()?;
        self.advance();
        Some(head)
    }
}

impl Track for WithFacts {
    fn fork(&self) -> Option<Box<dyn Track>> {
        Some(Box::new(Self {
            track: self.track.fork()?,
            known: self.known.clone(),
            told: self.told.clone(),
            head: self.head.clone(),
            first: self.first.clone(),
            due: self.due.clone(),
        }))
    }

    fn progress(&self) -> (u64, u64) {
        self.track.progress()
    }
}
