//! The line between a run's supervisor and its meter: JSON, one message a line, over a pair of Unix sockets.
//!
//! The supervisor's end never blocks and belongs in its poll loop ([`Link`]); the meter's end may wait
//! ([`split`]). What doesn't fit is dropped whole and counted: a meter that hangs must not hold up a stop.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::PollFlags;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::desk::{ConnId, Id};
use super::peer::Peer;
use super::protocol::{Call, Metered, Raw, Resume, Role, RpcError};
use super::wire::{self, Frames};
use super::words::{Mode, ProcId, Stop};
use crate::domain::text::Text;

/// Most bytes that wait to be sent, and longest message, on each end.
pub const BOUND: usize = 1 << 20;

/// Most bytes read in one [`Link::pump`].
const ROUND: usize = 256 * 1024;

/// What the supervisor tells the meter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToMeter {
    /// A call that is the meter's to answer, with [`FromMeter::Reply`].
    Call(Asked),
    /// This connection is closed: nobody waits for its answers any more.
    Gone(ConnId),
    /// Every process of the run, as last counted.
    Pids(Vec<ProcId>),
    /// A stop's state, whenever it changes.
    Stop(Stop),
    /// The agent's own process is gone.
    Ended(Ended),
}

/// A call on the run's socket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub conn: ConnId,
    pub id: Id,
    pub call: Call,
    pub peer: Peer,
    pub role: Role,
}

/// How the agent ended: one of the two, unless it isn't known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    #[serde(default)]
    pub code: Option<i32>,
    #[serde(default)]
    pub signal: Option<i32>,
}

/// What the meter tells the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromMeter {
    Reply(Reply),
    /// What goes into [`super::protocol::Status::metered`] from now on.
    Metered(Box<Metered>),
    /// The clock is at zero, or something else in the policy asks for a stop.
    Stop(StopAsk),
    /// What belongs in the audit log, as its JSON.
    Event(Raw),
    /// The audit log can't be written, or can be again. Also said now and then as a sign of life.
    Degraded(bool),
    /// A run that was held may go on: for an agent that listens.
    Resume(Resume),
}

/// The answer to a call: a result, or an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub conn: ConnId,
    pub id: Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Raw>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RpcError>,
}

/// A stop that the meter asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopAsk {
    pub mode: Mode,
    pub reason: Text,
    /// `clock`, `hook`, …
    pub by: Text,
}

impl Reply {
    pub fn new<T: Serialize>(conn: ConnId, id: Id, result: Result<T, RpcError>) -> Self {
        let raw = result.and_then(|value| {
            serde_json::value::to_raw_value(&value)
                .map_err(|e| RpcError::new(super::protocol::code::INTERNAL, &e.to_string()))
        });
        match raw {
            Ok(raw) => Self { conn, id, result: Some(Raw(raw)), error: None },
            Err(error) => Self { conn, id, result: None, error: Some(error) },
        }
    }

    /// For [`super::desk::Desk::reply`].
    pub fn into_result(self) -> Result<Raw, RpcError> {
        match (self.error, self.result) {
            (Some(error), _) => Err(error),
            (None, Some(raw)) => Ok(raw),
            (None, None) => Ok(Raw(RawValue::NULL.to_owned())),
        }
    }
}

/// The two ends, to be taken apart by a fork. Neither is inherited by a program that is started.
pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
    UnixStream::pair()
}

/// One end in a poll loop: sends `Out`, receives `In`. The supervisor's is `Link<ToMeter, FromMeter>`.
#[derive(Debug)]
pub struct Link<Out, In> {
    stream: UnixStream,
    frames: Frames,
    out: wire::Outbox,
    dropped: u64,
    garbled: u64,
    gone: bool,
    _types: PhantomData<fn(&Out) -> In>,
}

