//! Totals of every session, fast: what `redkey ls --totals` shows.
//!
//! Nothing is charged here. Of each file only the lines that can change a total are looked at: by a walker that knows
//! the two formats that disks are full of ([`claude`], [`codex`]), and by the adapters wherever the walker isn't
//! certain and in all other formats. What a file says is kept in a cache ([`cache`]), so that a later start reads only
//! what changed. How answers are counted is the same code as everywhere: [`crate::domain::tokens`].
//!
//! [`scan`] is pure, from bytes to [`part::FileFacts`]; [`sum`] is pure, from those to [`SessionTotals`]; [`read`] and
//! [`cache`] do the input and output.

mod bytes;
pub mod cache;
mod claude;
mod codex;
mod copies;
mod draft;
mod part;
mod read;
mod scan;
mod sum;
#[cfg(test)]
mod tests;

use crate::domain::event::RunId;
use crate::domain::price::Cost;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::usage::{Usage, Usd};

pub use read::{Index, Settings, index};

/// A session with its subagents, added up over all its files.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionTotals {
    pub run: RunId,
    pub title: Text,
    /// Working directory, as the agent wrote it.
    pub cwd: Text,
    /// The model of the main branch, newest.
    pub model: Text,
    /// All models, in order of appearance.
    pub models: Vec<Text>,
    pub forked_from: Text,
    /// What a native agent calls itself.
    pub name: Text,
    pub first: Option<Stamp>,
    pub last: Option<Stamp>,
    pub usage: Usage,
    pub cost: Cost,
    /// The part of `usage` and `cost` that no other session had before: sums over sessions add these.
    pub own: (Usage, Usd),
    /// Different answers of models.
    pub answers: u64,
    pub tool_calls: u64,
    /// Failed by the agent's own word.
    pub failed: u64,
    /// Called a success by the agent, but the output says otherwise.
    pub failed_inferred: u64,
    pub subagents: u64,
    /// Lines that were looked at and can't be read. Lines that can't change a total aren't looked at.
    pub unparsed: u64,
    pub files: u32,
}
