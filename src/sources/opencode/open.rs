//! Opens opencode's database so that nothing about it changes: no row, no byte of its log, no lock kept.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::walk::wal_of;

/// How long to wait for a writer.
const PATIENCE: Duration = Duration::from_millis(100);

/// Opens `db` for reading alone.
///
/// While there is a write-ahead log, SQLite's own locks make what is read consistent. Without one nobody writes at
/// this moment, and the file is read as it stands: the usual way would create a log beside it.
pub fn open(db: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(uri(db, !has_log(db)), flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}

/// An empty log that no process has mapped holds nothing.
fn has_log(db: &Path) -> bool {
    let mut shm = db.as_os_str().to_owned();
    shm.push("-shm");
    std::fs::metadata(wal_of(db)).is_ok_and(|wal| wal.len() > 0 || PathBuf::from(shm).exists())
}

fn uri(db: &Path, immutable: bool) -> String {
    let mut uri = String::from("file:");
    for byte in db.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.push_str(if immutable { "?mode=ro&immutable=1" } else { "?mode=ro" });
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_in_uris() {
        assert_eq!(uri(Path::new("/a b/c?d#e%"), false), "file:/a%20b/c%3Fd%23e%25?mode=ro");
        assert_eq!(uri(Path::new("/ü"), true), "file:/%C3%BC?mode=ro&immutable=1");
    }
}
