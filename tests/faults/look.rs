//! What is there, from `/proc` alone: nothing of redkey's own looking is used here, or its mistakes would be ours.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A process, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub pid: u32,
    pub start: u64,
    pub parent: u32,
    pub state: char,
    /// The name in `/proc/PID/stat`: the first bytes of its file's name.
    pub name: String,
}

fn numbers(dir: &Path) -> Vec<u32> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

pub fn one(pid: u32) -> Option<Seen> {
    stat(Path::new(&format!("/proc/{pid}/stat")), pid)
}

fn stat(path: &Path, pid: u32) -> Option<Seen> {
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let mut fields = text[close + 1..].split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // The start is field 22; the parent was field 4.
    let start = fields.nth(17)?.parse().ok()?;
    Some(Seen { pid, start, parent, state, name: text[open + 1..close].to_owned() })
}

pub fn all() -> Vec<Seen> {
    numbers(Path::new("/proc")).into_iter().filter_map(one).collect()
}

/// Everything below `root`, which is not part of it.
pub fn below(root: u32) -> Vec<Seen> {
    let all = all();
    let mut children: HashMap<u32, Vec<&Seen>> = HashMap::new();
    all.iter().for_each(|seen| children.entry(seen.parent).or_default().push(seen));
    let (mut found, mut next) = (vec![], vec![root]);
    while let Some(pid) = next.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            found.push((*child).clone());
            next.push(child.pid);
        }
    }
    found
}

/// The program that a process runs. One whose main thread has ended is asked by another thread.
pub fn program(pid: u32) -> Option<PathBuf> {
    let path = PathBuf::from(format!("/proc/{pid}"));
    if let Ok(program) = fs::read_link(path.join("exe")) {
        return Some(program);
    }
    let tasks = path.join("task");
    numbers(&tasks).into_iter().find_map(|task| fs::read_link(tasks.join(task.to_string()).join("exe")).ok())
}

/// Does it run anything? `Z` alone says nothing: another thread may go on.
pub fn lives(seen: &Seen) -> bool {
    let tasks = PathBuf::from(format!("/proc/{}/task", seen.pid));
    let threads = numbers(&tasks);
    threads.into_iter().any(|task| {
        stat(&tasks.join(task.to_string()).join("stat"), task).is_some_and(|thread| !matches!(thread.state, 'Z' | 'X'))
    })
}

/// All that run this program, or have its name and don't say what they run.
pub fn running(file: &Path) -> Vec<Seen> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let known = |seen: &Seen| match program(seen.pid) {
        Some(program) => program == file,
        None => seen.name == name,
    };
    all().into_iter().filter(known).collect()
}

/// Is this very process still listed? One that waits for its parent to take notice is.
pub fn is_listed(seen: &Seen) -> bool {
    one(seen.pid).is_some_and(|now| now.start == seen.start)
}
