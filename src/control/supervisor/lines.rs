//! PURE. Lines of a stream that passes by.

/// A line longer than this is passed on unread.
const LINE: usize = 1 << 20;

#[derive(Default)]
pub struct Lines {
    line: Vec<u8>,
    /// Inside a line too long to be held; it passes unread.
    passes: bool,
}

impl Lines {
    /// Gives each whole line to `keep`, and appends to `out` those it wants kept, and what is too long to be asked about.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>, mut keep: impl FnMut(&[u8]) -> bool) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.passes {
                out.extend_from_slice(part);
                self.passes = !ends;
                continue;
            }
            self.line.extend_from_slice(part);
            if ends {
                let line = std::mem::take(&mut self.line);
                if keep(bare(&line)) {
                    out.extend_from_slice(&line);
                }
            } else if self.line.len() > LINE {
                out.append(&mut self.line);
                self.passes = true;
            }
        }
    }

    /// What is left of a line at the end of the stream.
    pub fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.line)
    }
}

/// A line without its end.
fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_passes_but_for_the_lines_that_are_ours() {
        let long = [vec![b'x'; LINE + 2], b"\nafter\n".to_vec()].concat();
        let table: [(&[u8], &[u8]); 5] = [
            (b"a\nredkey-1\nb\r\n\nc", b"a\nb\r\n\nc"),
            (b"redkey-1", b"redkey-1"), // no whole line is no line of ours
            (b"", b""),
            (b"\xff\0\nredkey-2\n", b"\xff\0\n"),
            (&long, &long),
        ];
        for (input, expected) in table {
            for size in [1, 3, 4_096] {
                let (mut lines, mut out) = (Lines::default(), vec![]);
                for part in input.chunks(size) {
                    lines.feed(part, &mut out, |line| !line.starts_with(b"redkey-"));
                }
                out.extend(lines.rest());
                assert!(out == expected, "{} bytes in parts of {size}", input.len());
            }
        }
    }
}
