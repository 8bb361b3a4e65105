//! Reads the log; needs no lock, and takes no line that isn't whole.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::chain::{self, Report, Seal, Verifier};
use super::record::Record;
use super::split::{Piece, Splitter};

/// Bytes before the offset that are compared, to see that the file still says what was read.
const TRACE: usize = 64;

/// What stands in a log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    pub records: Vec<Record>,
    /// Lines that are no record.
    pub skipped: u64,
}

/// Everything that is there; nothing, if there is no log.
pub fn read(path: &Path) -> io::Result<Log> {
    let mut log = Log::default();
    each(path, |piece| match record(piece) {
        Some(record) => log.records.push(record),
        None => log.skipped += u64::from(piece.ends),
    })?;
    Ok(log)
}

/// The records whose line names this run somewhere; other lines aren't parsed. Fast also in a long log.
pub fn about(path: &Path, run: &str) -> io::Result<Vec<Record>> {
    let (finder, mut records) = (memmem::Finder::new(run.as_bytes()), vec![]);
    each(path, |piece| {
        if finder.find(piece.bytes).is_some() {
            records.extend(record(piece));
        }
    })?;
    Ok(records)
}

/// Walks over the whole log and says where its chain doesn't hold. `kept`: a seal that was written down elsewhere.
/// `None`: there is no log.
pub fn verify(path: &Path, kept: Option<Seal>) -> io::Result<Option<Report>> {
    let mut verifier = Verifier::new(kept);
    let is_there = each(path, |piece| verifier.piece(piece))?;
    Ok(is_there.then(|| verifier.finish()))
}

/// The file's lines; the last also if it has no newline. False: there is no file.
fn each(path: &Path, mut take: impl FnMut(Piece<'_>)) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let (mut splitter, mut buffer) = (Splitter::default(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => splitter.feed(&buffer[..got], &mut take),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    splitter.finish(&mut take);
    Ok(true)
}

fn record(piece: Piece<'_>) -> Option<Record> {
    (piece.starts && piece.ends).then(|| chain::parse(piece.bytes)).flatten()
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Follows a log that grows.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    /// Lines without it are passed over unread.
    only: Option<&'static [u8]>,
    id: Option<(u64, u64)>,
    offset: u64,
    trace: Vec<u8>,
    splitter: Splitter,
    /// Of the last record handed out.
    last: Option<Seal>,
    skipped: u64,
    restarts: u64,
}

impl Tail {
    /// From the first record on.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            only: None,
            id: None,
            offset: 0,
            trace: Vec::new(),
            splitter: Splitter::default(),
            last: None,
            skipped: 0,
            restarts: 0,
        }
    }

    /// The same, of those records alone whose line has `words` in it: fast also in a long log.
    pub fn only(path: &Path, words: &'static [u8]) -> Self {
        Self { only: Some(words), ..Self::new(path) }
    }

    /// Records that have come since the last call. A line is held until it is whole. If another file stands there now,
    /// or the same one has shrunk or says something else: what follows the record handed out last, or, if that one is
    /// gone, everything, and [`Tail::restarts`] counts it.
    pub fn more(&mut self) -> io::Result<Vec<Record>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let meta = file.metadata()?;
        let id = (meta.dev(), meta.ino());
        let is_same = self.id == Some(id) && meta.len() >= self.offset && self.is_as_read(&file)?;
        if is_same && meta.len() == self.offset {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        if !is_same {
            self.offset = 0;
            self.trace.clear();
            self.splitter = Splitter::default();
            self.skipped = 0;
        }
        self.id = Some(id);
        self.take(&file, &mut found)?;
        if !is_same && let Some(last) = self.last {
            match found.iter().rposition(|(_, seal)| *seal == last) {
                Some(place) => drop(found.drain(..=place)),
                None => {
                    self.restarts += 1;
                    self.last = None;
                }
            }
        }
        if let Some((_, seal)) = found.last() {
            self.last = Some(*seal);
        }
        Ok(found.into_iter().map(|(record, _)| record).collect())
    }

    /// Lines so far that are no record.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How often what came was the beginning of another log.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    fn is_as_read(&self, file: &File) -> io::Result<bool> {
        let mut now = vec![0; self.trace.len()];
        let from = self.offset - self.trace.len() as u64;
        match file.read_exact_at(&mut now, from) {
            Ok(()) => Ok(now == self.trace),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn take(&mut self, file: &File, found: &mut Vec<(Record, Seal)>) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let got = match file.read_at(&mut buffer, self.offset) {
                Ok(0) => return Ok(()),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let bytes = &buffer[..got];
            self.offset += got as u64;
            self.trace.extend_from_slice(&bytes[got.saturating_sub(TRACE)..]);
            let extra = self.trace.len().saturating_sub(TRACE);
            self.trace.drain(..extra);
            let (skipped, only) = (&mut self.skipped, self.only);
            let is_meant = |piece: &Piece<'_>| only.is_none_or(|words| memmem::find(piece.bytes, words).is_some());
            self.splitter.feed(bytes, |piece| match is_meant(&piece).then(|| record(piece)) {
                Some(Some(record)) => found.push((record, Seal::of(piece.bytes))),
                Some(None) => *skipped += u64::from(piece.ends),
                None => {}
            });
        }
    }
}
