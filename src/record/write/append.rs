//! From beats to the end of a file, whatever the disk does: what can't be written waits, up to a limit; what is beyond
//! is counted, and the count is written as soon as that can be done again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::record::convert;
use crate::record::format::{Ended, Gap, Header};
use crate::record::redact::Redactor;
use crate::record::tape::{Beat, Side, TapeMsg};

/// Bytes that wait while nothing can be written.
const MAX_PENDING: usize = 4 << 20;

/// The end of a file.
pub trait Sink: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file back to `len` bytes.
    fn cut(&mut self, len: u64) -> io::Result<()>;
}

impl Sink for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.sync_data() {
            // A pipe or a device has nothing to sync.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EROFS)) => Ok(()),
            result => result,
        }
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Writes beats.
#[derive(Debug)]
pub struct Appender<S> {
    sink: S,
    redactor: Redactor,
    /// Bytes of the file that are whole lines.
    good: u64,
    /// The last write failed somewhere in its middle.
    torn: bool,
    pending: Vec<u8>,
    waiting: u64,
    /// Records written, and lost; of the lost those that no line tells yet.
    pub records: u64,
    pub lost: u64,
    untold: u64,
    pub trouble: Option<Text>,
    dirty: bool,
    last: Stamp,
}

impl<S: Sink> Appender<S> {
    /// `good`: how long the file is, all of it whole lines.
    pub fn new(sink: S, good: u64, redactor: Redactor) -> Self {
        Self {
            sink,
            redactor,
            good,
            torn: false,
            pending: Vec::new(),
            waiting: 0,
            records: 0,
            lost: 0,
            untold: 0,
            trouble: None,
            dirty: false,
            last: Stamp::default(),
        }
    }

    /// The first line.
    pub fn begin(&mut self, header: &Header) {
        let from = self.pending.len();
        let header = Header { redacted: !self.redactor.is_off(), ..header.clone() };
        convert::write_header(&header, &mut self.pending);
        self.redactor.line(&mut self.pending, from);
    }

    /// Takes a beat to be written with the next [`Self::write`].
    pub fn take(&mut self, beat: &Beat) {
        self.last = beat.at;
        if self.pending.len() >= MAX_PENDING {
            self.miss(match &beat.msg {
                TapeMsg::Events { events, .. } => events.len() as u64,
                _ => 1,
            });
            return;
        }
        if self.untold > 0 {
            let gap = Gap { why: Text::new("full"), records: std::mem::take(&mut self.untold), bytes: 0 };
            self.put(&Beat { at: beat.at, msg: TapeMsg::Side(Side::Gap(gap)) });
        }
        self.put(beat);
    }

    fn put(&mut self, beat: &Beat) {
        let from = self.pending.len();
        self.waiting += convert::write(beat, &mut self.pending) as u64;
        // A policy holds the very patterns that would find themselves in it.
        if !matches!(beat.msg, TapeMsg::Side(Side::Policy(_))) {
            self.redactor.line(&mut self.pending, from);
        }
    }

    /// Records that never came here.
    pub fn miss(&mut self, records: u64) {
        self.lost += records;
        self.untold += records;
    }

    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Something was written that is not known to be on the disk.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Writes what waits; false: it couldn't, and waits on.
    pub fn write(&mut self) -> bool {
        if self.pending.is_empty() {
            return true;
        }
        if self.torn && self.sink.cut(self.good).is_ok() {
            self.torn = false;
        }
        // What can't be cut off is at least ended: it is a line that no reader takes for a record.
        let result = match self.torn {
            true => self.sink.append(b"\n").and_then(|()| self.sink.append(&self.pending)),
            false => self.sink.append(&self.pending),
        };
        match result {
            Ok(()) => {
                self.good += self.pending.len() as u64 + u64::from(self.torn);
                self.torn = false;
                self.records += std::mem::take(&mut self.waiting);
                self.pending.clear();
                self.dirty = true;
                self.trouble = None;
                true
            }
            Err(error) => {
                self.torn = true;
                self.trouble = Some(Text::new(&error.to_string()));
                false
            }
        }
    }

    /// Brings what was written to the disk.
    pub fn sync(&mut self) {
        if self.dirty {
            match self.sink.sync() {
                Ok(()) => self.dirty = false,
                Err(error) => self.trouble = Some(Text::new(&error.to_string())),
            }
        }
    }

    /// The last line, and everything to the disk; false: not everything.
    pub fn end(&mut self, end: &Ended, at: Stamp) -> bool {
        let at = at.max(self.last);
        let records = self.records + self.waiting;
        let end = Ended { records, lost: self.lost, ..end.clone() };
        self.take(&Beat { at, msg: TapeMsg::Side(Side::End(end)) });
        let written = self.write();
        self.sync();
        written && !self.dirty
    }
}

/// How a file was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// It holds records already.
    pub is_old: bool,
    /// Bytes of a last line that was cut off.
    pub torn: u64,
}

/// Opens a recording's file to write at its end, alone: readable by its user only, in a directory that only its user can
/// enter. A line that was cut off is ended and marked; it stays where it is.
pub fn open(path: &Path, redactor: Redactor, now: Stamp) -> io::Result<(Appender<File>, Found)> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).read(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
    }
    use rustix::fs::{FlockOperation, flock};
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| io::Error::new(io::ErrorKind::WouldBlock, "somebody else writes it"))?;
    let (good, size, has_header) = ends(&file)?;
    if !has_header {
        // Not even the first line is whole: nothing of it can be read.
        file.set_len(0)?;
        return Ok((Appender::new(file, 0, redactor), Found { is_old: false, torn: size }));
    }
    let mut appender = Appender::new(file, size, redactor);
    let torn = size - good;
    if torn > 0 {
        appender.pending.push(b'\n');
        let gap = Gap { why: Text::new("torn"), records: 0, bytes: torn };
        appender.put(&Beat { at: now, msg: TapeMsg::Side(Side::Gap(gap)) });
    }
    Ok((appender, Found { is_old: true, torn }))
}

/// Where the last whole line ends, where the file ends, and whether its first line is whole.
fn ends(file: &File) -> io::Result<(u64, u64, bool)> {
    use std::os::unix::fs::FileExt;
    let size = file.metadata()?.len();
    let mut window = vec![0; 64 << 10];
    let mut end = size;
    while end > 0 {
        let start = end.saturating_sub(window.len() as u64);
        let part = &mut window[..(end - start) as usize];
        file.read_exact_at(part, start)?;
        if let Some(last) = memchr::memrchr(b'\n', part) {
            return Ok((start + last as u64 + 1, size, true));
        }
        end = start;
    }
    Ok((0, size, false))
}
