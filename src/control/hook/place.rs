//! IO. The directory of the runs' sockets, and what is in it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::config::Dirs;

/// Where the sockets are, whether it exists or not.
pub fn run_dir(dirs: &Dirs) -> PathBuf {
    dirs.runtime.clone().unwrap_or_else(|| dirs.state.join("run"))
}

/// Makes the directory if it isn't there. Whoever else can enter it could answer in a run's name: then it isn't used.
pub(super) fn ready(dir: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", dir.display());
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
        Ok(_) => {}
    }
    check(dir)
}

/// A directory of this user's that nobody else can enter. One that isn't there is as good.
pub(super) fn check(dir: &Path) -> Result<(), String> {
    let found = match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", dir.display())),
        Ok(found) => found,
    };
    let what = match () {
        () if !found.is_dir() => "is not a directory",
        () if found.uid() != rustix::process::geteuid().as_raw() => "belongs to another user",
        () if found.mode() & 0o077 != 0 => "can be entered by others; take that away with chmod 700",
        () => return Ok(()),
    };
    Err(format!("{}, where redkey's sockets are, {what}", dir.display()))
}

/// Every socket there, by name; nobody need be listening.
pub fn live_sockets(dir: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    check(dir)?;
    let Ok(entries) = fs::read_dir(dir) else { return Ok(vec![]) };
    let mut found: Vec<(String, PathBuf)> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_socket()))
        .filter_map(|entry| {
            let name = entry.file_name().to_str()?.strip_suffix(".sock")?.to_owned();
            Some((name, entry.path()))
        })
        .collect();
    found.sort();
    Ok(found)
}
