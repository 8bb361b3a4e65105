//! The other end of a run's socket, for screens and commands. It waits, each time for so long and no longer.
//!
//! A screen that watches many runs polls [`Client::fd`] and calls [`Client::next_update`] with no time to wait, until it
//! says that there is nothing more. To stop a run, use [`stop`]: it says hello and asks in one piece, and tries again
//! when it is crowded out.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::net::SocketAddrUnix;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::desk::{Id, check_version, socket};
use super::dir::own_uid;
use super::peer::{self, Peer};
use super::protocol::{
    Ack, Call, Clock, Gate, GateAnswer, GateAsk, GrantCall, Hello, HookAnswer, HookCall, Interrupt, Nothing, PROTO,
    Resume, Role, RpcError, Snapshot, Status, StopCall, Welcome, Why, code,
};
use super::wire::{self, Frames, Read};
use super::words::Stop;
use crate::clock;
use crate::domain::text::Text;

mod error;
mod survey;

pub use error::ClientError;
pub use survey::{Survey, find, survey};

/// Longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;
/// Notifications that are kept for later; the oldest give way.
const KEPT: usize = 256;
/// Between two tries to be let in.
const AGAIN: Duration = Duration::from_millis(2);

/// A connection to a run.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    /// The process that listens at the other end, as it was before anything was said: it may end with its answer.
    server: Peer,
    frames: Frames,
    next: i64,
    timeout: Duration,
    welcome: Welcome,
    updates: VecDeque<Snapshot>,
    interrupts: VecDeque<Interrupt>,
    resumes: VecDeque<Resume>,
    ended: bool,
}

/// What a run says: an answer, or a notification.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(default)]
    id: Option<Id>,
    #[serde(default)]
    method: Option<Text>,
    #[serde(default, borrow)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcError>,
    #[serde(default, borrow)]
    params: Option<&'a RawValue>,
}

/// A request as a line.
fn request(id: i64, call: &Call) -> Vec<u8> {
    let call = wire::line(call);
    let mut line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},").into_bytes();
    line.extend_from_slice(call.get(1..).unwrap_or_default());
    line
}

fn hello(role: Role) -> Call {
    Call::Hello(Hello { proto: Text::new(PROTO), role, run: None, capabilities: vec![] })
}

/// Connects within `timeout`; on a crowded socket this waits in line.
fn connect(path: &Path, timeout: Option<Duration>) -> Result<UnixStream, ClientError> {
    let address = SocketAddrUnix::new(path).map_err(io::Error::from)?;
    let socket = socket()?;
    if let Some(timeout) = timeout {
        set_socket_timeout(&socket, Timeout::Send, Some(timeout.max(Duration::from_millis(1))))
            .map_err(io::Error::from)?;
    } else {
        rustix::io::ioctl_fionbio(&socket, true).map_err(io::Error::from)?;
    }
    loop {
        match rustix::net::connect(&socket, &address) {
            Ok(()) => break,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INPROGRESS) => return Err(ClientError::Timeout),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => return Err(ClientError::NotThere),
            Err(e) => return Err(ClientError::Io(e.into())),
        }
    }
    let stream = UnixStream::from(socket);
    match peer::credentials(&stream) {
        Ok((_, uid)) if uid != own_uid() => {
            Err(ClientError::Refused(Text::new(&format!("this socket belongs to user {uid}, not to you"))))
        }
        _ => Ok(stream),
    }
}

/// Sends a stop and returns its state as the run answers it, and who answered: who listens on that socket may be somebody
/// else than should. Hello and stop go out in one piece, and if the connection is closed before the answer, both are said
/// again until `timeout` is over: the stop's id makes it the same stop.
pub fn stop(path: &Path, call: &StopCall, timeout: Duration) -> Result<(Stop, Peer), ClientError> {
    let until = clock::elapsed() + timeout;
    loop {
        let left = until.saturating_sub(clock::elapsed());
        let pressed = Client::begin(path, Role::Operator, left, Some(&Call::Stop(call.clone())));
        match pressed.and_then(|mut client| Ok((client.answer(1)?, client.server))) {
            Err(ClientError::Gone | ClientError::Rpc { code: code::LIMIT, .. }) if clock::elapsed() + AGAIN < until => {
                pause(AGAIN);
            }
            answer => return answer,
        }
    }
}

