//! One connection, and its limits in bytes.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::PollFlags;

use super::super::peer::Peer;
use super::super::protocol::{Role, RpcError};
use super::super::wire::{self, Frames, Outbox, Read};
use super::rpc::{self, Id};
use super::{ConnId, limits};

/// What a connection counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// It hasn't said hello yet.
    Pending,
    Ordinary,
    /// All others are taken: it may ask for the status and for a stop.
    Reserved,
}

#[derive(Debug)]
pub struct Conn {
    pub id: ConnId,
    /// `None`: closed.
    stream: Option<UnixStream>,
    frames: Frames,
    out: Outbox,
    pub peer: Peer,
    pub role: Role,
    pub slot: Slot,
    /// When it got its slot.
    pub since: Duration,
    /// There was no descriptor left: it has the one that was kept back.
    pub on_spare: bool,
    /// Calls that were handed out and not yet answered.
    pub open_calls: usize,
    /// The call that asked for updates; they follow its answer.
    pub subscribing: Option<Id>,
    pub subscribed: bool,
    /// When the first byte came of a line that is not whole.
    partial_since: Option<Duration>,
    /// Whole lines are waiting.
    more: bool,
    /// The other end sends nothing more.
    ended: bool,
    /// It is closed when all is sent, at this time at the latest.
    closing: Option<Duration>,
}

impl Conn {
    pub fn new(id: ConnId, stream: UnixStream, peer: Peer, now: Duration) -> Self {
        Self {
            id,
            stream: Some(stream),
            frames: Frames::new(limits::FRAME),
            out: Outbox::default(),
            peer,
            role: Role::Watch,
            slot: Slot::Pending,
            since: now,
            on_spare: false,
            open_calls: 0,
            subscribing: None,
            subscribed: false,
            partial_since: None,
            more: false,
            ended: false,
            closing: None,
        }
    }

    pub fn is_flushed(&self) -> bool {
        self.is_closed() || self.out.is_empty()
    }

    pub fn is_closed(&self) -> bool {
        self.stream.is_none()
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_some() || self.is_closed()
    }

    pub fn stream(&self) -> Option<&UnixStream> {
        self.stream.as_ref()
    }

    pub fn close(&mut self) {
        self.stream = None;
    }

    /// Closes once what it was told is sent.
    pub fn close_after(&mut self, now: Duration) {
        self.closing.get_or_insert(now + limits::GOODBYE);
        if self.out.is_empty() {
            self.close();
        }
    }

    /// What to poll for; `None`: nothing, it is closed.
    pub fn interest(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, !self.ended && self.closing.is_none());
        flags.set(PollFlags::OUT, !self.out.is_empty());
        self.stream.as_ref().map(|stream| (stream.as_fd(), flags))
    }

    /// Reads once, unless whole lines are waiting already: whoever doesn't stop sending is read as slowly as it is answered.
    pub fn read(&mut self, now: Duration) {
        if self.ended || self.more || self.is_closing() {
            return;
        }
        let Some(stream) = &self.stream else { return };
        match wire::receive(stream, &mut self.frames) {
            Read::Some(_) => self.partial_since = self.partial_since.or(Some(now)),
            Read::Nothing => {}
            Read::End => self.ended = true,
        }
    }

    /// The next line, if one is whole.
    pub fn line(&mut self, now: Duration) -> Option<Vec<u8>> {
        match self.frames.take()? {
            Ok(line) => {
                // What follows is a new line; its time runs from now.
                self.partial_since = Some(now);
                Some(line)
            }
            Err(wire::TooLong) => {
                let message = format!("a line has at most {} bytes", limits::FRAME);
                self.fail(None, &RpcError::new(super::super::protocol::code::LIMIT, &message));
                self.close_after(now);
                None
            }
        }
    }

    /// To be called when lines were taken: what is left?
    pub fn settle(&mut self, now: Duration) {
        self.more = self.frames.has_line() && !self.is_closing();
        self.partial_since = self.partial_since.filter(|_| self.frames.is_partial());
        let done = self.ended && !self.more && self.open_calls == 0;
        if done {
            self.close_after(now);
        }
    }

    /// The other end is closed altogether: nobody reads an answer.
    pub fn hung_up(&mut self) {
        if self.ended && !self.more {
            self.close();
        }
    }

    pub fn fail(&mut self, id: Option<&Id>, error: &RpcError) {
        self.say(&rpc::error(id, error));
    }

    /// Queues a line and sends what can be sent. Whoever lets too much pile up is dropped.
    pub fn say(&mut self, line: &[u8]) {
        if self.stream.is_some() {
            self.out.push(line);
            self.flush();
        }
    }

    pub fn flush(&mut self) {
        let Some(stream) = &self.stream else { return };
        let sent = self.out.flush(stream).is_ok();
        if !sent {
            // It may have said something before it left; that is still heard.
            self.out.clear();
        }
        if self.out.len() > limits::QUEUE || (self.out.is_empty() && self.closing.is_some()) {
            self.close();
        }
    }

    /// One of its calls is answered.
    pub fn answered(&mut self, id: &Id, line: &[u8], ok: bool) {
        self.open_calls = self.open_calls.saturating_sub(1);
        if self.subscribing.as_ref() == Some(id) {
            self.subscribing = None;
            self.subscribed |= ok;
        }
        self.say(line);
        if self.ended && self.open_calls == 0 && !self.more && self.out.is_empty() {
            self.close();
        }
    }

    /// When [`Conn::expire`] has something to do.
    pub fn deadline(&self) -> Option<Duration> {
        if self.is_closed() || self.more {
            return Some(Duration::ZERO);
        }
        let hello = (self.slot == Slot::Pending).then(|| self.since + limits::HELLO);
        let frame = self.partial_since.map(|since| since + limits::FRAME_TIME);
        [hello, frame, self.closing].into_iter().flatten().min()
    }

    /// Closes what is too slow.
    pub fn expire(&mut self, now: Duration) {
        let slow = !self.more && self.deadline().is_some_and(|deadline| deadline <= now);
        if slow {
            self.close();
        }
    }

    /// May it be closed to make room for a newcomer? It has been read at least once.
    pub fn can_give_way(&self, now: Duration) -> bool {
        match self.slot {
            Slot::Pending => true,
            Slot::Reserved => self.open_calls == 0 || now >= self.since + limits::RESERVED,
            Slot::Ordinary => false,
        }
    }
}
