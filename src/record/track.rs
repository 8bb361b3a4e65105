//! A recording as something to replay: opened where reading begins, so that places in it cost no open file.

use std::path::{Path, PathBuf};

use super::read::{self, Recording};
use super::tape::{Beat, Tape, TapeError};
use crate::replay::Track;

pub struct Recorded {
    path: PathBuf,
    /// Where reading goes on.
    offset: u64,
    open: Option<Recording>,
    has_failed: bool,
}

impl Recorded {
    /// A recording, from its beginning.
    ///
    /// # Errors
    /// The file can't be read, or is none.
    pub fn open(path: &Path) -> Result<Self, TapeError> {
        let open = read::open(path)?;
        Ok(Self { path: path.to_owned(), offset: open.offset(), open: Some(open), has_failed: false })
    }

    fn recording(&mut self) -> Result<&mut Recording, TapeError> {
        if self.open.is_none() {
            self.open = Some(read::open_at(&self.path, self.offset)?);
        }
        self.open.as_mut().ok_or_else(|| TapeError::Read("the recording is gone".into()))
    }
}

impl Iterator for Recorded {
    type Item = Result<Beat, TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let next = match self.recording() {
            Ok(recording) => recording.next(),
            Err(error) => Some(Err(error)),
        };
        self.has_failed = matches!(next, Some(Err(_)));
        next
    }
}

impl Track for Recorded {
    fn fork(&self) -> Option<Box<dyn Track>> {
        let offset = self.open.as_ref().map_or(self.offset, Recording::offset);
        Some(Box::new(Self { path: self.path.clone(), offset, open: None, has_failed: self.has_failed }))
    }

    fn progress(&self) -> (u64, u64) {
        self.open.as_ref().map_or((0, 0), Tape::position)
    }
}
