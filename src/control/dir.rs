//! The directory of the sockets: `$XDG_RUNTIME_DIR/redkey`, else `run` under redkey's state directory.
//!
//! Whoever can enter it can reach every run's key, so it is used only if it is a real directory of this user that nobody
//! else can enter. It is never repaired: a wrong one is somebody's doing, and a person has to look.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::Dirs;
use crate::domain::event::Agent;
use crate::domain::text::Text;

/// Longest path of a socket, in bytes: what the kernel's `sun_path` takes, without the final NUL.
pub const MAX_PATH: usize = 107;
/// Ending of a socket's file name.
pub const SOCKET: &str = "sock";

/// The name of the socket of a run that is attended because of its hook: `h-claude-e2692cf9`. Eight characters of the
/// session's id; the first ones, or the last where the id begins with the time (a UUID of version 7, as Codex makes
/// them: runs begun within the same minute would share the first eight).
pub fn attended(agent: Agent, session: &str) -> String {
    let plain: Vec<char> = session.chars().filter(char::is_ascii_alphanumeric).collect();
    let is_timed = plain.len() == 32 && plain[12] == '7';
    let part: String = if is_timed { plain[24..].iter().collect() } else { plain.iter().take(8).collect() };
    format!("h-{}-{part}", agent.name())
}

/// A directory of sockets that has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

/// Why the directory can't be used, or a name in it.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    #[error("can't make {path}, the directory of redkey's sockets: {error}; {hint}", path = path.display())]
    Make { path: PathBuf, error: io::Error, hint: &'static str },
    #[error("can't look at {path}, the directory of redkey's sockets: {error}", path = path.display())]
    Look { path: PathBuf, error: io::Error },
    #[error(
        "{path}, the directory of redkey's sockets, is a symbolic link; remove it, redkey makes a directory there",
        path = path.display()
    )]
    Symlink { path: PathBuf },
    #[error(
        "{path}, which should be the directory of redkey's sockets, is not a directory; move it away",
        path = path.display()
    )]
    NotDirectory { path: PathBuf },
    #[error(
        "{path}, the directory of redkey's sockets, belongs to user {owner}, not to you ({own}); remove it, or set \
         XDG_RUNTIME_DIR to a directory of your own",
        path = path.display()
    )]
    Owner { path: PathBuf, owner: u32, own: u32 },
    #[error(
        "{path}, the directory of redkey's sockets, can be entered by others (mode {mode:04o}); if nobody has put \
         anything there, run: chmod 700 {path}",
        path = path.display()
    )]
    Mode { path: PathBuf, mode: u32 },
    #[error(
        "the socket's path {path} has {length} bytes, the system takes {MAX_PATH}; set XDG_RUNTIME_DIR to a shorter \
         directory",
        path = path.display()
    )]
    Long { path: PathBuf, length: usize },
    #[error("`{name}` can't name a socket; take letters, digits, `-`, `_` and `.`")]
    Name { name: Text },
}

impl RunDir {
    /// The directory of this user, made if it isn't there.
    pub fn open(dirs: &Dirs) -> Result<Self, DirError> {
        match &dirs.runtime {
            Some(path) => Self::make(path, "set XDG_RUNTIME_DIR to a directory that you can write to, or unset it"),
            None => Self::make(&dirs.state.join("run"), "set XDG_STATE_HOME to a directory that you can write to"),
        }
    }

    /// Where it would be; nothing is made or checked.
    pub fn path_of(dirs: &Dirs) -> PathBuf {
        dirs.runtime.clone().unwrap_or_else(|| dirs.state.join("run"))
    }

    /// `path` itself, made with mode 0700 if it isn't there.
    pub fn at(path: &Path) -> Result<Self, DirError> {
        Self::make(path, "make its parent directory first")
    }

    fn make(path: &Path, hint: &'static str) -> Result<Self, DirError> {
        let failed = |error| DirError::Make { path: path.to_owned(), error, hint };
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut builder = fs::DirBuilder::new();
                builder.mode(0o700);
                if let Some(parent) = path.parent() {
                    builder.recursive(true).create(parent).map_err(failed)?;
                }
                match builder.recursive(false).create(path) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
                    _ => {}
                }
            }
            _ => {}
        }
        let metadata = fs::symlink_metadata(path).map_err(|error| DirError::Look { path: path.to_owned(), error })?;
        check(path, &metadata, own_uid())?;
        Ok(Self { path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the socket called `name` is, whether there is one or not.
    pub fn socket_path(&self, name: &str) -> Result<PathBuf, DirError> {
        self.file(name, SOCKET)
    }

    /// A file of `name`, with this ending, that fits beside its socket.
    pub(super) fn file(&self, name: &str, ending: &str) -> Result<PathBuf, DirError> {
        if !is_name(name) {
            return Err(DirError::Name { name: Text::new(name) });
        }
        let path = self.path.join(format!("{name}.{ending}"));
        match path.as_os_str().len() {
            length if length > MAX_PATH => Err(DirError::Long { path, length }),
            _ => Ok(path),
        }
    }

    /// Names of the sockets that are there, sorted; nobody need be listening on one.
    pub fn names(&self) -> Vec<String> {
        self.named(".sock", |kind| kind.is_socket())
    }

    /// Names of locks, sorted. A run that was killed leaves its lock behind.
    pub fn locks(&self) -> Vec<String> {
        self.named(".lock", |kind| kind.is_file())
    }

    fn named(&self, end: &str, is_kind: impl Fn(&fs::FileType) -> bool) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.path) else { return vec![] };
        let mut names: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| is_kind(&kind)))
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(end)?.to_owned()))
            .filter(|name| is_name(name))
            .collect();
        names.sort();
        names
    }
}

