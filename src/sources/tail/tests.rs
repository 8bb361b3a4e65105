use std::fs;
use std::io::Write;

use super::*;
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
    tail: Tail,
}

impl Bench {
    fn new(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tail = Tail::new(&dir.path().join("x.jsonl"), kind);
        Self { dir, tail }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("x.jsonl")
    }

    fn write(&self, text: &[u8]) {
        fs::write(self.path(), text).unwrap();
    }

    fn append(&self, text: &[u8]) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.path()).unwrap();
        file.write_all(text).unwrap();
    }

    /// A new file takes the path, as log rotation and careful editors do.
    fn replace(&self, text: &[u8]) {
        let other = self.dir.path().join("other");
        fs::write(&other, text).unwrap();
        fs::rename(&other, self.path()).unwrap();
    }

    fn read(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut buffer = vec![0; 4096];
        while self.tail.step(&mut buffer, &mut batch) == Step::More {}
        batch
    }
}

#[test]
fn whole_lines_are_read_once_and_a_torn_one_when_it_is_whole() {
    let mut b = Bench::new(Kind::Lines);
    b.write(b"one\ntwo\nthr");
    assert_eq!(b.read().lines, 2);
    assert!(!b.tail.has_changed());
    assert!(b.read().is_empty());
    b.append(b"ee\r\nfo");
    assert!(b.tail.has_changed());
    assert_eq!(b.read().lines, 1);
    b.append(b"ur\n");
    assert_eq!(b.read().lines, 1);
}

#[test]
fn a_last_line_without_line_feed_is_read_when_it_is_a_whole_object() {
    let mut b = Bench::new(Kind::Lines);
    b.write(b"{\"a\":1}");
    assert_eq!(b.read().lines, 1);
    b.append(b"\n{\"a\":");
    assert_eq!(b.read().lines, 0);
    b.append(b"2}\n");
    assert_eq!(b.read().lines, 1);
}

#[test]
fn a_truncated_file_is_read_again_from_its_start() {
    let mut b = Bench::new(Kind::Lines);
    b.write(b"one\ntwo\n");
    assert_eq!(b.read().lines, 2);
    b.write(b"three\n");
    assert_eq!(b.read().lines, 1);
    b.append(b"four\n");
    assert_eq!(b.read().lines, 1);
}

#[test]
fn a_file_truncated_and_regrown_past_the_offset_is_noticed_by_its_content() {
    let mut b = Bench::new(Kind::Lines);
    b.write(b"one\ntwo\n");
    assert_eq!(b.read().lines, 2);
    b.write(b"three\nfour\nfive\n");
    assert_eq!(b.read().lines, 3);
}

#[test]
fn a_replaced_file_is_read_from_its_start_unless_it_is_a_longer_copy_of_itself() {
    let mut b = Bench::new(Kind::Lines);
    b.write(b"one\ntwo\n");
    assert_eq!(b.read().lines, 2);
    b.replace(b"one\ntwo\nthree\n");
    assert_eq!(b.read().lines, 1);
    b.replace(b"ONE\nTWO\nthree\nfour\nfive\n");
    assert_eq!(b.read().lines, 5);
}

#[test]
fn a_removed_file_is_closed_and_picked_up_again_when_it_is_back() {
    let mut b = Bench::new(Kind::Lines);
    let first = b.read();
    assert!(
        matches!(first.state, Some(SourceState::Failed(ref why)) if why.as_str().contains("x.jsonl: No such file"))
    );
    assert!(b.read().state.is_none(), "the same trouble is told once");
    b.write(b"one\n");
    let back = b.read();
    assert_eq!((back.state, back.lines), (Some(SourceState::Pending), 1));
    fs::remove_file(b.path()).unwrap();
    assert!(b.tail.has_changed());
    assert_eq!(b.read().state, Some(SourceState::Closed));
    assert!(b.read().state.is_none());
    assert!(!b.tail.has_changed());
    b.write(b"two\nthree\n");
    let back = b.read();
    assert_eq!((back.state, back.lines), (Some(SourceState::Pending), 2));
}

