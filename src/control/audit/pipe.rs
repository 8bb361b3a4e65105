//! From a process that must stay single-threaded, because it forks, to one that writes the log.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::AuditSink;
use super::append::write_now;
use super::record::{Entry, Fact};
use super::split::Splitter;
use crate::clock;
use crate::domain::text::Text;

/// The end that is recorded to. A fact is one write of one line, shorter than what a pipe takes whole or not at all;
/// when the pipe is full the fact is dropped and counted, and the count is the next thing that is told.
#[derive(Debug)]
pub struct Pipe {
    writer: PipeWriter,
    lost: AtomicU64,
}

impl Pipe {
    /// Both ends, not inherited by programs that are started. Reading ends when every copy of the writing end is closed,
    /// so whoever reads closes the copy that it got by being forked.
    pub fn pair() -> io::Result<(Self, PipeReader)> {
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&writer, true)?;
        Ok((Self { writer, lost: AtomicU64::new(0) }, reader))
    }

    /// Another end to record to, for the same reader.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { writer: self.writer.try_clone()?, lost: AtomicU64::new(0) })
    }

    fn send(&self, entry: &Entry) -> io::Result<()> {
        let mut line = entry.line()?;
        line.push(b'\n');
        let mut writer = &self.writer;
        loop {
            match writer.write(&line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(got) if got < line.len() => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Tells how many facts were dropped. False if even that doesn't go out.
    fn tell_lost(&self) -> bool {
        let lost = self.lost.load(Ordering::Relaxed);
        if lost == 0 {
            return true;
        }
        let why = Text::new("the process that writes the log did not keep up");
        let told = self.send(&Entry { at: clock::now(), run: None, fact: Fact::Degraded { why, lost } }).is_ok();
        if told {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        told
    }
}

impl AuditSink for Pipe {
    fn take(&self, entry: Entry) {
        if !self.tell_lost() || self.send(&entry).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_degraded(&self) -> bool {
        self.lost.load(Ordering::Relaxed) > 0
    }
}

/// What comes last is the proof of an end: so long the disk may take before the process that pumps goes on to exit.
const LAST: Duration = Duration::from_secs(2);

/// Hands everything that comes down the pipe to `sink`, until nobody is left who could write to it, and waits for the
/// disk.
pub fn pump(mut reader: impl Read, sink: &dyn AuditSink) {
    let mut splitter = Splitter::default();
    let mut buffer = [0; 16 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(got) => splitter.feed(&buffer[..got], |piece| {
                if let Some(entry) = entry(piece.bytes) {
                    sink.take(entry);
                } else if piece.ends {
                    sink.record(None, unreadable(1));
                }
            }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    if splitter.finish(|_| {}) {
        sink.record(None, unreadable(1));
    }
    sink.flush(LAST);
}

/// Writes what is left in the pipe to the log itself and waits for the disk: for a supervisor whose run is over and whose
/// reader is gone; beside a reader that is still there each might get half of a line. Returns how many facts that were.
pub fn drain(reader: &PipeReader, path: &Path, patience: Duration) -> io::Result<usize> {
    let (mut entries, mut torn) = (Vec::new(), 0);
    let mut splitter = Splitter::default();
    let mut buffer = [0; 16 * 1024];
    while is_readable(reader)? {
        let mut source = reader;
        let got = source.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        splitter.feed(&buffer[..got], |piece| match entry(piece.bytes) {
            Some(entry) => entries.push(entry),
            None => torn += 1,
        });
    }
    torn += u64::from(splitter.finish(|_| {}));
    if torn > 0 {
        entries.push(Entry { at: clock::now(), run: None, fact: unreadable(torn) });
    }
    if !entries.is_empty() {
        write_now(path, &entries, patience)?;
    }
    Ok(entries.len())
}

fn is_readable(reader: &PipeReader) -> io::Result<bool> {
    let mut fds = [PollFd::new(reader, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    Ok(fds[0].revents().intersects(PollFlags::IN))
}

fn entry(line: &[u8]) -> Option<Entry> {
    serde_json::from_slice(line).ok()
}

fn unreadable(lost: u64) -> Fact {
    Fact::Degraded { why: Text::new("a fact came to the writer of the log in pieces"), lost }
}
