//! PURE. Bytes in any chunks become whole lines with their offsets.

use memchr::memchr;

/// Longest line that is held, in bytes. Longer ones are skipped and counted.
pub const MAX_LINE: usize = 16 << 20;

/// Buffers above this are given back once their line is whole; a quiet source holds next to nothing.
const KEEP_BUFFER: usize = 64 << 10;

/// Splits bytes at line feeds. A carriage return before one is cut off; any other byte may stand in a line.
///
/// Holds at most `cap` bytes: the start of the line that is not whole yet. How the input is cut into chunks changes
/// nothing in what comes out.
#[derive(Clone, Debug)]
pub struct Lines {
    held: Vec<u8>,
    /// Offset of the first byte of the line that is not whole yet.
    start: u64,
    /// The line that is not whole yet is too long; its bytes are dropped as they come.
    skipping: bool,
    skipped: u64,
    cap: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_cap(MAX_LINE)
    }
}

impl Lines {
    pub fn with_cap(cap: usize) -> Self {
        Self { held: Vec::new(), start: 0, skipping: false, skipped: 0, cap }
    }

    /// Takes the next bytes and passes on every line that they make whole: offset of its first byte, and its bytes.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(u64, &[u8])) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            let length = self.held.len() as u64 + end as u64 + 1;
            if self.skipping || self.held.len() + line.len() > self.cap {
                self.skipped += 1;
                self.start += length;
                self.skipping = false;
                self.drop_held();
            } else if self.held.is_empty() {
                each(self.start, without_return(line));
                self.start += length;
            } else {
                self.held.extend_from_slice(line);
                each(self.start, without_return(&self.held));
                self.start += length;
                self.drop_held();
            }
            bytes = rest;
        }
        self.hold(bytes);
    }

    /// Passes on the line that has no end yet, if `is_whole` says that nothing more belongs to it.
    pub fn flush_if(&mut self, is_whole: impl FnOnce(&[u8]) -> bool, each: impl FnOnce(u64, &[u8])) {
        if self.skipping || self.held.is_empty() || !is_whole(&self.held) {
            return;
        }
        each(self.start, without_return(&self.held));
        self.start += self.held.len() as u64;
        self.drop_held();
    }

    /// The input has ended: what is left is the last line.
    pub fn finish(&mut self, each: impl FnOnce(u64, &[u8])) {
        if self.skipping {
            self.skipped += 1;
            self.skipping = false;
        }
        self.flush_if(|_| true, each);
    }

    /// Lines skipped since this was asked last.
    pub fn take_skipped(&mut self) -> u64 {
        std::mem::take(&mut self.skipped)
    }

    /// Bytes held of a line that is not whole.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.skipping {
            self.start += bytes.len() as u64;
        } else if self.held.len() + bytes.len() > self.cap {
            // From here on `start` runs along with the bytes that are dropped.
            self.start += (self.held.len() + bytes.len()) as u64;
            self.skipping = true;
            self.drop_held();
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    fn drop_held(&mut self) {
        self.held.clear();
        if self.held.capacity() > KEEP_BUFFER {
            self.held = Vec::new();
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Got = Vec<(u64, Vec<u8>)>;

    fn split(chunks: &[&[u8]], cap: usize, finish: bool) -> (Got, u64) {
        let mut lines = Lines::with_cap(cap);
        let mut got = Vec::new();
        for chunk in chunks {
            lines.push(chunk, |at, line| got.push((at, line.to_vec())));
        }
        if finish {
            lines.finish(|at, line| got.push((at, line.to_vec())));
        }
        (got, lines.take_skipped())
    }

    #[test]
    fn a_torn_last_line_is_held_until_it_is_whole() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        lines.push(b"one\ntw", |at, line| got.push((at, line.to_vec())));
        assert_eq!(got, [(0, b"one".to_vec())]);
        assert_eq!(lines.held(), 2);
        lines.push(b"o\r\n\0\n", |at, line| got.push((at, line.to_vec())));
        assert_eq!(got[1..], [(4, b"two".to_vec()), (9, b"\0".to_vec())]);
        assert_eq!(lines.held(), 0);
    }

    #[test]
    fn a_hundred_megabyte_line_is_skipped_without_being_held() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        lines.push(b"a\n", |at, line| got.push((at, line.to_vec())));
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            lines.push(&chunk, |at, line| got.push((at, line.to_vec())));
            assert!(lines.held() <= MAX_LINE);
            assert!(lines.held.capacity() <= 2 * MAX_LINE);
        }
        assert_eq!(lines.held.capacity(), 0);
        lines.push(b"\nb\n", |at, line| got.push((at, line.to_vec())));
        assert_eq!(got, [(0, b"a".to_vec()), (3 + (100 << 20), b"b".to_vec())]);
        assert_eq!(lines.take_skipped(), 1);
        assert_eq!(lines.take_skipped(), 0);
    }

    #[test]
    fn flushing_early_does_not_shift_what_follows() {
        let mut lines = Lines::default();
        let mut got = Vec::new();
        lines.push(b"{}", |_, _| unreachable!());
        lines.flush_if(|held| held == b"{}", |at, line| got.push((at, line.to_vec())));
        lines.push(b"\nx\n", |at, line| got.push((at, line.to_vec())));
        assert_eq!(got, [(0, b"{}".to_vec()), (2, vec![]), (3, b"x".to_vec())]);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_lines(
            bytes in proptest::collection::vec(prop_oneof![3 => Just(b'\n'), 1 => Just(b'\r'), 6 => any::<u8>()], 0..300),
            cuts in proptest::collection::vec(0usize..300, 0..12),
            cap in 1usize..40,
            finish in any::<bool>(),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let whole = split(&[&bytes], cap, finish);
            prop_assert_eq!(&split(&chunks, cap, finish), &whole);
            // Every line stands where its offset says.
            for (at, line) in &whole.0 {
                prop_assert_eq!(&bytes[*at as usize..*at as usize + line.len()], line.as_slice());
            }
            let feeds = bytes.iter().filter(|b| **b == b'\n').count() as u64;
            let torn = finish && bytes.last().is_some_and(|b| *b != b'\n');
            prop_assert_eq!(whole.0.len() as u64 + whole.1, feeds + u64::from(torn));
        }
    }
}
