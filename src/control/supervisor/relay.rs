//! The relay: a process that passes an agent's standard streams on where somebody has to read along.
//!
//! It exists in two cases only: the agent is asked to stop over its standard input, so a line of ours must fit between two
//! of the user's; or nobody knows the agent, so what it prints is all there is to meter. In every other case the
//! agent has the user's own descriptors and no byte is copied. It is apart from the supervisor, so that a reader who
//! doesn't read can't hold up a stop.
//!
//! It ends with the agent's output, or when the run is over and all that was printed has been passed on: somebody
//! outside the run may hold its output open for ever.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, read, write};

use super::lines::Lines;
use super::wire::{FromRelay, ToRelay};
use crate::control::coop::{Coop, Heard, Reach};
use crate::control::link::Link;
use crate::domain::text::Text;

/// Bytes taken at once. A pipe that polls writable takes so many without waiting.
const CHUNK: usize = 4096;

/// What is passed on, and to where.
pub struct Relay {
    link: Link<FromRelay, ToRelay>,
    /// The agent's standard input, and how it is asked; none: it has the user's own, or it is closed.
    input: Option<OwnedFd>,
    coop: Option<Box<dyn Coop>>,
    /// What the agent prints.
    output: OwnedFd,
    /// A copy for the meter.
    copy: Option<File>,
    /// The user may have more to say.
    user_speaks: bool,
    /// Between two lines of the user's input, where one of ours may go.
    between_lines: bool,
    /// Ours, that wait for such a place.
    ours: Vec<u8>,
    to_agent: Vec<u8>,
    to_user: Vec<u8>,
    seen_in: Lines,
    seen_out: Lines,
}

/// Which ends have something, or room.
struct Ready {
    user_in: bool,
    agent_in: bool,
    agent_out: bool,
    user_out: bool,
}

impl Relay {
    pub fn new(
        link: Link<FromRelay, ToRelay>,
        input: Option<OwnedFd>,
        coop: Option<Box<dyn Coop>>,
        output: OwnedFd,
        copy: Option<File>,
    ) -> Self {
        Self {
            link,
            user_speaks: input.is_some(),
            input,
            coop,
            output,
            copy,
            between_lines: true,
            ours: vec![],
            to_agent: vec![],
            to_user: vec![],
            seen_in: Lines::default(),
            seen_out: Lines::default(),
        }
    }

    /// Passes on until the end. Errors of the user's own pipes end what they concern, as they would end the agent's.
    pub fn run(mut self) -> io::Result<()> {
        loop {
            self.put_ours();
            let is_over = self.link.is_gone();
            let ready = self.wait(is_over)?;
            for ToRelay::Interrupt in self.link.pump() {
                self.press();
            }
            if ready.user_in {
                self.read_user();
            }
            if ready.agent_in {
                self.write_to_agent();
            }
            self.let_go_of_input();
            let more = if ready.agent_out { self.read_agent() } else { !is_over || !self.has_room() };
            if !more {
                return self.finish();
            }
            if ready.user_out && write_some(io::stdout(), &mut self.to_user).is_err() {
                return Ok(()); // nobody reads: the agent's next write fails as it would without us
            }
        }
    }

    /// Asks the agent, if it can be asked.
    fn press(&mut self) {
        let Some(coop) = &mut self.coop else { return };
        if self.input.is_none() || !(self.user_speaks || self.between_lines) {
            self.say(FromRelay::Spent(Text::new("it can't be asked: whoever talks to it has closed its input")));
            return;
        }
        let reach = coop.reach();
        self.ours.extend(coop.interrupt().into_iter().flatten());
        match reach {
            // What was too long to be read may have been the beginning of something; then only the agent knows.
            Reach::Resting if coop.skipped() == 0 => self.say(FromRelay::Idle),
            Reach::Resting | Reach::Working => {}
            Reach::Unreachable(why) => self.say(FromRelay::Spent(Text::new(why))),
        }
    }

    fn say(&mut self, word: FromRelay) {
        self.link.send(&word); // a supervisor that isn't there has nobody waiting
    }

    fn put_ours(&mut self) {
        if self.between_lines && self.to_agent.is_empty() {
            self.to_agent.append(&mut self.ours);
        }
    }

