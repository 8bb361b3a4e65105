//! Which runs the database holds, without reading them.

use std::path::Path;

use super::{open, why};
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// A run as the database has it: its root session, and when the last of its sessions was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub id: String,
    pub directory: String,
    pub created: Stamp,
    pub updated: Stamp,
}

/// Runs of which any session was written at or after `since`.
pub fn sessions(path: &Path, since: Stamp) -> Result<Vec<Row>, Text> {
    let read = || -> rusqlite::Result<Vec<Row>> {
        let connection = open::open(path)?;
        // From each session that was written up to its root; a depth that nobody reaches ends a loop.
        let mut statement = connection.prepare(
            "WITH RECURSIVE up(id, updated, depth) AS (
                 SELECT id, time_updated, 0 FROM session WHERE time_updated >= ?1
                 UNION
                 SELECT session.parent_id, up.updated, up.depth + 1 FROM up JOIN session ON session.id = up.id
                 WHERE session.parent_id IS NOT NULL AND up.depth < 32
             )
             SELECT session.id, session.directory, session.time_created, max(up.updated)
             FROM up JOIN session ON session.id = up.id WHERE session.parent_id IS NULL
             GROUP BY session.id ORDER BY session.id",
        )?;
        let rows = statement.query_map([since.0], |row| {
            let (id, directory) = (row.get(0)?, row.get(1)?);
            Ok(Row { id, directory, created: Stamp(row.get(2)?), updated: Stamp(row.get(3)?) })
        })?;
        rows.collect()
    };
    read().map_err(|error| why(path, &error))
}
