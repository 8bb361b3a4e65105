//! Letting connections in, and who has to leave for it.

use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::peer::{self, Peer};
use super::conn::{Conn, Slot};
use super::{Desk, Inbound, limits};
use crate::domain::text::Text;

/// Refusals that are told in one [`WINDOW`].
const TOLD: u32 = 16;
const WINDOW: Duration = Duration::from_secs(10);

/// Keeps a flood of refusals out of the audit log.
#[derive(Debug, Default)]
pub struct Refusals {
    since: Duration,
    told: u32,
    untold: u64,
}

impl Refusals {
    pub fn tell(&mut self, peer: Peer, why: Text, now: Duration, inbound: &mut Vec<Inbound>) {
        if now.saturating_sub(self.since) >= WINDOW {
            (self.since, self.told) = (now, 0);
        }
        if self.told >= TOLD {
            self.untold += 1;
            return;
        }
        self.told += 1;
        let why = match std::mem::take(&mut self.untold) {
            0 => why,
            n => Text::new(&format!("{why} ({n} more were refused before)")),
        };
        inbound.push(Inbound::Refused { peer, why });
    }
}

impl Desk {
    /// Accepts whoever waits, and hears them at once.
    pub(super) fn accept(&mut self, now: Duration, inbound: &mut Vec<Inbound>) {
        if self.breathing.is_some_and(|until| now < until) {
            return;
        }
        self.breathing = None;
        for _ in 0..limits::ACCEPTS {
            match self.listener.accept() {
                Ok((stream, _)) => self.let_in(stream, now, inbound),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // The system looks for a descriptor before it looks for somebody who waits.
                Err(e) if is_full(&e) && !self.is_awaited() => return,
                // No descriptor, or no memory for one. Anything else is about that one connection.
                Err(e) if is_full(&e) && !self.make_room(now) => {
                    self.breathing = Some(now + limits::BREATH);
                    return;
                }
                Err(_) => {}
            }
            // A call in the reserved slot is answered before that slot is given to the next.
            if self.conns.iter().any(|conn| conn.slot == Slot::Reserved && !conn.can_give_way(now)) {
                return;
            }
        }
    }

    /// Somebody waits to be accepted.
    fn is_awaited(&self) -> bool {
        let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
    }

    fn let_in(&mut self, stream: UnixStream, now: Duration, inbound: &mut Vec<Inbound>) {
        let Ok((pid, uid)) = peer::credentials(&stream) else { return };
        let peer = Peer { pid, uid, ..Peer::default() };
        if let Err(why) = peer::may_connect(uid, self.uid) {
            return self.refusals.tell(peer, why, now, inbound);
        }
        if stream.set_nonblocking(true).is_err() {
            return;
        }
        let mut conn = Conn::new(self.next, stream, peer, now);
        conn.on_spare = self.spare.is_spent() && !self.conns.iter().any(|conn| conn.on_spare);
        self.next += 1;
        self.conns.push(conn);
        self.hear(self.conns.len() - 1, now, inbound);
        self.thin_out(now, inbound);
    }

    /// Whoever has been silent longest gives way, but not unheard.
    fn thin_out(&mut self, now: Duration, inbound: &mut Vec<Inbound>) {
        let pending = |conn: &Conn| conn.slot == Slot::Pending && !conn.is_closed();
        if self.conns.iter().filter(|conn| pending(conn)).count() > limits::PENDING
            && let Some(at) = self.conns.iter().position(pending)
        {
            self.hear(at, now, inbound);
            if pending(&self.conns[at]) {
                self.conns[at].close();
            }
        }
        self.conns.retain(|conn| !(conn.is_closed() && conn.slot == Slot::Pending));
    }

    /// Frees a descriptor; false if there is none to free.
    fn make_room(&mut self, now: Duration) -> bool {
        if self.spare.spend() {
            return true;
        }
        let on_spare = self.conns.iter().position(|conn| conn.on_spare && !conn.is_closed());
        let at = on_spare.or_else(|| self.conns.iter().position(|conn| conn.slot == Slot::Pending));
        match at.map(|at| &mut self.conns[at]) {
            Some(conn) if conn.can_give_way(now) => {
                conn.close();
                conn.on_spare = false;
                true
            }
            _ => false,
        }
    }
}

/// No descriptor is free, in this process or at all.
fn is_full(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].iter().any(|full| code == Some(full.raw_os_error()))
}
