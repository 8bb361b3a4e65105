//! Asking every run that there is for its status, all at once.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::SendFlags;

use super::super::desk::Id;
use super::super::dir::RunDir;
use super::super::protocol::{Call, Nothing, Role, RpcError, Status};
use super::super::wire::{self, Frames, Read};
use super::{ClientError, Heard, MAX_ANSWER, connect, hello, request};
use crate::clock;
use crate::domain::text::Text;

/// What all of them may take together.
const BOUND: Duration = Duration::from_secs(1);
/// Connections at once.
const AT_ONCE: usize = 128;

/// The runs that have a socket.
#[derive(Debug, Default)]
pub struct Survey {
    /// Names of sockets with what they answered, sorted by name.
    pub runs: Vec<(String, Status)>,
    /// Sockets that gave no answer, with the reason.
    pub silent: Vec<(String, ClientError)>,
}

impl Survey {
    /// Names of those that answered.
    pub fn answered(&self) -> Vec<String> {
        self.runs.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The runs that `wanted` may mean: the one of that name; else those with that label, or a session whose id starts
    /// with it (`claude:0f3a…` or `0f3a…`).
    pub fn matching(&self, wanted: &str) -> Vec<(String, Status)> {
        if let Some(run) = self.runs.iter().find(|(name, _)| name == wanted) {
            return vec![run.clone()];
        }
        self.runs.iter().filter(|(_, status)| means(wanted, status)).cloned().collect()
    }
}

fn means(wanted: &str, status: &Status) -> bool {
    let starts = |session: &Text| {
        let id = session.as_str().split_once(':').map_or(session.as_str(), |(_, id)| id);
        session.as_str().starts_with(wanted) && wanted.contains(':') || id.starts_with(wanted)
    };
    !wanted.is_empty() && (status.label.as_str() == wanted || status.metered.sessions.iter().any(starts))
}

/// The runs that `wanted` may mean, as [`Survey::matching`]; those that don't answer are left out.
pub fn find(dir: &RunDir, wanted: &str) -> Vec<(String, Status)> {
    survey(dir).matching(wanted)
}

/// Asks every socket in the directory; all of them together take at most a second.
pub fn survey(dir: &RunDir) -> Survey {
    let until = clock::elapsed() + BOUND;
    let mut found = Survey::default();
    for names in dir.names().chunks(AT_ONCE) {
        ask(dir, names, until, &mut found);
    }
    found.runs.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

struct Asked {
    name: String,
    stream: UnixStream,
    frames: Frames,
}

fn ask(dir: &RunDir, names: &[String], until: Duration, found: &mut Survey) {
    let mut asked = vec![];
    for name in names {
        match begin(dir, name) {
            Ok(one) => asked.push(one),
            Err(error) => found.silent.push((name.clone(), error)),
        }
    }
    while !asked.is_empty() {
        let mut fds: Vec<_> = asked.iter().map(|one| PollFd::new(&one.stream, PollFlags::IN)).collect();
        let left = until.saturating_sub(clock::elapsed()).try_into().ok();
        match poll(&mut fds, left.as_ref()) {
            Ok(0) => break,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
            Ok(_) => {}
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ready = ready.into_iter();
        asked.retain_mut(|one| match ready.next().unwrap_or(false).then(|| one.read()).flatten() {
            None => true,
            Some(Ok(status)) => {
                found.runs.push((one.name.clone(), status));
                false
            }
            Some(Err(error)) => {
                found.silent.push((one.name.clone(), error));
                false
            }
        });
    }
    found.silent.extend(asked.into_iter().map(|one| (one.name, ClientError::Timeout)));
}

fn begin(dir: &RunDir, name: &str) -> Result<Asked, ClientError> {
    let path = dir.socket_path(name).map_err(|e| ClientError::Io(std::io::Error::other(e)))?;
    let stream = connect(&path, None)?;
    let mut said = request(0, &hello(Role::Watch));
    said.extend(request(1, &Call::Status(Nothing {})));
    match rustix::net::send(&stream, &said, SendFlags::NOSIGNAL) {
        Ok(n) if n == said.len() => Ok(Asked { name: name.to_owned(), stream, frames: Frames::new(MAX_ANSWER) }),
        // So few bytes fit into a new socket.
        _ => Err(ClientError::Gone),
    }
}

impl Asked {
    /// The answer, once it is whole.
    fn read(&mut self) -> Option<Result<Status, ClientError>> {
        let ended = matches!(wire::receive(&self.stream, &mut self.frames), Read::End);
        while let Some(line) = self.frames.take() {
            if let Some(answer) = line.ok().and_then(|line| answer(&line)) {
                return Some(answer);
            }
        }
        ended.then_some(Err(ClientError::Gone))
    }
}

/// The status, or an error; `None`: another line.
fn answer(line: &[u8]) -> Option<Result<Status, ClientError>> {
    let garbled = |e: serde_json::Error| ClientError::Garbled(Text::new(&e.to_string()));
    let heard: Heard<'_> = match serde_json::from_slice(line) {
        Ok(heard) => heard,
        Err(e) => return Some(Err(garbled(e))),
    };
    match (heard.error, heard.result, heard.id) {
        (Some(error), _, _) => Some(Err(RpcError::into(error))),
        (None, Some(raw), Some(Id::Number(1))) => Some(serde_json::from_str(raw.get()).map_err(garbled)),
        _ => None,
    }
}
