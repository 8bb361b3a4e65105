//! Listening to a run's socket: greet, subscribe, and every update as it comes.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::control::protocol::{Call, Hello, Nothing, PROTO, Role, RpcError, Snapshot, Welcome};
use crate::domain::text::Text;

/// Whoever listens answers within this, or doesn't count.
const ANSWER: Duration = Duration::from_secs(2);
/// A longer line is no answer of ours.
const MAX_LINE: u64 = 1 << 20;

/// How sockets are listened to.
pub trait Sockets: Send + Sync + 'static {
    /// Listens, and passes on every snapshot, the present one first, until `each` returns false or the socket is gone.
    /// Returns why it ended.
    fn follow(&self, socket: &Path, each: &mut dyn FnMut(Snapshot) -> bool) -> Text;

    /// The present snapshot.
    fn once(&self, socket: &Path) -> Result<Snapshot, Text> {
        let mut first = None;
        let why = self.follow(socket, &mut |snapshot| {
            first = Some(snapshot);
            false
        });
        first.ok_or(why)
    }
}

/// The sockets of supervisors, of attended runs, and of agents that listen themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Desks;

impl Sockets for Desks {
    fn follow(&self, socket: &Path, each: &mut dyn FnMut(Snapshot) -> bool) -> Text {
        match follow(socket, each) {
            Ok(()) => Text::default(),
            Err(error) if is_closed(&error) => Text::new("it has closed its socket"),
            Err(error) => Text::new(&error.to_string()),
        }
    }
}

/// The other end is gone, however that shows.
fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    // A line that breaks off says so with the same kind, but has more to say.
    matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof) && error.get_ref().is_none()
}

fn follow(socket: &Path, each: &mut dyn FnMut(Snapshot) -> bool) -> io::Result<()> {
    let mut out = UnixStream::connect(socket)?;
    out.set_read_timeout(Some(ANSWER))?;
    out.set_write_timeout(Some(ANSWER))?;
    let mut lines = BufReader::new(out.try_clone()?);
    let hello = Hello { proto: Text::new(PROTO), role: Role::Watch, run: None, capabilities: vec![] };
    let _: Welcome = ask(&mut out, &mut lines, 1, &Call::Hello(hello))?;
    let snapshot: Snapshot = ask(&mut out, &mut lines, 2, &Call::Subscribe(Nothing {}))?;
    if !each(snapshot) {
        return Ok(());
    }
    out.set_read_timeout(None)?;
    loop {
        let line = read(&mut lines)?;
        if line.method.as_deref() == Some("update")
            && let Some(params) = line.params
            && !each(parse(&params)?)
        {
            return Ok(());
        }
    }
}

#[derive(serde::Serialize)]
struct Request<'a> {
    jsonrpc: &'static str,
    id: u64,
    #[serde(flatten)]
    call: &'a Call,
}

/// Any line of the other end, as far as it is used.
#[derive(serde::Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<u64>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    params: Option<Box<RawValue>>,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<RpcError>,
}

fn ask<T: DeserializeOwned>(
    out: &mut UnixStream,
    lines: &mut BufReader<UnixStream>,
    id: u64,
    call: &Call,
) -> io::Result<T> {
    let mut request = serde_json::to_vec(&Request { jsonrpc: "2.0", id, call })?;
    request.push(b'\n');
    out.write_all(&request)?;
    loop {
        let line = read(lines)?;
        match (line.id == Some(id), line.error, line.result) {
            (true, Some(error), _) => return Err(io::Error::other(error)),
            (true, None, Some(result)) => return parse(&result),
            // An error without an id: it answers no call that was understood.
            (_, Some(error), _) => return Err(io::Error::other(error)),
            _ => {}
        }
    }
}

fn read(lines: &mut BufReader<UnixStream>) -> io::Result<Line> {
    let mut bytes = Vec::new();
    lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)?;
    match bytes.last() {
        Some(b'\n') => Ok(serde_json::from_slice(&bytes)?),
        _ if (bytes.len() as u64) < MAX_LINE => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "its answer is too long")),
    }
}

fn parse<T: DeserializeOwned>(json: &RawValue) -> io::Result<T> {
    Ok(serde_json::from_str(json.get())?)
}

#[cfg(test)]
mod tests;