#[test]
fn what_is_no_regular_file_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let mut tail = Tail::new(dir.path(), Kind::Lines);
    let mut batch = Batch::default();
    assert_eq!(tail.step(&mut [0; 64], &mut batch), Step::Gone);
    assert!(matches!(batch.state, Some(SourceState::Failed(ref why)) if why.as_str().contains("not a regular file")));
}

#[test]
fn forty_lines_that_say_nothing_make_a_file_unknown_until_it_is_replaced() {
    let mut b = Bench::new(Kind::Lines);
    b.write("nothing\n".repeat(39).as_bytes());
    assert_eq!(b.read().state, None);
    b.append(b"nothing\nnothing\n");
    assert_eq!(b.read().state, Some(SourceState::Unknown));
    b.append(b"more\n");
    assert_eq!(b.read().bytes, 0, "it is not read on");
    b.replace(b"other\n");
    assert_eq!(b.read().lines, 1);
}

#[test]
fn a_line_longer_than_can_be_held_is_skipped_and_counted() {
    let mut b = Bench::new(Kind::Lines);
    let mut file = fs::File::create(b.path()).unwrap();
    file.write_all(b"one\n").unwrap();
    for _ in 0..100 {
        file.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    file.write_all(b"\ntwo\n").unwrap();
    let mut batch = Batch::default();
    let mut buffer = vec![0; CHUNK];
    while b.tail.step(&mut buffer, &mut batch) == Step::More {}
    assert_eq!((batch.lines, batch.skipped), (2, 1));
}

#[test]
fn a_document_is_read_when_it_is_whole_and_only_when_it_changed() {
    let mut b = Bench::new(Kind::Document);
    b.write(b"{\"a\":\n [1,");
    assert_eq!(b.read().lines, 0);
    b.append(b"2]}\n");
    assert_eq!(b.read().lines, 1);
    assert!(b.read().is_empty());
    b.write(b"{\"a\":\n [1,2,3]}\n");
    assert_eq!(b.read().lines, 1);
}

#[test]
fn reading_changes_nothing_about_the_file() {
    let mut b = Bench::new(Kind::Lines);
    b.write(b"one\n");
    let before = fs::metadata(b.path()).unwrap();
    b.read();
    let after = fs::metadata(b.path()).unwrap();
    assert_eq!((before.mtime(), before.size()), (after.mtime(), after.size()));
    assert!(b.tail.is_open());
    b.tail.close();
    b.append(b"two\n");
    assert_eq!(b.read().lines, 1);
}

#[test]
fn lines_that_come_again_after_a_truncation_are_not_passed_on_again() {
    let line =
        |kind: &str, rest: &str| format!("{{\"redkey\":1,\"run\":\"r\",\"ts\":1000,\"type\":\"{kind}\"{rest}}}\n");
    let error = line("api_error", r#","text":"busy""#);
    let answer = line("model_call", r#","model":"m","output_tokens":10"#);
    let decision = line("decision", r#","text":"d","before":8,"after":2"#);
    let base = [line("prompt", ""), error.clone(), error.clone(), answer, decision].concat();
    let mut b = Bench::new(Kind::Lines);
    b.write(base.as_bytes());
    assert_eq!(b.read().events.len(), 5);
    let part: String = base.split_inclusive('\n').take(3).collect();
    b.write(part.as_bytes());
    assert_eq!(b.read().events.len(), 0, "truncated");
    b.write(base.as_bytes());
    assert_eq!(b.read().events.len(), 0, "written again");
    b.replace(format!("{error}{base}").as_bytes());
    assert_eq!(b.read().events.len(), 1, "a third error is new, and nothing else");
    b.append(line("run_ended", "").as_bytes());
    assert_eq!(b.read().events.len(), 1);
}
