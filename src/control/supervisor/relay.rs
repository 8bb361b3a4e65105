//! The relay: a process that passes an agent's standard streams on where somebody has to read along.
//!
//! It exists in two cases only: the agent is asked to stop over its standard input, so a line of ours must fit between two
//! of the user's; or nobody knows the agent, so what it prints is all there is to meter. In every other case the
//! agent has the user's own descriptors and no byte is copied. It is apart from the supervisor, so that a reader who
//! doesn't read can't hold up a stop.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, read, write};

use super::wire::{FromRelay, ToRelay};
use crate::control::coop::{Coop, Heard};
use crate::control::link::Link;

/// Bytes taken at once. A pipe that polls writable takes so many without waiting.
const CHUNK: usize = 4096;
/// A line longer than this is passed on unread.
const LINE: usize = 1 << 20;

/// What is passed on, and to where.
pub struct Relay {
    pub link: Link<FromRelay, ToRelay>,
    /// The agent's standard input, and how it is asked; none: it has the user's own.
    pub input: Option<OwnedFd>,
    pub coop: Option<Box<dyn Coop>>,
    /// What the agent prints.
    pub output: OwnedFd,
    /// A copy for the meter.
    pub copy: Option<File>,
}

/// Lines of a stream that passes by.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// Inside a line too long to be held; it passes unread.
    passes: bool,
}

impl Lines {
    /// Gives each whole line to `keep`, and appends to `out` those it wants kept, and what is too long to be asked about.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>, mut keep: impl FnMut(&[u8]) -> bool) {
        for part in bytes.split_inclusive(|b| *b == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.passes {
                out.extend_from_slice(part);
                self.passes = !ends;
                continue;
            }
            self.line.extend_from_slice(part);
            if ends {
                let line = std::mem::take(&mut self.line);
                if keep(&line) {
                    out.extend_from_slice(&line);
                }
            } else if self.line.len() > LINE {
                out.append(&mut self.line);
                self.passes = true;
            }
        }
    }
}

impl Relay {
    /// Passes on until the agent's output ends. Errors of the user's own pipes end what they concern, as they would end
    /// the agent's.
    pub fn run(mut self) -> io::Result<()> {
        let (mut to_agent, mut to_user) = (Vec::new(), Vec::new());
        let (mut seen_in, mut seen_out) = (Lines::default(), Lines::default());
        let mut input_open = self.input.is_some();
        // Between two lines of the user's input, where one of ours may go.
        let mut at_line_start = true;
        let mut wanted: Vec<u8> = Vec::new();
        let mut buffer = [0u8; CHUNK];
        loop {
            if at_line_start && to_agent.is_empty() && !wanted.is_empty() {
                to_agent.append(&mut wanted);
            }
            let ready = self.wait(input_open, &to_agent, &to_user)?;
            for ToRelay::Interrupt in self.link.pump() {
                if let Some(coop) = &mut self.coop {
                    wanted.extend(coop.interrupt().into_iter().flatten());
                }
            }
            if ready.user_in {
                match read(io::stdin(), &mut buffer) {
                    Ok(0) => input_open = false,
                    Ok(n) => {
                        seen_in.feed(&buffer[..n], &mut Vec::new(), |line| {
                            self.coop.iter_mut().for_each(|coop| coop.line_in(bare(line)));
                            false
                        });
                        at_line_start = buffer[..n].ends_with(b"\n");
                        to_agent.extend_from_slice(&buffer[..n]);
                    }
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(_) => input_open = false,
                }
            }
            if ready.agent_in {
                pass(self.input.as_ref(), &mut to_agent, || input_open = false);
            }
            if !input_open && to_agent.is_empty() && wanted.is_empty() {
                self.input = None; // the user's end of input is the agent's
            }
            if ready.agent_out {
                match read(&self.output, &mut buffer) {
                    Ok(0) => break,
                    Ok(n) => self.heard(&buffer[..n], &mut seen_out, &mut to_user, &mut wanted),
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(_) => break,
                }
            }
            if ready.user_out && write_some(io::stdout(), &mut to_user).is_err() {
                return Ok(()); // nobody reads: the agent's next write fails as it would without us
            }
        }
        self.finish(seen_out, to_user)
    }

    fn finish(mut self, rest: Lines, mut to_user: Vec<u8>) -> io::Result<()> {
        to_user.extend_from_slice(&rest.line);
        io::stdout().write_all(&to_user)?;
        io::stdout().flush()?;
        if let Some(copy) = &mut self.copy {
            copy.flush()?;
        }
        Ok(())
    }

    /// The agent printed something. Where it is asked over its streams, whole lines are passed on without those that
    /// answer us; else every byte as it comes.
    fn heard(&mut self, bytes: &[u8], seen: &mut Lines, to_user: &mut Vec<u8>, wanted: &mut Vec<u8>) {
        if let Some(copy) = &mut self.copy
            && copy.write_all(bytes).is_err()
        {
            self.copy = None; // a full disk costs the meter its stream, never the user theirs
        }
        let Some(coop) = &mut self.coop else {
            to_user.extend_from_slice(bytes);
            return;
        };
        let link = &mut self.link;
        seen.feed(bytes, to_user, |line| {
            let heard = coop.line_out(bare(line));
            wanted.extend(coop.follow_up().into_iter().flatten());
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

    fn wait(&self, input_open: bool, to_agent: &[u8], to_user: &[u8]) -> io::Result<Ready> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let mut fds = vec![PollFd::from_borrowed_fd(self.link.fd(), self.link.interest())];
        let mut at = [None; 4];
        let mut add = |slot: usize, fd| {
            at[slot] = Some(fds.len());
            fds.push(fd);
        };
        if input_open && to_agent.len() < CHUNK {
            add(0, PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        if let Some(input) = self.input.as_ref().filter(|_| !to_agent.is_empty()) {
            add(1, PollFd::from_borrowed_fd(input.as_fd(), PollFlags::OUT));
        }
        if to_user.len() < CHUNK {
            add(2, PollFd::from_borrowed_fd(self.output.as_fd(), PollFlags::IN));
        }
        if !to_user.is_empty() {
            add(3, PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::OUT));
        }
        super::poll(&mut fds, None)?;
        let ready = |slot: usize| at[slot].is_some_and(|i| !fds[i].revents().is_empty());
        Ok(Ready { user_in: ready(0), agent_in: ready(1), agent_out: ready(2), user_out: ready(3) })
    }
}

/// A line without its end.
fn bare(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// Which ends have something, or room.
struct Ready {
    user_in: bool,
    agent_in: bool,
    agent_out: bool,
    user_out: bool,
}

fn pass(to: Option<&OwnedFd>, bytes: &mut Vec<u8>, broken: impl FnOnce()) {
    if let Some(fd) = to
        && write_some(fd, bytes).is_err()
    {
        bytes.clear();
        broken();
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
