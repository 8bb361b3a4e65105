//! Codex holds the rollouts of its threads open. A subagent's rollout names the thread it belongs to in its first line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Look, Mapped, store};
use crate::control::words::ProcId;
use crate::domain::event::{Agent, RunId};
use crate::domain::text::Text;

/// A rollout that a process holds open.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    pub path: PathBuf,
    /// The run it belongs to; `None`: its first line can't be read (yet).
    pub root: Option<String>,
}

pub fn map(look: &Look<'_>) -> Vec<Mapped> {
    let of = |id: ProcId| look.proc.files(id.pid).into_iter().filter(|path| is_rollout(path)).map(read).collect();
    look.of(Agent::Codex).flat_map(|one| judge(one.id, &of(one.id))).collect()
}

/// PURE. The runs of a process by the rollouts it holds open. More than one is not certain: they would end together.
pub fn judge(id: ProcId, rollouts: &Vec<Rollout>) -> Vec<Mapped> {
    let mut roots: BTreeMap<&str, &Path> = BTreeMap::new();
    for rollout in rollouts {
        if let Some(root) = &rollout.root {
            roots.entry(root).or_insert(&rollout.path);
        }
    }
    let unread = rollouts.iter().find(|rollout| rollout.root.is_none());
    let why_not = match (roots.len(), unread) {
        (1, None) => String::new(),
        (1, Some(one)) => format!("{} can't be read", one.path.display()),
        (n, _) => format!("process {} carries {n} sessions, a stop would end them all", id.pid),
    };
    let one = |(root, path): (&str, &Path)| Mapped {
        session: RunId::new(Agent::Codex, root),
        leader: id,
        process: id,
        how: Text::new(&format!("holds {} open", path.display())),
        certain: why_not.is_empty(),
        why_not: Text::new(&why_not),
    };
    roots.into_iter().map(one).collect()
}

fn is_rollout(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
    name.starts_with("rollout-") && name.ends_with(".jsonl")
}

#[derive(Deserialize)]
struct FirstLine {
    payload: Meta,
}

#[derive(Deserialize)]
struct Meta {
    id: String,
    session_id: Option<String>,
    parent_thread_id: Option<String>,
    source: Option<serde_json::Value>,
}

fn read(path: PathBuf) -> Rollout {
    let line = store::first_line(&path).unwrap_or_default();
    Rollout { root: root(&line), path }
}

/// PURE. The run a rollout belongs to, by its first line. Versions that don't name the root name the parent.
pub fn root(line: &[u8]) -> Option<String> {
    let meta = serde_json::from_slice::<FirstLine>(line.trim_ascii()).ok()?.payload;
    let spawned = meta.source.as_ref().and_then(|source| source.pointer("/subagent/thread_spawn/parent_thread_id"));
    let parent = meta.parent_thread_id.as_deref().or(spawned.and_then(serde_json::Value::as_str));
    let root = meta.session_id.as_deref().filter(|id| !id.is_empty()).or(parent).unwrap_or(&meta.id);
    Some(root.to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests;
