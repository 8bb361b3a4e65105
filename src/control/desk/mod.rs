//! The desk: a run's socket, and everybody who comes to it. One thread, no waiting; it belongs in its owner's poll loop:
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use redkey::control::{desk::{self, Desk, Inbound}, dir::RunDir};
//! # let dirs = redkey::config::Dirs::find().ok_or("no home")?;
//! let mut desk = Desk::open(&RunDir::open(&dirs)?, "r-1", desk::welcome("r-1"))?;
//! loop {
//!     let mut fds = desk.poll_fds(); // and the caller's own
//!     let wait = desk.deadline().map(|at| at.saturating_sub(redkey::clock::elapsed()));
//!     let wait = wait.and_then(|wait| wait.try_into().ok());
//!     rustix::event::poll(&mut fds, wait.as_ref())?;
//!     drop(fds);
//!     for inbound in desk.serve(redkey::clock::elapsed()) {
//!         match inbound {
//!             Inbound::Call { conn, id, .. } => desk.reply(conn, id, Ok(true)),
//!             Inbound::Gone { .. } | Inbound::Refused { .. } => {}
//!         }
//!     }
//! }
//! # }
//! ```
//!
//! What must hold: whatever arrives, from however many, nothing panics, memory stays within [`limits`], and a stop is
//! heard within a tenth of a second, without a free descriptor too. Therefore whoever is silent or slow gives way, every
//! connection gets a few lines a round, the last slot takes nothing but stops, and a client sends `hello` and `stop` in
//! one piece: then it is heard in the moment in which it is accepted.

mod accept;
mod admit;
mod conn;
mod open;
mod rpc;
mod spare;

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use serde::Serialize;

use self::accept::Refusals;
use self::conn::{Conn, Slot};
use self::spare::Spare;
use super::dir::{self, RunDir};
use super::peer::{self, Peer};
use super::proc;
use super::protocol::{Call, PROTO, Role, RpcError, Welcome, code};
use crate::domain::text::Text;

pub(super) use self::open::socket;
pub use self::open::{DeskError, tidy};
pub use self::rpc::Id;

/// A connection, by a number that never comes again.
pub type ConnId = u64;

/// What everybody is held to.
pub mod limits {
    use std::time::Duration;

    /// Longest line, in bytes.
    pub const FRAME: usize = 64 * 1024;
    /// Most bytes that wait for one reader.
    pub const QUEUE: usize = 64 * 1024;
    /// Connections that have said hello; one more is taken for a stop.
    pub const CONNECTIONS: usize = 64;
    /// Connections that have not said hello. Whoever has been silent longest gives way to a newcomer.
    pub const PENDING: usize = 8;
    /// Calls of one connection that are not answered yet.
    pub const OPEN_CALLS: usize = 64;
    /// Time to say hello.
    pub const HELLO: Duration = Duration::from_secs(2);
    /// From a line's first byte to its end.
    pub const FRAME_TIME: Duration = Duration::from_secs(5);
    /// For the last words to somebody who is shown out.
    pub const GOODBYE: Duration = Duration::from_secs(1);
    /// After so long an unanswered call no longer keeps the reserved slot.
    pub const RESERVED: Duration = Duration::from_secs(1);
    /// Lines of one connection that are read in one round, and connections that are accepted.
    pub const LINES: usize = 4;
    pub const ACCEPTS: usize = 512;
    /// Pause when there is neither a descriptor nor anybody who could give one up.
    pub const BREATH: Duration = Duration::from_millis(5);
}

/// What has come in.
#[derive(Debug, PartialEq)]
pub enum Inbound {
    /// A call that its caller's role allows; to be answered by [`Desk::reply`], at once or later.
    Call { conn: ConnId, id: Id, call: Call, peer: Peer, role: Role },
    /// The connection is closed. What it has asked for stands, but nobody waits for the answers.
    Gone { conn: ConnId },
    /// Somebody was turned away: another user, or no operator. For the audit log; under a flood some are left out,
    /// and the next one says how many.
    Refused { peer: Peer, why: Text },
}

/// Who gets a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Those whose `subscribe` was answered.
    Subscribed,
    /// Those who came in this role.
    Role(Role),
}

/// A run's socket.
#[derive(Debug)]
pub struct Desk {
    listener: UnixListener,
    conns: Vec<Conn>,
    next: ConnId,
    welcome: Welcome,
    kept: Vec<u32>,
    marks: Vec<String>,
    known: peer::Known,
    uid: u32,
    spare: Spare,
    refusals: Refusals,
    /// Nothing is accepted until then.
    breathing: Option<Duration>,
    /// Dropped last: the place is held until the listener is closed.
    place: open::Place,
}

