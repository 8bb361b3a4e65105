//! What a tool gave back, as a rollout tells it. There is no field that says whether the call failed.

use std::borrow::Cow;

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
        let code = line.strip_prefix("Process exited with code ").or_else(|| line.strip_prefix("Exit code: "))?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::RawValue;

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
        }
    }
}
