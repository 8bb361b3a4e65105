//! What agents keep of their sessions, read as far as it tells which session it is.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::join::{Owner, Written, join};
use super::scan::Candidate;
use super::{Look, Mapped};
use crate::clock;
use crate::domain::event::Agent;
use crate::domain::time::Stamp;

/// Longest first line that is read.
const MAX_HEAD: usize = 256 << 10;
/// So much of a document is looked at; its id stands first.
const MAX_START: u64 = 4 << 10;

/// The first line of a file, or as much of it as is read at most.
pub fn first_line(path: &Path) -> Option<Vec<u8>> {
    crate::sources::first_line(path, MAX_HEAD)
}

/// A first line of Gemini, Qwen or pi.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    pub id: Option<String>,
    pub session_id: Option<String>,
    pub cwd: Option<String>,
    pub kind: Option<String>,
    start_time: Option<String>,
    timestamp: Option<String>,
}

impl Head {
    pub fn read(path: &Path) -> Option<Self> {
        let line = first_line(path)?;
        serde_json::from_slice(line.trim_ascii()).ok().or_else(|| {
            let mut start = Vec::new();
            fs::File::open(path).ok()?.take(MAX_START).read_to_end(&mut start).ok()?;
            Self::of_document(&start)
        })
    }

    /// When the session began, by its own word.
    pub fn began(&self) -> Option<Stamp> {
        self.start_time.as_deref().or(self.timestamp.as_deref()).and_then(Stamp::parse_rfc3339)
    }

    /// Older Gemini: a whole document, of which no more than the start is here.
    fn of_document(start: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(start);
        let after = text.split_once("\"sessionId\"")?.1.trim_start().strip_prefix(':')?.trim_start();
        let id = after.strip_prefix('"')?.split_once('"')?.0;
        Some(Self { session_id: Some(id.to_owned()), ..Self::default() })
    }
}

/// Files of lines, or documents, that were written at or after `since`, each with when.
pub fn recent(dir: &Path, since: Stamp) -> Vec<(PathBuf, Stamp)> {
    let Ok(entries) = fs::read_dir(dir) else { return vec![] };
    let mut files: Vec<(PathBuf, Stamp)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let is_lines =
                entry.file_name().to_str().is_some_and(|name| name.ends_with(".jsonl") || name.ends_with(".json"));
            let meta = is_lines.then(|| entry.metadata().ok()).flatten().filter(|meta| meta.is_file())?;
            let written = clock::stamp(meta.modified().ok()?);
            (written >= since).then(|| (entry.path(), written))
        })
        .collect();
    files.sort();
    files
}

/// A directory as agents write it into names: everything but letters and digits becomes a dash.
pub fn dashed(cwd: &str) -> String {
    cwd.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// The digest that Gemini calls a project by.
pub fn digest(cwd: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(cwd.as_bytes()).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Agents whose sessions are files in a folder per directory: `folders` says which folders may hold those of a
/// directory, `read` what a file of them is. All processes and sessions of one directory are judged together.
pub fn by_folder(
    look: &Look<'_>,
    agent: Agent,
    folders: impl Fn(&Look<'_>, &Candidate, &str) -> Vec<PathBuf>,
    read: impl Fn(&Path, &str) -> Option<(String, Head)>,
) -> Vec<Mapped> {
    let mut groups: Vec<(Vec<PathBuf>, String, Vec<Owner>)> = Vec::new();
    for one in look.of(agent) {
        let Some(owner) = owner(look, one) else { continue };
        let Some(cwd) = owner.directory.clone() else { continue };
        let folders = folders(look, one, &cwd);
        match groups.iter_mut().find(|(known, at, _)| *at == cwd && known.iter().any(|dir| folders.contains(dir))) {
            Some((_, _, owners)) => owners.push(owner),
            None if folders.is_empty() => {}
            None => groups.push((folders, cwd, vec![owner])),
        }
    }
    let mut mapped = Vec::new();
    for (folders, cwd, owners) in groups {
        let since = owners.iter().map(|owner| owner.start).min().unwrap_or_default();
        let files = folders.iter().flat_map(|dir| recent(dir, since));
        let sessions: Vec<Written> = files
            .filter_map(|(path, updated)| {
                let (id, head) = read(&path, &cwd)?;
                let place = path.to_string_lossy().into_owned();
                Some(Written { id, directory: cwd.clone(), created: head.began(), updated, place })
            })
            .collect();
        mapped.extend(join(agent, &owners, &once(sessions)));
    }
    mapped
}

/// Each session once: a session that is taken up goes on in another file of the same id.
fn once(sessions: Vec<Written>) -> Vec<Written> {
    let mut each: Vec<Written> = Vec::with_capacity(sessions.len());
    for session in sessions {
        match each.iter_mut().find(|known| known.id == session.id) {
            Some(known) => {
                known.created = known.created.min(session.created);
                if session.updated > known.updated {
                    (known.updated, known.place) = (session.updated, session.place);
                }
            }
            None => each.push(session),
        }
    }
    each
}

/// A process as it is judged; `None` if it can't be told where it stands or since when.
pub fn owner(look: &Look<'_>, one: &Candidate) -> Option<Owner> {
    Some(Owner {
        process: one.id,
        leader: look.leader(one),
        start: look.start(one.id)?,
        directory: Some(one.cwd.as_ref()?.to_str()?.to_owned()),
        argv: one.argv.clone(),
    })
}

#[cfg(test)]
mod tests;
