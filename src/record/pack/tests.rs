use std::io::Seek;

use super::*;

/// Lines of which a frame holds some thousands.
fn lines(n: usize) -> Vec<u8> {
    (0..n).flat_map(|i| format!("{{\"line\":{i},\"x\":\"{}\"}}\n", "abcdefgh".repeat(i % 40)).into_bytes()).collect()
}

fn packed(raw: &[u8]) -> (File, Vec<u8>) {
    let mut bytes = Vec::new();
    let (taken, written) = pack(raw, &mut bytes).unwrap();
    assert_eq!((taken, written), (raw.len() as u64, bytes.len() as u64));
    (file(&bytes), bytes)
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn all(file: File) -> (Vec<u8>, u64) {
    let mut unpacker = Unpacker::new(file);
    let mut out = Vec::new();
    unpacker.read_to_end(&mut out).unwrap();
    (out, unpacker.damaged)
}

#[test]
fn what_is_packed_unpacks_and_each_frame_begins_with_a_line() {
    for n in [0, 1, 20_000] {
        let raw = lines(n);
        let (file, _) = packed(&raw);
        assert_eq!(all(file.try_clone().unwrap()), (raw.clone(), 0));
        let table = Table::of(&file).unwrap();
        assert_eq!(table.raw_len(), raw.len() as u64, "{n}");
        for frame in table.frames.iter().filter(|frame| frame.raw_start > 0) {
            assert_eq!(raw[frame.raw_start as usize - 1], b'\n');
        }
        assert!(n < 20_000 || (table.frames.len() > 2 && !table.rebuilt), "{table:?}");
    }
}

#[test]
fn any_place_is_reached_without_what_is_before_it() {
    let raw = lines(20_000);
    let (file, _) = packed(&raw);
    let table = Table::of(&file).unwrap();
    for at in [0, 1, FRAME as u64 - 1, FRAME as u64 + 500, table.frames[1].raw_start, raw.len() as u64 - 1] {
        let mut out = Vec::new();
        Unpacker::at(file.try_clone().unwrap(), &table, at).unwrap().read_to_end(&mut out).unwrap();
        assert!(out == raw[at as usize..], "{at}");
    }
}

#[test]
fn a_lost_table_is_made_anew() {
    let raw = lines(20_000);
    let (whole, bytes) = packed(&raw);
    let table = Table::of(&whole).unwrap();
    let end = table.frames.last().map(|frame| (frame.start + frame.len) as usize).unwrap();
    for cut in [end, end + 3, bytes.len() - 1] {
        let file = file(&bytes[..cut]);
        let made = Table::of(&file).unwrap();
        assert!(made.rebuilt);
        assert_eq!(made.frames, table.frames);
        assert_eq!(all(file).0, raw);
    }
    // The table of another file is none.
    let mut other = bytes[..end].to_vec();
    other.extend(
        Table { frames: vec![Frame { start: 0, len: 9, raw_start: 0, raw_len: 9 }], ..table.clone() }.bytes().unwrap(),
    );
    assert!(Table::of(&file(&other)).unwrap().rebuilt);
    assert_eq!(table.bytes().unwrap(), bytes[end..]);
}

#[test]
fn cut_anywhere_the_whole_frames_are_there_and_nothing_hangs() {
    let raw = lines(20_000);
    let (whole, bytes) = packed(&raw);
    let frames = Table::of(&whole).unwrap().frames;
    for cut in (0..bytes.len()).step_by(bytes.len() / 97) {
        let (out, damaged) = all(file(&bytes[..cut]));
        let there =
            frames.iter().filter(|frame| (frame.start + frame.len) as usize <= cut).map(|f| f.raw_len).sum::<u64>();
        assert!(out == raw[..there as usize], "{cut}");
        assert!(damaged as usize <= cut);
    }
}

#[test]
fn a_damaged_frame_hides_no_other() {
    let raw = lines(20_000);
    let (whole, bytes) = packed(&raw);
    let frames = Table::of(&whole).unwrap().frames;
    let second = frames[1];
    for hit in [second.start, second.start + 5, second.start + second.len / 2, second.start + second.len - 1] {
        let mut bytes = bytes.clone();
        bytes[hit as usize] ^= 0x55;
        let (out, damaged) = all(file(&bytes));
        assert!(damaged > 0, "{hit}");
        let after = &raw[(second.raw_start + second.raw_len) as usize..];
        assert!(out.starts_with(&raw[..second.raw_start as usize]) && out.ends_with(after), "{hit}");
    }
}

#[test]
fn a_frame_that_would_fill_the_memory_is_none() {
    let mut bytes = Vec::new();
    let options = EncodeOptions::new().frame_size_policy(FrameSizePolicy::Uncompressed(1 << 30));
    let mut encoder = options.into_encoder(&mut bytes).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..40).for_each(|_| encoder.write_all(&zeros).unwrap());
    encoder.finish().unwrap();
    let (out, damaged) = all(file(&bytes));
    assert!(out.is_empty() && damaged > 0);
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_a_panic_or_hang(bytes: Vec<u8>, magic: bool) {
        let mut bytes = bytes;
        if magic {
            bytes.splice(0..0, [0x28, 0xb5, 0x2f, 0xfd]);
        }
        let _ = Table::of(&file(&bytes));
        all(file(&bytes));
    }
}
