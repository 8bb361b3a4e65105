//! Reads everything once, to the end, for plain commands.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::discover::{Finder, is_pipe};
use super::env::Layout;
use super::group::Group;
use super::merge::Merge;
use super::source::{Cx, Registry};
use super::tail::CHUNK;
use super::walk::Found;
use super::{Plan, Target, pipe};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Msg, Progress};

/// Threads that read and parse; what they read is passed on in the same order however many there are.
const READERS: usize = 2;
/// Batches that a reader may be ahead.
const AHEAD: usize = 32;

/// Messages of one run's files, with numbers from 0 for each run.
enum Piece {
    Msgs(Vec<Msg>),
    /// The run is read.
    End,
}

/// Reads what `plan` says: where it looked, then every run, newest first, then pipes. Last lines without a line end
/// are read too. The order of messages depends on nothing but the files.
pub fn read_now(plan: &Plan, sink: &mut dyn FnMut(Msg)) {
    let mut finder = Finder::new(plan);
    let mut looked = finder.look(plan.now);
    if let Some(id) = &plan.id {
        looked.groups.retain(|group| may_hold(group, id));
    }
    let mut places: Vec<_> = looked.places.into_iter().map(|(_, place)| place).collect();
    sink(Msg::Looked(places.clone()));
    let cutoff = finder.cutoff(plan.now);
    let mut counts = Counts::new(&looked.groups);
    let mut registry = 0;
    thread::scope(|scope| {
        let groups = &looked.groups[..];
        let readers: Vec<Receiver<Piece>> = (0..READERS.min(groups.len()))
            .map(|first| {
                let (tx, rx) = sync_channel(AHEAD);
                scope.spawn(move || read_groups(groups.iter().skip(first).step_by(READERS), plan.now, cutoff, &tx));
                rx
            })
            .collect();
        for (at, group) in groups.iter().enumerate() {
            let mut numbers = Vec::new();
            while let Ok(Piece::Msgs(msgs)) = readers[at % READERS].recv() {
                for msg in msgs {
                    counts.note(&msg);
                    sink(renumber(msg, &mut numbers, &mut registry));
                }
            }
            counts.unknown += group.files.len() - numbers.len().min(group.files.len());
            sink(Msg::Progress(counts.finished(group)));
        }
    });
    if counts.unknown > 0
        && let Some(place) = places.iter_mut().find(|place| place.agent.is_none() && place.trouble.is_none())
    {
        place.trouble = Some(Text::new(&format!("{} files in no known format", counts.unknown)));
        sink(Msg::Looked(places));
    }
    read_pipes(plan, registry, sink);
}

/// Whether a run may be among these files whose id begins with `id`. These two agents name files after it.
fn may_hold(group: &Group, id: &str) -> bool {
    let named = |file: &Found| matches!(file.layout, Layout::Claude | Layout::Codex);
    group.files.iter().any(|file| !named(file) || file.path.to_string_lossy().contains(id))
}

fn read_pipes(plan: &Plan, mut number: u32, sink: &mut dyn FnMut(Msg)) {
    for target in &plan.targets {
        let (name, path) = match target {
            Target::Stdin => ("stdin".into(), None),
            Target::Path(path) if is_pipe(path) => (path.to_string_lossy(), Some(path.as_path())),
            Target::Path(_) => continue,
        };
        sink(Msg::Opened { source: number, name: Text::new(&name), form: None });
        pipe::read_target(path, number, &mut |msgs| {
            msgs.into_iter().for_each(&mut *sink);
            true
        });
        number += 1;
    }
}

fn read_groups<'a>(groups: impl Iterator<Item = &'a Group>, now: Stamp, cutoff: Stamp, tx: &SyncSender<Piece>) {
    let mut buffer = vec![0; CHUNK];
    for group in groups {
        let mut merge = Merge::new(&group.files);
        let mut registry = Registry::default();
        let mut is_done = false;
        while !is_done {
            let mut msgs = Vec::new();
            let mut collect = |msg| msgs.push(msg);
            let mut cx = Cx { registry: &mut registry, sink: &mut collect, buffer: &mut buffer, now, cutoff };
            is_done = merge.step(&mut cx, true);
            if !msgs.is_empty() && tx.send(Piece::Msgs(msgs)).is_err() {
                return;
            }
        }
        if tx.send(Piece::End).is_err() {
            return;
        }
    }
}

/// Gives sources numbers that are unique over all runs, in the order in which they appear.
fn renumber(msg: Msg, numbers: &mut Vec<u32>, next: &mut u32) -> Msg {
    let of = |local: u32, numbers: &[u32]| numbers.get(local as usize).copied().unwrap_or(u32::MAX);
    match msg {
        Msg::Opened { name, form, .. } => {
            let source = *next;
            numbers.push(source);
            *next += 1;
            Msg::Opened { source, name, form }
        }
        Msg::State { source, state } => Msg::State { source: of(source, numbers), state },
        Msg::Events { source, events } => Msg::Events { source: of(source, numbers), events },
        Msg::Lines { source, read, bytes, skipped } => Msg::Lines { source: of(source, numbers), read, bytes, skipped },
        other => other,
    }
}

struct Counts {
    progress: Progress,
    unknown: usize,
}

impl Counts {
    fn new(groups: &[Group]) -> Self {
        let progress = Progress {
            total_files: groups.iter().map(|group| group.files.len() as u64).sum(),
            total_bytes: groups.iter().map(|group| group.bytes).sum(),
            ..Progress::default()
        };
        Self { progress, unknown: 0 }
    }

    fn note(&mut self, msg: &Msg) {
        if let Msg::Lines { bytes, .. } = msg {
            self.progress.done_bytes = (self.progress.done_bytes + bytes).min(self.progress.total_bytes);
        }
    }

    fn finished(&mut self, group: &Group) -> Progress {
        self.progress.done_files += group.files.len() as u64;
        if self.progress.is_done() {
            self.progress.done_bytes = self.progress.total_bytes;
        }
        self.progress
    }
}

#[cfg(test)]
mod tests;
