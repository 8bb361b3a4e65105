//! The run's standard streams, where they are passed on and not the user's own; and who asks the agent, over them or
//! else.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::asker::Asker;
use super::launch::Launch;
use super::relay::Relay;
use super::wire::{FromRelay, ToRelay};
use crate::clock;
use crate::control::agents::{self, Channel, Knowledge};
use crate::control::coop;
use crate::control::link::Link;
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// A process beside the supervisor, for runs that need one.
pub enum Helper {
    /// Passes the run's standard streams on.
    Relay(Streams),
    /// Asks the server inside the agent. Its time begins before the agent's, and ends with the ladder's.
    Asker { since: Stamp, patience: Duration },
}

/// The ends of the run's standard streams, where they are passed on.
pub struct Streams {
    agent: Ends,
    relay_in: Option<OwnedFd>,
    relay_out: OwnedFd,
    channel: Option<Channel>,
    copy: Option<PathBuf>,
}

/// The agent's; `None`: the user's own.
#[derive(Default)]
pub struct Ends {
    pub stdin: Option<OwnedFd>,
    pub stdout: Option<OwnedFd>,
    pub stderr: Option<OwnedFd>,
}

impl Helper {
    /// What this agent needs; `None`: it gets the user's own streams, and signals are all there is to stop it.
    pub fn for_agent(known: &Knowledge, launch: &Launch, run: &Text) -> Result<Option<Self>> {
        let channel = known.agent.and_then(|agent| agents::channel(agent, &launch.command));
        if channel.is_some_and(|channel| !channel.is_piped()) {
            let patience = Duration::from_millis(launch.times.cooperative.0.max(0) as u64);
            return Ok(Some(Self::Asker { since: clock::now(), patience }));
        }
        let on_disk = known.agent.is_some_and(|agent| agents::writes_transcript(agent, &launch.command));
        // On a terminal a person reads, and what is drawn there is no stream.
        let copies = !on_disk && !io::stdout().is_terminal();
        if channel.is_none() && !copies {
            return Ok(None);
        }
        let copy = copies.then(|| launch.streams.join(format!("{run}.out.jsonl")));
        Streams::new(channel, copy).map(|streams| Some(Self::Relay(streams)))
    }

    /// The agent's ends; they are the command's from now on.
    pub fn agent_ends(&mut self) -> Ends {
        match self {
            Self::Relay(streams) => std::mem::take(&mut streams.agent),
            Self::Asker { .. } => Ends::default(),
        }
    }

    /// The agent is asked through it.
    pub fn asks(&self) -> bool {
        match self {
            Self::Relay(streams) => streams.channel.is_some(),
            Self::Asker { .. } => true,
        }
    }

    /// The helper's whole life; its exit code. `supervisor`: the process below which the run is.
    pub fn be(self, link: UnixStream, supervisor: u32) -> i32 {
        let work = || -> io::Result<()> {
            rustix::process::setpgid(None, None)?;
            let link = Link::new(link)?;
            match self {
                Self::Relay(streams) => streams.relay(link).run(),
                Self::Asker { since, patience } => {
                    let_go_of_streams()?;
                    Asker { link, supervisor, since, patience }.run()
                }
            }
        };
        work().map_or(1, |()| 0)
    }
}

impl Streams {
    fn new(channel: Option<Channel>, copy: Option<PathBuf>) -> Result<Self> {
        let why = "cannot make a pipe";
        let (relay_out, agent_out) = io::pipe().context(why)?;
        let agent_out = OwnedFd::from(agent_out);
        // Where both go to the same place, they go there through the same pipe: so the agent's order is kept.
        let both = channel.is_none() && is_same(io::stdout(), io::stderr());
        let stderr = both.then(|| agent_out.try_clone()).transpose().context(why)?;
        let (stdin, relay_in) = match channel {
            Some(_) => {
                let (read, write) = io::pipe().context(why)?;
                (Some(read.into()), Some(write.into()))
            }
            None => (None, None),
        };
        let agent = Ends { stdin, stdout: Some(agent_out), stderr };
        Ok(Self { agent, relay_in, relay_out: relay_out.into(), channel, copy })
    }

    fn relay(self, link: Link<FromRelay, ToRelay>) -> Relay {
        let Self { agent, relay_in, relay_out, channel, copy } = self;
        drop(agent);
        let copy = copy.as_ref().and_then(|path| copy_at(path).ok());
        Relay::new(link, relay_in, channel.and_then(coop::machine), relay_out, copy)
    }
}

/// Both lead to the same file, pipe or socket.
fn is_same(one: impl AsFd, other: impl AsFd) -> bool {
    let place = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino));
    place(one.as_fd()).is_some_and(|at| place(other.as_fd()) == Some(at))
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
