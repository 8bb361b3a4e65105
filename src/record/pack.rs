//! Recordings that have ended are packed: seekable zstd, frames of about a megabyte that each begin with a line, and a
//! table of them at the end. Any zstd reads it; [`Table`] finds a place in it without unpacking what is before.
//!
//! Nothing depends on the table: where it is missing or wrong the frames are found by walking them. A frame that is
//! damaged is skipped and counted, and the others are read.

pub mod frames;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

use zeekstd::{EncodeOptions, FrameSizePolicy, OffsetFrom, SeekTable, Seekable, seek_table};

use frames::{Walk, walk};

/// A frame is closed after so many bytes of lines.
pub const FRAME: usize = 1 << 20;
/// No frame of ours is larger; a larger one is somebody's attempt to fill the memory.
const MAX_FRAME: usize = 32 << 20;
/// Bytes unpacked at a time.
const CHUNK: usize = 128 << 10;
const LEVEL: zeekstd::CompressionLevel = 3;

/// Packs lines; bytes in and bytes out.
pub fn pack(from: impl Read, to: impl Write) -> io::Result<(u64, u64)> {
    let options = EncodeOptions::new()
        .checksum_flag(true)
        .compression_level(LEVEL)
        .frame_size_policy(FrameSizePolicy::Uncompressed(MAX_FRAME as u32));
    let mut encoder = options.into_encoder(to).map_err(io::Error::other)?;
    let mut from = BufReader::with_capacity(CHUNK, from);
    let (mut line, mut raw, mut in_frame) = (Vec::new(), 0_u64, 0_usize);
    loop {
        line.clear();
        // A line without an end is taken in parts; it is no record anyway.
        if (&mut from).take(FRAME as u64).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if in_frame >= FRAME {
            encoder.end_frame().map_err(io::Error::other)?;
            in_frame = 0;
        }
        encoder.write_all(&line)?;
        in_frame += line.len();
        raw += line.len() as u64;
    }
    let packed = encoder.finish().map_err(io::Error::other)?;
    Ok((raw, packed))
}

/// One frame: where it stands, and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub start: u64,
    pub len: u64,
    /// Where its content begins, and how long it is, unpacked.
    pub raw_start: u64,
    pub raw_len: u64,
}

/// All frames of a packed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub frames: Vec<Frame>,
    /// The file has no table, or one that doesn't fit: this one was made by unpacking everything once.
    pub rebuilt: bool,
    /// Bytes that belong to no frame that can be read.
    pub damaged: u64,
}

impl Table {
    /// Reads the file's own table; makes one where that can't be.
    pub fn of(file: &File) -> io::Result<Self> {
        match Self::written(file)? {
            Some(table) => Ok(table),
            None => Self::rebuild(file),
        }
    }

    /// The table at the end of the file, if it is there and fits the file.
    fn written(file: &File) -> io::Result<Option<Self>> {
        let size = file.metadata()?.len();
        let mut source = Strict { file, at: 0, end: size };
        let Ok(read) = SeekTable::from_seekable(&mut source) else { return Ok(None) };
        let mut table = Self::default();
        for index in 0..read.num_frames() {
            let (Ok(start), Ok(len)) = (read.frame_start_comp(index), read.frame_size_comp(index)) else {
                return Ok(None);
            };
            let (Ok(raw_start), Ok(raw_len)) = (read.frame_start_decomp(index), read.frame_size_decomp(index)) else {
                return Ok(None);
            };
            table.frames.push(Frame { start, len, raw_start, raw_len });
        }
        let fits = read.size_comp() <= size && table.frames.iter().all(|f| f.raw_len <= MAX_FRAME as u64);
        // The first and the last frame must be where it says: a table of another file would lead astray.
        let is_frame = |frame: &Frame| matches!(walk(file, frame.start), Ok(Walk::Frame { len }) if len == frame.len);
        let there = table.frames.first().is_none_or(is_frame) && table.frames.last().is_none_or(is_frame);
        Ok((fits && there && !table.frames.is_empty()).then_some(table))
    }

    fn rebuild(file: &File) -> io::Result<Self> {
        let mut unpacker = Unpacker::new(file.try_clone()?);
        let mut table = Self { rebuilt: true, ..Self::default() };
        let mut raw_start = 0;
        while let Some((start, len)) = unpacker.next_frame()? {
            let raw_len = unpacker.raw.len() as u64;
            table.frames.push(Frame { start, len, raw_start, raw_len });
            raw_start += raw_len;
        }
        table.damaged = unpacker.damaged;
        Ok(table)
    }

    pub fn raw_len(&self) -> u64 {
        self.frames.last().map_or(0, |frame| frame.raw_start + frame.raw_len)
    }

    /// The frame in which the byte `offset` of what is unpacked stands.
    pub fn frame_at(&self, offset: u64) -> Option<Frame> {
        let after = self.frames.partition_point(|frame| frame.raw_start <= offset);
        self.frames.get(after.checked_sub(1)?).copied()
    }

    /// The table as it stands at the end of a file.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut table = SeekTable::new();
        for frame in &self.frames {
            let (len, raw) = (u32::try_from(frame.len), u32::try_from(frame.raw_len));
            let (Ok(len), Ok(raw)) = (len, raw) else { return Err(io::Error::other("a frame is too large")) };
            table.log_frame(len, raw).map_err(io::Error::other)?;
        }
        let mut writer = table.into_serializer();
        let mut bytes = vec![0; writer.encoded_len()];
        let mut done = 0;
        while done < bytes.len() {
            match writer.write_into(&mut bytes[done..]) {
                0 => break,
                n => done += n,
            }
        }
        Ok(bytes)
    }
}

