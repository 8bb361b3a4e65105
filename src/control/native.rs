//! For agents written in Rust: be interrupted by a person, ask one, and tell what is done.
//!
//! An agent that `redkey run` has started finds its socket in the environment:
//!
//! ```no_run
//! use redkey::adapters::native_schema::{Event, Line, Said};
//! use redkey::control::native;
//!
//! fn main() -> std::io::Result<()> {
//!     let mut session = native::connect()?;
//!     for step in 0..100 {
//!         if let Some(session) = &mut session {
//!             if let Some(interrupt) = session.interrupted()? {
//!                 // … put things in order, quickly: signals follow after `interrupt.deadline_ms` …
//!                 session.ack(&interrupt, true)?;
//!                 break;
//!             }
//!             let done = Said { text: format!("step {step} holds") };
//!             session.event(&Line::new("my-run", Event::Verified(done)))?;
//!             if step == 50 && !session.ask("Delete the old tables?")? {
//!                 break;
//!             }
//!         }
//!         // … the agent's own work …
//!     }
//!     Ok(())
//! }
//! ```
//!
//! One that was started without redkey opens a socket of its own: [`Listener`].

use std::io;
use std::path::Path;
use std::time::Duration;

use super::client::{Client, ClientError};
use super::protocol::{Ack, Call, GateAsk, GateState, Interrupt, Raw, Resume, Role};
use crate::adapters::native_schema::Line;
use crate::domain::text::Text;

mod listener;

pub use listener::Listener;

/// Names the socket of the run that an agent belongs to.
pub const SOCKET: &str = "REDKEY_SOCKET";
/// Names the run that an agent belongs to.
pub const RUN: &str = "REDKEY_RUN";

/// For everything but a question to a person.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A person may take this long; the policy's own limit for gates comes first.
const ANSWER: Duration = Duration::from_secs(7 * 24 * 3_600);

/// An agent's connection to its run.
#[derive(Debug)]
pub struct Session {
    client: Client,
}

/// Connects to the run that this process belongs to. `None`: it belongs to none.
pub fn connect() -> io::Result<Option<Session>> {
    match std::env::var_os(SOCKET) {
        Some(path) => connect_to(Path::new(&path)).map(Some),
        None => Ok(None),
    }
}

/// Connects to the run with this socket.
pub fn connect_to(path: &Path) -> io::Result<Session> {
    Ok(Session { client: Client::connect(path, Role::Run, TIMEOUT)? })
}

impl Session {
    /// Has a person, or the clock, asked this agent to stop? Doesn't wait. An error: the run's supervisor is gone.
    pub fn interrupted(&mut self) -> io::Result<Option<Interrupt>> {
        Ok(self.client.next_interrupt(Duration::ZERO)?)
    }

    /// Waits for an interrupt, at most so long.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<Interrupt>> {
        Ok(self.client.next_interrupt(timeout)?)
    }

    /// May this agent go on, after the clock has interrupted it? Waits at most so long.
    pub fn resumed(&mut self, timeout: Duration) -> io::Result<Option<Resume>> {
        Ok(self.client.next_resume(timeout)?)
    }

    /// Answers an interrupt: it was heard; with `idle`, the agent has stopped working and waits.
    pub fn ack(&mut self, interrupt: &Interrupt, idle: bool) -> io::Result<()> {
        self.client.ack(Ack { interrupt_id: interrupt.interrupt_id.clone(), idle })?;
        Ok(())
    }

    /// Tells what the agent does, as a line of redkey events.
    pub fn event(&mut self, line: &Line) -> io::Result<()> {
        let raw = serde_json::value::to_raw_value(line).map_err(io::Error::other)?;
        self.client.call::<serde::de::IgnoredAny>(&Call::Event(Box::new(Raw(raw))))?;
        Ok(())
    }

    /// Asks a person and waits for the answer. No answer in time is a no. Interrupts that come meanwhile are kept.
    pub fn ask(&mut self, text: &str) -> io::Result<bool> {
        self.client.set_timeout(ANSWER);
        let answer = self.client.gate_ask(GateAsk { text: Text::new(text) });
        self.client.set_timeout(TIMEOUT);
        match answer {
            Ok(gate) => Ok(gate.state == GateState::Allowed),
            Err(ClientError::Timeout) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests;
