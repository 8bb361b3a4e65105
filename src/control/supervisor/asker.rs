//! The asker: a process that asks the server inside an agent to end what it does, over loopback. It is apart from the
//! supervisor, since a server may take its time to answer, and the ladder takes none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::event::PollFd;

use super::wire::{FromRelay, ToRelay};
use crate::clock;
use crate::control::agents;
use crate::control::coop::{self, Access, Outcome, http};
use crate::control::link::Link;
use crate::control::proc;
use crate::domain::event::Agent;
use crate::domain::text::Text;
use crate::domain::time::Stamp;

pub struct Asker {
    pub link: Link<FromRelay, ToRelay>,
    /// The process below which the run is.
    pub supervisor: u32,
    /// Before the agent was started: what has not changed since isn't its work.
    pub since: Stamp,
    /// How long the ladder waits for it.
    pub patience: Duration,
}

impl Asker {
    /// Asks whenever it is told to, until the supervisor is gone.
    pub fn run(mut self) -> io::Result<()> {
        while !self.link.is_gone() {
            super::poll(&mut [PollFd::from_borrowed_fd(self.link.fd(), self.link.interest())], None)?;
            if !self.link.pump().is_empty() {
                self.ask();
            }
        }
        Ok(())
    }

    fn ask(&mut self) {
        let until = clock::elapsed() + self.patience;
        match self.perform(until) {
            Ok(outcome) => {
                if outcome.aborted > 0 {
                    self.link.send(&FromRelay::Acknowledged);
                }
                let unknown = || FromRelay::Spent(Text::new("its server doesn't say whether it is idle"));
                self.link.send(&if outcome.idle { FromRelay::Idle } else { unknown() });
            }
            // When its time is up, the ladder knows by itself.
            Err(why) if clock::elapsed() < until => drop(self.link.send(&FromRelay::Spent(why))),
            Err(_) => {}
        }
    }

    /// Asks every server that the agent has, until one answers as such.
    fn perform(&self, until: Duration) -> Result<Outcome, Text> {
        let mut why = Text::new("its server can't be asked: it listens nowhere on this machine's loopback");
        for (pid, address) in self.servers() {
            let login = coop::login(|name| proc::environ(pid, name));
            let access = Access { address, login, since: self.since };
            match http::perform(&access, until.saturating_sub(clock::elapsed())) {
                Ok(outcome) => return Ok(outcome),
                Err(error) => why = Text::new(&error.to_string()),
            }
        }
        Err(why)
    }

    /// Where the agent itself listens. What its tools have started is further below, and isn't asked.
    fn servers(&self) -> Vec<(u32, SocketAddr)> {
        let is_agent = |pid: u32| agents::recognise(&proc::cmdline(pid)) == Some(Agent::Opencode);
        proc::descendants(self.supervisor)
            .into_iter()
            .filter(|stat| is_agent(stat.pid))
            .map(|stat| proc::listens(stat.pid).into_iter().map(|at| (stat.pid, at)).collect::<Vec<_>>())
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }
}
