//! PURE. A compact binary form, written and read by hand: numbers as variable-length bytes, texts with their length.
//! Reading never fails loudly: anything that doesn't fit is `None`, and whoever reads gives up.

use crate::domain::text::Text;

/// Bytes being written.
#[derive(Debug, Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    /// Seven bits a byte, the lowest first.
    pub fn number(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.0.push(n as u8);
    }

    /// Small whether positive or negative.
    pub fn signed(&mut self, n: i64) {
        self.number(((n << 1) ^ (n >> 63)) as u64);
    }

    pub fn fixed(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &Text) {
        self.bytes(text.as_str().as_bytes());
    }

    /// Digests: eight bytes each.
    pub fn keys(&mut self, keys: &[u64]) {
        self.number(keys.len() as u64);
        keys.iter().for_each(|key| self.fixed(*key));
    }

    /// 0 for `None`, else one more.
    pub fn maybe(&mut self, n: Option<i64>) {
        match n {
            None => self.0.push(0),
            Some(n) => {
                self.0.push(1);
                self.signed(n);
            }
        }
    }
}

/// Bytes being read.
#[derive(Clone, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub fn number(&mut self) -> Option<u64> {
        let mut n = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(n);
            }
        }
        None
    }

    pub fn signed(&mut self) -> Option<i64> {
        let n = self.number()?;
        Some((n >> 1) as i64 ^ -((n & 1) as i64))
    }

    pub fn fixed(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*head))
    }

    pub fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let n = usize::try_from(self.number()?).ok()?;
        self.take(n)
    }

    pub fn str(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// Cleaned again: a cache is a file like any other.
    pub fn text(&mut self) -> Option<Text> {
        self.str().map(Text::new)
    }

    /// A count of things that take at least `size` bytes each.
    pub fn count(&mut self, size: usize) -> Option<usize> {
        let n = usize::try_from(self.number()?).ok()?;
        (n <= self.0.len() / size.max(1)).then_some(n)
    }

    pub fn keys(&mut self) -> Option<Vec<u64>> {
        let n = self.count(8)?;
        (0..n).map(|_| self.fixed()).collect()
    }

    pub fn maybe(&mut self) -> Option<Option<i64>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.signed().map(Some),
            _ => None,
        }
    }
}

/// A digest against damage, not against malice. Four lanes, so that megabytes cost little.
pub fn checksum(bytes: &[u8]) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |lane: u64, word: u64| (lane.rotate_left(23) ^ word).wrapping_mul(PRIME);
    let word = |b: &[u8]| b.iter().rev().fold(0u64, |n, b| n << 8 | u64::from(*b));
    let mut lanes = [1u64, 2, 3, 4];
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        for (lane, eight) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = mix(*lane, u64::from_le_bytes(*eight));
        }
    }
    let tail = rest.chunks(8).fold(bytes.len() as u64, |sum, eight| mix(sum, word(eight)));
    lanes.iter().fold(tail, |sum, lane| mix(sum, *lane))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(n: u64, i: i64, m: Option<i64>, keys: Vec<u64>, text: String, cut in 0usize..40) {
            let mut w = Writer::default();
            let text = Text::new(&text);
            w.number(n);
            w.signed(i);
            w.maybe(m);
            w.keys(&keys);
            w.text(&text);
            let mut r = Reader(&w.0);
            prop_assert_eq!((r.number(), r.signed(), r.maybe()), (Some(n), Some(i), Some(m)));
            prop_assert_eq!((r.keys(), r.text()), (Some(keys), Some(text)));
            prop_assert!(r.0.is_empty());
            // A torn end is noticed and never panics.
            let mut r = Reader(&w.0[..w.0.len().saturating_sub(cut + 1)]);
            let all = r.number().is_some() && r.signed().is_some() && r.maybe().is_some() && r.keys().is_some();
            prop_assert!(!all || r.text().is_none());
        }

        #[test]
        fn a_changed_byte_changes_the_checksum(mut bytes in prop::collection::vec(any::<u8>(), 1..200), at: prop::sample::Index) {
            let before = checksum(&bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1;
            prop_assert_ne!(before, checksum(&bytes));
        }
    }
}
