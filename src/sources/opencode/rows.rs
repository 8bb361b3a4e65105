//! Rows of opencode's tables as JSON lines: `{"table":"part","id":…,"data":{…}}`.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde::de::IgnoredAny;

use super::super::lines::MAX_LINE;

/// The tables that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    Session,
    Message,
    Part,
}

impl Table {
    pub const ALL: [Table; 3] = [Table::Session, Table::Message, Table::Part];

    pub fn name(self) -> &'static str {
        match self {
            Table::Session => "session",
            Table::Message => "message",
            Table::Part => "part",
        }
    }

    /// Columns that matter. Of `session` only the first two and the last two exist in every version.
    fn columns(self) -> &'static [&'static str] {
        match self {
            Table::Session => &[
                "id",
                "parent_id",
                "directory",
                "title",
                "version",
                "agent",
                "model",
                "cost",
                "tokens_input",
                "tokens_output",
                "tokens_reasoning",
                "tokens_cache_read",
                "tokens_cache_write",
                "time_created",
                "time_updated",
            ],
            Table::Message => &["id", "session_id", "time_created", "time_updated", "data"],
            Table::Part => &["id", "message_id", "session_id", "time_created", "time_updated", "data"],
        }
    }
}

/// A row's place: its number and its table in one, as an event's offset.
pub fn offset(table: Table, rowid: i64) -> u64 {
    (rowid.unsigned_abs() << 2) | table as u64
}

/// The reverse of [`offset`].
pub fn place(offset: u64) -> Option<(Table, i64)> {
    let table = Table::ALL.get((offset & 3) as usize)?;
    Some((*table, i64::try_from(offset >> 2).ok()?))
}

/// How to read the tables of one database, whose columns vary between versions.
pub struct Layout {
    columns: [Vec<&'static str>; 3],
}

impl Layout {
    /// `None`: this is not opencode's.
    pub fn of(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let mut columns = [vec![], vec![], vec![]];
        for table in Table::ALL {
            let mut names = Vec::new();
            let mut statement = connection.prepare(&format!("PRAGMA table_info({})", table.name()))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                names.push(row.get::<_, String>("name")?);
            }
            columns[table as usize] =
                table.columns().iter().copied().filter(|c| names.iter().any(|name| name == c)).collect();
            let needed = if table == Table::Session { "time_updated" } else { "data" };
            if !columns[table as usize].contains(&needed) {
                return Ok(None);
            }
        }
        Ok(Some(Self { columns }))
    }

    pub fn columns(&self, table: Table) -> &[&'static str] {
        &self.columns[table as usize]
    }

    /// `SELECT rowid, …` with `rest` behind it. What is too long to be held reads as NULL.
    pub fn select(&self, table: Table, rest: &str) -> String {
        let columns: Vec<String> = self
            .columns(table)
            .iter()
            .map(|&c| match c {
                "data" => format!("CASE WHEN length(data) <= {MAX_LINE} THEN data END AS data"),
                _ => format!("\"{c}\""),
            })
            .collect();
        format!("SELECT rowid, {} FROM {} {rest}", columns.join(", "), table.name())
    }

    /// Writes a row of [`Layout::select`] into `line`. `false`: its data is too long, or no text.
    pub fn write(&self, table: Table, row: &Row<'_>, line: &mut Vec<u8>) -> rusqlite::Result<bool> {
        line.clear();
        line.extend_from_slice(b"{\"table\":\"");
        line.extend_from_slice(table.name().as_bytes());
        line.push(b'"');
        for (at, name) in self.columns(table).iter().enumerate() {
            let value = row.get_ref(at + 1)?;
            if matches!(value, ValueRef::Null) && *name != "data" {
                continue;
            }
            line.extend_from_slice(b",\"");
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b"\":");
            match value {
                // Not looked into: data that is torn makes a line that can't be read, which is counted where lines are.
                ValueRef::Text(text) if *name == "data" => line.extend_from_slice(text),
                _ if *name == "data" => return Ok(false),
                ValueRef::Text(text) if *name == "model" && serde_json::from_slice::<IgnoredAny>(text).is_ok() => {
                    line.extend_from_slice(text);
                }
                ValueRef::Text(text) => {
                    let text = String::from_utf8_lossy(text);
                    // A string always becomes JSON.
                    line.extend(serde_json::to_vec(&*text).unwrap_or_else(|_| b"\"\"".to_vec()));
                }
                ValueRef::Integer(n) => line.extend_from_slice(n.to_string().as_bytes()),
                ValueRef::Real(n) if n.is_finite() => line.extend_from_slice(n.to_string().as_bytes()),
                _ => line.extend_from_slice(b"null"),
            }
        }
        line.push(b'}');
        Ok(true)
    }
}
