//! IO. A stop from outside: over the run's socket if it has one, else on the processes that were found.
//!
//! Whoever asks may go away: over a socket the stop goes on without them.

mod force;
mod socket;

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use super::client::ClientError;
use super::ladder::Plan;
use super::tracked::{self, Tracked};
use super::words::{Asker, Mode, ProcId, Stop, Times};
use super::{agents, audit, lost, mapping, proc};
use crate::domain::event::RunId;
use crate::domain::text::Text;

/// What is to be stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A run with a socket, by the name of it.
    Socket { name: Text, path: PathBuf },
    /// A supervised run without a socket: its supervisor is gone, or somebody has removed it.
    Lost { name: Text },
    /// A run that redkey did not start: its session and the agent's own process.
    Process { run: RunId, leader: ProcId },
}

impl Target {
    pub fn name(&self) -> Text {
        match self {
            Target::Socket { name, .. } | Target::Lost { name } => name.clone(),
            Target::Process { run, .. } => Text::new(&run.to_string()),
        }
    }
}

/// How it is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub id: Text,
    pub mode: Mode,
    pub by: Text,
    pub reason: Text,
    pub times: Times,
}

/// The audit log: where it is, and how to write into it.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub log: &'a Path,
    pub audit: &'a audit::Audit,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    #[error("refused: {0}")]
    Refused(Text),
    #[error("{0}")]
    Unknown(Text),
    #[error("{0}")]
    Broken(String),
}

/// Stops it and waits for the end; `on_change` hears every change on the way.
///
/// `press`: for processes, when bytes can be read from it, KILL at once. Over a socket a second stop does that.
pub fn stop(
    target: &Target,
    request: &Request,
    record: &Record<'_>,
    press: Option<BorrowedFd<'_>>,
    on_change: &mut dyn FnMut(&Stop),
) -> Result<Stop, StopError> {
    match target {
        Target::Socket { name, path } => socket::over_socket(name, path, request, record, on_change),
        Target::Lost { name } => match lost::Recorded::read(record.log, name.as_str()) {
            Ok(Some(known)) => force::force(&known, request, record, "its supervisor is gone", on_change),
            Ok(None) => Err(StopError::Unknown(Text::new("no run of that name is recorded since the machine started"))),
            Err(error) => Err(StopError::Broken(format!("the audit log can't be read: {error}"))),
        },
        Target::Process { run, leader } => on_processes(run, *leader, request, press, on_change),
    }
}

fn on_processes(
    run: &RunId,
    leader: ProcId,
    request: &Request,
    press: Option<BorrowedFd<'_>>,
    on_change: &mut dyn FnMut(&Stop),
) -> Result<Stop, StopError> {
    let known = agents::of(Some(run.agent));
    let plan = Plan { cooperative: false, first: known.first, aim: known.aim, times: request.times };
    let marks = mapping::marks(run.agent, &run.session);
    let mut tracked = Tracked::open(leader)
        .map_err(|e| StopError::Unknown(Text::new(&format!("its process {} can't be held: {e}", leader.pid))))?
        .marks(marks);
    let by = asker(&request.by);
    let (id, reason) = (request.id.clone(), request.reason.clone());
    Ok(tracked.run(tracked::Request { plan, mode: request.mode, id, by, reason }, press, on_change))
}

/// This process, asking by way of `by`.
fn asker(by: &Text) -> Asker {
    let uid = rustix::process::getuid().as_raw();
    Asker { by: by.clone(), user: proc::user_name(uid), uid: Some(uid), pid: Some(proc::own_pid()) }
}

impl From<ClientError> for StopError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(why) => StopError::Refused(why),
            ClientError::NotThere | ClientError::Gone => {
                StopError::Unknown(Text::new("nobody listens on its socket any more"))
            }
            other => StopError::Broken(other.to_string()),
        }
    }
}
