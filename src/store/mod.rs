//! IO. What is kept over runs, below redkey's state directory.
//!
//! - [`marks`] — what people said of runs: an append-only file of its own, since nothing can make it again;
//! - [`ledger`] — one row a run, in SQLite: made from transcripts and recordings, and made again whenever it is gone;
//! - [`row`] — a row; [`like`] — which runs are like one that is about to start, and what they took. Pure.

pub mod ledger;
pub mod like;
pub mod marks;
pub mod row;

use std::path::PathBuf;

use crate::config::Dirs;

/// The ledger's file.
pub fn ledger_path(dirs: &Dirs) -> PathBuf {
    dirs.state.join("ledger.db")
}

/// The file of marks.
pub fn marks_path(dirs: &Dirs) -> PathBuf {
    dirs.state.join("marks.jsonl")
}
