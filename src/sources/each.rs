//! Reads session after session, several at once, for commands that hold each against something by itself. What is held
//! in memory is one session for each thread, not what was read before.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;

use super::Plan;
use super::discover::Finder;
use super::group::Group;
use super::merge::Merge;
use super::source::{Cx, Registry};
use super::tail::CHUNK;
use super::walk::Found;
use crate::domain::time::Stamp;
use crate::engine::{Msg, Place, Progress};

/// Threads that read, parse and take.
const THREADS: usize = 2;
/// Results that a thread may be ahead.
const AHEAD: usize = 32;

/// Takes what is read of one session.
pub trait Sink {
    type Out: Send;
    /// Messages in order, sources numbered from 0.
    fn take(&mut self, msg: Msg);
    /// The same from a tape, with when it was told.
    fn take_at(&mut self, msg: Msg, now: Stamp);
    /// Everything of it was read.
    fn finish(self) -> Self::Out;
}

/// Sessions that were found: each is the files of one run, or a database with many.
pub struct Sessions {
    groups: Vec<Group>,
    /// Where was looked.
    pub places: Vec<Place>,
    now: Stamp,
    cutoff: Stamp,
}

impl Sessions {
    /// Looks where `plan` says; standard input and pipes are no sessions.
    pub fn find(plan: &Plan) -> Self {
        let mut finder = Finder::new(plan);
        let looked = finder.look(plan.now);
        let places = looked.places.into_iter().map(|(_, place)| place).collect();
        Self { groups: looked.groups, places, now: plan.now, cutoff: finder.cutoff(plan.now) }
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Leaves out these files, and sessions of which nothing is left.
    pub fn set_aside(&mut self, others: &[PathBuf]) {
        for group in &mut self.groups {
            group.files.retain(|file| !others.contains(&file.path));
        }
        self.groups.retain(|group| !group.files.is_empty());
    }

    /// Reads every session, the largest first, and returns what became of each in the order in which they were found.
    /// `start` is called on the reading threads, once for each session; `read` is told how far the reading has come.
    pub fn read<S: Sink>(&self, start: &(dyn Fn() -> S + Sync), read: &mut dyn FnMut(Progress)) -> Vec<S::Out> {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.groups[*at].bytes));
        let (order, next) = (&order[..], &AtomicUsize::new(0));
        let mut progress = self.progress();
        let mut outs: Vec<Option<S::Out>> = self.groups.iter().map(|_| None).collect();
        thread::scope(|scope| {
            let (tx, rx) = sync_channel(AHEAD);
            for _ in 0..THREADS.min(order.len()) {
                let tx = tx.clone();
                scope.spawn(move || {
                    let mut buffer = vec![0; CHUNK];
                    while let Some(at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let out = self.read_files(&self.groups[*at].files, start(), &mut buffer);
                        if tx.send((*at, out)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(tx);
            for (at, out) in rx {
                progress.done_files += self.groups[at].files.len() as u64;
                progress.done_bytes += self.groups[at].bytes;
                outs[at] = Some(out);
                read(progress);
            }
        });
        outs.into_iter().flatten().collect()
    }

    /// Reads these sessions as one, their events in order of time: files that turned out to be of one run.
    pub fn read_joined<S: Sink>(&self, which: &[usize], sink: S) -> S::Out {
        let files: Vec<Found> = which.iter().flat_map(|at| self.groups[*at].files.iter().cloned()).collect();
        self.read_files(&files, sink, &mut vec![0; CHUNK])
    }

    fn read_files<S: Sink>(&self, files: &[Found], mut sink: S, buffer: &mut [u8]) -> S::Out {
        let mut merge = Merge::new(files);
        let mut registry = Registry::default();
        let mut is_done = false;
        while !is_done {
            let mut take = |msg| sink.take(msg);
            let (now, cutoff) = (self.now, self.cutoff);
            let mut cx = Cx { registry: &mut registry, sink: &mut take, buffer, now, cutoff };
            is_done = merge.step(&mut cx, true);
        }
        sink.finish()
    }

    fn progress(&self) -> Progress {
        Progress {
            total_files: self.groups.iter().map(|group| group.files.len() as u64).sum(),
            total_bytes: self.groups.iter().map(|group| group.bytes).sum(),
            ..Progress::default()
        }
    }
}
