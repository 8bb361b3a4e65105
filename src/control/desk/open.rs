//! Opening a run's socket so that nobody else can ever have been let in, and nobody else's is taken away.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Mode, flock};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::super::dir::{DirError, RunDir, SOCKET};

/// Connections that may wait to be accepted. They are accepted in order, so this is also how many can be ahead of a stop.
const BACKLOG: i32 = 64;

/// Why a socket can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error("{path} is in use: another process listens there; stop it, or take another name", path = path.display())]
    InUse { path: PathBuf },
    #[error("{path} is not a socket; move it away", path = path.display())]
    NotSocket { path: PathBuf },
    #[error("{path} can be opened by others (mode {mode:04o}); it was removed", path = path.display())]
    Mode { path: PathBuf, mode: u32 },
    #[error("can't {what} {path}: {error}", path = path.display())]
    Io { what: &'static str, path: PathBuf, error: io::Error },
}

/// A socket's place, held by a lock for as long as this lives. What it has bound is removed with it.
#[derive(Debug)]
pub(super) struct Place {
    _lock: File,
    lock_path: PathBuf,
    path: PathBuf,
    /// Device and inode of the socket that was bound here.
    inode: Option<(u64, u64)>,
    /// A fork of this process has a copy of this value, but not the place.
    owner: rustix::process::Pid,
}

impl Place {
    /// Takes the place called `name`, and whatever was left there by somebody who is gone.
    pub fn take(dir: &RunDir, name: &str) -> Result<Self, DeskError> {
        let path = dir.file(name, SOCKET)?;
        let lock_path = dir.file(name, "lock")?;
        let lock = lock(&lock_path)?.ok_or_else(|| DeskError::InUse { path: path.clone() })?;
        let place = Self { _lock: lock, lock_path, path, inode: None, owner: rustix::process::getpid() };
        place.clear()?;
        Ok(place)
    }

    /// Removes a socket on which nobody listens.
    fn clear(&self) -> Result<(), DeskError> {
        let path = || self.path.clone();
        match fs::symlink_metadata(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(DeskError::Io { what: "look at", path: path(), error }),
            Ok(metadata) if !metadata.file_type().is_socket() => return Err(DeskError::NotSocket { path: path() }),
            Ok(_) => {}
        }
        // Whoever listens without redkey's lock is still somebody.
        if !is_deserted(&self.path) {
            return Err(DeskError::InUse { path: path() });
        }
        fs::remove_file(&self.path).map_err(|error| DeskError::Io { what: "remove", path: path(), error })
    }

    /// Binds and listens. The socket has mode 0600 from the moment that it has a name.
    pub fn listen(&mut self) -> Result<UnixListener, DeskError> {
        let failed = |what| move |error: io::Error, path: &Path| DeskError::Io { what, path: path.to_owned(), error };
        let io = |what, result: rustix::io::Result<()>| result.map_err(|e| failed(what)(e.into(), &self.path));
        let socket = socket().map_err(|e| failed("make a socket for")(e, &self.path))?;
        let address = SocketAddrUnix::new(&self.path).map_err(|e| failed("name")(e.into(), &self.path))?;
        io("bind", bind_private(&socket, &address))?;
        let metadata = fs::symlink_metadata(&self.path).map_err(|e| failed("look at")(e, &self.path))?;
        let (inode, mode) = ((metadata.dev(), metadata.ino()), metadata.mode() & 0o7777);
        io("listen on", rustix::net::listen(&socket, BACKLOG))?;
        self.inode = Some(inode);
        if mode & 0o077 != 0 {
            return Err(DeskError::Mode { path: self.path.clone(), mode });
        }
        let listener = UnixListener::from(socket);
        listener.set_nonblocking(true).map_err(|e| failed("wait on")(e, &self.path))?;
        Ok(listener)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does the name still lead to what was bound here?
    pub fn is_ours(&self) -> bool {
        self.inode.is_some() && fs::symlink_metadata(&self.path).ok().map(|m| (m.dev(), m.ino())) == self.inode
    }

    /// Removes whatever stands in our place, and binds anew.
    pub fn retake(&mut self) -> Result<UnixListener, DeskError> {
        if let Some(dir) = self.path.parent() {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
            made.map_err(|error| DeskError::Io { what: "make", path: dir.to_owned(), error })?;
        }
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(DeskError::Io { what: "remove", path: self.path.clone(), error })
            }
            _ => self.listen(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if rustix::process::getpid() != self.owner {
            return;
        }
        let there = fs::symlink_metadata(&self.path).ok().map(|m| (m.dev(), m.ino()));
        if self.inode.is_some() && there == self.inode {
            let _ = fs::remove_file(&self.path);
        }
        // The lock is still held: whoever opens this file before it is gone finds that it is not the one in place.
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Removes sockets whose owners are gone; how many. A kill leaves them behind, and their names don't come again.
pub fn tidy(dir: &RunDir) -> usize {
    let deserted = |name: &String| dir.socket_path(name).is_ok_and(|path| is_deserted(&path));
    let left: Vec<_> = dir.names().into_iter().filter(deserted).collect();
    // A lock without a socket locks nothing that anybody could use.
    let bare = dir.locks().into_iter().filter(|name| name.starts_with("r-") && !dir.names().contains(name));
    left.into_iter().chain(bare).filter(|name| Place::take(dir, name).is_ok()).count()
}

/// Nobody listens on this socket.
fn is_deserted(path: &Path) -> bool {
    matches!(UnixStream::connect(path), Err(e) if e.kind() == io::ErrorKind::ConnectionRefused)
}

/// Locks the file at `path`, which is made if it isn't there. `None`: somebody else has it.
fn lock(path: &Path) -> Result<Option<File>, DeskError> {
    let failed = |what| move |error| DeskError::Io { what, path: path.to_owned(), error };
    loop {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)
            .map_err(failed("open"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(e) => return Err(failed("lock")(e.into())),
            Ok(()) => {}
        }
        let own = file.metadata().map_err(failed("look at"))?;
        // Its owner may have removed it between our opening and locking it: then it locks nothing.
        match fs::symlink_metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (own.dev(), own.ino()) => return Ok(Some(file)),
            _ => {}
        }
    }
}

/// A Unix socket that isn't inherited by programs that are started.
pub(in super::super) fn socket() -> io::Result<OwnedFd> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, rustix::net::SocketFlags::CLOEXEC, None)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let socket = {
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        socket
    };
    Ok(socket)
}

/// Binds so that the file has mode 0600 at once. Linux takes the mode of the socket itself for it, which, unlike the
/// umask, is nobody else's business.
fn bind_private(socket: &OwnedFd, address: &SocketAddrUnix) -> rustix::io::Result<()> {
    if cfg!(target_os = "linux") {
        rustix::fs::fchmod(socket.as_fd(), Mode::RUSR | Mode::WUSR)?;
        return rustix::net::bind(socket, address);
    }
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = rustix::net::bind(socket, address);
    rustix::process::umask(before);
    bound
}
