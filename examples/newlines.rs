//! The floor for reading: counts the line ends of every file below a directory with two threads.
//!
//! `newlines DIR` prints the count and the number of bytes. `bench/compare.py` measures redkey against it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

fn files(path: &Path, into: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        // Followed: a corpus may be put together from links.
        if std::fs::metadata(&path)?.is_dir() { files(&path, into)? } else { into.push(path) }
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let root = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let mut paths = Vec::new();
    files(Path::new(&root), &mut paths)?;
    let next = AtomicUsize::new(0);
    let count = || -> std::io::Result<(usize, usize)> {
        let mut buffer = vec![0u8; 1 << 20];
        let (mut lines, mut bytes) = (0, 0);
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut file = File::open(path)?;
            loop {
                let n = file.read(&mut buffer)?;
                if n == 0 {
                    break;
                }
                lines += memchr::memchr_iter(b'\n', &buffer[..n]).count();
                bytes += n;
            }
        }
        Ok((lines, bytes))
    };
    let (a, b) = std::thread::scope(|scope| {
        let other = scope.spawn(count);
        (count(), other.join().unwrap_or(Ok((0, 0))))
    });
    let (a, b) = (a?, b?);
    println!("{} lines, {} bytes", a.0 + b.0, a.1 + b.1);
    Ok(())
}
