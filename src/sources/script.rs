//! One run read from its start to what is its end now, at the reader's pace, and again from any place of it.

use std::path::Path;

use super::discover::{Finder, is_pipe};
use super::env::is_document;
use super::group::Group;
use super::history::read_detail;
use super::merge::Merge;
use super::source::{Cx, Kept, Registry};
use super::tail::{CHUNK, Kind};
use super::walk::is_database;
use super::{Plan, Target};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::Msg;

/// The files of one run (or one database of runs). Its sources have numbers from 0.
pub struct Script {
    merge: Merge,
    registry: Registry,
    now: Stamp,
    bytes: u64,
    done: bool,
}

impl Script {
    /// Everything that `plan` names, a script each, the oldest first; then what comes through a pipe and is gone once it
    /// is read.
    pub fn all(plan: &Plan) -> (Vec<Self>, Vec<Text>) {
        let mut looked = Finder::new(plan).look(plan.now);
        looked.groups.sort_by_key(|group| group.files.iter().map(|file| file.mtime).max());
        let pipes = plan.targets.iter().filter_map(|target| match target {
            Target::Stdin => Some(Text::new("standard input")),
            Target::Path(path) => is_pipe(path).then(|| Text::new(&path.to_string_lossy())),
        });
        (looked.groups.iter().map(|group| Self::of(group, plan.now)).collect(), pipes.collect())
    }

    fn of(group: &Group, now: Stamp) -> Self {
        let merge = Merge::new(&group.files);
        Self { merge, registry: Registry::default(), now, bytes: group.bytes, done: false }
    }

    /// Size of its files when they were found.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads on for about a chunk. `false`: everything was read.
    pub fn step(&mut self, sink: &mut dyn FnMut(Msg)) -> bool {
        if self.done {
            return false;
        }
        let mut buffer = vec![0; CHUNK];
        let (registry, now) = (&mut self.registry, self.now);
        let mut cx = Cx { registry, sink, buffer: &mut buffer, now, cutoff: Stamp(i64::MIN) };
        self.done = self.merge.step(&mut cx, true);
        !self.done
    }

    /// One that reads on from the same place; `None`: it can't be read twice in the same way.
    pub fn fork(&self) -> Option<Self> {
        let Self { now, bytes, done, .. } = *self;
        Some(Self { merge: self.merge.fork()?, registry: self.registry.clone(), now, bytes, done })
    }
}

/// The text that stands at `offset` of a file, made readable; or why there is none.
pub fn read_text(path: &Path, offset: u64) -> Vec<Text> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let kept = match is_database(path) {
        true => Kept::Database(path.to_owned()),
        false => Kept::File(path.to_owned(), if is_document(name) { Kind::Document } else { Kind::Lines }),
    };
    read_detail(Some(&kept), offset)
}
