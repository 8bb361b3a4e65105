//! Finds the files below a directory: one reading of each directory, one look at each file that counts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::env::{Layout, Root};
use super::tail::why;
use crate::clock;
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// Files taken from one root at most.
pub const MAX_FILES: usize = 100_000;

/// A file that may tell of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    pub layout: Layout,
    /// When it was written last; of a database, it or its log.
    pub mtime: Stamp,
    pub size: u64,
    /// The user pointed at this very file.
    pub named: bool,
}

impl Found {
    pub fn look(path: &Path, layout: Layout) -> io::Result<Self> {
        let meta = fs::metadata(path)?;
        let mut mtime = meta.modified().map_or(Stamp(0), clock::stamp);
        let mut size = meta.len();
        if is_database(path)
            && let Ok(wal) = fs::metadata(wal_of(path))
        {
            mtime = mtime.max(wal.modified().map_or(Stamp(0), clock::stamp));
            size += wal.len();
        }
        Ok(Self { path: path.to_owned(), layout, mtime, size, named: false })
    }
}

/// Whether a file is a database, going by its name.
pub fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "db")
}

/// The write-ahead log beside a database.
pub fn wal_of(db: &Path) -> PathBuf {
    let mut name = db.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// What was found below a root.
#[derive(Debug, Default)]
pub struct Walk {
    pub files: Vec<Found>,
    /// The root itself is there.
    pub exists: bool,
    /// The first thing that could not be read, or that there are too many files.
    pub trouble: Option<Text>,
}

/// Looks through `root`. Directories behind symbolic links are not entered (the root itself may be one).
pub fn walk(root: &Root) -> Walk {
    let mut walk = Walk::default();
    match fs::read_dir(&root.path) {
        Ok(entries) => {
            walk.exists = true;
            enter(entries, &root.path, root.layout, 0, &mut walk);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            walk.exists = true;
            walk.trouble = Some(why(&root.path, &error));
        }
    }
    walk
}

fn enter(entries: fs::ReadDir, dir: &Path, layout: Layout, depth: usize, walk: &mut Walk) {
    for entry in entries {
        if walk.files.len() >= MAX_FILES {
            let words = format!("{}: more than {MAX_FILES} files; the rest is left out", dir.display());
            walk.trouble.get_or_insert_with(|| Text::new(&words));
            return;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                walk.trouble.get_or_insert_with(|| why(dir, &error));
                return;
            }
        };
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir && layout.enters(depth, name) {
            let path = entry.path();
            match fs::read_dir(&path) {
                Ok(entries) => enter(entries, &path, layout, depth + 1, walk),
                // Gone since its parent was read: nothing to tell.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    walk.trouble.get_or_insert_with(|| why(&path, &error));
                }
            }
        } else if !is_dir
            && layout.takes(depth, name)
            && let Ok(found) = Found::look(&entry.path(), layout)
        {
            walk.files.push(found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x\n").unwrap();
        }
        dir
    }

    fn found(layout: Layout, files: &[&str]) -> Vec<String> {
        let dir = tree(files);
        let walk = walk(&Root { agent: None, path: dir.path().into(), layout });
        assert!(walk.exists && walk.trouble.is_none());
        let relative = |f: &Found| f.path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
        let mut names: Vec<_> = walk.files.iter().map(relative).collect();
        names.sort();
        names
    }

    #[test]
    fn each_layout_takes_its_own_files_and_no_others() {
        let claude = ["p/s.jsonl", "p/s/subagents/agent-1.jsonl", "p/s/subagents/deep/agent-2.jsonl"];
        let others = ["p/s/subagents/agent-1.meta.json", "p/s/tool-results/x.jsonl", "p/s/x.jsonl", "top.jsonl"];
        assert_eq!(found(Layout::Claude, &[&claude[..], &others[..]].concat()), {
            let mut sorted = claude.map(str::to_owned).to_vec();
            sorted.sort();
            sorted
        });
        let codex = ["2026/11/24/rollout-a.jsonl", "2026/11/24/x.jsonl", "rollout-b.jsonl"];
        assert_eq!(found(Layout::Codex, &codex), ["2026/11/24/rollout-a.jsonl", "rollout-b.jsonl"]);
        let chats = ["p/chats/session-1.jsonl", "p/chats/id/a.jsonl", "p/chats/session-0.json", "p/logs/x.jsonl"];
        assert_eq!(found(Layout::Chats, &chats), [chats[1], chats[2], chats[0]]);
        assert_eq!(found(Layout::Folders, &["f/a.jsonl", "f/g/b.jsonl"]), ["f/a.jsonl"]);
        assert_eq!(found(Layout::Flat, &["a.jsonl", "f/b.jsonl"]), ["a.jsonl"]);
        assert_eq!(found(Layout::Opencode, &["opencode.db", "opencode.db-wal", "x.db"]), ["opencode.db"]);
        let named = [".git/a.jsonl", "a/b/c/d.log", "x.txt", "y.json"];
        assert_eq!(found(Layout::Named, &named), ["a/b/c/d.log", "y.json"]);
    }

    #[test]
    fn a_missing_root_is_no_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let walk = walk(&Root { agent: None, path: dir.path().join("none"), layout: Layout::Flat });
        assert!(!walk.exists && walk.trouble.is_none() && walk.files.is_empty());
    }
}
