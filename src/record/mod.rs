//! What the engine was told of a run, and when: written while it happens, read back whole.
//!
//! - [`mod@format`] — the lines of a recording as they stand in the file, versioned. Pure.
//! - [`tape`] — the live side: beats, each what the engine was told and the `now` it was told with. Pure.
//! - [`convert`] — from the one to the other and back. Pure.
//! - [`transcript`] — any transcript or stream of an agent as a tape.
//! - [`read`] — a file as a tape, from its beginning or from a place in it.
//! - [`pack`] — recordings that have ended, compressed and still seekable.
//! - [`redact`] — secrets, and what stands for them. Pure.
//! - [`mod@write`] — a file that grows with the run.
//! - [`store`] — the directory of recordings.
//! - [`track`] — a recording as something to replay.
//!
//! A tape read from a recording and given to [`crate::engine::Model::apply`] makes the same model again, to the
//! millisecond. Whatever a line is, one that can't be read is skipped and counted, and never hides the others.

pub mod convert;
pub mod format;
pub mod pack;
pub mod read;
pub mod redact;
pub mod store;
pub mod tape;
pub mod track;
pub mod transcript;
pub mod write;

pub use tape::{Beat, Lost, Side, Tape, TapeError, TapeMsg};
