//! Lets the system tell what changes below the roots.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::event::{CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::discover::Finder;
use super::env::Layout;
use super::inbox::Inbox;
use crate::domain::text::Text;

/// The directories that are watched.
pub struct Notice {
    watcher: Result<RecommendedWatcher, notify::Error>,
    /// Each with the device and inode it had: one that was removed and made again is another.
    watched: HashMap<PathBuf, (RecursiveMode, Option<(u64, u64)>)>,
    /// Where watching failed; not tried again, because that is costly.
    failed: HashMap<PathBuf, Text>,
}

impl Notice {
    pub fn new(inbox: Arc<Inbox>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| match event {
            Ok(event) => pass_on(&inbox, event),
            Err(_) => inbox.changed([], true),
        });
        Self { watcher, watched: HashMap::new(), failed: HashMap::new() }
    }

    /// Watches what is there of the finder's places, and above what is not there yet. Returns each place with what
    /// keeps the system from telling its changes, if anything does.
    pub fn cover(&mut self, finder: &Finder) -> Vec<(PathBuf, Option<Text>)> {
        let mut wanted: HashMap<PathBuf, RecursiveMode> = HashMap::new();
        let mut places = Vec::new();
        for root in finder.roots() {
            let is_flat = matches!(root.layout, Layout::Flat | Layout::Opencode);
            let mode = if is_flat { RecursiveMode::NonRecursive } else { RecursiveMode::Recursive };
            places.push((root.path.clone(), want(&mut wanted, &root.path, mode)));
        }
        for file in finder.files() {
            let parent = file.parent().unwrap_or(file);
            places.push((file.clone(), want(&mut wanted, parent, RecursiveMode::NonRecursive)));
            let beside = file.with_extension("");
            if beside.is_dir() {
                want(&mut wanted, &beside, RecursiveMode::Recursive);
            }
        }
        self.forget(&wanted);
        for (path, mode) in wanted {
            self.watch(path, mode);
        }
        let trouble = |watched: &PathBuf| self.failed.get(watched).cloned();
        places.into_iter().map(|(place, watched)| (place, trouble(&watched))).collect()
    }

    fn forget(&mut self, wanted: &HashMap<PathBuf, RecursiveMode>) {
        let is_stale = |path: &PathBuf, (mode, id): &(RecursiveMode, Option<(u64, u64)>)| {
            wanted.get(path) != Some(mode) || identity(path) != *id
        };
        let stale: Vec<PathBuf> =
            self.watched.iter().filter(|(path, how)| is_stale(path, how)).map(|(path, _)| path.clone()).collect();
        for path in stale {
            self.watched.remove(&path);
            if let Ok(watcher) = &mut self.watcher {
                // It may be gone already; then so is the watch.
                let _ = watcher.unwatch(&path);
            }
        }
    }

    fn watch(&mut self, path: PathBuf, mode: RecursiveMode) {
        if self.watched.contains_key(&path) || self.failed.contains_key(&path) {
            return;
        }
        let result = match &mut self.watcher {
            Ok(watcher) => watcher.watch(&path, mode).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match result {
            Ok(()) => {
                let id = identity(&path);
                self.watched.insert(path, (mode, id));
            }
            Err(error) => {
                let words = format!("changes are polled, the system does not tell them: {error}");
                self.failed.insert(path, Text::new(&words));
            }
        }
    }
}

/// Notes that `path`, or the nearest directory above it that is there, is to be watched; returns which.
fn want(wanted: &mut HashMap<PathBuf, RecursiveMode>, path: &Path, mode: RecursiveMode) -> PathBuf {
    let (path, mode) = match path.ancestors().find(|dir| dir.is_dir()) {
        Some(dir) if dir == path => (path.to_owned(), mode),
        Some(dir) => (dir.to_owned(), RecursiveMode::NonRecursive),
        None => (path.to_owned(), mode),
    };
    let slot = wanted.entry(path.clone()).or_insert(mode);
    if mode == RecursiveMode::Recursive {
        *slot = mode;
    }
    path
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Reading is no change: without this filter every read would cause the next one.
fn pass_on(inbox: &Inbox, event: Event) {
    if event.kind.is_access() {
        return;
    }
    // A folder that appears may hold files already.
    let folder = match event.kind {
        EventKind::Create(CreateKind::File) => false,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) => event.paths.iter().any(|path| path.is_dir()),
        _ => false,
    };
    let rescan = event.need_rescan() || folder || matches!(event.kind, EventKind::Any);
    inbox.changed(event.paths, rescan);
}
