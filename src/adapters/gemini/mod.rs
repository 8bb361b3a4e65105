//! PURE. Gemini CLI: the stream of `-o stream-json`, and the chats that it keeps on disk.
//!
//! Tokens: Gemini's input includes what came from the cache, and its output leaves out the model's thoughts, which are
//! paid as output. Both are converted, so that a chat and its subagents add up to what the stream reports.

mod chat;
mod stream;
#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::lax::{Raw, Str};
use super::{Format, Origin, Out};
use crate::domain::event::Key;

pub(super) fn sniff(line: &str) -> Option<Format> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Head<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
        #[serde(borrow)]
        timestamp: Str<'a>,
        #[serde(borrow)]
        id: Str<'a>,
        #[serde(borrow)]
        session_id: Str<'a>,
        #[serde(borrow)]
        model: Str<'a>,
        #[serde(borrow)]
        role: Str<'a>,
        #[serde(borrow)]
        tool_id: Str<'a>,
        #[serde(borrow)]
        content: Raw<'a>,
        #[serde(borrow)]
        stats: Raw<'a>,
        #[serde(borrow, rename = "sessionId")]
        chat: Str<'a>,
        #[serde(borrow, rename = "projectHash")]
        project: Str<'a>,
    }
    let head: Head = serde_json::from_str(line).ok()?;
    if !head.chat.is_empty() && !head.project.is_empty() {
        return Some(Format::GeminiChat);
    }
    if head.timestamp.is_empty() {
        return None;
    }
    let stream = match &*head.kind {
        "init" => !head.session_id.is_empty() && !head.model.is_empty(),
        "message" => !head.role.is_empty() && head.content.is_some() && head.id.is_empty(),
        "tool_use" | "tool_result" => !head.tool_id.is_empty(),
        "result" => head.stats.is_some_and(|stats| stats.get().starts_with('{')),
        "gemini" => return (!head.id.is_empty()).then_some(Format::GeminiChat),
        _ => false,
    };
    stream.then_some(Format::GeminiStream)
}

#[derive(Clone)]
pub(super) enum Gemini {
    Stream(stream::Stream),
    Chat(chat::Chat),
}

impl Gemini {
    pub(super) fn new(format: Format, origin: &Origin) -> Self {
        match format {
            Format::GeminiStream => Gemini::Stream(stream::Stream::new(origin)),
            _ => Gemini::Chat(chat::Chat::new(origin)),
        }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        match self {
            Gemini::Stream(stream) => stream.line(line, out),
            Gemini::Chat(chat) => chat.line(line, out),
        }
    }
}

/// The stream and the chat call a tool's call by the same id.
fn call_key(session: &str, call: &str) -> Key {
    Key::of(&["gemini", session, "call", call])
}
