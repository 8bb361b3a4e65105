//! Reads a recording, plain or packed, from its beginning or from a place in it.
//!
//! One line is held at a time. A line that can't be read is skipped and counted; the end of the file ends the tape, and
//! a file that grows goes on when it is asked again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::convert::{self, Unread};
use super::format::Header;
use super::pack::{Table, Unpacker};
use super::tape::{Beat, Lost, Side, Tape, TapeError, TapeMsg};
use crate::domain::text::Text;

/// Longest line that is read; what redkey writes is far shorter.
const MAX_LINE: usize = 4 << 20;
const BUFFER: usize = 128 << 10;

/// A recording, open at a place.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    header: Header,
    bytes: Bytes,
    /// The line being read; without its end where the file has none so far.
    line: Vec<u8>,
    /// The rest of a line that is too long.
    skipping: bool,
    /// Where the next line begins, in unpacked bytes.
    offset: u64,
    size: u64,
    lost: Lost,
    was_damaged: bool,
}

#[derive(Debug)]
enum Bytes {
    Plain(BufReader<File>),
    Packed(BufReader<Unpacker>),
}

/// Is this the name of a packed recording?
pub fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|e| e == "zst")
}

/// Opens a recording at its beginning.
pub fn open(path: &Path) -> Result<Recording, TapeError> {
    let file = File::open(path).map_err(|error| trouble(path, &error))?;
    let size = file.metadata().map_err(|error| trouble(path, &error))?.len();
    let bytes = match begins_packed(&file) {
        true => Bytes::Packed(BufReader::with_capacity(BUFFER, Unpacker::new(file))),
        false => Bytes::Plain(BufReader::with_capacity(BUFFER, file)),
    };
    let mut recording = Recording {
        path: path.to_owned(),
        header: Header::default(),
        bytes,
        line: Vec::new(),
        skipping: false,
        offset: 0,
        size,
        lost: Lost { open: true, ..Lost::default() },
        was_damaged: false,
    };
    recording.read_header()?;
    Ok(recording)
}

/// Opens a recording at the place that [`Recording::offset`] told.
pub fn open_at(path: &Path, offset: u64) -> Result<Recording, TapeError> {
    let mut recording = open(path)?;
    if offset <= recording.offset {
        return Ok(recording);
    }
    let fail = |error: io::Error| trouble(path, &error);
    let mut file = File::open(path).map_err(fail)?;
    recording.bytes = match recording.bytes {
        Bytes::Packed(_) => {
            let table = Table::of(&file).map_err(fail)?;
            Bytes::Packed(BufReader::with_capacity(BUFFER, Unpacker::at(file, &table, offset).map_err(fail)?))
        }
        Bytes::Plain(_) => {
            io::Seek::seek(&mut file, io::SeekFrom::Start(offset)).map_err(fail)?;
            Bytes::Plain(BufReader::with_capacity(BUFFER, file))
        }
    };
    recording.offset = offset;
    Ok(recording)
}

/// zstd's magic number, or that of a skippable frame; a plain recording begins with a brace.
fn begins_packed(file: &File) -> bool {
    let mut head = [0; 4];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut head, 0).unwrap_or(0);
    read == 4 && (head == [0x28, 0xb5, 0x2f, 0xfd] || head[1..] == [0x2a, 0x4d, 0x18])
}

fn trouble(path: &Path, error: &io::Error) -> TapeError {
    TapeError::Read(Text::new(&format!("{}: {error}", path.display())))
}

/// What reading one line came to.
enum Got {
    Line,
    /// A line that is too long; it was skipped.
    Long,
    /// The end, for now.
    End,
}

impl Recording {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next line begins, in unpacked bytes; [`open_at`] goes on there.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn read_header(&mut self) -> Result<(), TapeError> {
        match self.read_line()? {
            Got::Line => {}
            Got::Long => return Err(TapeError::NotOne(Text::new("its first line is too long"))),
            Got::End => return Err(TapeError::NotOne(Text::new("it is empty, or its first line is cut off"))),
        }
        let line = std::mem::take(&mut self.line);
        self.header = convert::read_header(trimmed(&line))?;
        Ok(())
    }

    /// Reads up to the next line's end into `line`. A last line without its end counts as one if it is a whole record.
    fn read_line(&mut self) -> Result<Got, TapeError> {
        loop {
            let room = (MAX_LINE - self.line.len().min(MAX_LINE)) as u64;
            let fail = |error: io::Error| trouble(&self.path, &error);
            let n = match &mut self.bytes {
                Bytes::Plain(from) => from.take(room).read_until(b'\n', &mut self.line),
                Bytes::Packed(from) => from.take(room).read_until(b'\n', &mut self.line),
            }
            .map_err(fail)?;
            self.offset += n as u64;
            let is_ended = self.line.last() == Some(&b'\n');
            if is_ended {
                self.lost.torn = 0;
                if std::mem::take(&mut self.skipping) {
                    self.line.clear();
                    return Ok(Got::Long);
                }
                return Ok(Got::Line);
            }
            if self.line.len() >= MAX_LINE {
                self.skipping = true;
                self.line.clear();
                continue;
            }
            if n == 0 || room == 0 {
                if !self.skipping && is_whole(&self.line) {
                    self.lost.torn = 0;
                    return Ok(Got::Line);
                }
                self.lost.torn = self.line.len() as u64;
                return Ok(Got::End);
            }
        }
    }

    fn note(&mut self, beat: &Beat) {
        let was_damaged = std::mem::take(&mut self.was_damaged);
        match &beat.msg {
            TapeMsg::Side(Side::Gap(gap)) => {
                // What stands before it was counted as a damaged line.
                if was_damaged && gap.why.as_str() == "torn" {
                    self.lost.damaged = self.lost.damaged.saturating_sub(1);
                }
                self.lost.gaps += 1;
                self.lost.gone += gap.records;
            }
            TapeMsg::Side(Side::End(end)) => {
                self.lost.open = false;
                self.lost.gone = self.lost.gone.max(end.lost);
            }
            _ => {}
        }
    }
}

/// A whole object, whose line's end alone is missing.
fn is_whole(line: &[u8]) -> bool {
    line.last() == Some(&b'}') && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

fn trimmed(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}

impl Iterator for Recording {
    type Item = Result<Beat, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_line() {
                Err(error) => return Some(Err(error)),
                Ok(Got::End) => return None,
                Ok(Got::Long) => {
                    self.lost.damaged += 1;
                    self.was_damaged = true;
                    continue;
                }
                Ok(Got::Line) => {}
            }
            let result = match trimmed(&self.line) {
                [] => None,
                line => Some(convert::read(line)),
            };
            self.line.clear();
            match result {
                None => {}
                Some(Ok(beat)) => {
                    self.note(&beat);
                    return Some(Ok(beat));
                }
                Some(Err(Unread::Damaged)) => {
                    self.lost.damaged += 1;
                    self.was_damaged = true;
                }
                Some(Err(Unread::Unknown)) => self.lost.unknown += 1,
            }
        }
    }
}

impl Tape for Recording {
    fn header(&self) -> &Header {
        &self.header
    }

    fn lost(&self) -> Lost {
        let unpacked = match &self.bytes {
            Bytes::Plain(_) => 0,
            Bytes::Packed(from) => from.get_ref().damaged,
        };
        Lost { unpacked, ..self.lost }
    }

    fn position(&self) -> (u64, u64) {
        match &self.bytes {
            Bytes::Plain(_) => (self.offset, self.size.max(self.offset)),
            Bytes::Packed(from) => (from.get_ref().position(), self.size),
        }
    }
}