/// The lines of a packed file, frame by frame.
#[derive(Debug)]
pub struct Unpacker {
    file: File,
    at: u64,
    raw: Vec<u8>,
    done: usize,
    /// Bytes of the file that could not be unpacked.
    pub damaged: u64,
}

impl Unpacker {
    pub fn new(file: File) -> Self {
        Self { file, at: 0, raw: Vec::new(), done: 0, damaged: 0 }
    }

    /// From the byte `offset` of what is unpacked.
    pub fn at(file: File, table: &Table, offset: u64) -> io::Result<Self> {
        let mut unpacker = Self::new(file);
        if let Some(frame) = table.frame_at(offset) {
            unpacker.at = frame.start;
            unpacker.next_frame()?;
            let skip = usize::try_from(offset - frame.raw_start).unwrap_or(usize::MAX);
            unpacker.done = skip.min(unpacker.raw.len());
        }
        Ok(unpacker)
    }

    /// Bytes of the file that were read.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Unpacks the next frame that can be; where it stands and its length. `None`: there is no more.
    fn next_frame(&mut self) -> io::Result<Option<(u64, u64)>> {
        loop {
            self.raw.clear();
            self.done = 0;
            let start = self.at;
            match walk(&self.file, start)? {
                Walk::End => return Ok(None),
                Walk::Skip { len } => self.at += len,
                Walk::Frame { len } => {
                    self.at += len;
                    match unpack(&self.file, start, len, &mut self.raw) {
                        Ok(()) => return Ok(Some((start, len))),
                        Err(()) => self.damaged += len,
                    }
                }
                Walk::Damaged => {
                    let next = frames::next_magic(&self.file, start + 1)?;
                    self.damaged += next - start;
                    self.at = next;
                }
            }
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.done >= self.raw.len() {
            if self.next_frame()?.is_none() {
                return Ok(0);
            }
        }
        let n = buf.len().min(self.raw.len() - self.done);
        buf[..n].copy_from_slice(&self.raw[self.done..self.done + n]);
        self.done += n;
        Ok(n)
    }
}

/// Unpacks one whole frame. What came before the damage is no good either: its checksum was not seen.
fn unpack(file: &File, start: u64, len: u64, raw: &mut Vec<u8>) -> Result<(), ()> {
    let Ok(c_size) = u32::try_from(len) else { return Err(()) };
    // How long it will be is not known here, and its checksum is only looked at where it is read to its very end.
    let mut table = SeekTable::new();
    table.log_frame(c_size, MAX_FRAME as u32).map_err(|_| ())?;
    let source = Strict { file, at: start, end: start + len };
    let source = Shifted { inner: source, start };
    let options = zeekstd::DecodeOptions::new(source).seek_table(table);
    let mut decoder = options.into_decoder().map_err(|_| ())?;
    loop {
        let before = raw.len();
        raw.resize(before + CHUNK, 0);
        let result = decoder.decompress(&mut raw[before..]);
        raw.truncate(usize::try_from(decoder.offset()).unwrap_or(0));
        match result {
            Ok(0) => return Err(()), // it is larger than any of ours
            Ok(_) => {}
            // Its source has ended: everything was read, and all was well.
            Err(error) if error.is_io() && decoder.read_compressed() == len => return Ok(()),
            Err(_) => {
                raw.clear();
                return Err(());
            }
        }
    }
}

/// Part of a file, whose end is an error: without it the decoder would wait for more for ever.
struct Strict<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Seekable for Strict<'_> {
    fn set_offset(&mut self, offset: OffsetFrom) -> zeekstd::Result<u64> {
        let at = match offset {
            OffsetFrom::Start(at) => Some(at),
            OffsetFrom::End(back) => self.end.checked_add_signed(back),
        };
        match at.filter(|at| *at <= self.end) {
            Some(at) => {
                self.at = at;
                Ok(at)
            }
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
    }

    fn read(&mut self, buf: &mut [u8]) -> zeekstd::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(buf.len());
        let n = self.file.read_at(&mut buf[..most], self.at)?;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.at += n as u64;
        Ok(n)
    }

    fn seek_table_integrity(
        &mut self,
        _: seek_table::Format,
    ) -> zeekstd::Result<[u8; zeekstd::SEEK_TABLE_INTEGRITY_SIZE]> {
        let mut bytes = [0; zeekstd::SEEK_TABLE_INTEGRITY_SIZE];
        let at = self.end.checked_sub(bytes.len() as u64);
        let at = at.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

/// A frame seen as a file of its own.
struct Shifted<'a> {
    inner: Strict<'a>,
    start: u64,
}

impl Seekable for Shifted<'_> {
    fn set_offset(&mut self, offset: OffsetFrom) -> zeekstd::Result<u64> {
        let at = match offset {
            OffsetFrom::Start(at) => self.inner.set_offset(OffsetFrom::Start(self.start.saturating_add(at)))?,
            end => self.inner.set_offset(end)?,
        };
        Ok(at - self.start)
    }

    fn read(&mut self, buf: &mut [u8]) -> zeekstd::Result<usize> {
        self.inner.read(buf)
    }

    fn seek_table_integrity(
        &mut self,
        format: seek_table::Format,
    ) -> zeekstd::Result<[u8; zeekstd::SEEK_TABLE_INTEGRITY_SIZE]> {
        self.inner.seek_table_integrity(format)
    }
}
