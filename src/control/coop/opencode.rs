//! PURE. `opencode serve`: the requests that end what its sessions do, and the reading of the answers.
//!
//! `GET /session` names sessions and their directories; `GET /session/status?directory=…` those of a directory that are
//! busy; `POST /session/ID/abort?directory=…` ends one and answers `true`. Subagents are sessions of their own. An older
//! server doesn't know the state: there every session is aborted, the newest first.
//!
//! A question about a directory makes the server open it, which takes its time: only those are asked about that have a
//! session with a change since the server was started, and what is found in one is aborted before the next is asked for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::time::Stamp;

/// How to reach a server on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub address: SocketAddr,
    /// User and password that the server was started with (`OPENCODE_SERVER_USERNAME`, `OPENCODE_SERVER_PASSWORD`).
    pub login: Option<(String, String)>,
    /// When it was started: what has not changed since isn't its work.
    pub since: Stamp,
}

/// Sessions that are looked at, the newest ones.
const MAX_SESSIONS: usize = 256;
/// Directories that are asked about.
const MAX_DIRECTORIES: usize = 32;
/// Sessions aborted one by one where the server doesn't tell which are busy.
const MAX_BLIND: usize = 32;
/// Times that the state of every directory is asked for.
const MAX_ROUNDS: usize = 200;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Sessions that were found busy, or all where that isn't told.
    pub found: u32,
    /// Aborts that the server said yes to.
    pub aborted: u32,
    /// The server says that nothing is busy any more.
    pub idle: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    id: String,
    directory: String,
}

/// What the last request was.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    AllSessions,
    Sessions,
    Status(String),
    Abort,
}

/// The requests of one stop, each made from the answers to those before.
#[derive(Debug)]
pub struct Exchange {
    since: Stamp,
    asked: Option<Asked>,
    listed: bool,
    /// Sessions with a change since the start, the newest first.
    sessions: Vec<Session>,
    /// Directories whose state is still to be asked for, in this round.
    unasked: VecDeque<String>,
    /// What is to be aborted next.
    to_abort: VecDeque<Session>,
    /// Sessions that were aborted.
    told: BTreeSet<String>,
    /// Something was busy in this round.
    busy: bool,
    /// The server doesn't tell who is busy.
    blind: bool,
    rounds: usize,
    outcome: Outcome,
    refused: Option<u16>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    directory: String,
    #[serde(default)]
    time: Times,
}

#[derive(Default, Deserialize)]
struct Times {
    #[serde(default)]
    updated: f64,
}

impl Exchange {
    pub fn new(since: Stamp) -> Self {
        Self {
            since,
            asked: None,
            listed: false,
            sessions: vec![],
            unasked: VecDeque::new(),
            to_abort: VecDeque::new(),
            told: BTreeSet::new(),
            busy: false,
            blind: false,
            rounds: 0,
            outcome: Outcome::default(),
            refused: None,
        }
    }

    /// The next request, method and target; `None` at the end.
    pub fn next_request(&mut self) -> Option<(&'static str, String)> {
        let (asked, method, target) = match self.asked {
            _ if self.refused.is_some() || self.outcome.idle => return None,
            None => (Asked::AllSessions, "GET", "/experimental/session".into()),
            Some(Asked::AllSessions) if !self.listed => (Asked::Sessions, "GET", "/session".into()),
            _ => self.next_step()?,
        };
        self.asked = Some(asked);
        Some((method, target))
    }

    fn next_step(&mut self) -> Option<(Asked, &'static str, String)> {
        if let Some(session) = self.to_abort.pop_front() {
            let target = format!("/session/{}/abort{}", encode(&session.id), query(&session.directory));
            return Some((Asked::Abort, "POST", target));
        }
        if self.unasked.is_empty() && !self.next_round() {
            return None;
        }
        let directory = self.unasked.pop_front()?;
        let target = format!("/session/status{}", query(&directory));
        Some((Asked::Status(directory), "GET", target))
    }

    /// Every directory was asked about. If none had anything busy, that is the end; otherwise all are asked again.
    fn next_round(&mut self) -> bool {
        if self.blind || self.rounds >= MAX_ROUNDS {
            return false;
        }
        if self.rounds > 0 && !self.busy || self.sessions.is_empty() {
            self.outcome.idle = true;
            return false;
        }
        self.rounds += 1;
        self.busy = false;
        self.unasked = self.directories();
        true
    }

    /// Asked again whether it is idle by now: time for a pause.
    pub fn is_polling(&self) -> bool {
        self.rounds > 2
    }

    /// The answer to the last request.
    pub fn answered(&mut self, status: u16, body: &[u8]) {
        let ok = status == 200;
        match self.asked.clone() {
            Some(Asked::AllSessions | Asked::Sessions) => self.take_sessions(status, body),
            Some(Asked::Status(directory)) => match serde_json::from_slice::<BTreeMap<String, Value>>(body) {
                Ok(states) if ok => self.take_states(&directory, states),
                _ => self.take_all(),
            },
            Some(Asked::Abort) => self.outcome.aborted += u32::from(ok && body.trim_ascii() == b"true"),
            None => {}
        }
    }

