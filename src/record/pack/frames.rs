//! Where the frames of a packed file are: enough of zstd's format to step over one without unpacking it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of a frame that readers skip; the first is 0x50 to 0x5f.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
/// Bytes looked through at a time.
const WINDOW: usize = 64 << 10;

/// What stands at a place of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// A frame, all of it there.
    Frame {
        len: u64,
    },
    /// Something that is not ours to read, as the table at the end.
    Skip {
        len: u64,
    },
    /// No frame, or one that is cut off.
    Damaged,
    End,
}

/// Looks at the place `at`.
pub fn walk(file: &File, at: u64) -> io::Result<Walk> {
    let size = file.metadata()?.len();
    if at >= size {
        return Ok(Walk::End);
    }
    let Some(magic) = bytes::<4>(file, at)? else { return Ok(Walk::Damaged) };
    if magic[1..] == SKIPPABLE && (0x50..=0x5f).contains(&magic[0]) {
        let Some(len) = bytes::<4>(file, at + 4)? else { return Ok(Walk::Damaged) };
        let len = 8 + u64::from(u32::from_le_bytes(len));
        return Ok(if at + len <= size { Walk::Skip { len } } else { Walk::Damaged });
    }
    if magic != MAGIC {
        return Ok(Walk::Damaged);
    }
    let Some([descriptor]) = bytes::<1>(file, at + 4)? else { return Ok(Walk::Damaged) };
    let mut next = at + 4 + header_len(descriptor);
    loop {
        let Some(head) = bytes::<3>(file, next)? else { return Ok(Walk::Damaged) };
        let head = u32::from_le_bytes([head[0], head[1], head[2], 0]);
        let (is_last, kind, len) = (head & 1 == 1, (head >> 1) & 3, u64::from(head >> 3));
        next += 3 + match kind {
            0 | 2 => len,
            1 => 1,
            _ => return Ok(Walk::Damaged),
        };
        if is_last {
            break;
        }
    }
    let has_checksum = descriptor & 0b100 != 0;
    next += if has_checksum { 4 } else { 0 };
    Ok(if next <= size { Walk::Frame { len: next - at } } else { Walk::Damaged })
}

/// Bytes of a frame's header after its magic number.
fn header_len(descriptor: u8) -> u64 {
    let is_single = descriptor & 0b10_0000 != 0;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 0b11)];
    let content = match descriptor >> 6 {
        0 => u64::from(is_single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    1 + u64::from(!is_single) + dictionary + content
}

/// The next place from `at` on where a frame may begin; the file's end if there is none.
pub fn next_magic(file: &File, mut at: u64) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let mut window = vec![0; WINDOW];
    while at < size {
        let n = file.read_at(&mut window, at)?;
        if n < MAGIC.len() {
            break;
        }
        let found = window[..n].windows(4).position(|four| four == MAGIC || is_skippable(four));
        match found {
            Some(found) => return Ok(at + found as u64),
            None => at += (n - 3) as u64,
        }
    }
    Ok(size)
}

fn is_skippable(four: &[u8]) -> bool {
    four[1..] == SKIPPABLE && four[0] == 0x5e
}

fn bytes<const N: usize>(file: &File, at: u64) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
