//! `redkey grant`, `redkey release` and `redkey transfer`: time for a run, given by a person and recorded. Over the run's socket if
//! somebody listens there; else into the record, where everybody who counts the run's clock finds it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Setup, read};
use crate::cli::WhichArgs;
use crate::clock;
use crate::config::Dirs;
use crate::control::audit::{self, Entry, Fact};
use crate::control::client::{Client, ClientError};
use crate::control::dir::RunDir;
use crate::control::peer;
use crate::control::protocol::{Clock, GrantCall, Role, RpcError, Status, Why, code};
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
pub fn grant(setup: &Setup, which: &WhichArgs, amount: &str, reason: &str, out: &mut dyn Write) -> Result<u8> {
    let amount = parse(amount)?;
    let dirs = dirs()?;
    let run = match find(setup, &dirs, &Which::from(which))? {
        Ok(run) => run,
        Err(why) => return unknown(&why),
    };
    match give(&dirs, &run, amount, reason, None)? {
        Ok(after) => {
            let left = after.map(|clock| format!(", {} left", clock.left_ms.short())).unwrap_or_default();
            writeln!(out, "{} granted to {}{left}", amount.short(), run.name())?;
            Ok(0)
        }
        Err(error) => refused(&run, &error),
    }
}

/// Lets a held run go on.
pub fn release(setup: &Setup, which: &WhichArgs, reason: &str, out: &mut dyn Write) -> Result<u8> {
    let run = match find(setup, &dirs()?, &Which::from(which))? {
        Ok(run) => run,
        Err(why) => return unknown(&why),
    };
    let Some(socket) = &run.socket else {
        return unknown(&format!("{} is not held: nobody attends it", run.name()));
    };
    let why = Why { reason: Text::new(reason), by: Text::new("command") };
    match answer(socket, |client| client.release(why))? {
        Ok(clock) => {
            writeln!(out, "{} may go on, {} left", run.name(), clock.left_ms.short())?;
            Ok(0)
        }
        Err(error) => refused(&run, &error),
    }
}

fn dirs() -> Result<Dirs> {
    Dirs::find().context("no home directory is known (HOME is not set)")
}

/// Moves time from one run to another: what is left, and no more.
pub fn transfer(setup: &Setup, from: &str, to: &str, amount: &str, reason: &str, out: &mut dyn Write) -> Result<u8> {
    let amount = parse(amount)?;
    let dirs = dirs()?;
    let [giver, taker] = [from, to].map(|name| find(setup, &dirs, &Which::Any(name)));
    let (giver, taker) = match (giver?, taker?) {
        (Ok(giver), Ok(taker)) => (giver, taker),
        (Err(why), _) | (_, Err(why)) => return unknown(&why),
    };
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

/// What a person has said.
enum Which<'a> {
    /// A name: of a socket, a session, or a label.
    Any(&'a str),
    Label(&'a str),
}

impl<'a> From<&'a WhichArgs> for Which<'a> {
    fn from(args: &'a WhichArgs) -> Self {
        match (&args.run, &args.of_label) {
            (Some(run), _) => Which::Any(run),
            (None, label) => Which::Label(label.as_deref().unwrap_or_default()),
        }
    }
}

/// The one run that is meant; else why there is none.
fn find(setup: &Setup, dirs: &Dirs, which: &Which) -> Result<Result<Found, String>> {
    let statuses: Vec<(PathBuf, Status)> =
        sockets(dirs).into_iter().filter_map(|path| status(&path).map(|status| (path, status))).collect();
    let (Which::Any(name) | Which::Label(name)) = *which;
    if let Which::Any(_) = which
        && let Some((path, status)) = statuses.iter().find(|(_, status)| status.run.as_str() == name)
    {
        return Ok(Ok(Found::at(path, status)));
    }
    let labelled: Vec<_> = statuses.iter().filter(|(_, s)| !name.is_empty() && s.label.as_str() == name).collect();
    match (&labelled[..], which) {
        ([(path, status)], _) => return Ok(Ok(Found::at(path, status))),
        ([], Which::Label(_)) => {
            let name = Text::new(name);
            return Ok(Err(format!(
                "no run that has a key is labelled {name}\nhint: `redkey status` lists those that have one"
            )));
        }
        ([], Which::Any(_)) => {}
        _ => {
            let names: Vec<&str> = labelled.iter().map(|(_, status)| status.run.as_str()).collect();
            return Ok(Err(format!("several runs are labelled {}: {}", Text::new(name), names.join(", "))));
        }
    }
    let read = read::one_run(setup, name).ok();
    let Some(run) = read.as_ref().and_then(|(model, number)| model.run(*number)) else {
        let name = Text::new(name);
        return Ok(Err(format!("no run is called {name}\nhint: `redkey ls --all` lists every run that is found")));
    };
    let whole = Text::new(&run.id.to_string());
    let holder = statuses.iter().find(|(_, status)| status.metered.sessions.contains(&whole));
    Ok(Ok(Found {
        socket: holder.map(|(path, _)| path.clone()),
        session: Some(run.id.clone()),
        left: run.left(clock::now(), &setup.rules),
        socket_name: holder.map(|(_, status)| status.run.as_str().to_owned()).unwrap_or_default(),
    }))
}

impl Found {
    fn at(path: &Path, status: &Status) -> Self {
        Self {
            socket: Some(path.to_owned()),
            session: status.metered.sessions.first().and_then(parse_id),
            left: status.metered.clock.as_ref().map_or(Span::ZERO, |clock| clock.left_ms),
            socket_name: status.run.as_str().to_owned(),
        }
    }
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
    Ok(record(dirs, run, amount, reason, other)?.map(|()| None))
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
    Ok(record(dirs, run, -taken, reason, Some(other))?.map(|()| taken))
}

/// Nobody listens who could refuse it, so an agent is refused here.
fn record(dirs: &Dirs, run: &Found, amount_ms: Span, reason: &str, other: Option<&Text>) -> Result<Answer<()>> {
    if let Err(message) = peer::may_i(&audit::path(dirs)) {
        return Ok(Err(RpcError { code: code::REFUSED, message }));
    }
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
    let written = audit::write_now(&audit::path(dirs), &[entry], PATIENCE);
    written.context("the grant can't be recorded, so it is not given").map(Ok)
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

fn unknown(why: &str) -> Result<u8> {
    super::complain(&anyhow!("{why}"));
    Ok(UNKNOWN)
}

fn refused(run: &Found, error: &RpcError) -> Result<u8> {
    super::complain(&anyhow!("{}: {}", run.name(), error.message));
    Ok(if error.code == code::UNKNOWN { UNKNOWN } else { REFUSED })
}
