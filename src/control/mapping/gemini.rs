//! Gemini CLI: a launcher starts itself once more, and that child does the work. Chats stand in
//! `tmp/PROJECT/chats/session-*`; which project a directory is says `projects.json`, and `.project_root` in the folder.
//! (Older versions call the project by a digest of the directory.)

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::scan::Candidate;
use super::store::{self, Head};
use super::{Look, Mapped};
use crate::domain::event::Agent;

pub fn map(look: &Look<'_>) -> Vec<Mapped> {
    store::by_folder(look, Agent::Gemini, folders, |path, _| read(path))
}

#[derive(Default, Deserialize)]
struct Projects {
    #[serde(default)]
    projects: HashMap<String, String>,
}

fn folders(look: &Look<'_>, one: &Candidate, cwd: &str) -> Vec<PathBuf> {
    let roots = look.env(one).roots().into_iter().filter(|root| root.agent == Some(Agent::Gemini));
    roots.flat_map(|root| folders_below(&root.path, cwd)).collect()
}

/// Folders with the chats of `cwd` below `tmp`, whether they are there or not.
fn folders_below(tmp: &Path, cwd: &str) -> Vec<PathBuf> {
    let mut names = vec![store::digest(cwd)];
    let list = tmp.parent().and_then(|dir| fs::read(dir.join("projects.json")).ok()).unwrap_or_default();
    let list: Projects = serde_json::from_slice(&list).unwrap_or_default();
    if let Some(name) = list.projects.get(cwd).filter(|name| !name.contains('/')) {
        // Names are given away again: the folder has the last word.
        let root = fs::read_to_string(tmp.join(name).join(".project_root")).ok();
        names.extend(root.is_none_or(|root| root.trim() == cwd).then(|| name.clone()));
    } else {
        names.extend(by_root(tmp, cwd));
    }
    names.into_iter().map(|name| tmp.join(name).join("chats")).collect()
}

/// Without the list: folders that say themselves which directory they are of.
fn by_root(tmp: &Path, cwd: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(tmp) else { return vec![] };
    let is_of = |dir: &Path| fs::read_to_string(dir.join(".project_root")).is_ok_and(|root| root.trim() == cwd);
    entries
        .flatten()
        .filter(|entry| is_of(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// A main chat, by its first line; its name has only the start of its id.
fn read(path: &Path) -> Option<(String, Head)> {
    let is_chat = path.file_name()?.to_str()?.starts_with("session-");
    let head = is_chat.then(|| Head::read(path)).flatten()?;
    let is_main = head.kind.as_deref().is_none_or(|kind| kind != "subagent");
    is_main.then(|| Some((head.session_id.clone()?, head))).flatten()
}

#[cfg(test)]
mod tests;