impl<Out: Serialize, In: DeserializeOwned> Link<Out, In> {
    /// Makes `stream` non-blocking.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            frames: Frames::new(BOUND),
            out: wire::Outbox::default(),
            dropped: 0,
            garbled: 0,
            gone: false,
            _types: PhantomData,
        })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// What to poll for. Don't poll a link that is gone: it would always be ready.
    pub fn interest(&self) -> PollFlags {
        if self.out.is_empty() { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT }
    }

    /// Sends what can be sent and returns what has arrived. To be called when poll says so; harmless otherwise.
    pub fn pump(&mut self) -> Vec<In> {
        self.flush();
        let mut read = 0;
        while !self.gone && read < ROUND {
            match wire::receive(&self.stream, &mut self.frames) {
                wire::Read::Some(n) => read += n,
                wire::Read::Nothing => break,
                wire::Read::End => self.gone = true,
            }
        }
        self.messages()
    }

    /// Queues a message and sends what can be sent. False: it was dropped, since the other end is gone or doesn't read.
    pub fn send(&mut self, message: &Out) -> bool {
        let line = wire::line(message);
        let fits = !self.gone && self.out.len() + line.len() <= BOUND;
        match fits {
            true => self.out.push(&line),
            false => self.dropped += 1,
        }
        self.flush();
        fits
    }

    /// The other end is closed.
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Messages that were not sent.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Lines that arrived and could not be read.
    pub fn garbled(&self) -> u64 {
        self.garbled
    }

    fn flush(&mut self) {
        if !self.gone && self.out.flush(&self.stream).is_err() {
            self.out.clear();
            // What was sent before the end can still be read; reading finds the end.
        }
    }

    fn messages(&mut self) -> Vec<In> {
        let mut messages = vec![];
        while let Some(frame) = self.frames.take() {
            match frame.ok().and_then(|line| serde_json::from_slice(&line).ok()) {
                Some(message) => messages.push(message),
                None => self.garbled += 1,
            }
        }
        messages
    }
}

/// The waiting end's receiving half.
#[derive(Debug)]
pub struct Receiver<In> {
    stream: UnixStream,
    frames: Frames,
    garbled: u64,
    _type: PhantomData<fn() -> In>,
}

/// The waiting end's sending half; clones share it.
#[derive(Debug)]
pub struct Sender<Out> {
    stream: Arc<Mutex<UnixStream>>,
    _type: PhantomData<fn(&Out)>,
}

impl<Out> Clone for Sender<Out> {
    fn clone(&self) -> Self {
        Self { stream: self.stream.clone(), _type: PhantomData }
    }
}

/// One end for code that may wait. The meter's is `split::<FromMeter, ToMeter>`.
pub fn split<Out: Serialize, In: DeserializeOwned>(stream: UnixStream) -> io::Result<(Sender<Out>, Receiver<In>)> {
    stream.set_nonblocking(false)?;
    let receiver = Receiver { stream: stream.try_clone()?, frames: Frames::new(BOUND), garbled: 0, _type: PhantomData };
    Ok((Sender { stream: Arc::new(Mutex::new(stream)), _type: PhantomData }, receiver))
}

impl<In: DeserializeOwned> Receiver<In> {
    /// Waits for the next message; `None`: the other end is closed. Lines that can't be read are counted and skipped.
    pub fn recv(&mut self) -> Option<In> {
        loop {
            while let Some(frame) = self.frames.take() {
                match frame.ok().and_then(|line| serde_json::from_slice(&line).ok()) {
                    Some(message) => return Some(message),
                    None => self.garbled += 1,
                }
            }
            match wire::receive(&self.stream, &mut self.frames) {
                wire::Read::Some(_) => {}
                // Nothing, on a socket that waits, is a timeout that somebody has set on it.
                wire::Read::Nothing => {}
                wire::Read::End => return None,
            }
        }
    }

    pub fn garbled(&self) -> u64 {
        self.garbled
    }
}

impl<In: DeserializeOwned + Send + 'static> Receiver<In> {
    /// Reads on a thread of its own; `each` gets every message until it returns false or the other end is closed.
    pub fn spawn(mut self, mut each: impl FnMut(In) -> bool + Send + 'static) -> io::Result<()> {
        let work = move || while self.recv().is_some_and(&mut each) {};
        std::thread::Builder::new().name("link".into()).spawn(work).map(drop)
    }
}

impl<Out: Serialize> Sender<Out> {
    /// Waits until the message is sent. An error: the other end is closed.
    pub fn send(&self, message: &Out) -> io::Result<()> {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send_all(&stream, &wire::line(message))
    }
}

#[cfg(test)]
mod tests;
