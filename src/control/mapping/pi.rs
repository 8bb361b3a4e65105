//! pi: `sessions/--DIRECTORY-WITH-DASHES--/TIME_SESSION.jsonl`; the first line names session and directory. It
//! overwrites its arguments, so nothing is to be learned from them.

use std::path::{Path, PathBuf};

use super::scan::Candidate;
use super::store::{self, Head};
use super::{Look, Mapped};
use crate::domain::event::Agent;

pub fn map(look: &Look<'_>) -> Vec<Mapped> {
    store::by_folder(look, Agent::Pi, folders, read)
}

fn folders(look: &Look<'_>, one: &Candidate, cwd: &str) -> Vec<PathBuf> {
    let roots = look.env(one).roots().into_iter().filter(|root| root.agent == Some(Agent::Pi));
    roots.map(|root| root.path.join(folder(cwd))).collect()
}

/// PURE. What pi calls the folder of a directory: without its first slash, `/` and `:` as dashes.
pub fn folder(cwd: &str) -> String {
    let name: String =
        cwd.trim_start_matches('/').chars().map(|c| if matches!(c, '/' | '\\' | ':') { '-' } else { c }).collect();
    format!("--{name}--")
}

fn read(path: &Path, cwd: &str) -> Option<(String, Head)> {
    let head = Head::read(path)?;
    let is_here = head.cwd.as_deref().is_none_or(|at| at == cwd);
    is_here.then(|| Some((head.id.clone()?, head))).flatten()
}

#[cfg(test)]
mod tests;
