//! Who descends from whom. Processes come and go while this is read: what vanishes is left out, what appears behind
//! the reader's back is found by the next reading.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::LazyLock;

use super::stat::{self, Stat};

/// Some kernels are built without `/proc/PID/task/TID/children`.
static HAS_CHILDREN_FILES: LazyLock<bool> =
    LazyLock::new(|| File::open(format!("/proc/self/task/{}/children", super::own_pid())).is_ok());

/// Children of any thread of `pid`, those that wait to be reaped included.
pub fn children(pid: u32) -> Vec<u32> {
    Lister::new().children(pid)
}

/// Everything below `of`, parents before their children, zombies included.
pub fn descendants(of: u32) -> Vec<Stat> {
    let lister = Lister::new();
    walk(of, |pid| lister.children(pid).into_iter().filter_map(|child| stat::read(child).ok()).collect())
}

/// Lists children of many processes: asked anew for each, or out of one pass over `/proc` where the kernel can't.
pub(in crate::control) struct Lister(Option<HashMap<u32, Vec<u32>>>);

impl Lister {
    pub(in crate::control) fn new() -> Self {
        Self((!*HAS_CHILDREN_FILES).then(all_by_parent))
    }

    pub(in crate::control) fn children(&self, pid: u32) -> Vec<u32> {
        match &self.0 {
            None => listed(pid),
            Some(table) => table.get(&pid).cloned().unwrap_or_default(),
        }
    }
}

pub(super) fn walk(of: u32, mut children: impl FnMut(u32) -> Vec<Stat>) -> Vec<Stat> {
    let mut found = vec![];
    let mut seen = HashSet::from([of]);
    let mut queue = VecDeque::from([of]);
    while let Some(parent) = queue.pop_front() {
        for stat in children(parent) {
            if seen.insert(stat.pid) {
                queue.push_back(stat.pid);
                found.push(stat);
            }
        }
    }
    found
}

fn listed(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return vec![] };
    let mut found = vec![];
    for task in tasks.flatten() {
        if let Ok(raw) = std::fs::read(task.path().join("children")) {
            found.extend(numbers(&raw));
        }
    }
    found
}

/// Every process by its parent, from one pass over `/proc`.
pub(super) fn all_by_parent() -> HashMap<u32, Vec<u32>> {
    let mut table: HashMap<u32, Vec<u32>> = HashMap::new();
    for stat in stat::all().into_iter().filter_map(|pid| stat::read(pid).ok()) {
        table.entry(stat.ppid).or_default().push(stat.pid);
    }
    table
}

pub(super) fn numbers(raw: &[u8]) -> impl Iterator<Item = u32> + '_ {
    raw.split(u8::is_ascii_whitespace).filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
}

/// Lists this process's own children without opening anything, so that a stop works with every descriptor in use.
/// For a single-threaded process; opened after the last fork, since a child would share its place in the file.
pub struct Children(Source);

enum Source {
    /// `/proc/self/task/…/children`.
    File(File),
    /// `/proc` itself; the kernel is asked of every number in it whether that is a child.
    #[cfg(target_os = "linux")]
    Proc(File),
}

impl Children {
    #[cfg(target_os = "linux")]
    pub fn open_self() -> io::Result<Self> {
        match File::open(format!("/proc/self/task/{}/children", super::own_pid())) {
            Ok(file) => Ok(Self(Source::File(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::open_proc(),
            Err(error) => Err(error),
        }
    }

    #[cfg(not(target_os = "linux"))]
    pub fn open_self() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(target_os = "linux")]
    pub(super) fn open_proc() -> io::Result<Self> {
        File::open("/proc").map(|file| Self(Source::Proc(file)))
    }

    /// Our children now, zombies included, in no order.
    pub fn list(&self) -> io::Result<Vec<u32>> {
        match &self.0 {
            Source::File(file) => {
                let mut file = file;
                let mut raw = Vec::with_capacity(4_096);
                file.rewind()?;
                file.read_to_end(&mut raw)?;
                Ok(numbers(&raw).collect())
            }
            #[cfg(target_os = "linux")]
            Source::Proc(file) => by_asking(file),
        }
    }
}

/// Which of all processes `waitid` knows as our children. It takes nothing from them.
#[cfg(target_os = "linux")]
fn by_asking(proc: &File) -> io::Result<Vec<u32>> {
    use rustix::fs::{RawDir, SeekFrom, seek};
    seek(proc, SeekFrom::Start(0))?;
    let mut space = Vec::with_capacity(16 << 10);
    let mut entries = RawDir::new(proc, space.spare_capacity_mut());
    let mut found = vec![];
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else { continue };
        if super::reap::is_child(pid) {
            found.push(pid);
        }
    }
    Ok(found)
}
