//! IO. `redkey hook run AGENT`: what the agent starts, from its first byte to its exit code.
//!
//! An agent waits for this before each of its calls: it opens one socket, asks one question and is gone. Every way out
//! that is no answer is a refusal.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use super::answer::{Moment, Said, failed, say};
use super::attend::{Attendance, GREETING, agent_pid, reach, wait_readable};
use super::call::{self, Told};
use super::settings::Hooked;
use crate::clock;
use crate::config::Dirs;
use crate::control::client::{Client, ClientError};
use crate::control::dir::RunDir;
use crate::control::protocol::{HookAnswer, Role};
use crate::domain::text::Text;
use crate::domain::time::Span;

/// Most bytes that an agent may tell its hook.
const MOST: usize = 4 << 20;
/// The agent has told everything by then.
const TELLING: Duration = Duration::from_secs(5);
/// Where no person is waited for, whoever attends answers within this time.
const PROMPT: Duration = Duration::from_secs(5);
/// Whoever attends is to answer so long before our own deadline.
const EARLIER: Duration = Duration::from_millis(500);

/// After its limit nothing can be under way any more.
const LATE: Duration = Duration::from_secs(2);

/// What the hook finds around it.
#[derive(Clone, Debug)]
pub struct World {
    /// The socket of the supervised run that it is in.
    pub socket: Option<PathBuf>,
    /// By which the other sockets are found; `None`: there is no home directory.
    pub dirs: Option<Dirs>,
    /// redkey itself, to be started again.
    pub program: Option<PathBuf>,
    /// What the agent says its process is.
    pub pid: Option<String>,
}

impl World {
    fn from_process(agent: Hooked) -> Self {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            socket: var("REDKEY_SOCKET").map(PathBuf::from),
            dirs: Dirs::find(),
            program: std::env::current_exe().ok(),
            // An agent that was started by Claude Code inherits this.
            pid: var("CLAUDE_PID").filter(|_| agent == Hooked::Claude).and_then(|pid| pid.into_string().ok()),
        }
    }
}

/// The whole process; its exit code.
pub fn main(agent: Hooked, within: Span) -> u8 {
    clock::elapsed(); // from now on
    std::panic::set_hook(Box::new(move |info| {
        let said = failed(Moment::Other, agent, &format!("it broke: {info}"));
        let _ = std::io::stderr().lock().write_all(said.stderr.as_bytes());
        std::process::exit(2);
    }));
    let within = Duration::from_millis(u64::try_from(within.ms()).unwrap_or_default());
    watch(agent, within + LATE);
    let said = answer(agent, within, &mut std::io::stdin().lock(), &World::from_process(agent));
    leave(agent, &said)
}

/// Whatever hangs (a disk, a lock), the call is refused in time.
fn watch(agent: Hooked, limit: Duration) {
    let wait = move || {
        // A pause of its own; nobody wakes it.
        while clock::elapsed() < limit {
            std::thread::park_timeout(limit.saturating_sub(clock::elapsed()));
        }
        let _ = std::io::stderr().write_all(failed(Moment::Other, agent, "it hangs").stderr.as_bytes());
        crate::control::proc::exit_now(2);
    };
    // Without it, the agent's own limit is left.
    let _ = std::thread::Builder::new().spawn(wait);
}

/// Says it. What can't be said is a refusal.
fn leave(agent: Hooked, said: &Said) -> u8 {
    let mut err = std::io::stderr().lock();
    // One write for the whole line, and nothing if there is nothing: half an answer lets the call through.
    let mut out = std::io::stdout().lock();
    let written = if said.stdout.is_empty() { Ok(()) } else { out.write_all(said.stdout.as_bytes()).and(out.flush()) };
    match written {
        Ok(()) => {
            let _ = err.write_all(said.stderr.as_bytes());
            said.code
        }
        Err(error) => {
            let _ = err.write_all(failed(Moment::Other, agent, &error.to_string()).stderr.as_bytes());
            2
        }
    }
}

/// Reads what the agent tells, asks, and puts the answer in the agent's own words.
pub fn answer(agent: Hooked, within: Duration, input: &mut (impl Read + AsFd), world: &World) -> Said {
    let deadline = clock::elapsed() + within;
    let told = match read_all(input, deadline.min(clock::elapsed() + TELLING)) {
        Ok(bytes) => call::read(agent, &bytes),
        Err(why) => return failed(Moment::Other, agent, &why),
    };
    let told = match told {
        Ok(told) => told,
        Err(call::Unread(moment, why)) => return failed(moment, agent, &why),
    };
    let event = told.call.event.clone();
    match ask(agent, &told, deadline, world) {
        Ok(answer) => say(agent, event.as_str(), &answer),
        Err(why) => failed(told.moment, agent, &why),
    }
}

/// Everything up to the end of `input`.
fn read_all(input: &mut (impl Read + AsFd), deadline: Duration) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        wait_readable(input, deadline.saturating_sub(clock::elapsed()))
            .map_err(|why| format!("what the agent has to say doesn't come to an end: {why}"))?;
        match input.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(n) if bytes.len() + n > MOST => return Err(format!("the agent says more than {} MiB", MOST >> 20)),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("what the agent says can't be read: {error}")),
        }
    }
}

fn ask(agent: Hooked, told: &Told, deadline: Duration, world: &World) -> Result<HookAnswer, String> {
    let mut client = match &world.socket {
        // A supervised run answers itself or not at all: someone else would not know its clock.
        Some(socket) => Client::connect(socket, Role::Hook, GREETING)
            .map_err(|error| format!("the supervisor of this run: {error}"))?,
        None => {
            let dirs = world.dirs.as_ref().ok_or("no home directory is known")?;
            let dir = RunDir::open(dirs).map_err(|error| error.to_string())?;
            let program = world.program.as_deref().ok_or("redkey's own path is not known")?;
            let (session, transcript) = (told.session.as_str(), told.transcript.as_deref());
            let pid = agent_pid(world.pid.as_deref());
            reach(&dir, &call::run_name(agent, session), &Attendance { program, agent, session, transcript, pid })?
        }
    };
    let waits = told.moment == Moment::Before;
    let deadline = if waits { deadline } else { deadline.min(clock::elapsed() + PROMPT) };
    let left = deadline.saturating_sub(clock::elapsed()).saturating_sub(EARLIER);
    let mut call = told.call.clone();
    call.deadline_ms = Span(i64::try_from(left.as_millis()).unwrap_or(i64::MAX));
    client.set_timeout(deadline.saturating_sub(clock::elapsed()));
    match client.hook(call) {
        Err(ClientError::Timeout) if waits => {
            Ok(HookAnswer::Deny { why: Text::new("nobody has allowed this call in time") })
        }
        other => other.map_err(|error| format!("whoever attends this run: {error}")),
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