/// Letters, digits, `-`, `_` and `.`, but not as the first: a name that is safe in a path and on a screen.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn check(path: &Path, metadata: &fs::Metadata, own: u32) -> Result<(), DirError> {
    let path = path.to_owned();
    let kind = metadata.file_type();
    let mode = metadata.permissions().mode() & 0o7777;
    match metadata.uid() {
        _ if kind.is_symlink() => Err(DirError::Symlink { path }),
        _ if !kind.is_dir() => Err(DirError::NotDirectory { path }),
        owner if owner != own => Err(DirError::Owner { path, owner, own }),
        _ if mode & 0o077 != 0 => Err(DirError::Mode { path, mode }),
        _ => Ok(()),
    }
}

/// The user that this process acts as.
pub(super) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn dirs(root: &Path, runtime: Option<&str>) -> Dirs {
        Dirs {
            home: root.into(),
            config: root.join("config"),
            state: root.join("state/redkey"),
            cache: root.join("cache"),
            runtime: runtime.map(|name| root.join(name).join("redkey")),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn it_is_made_for_its_user_alone() {
        let root = tempfile::tempdir().expect("a directory");
        for runtime in [Some("run"), None] {
            let dir = RunDir::open(&dirs(root.path(), runtime)).expect("made");
            assert_eq!(mode(dir.path()), 0o700);
            assert_eq!(RunDir::open(&dirs(root.path(), runtime)).expect("there already"), dir);
        }
        assert!(root.path().join("run/redkey").is_dir());
        assert!(root.path().join("state/redkey/run").is_dir());
    }

    #[test]
    fn what_others_could_enter_is_refused_with_the_reason() {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("redkey");
        let told =
            |path: &Path| RunDir::at(path).expect_err("refused").to_string().replace(&*path.to_string_lossy(), "D");

        fs::create_dir(&path).expect("made");
        for (mode, words) in [(0o755, "0755"), (0o710, "0710"), (0o701, "0701")] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("mode");
            let told = told(&path);
            assert!(told.contains(words) && told.ends_with("run: chmod 700 D"), "{told}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).expect("mode");
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(told(&link).contains("is a symbolic link"));
        let file = root.path().join("file");
        fs::write(&file, "").expect("a file");
        assert!(told(&file).contains("is not a directory"));
        let dangling = root.path().join("dangling");
        std::os::unix::fs::symlink(root.path().join("nowhere"), &dangling).expect("a link");
        assert!(told(&dangling).contains("is a symbolic link"));
    }

    #[test]
    fn another_users_directory_is_refused() {
        let root = tempfile::tempdir().expect("a directory");
        let made = RunDir::at(&root.path().join("r")).expect("made");
        let metadata = fs::symlink_metadata(made.path()).expect("there");
        let own = metadata.uid();
        assert!(check(made.path(), &metadata, own).is_ok());
        let error = check(made.path(), &metadata, own + 1).expect_err("refused").to_string();
        assert!(error.contains(&format!("belongs to user {own}, not to you ({})", own + 1)), "{error}");
    }

    #[test]
    fn names_are_plain_and_paths_short() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = RunDir::at(&root.path().join("r")).expect("made");
        for name in ["", ".", "..", ".x", "a/b", "../x", "a b", "a\0b", "é", "-x"] {
            assert!(matches!(dir.socket_path(name), Err(DirError::Name { .. })), "{name:?}");
        }
        let room = MAX_PATH - dir.path().as_os_str().len() - "/.sock".len();
        assert_eq!(dir.socket_path(&"x".repeat(room)).expect("fits").as_os_str().len(), MAX_PATH);
        assert!(matches!(dir.socket_path(&"x".repeat(room + 1)), Err(DirError::Long { length: 108, .. })));
    }

    #[test]
    fn only_sockets_are_listed() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = RunDir::at(&root.path().join("r")).expect("made");
        fs::write(dir.path().join("no.sock"), "").expect("a file");
        let _two = ["r-b", "r-a"].map(|name| UnixListener::bind(dir.socket_path(name).expect("fits")).expect("bound"));
        let _other = UnixListener::bind(dir.path().join("other")).expect("bound");
        assert_eq!(dir.names(), ["r-a", "r-b"]);
    }
}
