//! Where to look, what is there, and which runs of it are to be read.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::env::{Env, Layout, Root};
use super::group::{Group, Grouper};
use super::opencode;
use super::tail::why;
use super::walk::{Found, Walk, is_database, walk};
use super::{Plan, Target};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::Place;

/// What one look around found.
#[derive(Debug, Default)]
pub struct Looked {
    /// Each with its path as it is, not as it is shown.
    pub places: Vec<(PathBuf, Place)>,
    /// Runs to be read, newest first.
    pub groups: Vec<Group>,
}

/// Runs of a database, and how many of them are recent; or why nobody knows.
type Counted = Result<(usize, usize), Text>;

/// Looks around, again and again.
pub struct Finder {
    roots: Vec<Root>,
    /// Files the user named.
    files: Vec<PathBuf>,
    /// How far back runs are read; `None`: all of them.
    window: Option<crate::domain::time::Span>,
    grouper: Grouper,
    /// Counts of databases, by what they looked like.
    counts: HashMap<PathBuf, (Stamp, u64, Counted)>,
}

impl Finder {
    pub fn new(plan: &Plan) -> Self {
        let mut roots = Vec::new();
        let mut files = Vec::new();
        for target in &plan.targets {
            let Target::Path(path) = target else { continue };
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            if path.is_dir() {
                roots.push(Root { agent: None, path: absolute, layout: Layout::Named });
            } else if !is_pipe(path) {
                files.push(absolute);
            }
        }
        if plan.targets.is_empty() {
            roots = Env::roots(&plan.env);
        }
        let is_limited = plan.targets.is_empty() && !plan.all;
        let window = is_limited.then_some(plan.active_within);
        Self { roots, files, window, grouper: Grouper::default(), counts: HashMap::new() }
    }

    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Runs that were not written since then are left alone.
    pub fn cutoff(&self, now: Stamp) -> Stamp {
        self.window.map_or(Stamp(i64::MIN), |window| Stamp(now.0.saturating_sub(window.0)))
    }

    /// Whether a look around would take the file at `path`.
    pub fn takes(&self, path: &Path) -> bool {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
        self.roots.iter().any(|root| {
            let below = path.strip_prefix(&root.path).map(|rest| rest.components().count());
            below.is_ok_and(|levels| levels > 0 && root.layout.takes(levels - 1, name))
        }) || self.files.iter().any(|file| file == path || path.starts_with(file.with_extension("")))
    }

    pub fn look(&mut self, now: Stamp) -> Looked {
        let cutoff = self.cutoff(now);
        let mut looked = Looked::default();
        let mut found = Vec::new();
        for root in self.roots.clone() {
            let walk = walk(&root);
            looked.places.push((root.path.clone(), self.place(&root, &walk, cutoff)));
            found.extend(walk.files);
        }
        for path in self.files.clone() {
            let (files, place) = named(&path, &mut self.grouper);
            looked.places.push((path, place));
            found.extend(files);
        }
        // Named twice, or named and below a named directory: read once, as named.
        found.sort_by(|a, b| a.path.cmp(&b.path).then(b.named.cmp(&a.named)));
        found.dedup_by(|a, b| a.path == b.path);
        looked.groups = self.grouper.group(found, cutoff);
        looked
    }

    fn place(&mut self, root: &Root, walk: &Walk, cutoff: Stamp) -> Place {
        let mut place = Place {
            agent: root.agent,
            path: Text::new(&root.path.to_string_lossy()),
            exists: walk.exists,
            found: 0,
            recent: 0,
            trouble: walk.trouble.clone(),
        };
        for file in &walk.files {
            if root.layout != Layout::Opencode {
                place.found += 1;
                place.recent += usize::from(file.mtime >= cutoff);
                continue;
            }
            match self.count(file, cutoff) {
                Ok((found, recent)) => {
                    place.found += found;
                    place.recent += recent;
                }
                Err(trouble) => {
                    place.trouble.get_or_insert(trouble);
                }
            }
        }
        place
    }

    fn count(&mut self, file: &Found, cutoff: Stamp) -> Counted {
        match self.counts.get(&file.path) {
            Some((mtime, size, count)) if (*mtime, *size) == (file.mtime, file.size) => count.clone(),
            _ => {
                let count = opencode::count(&file.path, cutoff);
                self.counts.insert(file.path.clone(), (file.mtime, file.size, count.clone()));
                count
            }
        }
    }
}

/// Every file there is, whatever its age, and databases apart.
#[derive(Debug, Default)]
pub struct Listed {
    pub files: Vec<PathBuf>,
    pub databases: Vec<PathBuf>,
}

/// Lists what a plan covers, without opening anything.
pub fn list(plan: &Plan) -> Listed {
    let mut finder = Finder::new(plan);
    let mut all: Vec<PathBuf> = finder.roots.iter().flat_map(|root| walk(root).files).map(|file| file.path).collect();
    for path in std::mem::take(&mut finder.files) {
        all.extend(named(&path, &mut finder.grouper).0.into_iter().map(|file| file.path));
    }
    all.sort();
    all.dedup();
    let (databases, files) = all.into_iter().partition(|path| is_database(path));
    Listed { files, databases }
}

/// A pipe or device is read as it comes, like standard input.
pub fn is_pipe(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| {
        let kind = meta.file_type();
        kind.is_fifo() || kind.is_char_device()
    })
}

/// A file that the user named, with the files beside it that belong to the same run.
fn named(path: &Path, grouper: &mut Grouper) -> (Vec<Found>, Place) {
    let look = Found::look(path, Layout::Named);
    let trouble = look.as_ref().err().map(|error| why(path, error));
    let exists = look.is_ok();
    // It may come; until then its trouble is told.
    let absent = Found { path: path.to_owned(), layout: Layout::Named, mtime: Stamp(i64::MAX), size: 0, named: true };
    let mut files = vec![Found { named: true, ..look.unwrap_or(absent) }];
    files.extend(companions(path, grouper));
    let place = Place {
        agent: None,
        path: Text::new(&path.to_string_lossy()),
        exists,
        found: usize::from(exists),
        recent: usize::from(exists),
        trouble,
    };
    (files, place)
}

fn companions(path: &Path, grouper: &mut Grouper) -> Vec<Found> {
    let (Some(parent), Some(stem)) = (path.parent(), path.file_stem().and_then(|s| s.to_str())) else {
        return Vec::new();
    };
    let below = |dir: &Path| walk(&Root { agent: None, path: dir.to_owned(), layout: Layout::Named }).files;
    let mut files = below(&parent.join(stem).join("subagents"));
    if is_database(path) {
        return Vec::new();
    }
    if parent.file_name().is_some_and(|name| name == "chats") && stem.starts_with("session-") {
        files.extend(below(parent));
    }
    if stem.starts_with("rollout-") {
        files.extend(walk(&Root { agent: None, path: parent.to_owned(), layout: Layout::Codex }).files);
    }
    files.retain(|file| file.path != path);
    grouper.belonging_to(path, files)
}

#[cfg(test)]
mod tests;
