//! IO. A stop from outside: over the run's socket if it has one, else on the processes that were found.
//!
//! Whoever asks may go away: over a socket the stop goes on without them.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::agents;
use super::client::{self, Client, ClientError};
use super::ladder::Plan;
use super::protocol::{Role, StopCall};
use super::tracked::{self, Tracked};
use super::words::{Asker, Mode, Phase, ProcId, Stop, Times};
use super::{mapping, protocol};
use crate::domain::event::RunId;
use crate::domain::text::Text;

/// A connection must stand, and each answer come, in so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// A stop over a socket is looked at anew at least so often.
const LOOK: Duration = Duration::from_secs(1);

/// What is to be stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// A run with a socket, by the name of it.
    Socket { name: Text, path: PathBuf },
    /// A run that redkey did not start: its session and the agent's own process.
    Process { run: RunId, leader: ProcId },
}

impl Target {
    pub fn name(&self) -> Text {
        match self {
            Target::Socket { name, .. } => name.clone(),
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
    press: Option<BorrowedFd<'_>>,
    on_change: &mut dyn FnMut(&Stop),
) -> Result<Stop, StopError> {
    match target {
        Target::Socket { path, .. } => over_socket(path, request, on_change),
        Target::Process { run, leader } => on_processes(run, *leader, request, press, on_change),
    }
}

fn over_socket(path: &Path, request: &Request, on_change: &mut dyn FnMut(&Stop)) -> Result<Stop, StopError> {
    let call = StopCall {
        interrupt_id: request.id.clone(),
        mode: request.mode,
        reason: request.reason.clone(),
        by: request.by.clone(),
    };
    // Who looks comes first, so that the last word can't be missed; but if nobody may look, the stop goes out all the same.
    let watching = Client::connect(path, Role::Watch, PATIENCE).and_then(|mut c| c.subscribe().map(|_| c));
    let mut stop = client::stop(path, &call, PATIENCE)?;
    on_change(&stop);
    let mut watching = watching?;
    while !is_over(&stop, request.mode) {
        match watching.next_update(LOOK) {
            Ok(Some(snapshot)) => take(&mut stop, snapshot, on_change),
            Ok(None) => {}
            Err(ClientError::Gone) => {
                return Err(StopError::Broken("the run's supervisor went away before the end".into()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(stop)
}

fn take(stop: &mut Stop, snapshot: protocol::Snapshot, on_change: &mut dyn FnMut(&Stop)) {
    if let Some(new) = snapshot.status.stop
        && new != *stop
    {
        *stop = new;
        on_change(stop);
    }
}

/// A press of `mode` has nothing more to wait for.
fn is_over(stop: &Stop, mode: Mode) -> bool {
    match stop.phase {
        Phase::IdleAfterInterrupt => mode == Mode::Interrupt,
        phase => phase.is_final() && stop.receipt.is_some(),
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
    let by = Asker {
        by: request.by.clone(),
        user: Text::default(),
        uid: Some(rustix::process::getuid().as_raw()),
        pid: Some(std::process::id()),
    };
    let (id, reason) = (request.id.clone(), request.reason.clone());
    Ok(tracked.run(tracked::Request { plan, mode: request.mode, id, by, reason }, press, on_change))
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
