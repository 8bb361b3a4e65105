//! Which files belong to one run: they are read together, their events in order of time.
//!
//! - Claude: `SESSION.jsonl` with what is below `SESSION/subagents/`; an `agent-*.jsonl` beside it names its session
//!   in its first line.
//! - Gemini: `chats/session-…-XXXXXXXX.jsonl` with the files in `chats/ID/` whose `ID` begins with `XXXXXXXX`.
//! - Codex: a rollout's first line names the root thread; spawned threads have files of their own.
//! - Everything else: a file is a run (or, opencode's database, holds whole runs).

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::walk::Found;
use crate::domain::time::Stamp;

/// Longest first line that is looked at to learn which run a file belongs to.
const MAX_HEAD: usize = 256 << 10;

/// The files of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The run's main file first, then the others by path.
    pub files: Vec<Found>,
    /// When any of them was written last.
    pub newest: Stamp,
    pub bytes: u64,
}

/// Reads first lines where a path doesn't say enough, each once.
#[derive(Debug, Default)]
pub struct Grouper {
    heads: HashMap<PathBuf, Head>,
}

/// What a first line says.
#[derive(Clone, Debug, Default)]
struct Head {
    id: Option<String>,
    root: Option<String>,
    at: Option<Stamp>,
}

#[derive(PartialEq, Eq, Hash, Clone, Debug)]
enum Key {
    Path(PathBuf),
    Thread(String),
}

impl Grouper {
    /// Groups the files whose run was written at or after `cutoff`, newest run first.
    pub fn group(&mut self, files: Vec<Found>, cutoff: Stamp) -> Vec<Group> {
        let (rollouts, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| is_rollout(&f.path));
        let mut groups: HashMap<Key, Vec<(bool, Found)>> = HashMap::new();
        for file in others {
            let (key, is_main) = self.key(&file.path);
            groups.entry(key).or_default().push((!is_main, file));
        }
        self.group_rollouts(rollouts, cutoff, &mut groups);
        let mut groups: Vec<Group> = groups.into_values().map(Group::new).filter(|g| g.newest >= cutoff).collect();
        groups.sort_by(|a, b| b.newest.cmp(&a.newest).then_with(|| a.files[0].path.cmp(&b.files[0].path)));
        groups
    }

    /// Those of `files` that belong to the same run as `main`.
    pub fn belonging_to(&mut self, main: &Path, files: Vec<Found>) -> Vec<Found> {
        let mut key = |path: &Path| if is_rollout(path) { self.thread(path).0 } else { self.key(path).0 };
        let wanted = key(main);
        files.into_iter().filter(|file| key(&file.path) == wanted).collect()
    }

    /// The run's key, and whether this is its main file.
    fn key(&mut self, path: &Path) -> (Key, bool) {
        let parent = path.parent().unwrap_or(path);
        if let Some(below) = path.ancestors().skip(1).find(|a| a.file_name().is_some_and(|n| n == "subagents"))
            && let Some(session) = below.parent()
            // Somebody's folder may be called that too.
            && with_jsonl(session).is_file()
        {
            return (Key::Path(session.to_owned()), false);
        }
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.starts_with("agent-") && path.extension().is_some_and(|e| e == "jsonl") {
            return match &self.head(path).root {
                Some(session) => (Key::Path(parent.join(session)), false),
                None => (Key::Path(path.to_owned()), true),
            };
        }
        let is_chats = |dir: &Path| dir.file_name().is_some_and(|n| n == "chats");
        if is_chats(parent) && name.starts_with("session-") {
            let stem = path.file_stem().and_then(|n| n.to_str()).unwrap_or("");
            let short = stem.rsplit('-').next().unwrap_or(stem);
            return (Key::Path(parent.join(short)), true);
        }
        if let Some(chats) = parent.parent().filter(|dir| is_chats(dir)) {
            let id = parent.file_name().and_then(|n| n.to_str()).unwrap_or("");
            let short = id.split('-').next().unwrap_or(id);
            return (Key::Path(chats.join(short)), false);
        }
        let is_lines = path.extension().is_some_and(|e| e == "jsonl");
        (Key::Path(if is_lines { path.with_extension("") } else { path.to_owned() }), true)
    }

