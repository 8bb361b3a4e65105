//! The audit log: what was done to runs, by whom and why; also what remembers budgets and grants between restarts.
//!
//! One file, one JSON object a line, only ever appended to by any number of processes; each line carries the SHA-256
//! of the one before it. Who records never waits: [`Audit`] has a thread that writes, [`Pipe`] hands over to a process
//! that has one, and [`write_now`] is for those who have the time.
//!
//! - [`record`], [`words`], [`chain`], [`history`] — pure: what is recorded, how it reads, what ties the lines together,
//!   and what they say about a run.
//! - [`writer`], [`ring`], [`append`], [`store`] — from memory to the disk. [`pipe`] — from a process without threads.
//! - [`reader`] — the lines as records, all of them or as they come. [`split`] — bytes into lines.

pub mod append;
pub mod chain;
pub mod history;
pub mod pipe;
pub mod reader;
pub mod record;
mod ring;
mod split;
pub mod store;
pub mod words;
pub mod writer;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::config::Dirs;
use crate::domain::text::Text;

pub use append::write_now;
pub use history::{Budget, Open, budget_of, facts_of, open_runs};
pub use pipe::{Pipe, drain, pump};
pub use reader::{Tail, about, read};
pub use record::{Entry, Fact, Lost, Record, Started};
pub use writer::Audit;

/// Another name for [`Pipe`].
pub type Spool = Pipe;

/// Where the log is.
pub fn path(dirs: &Dirs) -> PathBuf {
    dirs.state.join("audit.jsonl")
}

/// Something that takes facts for the log and never makes its caller wait.
pub trait AuditSink {
    /// Takes what happened just now. `run`: the run or session it is about.
    fn record(&self, run: Option<&Text>, fact: Fact) {
        self.take(Entry { at: clock::now(), run: run.cloned(), fact });
    }

    /// Takes what happened at its own time.
    fn take(&self, entry: Entry);

    /// Facts don't reach the disk at the moment, or some were lost and that isn't recorded yet.
    fn is_degraded(&self) -> bool;

    /// Waits until everything taken so far is on the disk, where it is this process that writes. False: it is not.
    fn flush(&self, _timeout: Duration) -> bool {
        true
    }
}

/// Keeps everything in memory: for tests.
impl AuditSink for Mutex<Vec<Entry>> {
    fn take(&self, entry: Entry) {
        self.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    fn is_degraded(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
