//! A rollout's line, and the cheap look that decides whether it is worth parsing.

use serde::Deserialize;

use super::Tokens;
use crate::adapters::json::Count;
use crate::adapters::lax::{Raw, Str};
use crate::adapters::walk::Walk;

/// Kinds of lines. Others may come.
pub(super) const KINDS: [&str; 7] =
    ["session_meta", "turn_context", "event_msg", "response_item", "token_usage_record", "world_state", "compacted"];

#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow, default)]
    pub timestamp: Str<'a>,
    #[serde(borrow, default, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub payload: Option<Payload<'a>>,
}

/// Payloads of every kind of line: each field belongs to some of them.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Str<'a>,
    #[serde(borrow)]
    pub id: Str<'a>,
    // session_meta
    #[serde(borrow)]
    pub session_id: Str<'a>,
    #[serde(borrow)]
    pub forked_from_id: Str<'a>,
    #[serde(borrow)]
    pub parent_thread_id: Str<'a>,
    #[serde(borrow)]
    pub agent_nickname: Str<'a>,
    #[serde(borrow)]
    pub originator: Str<'a>,
    #[serde(borrow)]
    pub cli_version: Str<'a>,
    #[serde(borrow)]
    pub source: Raw<'a>,
    // … and turn_context
    #[serde(borrow)]
    pub cwd: Str<'a>,
    #[serde(borrow)]
    pub model: Str<'a>,
    #[serde(borrow)]
    pub turn_id: Str<'a>,
    // response_item
    #[serde(borrow)]
    pub role: Str<'a>,
    #[serde(borrow)]
    pub content: Raw<'a>,
    #[serde(borrow)]
    pub summary: Raw<'a>,
    #[serde(borrow)]
    pub name: Str<'a>,
    #[serde(borrow)]
    pub namespace: Str<'a>,
    #[serde(borrow)]
    pub arguments: Raw<'a>,
    #[serde(borrow)]
    pub input: Raw<'a>,
    #[serde(borrow)]
    pub action: Raw<'a>,
    #[serde(borrow)]
    pub call_id: Str<'a>,
    #[serde(borrow)]
    pub output: Raw<'a>,
    #[serde(borrow)]
    pub status: Str<'a>,
    // event_msg and token_usage_record
    #[serde(borrow)]
    pub info: Raw<'a>,
    #[serde(borrow)]
    pub usage: Raw<'a>,
    #[serde(borrow)]
    pub thread_token_usage: Raw<'a>,
    #[serde(borrow)]
    pub thread_id: Str<'a>,
    #[serde(borrow)]
    pub thread_name: Str<'a>,
    #[serde(borrow)]
    pub message: Str<'a>,
    #[serde(borrow)]
    pub reason: Str<'a>,
    #[serde(borrow)]
    pub error: Raw<'a>,
}

/// `info` of a `token_count`.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    pub total_token_usage: Option<Tokens>,
    pub last_token_usage: Option<Tokens>,
}

/// A `token_count` or a `token_usage_record`: a large part of a rollout's lines.
#[derive(Debug, Default, PartialEq)]
pub(super) struct TokenLine<'a> {
    pub timestamp: &'a str,
    // token_count
    pub info: Option<Counts>,
    // token_usage_record
    pub usage: Option<Tokens>,
    pub thread_token_usage: Option<Tokens>,
    pub thread_id: &'a str,
}

/// Reads such a line as Codex writes it. Anything unusual reads as `None`, and is left to [`Line`].
pub(super) fn token_line(line: &str) -> Option<TokenLine<'_>> {
    let is_record = match kinds(line)? {
        ("event_msg", "token_count") => false,
        ("token_usage_record", _) => true,
        _ => return None,
    };
    let (mut walk, mut read) = (Walk::new(line.as_bytes()), TokenLine::default());
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"timestamp" => read.timestamp = walk.plain()?,
            b"payload" => token_payload(&mut walk, &mut read)?,
            _ => walk.skip()?,
        }
    }
    (walk.is_over() && read.usage.is_some() == is_record && read.info.is_none() == is_record).then_some(read)
}

fn token_payload<'a>(walk: &mut Walk<'a>, read: &mut TokenLine<'a>) -> Option<()> {
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"usage" => read.usage = Some(tokens(walk)?),
            b"thread_token_usage" => read.thread_token_usage = Some(tokens(walk)?),
            b"thread_id" => read.thread_id = walk.plain()?,
            b"info" => {
                let mut counts = Counts::default();
                walk.open()?;
                while let Some(key) = walk.key()? {
                    match key {
                        b"total_token_usage" => counts.total_token_usage = Some(tokens(walk)?),
                        b"last_token_usage" => counts.last_token_usage = Some(tokens(walk)?),
                        _ => walk.skip()?,
                    }
                }
                read.info = Some(counts);
            }
            _ => walk.skip()?,
        }
    }
    Some(())
}