    /// Rollouts: first lines are read only of recent files and of those that may belong to the same runs.
    fn group_rollouts(&mut self, files: Vec<Found>, cutoff: Stamp, groups: &mut HashMap<Key, Vec<(bool, Found)>>) {
        let (recent, old): (Vec<_>, Vec<_>) = files.into_iter().partition(|f| f.mtime >= cutoff);
        if recent.is_empty() {
            return;
        }
        let mut roots = HashSet::new();
        for file in &recent {
            roots.insert(self.thread(&file.path).0);
        }
        // A run's threads were all written after its root began.
        let begun = |head: &Head| head.at.unwrap_or(Stamp(0));
        let mut earliest = recent.iter().map(|f| begun(self.head(&f.path))).min().unwrap_or_default();
        for file in &old {
            if roots.contains(&Key::Thread(id_in_name(&file.path).to_owned())) {
                earliest = earliest.min(begun(self.head(&file.path)));
            }
        }
        let candidates = old.into_iter().filter(|f| f.mtime >= earliest);
        for file in recent.into_iter().chain(candidates) {
            let (key, is_main) = self.thread(&file.path);
            if roots.contains(&key) {
                groups.entry(key).or_default().push((!is_main, file));
            }
        }
    }

    /// The root thread of a rollout, and whether the rollout is that thread's own.
    fn thread(&mut self, path: &Path) -> (Key, bool) {
        let head = self.head(path);
        let id = head.id.as_deref().unwrap_or_else(|| id_in_name(path));
        let root = head.root.as_deref().unwrap_or(id);
        (Key::Thread(root.to_owned()), root == id)
    }

    fn head(&mut self, path: &Path) -> &Head {
        // A file that has no whole first line yet is looked at again next time.
        if self.heads.get(path).is_none_or(|head| head.at.is_none()) {
            self.heads.insert(path.to_owned(), read_head(path).unwrap_or_default());
        }
        &self.heads[path]
    }
}

impl Group {
    fn new(mut files: Vec<(bool, Found)>) -> Self {
        files.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.path.cmp(&b.1.path)));
        let files: Vec<Found> = files.into_iter().map(|(_, file)| file).collect();
        let newest = files.iter().map(|f| f.mtime).max().unwrap_or_default();
        let bytes = files.iter().map(|f| f.size).sum();
        Self { files, newest, bytes }
    }
}

fn with_jsonl(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".jsonl");
    PathBuf::from(name)
}

fn is_rollout(path: &Path) -> bool {
    path.file_name()
        .and_then(|n| n.to_str())
        .is_some_and(|name| name.starts_with("rollout-") && name.ends_with(".jsonl"))
}

/// The thread's id at the end of a rollout's name: `rollout-<19 characters of time>-<id>`.
fn id_in_name(path: &Path) -> &str {
    let stem = path.file_stem().and_then(|n| n.to_str()).unwrap_or("");
    stem.get("rollout-".len() + 20..).unwrap_or(stem)
}

/// A first line of Codex or Claude, as far as it tells where the file belongs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FirstLine {
    timestamp: Option<String>,
    session_id: Option<String>,
    payload: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    id: Option<String>,
    session_id: Option<String>,
    parent_thread_id: Option<String>,
    source: Option<serde_json::Value>,
}

/// The first line of a file without its end, or as much of it as is read at most; nothing much is read beyond it.
pub fn first_line(path: &Path, most: usize) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let mut bytes = Vec::new();
    let mut chunk = 8 << 10;
    while bytes.len() < most {
        let got = (&mut file).take(chunk).read_to_end(&mut bytes).ok()?;
        if let Some(end) = memchr::memchr(b'\n', &bytes) {
            bytes.truncate(end);
            break;
        }
        if got == 0 {
            break;
        }
        chunk *= 4;
    }
    Some(bytes)
}

fn read_head(path: &Path) -> Option<Head> {
    if !path.is_file() {
        return None;
    }
    let bytes = first_line(path, MAX_HEAD)?;
    let line: FirstLine = serde_json::from_slice(bytes.trim_ascii()).ok()?;
    let at = line.timestamp.as_deref().and_then(Stamp::parse_rfc3339).or(Some(Stamp(0)));
    let Some(meta) = line.payload else { return Some(Head { id: None, root: line.session_id, at }) };
    let spawned_by = |source: &serde_json::Value| {
        let parent = source.pointer("/subagent/thread_spawn/parent_thread_id")?;
        parent.as_str().map(str::to_owned)
    };
    let parent = meta.parent_thread_id.or_else(|| meta.source.as_ref().and_then(spawned_by));
    Some(Head { root: meta.session_id.or(parent).or_else(|| meta.id.clone()), id: meta.id, at })
}

#[cfg(test)]
mod tests;
