//! One file that grows: reads what is new, notices when it was truncated, replaced or removed.
//!
//! A file is told by device, inode and size, and by the last bytes that were read of it: what was read before stays
//! read when a file is replaced by a longer copy of itself, and is read again from the start when the content differs.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::decode::{Batch, Decoder};
use super::lines::MAX_LINE;
use crate::adapters;
use crate::domain::event::Event;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::SourceState;

/// Bytes read in one step.
pub const CHUNK: usize = 256 << 10;

/// Bytes before the offset that must still be there.
const TRACE: usize = 64;

/// What a file's content is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Lines are appended.
    Lines,
    /// One JSON document, written anew each time.
    Document,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to read at once.
    More,
    /// Read to the end.
    Idle,
    /// It is not there, or can't be read. It may come (back).
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    dev: u64,
    ino: u64,
}

/// What a look at the file's metadata says; unchanged means nothing new to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    id: FileId,
    size: u64,
    mtime: (i64, i64),
}

impl Look {
    fn of(meta: &fs::Metadata) -> Self {
        Self {
            id: FileId { dev: meta.dev(), ino: meta.ino() },
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
        }
    }
}

pub struct Tail {
    path: PathBuf,
    kind: Kind,
    decoder: Decoder,
    /// What the file looked like when it was read to the end.
    seen: Option<Look>,
    id: Option<FileId>,
    offset: u64,
    /// The last bytes before `offset`.
    trace: Vec<u8>,
    /// Held open while the file is busy: opening it for every line would wake whoever watches it.
    file: Option<File>,
    is_live: bool,
    was_there: bool,
    told: Option<SourceState>,
    /// Digests of what a document said before, with how often; only what is new is passed on.
    said: HashMap<u64, u32>,
}

