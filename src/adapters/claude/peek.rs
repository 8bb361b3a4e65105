//! What a line is, from its first bytes, so that lines which carry nothing cost next to nothing. Most of a
//! transcript's bytes are such lines. Whatever isn't certain is left to the parser.

use memchr::{memchr2, memmem};

/// Transcript kinds that are read; all others are skipped.
pub(super) const TRANSCRIPT: [&str; 8] =
    ["user", "assistant", "system", "summary", "ai-title", "custom-title", "cost-state", "queue-operation"];

/// Stream kinds that are read.
pub(super) const STREAM: [&str; 5] = ["user", "assistant", "system", "result", "stream_event"];

/// Subtypes of the stream's `system` that say nothing new.
const SILENT: [&str; 7] = [
    "background_tasks_changed",
    "hook_progress",
    "hook_response",
    "hook_started",
    "status",
    "task_progress",
    "thinking_tokens",
];

/// Marks of the few lines of skipped kinds that do carry something.
const NOTIFICATION: &str = "<task-notification>";
const MAX_TURNS: &str = r#""max_turns_reached""#;

#[derive(Debug, PartialEq)]
enum Head<'a> {
    /// The value of the line's own `type`.
    Kind(&'a str),
    /// The line has a key `attachment` of its own.
    Attachment,
    Unclear,
}

/// Walks the line's first keys as long as they are written without spaces and have plain values: strings without
/// escapes, numbers, literals.
fn head(line: &str) -> Head<'_> {
    let mut rest = match line.strip_prefix('{') {
        Some(rest) => rest,
        None => return Head::Unclear,
    };
    loop {
        let Some((key, after)) = plain_string(rest) else { return Head::Unclear };
        let Some(value) = after.strip_prefix(':') else { return Head::Unclear };
        if key == "attachment" {
            return Head::Attachment;
        }
        let after = match plain_string(value) {
            Some((kind, _)) if key == "type" => return Head::Kind(kind),
            Some((_, after)) => after,
            None => match value.find([',', '"', '{', '[']) {
                Some(end) if value.as_bytes()[end] == b',' => &value[end..],
                _ => return Head::Unclear,
            },
        };
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Head::Unclear,
        }
    }
}

/// A string without escapes at the start of `text`, and what follows it.
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_prefix('"')?;
    let end = memchr2(b'"', b'\\', body.as_bytes())?;
    (body.as_bytes()[end] == b'"').then(|| (&body[..end], &body[end + 1..]))
}

/// This transcript line certainly says nothing that is read.
pub(super) fn transcript_is_silent(line: &str) -> bool {
    if !line.ends_with('}') {
        return false;
    }
    match head(line) {
        Head::Kind("attachment") => !contains(line, MAX_TURNS),
        Head::Kind("queue-operation") => !contains(line, NOTIFICATION),
        Head::Kind(kind) => !TRANSCRIPT.contains(&kind),
        // Quotes inside strings are escaped, so these bytes are a key and its value.
        Head::Attachment => contains(line, r#""type":"attachment""#) && !contains(line, MAX_TURNS),
        Head::Unclear => false,
    }
}

/// This line of a stream certainly says nothing that is read.
pub(super) fn stream_is_silent(line: &str) -> bool {
    if !line.ends_with('}') {
        return false;
    }
    match head(line) {
        // By far the most lines of a stream with partial messages.
        Head::Kind("stream_event") => line.starts_with(r#"{"type":"stream_event","event":{"type":"content_block_"#),
        Head::Kind("system") => line
            .strip_prefix(r#"{"type":"system","subtype":"#)
            .and_then(plain_string)
            .is_some_and(|(subtype, _)| SILENT.contains(&subtype)),
        Head::Kind(kind) => !STREAM.contains(&kind),
        Head::Attachment | Head::Unclear => false,
    }
}

fn contains(line: &str, mark: &str) -> bool {
    memmem::find(line.as_bytes(), mark.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_known_only_where_it_is_certain() {
        assert_eq!(head(r#"{"type":"mode","a":1}"#), Head::Kind("mode"));
        assert_eq!(head(r#"{"a":null,"b":false,"c":"x","type":"user","m":{}}"#), Head::Kind("user"));
        assert_eq!(head(r#"{"a":null,"attachment":{"type":"date"},"type":"attachment"}"#), Head::Attachment);
        for line in [
            r#"{ "type":"mode"}"#,
            r#"{"type": "mode"}"#,
            r#"{"a":"\\","type":"mode"}"#,
            r#"{"a":{},"type":"mode"}"#,
            r#"{"a":[1,2],"type":"mode"}"#,
            r#"{"type":{"a":1}}"#,
            r#"{"type":"#,
            r#"{"a":1"#,
            "{",
            "",
            "é",
        ] {
            assert_eq!(head(line), Head::Unclear, "{line}");
        }
    }

    #[test]
    fn lines_that_say_something_are_kept() {
        for line in [
            r#"{"type":"user","message":{}}"#,
            r#"{"isSidechain":false,"attachment":{"type":"max_turns_reached"},"type":"attachment"}"#,
            r#"{"isSidechain":false,"attachment":{"text":"\"type\":\"attachment\""},"type":"user"}"#,
            r#"{"type":"queue-operation","content":"<task-notification>"}"#,
            r#"{"type":"mode""#,
        ] {
            assert!(!transcript_is_silent(line), "{line}");
        }
        for line in [
            r#"{"isSidechain":false,"attachment":{"type":"date"},"type":"attachment"}"#,
            r#"{"type":"progress","data":{}}"#,
            r#"{"type":"queue-operation","content":"x"}"#,
        ] {
            assert!(transcript_is_silent(line), "{line}");
        }
        assert!(stream_is_silent(r#"{"type":"system","subtype":"hook_started"}"#));
        assert!(!stream_is_silent(r#"{"type":"system","subtype":"init"}"#));
        assert!(!stream_is_silent(r#"{"type":"system","note":"hook_started"}"#));
    }
}
