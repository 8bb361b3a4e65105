//! Qwen Code: launcher and child as in Gemini. Chats stand in `projects/DIRECTORY-WITH-DASHES/chats/SESSION.jsonl`; as
//! several directories have the same name with dashes, every line names its own. (Older versions: as Gemini.)

use std::path::{Path, PathBuf};

use super::scan::Candidate;
use super::store::{self, Head};
use super::{Look, Mapped};
use crate::domain::event::Agent;

pub fn map(look: &Look<'_>) -> Vec<Mapped> {
    store::by_folder(look, Agent::Qwen, folders, read)
}

fn folders(look: &Look<'_>, one: &Candidate, cwd: &str) -> Vec<PathBuf> {
    let roots = look.env(one).roots().into_iter().filter(|root| root.agent == Some(Agent::Qwen));
    roots
        .flat_map(|root| [store::dashed(cwd), store::digest(cwd)].map(|name| root.path.join(name).join("chats")))
        .collect()
}

fn read(path: &Path, cwd: &str) -> Option<(String, Head)> {
    let head = Head::read(path)?;
    let is_here = head.cwd.as_deref().is_none_or(|at| at == cwd);
    is_here.then(|| Some((head.session_id.clone()?, head))).flatten()
}

#[cfg(test)]
mod tests;
