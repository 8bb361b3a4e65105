//! The file under the log: opened, locked, read, appended to. A trait, so that a test can have a disk that fails.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Once;
use std::sync::atomic::AtomicBool;

use rustix::fs::{FlockOperation, flock};

/// Where a log is.
pub trait Store: Send + Sync {
    /// Opens it, and makes it if it isn't there.
    fn open(&self) -> io::Result<Box<dyn Log>>;
}

/// An open log.
pub trait Log: Send {
    /// Which file this is.
    fn id(&self) -> (u64, u64);
    /// Nobody else appends until [`Log::unlock`]. [`io::ErrorKind::WouldBlock`]: somebody does now.
    fn try_lock(&mut self) -> io::Result<()>;
    fn unlock(&mut self);
    /// It is still what stands in its place.
    fn is_current(&self) -> bool;
    fn size(&self) -> io::Result<u64>;
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// One write to the end; how much of it went out.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Writes the same bytes once more where they already stand.
    fn rewrite(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Everything is on the disk. An error is final for this open file.
    fn sync(&mut self) -> io::Result<()>;
}

/// A log in a file.
#[derive(Clone, Debug)]
pub struct FileStore(pub PathBuf);

struct FileLog {
    path: PathBuf,
    file: File,
    id: (u64, u64),
}

impl Store for FileStore {
    fn open(&self) -> io::Result<Box<dyn Log>> {
        survive_file_limit();
        if let Some(parent) = self.0.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.0)?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Box::new(FileLog { path: self.0.clone(), file, id: (meta.dev(), meta.ino()) }))
    }
}

/// Past the limit on file sizes a write is an error like any other, not the end of the process.
fn survive_file_limit() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without it a full quota is deadly, which is no reason to have no log at all.
        let _ = signal_hook::flag::register(libc::SIGXFSZ, std::sync::Arc::new(AtomicBool::new(false)));
    });
}

impl Log for FileLog {
    fn id(&self) -> (u64, u64) {
        self.id
    }

    fn try_lock(&mut self) -> io::Result<()> {
        Ok(flock(&self.file, FlockOperation::NonBlockingLockExclusive)?)
    }

    fn unlock(&mut self) {
        // Fails only if there is no lock, and closing the file releases it as well.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }

    fn is_current(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|meta| (meta.dev(), meta.ino()) == self.id)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn rewrite(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        // With O_APPEND every write goes to the end, wherever it is meant to go.
        let file = OpenOptions::new().write(true).open(&self.path)?;
        let meta = file.metadata()?;
        if (meta.dev(), meta.ino()) != self.id || meta.len() < offset + bytes.len() as u64 {
            return Err(io::Error::other("the log is another file now"));
        }
        file.write_all_at(bytes, offset)?;
        file.sync_data()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}
