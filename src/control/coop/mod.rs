//! PURE, except [`http`]. How an agent is asked to stop working, in its own words, over the channel that whoever
//! started it talks to it on.
//!
//! redkey stands between the two: every line passes through it unchanged, and each is shown to the machine of that
//! protocol. When the key is pressed the machine says what to write to the agent besides, and tells from what comes
//! back how far the agent has come. It never speaks unless asked to, and its ids begin with `redkey-`.
//!
//! What it believes is an agent's word. It ends a polite wait early; it never ends a stop.

mod acp;
mod claude;
mod codex;
pub mod http;
mod ids;
mod opencode;
mod pi;
mod rpc;
#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::agents::Channel;

pub use opencode::{Access, Outcome, login};

/// A line longer than this is passed on without being looked at, in bytes.
pub const MAX_LINE: usize = 1 << 20;
/// Things of one kind (turns, tasks, sessions) that are kept in mind; what is beyond is not asked about.
const MAX_KEPT: usize = 256;
/// Lines written for one interrupt. An agent that starts something new after each is left to the next rung.
const MAX_ASKED: usize = 512;
/// An id longer than this is not looked at, in bytes.
const MAX_ID: usize = 256;

/// What a line from the agent meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It has heard the interrupt.
    Acknowledged,
    /// It says that nothing is running any more.
    Idle,
    /// The line answers something that only redkey asked: it must not reach the other side.
    Answer,
}

/// What asking would come to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It works, and can be asked to stop.
    Working,
    /// Nothing is running, as far as was seen. Asking is safe and may bring forth no lines at all.
    Resting,
    /// Asking can't end all that is running, and this is why: waiting for it is a waste of time.
    Unreachable(&'static str),
}

/// One side of a conversation that is listened to. Lines are whole, without their newline.
pub trait Coop: Send {
    /// The other side wrote this line to the agent.
    fn line_in(&mut self, line: &[u8]);

    /// The agent wrote this line.
    fn line_out(&mut self, line: &[u8]) -> Vec<Heard>;

    /// The key was pressed: lines to write to the agent, whole (with their newline), between two lines of the other
    /// side. [`Heard::Idle`] comes at most once for each press.
    fn interrupt(&mut self) -> Vec<Vec<u8>>;

    /// What is to be written because of what was heard since; to be asked for after every [`Coop::line_out`].
    fn follow_up(&mut self) -> Vec<Vec<u8>>;

    fn reach(&self) -> Reach;

    /// Lines that were too long to look at.
    fn skipped(&self) -> u64;
}

/// The machine for a channel; `None` for one that has no lines ([`opencode`], [`http`]).
pub fn machine(channel: Channel) -> Option<Box<dyn Coop>> {
    Some(match channel {
        Channel::Claude => Box::new(claude::Claude::default()),
        Channel::Codex => Box::new(codex::Codex::default()),
        Channel::Pi => Box::new(pi::Pi::default()),
        Channel::Acp => Box::new(acp::Acp::default()),
        Channel::OpencodeHttp => return None,
    })
}

/// Reads what is wanted of a line. `None`: it is none of ours, or not JSON, or too long, which is counted.
fn look<'a, T: Deserialize<'a>>(line: &'a [u8], skipped: &mut u64) -> Option<T> {
    if line.len() > MAX_LINE {
        *skipped += 1;
        return None;
    }
    serde_json::from_slice(line).ok()
}

/// A line to write.
fn line(value: &serde_json::Value) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    bytes.push(b'\n');
    bytes
}
