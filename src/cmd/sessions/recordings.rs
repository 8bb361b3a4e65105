//! Recordings among what a person named, or redkey's own: which files are such, and reading them, several at once.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::config::Dirs;
use crate::domain::text::Text;
use crate::record::{Tape, read, store::Store};
use crate::sources::Sink;

/// Threads that read.
const THREADS: usize = 2;
/// Levels of directories that are looked through.
const DEPTH: usize = 32;
/// What a packed file begins with, and a plain one.
const PACKED: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const PLAIN: &[u8] = b"{\"redkey\":\"recording\"";

/// Recordings below `paths`; redkey's own if none is named.
pub fn find(paths: &[PathBuf], dirs: Option<&Dirs>) -> Vec<PathBuf> {
    let mut found = match paths {
        [] => dirs.and_then(|dirs| Store::of(dirs).files().ok()).unwrap_or_default(),
        _ => Vec::new(),
    };
    paths.iter().for_each(|path| look(&std::path::absolute(path).unwrap_or_else(|_| path.clone()), 0, &mut found));
    found.sort();
    found.dedup();
    found
}

fn look(path: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let mut below: Vec<PathBuf> = Vec::new();
        for entry in entries {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if !(is_link && entry.path().is_dir()) {
                below.push(entry.path());
            }
        }
        if depth < DEPTH {
            below.iter().for_each(|path| look(path, depth + 1, found));
        }
    } else if is_one(path) {
        found.push(path.to_owned());
    }
}

/// Is it a recording, by its name and its first bytes?
fn is_one(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.ends_with(".jsonl") && !name.ends_with(".zst") {
        return false;
    }
    let mut head = Vec::new();
    let is_file = fs::metadata(path).is_ok_and(|meta| meta.is_file());
    let read = is_file.then(|| File::open(path).and_then(|file| file.take(PLAIN.len() as u64).read_to_end(&mut head)));
    read.is_some_and(|read| read.is_ok()) && (head.starts_with(&PACKED) || head == PLAIN)
}

/// Reads all; what each came to, in order, and what could not be read.
pub fn read_all<S: Sink>(paths: &[PathBuf], start: &(dyn Fn() -> S + Sync)) -> (Vec<S::Out>, Vec<Text>) {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..THREADS.min(paths.len()) {
            scope.spawn(|| {
                while let Some((at, path)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, paths.get(at)?)))
                {
                    let one = read_one(path, start());
                    done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((at, one));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(at, _)| *at);
    let (mut outs, mut trouble) = (Vec::new(), Vec::new());
    for (_, (out, more)) in done {
        outs.extend(out);
        trouble.extend(more);
    }
    (outs, trouble)
}

/// A recording up to where it can be read; `None`: it can't be opened.
fn read_one<S: Sink>(path: &Path, mut sink: S) -> (Option<S::Out>, Option<Text>) {
    let say = |what: &str| Text::new(&format!("{}: {what}", path.display()));
    let mut tape = match read::open(path) {
        Ok(tape) => tape,
        Err(error) => return (None, Some(say(&error.to_string()))),
    };
    let mut trouble = None;
    for beat in tape.by_ref() {
        match beat {
            Ok(beat) => {
                let at = beat.at;
                if let Some(msg) = beat.into_msg() {
                    sink.take_at(msg, at);
                }
            }
            Err(error) => {
                trouble = Some(say(&error.to_string()));
                break;
            }
        }
    }
    let lost = tape.lost();
    if trouble.is_none() && !lost.is_nothing() {
        let what = format!(
            "{} damaged lines skipped, {} bytes torn off, {} records missing",
            lost.damaged, lost.torn, lost.gone
        );
        trouble = Some(say(&what));
    }
    (Some(sink.finish()), trouble)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_told_from_transcripts_by_their_first_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            path
        };
        let plain = write("a/plain.jsonl", b"{\"redkey\":\"recording\",\"v\":\"1.0\"}\n");
        let packed = write("b/packed.jsonl.zst", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0]);
        write("a/native.jsonl", b"{\"redkey\":1,\"run\":\"x\"}\n");
        write("a/empty.jsonl", b"");
        write("c/other.txt", b"{\"redkey\":\"recording\",\"v\":\"1.0\"}\n");
        assert_eq!(find(&[dir.path().to_owned()], None), [plain.clone(), packed]);
        assert_eq!(find(std::slice::from_ref(&plain), None), [plain]);
    }
}
