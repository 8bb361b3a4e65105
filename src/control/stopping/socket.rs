//! IO. A stop over a run's socket: asked of its supervisor, waited for, and believed only if it was the supervisor that
//! answered. Where it doesn't answer, the stop goes on without it: see [`force`](super::force).

use std::path::Path;
use std::time::Duration;

use super::force::force;
use super::{Record, Request, StopError};
use crate::clock;
use crate::control::client::{self, Client, ClientError};
use crate::control::lost::{self, Recorded};
use crate::control::peer::Peer;
use crate::control::proc::{self, Held};
use crate::control::protocol::{Role, StopCall, code};
use crate::control::words::{Mode, Phase, ProcId, Stop, Times};
use crate::domain::text::Text;

/// A connection must stand, and each answer come, in so long; then is looked at who doesn't answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// To look on is not needed for the stop, so less is waited for it.
const WATCH_PATIENCE: Duration = Duration::from_millis(500);
/// A supervisor that runs, but gets no turn, may take so long to answer.
const STARVED: Duration = Duration::from_secs(10);
/// A stop is looked at anew at least so often.
const LOOK: Duration = Duration::from_secs(1);
/// Where nobody may look on, it is asked so often.
const ASK: Duration = Duration::from_millis(50);
/// The last receipt is written by another process than the supervisor, which is gone by then.
const WRITTEN: Duration = Duration::from_secs(2);

/// Stops the run that listens at `path` and waits for the end.
pub fn over_socket(
    name: &Text,
    path: &Path,
    request: &Request,
    record: &Record<'_>,
    on_change: &mut dyn FnMut(&Stop),
) -> Result<Stop, StopError> {
    let call = StopCall {
        interrupt_id: request.id.clone(),
        mode: request.mode,
        reason: request.reason.clone(),
        by: request.by.clone(),
    };
    wake(path);
    // Who looks on comes first, so that the last word can't be missed; if nobody may, the stop goes out all the same.
    let watching = Client::connect(path, Role::Watch, WATCH_PATIENCE).and_then(|mut c| c.subscribe().map(|_| c)).ok();
    let mut wait = Wait { name, path, call, request, record, known: None, watching, server: None };
    match wait.press() {
        Ok(stop) => wait.until_over(stop, on_change),
        Err(Missed::Told(error)) => Err(error),
        Err(Missed::Silent(why)) => wait.by_force(why, on_change),
    }
}

/// Why the supervisor's word isn't to be had.
enum Missed {
    /// It was, and it is no.
    Told(StopError),
    Silent(String),
}

struct Wait<'a> {
    name: &'a Text,
    path: &'a Path,
    call: StopCall,
    request: &'a Request,
    record: &'a Record<'a>,
    /// What the audit log says of the run. Read after the stop is sent: no log, long or broken, may hold that up.
    known: Option<Recorded>,
    watching: Option<Client>,
    server: Option<Peer>,
}

