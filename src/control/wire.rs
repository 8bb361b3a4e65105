//! Lines of JSON in and out of a Unix socket, within bounds. Nothing here raises SIGPIPE.

use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::SendFlags;
use serde::Serialize;

/// Bytes read at once.
pub const CHUNK: usize = 16 * 1024;

/// `value` as one line, line end included. A line break inside of it can only be space between tokens, where JSON was
/// passed on unread; it becomes a blank.
pub fn line<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    // Nothing that is sent has a map without string keys or a type that fails by itself; an empty line is skipped.
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.iter_mut().filter(|b| matches!(b, b'\n' | b'\r')).for_each(|b| *b = b' ');
    line.push(b'\n');
    line
}

/// A line that is longer than its reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Bytes as they arrive, cut into lines of at most `max` bytes. Blank lines are left out.
#[derive(Debug)]
pub struct Frames {
    max: usize,
    bytes: Vec<u8>,
    /// Start of what hasn't been taken.
    start: usize,
    /// No line end before here.
    scanned: usize,
    /// The rest of a line that was too long is thrown away.
    skipping: bool,
}

impl Frames {
    pub fn new(max: usize) -> Self {
        Self { max, bytes: vec![], start: 0, scanned: 0, skipping: false }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.scanned -= self.start;
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next line, without its end. `None`: none is whole.
    pub fn take(&mut self) -> Option<Result<Vec<u8>, TooLong>> {
        loop {
            let Some(end) = self.line_end() else { return self.overrun().then_some(Err(TooLong)) };
            let line = &self.bytes[self.start..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let (blank, long) = (line.iter().all(u8::is_ascii_whitespace), line.len() > self.max);
            let line = if blank || long || self.skipping { vec![] } else { line.to_vec() };
            self.start = end + 1;
            self.scanned = self.start;
            match std::mem::take(&mut self.skipping) {
                true => {}
                false if long => return Some(Err(TooLong)),
                false if blank => {}
                false => return Some(Ok(line)),
            }
        }
    }

    /// A whole line is waiting to be taken. It may be a blank one.
    pub fn has_line(&mut self) -> bool {
        self.line_end().is_some()
    }

    /// Something of a line is there, but not its end.
    pub fn is_partial(&mut self) -> bool {
        self.skipping || (self.start < self.bytes.len() && self.line_end().is_none())
    }

    fn line_end(&mut self) -> Option<usize> {
        match memchr::memchr(b'\n', &self.bytes[self.scanned..]) {
            Some(at) => {
                self.scanned += at;
                Some(self.scanned)
            }
            None => {
                self.scanned = self.bytes.len();
                None
            }
        }
    }

    /// Throws away a line that is too long already; true if that is news.
    fn overrun(&mut self) -> bool {
        let (long, known) = (self.bytes.len() - self.start > self.max, self.skipping);
        if long || known {
            self.bytes.clear();
            (self.start, self.scanned, self.skipping) = (0, 0, true);
        }
        long && !known
    }
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    Some(usize),
    /// Not now.
    Nothing,
    /// The other end is closed, or broken.
    End,
}

/// Reads once, at most [`CHUNK`] bytes.
pub fn receive(mut stream: &UnixStream, into: &mut Frames) -> Read {
    let mut chunk = [0; CHUNK];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Read::End,
            Ok(n) => {
                into.push(&chunk[..n]);
                return Read::Some(n);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Read::Nothing,
            Err(_) => return Read::End,
        }
    }
}

/// Bytes that wait to be sent.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Sends what the socket takes now. An error: the other end is closed.
    pub fn flush(&mut self, stream: &UnixStream) -> io::Result<()> {
        while !self.is_empty() {
            match rustix::net::send(stream, &self.bytes[self.start..], SendFlags::NOSIGNAL) {
                Ok(n) => self.start += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
        self.clear();
        Ok(())
    }
}

/// Sends all of it on a socket that waits; its timeout, if it has one, is an error.
pub fn send_all(stream: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::net::send(stream, bytes, SendFlags::NOSIGNAL) {
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(frames: &mut Frames) -> Vec<Result<String, TooLong>> {
        std::iter::from_fn(|| frames.take())
            .map(|line| line.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
            .collect()
    }

    #[test]
    fn lines_are_cut_wherever_the_bytes_are() {
        let bytes = b"one\n\n \r\ntwo\r\n123456\n1234567\nthree\n123456789012345678901234567890\nfour\nfi";
        let expected: Vec<_> =
            [Ok("one"), Ok("two"), Ok("123456"), Err(TooLong), Ok("three"), Err(TooLong), Ok("four")]
                .map(|line| line.map(str::to_owned))
                .into();
        for step in 1..=bytes.len() {
            let (mut frames, mut found) = (Frames::new(6), vec![]);
            for chunk in bytes.chunks(step) {
                frames.push(chunk);
                found.extend(lines(&mut frames));
            }
            assert_eq!(found, expected, "{step} bytes at a time");
            assert!(frames.is_partial() && !frames.has_line());
        }
    }

    #[test]
    fn an_endless_line_takes_no_room() {
        let mut frames = Frames::new(100);
        let mut told = 0;
        for _ in 0..1_000 {
            frames.push(&[b'x'; 1_000]);
            told += lines(&mut frames).len();
        }
        assert_eq!(told, 1);
        assert!(frames.bytes.capacity() < 10_000);
        assert!(frames.is_partial());
    }

    #[test]
    fn json_that_is_passed_on_stays_on_its_line() {
        let raw: Box<serde_json::value::RawValue> = serde_json::from_str("{\n\"a\":\r\n\"b\\n\"\n}").expect("JSON");
        assert_eq!(line(&raw), b"{ \"a\":  \"b\\n\" }\n");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_lines(bytes: Vec<u8>, step in 1usize..40) {
            let mut whole = Frames::new(16);
            whole.push(&bytes);
            let (mut frames, mut found) = (Frames::new(16), vec![]);
            for chunk in bytes.chunks(step) {
                frames.push(chunk);
                found.extend(lines(&mut frames));
            }
            prop_assert_eq!(found, lines(&mut whole));
        }
    }
}
