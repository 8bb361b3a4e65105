//! Everything that is read, step by step, without a thread or a clock of its own: runs still to be read (newest
//! first), runs being read, and sources that are followed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Plan;
use super::discover::Finder;
use super::env::Layout;
use super::group::Group;
use super::merge::Merge;
use super::source::{Cx, Kept, Registry, Source};
use super::tail::{CHUNK, Step};
use crate::clock;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Msg, Place, Progress};

/// Bytes of one followed file read in one go; a file that grows faster takes turns with the others.
const TURN: usize = 4 << 20;
/// A file is kept open so long after its last line.
const OPEN_FOR: Duration = Duration::from_secs(10);
/// Files kept open at most.
const MAX_OPEN: usize = 128;
/// A source counts as busy so long after its last line.
const BUSY_FOR: Duration = Duration::from_secs(600);
/// A database is looked into so seldom, and for at most one part in so many of the time.
const COSTLY_PAUSE: Duration = Duration::from_millis(50);
const COSTLY_SHARE: u32 = 20;
/// Progress is told after so much work.
const TELL_AFTER: Duration = Duration::from_millis(50);
const TELL_BYTES: u64 = 16 << 20;

/// All sources of one watch.
pub struct Pool {
    finder: Finder,
    registry: Registry,
    pending: VecDeque<Group>,
    /// Runs being read, the one in turn last. A run that somebody works on goes in front of the others.
    reading: Vec<(Merge, Group)>,
    live: HashMap<PathBuf, Live>,
    /// Every path that is pending, being read or followed.
    known: HashSet<PathBuf>,
    /// Files in no known format, as they looked when that became clear.
    unknown: HashMap<PathBuf, (Stamp, u64)>,
    /// Followed sources that have more to read at once.
    more: VecDeque<PathBuf>,
    /// Changed sources that are costly to look into, with the time from which they may be.
    later: HashMap<PathBuf, Duration>,
    /// What the last look around found, and what was told of it.
    places: Vec<(PathBuf, Place)>,
    told: Option<Vec<Place>>,
    /// Why changes are not told by the system, per place.
    troubles: HashMap<PathBuf, Text>,
    progress: Progress,
    told_at: (Duration, u64),
    buffer: Vec<u8>,
}

struct Live {
    source: Source,
    changed: Duration,
    /// Not looked into before.
    next: Duration,
}

impl Pool {
    pub fn new(plan: &Plan) -> Self {
        Self {
            finder: Finder::new(plan),
            registry: Registry::default(),
            pending: VecDeque::new(),
            reading: Vec::new(),
            live: HashMap::new(),
            known: HashSet::new(),
            unknown: HashMap::new(),
            more: VecDeque::new(),
            later: HashMap::new(),
            places: Vec::new(),
            told: None,
            troubles: HashMap::new(),
            progress: Progress::default(),
            told_at: (Duration::ZERO, 0),
            buffer: vec![0; CHUNK],
        }
    }

    pub fn finder(&self) -> &Finder {
        &self.finder
    }

    /// What a number stands for.
    pub fn kept(&self, number: u32) -> Option<&Kept> {
        self.registry.get(number)
    }

    /// Gives a number to a source that is read elsewhere.
    pub fn add_pipe(&mut self) -> u32 {
        self.registry.add(Kept::Pipe)
    }

    /// Looks around; what is new is to be read from now on.
    pub fn discover(&mut self, now: Stamp, sink: &mut dyn FnMut(Msg)) {
        let looked = self.finder.look(now);
        self.places = looked.places;
        self.tell_places(sink);
        let mut fresh: Vec<Group> = Vec::new();
        for mut group in looked.groups {
            group.files.retain(|file| {
                !self.known.contains(&file.path) && self.unknown.get(&file.path) != Some(&(file.mtime, file.size))
            });
            if !group.files.is_empty() {
                group.bytes = group.files.iter().map(|file| file.size).sum();
                fresh.push(group);
            }
        }
        for group in &fresh {
            for file in &group.files {
                self.unknown.remove(&file.path);
            }
            self.known.extend(group.files.iter().map(|file| file.path.clone()));
            self.progress.total_files += group.files.len() as u64;
            self.progress.total_bytes += group.bytes;
        }
        if !fresh.is_empty() {
            self.tell_places(sink);
            // What is new now is newer than what still waits.
            fresh.extend(self.pending.drain(..));
            self.pending = fresh.into();
            sink(Msg::Progress(self.progress));
        }
    }

