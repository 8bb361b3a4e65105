//! IO. Where events come from: files that grow, a database that changes, standard input. Nothing is ever written.
//!
//! - [`env`], [`walk`], [`group`], [`discover`] — where to look, what is there, which files are one run;
//! - [`locate`] — the files of one session that is known by name;
//! - [`lines`], [`decode`] — bytes become lines become events (pure);
//! - [`tail`], [`opencode`], [`pipe`] — one file, one database, one pipe; [`told`] — what a file said before;
//! - [`source`], [`merge`], [`pool`] — one numbered source, the files of one run in order of time, all of them;
//! - [`notice`], [`inbox`], [`watch`] — the thread that follows; [`batch`] — everything once, for plain commands;
//! - [`each`] — session after session, each by itself;
//! - [`history`], [`pretty`] — reading again what was read before; [`script`] — one run from its start, for replay.

mod batch;
mod decode;
mod discover;
mod each;
mod env;
mod group;
mod history;
mod inbox;
mod lines;
mod locate;
mod merge;
mod notice;
mod opencode;
mod pipe;
mod pool;
mod pretty;
mod script;
mod source;
mod tail;
#[cfg(test)]
mod testkit;
mod told;
mod walk;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::event::RunId;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::run::Origin;
use crate::domain::time::{Span, Stamp};

pub use batch::read_now;
pub use discover::{Listed, list};
pub use each::{Sessions, Sink};
pub use env::Env;
pub(crate) use group::first_line;
pub use locate::locate;
pub(crate) use opencode::sessions as opencode_sessions;
pub use script::{Script, read_text};
pub(crate) use tail::project_root;
pub use watch::{Handle, spawn};

/// Something that a user pointed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file, a pipe, or a directory that is looked through.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

/// What is to be read.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Nothing: wherever the agents keep their files. Whatever is named here is read however old it is.
    pub targets: Vec<Target>,
    pub env: Env,
    /// Only runs whose id begins so are of interest: when everything is read once, what cannot hold them by the look of
    /// its path is left out.
    pub id: Option<String>,
    /// However old, too.
    pub all: bool,
    /// Otherwise runs are left alone that were not written for so long.
    pub active_within: Span,
    pub now: Stamp,
}

/// Something to be read again, see [`crate::engine::Effect`].
#[derive(Clone, Debug)]
pub enum Request {
    /// Answered with [`crate::engine::Msg::History`], unless a source can't be read twice.
    ReadHistory {
        run: u32,
        id: RunId,
        sources: Vec<u32>,
        rules: Arc<Rules>,
        prices: Arc<Prices>,
    },
    /// Answered with [`crate::engine::Msg::Detail`].
    ReadDetail(Origin),
    Stop,
}