impl Desk {
    /// Opens the socket called `name`. `welcome` is what everybody is told who says hello.
    pub fn open(dir: &RunDir, name: &str, welcome: Welcome) -> Result<Self, DeskError> {
        let mut place = open::Place::take(dir, name)?;
        let listener = place.listen()?;
        Ok(Self {
            listener,
            conns: vec![],
            next: 1,
            welcome,
            kept: vec![],
            known: peer::Known::default(),
            marks: peer::MARKS.iter().map(|mark| (*mark).to_owned()).collect(),
            uid: dir::own_uid(),
            spare: Spare::new(),
            refusals: Refusals::default(),
            breathing: None,
            place,
        })
    }

    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// If the socket was removed, or something else put in its place, it is opened again. What was wrong, for a person.
    pub fn keep_place(&mut self) -> Option<Text> {
        if self.place.is_ours() {
            return None;
        }
        let was = if self.place.path().exists() { "replaced" } else { "removed" };
        match self.place.retake() {
            Ok(listener) => {
                self.listener = listener;
                Some(Text::new(&format!("its socket was {was}; it is open again")))
            }
            Err(error) => Some(Text::new(&format!("its socket was {was}, and can't be opened again: {error}"))),
        }
    }

    /// These processes and their descendants can't be operators: the supervisor and the agent. Replaces the last list.
    pub fn keep_out(&mut self, pids: &[u32]) {
        self.kept = pids.to_vec();
    }

    /// Neither can those of any other run in this audit log.
    pub fn keep_out_runs(&mut self, log: &Path) {
        self.known = peer::Known::by(log);
    }

    /// Whoever has one of these in its environment can't be an operator; [`peer::MARKS`] unless this is called.
    pub fn set_marks(&mut self, marks: &[&str]) {
        self.marks = marks.iter().map(|mark| (*mark).to_owned()).collect();
    }

    /// What to poll for.
    pub fn fds(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let listener = self.breathing.is_none().then(|| (self.listener.as_fd(), PollFlags::IN));
        listener.into_iter().chain(self.conns.iter().filter_map(Conn::interest))
    }

