//! What is known of where events come from.

use crate::adapters::{Form, Format};
use crate::domain::text::Text;

/// One file, database or pipe.
#[derive(Clone, Debug)]
pub struct Source {
    pub number: u32,
    /// Its path, or `stdin`.
    pub name: Text,
    pub form: Option<Form>,
    pub state: SourceState,
    pub lines: u64,
    pub skipped: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SourceState {
    /// Nothing was read yet.
    Pending,
    Reading(Format),
    /// No line says what it is.
    Unknown,
    /// It can't be read: what and why.
    Failed(Text),
    /// Standard input has ended, or a file was removed.
    Closed,
}

impl Source {
    pub fn new(number: u32, name: Text, form: Option<Form>) -> Self {
        Self { number, name, form, state: SourceState::Pending, lines: 0, skipped: 0 }
    }

    /// Standard input.
    pub fn is_pipe(&self) -> bool {
        self.name.as_str() == "stdin"
    }

    pub(super) fn set_state(&mut self, state: SourceState) {
        if let SourceState::Reading(format) = &state {
            self.form = Some(format.form());
        }
        self.state = state;
    }
}

/// A place where runs are looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Which agent keeps its runs there; `None` for a path the user named.
    pub agent: Option<crate::domain::event::Agent>,
    pub path: Text,
    pub exists: bool,
    /// Files (or sessions of a database) found there, and how many of them are recent enough to be shown.
    pub found: usize,
    pub recent: usize,
    /// Why it can't be read, if so.
    pub trouble: Option<Text>,
}

/// Reading of history in the background. Done when `done == total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub done_files: u64,
    pub total_files: u64,
    pub done_bytes: u64,
    pub total_bytes: u64,
}

impl Progress {
    pub fn is_done(&self) -> bool {
        self.done_files >= self.total_files
    }
}
