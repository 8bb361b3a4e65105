//! PURE. Bytes into lines, with bounded memory.

/// Longest line that is kept whole; a record is far shorter.
const MAX_KEPT: usize = 64 * 1024;

/// A line without its newline, or a piece of one that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    pub bytes: &'a [u8],
    pub starts: bool,
    pub ends: bool,
}

/// Takes bytes as they come and gives lines.
#[derive(Debug, Default)]
pub struct Splitter {
    held: Vec<u8>,
    /// The line that is under way has been given in part.
    is_long: bool,
}

impl Splitter {
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Piece<'_>)) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            let starts = !self.is_long;
            if self.held.is_empty() {
                each(Piece { bytes: line, starts, ends: true });
            } else {
                self.held.extend_from_slice(line);
                each(Piece { bytes: &self.held, starts, ends: true });
            }
            self.held.clear();
            self.is_long = false;
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() > MAX_KEPT {
            each(Piece { bytes: &self.held, starts: !self.is_long, ends: false });
            self.held.clear();
            self.is_long = true;
        }
    }

    /// Nothing follows: gives what is left. True if there was something.
    pub fn finish(&mut self, mut each: impl FnMut(Piece<'_>)) -> bool {
        let is_open = self.is_long || !self.held.is_empty();
        if is_open {
            each(Piece { bytes: &self.held, starts: !self.is_long, ends: true });
        }
        self.held.clear();
        self.is_long = false;
        is_open
    }
}