    /// Notes that the system can't tell changes below `root` (`None`: it can), for people to see.
    pub fn set_trouble(&mut self, root: &Path, trouble: Option<Text>) {
        match trouble {
            Some(trouble) => self.troubles.insert(root.to_owned(), trouble),
            None => self.troubles.remove(root),
        };
    }

    /// Tells the places if what is known of them changed.
    pub fn tell_places(&mut self, sink: &mut dyn FnMut(Msg)) {
        let place = |(path, place): &(PathBuf, Place)| {
            let mut place = place.clone();
            let unknown = self.unknown.keys().filter(|file| file.starts_with(path)).count();
            let words = || Text::new(&format!("{unknown} files in no known format"));
            let polled = self.troubles.get(path).cloned();
            place.trouble = place.trouble.or(polled).or_else(|| (unknown > 0).then(words));
            place
        };
        let places: Vec<Place> = self.places.iter().map(place).collect();
        if self.told.as_ref() != Some(&places) {
            self.told = Some(places.clone());
            sink(Msg::Looked(places));
        }
    }

    /// There is something to be read at once.
    pub fn has_more(&self) -> bool {
        !self.pending.is_empty() || !self.reading.is_empty() || !self.more.is_empty()
    }

    /// Reads one small step: a followed source that has more, else the run in turn.
    pub fn step(&mut self, now: Stamp, sink: &mut dyn FnMut(Msg)) {
        if let Some(path) = self.more.pop_front() {
            self.changed(&path, now, sink);
            return;
        }
        if self.reading.is_empty() {
            let Some(group) = self.pending.pop_front() else { return };
            self.reading.push((Merge::new(&group.files), group));
        }
        let cutoff = self.finder.cutoff(now);
        let Some((merge, _)) = self.reading.last_mut() else { return };
        let mut bytes = 0;
        let mut count = |msg: Msg| {
            if let Msg::Lines { bytes: read, .. } = &msg {
                bytes += read;
            }
            sink(msg);
        };
        let mut cx = Cx { registry: &mut self.registry, sink: &mut count, buffer: &mut self.buffer, now, cutoff };
        let is_done = merge.step(&mut cx, false);
        self.progress.done_bytes = (self.progress.done_bytes + bytes).min(self.progress.total_bytes);
        if is_done {
            self.finish_reading(now, sink);
        }
        self.tell_progress(sink);
    }

    /// The run in turn was read to the end: its sources are followed from now on.
    fn finish_reading(&mut self, now: Stamp, sink: &mut dyn FnMut(Msg)) {
        let Some((merge, group)) = self.reading.pop() else { return };
        self.progress.done_files += group.files.len() as u64;
        if self.pending.is_empty() && self.reading.is_empty() {
            self.progress.done_bytes = self.progress.total_bytes;
        }
        for mut source in merge.into_sources() {
            let path = source.path().to_owned();
            let found = group.files.iter().find(|file| file.path == path);
            let is_named_place = found.is_some_and(|file| file.layout == Layout::Named && !file.named);
            if is_named_place && !source.is_recognised() {
                // One of many files in a folder, and none of ours. Looked at again when it changes.
                self.known.remove(&path);
                self.unknown.extend(found.map(|file| (path, (file.mtime, file.size))));
                continue;
            }
            source.go_live();
            self.live.insert(path.clone(), Live { source, changed: clock::elapsed(), next: Duration::ZERO });
            self.changed(&path, now, sink);
        }
        if self.pending.is_empty() && self.reading.is_empty() && !self.unknown.is_empty() {
            self.tell_places(sink);
        }
    }