impl Tail {
    pub fn new(path: &Path, kind: Kind) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let origin =
            adapters::Origin { name, path: Some(path.to_string_lossy().into_owned()), cwd: project_root(path) };
        Self {
            path: path.to_owned(),
            kind,
            decoder: Decoder::new(origin),
            seen: None,
            id: None,
            offset: 0,
            trace: Vec::new(),
            file: None,
            is_live: false,
            was_there: false,
            told: None,
            said: HashMap::new(),
        }
    }

    /// One that reads on from the same place.
    pub fn fork(&self) -> Self {
        Self {
            path: self.path.clone(),
            decoder: self.decoder.fork(),
            trace: self.trace.clone(),
            file: None,
            told: self.told.clone(),
            said: self.said.clone(),
            ..*self
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A line has said what this is.
    pub fn is_recognised(&self) -> bool {
        self.decoder.is_recognised()
    }

    /// Everything that was there at the beginning has been read; from now on lines are read as they are written.
    pub fn go_live(&mut self) {
        self.is_live = true;
        self.decoder.set_latest(None);
    }

    /// Lets go of the open file. The next step opens it again.
    pub fn close(&mut self) {
        self.file = None;
    }

    pub fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether the file's metadata says that there may be something new.
    pub fn has_changed(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(meta) => self.seen != Some(Look::of(&meta)),
            Err(_) => self.was_there,
        }
    }

    /// Reads new bytes, at most as many as fit into `buffer` beside the trace (a document: all of it), and adds what
    /// they say to `batch`. `buffer` is longer than the trace.
    pub fn step(&mut self, buffer: &mut [u8], batch: &mut Batch) -> Step {
        let step = match self.try_step(buffer, batch) {
            Ok(step) => {
                self.was_there = true;
                step
            }
            Err(error) => self.fail(&error, batch),
        };
        if let Some(state) = &batch.state {
            self.told = Some(state.clone());
        }
        step
    }

    /// Nothing more will be read: what is left is the last line.
    pub fn finish(&mut self, batch: &mut Batch) {
        self.decoder.finish(batch);
        self.file = None;
    }

    fn try_step(&mut self, buffer: &mut [u8], batch: &mut Batch) -> io::Result<Step> {
        let look = self.look()?;
        if self.seen == Some(look) {
            return Ok(Step::Idle);
        }
        if !self.is_live {
            self.decoder.set_latest(Some(Stamp(look.mtime.0 * 1_000 + look.mtime.1 / 1_000_000)));
        }
        if self.kind == Kind::Document {
            return self.document(look, batch);
        }
        let new = match self.new_bytes(look, buffer)? {
            Some(new) => new,
            None => {
                self.restart();
                self.new_bytes(look, buffer)?.unwrap_or_default()
            }
        };
        self.came_back(batch);
        if self.decoder.is_unknown() {
            self.seen = Some(look);
            self.file = None;
            return Ok(Step::Idle);
        }
        let is_full = new.end == buffer.len();
        let new = &buffer[new];
        self.offset += new.len() as u64;
        remember(&mut self.trace, new);
        self.decoder.feed(new, batch);
        if is_full {
            return Ok(Step::More);
        }
        self.decoder.pause(batch);
        // Bytes that came between the look and the read make the next look differ, which costs one more read.
        self.seen = Some(look);
        Ok(Step::Idle)
    }

    /// Reads what follows the offset; returns where in the buffer it stands. `None`: the content is another one.
    fn new_bytes(&self, look: Look, buffer: &mut [u8]) -> io::Result<Option<Range<usize>>> {
        let file = self.file.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let known = self.trace.len();
        if look.size < self.offset {
            return Ok(None);
        }
        // What was read last is read once more together with what is new.
        let from = self.offset - known as u64;
        let got = read_at(file, buffer, from, look.size - from)?;
        Ok((got >= known && buffer[..known] == *self.trace).then_some(known..got))
    }

    /// Looks at the path and makes sure that the open file is the one that stands there now.
    fn look(&mut self) -> io::Result<Look> {
        let meta = fs::metadata(&self.path)?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        let look = Look::of(&meta);
        if self.seen == Some(look) || (self.file.is_some() && self.id == Some(look.id)) {
            return Ok(look);
        }
        let file = File::open(&self.path)?;
        // The file that was opened counts, not the one that was looked at a moment ago.
        let look = Look::of(&file.metadata()?);
        self.id = Some(look.id);
        self.file = Some(file);
        Ok(look)
    }

    /// Reads the whole document, once it is whole, and passes on what it had not said before.
    fn document(&mut self, look: Look, batch: &mut Batch) -> io::Result<Step> {
        self.came_back(batch);
        self.seen = Some(look);
        let file = self.file.take().ok_or(io::ErrorKind::NotFound)?;
        if look.size > MAX_LINE as u64 {
            batch.skipped += 1;
            return Ok(Step::Idle);
        }
        let mut bytes = vec![0; usize::try_from(look.size).unwrap_or(MAX_LINE) + 1];
        let got = read_at(&file, &mut bytes, 0, u64::MAX)?;
        if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes[..got]).is_err() {
            // Caught in the middle of being written; the end of the write makes the next look differ.
            return Ok(Step::Idle);
        }
        self.decoder.restart();
        let mut whole = Batch::default();
        self.decoder.feed_line(0, &bytes[..got], &mut whole);
        self.decoder.finish(&mut whole);
        if whole.state.is_some() && whole.state != self.told {
            batch.state = whole.state;
        }
        batch.lines += whole.lines;
        batch.bytes += whole.bytes;
        let mut now_said = HashMap::new();
        for (event, at) in whole.events {
            let digest = digest(&event);
            let times = now_said.entry(digest).or_insert(0);
            *times += 1;
            if *times > self.said.get(&digest).copied().unwrap_or(0) {
                batch.events.push((event, at));
            }
        }
        self.said = now_said;
        Ok(Step::Idle)
    }

    /// The content is another one: it is read from its start, for what the old one did not say.
    fn restart(&mut self) {
        self.decoder.start_over();
        self.offset = 0;
        self.trace.clear();
    }

    /// A file that was gone or unreadable can be read again.
    fn came_back(&mut self, batch: &mut Batch) {
        if matches!(self.told, Some(SourceState::Closed | SourceState::Failed(_))) {
            let state = self.decoder.format().map_or(SourceState::Pending, SourceState::Reading);
            batch.state = Some(state.clone());
            self.told = Some(state);
        }
    }

    fn fail(&mut self, error: &io::Error, batch: &mut Batch) -> Step {
        self.file = None;
        self.seen = None;
        self.id = None;
        let state = if error.kind() == io::ErrorKind::NotFound && self.was_there {
            SourceState::Closed
        } else {
            SourceState::Failed(why(&self.path, error))
        };
        self.was_there = false;
        if self.told.as_ref() != Some(&state) && !(self.told == Some(SourceState::Closed) && is_missing(error)) {
            batch.state = Some(state);
        }
        Step::Gone
    }
}

fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Gemini CLI writes a project's directory beside its `chats`.
pub(crate) fn project_root(path: &Path) -> Option<String> {
    let chats = path.ancestors().skip(1).take(2).find(|dir| dir.file_name().is_some_and(|name| name == "chats"))?;
    let text = std::fs::read_to_string(chats.with_file_name(".project_root")).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// What went wrong with which file, in words.
pub fn why(path: &Path, error: &io::Error) -> Text {
    Text::new(&format!("{}: {error}", path.display()))
}

/// Reads until the buffer is full, the file ends, or `expected` bytes are there.
fn read_at(file: &File, buffer: &mut [u8], offset: u64, expected: u64) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() && (got as u64) < expected {
        match file.read_at(&mut buffer[got..], offset + got as u64) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn remember(trace: &mut Vec<u8>, read: &[u8]) {
    let tail = &read[read.len().saturating_sub(TRACE)..];
    let keep = TRACE - tail.len();
    let drop = trace.len().saturating_sub(keep);
    trace.drain(..drop);
    trace.extend_from_slice(tail);
}

fn digest(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{event:?}").hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
