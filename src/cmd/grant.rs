//! `redkey grant` and `redkey transfer`: time for a run, given by a person and recorded. Over the run's socket if
//! somebody listens there; else into the record, where everybody who counts the run's clock finds it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Setup, read};
use crate::clock;
use crate::config::Dirs;
use crate::control::audit::{self, Entry, Fact};
use crate::control::client::{Client, ClientError};
use crate::control::dir::RunDir;
use crate::control::protocol::{Clock, GrantCall, Role, RpcError, Status, code};
use crate::control::words::Asker;
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::domain::time::Span;

/// Exit codes.
const REFUSED: u8 = 3;
const UNKNOWN: u8 = 4;
/// A socket that doesn't answer for so long doesn't answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives a run time.
pub fn grant(setup: &Setup, name: &str, amount: &str, reason: &str, out: &mut dyn Write) -> Result<u8> {
    let amount = parse(amount)?;
    let dirs = Dirs::find().context("no home directory is known (HOME is not set)")?;
    let Some(run) = find(setup, &dirs, name)? else { return unknown(name) };
    match give(&dirs, &run, amount, reason, None)? {
        Ok(after) => {
            let left = after.map(|clock| format!(", {} left", clock.left_ms.short())).unwrap_or_default();
            writeln!(out, "{} granted to {}{left}", amount.short(), run.name())?;
            Ok(0)
        }
        Err(error) => refused(&run, &error),
    }
}

/// Moves time from one run to another: what is left, and no more.
pub fn transfer(setup: &Setup, from: &str, to: &str, amount: &str, reason: &str, out: &mut dyn Write) -> Result<u8> {
    let amount = parse(amount)?;
    let dirs = Dirs::find().context("no home directory is known (HOME is not set)")?;
    let Some(giver) = find(setup, &dirs, from)? else { return unknown(from) };
    let Some(taker) = find(setup, &dirs, to)? else { return unknown(to) };
    if giver.name() == taker.name() {
        bail!("{} can't give time to itself", giver.name());
    }
    let taken = match take(&dirs, &giver, amount, reason, &taker.name())? {
        Ok(taken) => taken,
        Err(error) => return refused(&giver, &error),
    };
    match give(&dirs, &taker, taken, reason, Some(&giver.name()))? {
        Ok(_) => {
            writeln!(out, "{} moved from {} to {}", taken.short(), giver.name(), taker.name())?;
            Ok(0)
        }
        Err(error) => {
            // Whatever happens, no time is lost between the two.
            let back = give(&dirs, &giver, taken, "the other run did not take it", Some(&taker.name()))?;
            back.map_err(|again| anyhow::anyhow!("{} of {} are lost: {again}", taken.short(), giver.name()))?;
            refused(&taker, &error)
        }
    }
}

/// A run as a person may mean it.
struct Found {
    /// Where somebody listens.
    socket: Option<PathBuf>,
    /// The session; `None`: a supervised run in which none was recognised.
    session: Option<RunId>,
    /// What is left on its clock, by what its files say.
    left: Span,
    socket_name: String,
}

impl Found {
    fn name(&self) -> Text {
        match &self.session {
            Some(id) => Text::new(&id.to_string()),
            None => Text::new(&self.socket_name),
        }
    }
}

/// By the name of its socket, or by its session.
fn find(setup: &Setup, dirs: &Dirs, name: &str) -> Result<Option<Found>> {
    let sockets = sockets(dirs);
    let statuses = sockets.iter().filter_map(|path| Some((path, status(path)?)));
    let statuses: Vec<(&PathBuf, Status)> = statuses.collect();
    if let Some((path, status)) = statuses.iter().find(|(_, status)| status.run.as_str() == name) {
        let session = status.metered.sessions.first().and_then(parse_id);
        let left = status.metered.clock.as_ref().map_or(Span::ZERO, |clock| clock.left_ms);
        let socket_name = status.run.as_str().to_owned();
        return Ok(Some(Found { socket: Some((*path).clone()), session, left, socket_name }));
    }
    let Ok((model, number)) = read::one_run(setup, name) else { return Ok(None) };
    let Some(run) = model.run(number) else { return Ok(None) };
    let whole = Text::new(&run.id.to_string());
    let holder = statuses.iter().find(|(_, status)| status.metered.sessions.contains(&whole));
    Ok(Some(Found {
        socket: holder.map(|(path, _)| (*path).clone()),
        session: Some(run.id.clone()),
        left: run.left(clock::now(), &setup.rules),
        socket_name: holder.map(|(_, status)| status.run.as_str().to_owned()).unwrap_or_default(),
    }))
}

