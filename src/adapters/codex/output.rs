//! What a tool gave back, as a rollout tells it. There is no field that says whether the call failed.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use crate::adapters::lax::{Raw, Str, head, loose, whole};
use crate::domain::event::Failure;
use crate::domain::text::Text;

/// Codex's own words for a call that it did not carry out. Only known from seeing them, hence no flag.
const REFUSALS: [&str; 9] = [
    "unsupported call",
    "unsupported custom tool call",
    "failed to parse function arguments",
    "execution error:",
    "exec_command failed",
    "apply_patch verification failed",
    "patch rejected",
    "collab spawn failed",
    "Script failed",
];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Structured<'a> {
    #[serde(borrow)]
    content: Raw<'a>,
    #[serde(borrow)]
    output: Raw<'a>,
    success: Option<bool>,
    metadata: Option<Metadata>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    exit_code: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Str<'a>,
}

/// Failure and text of `output`: a string, the JSON of an object in a string, an object, or a list of texts.
pub(super) fn read(raw: Raw) -> (Failure, Text) {
    match raw.and_then(|raw| raw.get().bytes().next()) {
        Some(b'{') => {
            let output: Structured = loose(raw).unwrap_or_default();
            structured(&output)
        }
        Some(b'[') => {
            let parts: Vec<Part> = loose(raw).unwrap_or_default();
            let text = parts.iter().map(|part| &*part.text).find(|text| !text.is_empty()).unwrap_or_default();
            judge(text)
        }
        _ => {
            let text = head(raw);
            if text.starts_with('{') {
                let text = whole(raw);
                // Other tools print JSON too; only Codex's own shape has this number.
                let output: Option<Structured> = serde_json::from_str(&text).ok();
                if let Some(output) = output.filter(|o| o.metadata.as_ref().is_some_and(|m| m.exit_code.is_some())) {
                    return structured(&Structured { success: None, ..output });
                }
            }
            judge(&text)
        }
    }
}

fn structured(output: &Structured) -> (Failure, Text) {
    let text: Cow<str> = head(output.content.or(output.output));
    let code = output.metadata.as_ref().and_then(|metadata| metadata.exit_code);
    match (output.success, code) {
        (Some(false), _) => (Failure::Flagged, Text::new(&text)),
        (_, Some(code)) => (if code == 0 { Failure::No } else { Failure::Flagged }, Text::new(&text)),
        _ => judge(&text),
    }
}

/// A command's output begins with a few lines in a fixed form, up to `Output:`, one of which is its exit code. This is
/// as good as a flag: the same code is a field of the stream.
fn judge(text: &str) -> (Failure, Text) {
    let (before, said) = match text.split_once("Output:\n") {
        Some((before, said)) if before.lines().count() <= 8 => (before, said),
        _ => (text, ""),
    };
    let code = before.lines().take(8).find_map(|line| {
        let code = CODES.iter().find_map(|words| line.strip_prefix(*words))?;
        code.trim().parse::<i64>().ok()
    });
    let failure = match code {
        Some(0) => Failure::No,
        Some(_) => Failure::Flagged,
        None if REFUSALS.iter().any(|words| text.starts_with(words)) => Failure::Inferred,
        None => Failure::No,
    };
    (failure, Text::new(if said.is_empty() { text } else { said }))
}

/// What a line that may hold an exit code begins with.
const CODES: [&str; 2] = ["Process exited with code ", "Exit code: "];

/// Certainly no failure: for readers who want to know nothing else. `raw` is the inside of a JSON string, escapes as
/// they stand; whatever isn't certain is `false`.
pub(crate) fn surely_succeeded(raw: &[u8]) -> bool {
    static MARKS: LazyLock<Marks> = LazyLock::new(Marks::default);
    let marks = &*MARKS;
    let head = &raw[..raw.len().min(9_000)];
    if head.starts_with(b"{") {
        // Quotes inside this object's own texts have more than one backslash, so this is a key and its value.
        return marks.zero.find(head).is_some();
    }
    let head = marks.output.find(head).map_or(head, |end| &head[..end]);
    let is_zero = |(words, finder): (&&str, &Finder<'_>)| {
        let mut found = finder.find_iter(head).map(|at| head.get(at + words.len()..));
        found.all(|after| matches!(after, Some([b'0', b'\\', b'n', ..])))
    };
    let is_refused = || REFUSALS.iter().any(|words| head.starts_with(words.as_bytes()));
    marks.escape.find(head).is_none() && CODES.iter().zip(&marks.codes).all(is_zero) && !is_refused()
}