    fn take_sessions(&mut self, status: u16, body: &[u8]) {
        let listed = serde_json::from_slice::<Vec<Listed>>(body).ok().filter(|_| status == 200);
        let Some(mut listed) = listed else {
            self.refused = (self.asked == Some(Asked::Sessions)).then_some(status);
            return;
        };
        listed.retain(|session| session.time.updated >= self.since.0 as f64);
        listed.sort_by(|a, b| b.time.updated.total_cmp(&a.time.updated));
        listed.truncate(MAX_SESSIONS);
        self.sessions =
            listed.into_iter().map(|session| Session { id: session.id, directory: session.directory }).collect();
        self.listed = true;
    }

    fn take_states(&mut self, directory: &str, states: BTreeMap<String, Value>) {
        let is_busy = |state: &Value| state.get("type").and_then(Value::as_str) != Some("idle");
        for (id, _) in states.into_iter().filter(|(_, state)| is_busy(state)).take(MAX_SESSIONS) {
            self.busy = true;
            if self.told.len() < MAX_SESSIONS && self.told.insert(id.clone()) {
                self.outcome.found += 1;
                self.to_abort.push_back(Session { id, directory: directory.to_owned() });
            }
        }
    }

    /// The state isn't told: every session, then, and nothing is known of how it ends.
    fn take_all(&mut self) {
        self.blind = true;
        self.unasked.clear();
        let all = self.sessions.iter().filter(|session| !self.told.contains(&session.id));
        self.to_abort = all.take(MAX_BLIND).cloned().collect();
        self.outcome.found += self.to_abort.len() as u32;
    }

    /// Directories with sessions, those of the newest first.
    fn directories(&self) -> VecDeque<String> {
        let mut seen = BTreeSet::new();
        let new = self.sessions.iter().filter(|session| seen.insert(&session.directory));
        new.map(|session| session.directory.clone()).take(MAX_DIRECTORIES).collect()
    }

    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The server would not name its sessions: the status it gave.
    pub fn refused(&self) -> Option<u16> {
        self.refused
    }
}

/// The login that a server with these variables asks for, if it asks for one.
pub fn login(variable: impl Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let password = variable("OPENCODE_SERVER_PASSWORD").filter(|password| !password.is_empty())?;
    let user = variable("OPENCODE_SERVER_USERNAME").filter(|user| !user.is_empty());
    Some((user.unwrap_or_else(|| "opencode".to_owned()), password))
}

impl Access {
    /// The bytes of a request. The connection is closed after its answer.
    pub fn request(&self, method: &str, target: &str) -> Vec<u8> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        text.push_str("Accept: application/json\r\n");
        if let Some((user, password)) = &self.login {
            let _ = write!(text, "Authorization: Basic {}\r\n", base64(format!("{user}:{password}").as_bytes()));
        }
        if method == "POST" {
            text.push_str("Content-Length: 0\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

fn query(directory: &str) -> String {
    if directory.is_empty() { String::new() } else { format!("?directory={}", encode(directory)) }
}

/// Percent-encodes all but letters, digits and `-_.~`.
fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let at = |n: usize| u32::from(part.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n)) as usize & 63] as char;
            out.push(if n <= part.len() { letter } else { '=' });
        }
    }
    out
}

/// An answer, or as much of it as has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    More,
    /// Status and body.
    Nothing(u16, Vec<u8>),
}

/// What came is no HTTP, or more than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the agent's server answered something that can't be read")]
pub struct BadAnswer;

/// Longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 8 << 20;

/// Reads an answer from all the bytes so far. `end`: no more will come.
pub fn read_answer(bytes: &[u8], end: bool) -> Result<Need, BadAnswer> {
    if bytes.len() > MAX_ANSWER {
        return Err(BadAnswer);
    }
    let more = || if end { Err(BadAnswer) } else { Ok(Need::More) };
    let Some(split) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return more() };
    let head = std::str::from_utf8(&bytes[..split]).map_err(|_| BadAnswer)?;
    let body = &bytes[split + 4..];
    let mut lines = head.split("\r\n");
    let status: u16 = lines
        .next()
        .filter(|line| line.starts_with("HTTP/1."))
        .and_then(|line| line.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or(BadAnswer)?;
    let headers: BTreeMap<String, &str> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    if headers.get("transfer-encoding").is_some_and(|how| how.eq_ignore_ascii_case("chunked")) {
        return match unchunk(body)? {
            Some(whole) => Ok(Need::Nothing(status, whole)),
            None => more(),
        };
    }
    match headers.get("content-length").map(|length| length.parse::<usize>()) {
        Some(Ok(length)) if body.len() >= length => Ok(Need::Nothing(status, body[..length].to_vec())),
        Some(Ok(_)) => more(),
        Some(Err(_)) => Err(BadAnswer),
        None if status == 204 || end => Ok(Need::Nothing(status, body.to_vec())),
        None => Ok(Need::More),
    }
}

/// The body out of its chunks; `None` if they are not all there.
fn unchunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, BadAnswer> {
    let mut whole = Vec::new();
    loop {
        let Some(end) = memchr::memmem::find(rest, b"\r\n") else { return Ok(None) };
        let size = std::str::from_utf8(&rest[..end]).map_err(|_| BadAnswer)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok().filter(|size| *size <= MAX_ANSWER).ok_or(BadAnswer)?;
        let from = end + 2;
        if size == 0 {
            return Ok(Some(whole));
        }
        if rest.len() < from + size + 2 {
            return Ok(None);
        }
        whole.extend_from_slice(&rest[from..from + size]);
        rest = &rest[from + size + 2..];
    }
}