/// Who listens there, without saying anything to them.
pub fn server(path: &Path, timeout: Duration) -> Result<Peer, ClientError> {
    Ok(Peer::of(&connect(path, Some(timeout))?)?)
}

/// Waits, without a busy loop and without a thread of its own.
pub(super) fn pause(time: Duration) {
    if let Ok(time) = time.try_into() {
        let _ = rustix::event::poll(&mut [], Some(&time));
    }
}

impl Client {
    /// Connects and says hello, within `timeout`. Every later call may take as long again.
    pub fn connect(path: &Path, role: Role, timeout: Duration) -> Result<Self, ClientError> {
        Self::begin(path, role, timeout, None)
    }

    /// The same, with a first call, of id 1, in the same piece.
    fn begin(path: &Path, role: Role, timeout: Duration, first: Option<&Call>) -> Result<Self, ClientError> {
        let until = clock::elapsed() + timeout;
        let stream = connect(path, Some(timeout))?;
        let server = Peer::of(&stream)?;
        let mut said = request(0, &hello(role));
        said.extend(first.map(|call| request(1, call)).unwrap_or_default());
        let mut client = Self {
            stream,
            server,
            frames: Frames::new(MAX_ANSWER),
            next: if first.is_some() { 2 } else { 1 },
            timeout: until.saturating_sub(clock::elapsed()),
            welcome: super::desk::welcome(""),
            updates: VecDeque::new(),
            interrupts: VecDeque::new(),
            resumes: VecDeque::new(),
            ended: false,
        };
        client.say(&said)?;
        client.welcome = client.answer(0)?;
        check_version(client.welcome.proto.as_str())?;
        client.timeout = timeout;
        Ok(client)
    }

