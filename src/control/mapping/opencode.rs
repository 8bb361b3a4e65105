//! opencode holds its database open, all its processes the same one: sessions are told apart by directory and time.
//! As a server it works in any directory.

use std::path::{Path, PathBuf};

use super::join::{Owner, Written, join};
use super::scan::Candidate;
use super::{Look, Mapped, store};
use crate::domain::event::Agent;
use crate::domain::time::Stamp;
use crate::sources::opencode_sessions;

/// Commands that serve others, in whatever directory those ask for.
const SERVERS: [&str; 3] = ["serve", "web", "acp"];

pub fn map(look: &Look<'_>) -> Vec<Mapped> {
    let mut databases: Vec<(PathBuf, Vec<Owner>)> = Vec::new();
    for one in look.of(Agent::Opencode) {
        let (Some(path), Some(owner)) = (database(look, one), store::owner(look, one)) else { continue };
        let owner = Owner { directory: owner.directory.filter(|_| !is_server(&one.argv)), ..owner };
        match databases.iter_mut().find(|(known, _)| *known == path) {
            Some((_, owners)) => owners.push(owner),
            None => databases.push((path, vec![owner])),
        }
    }
    databases.iter().flat_map(|(path, owners)| join(Agent::Opencode, owners, &sessions(path, owners))).collect()
}

fn is_server(argv: &[String]) -> bool {
    argv.iter().skip(1).find(|arg| !arg.starts_with('-')).is_some_and(|arg| SERVERS.contains(&arg.as_str()))
}

/// The database that the process holds open.
fn database(look: &Look<'_>, one: &Candidate) -> Option<PathBuf> {
    let is_database = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("");
        name.starts_with("opencode") && name.ends_with(".db")
    };
    look.proc.files(one.id.pid).into_iter().find(is_database)
}

fn sessions(path: &Path, owners: &[Owner]) -> Vec<Written> {
    let since = owners.iter().map(|owner| owner.start).min().unwrap_or(Stamp(i64::MAX));
    let place = path.to_string_lossy();
    opencode_sessions(path, since)
        .unwrap_or_default()
        .into_iter()
        .map(|row| Written {
            id: row.id,
            directory: row.directory,
            created: Some(row.created),
            updated: row.updated,
            place: place.clone().into_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