    fn read_user(&mut self) {
        let mut buffer = [0; CHUNK];
        match read(io::stdin(), &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(0) | Err(_) => self.user_speaks = false,
            Ok(n) => {
                let coop = &mut self.coop;
                self.seen_in.feed(&buffer[..n], &mut vec![], |line| {
                    coop.iter_mut().for_each(|coop| coop.line_in(line));
                    false
                });
                self.between_lines = buffer[..n].ends_with(b"\n");
                self.to_agent.extend_from_slice(&buffer[..n]);
            }
        }
    }

    fn write_to_agent(&mut self) {
        if let Some(input) = &self.input
            && write_some(input, &mut self.to_agent).is_err()
        {
            self.to_agent.clear();
            self.user_speaks = false;
        }
    }

    /// The user's end of input is the agent's.
    fn let_go_of_input(&mut self) {
        if !self.user_speaks && !self.between_lines {
            self.ours.clear(); // there is no place for it any more
        }
        if !self.user_speaks && self.to_agent.is_empty() && self.ours.is_empty() {
            self.input = None;
        }
    }

    /// False: that was all.
    fn read_agent(&mut self) -> bool {
        let mut buffer = [0; CHUNK];
        match read(&self.output, &mut buffer) {
            Ok(0) => return false,
            Ok(n) => self.heard(&buffer[..n]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return false,
        }
        true
    }

    /// The agent printed something. Where it is asked over its streams, whole lines are passed on without those that
    /// answer us; else every byte as it comes.
    fn heard(&mut self, bytes: &[u8]) {
        if let Some(copy) = &mut self.copy
            && copy.write_all(bytes).is_err()
        {
            self.copy = None; // a full disk costs the meter its stream, never the user theirs
        }
        let Some(coop) = &mut self.coop else {
            self.to_user.extend_from_slice(bytes);
            return;
        };
        let (link, ours) = (&mut self.link, &mut self.ours);
        self.seen_out.feed(bytes, &mut self.to_user, |line| {
            let heard = coop.line_out(line);
            ours.extend(coop.follow_up().into_iter().flatten());
            for word in &heard {
                match word {
                    Heard::Acknowledged => drop(link.send(&FromRelay::Acknowledged)),
                    Heard::Idle => drop(link.send(&FromRelay::Idle)),
                    Heard::Answer => {}
                }
            }
            !heard.contains(&Heard::Answer)
        });
    }

    fn has_room(&self) -> bool {
        self.to_user.len() < CHUNK
    }

    /// Waits for something to do. When the run is over, only for a reader: whatever was printed is there already.
    fn wait(&self, is_over: bool) -> io::Result<Ready> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let mut fds = vec![];
        let mut add = |wanted: bool, fd, flags| {
            wanted.then(|| {
                fds.push(PollFd::from_borrowed_fd(fd, flags));
                fds.len() - 1
            })
        };
        add(!is_over, self.link.fd(), self.link.interest());
        let user_in = add(self.user_speaks && self.to_agent.len() < CHUNK, stdin.as_fd(), PollFlags::IN);
        let agent_in =
            self.input.as_ref().and_then(|input| add(!self.to_agent.is_empty(), input.as_fd(), PollFlags::OUT));
        let agent_out = add(self.has_room(), self.output.as_fd(), PollFlags::IN);
        let user_out = add(!self.to_user.is_empty(), stdout.as_fd(), PollFlags::OUT);
        super::poll(&mut fds, (is_over && self.has_room()).then_some(Duration::ZERO))?;
        let ready = |slot: Option<usize>| slot.is_some_and(|i| !fds[i].revents().is_empty());
        Ok(Ready {
            user_in: ready(user_in),
            agent_in: ready(agent_in),
            agent_out: ready(agent_out),
            user_out: ready(user_out),
        })
    }

    /// The last of it. Nobody waits for us any more but the reader.
    fn finish(mut self) -> io::Result<()> {
        let mut rest = std::mem::take(&mut self.to_user);
        rest.extend(self.seen_out.rest());
        let stdout = io::stdout();
        while !rest.is_empty() && write_some(&stdout, &mut rest).is_ok() {
            super::poll(&mut [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::OUT)], None)?;
        }
        Ok(())
    }
}

/// Writes no more than a pipe takes without waiting.
fn write_some(fd: impl AsFd, bytes: &mut Vec<u8>) -> io::Result<()> {
    let n = bytes.len().min(CHUNK);
    match write(fd, &bytes[..n]) {
        Ok(n) => drop(bytes.drain(..n)),
        Err(Errno::INTR | Errno::AGAIN) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