fn parse_id(text: &Text) -> Option<RunId> {
    crate::control::meter::ledger::parse_id(text)
}

fn sockets(dirs: &Dirs) -> Vec<PathBuf> {
    let Ok(dir) = RunDir::open(dirs) else { return vec![] };
    dir.names().iter().filter_map(|name| dir.socket_path(name).ok()).collect()
}

type Answer<T> = Result<T, RpcError>;

/// Gives over the socket, or into the record.
fn give(dirs: &Dirs, run: &Found, amount: Span, reason: &str, other: Option<&Text>) -> Result<Answer<Option<Clock>>> {
    if let Some(socket) = &run.socket {
        return Ok(answer(socket, |client| client.grant(call(amount, reason, other)))?.map(Some));
    }
    record(dirs, run, amount, reason, other)?;
    Ok(Ok(None))
}

/// Takes what is left, at most `amount`; how much that was.
fn take(dirs: &Dirs, run: &Found, amount: Span, reason: &str, other: &Text) -> Result<Answer<Span>> {
    if let Some(socket) = &run.socket {
        let before = status(socket).and_then(|status| status.metered.clock).map(|clock| clock.granted_ms);
        let after = match answer(socket, |client| client.take(call(amount, reason, Some(other))))? {
            Ok(clock) => clock.granted_ms,
            Err(error) => return Ok(Err(error)),
        };
        let taken = before.map_or(amount, |before| before - after);
        return Ok(Ok(taken.max(Span::ZERO).min(amount)));
    }
    let taken = amount.min(run.left);
    if taken <= Span::ZERO {
        return Ok(Err(RpcError { code: code::REFUSED, message: Text::new("it has no time left to give") }));
    }
    record(dirs, run, -taken, reason, Some(other))?;
    Ok(Ok(taken))
}

fn record(dirs: &Dirs, run: &Found, amount_ms: Span, reason: &str, other: Option<&Text>) -> Result<()> {
    let by = Asker {
        by: Text::new("command"),
        user: user(),
        uid: Some(rustix::process::getuid().as_raw()),
        pid: Some(std::process::id()),
    };
    let name = run.name();
    let fact =
        Fact::Granted { amount_ms, by, reason: Text::new(reason), other: other.cloned(), sessions: vec![name.clone()] };
    let entry = Entry { at: clock::now(), run: Some(name), fact };
    audit::write_now(&audit::path(dirs), &[entry], PATIENCE).context("the grant can't be recorded, so it is not given")
}

/// The name of this process's user, as the environment has it.
pub(super) fn user() -> Text {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    Text::limited(&name, 64)
}

fn status(socket: &Path) -> Option<Status> {
    Client::connect(socket, Role::Watch, PATIENCE).and_then(|mut client| client.status()).ok()
}

fn call(amount_ms: Span, reason: &str, other: Option<&Text>) -> GrantCall {
    GrantCall { amount_ms, reason: Text::new(reason), by: Text::new("command"), other: other.cloned() }
}

/// One call on a run's socket, as an operator. What the run itself says against it is an answer.
fn answer<T>(socket: &Path, ask: impl FnOnce(&mut Client) -> Result<T, ClientError>) -> Result<Answer<T>> {
    match Client::connect(socket, Role::Operator, PATIENCE).and_then(|mut client| ask(&mut client)) {
        Ok(value) => Ok(Ok(value)),
        Err(ClientError::Refused(message)) => Ok(Err(RpcError { code: code::REFUSED, message })),
        Err(ClientError::Rpc { code, message }) => Ok(Err(RpcError { code, message })),
        Err(error) => Err(error).with_context(|| Text::new(&socket.to_string_lossy()).to_string()),
    }
}

fn parse(amount: &str) -> Result<Span> {
    let amount = Span::parse(amount).map_err(anyhow::Error::msg)?;
    if amount <= Span::ZERO {
        bail!("give more than nothing, as in 10m");
    }
    Ok(amount)
}

fn unknown(name: &str) -> Result<u8> {
    super::complain(&anyhow!(
        "no run is called {}\nhint: `redkey ls --all` lists every run that is found",
        Text::new(name)
    ));
    Ok(UNKNOWN)
}

fn refused(run: &Found, error: &RpcError) -> Result<u8> {
    super::complain(&anyhow!("{}: {}", run.name(), error.message));
    Ok(if error.code == code::UNKNOWN { UNKNOWN } else { REFUSED })
}