    /// The same as a list for [`rustix::event::poll`].
    pub fn poll_fds(&self) -> Vec<PollFd<'_>> {
        self.fds().map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)).collect()
    }

    /// When [`Desk::serve`] has something to do without any descriptor being ready; on the clock that is given there.
    pub fn deadline(&self) -> Option<Duration> {
        self.conns.iter().filter_map(Conn::deadline).chain(self.breathing).min()
    }

    /// Does what can be done now, and returns what came in, stops first. To be called when poll says that something is
    /// ready, or a deadline has passed; harmless otherwise.
    pub fn serve(&mut self, now: Duration) -> Vec<Inbound> {
        let mut inbound = vec![];
        for (at, ready) in self.ready().into_iter().enumerate() {
            if ready.intersects(PollFlags::OUT) {
                self.conns[at].flush();
            }
            if self.conns[at].deadline() == Some(Duration::ZERO) || ready.intersects(!PollFlags::OUT) {
                self.hear(at, now, &mut inbound);
            }
            if ready.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
                self.conns[at].hung_up();
            }
        }
        self.accept(now, &mut inbound);
        self.conns.iter_mut().for_each(|conn| conn.expire(now));
        self.sweep(&mut inbound);
        inbound.sort_by_key(|one| !matches!(one, Inbound::Call { call: Call::Stop(_), .. }));
        inbound
    }

    /// Answers a call. Nothing happens if its connection is closed.
    pub fn reply<T: Serialize>(&mut self, conn: ConnId, id: Id, result: Result<T, RpcError>) {
        let Some(conn) = self.conns.iter_mut().find(|c| c.id == conn) else { return };
        match result {
            Ok(value) => conn.answered(&id, &rpc::result(&id, &value), true),
            Err(error) => conn.answered(&id, &rpc::error(Some(&id), &error), false),
        }
    }

    /// Tells one connection something. False: it is closed.
    pub fn notify<T: Serialize + ?Sized>(&mut self, conn: ConnId, method: &str, params: &T) -> bool {
        let Some(conn) = self.conns.iter_mut().find(|c| c.id == conn) else { return false };
        conn.say(&rpc::notification(method, params));
        !conn.is_closed()
    }

    /// Tells all of them something; how many were told. Whoever doesn't read is dropped, not waited for.
    pub fn notify_all<T: Serialize + ?Sized>(&mut self, to: To, method: &str, params: &T) -> usize {
        let meant = |conn: &Conn| match to {
            _ if conn.slot == Slot::Pending || conn.is_closing() => false,
            To::Subscribed => conn.subscribed,
            To::Role(role) => conn.role == role,
        };
        if !self.conns.iter().any(meant) {
            return 0;
        }
        let line = rpc::notification(method, params);
        let told = self.conns.iter_mut().filter(|conn| meant(conn)).map(|conn| {
            conn.say(&line);
            usize::from(!conn.is_closed())
        });
        told.sum()
    }

    /// Connections that have said hello.
    pub fn connections(&self) -> usize {
        self.conns.iter().filter(|conn| conn.slot != Slot::Pending && !conn.is_closed()).count()
    }

    /// Connections in this role.
    pub fn in_role(&self, role: Role) -> usize {
        let meant = |conn: &&Conn| conn.slot != Slot::Pending && !conn.is_closing() && conn.role == role;
        self.conns.iter().filter(meant).count()
    }

    /// Everything that was said is on its way.
    pub fn is_flushed(&self) -> bool {
        self.conns.iter().all(Conn::is_flushed)
    }

    /// What every connection is ready for, in their order.
    fn ready(&self) -> Vec<PollFlags> {
        let open: Vec<_> = self.conns.iter().map(Conn::interest).collect();
        let mut fds: Vec<_> = open.iter().flatten().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        // If it fails, everything is tried: all of it is non-blocking.
        let failed = rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_err();
        let mut found = fds.iter().map(|fd| if failed { PollFlags::IN | PollFlags::OUT } else { fd.revents() });
        open.iter().map(|one| one.as_ref().and_then(|_| found.next()).unwrap_or(PollFlags::empty())).collect()
    }

    /// Reads from a connection and takes a few of its lines.
    fn hear(&mut self, at: usize, now: Duration, inbound: &mut Vec<Inbound>) {
        self.conns[at].read(now);
        for _ in 0..limits::LINES {
            if self.conns[at].is_closing() {
                break;
            }
            let Some(line) = self.conns[at].line(now) else { break };
            self.take(at, &line, now, inbound);
        }
        self.conns[at].settle(now);
    }

    fn take(&mut self, at: usize, line: &[u8], now: Duration, inbound: &mut Vec<Inbound>) {
        let pending = self.conns[at].slot == Slot::Pending;
        match rpc::read(line) {
            rpc::Said::Nothing => {}
            rpc::Said::Bad(id, error) => {
                self.conns[at].fail(id.as_ref(), &error);
                if pending {
                    self.conns[at].close_after(now);
                }
            }
            rpc::Said::Call(id, Call::Hello(hello)) if pending => {
                if let Err(error) = self.hello(at, &id, &hello, now, inbound) {
                    self.conns[at].fail(Some(&id), &error);
                    self.conns[at].close_after(now);
                }
            }
            rpc::Said::Call(id, call) => match self.admit(at, &call) {
                Ok(()) => {
                    let conn = &mut self.conns[at];
                    conn.open_calls += 1;
                    if matches!(call, Call::Subscribe(_)) {
                        conn.subscribing = Some(id.clone());
                    }
                    inbound.push(Inbound::Call { conn: conn.id, id, call, peer: conn.peer.clone(), role: conn.role });
                }
                Err(error) => {
                    self.conns[at].fail(Some(&id), &error);
                    if pending {
                        self.conns[at].close_after(now);
                    }
                }
            },
        }
    }

    fn ordinary(&self) -> usize {
        self.conns.iter().filter(|conn| conn.slot == Slot::Ordinary && !conn.is_closed()).count()
    }

    /// Forgets what is closed, and takes back the descriptor that was kept for need.
    fn sweep(&mut self, inbound: &mut Vec<Inbound>) {
        self.conns.retain(|conn| {
            if conn.is_closed() && conn.slot != Slot::Pending {
                inbound.push(Inbound::Gone { conn: conn.id });
            }
            !conn.is_closed()
        });
        if self.spare.restore() {
            self.conns.iter_mut().for_each(|conn| conn.on_spare = false);
        }
    }
}

/// The welcome of a run called `name` on this machine, in this boot.
pub fn welcome(name: &str) -> Welcome {
    Welcome {
        proto: Text::new(PROTO),
        run: Text::new(name),
        boot_id: proc::stat::boot_id(),
        server: Text::new(concat!("redkey ", env!("CARGO_PKG_VERSION"))),
        capabilities: vec![],
    }
}

/// Versions with one major number understand each other.
pub(super) fn check_version(theirs: &str) -> Result<(), RpcError> {
    let major = |version: &str| version.split('.').next().and_then(|number| number.parse::<u32>().ok());
    match major(theirs) {
        Some(number) if Some(number) == major(PROTO) => Ok(()),
        _ => {
            let message = format!(
                "no common version: this side speaks {PROTO}, the other `{theirs}`; use the same redkey on both sides"
            );
            Err(RpcError::new(code::VERSION, &message))
        }
    }
}

#[cfg(test)]
pub(super) mod testkit;
#[cfg(test)]
mod tests;