    fn tell_progress(&mut self, sink: &mut dyn FnMut(Msg)) {
        let now = clock::elapsed();
        let (at, bytes) = self.told_at;
        let is_due = now.saturating_sub(at) >= TELL_AFTER || self.progress.done_bytes >= bytes + TELL_BYTES;
        if is_due || self.progress.is_done() {
            self.told_at = (now, self.progress.done_bytes);
            sink(Msg::Progress(self.progress));
        }
    }

    /// Whether a change of `path` is a change of one of the sources.
    pub fn knows(&self, path: &Path) -> bool {
        self.known.contains(path)
    }

    /// `path` changed: reads what is new if it is followed, and moves its run to the front if it still waits.
    pub fn changed(&mut self, path: &Path, now: Stamp, sink: &mut dyn FnMut(Msg)) {
        let Some(live) = self.live.get_mut(path) else {
            self.promote(path);
            return;
        };
        let began = clock::elapsed();
        if began < live.next {
            self.later.insert(path.to_owned(), live.next);
            return;
        }
        let was_open = live.source.is_open();
        let cutoff = self.finder.cutoff(now);
        let mut events = Vec::new();
        let mut cx = Cx { registry: &mut self.registry, sink, buffer: &mut self.buffer, now, cutoff };
        let mut turn = 0;
        loop {
            let step = live.source.read(&mut cx, &mut events);
            if !events.is_empty() {
                live.changed = clock::elapsed();
                live.source.emit(std::mem::take(&mut events), cx.sink);
            }
            turn += cx.buffer.len();
            if step != Step::More {
                break;
            }
            if turn >= TURN {
                self.more.push_back(path.to_owned());
                break;
            }
        }
        if live.source.is_costly() {
            let ended = clock::elapsed();
            live.next = ended + COSTLY_PAUSE.max(ended.saturating_sub(began) * COSTLY_SHARE);
        }
        let is_newly_open = !was_open && live.source.is_open();
        if is_newly_open && self.live.values().filter(|live| live.source.is_open()).count() > MAX_OPEN {
            self.live.get_mut(path).into_iter().for_each(|live| live.source.close());
        }
    }

    /// Somebody works on a run that was not read yet: it is next.
    fn promote(&mut self, path: &Path) {
        let has = |group: &Group| group.files.iter().any(|file| file.path == path);
        if let Some(at) = self.pending.iter().position(has)
            && let Some(group) = self.pending.remove(at)
        {
            self.reading.push((Merge::new(&group.files), group));
        } else if let Some(at) = self.reading.iter().position(|(_, group)| has(group)) {
            let entry = self.reading.remove(at);
            self.reading.push(entry);
        }
    }

    /// When the next change is due that was put off.
    pub fn next_due(&self) -> Option<Duration> {
        self.later.values().min().copied()
    }

    /// Reads the changes that were put off and are due.
    pub fn catch_up(&mut self, now: Stamp, sink: &mut dyn FnMut(Msg)) {
        let clock = clock::elapsed();
        if self.next_due().is_none_or(|due| due > clock) {
            return;
        }
        let due: Vec<PathBuf> = self.later.extract_if(|_, at| *at <= clock).map(|(path, _)| path).collect();
        for path in due {
            self.changed(&path, now, sink);
        }
    }

    /// Looks at the sources itself, for where the system doesn't tell: the busy ones, or all.
    pub fn poll(&mut self, all: bool, now: Stamp, sink: &mut dyn FnMut(Msg)) {
        let clock = clock::elapsed();
        let is_due = |live: &Live| all || clock.saturating_sub(live.changed) < BUSY_FOR;
        let changed: Vec<PathBuf> = self
            .live
            .iter()
            .filter(|(_, live)| is_due(live) && live.source.has_changed())
            .map(|(path, _)| path.clone())
            .collect();
        for path in changed {
            self.changed(&path, now, sink);
        }
        for live in self.live.values_mut() {
            if live.source.is_open() && clock.saturating_sub(live.changed) >= OPEN_FOR {
                live.source.close();
            }
        }
    }
}

#[cfg(test)]
mod tests;