fn tokens(walk: &mut Walk<'_>) -> Option<Tokens> {
    let mut read = Tokens::default();
    walk.open()?;
    while let Some(key) = walk.key()? {
        let field = match key {
            b"input_tokens" => &mut read.input_tokens,
            b"cached_input_tokens" => &mut read.cached_input_tokens,
            b"cache_write_input_tokens" => &mut read.cache_write_input_tokens,
            b"output_tokens" => &mut read.output_tokens,
            b"reasoning_output_tokens" => &mut read.reasoning_output_tokens,
            _ => {
                walk.skip()?;
                continue;
            }
        };
        *field = Count(walk.count()?);
    }
    Some(read)
}

/// True for lines that carry nothing of interest: they repeat others (with whole outputs), or hold Codex's own state.
/// Decided from the line's first bytes where these have the form that Codex writes; anything else is parsed.
pub(super) fn is_dull(line: &str) -> bool {
    let Some((kind, payload)) = kinds(line).filter(|_| line.ends_with('}')) else { return false };
    match kind {
        "world_state" | "compacted" => true,
        "event_msg" => !payload.is_empty() && !is_telling(payload),
        _ => false,
    }
}

/// Events that aren't told by a `response_item` as well.
fn is_telling(event: &str) -> bool {
    event == "token_count"
        || event.starts_with("task_")
        || event.starts_with("turn_")
        || event.ends_with("error")
        || event.ends_with("warning")
        || event == "thread_name_updated"
}

/// The line's and its payload's `type`, if the line begins the usual way.
fn kinds(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix(r#"{"timestamp":""#)?;
    let (_, rest) = plain(rest)?;
    let rest = match rest.strip_prefix(r#","ordinal":"#) {
        Some(rest) => rest.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let (kind, rest) = plain(rest.strip_prefix(r#","type":""#)?)?;
    let payload = rest.strip_prefix(r#","payload":{"type":""#).and_then(plain).map_or("", |(payload, _)| payload);
    Some((kind, payload))
}

/// A short string without escapes up to its closing quote, and what follows.
fn plain(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take(64).position(|b| b == b'"' || b == b'\\')?;
    (text.as_bytes()[end] == b'"').then(|| (&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tokens_read_the_same_in_both_ways() {
        for name in ["success", "subagents", "loop", "stop_sigint_tool"] {
            let text = crate::adapters::testkit::fixture(&format!("codex/{name}.transcript.jsonl"));
            let mut met = 0;
            for line in text.lines() {
                let Some(read) = token_line(line) else { continue };
                met += 1;
                let other: Line = serde_json::from_str(line).unwrap();
                let payload = other.payload.unwrap();
                assert_eq!(read.timestamp, &*other.timestamp);
                assert_eq!(read.thread_id, &*payload.thread_id);
                assert_eq!(read.info, payload.info.map(|raw| serde_json::from_str(raw.get()).unwrap()));
                assert_eq!(read.usage, payload.usage.map(|raw| serde_json::from_str(raw.get()).unwrap()));
                let total = payload.thread_token_usage.map(|raw| serde_json::from_str(raw.get()).unwrap());
                assert_eq!(read.thread_token_usage, total);
            }
            assert!(met > 1, "{name}");
        }
        assert_eq!(token_line(r#"{"timestamp":"t","type":"token_usage_record","payload":{"usage":"much"}}"#), None);
        assert_eq!(
            token_line(r#"{"timestamp":"t","type":"event_msg","payload":{"type":"token_count","info":null}}"#),
            None
        );
    }

    #[test]
    fn only_what_is_surely_dull_is_skipped() {
        let line = |kind: &str, payload: &str| {
            format!(r#"{{"timestamp":"t","ordinal":3,"type":"{kind}","payload":{payload}}}"#)
        };
        for (text, dull) in [
            (line("world_state", "{}"), true),
            (line("event_msg", r#"{"type":"item_completed","item":{"type":"task_started"}}"#), true),
            (line("event_msg", r#"{"type":"agent_message","message":"{\"type\":\"token_count\"}"}"#), true),
            (line("event_msg", r#"{"type":"exec_command_end"}"#), true),
            (line("event_msg", r#"{"type":"token_count"}"#), false),
            (line("event_msg", r#"{"type":"stream_error"}"#), false),
            (line("event_msg", r#"{"message":"x","type":"agent_message"}"#), false),
            (line("response_item", r#"{"type":"message"}"#), false),
            (line("anything", r#"{"type":"agent_message"}"#), false),
            (r#"{"type":"world_state","timestamp":"t","payload":{}}"#.to_owned(), false),
            (r#"{"timestamp":"t\"","type":"world_state","payload":{}}"#.to_owned(), false),
            (r#"{"timestamp":"t","type":"world_state","payload":{"a":"#.to_owned(), false),
            (r#"{"timestamp":"#.to_owned(), false),
        ] {
            assert_eq!(is_dull(&text), dull, "{text}");
        }
    }
}