impl Wait<'_> {
    /// Sends the stop and returns its state.
    fn press(&mut self) -> Result<Stop, Missed> {
        let until = clock::elapsed() + STARVED;
        loop {
            let answer = client::stop(self.path, &self.call, PATIENCE);
            if self.known.is_none() {
                // A log that can't be read is no reason not to stop; who answers is then judged by its program.
                self.known = Recorded::read(self.record.log, self.name.as_str()).unwrap_or_default();
            }
            match answer {
                Ok((stop, server)) => {
                    self.believe(&server)?;
                    self.server = Some(server);
                    return Ok(stop);
                }
                Err(ClientError::Timeout) if clock::elapsed() < until && !self.is_suspended() => {}
                Err(error @ (ClientError::Timeout | ClientError::NotThere | ClientError::Gone)) => {
                    return Err(Missed::Silent(error.to_string()));
                }
                Err(error) => {
                    // A no is believed from the supervisor alone, too.
                    if let Ok(server) = client::server(self.path, PATIENCE) {
                        self.believe(&server)?;
                    }
                    return Err(Missed::Told(error.into()));
                }
            }
        }
    }

    /// Is it the run's supervisor that has answered? Anybody who is the same user can put a socket there.
    fn believe(&self, server: &Peer) -> Result<(), Missed> {
        match &self.known {
            Some(known) if !known.is_answered_by(server) => Err(Missed::Silent(format!(
                "process {} ({}) answers on its socket, which isn't its supervisor",
                server.pid, server.name
            ))),
            _ => Ok(()),
        }
    }

    /// It answers for itself: neither recorded nor of this program. What it says of its end is its own word.
    fn is_native(&self) -> bool {
        let ours = || proc::same_program(self.server.as_ref().map_or(0, |server| server.pid));
        self.known.is_none() && !ours()
    }

    fn supervisor(&self) -> Option<ProcId> {
        let answered = self.server.as_ref().and_then(|s| Some(ProcId { pid: s.pid, start: s.start? }));
        answered.or(self.known.as_ref().map(|known| known.started.supervisor))
    }

    /// Somebody has stopped the supervisor with a signal.
    fn is_suspended(&self) -> bool {
        self.supervisor().is_some_and(is_suspended)
    }

    fn until_over(mut self, mut stop: Stop, on_change: &mut dyn FnMut(&Stop)) -> Result<Stop, StopError> {
        on_change(&stop);
        let until = clock::elapsed() + longest(&self.request.times);
        while !is_over(&stop, self.request.mode) {
            if self.is_suspended() || clock::elapsed() > until {
                return self.by_force("its supervisor hangs".into(), on_change);
            }
            match self.more() {
                Ok(Some(new)) if new != stop => {
                    stop = new;
                    on_change(&stop);
                }
                Ok(_) => {}
                Err(Missed::Told(error)) => return Err(error),
                Err(Missed::Silent(why)) => return self.after_the_end(stop, why, on_change),
            }
        }
        self.confirm(stop)
    }

    /// The next state; `None`: nothing new yet.
    fn more(&mut self) -> Result<Option<Stop>, Missed> {
        if let Some(watching) = &mut self.watching {
            match watching.next_update(LOOK) {
                Ok(update) => return Ok(update.and_then(|snapshot| snapshot.status.stop)),
                Err(_) => self.watching = None,
            }
        }
        client::pause(ASK);
        match client::stop(self.path, &self.call, PATIENCE) {
            Ok((stop, server)) => self.believe(&server).map(|()| Some(stop)),
            Err(ClientError::Timeout) => Ok(None),
            Err(ClientError::Rpc { code: code::UNKNOWN, message }) => Err(Missed::Silent(message.to_string())),
            Err(error @ (ClientError::NotThere | ClientError::Gone)) => Err(Missed::Silent(error.to_string())),
            Err(error) => Err(Missed::Told(error.into())),
        }
    }

    /// The supervisor went before its last word reached us: the record has it, or else we look for what is left.
    fn after_the_end(self, mut stop: Stop, why: String, on_change: &mut dyn FnMut(&Stop)) -> Result<Stop, StopError> {
        let until = clock::elapsed() + WRITTEN;
        while clock::elapsed() < until {
            let known = Recorded::read(self.record.log, self.name.as_str()).ok().flatten();
            if let Some(receipt) = known.as_ref().and_then(|known| known.receipt(&self.request.id)) {
                (stop.phase, stop.alive) = (receipt.phase, receipt.survivors.len() as u32);
                stop.receipt = Some(receipt.clone());
                on_change(&stop);
                return Ok(stop);
            }
            if self.supervisor().is_none_or(|id| Held::open_id(id).is_err())
                && known.is_none_or(|k| k.outcome.is_some())
            {
                break;
            }
            client::pause(ASK);
        }
        self.by_force(why, on_change)
    }

    /// What a native agent says of its own end holds if its process is gone too.
    fn confirm(self, stop: Stop) -> Result<Stop, StopError> {
        if stop.phase != Phase::VerifiedDead || !self.is_native() {
            return Ok(stop);
        }
        let Some(id) = self.supervisor() else { return Ok(stop) };
        let until = clock::elapsed() + WRITTEN;
        while clock::elapsed() < until {
            if Held::open_id(id).map_or(true, |held| held.is_gone()) {
                return Ok(stop);
            }
            client::pause(ASK);
        }
        Err(StopError::Broken(format!("it says that it is gone, but its process {} is alive", id.pid)))
    }

    fn by_force(self, why: String, on_change: &mut dyn FnMut(&Stop)) -> Result<Stop, StopError> {
        match (&self.known, self.request.mode) {
            (None, _) => Err(StopError::Unknown(Text::new(&why))),
            (Some(_), Mode::Interrupt) => Err(StopError::Broken(format!("{why}; only a stop gets through"))),
            (Some(known), _) => force(known, self.request, self.record, &why, on_change),
        }
    }
}

/// Whoever listens there and was suspended with a signal is woken.
fn wake(path: &Path) {
    let server = client::server(path, WATCH_PATIENCE).ok();
    let id = server.and_then(|server| Some(ProcId { pid: server.pid, start: server.start? }));
    if let Some(held) = id.filter(|id| is_suspended(*id)).and_then(|id| Held::open_id(id).ok()) {
        lost::wake(&[held]);
    }
}

fn is_suspended(id: ProcId) -> bool {
    proc::read(id.pid).is_ok_and(|stat| stat.id() == id && matches!(stat.state, 'T' | 't'))
}

/// All rungs and the time until it counts as failed; then a supervisor that still says nothing hangs.
fn longest(times: &Times) -> Duration {
    let spans = [times.cooperative, times.int, times.term, times.orphans, times.give_up];
    let ms: i64 = spans.iter().map(|span| span.0.max(0)).sum();
    Duration::from_millis(ms.unsigned_abs()) + STARVED
}

/// A press of `mode` has nothing more to wait for.
fn is_over(stop: &Stop, mode: Mode) -> bool {
    match stop.phase {
        Phase::IdleAfterInterrupt => mode == Mode::Interrupt,
        phase => phase.is_final() && stop.receipt.is_some(),
    }
}
