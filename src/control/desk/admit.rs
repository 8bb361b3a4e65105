//! Who may do what, and on which slot.

use std::time::Duration;

use super::super::peer::{self, Peer};
use super::super::protocol::{Call, Hello, Role, RpcError, code};
use super::conn::Slot;
use super::{Desk, Id, Inbound, limits, rpc};
use crate::domain::text::Text;

impl Desk {
    /// May this connection make this call now?
    pub(super) fn admit(&mut self, at: usize, call: &Call) -> Result<(), RpcError> {
        let room = self.ordinary() < limits::CONNECTIONS;
        let conn = &mut self.conns[at];
        if conn.slot == Slot::Reserved && room && !conn.on_spare {
            conn.slot = Slot::Ordinary;
        }
        let refuse = |code, why: &str| Err(RpcError::new(code, why));
        match call {
            _ if conn.slot == Slot::Pending => refuse(code::NO_HELLO, "say `hello` first"),
            Call::Hello(_) => refuse(code::INVALID_REQUEST, "`hello` was said already"),
            _ if !peer::may(conn.role, call) => refuse(code::REFUSED, "your role on this connection may not do this"),
            Call::Stop(_) | Call::Status(_) if conn.open_calls < limits::OPEN_CALLS => Ok(()),
            _ if conn.slot == Slot::Reserved => {
                refuse(code::LIMIT, "all connections are taken; this last one is for `status` and `stop`")
            }
            _ if conn.open_calls >= limits::OPEN_CALLS => {
                refuse(code::LIMIT, "too many of your calls are unanswered; wait for their answers")
            }
            _ => Ok(()),
        }
    }

    pub(super) fn hello(
        &mut self,
        at: usize,
        id: &Id,
        hello: &Hello,
        now: Duration,
        inbound: &mut Vec<Inbound>,
    ) -> Result<(), RpcError> {
        if hello.run.as_ref().is_some_and(|run| *run != self.welcome.run) {
            let message =
                format!("this is the run {}, not {}", self.welcome.run, hello.run.clone().unwrap_or_default());
            return Err(RpcError::new(code::UNKNOWN, &message));
        }
        self.identify(at, hello.role).map_err(|why| {
            let peer = self.conns[at].peer.clone();
            self.refusals.tell(peer, why.clone(), now, inbound);
            RpcError::new(code::REFUSED, &format!("{why}; it can't be an operator"))
        })?;
        let slot = self.slot_for(at, hello.role, now)?;
        let conn = &mut self.conns[at];
        (conn.slot, conn.role, conn.since) = (slot, hello.role, now);
        conn.say(&rpc::result(id, &self.welcome));
        Ok(())
    }

    /// Looks the peer up, and refuses those who want to be an operator and may not.
    fn identify(&mut self, at: usize, role: Role) -> Result<(), Text> {
        let Self { conns, spare, marks, kept, known, .. } = self;
        let conn = &mut conns[at];
        let marks: Vec<&str> = marks.iter().map(String::as_str).collect();
        // Looking takes a descriptor.
        spare.lend(|| {
            if let Some(peer) = conn.stream().and_then(|stream| Peer::of(stream).ok()) {
                conn.peer = peer;
            }
            match role {
                Role::Operator => peer::may_operate(&conn.peer, kept, &marks, known),
                _ => Ok(()),
            }
        })
    }

    fn slot_for(&mut self, at: usize, role: Role, now: Duration) -> Result<Slot, RpcError> {
        if self.ordinary() < limits::CONNECTIONS && !self.conns[at].on_spare {
            return Ok(Slot::Ordinary);
        }
        let full = || RpcError::new(code::LIMIT, "all connections to this run are taken; close one of them");
        if role != Role::Operator {
            return Err(full());
        }
        match self.conns.iter_mut().find(|conn| conn.slot == Slot::Reserved && !conn.is_closed()) {
            None => {}
            Some(other) if other.can_give_way(now) => other.close(),
            Some(_) => return Err(full()),
        }
        Ok(Slot::Reserved)
    }
}
