//! Appends to the log: finds its end, accounts for what was torn off there, and adds records to the chain.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::chain::{Gap, Seal, Verifier};
use super::record::{Entry, Fact};
use super::split::Splitter;
use super::store::{FileStore, Log, Store};
use crate::clock;
use crate::domain::text::Text;

/// How far back the last record is looked for, before all of the log is read.
const LOOK_BACK: [u64; 2] = [16 * 1024, 1024 * 1024];

/// How often a log that is replaced while it is being opened is opened again.
const REPLACED: usize = 4;

/// Writes entries and waits for the disk. One per thread.
pub struct Appender {
    store: Arc<dyn Store>,
    boot_id: Text,
    log: Option<Box<dyn Log>>,
    /// As it was after the last write; another size means that others have written.
    end: Option<End>,
    repair: Option<Repair>,
    lost: u64,
}

#[derive(Clone, Copy)]
struct End {
    size: u64,
    seq: u64,
    seal: Seal,
}

/// Lines that stand in the file and, for all that is known, not on the disk: a sync has failed.
struct Repair {
    id: (u64, u64),
    offset: u64,
    lines: u64,
    bytes: Vec<u8>,
}

impl Appender {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, boot_id: boot_id(), log: None, end: None, repair: None, lost: 0 }
    }

    /// Appends `entries`; with `sync`, all is on the disk before it is well. Returns how many stand in the log now, and
    /// what stopped it. [`io::ErrorKind::WouldBlock`]: another process is writing, which takes less than a millisecond.
    pub fn write(&mut self, entries: &[Entry], sync: bool) -> (usize, io::Result<()>) {
        let mut done = 0;
        let result = self.try_write(entries, sync, &mut done);
        if let Some(log) = &mut self.log {
            log.unlock();
        }
        if result.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            self.log = None;
            self.end = None;
        }
        (done, result)
    }

    /// Records that were written and then lost with the file they stood in; counted once.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn try_write(&mut self, entries: &[Entry], sync: bool, done: &mut usize) -> io::Result<()> {
        self.lock()?;
        let log = self.log.as_mut().ok_or(io::ErrorKind::NotFound)?;
        mend(log.as_mut(), &mut self.repair, &mut self.lost)?;
        let size = log.size()?;
        let mut end = match self.end.take() {
            Some(end) if end.size == size => end,
            known => recover(log.as_mut(), known, size, &self.boot_id)?,
        };
        let (offset, mut bytes) = (end.size, Vec::new());
        for entry in entries {
            append(log.as_mut(), &mut end, entry, &self.boot_id, b"", &mut bytes)?;
            *done += 1;
        }
        if sync && let Err(error) = log.sync() {
            self.repair = Some(Repair { id: log.id(), offset, lines: *done as u64, bytes });
            return Err(error);
        }
        self.end = Some(end);
        Ok(())
    }

    /// Opens the log that stands in its place now and locks it.
    fn lock(&mut self) -> io::Result<()> {
        for _ in 0..REPLACED {
            let log = match &mut self.log {
                Some(log) => log,
                none => {
                    self.end = None;
                    none.insert(self.store.open()?)
                }
            };
            log.try_lock()?;
            if log.is_current() {
                return Ok(());
            }
            self.log = None;
        }
        Err(io::Error::other("the log is replaced again and again"))
    }
}

/// Brings to the disk what a failed sync may have left behind: the same bytes in the same place, so that the chain
/// stays as it is and nothing is there twice.
fn mend(log: &mut dyn Log, repair: &mut Option<Repair>, lost: &mut u64) -> io::Result<()> {
    if let Some(pending) = repair {
        if pending.id == log.id() {
            log.rewrite(&pending.bytes, pending.offset)?;
        } else {
            *lost += pending.lines;
        }
        *repair = None;
    }
    Ok(())
}

/// The end of a log that others have written to since it was `known`. Bytes that are no record stay; a record accounts
/// for them.
fn recover(log: &mut dyn Log, known: Option<End>, size: u64, boot_id: &Text) -> io::Result<End> {
    let (last, gap, is_open) = match known.filter(|end| end.size < size) {
        Some(end) => scan(log, Verifier::after(end.seq, end.seal), end.size, false, size)?,
        None => look_back(log, size)?,
    };
    let (seq, seal) = last.unwrap_or((0, Seal::NONE));
    let mut end = End { size, seq, seal };
    if is_open || gap.is_some() {
        let fact = gap.map_or(Fact::Recovered { torn_bytes: 0, torn: None }, Gap::recovered);
        let entry = Entry { at: clock::now(), run: None, fact };
        let before: &[u8] = if is_open { b"\n" } else { b"" };
        append(log, &mut end, &entry, boot_id, before, &mut Vec::new())?;
    }
    Ok(end)
}

/// The last record, what follows it, and whether a newline is missing.
type Found = (Option<(u64, Seal)>, Option<Gap>, bool);

fn look_back(log: &dyn Log, size: u64) -> io::Result<Found> {
    for distance in LOOK_BACK.into_iter().filter(|distance| *distance < size) {
        let found = scan(log, Verifier::new(None), size - distance, true, size)?;
        if found.0.is_some() {
            return Ok(found);
        }
    }
    scan(log, Verifier::new(None), 0, false, size)
}

/// Walks over what stands after `from`; `skipping`: the first line is cut off, most likely.
fn scan(log: &dyn Log, mut verifier: Verifier, from: u64, mut skipping: bool, size: u64) -> io::Result<Found> {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut offset = from;
    while offset < size {
        let wanted = buffer.len().min(usize::try_from(size - offset).unwrap_or(usize::MAX));
        let got = log.read_at(&mut buffer[..wanted], offset)?;
        if got == 0 {
            break;
        }
        offset += got as u64;
        let mut bytes = &buffer[..got];
        if skipping {
            let Some(end) = memchr::memchr(b'\n', bytes) else { continue };
            bytes = &bytes[end + 1..];
            skipping = false;
        }
        splitter.feed(bytes, |piece| verifier.piece(piece));
    }
    let is_open = splitter.finish(|piece| verifier.piece(piece));
    let (last, gap) = verifier.end();
    Ok((last, gap, is_open))
}

fn append(
    log: &mut dyn Log,
    end: &mut End,
    entry: &Entry,
    boot_id: &Text,
    before: &[u8],
    written: &mut Vec<u8>,
) -> io::Result<()> {
    let seq = end.seq.saturating_add(1);
    let line = entry.sealed(seq, boot_id, end.seal)?;
    let from = written.len();
    written.extend_from_slice(before);
    written.extend_from_slice(&line);
    written.push(b'\n');
    let bytes = &written[from..];
    let got = log.append(bytes)?;
    if got < bytes.len() {
        return Err(io::Error::new(io::ErrorKind::StorageFull, format!("wrote {got} of {} bytes", bytes.len())));
    }
    *end = End { size: end.size + bytes.len() as u64, seq, seal: Seal::of(&line) };
    Ok(())
}

/// Writes at once and waits for the disk: for a command, or for a supervisor whose run is over. `patience`: how long it
/// may wait for other processes to finish writing. After an error some of it may stand in the log.
pub fn write_now(path: &Path, entries: &[Entry], patience: Duration) -> io::Result<()> {
    let mut appender = Appender::new(Arc::new(FileStore(path.to_owned())));
    let until = clock::elapsed() + patience;
    loop {
        match appender.write(entries, true).1 {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && clock::elapsed() < until => {
                std::thread::park_timeout(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// The kernel's id of this boot; empty where there is none.
fn boot_id() -> Text {
    Text::new(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default())
}
