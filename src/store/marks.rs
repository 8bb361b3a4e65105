//! What people said of runs: a line each in a file that is only added to; a later line about a run goes before an earlier
//! one. A torn line is skipped and counted, and the next one begins on a line of its own.

use std::collections::HashMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::backtest::mark::{Mark, Marked};
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// Longest line that is believed to be a mark.
const MAX_LINE: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
struct Line {
    at: Stamp,
    run: Text,
    mark: Mark,
    #[serde(default)]
    note: Text,
    #[serde(default)]
    by: Text,
}

/// Marks in force, by run, and how many lines could not be read.
#[derive(Debug, Default, PartialEq)]
pub struct Marks {
    pub by_run: HashMap<String, Marked>,
    pub unread: u64,
}

/// Reads all; a file that isn't there holds none.
pub fn read(path: &Path) -> io::Result<Marks> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Marks::default()),
        Err(error) => return Err(error),
    };
    let mut marks = Marks::default();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            return Ok(marks);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Line>(&line) {
            Ok(Line { run, mark: Mark::None, .. }) => drop(marks.by_run.remove(run.as_str())),
            Ok(Line { run, mark, note, .. }) => {
                marks.by_run.insert(run.to_string(), Marked { mark, note });
            }
            Err(_) => marks.unread += 1,
        }
    }
}

/// Adds one; it is on the disk when this returns.
pub fn add(path: &Path, at: Stamp, run: &str, marked: &Marked, by: &Text) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let line = Line { at, run: Text::new(run), mark: marked.mark, note: marked.note.clone(), by: by.clone() };
    let mut bytes = if ends_torn(&mut file)? { vec![b'\n'] } else { Vec::new() };
    serde_json::to_writer(&mut bytes, &line)?;
    bytes.push(b'\n');
    // One write: two commands at once don't mix their lines.
    file.write_all(&bytes)?;
    file.sync_data()
}

fn ends_torn(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0] != b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn add_one(path: &Path, run: &str, mark: Mark, note: &str) {
        let marked = Marked { mark, note: note.into() };
        add(path, Stamp(1), run, &marked, &"me".into()).unwrap();
    }

    #[test]
    fn the_last_word_on_a_run_counts_and_can_be_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/marks.jsonl");
        assert_eq!(read(&path).unwrap(), Marks::default());
        add_one(&path, "claude:a", Mark::Good, "");
        add_one(&path, "claude:b", Mark::Good, "");
        add_one(&path, "claude:a", Mark::Bad, "went\nround");
        add_one(&path, "claude:b", Mark::None, "");
        let marks = read(&path).unwrap();
        assert_eq!(marks.by_run.len(), 1);
        assert_eq!(marks.by_run["claude:a"], Marked { mark: Mark::Bad, note: "went round".into() });
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_torn_line_at_every_byte_costs_that_line_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marks.jsonl");
        add_one(&path, "claude:a", Mark::Good, "first");
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..whole.len() {
            std::fs::write(&path, [&whole, &whole[..cut]].concat()).unwrap();
            add_one(&path, "claude:b", Mark::Bad, "after");
            let marks = read(&path).unwrap();
            assert_eq!(marks.by_run.len(), 2, "cut at {cut}");
        }
    }
}
