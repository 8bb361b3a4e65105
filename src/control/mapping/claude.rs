//! Claude Code writes `sessions/PID.json` while it runs: its session, and its start time as the kernel has it. It
//! removes the file at its end, unless it was killed; then the start time tells that the number is another's by now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::scan::Candidate;
use super::{Look, Mapped};
use crate::control::words::ProcId;
use crate::domain::event::{Agent, RunId};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Versions that don't tell the kernel's start time tell their own, which is a little later.
const STARTS_WITHIN: Span = Span(60_000);

/// Nothing of the kind is longer.
const MAX_NOTE: u64 = 64 << 10;

/// The file, as far as it is used.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    session_id: Option<String>,
    /// A number, written as text by the versions seen.
    proc_start: Option<serde_json::Value>,
    started_at: Option<i64>,
}

pub fn map(look: &Look<'_>) -> Vec<Mapped> {
    look.of(Agent::Claude).filter_map(|one| by_note(look, one).or_else(|| by_tasks(look, one))).collect()
}

fn by_note(look: &Look<'_>, one: &Candidate) -> Option<Mapped> {
    // In a pid namespace of its own it knows itself by another number.
    let numbers = look.proc.numbers(one.id.pid);
    let dirs: BTreeSet<PathBuf> = look
        .env(one)
        .roots()
        .into_iter()
        .filter(|root| root.agent == Some(Agent::Claude))
        .filter_map(|root| Some(root.path.parent()?.join("sessions")))
        .collect();
    dirs.iter().flat_map(|dir| numbers.iter().map(move |pid| dir.join(format!("{pid}.json")))).find_map(|path| {
        let session = judge(&read(&path)?, one.id, look.start(one.id))?;
        Some(mapped(one.id, &session, &path.to_string_lossy()))
    })
}

/// PURE. The session that `note` tells, if it was written by the process `id`, which began at `start`.
pub fn judge(note: &Note, id: ProcId, start: Option<Stamp>) -> Option<String> {
    let session = note.session_id.clone().filter(|session| !session.is_empty())?;
    let is_its_own = match (&note.proc_start, note.started_at) {
        (Some(serde_json::Value::String(text)), _) => text.parse() == Ok(id.start),
        (Some(serde_json::Value::Number(number)), _) => number.as_u64() == Some(id.start),
        (None, Some(at)) => start.is_some_and(|start| (Span(0)..=STARTS_WITHIN).contains(&Stamp(at).since(start))),
        _ => false,
    };
    is_its_own.then_some(session)
}

fn read(path: &Path) -> Option<Note> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MAX_NOTE).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Without the file: it holds `TMP/claude-UID/PROJECT/SESSION/tasks` open.
fn by_tasks(look: &Look<'_>, one: &Candidate) -> Option<Mapped> {
    let files = look.proc.files(one.id.pid);
    let sessions: BTreeSet<(String, &Path)> =
        files.iter().filter_map(|path| Some((tasks(path)?, path.as_path()))).collect();
    match sessions.iter().collect::<Vec<_>>()[..] {
        [(session, path)] => Some(mapped(one.id, session, &format!("holds {} open", path.display()))),
        _ => None,
    }
}

/// PURE. The session in the name of a directory for tasks.
pub fn tasks(path: &Path) -> Option<String> {
    let mut parts = path.iter().rev().map(|part| part.to_str());
    let (last, session, _, top) = (parts.next()??, parts.next()??, parts.next()??, parts.next()??);
    (last == "tasks" && top.starts_with("claude-") && session.len() == 36).then(|| session.to_owned())
}

fn mapped(id: ProcId, session: &str, how: &str) -> Mapped {
    Mapped {
        session: RunId::new(Agent::Claude, session),
        leader: id,
        process: id,
        how: Text::new(how),
        certain: true,
        why_not: Text::default(),
    }
}

#[cfg(test)]
mod tests;
