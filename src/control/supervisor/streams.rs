//! The run's standard streams, where they are passed on and not the user's own.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::launch::Launch;
use super::relay::Relay;
use crate::control::agents::{self, Channel, Knowledge};
use crate::control::coop;
use crate::control::link::Link;
use crate::domain::text::Text;

/// The ends of the run's standard streams, where they are passed on.
pub struct Streams {
    agent_in: Option<OwnedFd>,
    relay_in: Option<OwnedFd>,
    agent_out: Option<OwnedFd>,
    relay_out: OwnedFd,
    channel: Option<Channel>,
    copy: Option<PathBuf>,
}

impl Streams {
    /// Pipes, if this agent's streams must be passed on; `None`: it gets the user's own.
    pub fn for_agent(known: &Knowledge, launch: &Launch, run: &Text) -> Result<Option<Self>> {
        let channel = known.agent.and_then(|agent| agents::channel(agent, &launch.command)).filter(|c| c.is_piped());
        let on_disk = known.agent.is_some_and(|agent| agents::writes_transcript(agent, &launch.command));
        // On a terminal a person reads, and what is drawn there is no stream.
        let copies = !on_disk && !io::stdout().is_terminal();
        if channel.is_none() && !copies {
            return Ok(None);
        }
        let (relay_out, agent_out) = io::pipe().context("cannot make a pipe")?;
        let (agent_in, relay_in) = match channel {
            Some(_) => {
                let (read, write) = io::pipe().context("cannot make a pipe")?;
                (Some(read.into()), Some(write.into()))
            }
            None => (None, None),
        };
        let copy = copies.then(|| launch.streams.join(format!("{run}.out.jsonl")));
        let (agent_out, relay_out) = (Some(agent_out.into()), relay_out.into());
        Ok(Some(Self { agent_in, relay_in, agent_out, relay_out, channel, copy }))
    }

    /// The agent's ends; they are the command's from now on.
    pub fn agent_ends(&mut self) -> (Option<OwnedFd>, Option<OwnedFd>) {
        (self.agent_in.take(), self.agent_out.take())
    }

    /// Somebody is asked over them.
    pub fn has_channel(&self) -> bool {
        self.channel.is_some()
    }

    /// The relay's whole life; its exit code.
    pub fn relay(self, link: UnixStream) -> i32 {
        let Self { agent_in, relay_in, agent_out, relay_out, channel, copy } = self;
        drop((agent_in, agent_out));
        let work = || -> io::Result<()> {
            rustix::process::setpgid(None, None)?;
            let copy = copy.as_ref().and_then(|path| copy_at(path).ok());
            let coop = channel.and_then(coop::machine);
            Relay { link: Link::new(link)?, input: relay_in, coop, output: relay_out, copy }.run()
        };
        work().map_or(1, |()| 0)
    }
}

/// Only its user may read what an agent printed.
fn copy_at(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    File::options().create_new(true).append(true).mode(0o600).open(path)
}

/// The agent's streams are the agent's: whoever reads them must see their end when the agent closes them.
pub fn let_go_of_streams() -> io::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(nothing.as_fd())?;
    Ok(())
}
