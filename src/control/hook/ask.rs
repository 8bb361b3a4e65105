//! IO. One conversation over a run's socket, with plain blocking calls and a deadline for each: the hook has to be back
//! within milliseconds, so nothing is started for it.
//!
//! Deadlines are points of [`clock::elapsed`].

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock;
use crate::control::protocol::{Call, Hello, PROTO, Role, RpcError, Welcome};
use crate::domain::text::Text;

/// Longest line that is taken as an answer.
const MOST: usize = 1 << 20;
/// A server that is well takes a line and greets at once.
const PROMPT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Asked {
    /// Nobody listens there.
    #[error("no socket at {path}")]
    Absent { path: String },
    #[error("its socket can't be used: {0}")]
    Unusable(#[from] io::Error),
    #[error("its socket belongs to another user")]
    Stranger,
    #[error("no answer in time")]
    Late,
    #[error("it went away without an answer")]
    Gone,
    #[error("its answer is not understood: {0}")]
    Garbage(String),
    #[error("{0}")]
    Refused(RpcError),
}

/// A connection that has been greeted.
pub struct Conversation {
    stream: UnixStream,
    /// Read, but not yet taken.
    bytes: Vec<u8>,
    last: u64,
}

#[derive(Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u64,
    #[serde(flatten)]
    call: &'a Call,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(default)]
    id: Option<u64>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<RpcError>,
}

impl Conversation {
    pub fn open(path: &Path, role: Role) -> Result<Self, Asked> {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                return Err(Asked::Absent { path: path.display().to_string() });
            }
            Err(error) => return Err(error.into()),
        };
        #[cfg(target_os = "linux")]
        {
            let peer = rustix::net::sockopt::socket_peercred(&stream).map_err(io::Error::from)?;
            if peer.uid != rustix::process::geteuid() {
                return Err(Asked::Stranger);
            }
        }
        stream.set_write_timeout(Some(PROMPT))?;
        let mut conversation = Self { stream, bytes: Vec::new(), last: 0 };
        let hello = Hello { proto: Text::new(PROTO), role, run: None, capabilities: vec![] };
        conversation.ask::<Welcome>(&Call::Hello(hello), clock::elapsed() + PROMPT)?;
        Ok(conversation)
    }

    /// Asks and waits for the answer. What else is said meanwhile is passed over.
    pub fn ask<T: DeserializeOwned>(&mut self, call: &Call, deadline: Duration) -> Result<T, Asked> {
        self.last += 1;
        let mut line = serde_json::to_vec(&Request { jsonrpc: "2.0", id: self.last, call })
            .map_err(|error| Asked::Garbage(error.to_string()))?;
        // Line breaks can only stand between tokens, in JSON that is passed on unread.
        line.iter_mut().filter(|b| matches!(b, b'\n' | b'\r')).for_each(|b| *b = b' ');
        line.push(b'\n');
        self.stream.write_all(&line).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Asked::Late,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Asked::Gone,
            _ => Asked::Unusable(error),
        })?;
        loop {
            let line = self.line(deadline)?;
            let garbage = |error: serde_json::Error| Asked::Garbage(error.to_string());
            let response: Response = serde_json::from_slice(&line).map_err(garbage)?;
            match response {
                Response { id: None, error: Some(error), .. } => return Err(Asked::Refused(error)),
                Response { id, .. } if id != Some(self.last) => {}
                Response { error: Some(error), .. } => return Err(Asked::Refused(error)),
                Response { result: Some(result), .. } => return serde_json::from_str(result.get()).map_err(garbage),
                _ => return Err(Asked::Garbage("neither result nor error".into())),
            }
        }
    }

    fn line(&mut self, deadline: Duration) -> Result<Vec<u8>, Asked> {
        let mut chunk = [0; 8 * 1024];
        loop {
            if let Some(end) = self.bytes.iter().position(|b| *b == b'\n') {
                let rest = self.bytes.split_off(end + 1);
                let line = std::mem::replace(&mut self.bytes, rest);
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return Ok(line);
            }
            if self.bytes.len() > MOST {
                return Err(Asked::Garbage("a line without end".into()));
            }
            let left = deadline.checked_sub(clock::elapsed()).filter(|left| !left.is_zero()).ok_or(Asked::Late)?;
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Asked::Gone),
                Ok(n) => self.bytes.extend_from_slice(&chunk[..n]),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Err(Asked::Late),
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::ConnectionReset => return Err(Asked::Gone),
                    _ => return Err(error.into()),
                },
            }
        }
    }
}