struct Marks {
    output: Finder<'static>,
    /// Letters written as escapes could be any of the words.
    escape: Finder<'static>,
    zero: Finder<'static>,
    codes: [Finder<'static>; 2],
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            output: Finder::new(br"Output:\n"),
            escape: Finder::new(br"\u00"),
            zero: Finder::new(br#",\"metadata\":{\"exit_code\":0,"#),
            codes: CODES.map(|words| Finder::new(words.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::RawValue;

    #[test]
    fn usual_successes_are_known_without_decoding() {
        for (raw, is_sure) in [
            (r"Chunk ID: a\nProcess exited with code 0\nOutput:\nProcess exited with code 1\n", true),
            (r"Chunk ID: a\nProcess exited with code 1\nOutput:\nProcess exited with code 0\n", false),
            (r#"{\"output\":\"Success.\",\"metadata\":{\"exit_code\":0,\"duration_seconds\":0.0}}"#, true),
            (r#"{\"output\":\"x\",\"metadata\":{\"exit_code\":1,\"duration_seconds\":0.0}}"#, false),
            (r#"{\"output\":\",\\"metadata\\":{\\"exit_code\\":0,\",\"metadata\":{\"exit_code\":1,\"d\":0}}"#, false),
            (r"unsupported call: x", false),
            (r"\u0050rocess exited with code 1\n", false),
            (r"Process exited with code 01\n", false),
            ("", true),
        ] {
            assert_eq!(surely_succeeded(raw.as_bytes()), is_sure, "{raw}");
        }
    }

    #[test]
    fn failures_are_read_from_every_form() {
        let exec =
            |code: i32| format!("Chunk ID: a\nWall time: 0.1 seconds\nProcess exited with code {code}\nOutput:\nhi");
        for (output, failure, text) in [
            (json!(exec(0)), Failure::No, "hi"),
            (json!(exec(127)), Failure::Flagged, "hi"),
            (json!("Exit code: 2\nWall time: 0 seconds\nOutput:\nno"), Failure::Flagged, "no"),
            (json!(r#"{"output":"boom","metadata":{"exit_code":1,"duration_seconds":0.1}}"#), Failure::Flagged, "boom"),
            (json!(r#"{"output":"fine","metadata":{"exit_code":0}}"#), Failure::No, "fine"),
            (json!(r#"{"success":false}"#), Failure::No, r#"{"success":false}"#),
            (json!({"content": "refused", "success": false}), Failure::Flagged, "refused"),
            (json!({"content": "done", "success": true}), Failure::No, "done"),
            (
                json!([{"type": "input_text", "text": "Script failed\nWall time 1 s"}]),
                Failure::Inferred,
                "Script failed Wall time 1 s",
            ),
            (json!([{"type": "input_image", "image_url": "x"}]), Failure::No, ""),
            (json!("unsupported call: no_such_tool"), Failure::Inferred, "unsupported call: no_such_tool"),
            (json!("Wall time: 2.1 seconds\naborted by user"), Failure::No, "Wall time: 2.1 seconds aborted by user"),
            (json!("Wall time: 1 s\nOutput:\nProcess exited with code 3"), Failure::No, "Process exited with code 3"),
            (json!(null), Failure::No, ""),
        ] {
            let raw = RawValue::from_string(output.to_string()).unwrap();
            assert_eq!(read(Some(&raw)), (failure, Text::new(text)), "{output}");
            if let Some(inside) = raw.get().strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
                assert!(!surely_succeeded(inside.as_bytes()) || failure == Failure::No, "{output}");
            }
        }
    }
}