    /// What the run has answered to hello.
    pub fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    /// To poll for reading.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// How long each call may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    pub fn status(&mut self) -> Result<Status, ClientError> {
        self.call(&Call::Status(Nothing {}))
    }

    /// Updates follow: see [`Client::next_update`].
    pub fn subscribe(&mut self) -> Result<Snapshot, ClientError> {
        self.call(&Call::Subscribe(Nothing {}))
    }

    pub fn stop(&mut self, call: StopCall) -> Result<Stop, ClientError> {
        self.call(&Call::Stop(call))
    }

    pub fn grant(&mut self, call: GrantCall) -> Result<Clock, ClientError> {
        self.call(&Call::Grant(call))
    }

    pub fn take(&mut self, call: GrantCall) -> Result<Clock, ClientError> {
        self.call(&Call::Take(call))
    }

    pub fn release(&mut self, why: Why) -> Result<Clock, ClientError> {
        self.call(&Call::Release(why))
    }

    pub fn gate_list(&mut self) -> Result<Vec<Gate>, ClientError> {
        self.call(&Call::GateList(Nothing {}))
    }

    pub fn gate_answer(&mut self, answer: GateAnswer) -> Result<Gate, ClientError> {
        self.call(&Call::GateAnswer(answer))
    }

    /// Asks a person; returns when one has answered or time is up. Give it time: [`Client::set_timeout`].
    pub fn gate_ask(&mut self, ask: GateAsk) -> Result<Gate, ClientError> {
        self.call(&Call::GateAsk(ask))
    }

    pub fn hook(&mut self, call: HookCall) -> Result<HookAnswer, ClientError> {
        self.call(&Call::Hook(call))
    }

    pub fn ack(&mut self, ack: Ack) -> Result<bool, ClientError> {
        self.call(&Call::Ack(ack))
    }

    /// Any call, and its answer. After an error other than one that the run has answered, the connection is of no more
    /// use: the answer may still come.
    pub fn call<T: DeserializeOwned>(&mut self, call: &Call) -> Result<T, ClientError> {
        let id = self.next;
        self.next += 1;
        let until = clock::elapsed() + self.timeout;
        self.say(&request(id, call))?;
        self.answer_until(id, until)
    }

    /// The next update, waiting at most so long; `None`: none came. When the connection is closed, [`ClientError::Gone`]
    /// comes after the last of them.
    pub fn next_update(&mut self, timeout: Duration) -> Result<Option<Snapshot>, ClientError> {
        self.notice(timeout, |client| client.updates.pop_front())
    }

    /// The next interrupt, for connections with role [`Role::Run`]; otherwise as [`Client::next_update`].
    pub fn next_interrupt(&mut self, timeout: Duration) -> Result<Option<Interrupt>, ClientError> {
        self.notice(timeout, |client| client.interrupts.pop_front())
    }

    /// The next word that a held run may go on; otherwise as [`Client::next_interrupt`].
    pub fn next_resume(&mut self, timeout: Duration) -> Result<Option<Resume>, ClientError> {
        self.notice(timeout, |client| client.resumes.pop_front())
    }

    fn notice<T>(
        &mut self,
        timeout: Duration,
        mut kept: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<Option<T>, ClientError> {
        let until = clock::elapsed().saturating_add(timeout);
        loop {
            self.drain();
            if let Some(found) = kept(self) {
                return Ok(Some(found));
            }
            match self.more(until) {
                Ok(()) => {}
                Err(ClientError::Timeout) => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    fn answer<T: DeserializeOwned>(&mut self, id: i64) -> Result<T, ClientError> {
        self.answer_until(id, clock::elapsed() + self.timeout)
    }

    fn answer_until<T: DeserializeOwned>(&mut self, id: i64, until: Duration) -> Result<T, ClientError> {
        loop {
            while let Some(line) = self.frames.take() {
                if let Some(answer) = line.ok().and_then(|line| self.hear(&line, id)) {
                    return serde_json::from_str(answer?.get())
                        .map_err(|e| ClientError::Garbled(Text::new(&e.to_string())));
                }
            }
            self.more(until)?;
        }
    }

    /// Puts notifications where they belong. Answers that come now are nobody's any more.
    fn drain(&mut self) {
        while let Some(line) = self.frames.take() {
            if let Ok(line) = line {
                let _ = self.hear(&line, -1);
            }
        }
    }

    /// Reads a line: the answer to `id`, or `None`.
    fn hear(&mut self, line: &[u8], id: i64) -> Option<Result<Box<RawValue>, ClientError>> {
        let heard: Heard<'_> = serde_json::from_slice(line).ok()?;
        let params = heard.params.map(RawValue::get).unwrap_or_default();
        match heard.method.as_ref().map(Text::as_str) {
            Some("update") => keep(&mut self.updates, params),
            Some("interrupt") => keep(&mut self.interrupts, params),
            Some("resume") => keep(&mut self.resumes, params),
            Some(_) => {}
            // An error without an id is about what was said last.
            None if heard.id == Some(Id::Number(id)) || (heard.id.is_none() && heard.error.is_some()) => {
                let null = || RawValue::NULL.to_owned();
                return Some(match heard.error {
                    Some(error) => Err(error.into()),
                    None => Ok(heard.result.map_or_else(null, ToOwned::to_owned)),
                });
            }
            None => {}
        }
        None
    }

    /// Waits for more bytes and reads them.
    fn more(&mut self, until: Duration) -> Result<(), ClientError> {
        if self.ended {
            return Err(ClientError::Gone);
        }
        wait(&self.stream, until)?;
        self.ended = matches!(wire::receive(&self.stream, &mut self.frames), Read::End);
        // What came before the end is still read.
        if self.ended && !self.frames.has_line() { Err(ClientError::Gone) } else { Ok(()) }
    }

    /// A closed connection may still hold the reason why: that is for the answer to find.
    fn say(&mut self, line: &[u8]) -> Result<(), ClientError> {
        match wire::send_all(&self.stream, line) {
            Err(e) if matches!(e.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Err(ClientError::Timeout),
            sent => Ok(sent?),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}

fn keep<T: DeserializeOwned>(into: &mut VecDeque<T>, params: &str) {
    if let Ok(value) = serde_json::from_str(params) {
        if into.len() >= KEPT {
            into.pop_front();
        }
        into.push_back(value);
    }
}

/// Waits until there is something to read.
fn wait(stream: &UnixStream, until: Duration) -> Result<(), ClientError> {
    loop {
        let left = until.saturating_sub(clock::elapsed());
        let mut fds = [PollFd::new(stream, PollFlags::IN)];
        // Longer than the system can express is for ever.
        match rustix::event::poll(&mut fds, left.try_into().ok().as_ref()) {
            Ok(0) => return Err(ClientError::Timeout),
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(ClientError::Io(e.into())),
        }
    }
}

#[cfg(test)]
mod tests;
