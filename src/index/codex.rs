//! PURE. What a line of Codex's rollout can change, found without decoding it.

use crate::adapters::codex::{is_collab, surely_succeeded};
use crate::adapters::walk::Walk;
use crate::domain::event::Key;

/// What must be known of the lines before.
#[derive(Debug)]
pub struct State {
    /// The file's own thread, once it has said so.
    thread: String,
    /// The file may hold lines of other threads: whose a call is, only the adapter knows.
    has_kin: bool,
    /// A turn has begun and the adapter hasn't seen the model speak in it: it gives answers to who spoke last.
    awaits_speech: bool,
    /// Calls that deal with subagents; their results say who these are.
    collab: Vec<Key>,
}

impl Default for State {
    fn default() -> Self {
        Self { thread: String::new(), has_kin: true, awaits_speech: true, collab: Vec::new() }
    }
}

#[derive(Debug, PartialEq)]
pub enum Look<'a> {
    /// Nothing that is counted.
    Silent,
    /// Nothing but that something happened then.
    Timed,
    /// The adapter knows.
    Ask,
    Call(Call<'a>),
}

/// A tool call of the file's own thread.
#[derive(Debug, PartialEq)]
pub struct Call<'a> {
    pub timestamp: &'a str,
    pub thread: &'a str,
    pub id: &'a str,
    pub name: &'a str,
}

/// Bytes of an output that can say how the call went; more than an adapter looks at.
const SEEN: usize = 9_000;
/// Calls that wait for their result, at most.
const MAX_OPEN: usize = 64;

impl State {
    /// The adapter has read this line; `session` is whose it says the file is.
    pub fn asked(&mut self, line: &[u8], session: &str) {
        let Some((kind, payload)) = kinds(line) else { return };
        match (kind, payload) {
            (b"session_meta", _) => {
                self.has_kin = !self.thread.is_empty() || has_kin(line).unwrap_or(true);
                session.clone_into(&mut self.thread);
            }
            (b"event_msg", b"task_started" | b"turn_started") | (b"turn_context", _) => self.awaits_speech = true,
            (b"response_item", payload) if payload == b"reasoning" || payload.ends_with(b"_call") => {
                self.awaits_speech = false;
            }
            _ => {}
        }
    }
}

impl State {
    fn deals_with_subagents(&mut self, call: &str) {
        if self.collab.len() == MAX_OPEN {
            self.collab.remove(0);
        }
        self.collab.push(Key::of(&[call]));
    }

    /// Is this the result of such a call? It is waited for no more.
    fn answers_subagents(&mut self, call: &str) -> bool {
        let waiting = self.collab.iter().position(|known| *known == Key::of(&[call]));
        if let Some(at) = waiting {
            self.collab.remove(at);
        }
        waiting.is_some()
    }
}

pub fn look<'s>(line: &'s [u8], state: &'s mut State, wants_title: bool) -> Look<'s> {
    if line.is_empty() {
        return Look::Silent;
    }
    read(line, state, wants_title).unwrap_or(Look::Ask)
}

fn read<'s>(line: &'s [u8], state: &'s mut State, wants_title: bool) -> Option<Look<'s>> {
    if line.last() != Some(&b'}') {
        return None;
    }
    let (timestamp, kind, mut walk) = payload(line)?;
    match kind {
        b"event_msg" | b"response_item" => {}
        b"session_meta" | b"turn_context" | b"token_usage_record" => return None,
        _ => return Some(Look::Silent),
    }
    let item = walk.clone();
    let payload = payload_type(&mut walk)?;
    if kind == b"event_msg" {
        // Whose turn it is matters only where there are several threads.
        let is_turn = payload.starts_with(b"task_") || payload.starts_with(b"turn_");
        return match payload {
            b"token_count" | b"thread_name_updated" => None,
            _ if is_turn && state.has_kin => None,
            _ if is_turn => Some(Look::Timed),
            _ => Some(Look::Silent),
        };
    }
    match payload {
        b"message" if wants_title => None,
        b"message" => Some(Look::Timed),
        b"reasoning" if state.has_kin && state.awaits_speech => None,
        b"reasoning" => Some(Look::Timed),
        b"function_call" | b"custom_tool_call" | b"local_shell_call" | b"mcp_tool_call" | b"tool_search_call" => {
            call(item, timestamp, state)
        }
        b"web_search_call" | b"image_generation_call" => None,
        _ if payload.ends_with(b"_output") => result(item, state),
        _ => Some(Look::Silent),
    }
}

/// The line's time and kind, and a walk that stands before its payload, if it comes after them.
fn payload(line: &[u8]) -> Option<(&[u8], &[u8], Walk<'_>)> {
    let mut walk = Walk::new(line);
    let [mut timestamp, mut kind] = [&b""[..]; 2];
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"timestamp" => timestamp = walk.plain_bytes()?,
            b"type" => kind = walk.plain_bytes()?,
            b"payload" if kind.is_empty() || timestamp.is_empty() => return None,
            b"payload" => return Some((timestamp, kind, walk)),
            _ => walk.skip()?,
        }
    }
    None
}

fn payload_type<'a>(walk: &mut Walk<'a>) -> Option<&'a [u8]> {
    walk.open()?;
    while let Some(key) = walk.key()? {
        if key == b"type" {
            return walk.plain_bytes();
        }
        walk.skip()?;
    }
    None
}

fn kinds(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, kind, mut walk) = payload(line)?;
    Some((kind, payload_type(&mut walk).unwrap_or_default()))
}

/// Does a file's first line name other threads? `None`: it isn't understood.
fn has_kin(line: &[u8]) -> Option<bool> {
    let (_, _, mut walk) = payload(line)?;
    let mut has_kin = false;
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"parent_thread_id" | b"forked_from_id" => has_kin |= !walk.word()?.is_empty(),
            // A text names the program, an object names kin.
            b"source" => has_kin |= walk.span()?.first() != Some(&b'"'),
            _ => walk.skip()?,
        }
    }
    Some(has_kin)
}

fn call<'s>(mut walk: Walk<'s>, timestamp: &'s [u8], state: &'s mut State) -> Option<Look<'s>> {
    let (mut id, mut name, mut has_namespace) = ("", "", false);
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"call_id" => id = walk.plain()?,
            b"name" => name = walk.plain()?,
            b"namespace" => {
                has_namespace = true;
                walk.skip()?;
            }
            _ => walk.skip()?,
        }
    }
    if has_namespace || is_collab(name) {
        state.deals_with_subagents(id);
        return None;
    }
    let is_plain = !state.has_kin && !id.is_empty() && !name.is_empty();
    let timestamp = std::str::from_utf8(timestamp).ok()?;
    let call = Call { timestamp, thread: &state.thread, id, name };
    (is_plain && !name.starts_with("mcp__")).then_some(Look::Call(call))
}

fn result<'s>(mut walk: Walk<'s>, state: &mut State) -> Option<Look<'s>> {
    let (mut is_fine, mut is_known) = (false, state.collab.is_empty());
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"call_id" if !is_known => {
                if state.answers_subagents(walk.plain()?) {
                    return None;
                }
                is_known = true;
            }
            b"output" if is_known && walk.peek()? == b'"' => {
                return surely_succeeded(walk.beginning(SEEN)).then_some(Look::Timed);
            }
            b"output" if walk.peek()? == b'"' => is_fine = surely_succeeded(walk.raw()?),
            _ => walk.skip()?,
        }
    }
    (is_fine && is_known).then_some(Look::Timed)
}
