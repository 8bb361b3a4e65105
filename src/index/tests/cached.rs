//! With the cache and without, the totals are the same.

use std::path::PathBuf;

use super::{fixtures, rules};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::index::scan::MAX_LINE;
use crate::index::{Index, Settings, index};

struct Corpus {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    rules: Rules,
    prices: Prices,
}

impl Corpus {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copy = |name: &&str| {
            let to = folder.path().join(name.replace('/', "-"));
            std::fs::copy(fixtures().join(name), &to).unwrap();
            to
        };
        let files = names.iter().map(copy).collect();
        Self { folder, files, rules: rules(), prices: Prices::embedded() }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    fn index(&self, with_cache: bool) -> Index {
        let cache = self.cache();
        let cache = with_cache.then_some(cache.as_path());
        index(&self.files, &Settings { rules: &self.rules, prices: &self.prices, cache, threads: 2 })
    }

    /// Reads with the cache; what comes out is what comes out without. Returns how many files were read.
    fn check(&self) -> usize {
        let (with, without) = (self.index(true), self.index(false));
        assert_eq!(with.sessions, without.sessions);
        assert_eq!((with.unknown, with.skipped), (without.unknown, without.skipped));
        with.read_files
    }
}

const SOME: [&str; 6] = [
    "counting/session.transcript.jsonl",
    "counting/session.subagent-1.transcript.jsonl",
    "counting/fork.transcript.jsonl",
    "claude/errors.transcript.jsonl",
    "codex/errors.transcript.jsonl",
    "gemini/hook_inputs.jsonl",
];

#[test]
fn copies_count_once_over_all_sessions() {
    let corpus = Corpus::new(&SOME[..3]);
    let sessions = corpus.index(false).sessions;
    assert_eq!(sessions.len(), 2);
    let own: u64 = sessions.iter().map(|s| s.own.0.output).sum();
    let each: Vec<u64> = sessions.iter().map(|s| s.usage.output).collect();
    assert_eq!(own, 550);
    assert_eq!(each.iter().sum::<u64>(), 550 + 350, "attribution stays with each session");
    let fork = sessions.iter().find(|s| !s.forked_from.is_empty()).unwrap();
    assert_eq!((fork.usage.output, fork.own.0.output), (350, 0));
}

#[test]
fn only_what_changed_is_read_again() {
    let mut corpus = Corpus::new(&SOME);
    assert_eq!(corpus.check(), 6);
    assert_eq!(corpus.check(), 0);
    // A file grows.
    let line = std::fs::read_to_string(&corpus.files[0]).unwrap().lines().last().unwrap().replace("msg_", "msg_new_");
    let mut text = std::fs::read(&corpus.files[0]).unwrap();
    text.extend_from_slice(format!("{line}\n").as_bytes());
    std::fs::write(&corpus.files[0], &text).unwrap();
    assert_eq!(corpus.check(), 1);
    assert_eq!(corpus.check(), 0);
    // Fewer are asked for, then all again.
    let gone = corpus.files.remove(1);
    assert_eq!(corpus.check(), 0);
    corpus.files.push(gone);
    assert_eq!(corpus.check(), 0);
    // One is replaced by another of the same length, one is removed.
    std::fs::write(&corpus.files[0], text.iter().rev().copied().collect::<Vec<u8>>()).unwrap();
    std::fs::remove_file(&corpus.files[1]).unwrap();
    let index = corpus.index(true);
    assert_eq!((index.read_files, index.trouble.len()), (1, 1));
    assert_eq!(corpus.check(), 0);
}

#[test]
fn a_damaged_or_foreign_cache_is_made_anew() {
    let mut corpus = Corpus::new(&SOME);
    let last = corpus.files.pop().unwrap();
    corpus.check();
    let good = std::fs::read(corpus.cache()).unwrap();
    let all = corpus.files.clone();
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        for damaged in [&bad[..], &good[..at]] {
            std::fs::write(corpus.cache(), damaged).unwrap();
            corpus.check();
            // A change needs the part that wasn't needed before.
            std::fs::write(corpus.cache(), damaged).unwrap();
            corpus.files.push(last.clone());
            assert_eq!(corpus.check(), 6);
            assert_eq!(corpus.check(), 0);
            corpus.files.clone_from(&all);
        }
    }
    corpus.files.push(last);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        assert_eq!(std::fs::metadata(corpus.cache()).unwrap().mode() & 0o777, 0o600);
    }
    std::fs::remove_file(corpus.cache()).unwrap();
    std::fs::create_dir(corpus.cache()).unwrap();
    assert_eq!(corpus.check(), 6, "works without");
}

#[test]
fn lines_too_long_are_skipped_and_counted() {
    let corpus = Corpus::new(&SOME[..1]);
    let before = corpus.index(false);
    let mut text = std::fs::read(&corpus.files[0]).unwrap();
    let long = format!("{{\"type\":\"user\",\"x\":\"{}\"}}\n", "y".repeat(MAX_LINE));
    let whole = text.clone();
    text.extend_from_slice(long.as_bytes());
    text.extend_from_slice(&whole);
    std::fs::write(&corpus.files[0], &text).unwrap();
    let after = corpus.index(true);
    assert_eq!((after.skipped, after.sessions.len()), (1, 1));
    assert_eq!(after.sessions[0].usage, before.sessions[0].usage);
    assert_eq!(corpus.index(true).skipped, 1);
}
