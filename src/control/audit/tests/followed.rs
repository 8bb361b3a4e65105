//! Following a log while it grows, and while it is changed under the reader.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::super::reader::Tail;
use super::{LONG, entry, log, warned};
use crate::control::audit::write_now;

fn add(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn seqs(tail: &mut Tail) -> Vec<u64> {
    tail.more().unwrap().iter().map(|record| record.seq).collect()
}

#[test]
fn records_come_once_and_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let mut tail = Tail::new(&path);
    assert!(seqs(&mut tail).is_empty());
    let whole = log(3);
    let mut got = Vec::new();
    for byte in &whole {
        add(&path, &[*byte]);
        got.extend(seqs(&mut tail));
    }
    assert_eq!(got, [1, 2, 3]);
    assert!(seqs(&mut tail).is_empty());
    add(&path, b"rubbish");
    write_now(&path, &[entry("r", warned("x"))], LONG).unwrap();
    assert_eq!(seqs(&mut tail), [4, 5]);
    assert_eq!((tail.skipped(), tail.restarts()), (1, 0));
}

#[test]
fn a_copy_in_its_place_repeats_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let (path, copy) = (tmp.path().join("audit.jsonl"), tmp.path().join("copy"));
    std::fs::write(&path, log(2)).unwrap();
    let mut tail = Tail::new(&path);
    assert_eq!(seqs(&mut tail), [1, 2]);
    std::fs::write(&copy, log(4)).unwrap();
    std::fs::rename(&copy, &path).unwrap();
    assert_eq!(seqs(&mut tail), [3, 4]);
    assert_eq!(tail.restarts(), 0);
}

#[test]
fn another_log_in_its_place_is_read_from_its_start() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    std::fs::write(&path, log(3)).unwrap();
    let mut tail = Tail::new(&path);
    assert_eq!(seqs(&mut tail), [1, 2, 3]);
    std::fs::write(&path, log(1)).unwrap(); // shrunk
    assert_eq!((seqs(&mut tail), tail.restarts()), (vec![1], 1));
    std::fs::write(&path, b"").unwrap();
    assert_eq!((seqs(&mut tail), tail.restarts()), (vec![], 2));
    for n in 0..9 {
        write_now(&path, &[entry("r", warned(&format!("other {n}")))], LONG).unwrap();
    }
    assert_eq!(seqs(&mut tail), (1..=9).collect::<Vec<u64>>());
    std::fs::remove_file(&path).unwrap();
    assert!(seqs(&mut tail).is_empty());
}
