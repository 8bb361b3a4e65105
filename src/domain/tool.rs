//! What a tool call was given, reduced to what the tariff and a reader need.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::salvage;
use super::text::Text;

/// Longest command line kept for the shell parser, in bytes.
pub const MAX_COMMAND: usize = 16 * 1024;
/// Most targets kept of one call.
const MAX_TARGETS: usize = 16;

/// What a tool does, where the agent itself says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Read,
    Write,
    Execute,
    Network,
    Spawn,
    Other,
}

/// A tool call's input, reduced. Adapters build it with [`ToolInput::from_value`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolInput {
    /// The shell command, raw and unprinted, where the tool runs one.
    pub command: Option<Arc<str>>,
    /// Files and directories named, raw: normalised against the working directory by the tariff.
    pub paths: Vec<Arc<str>>,
    pub urls: Vec<Arc<str>>,
    /// Same tool and same digest: an identical call. Independent of key order and of remarks (`description`).
    pub digest: u64,
    /// Declared by the agent; the policy's tables are asked first.
    pub kind: Option<Kind>,
    /// One line that tells a reader what the call does.
    pub summary: Text,
    /// Something of it could not be read and is missing here.
    pub partial: bool,
}

/// Field names under which tools of all agents keep a path, a link, a command.
const PATHS: [&str; 12] = [
    "file_path",
    "path",
    "filePath",
    "absolute_path",
    "notebook_path",
    "dir_path",
    "directory",
    "filename",
    "file",
    "paths",
    "files",
    "workdir",
];
const URLS: [&str; 3] = ["url", "uri", "urls"];
const COMMANDS: [&str; 4] = ["command", "cmd", "script", "code"];
/// Fields a reader wants to see, best first, when there is no command, path or link.
const TELLING: [&str; 9] =
    ["pattern", "query", "prompt", "description", "title", "skill", "name", "agent_name", "text"];
/// Remarks that differ between calls which do the same.
const REMARKS: [&str; 5] = ["description", "justification", "explanation", "toolDescription", "_meta"];

impl ToolInput {
    /// Reduces a tool's arguments. `value` is an object for most tools; a string is taken as a patch or a script.
    pub fn from_value(value: &Value) -> Self {
        let mut input = Self { digest: digest(value), ..Self::default() };
        match value {
            Value::Object(map) => {
                for key in COMMANDS {
                    if input.command.is_none() {
                        input.command = map.get(key).and_then(command_text).map(Arc::from);
                    }
                }
                for key in PATHS {
                    collect(map.get(key), &mut input.paths);
                }
                for key in URLS {
                    collect(map.get(key), &mut input.urls);
                }
                for key in ["patch", "input", "diff"] {
                    if let Some(Value::String(patch)) = map.get(key) {
                        input.paths.extend(patch_paths(patch));
                    }
                }
                input.summary = summarise(&input, map);
            }
            Value::String(text) => {
                input.paths.extend(patch_paths(text));
                input.summary = match input.paths.first() {
                    Some(path) => Text::new(path),
                    None => Text::new(text),
                };
            }
            _ => {}
        }
        input.paths.truncate(MAX_TARGETS);
        input.urls.truncate(MAX_TARGETS);
        input
    }

    /// For agents that send arguments as a JSON text; text that isn't JSON is taken as it stands. Of an object with
    /// fields that can't be read, the others count.
    pub fn from_text(text: &str) -> Self {
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            return Self::from_value(&value);
        }
        let fields = salvage::fields(text);
        if fields.is_empty() {
            return Self::from_value(&Value::String(text.to_owned()));
        }
        // The text as a whole says whether two calls are the same.
        let digest = digest(&Value::String(text.to_owned()));
        Self { digest, partial: true, ..Self::from_value(&Value::Object(fields)) }
    }

    /// For streams that give only a command line.
    pub fn from_command(command: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        command.hash(&mut hasher);
        Self {
            command: Some(Arc::from(head(command, MAX_COMMAND))),
            digest: hasher.finish(),
            summary: Text::new(command),
            ..Self::default()
        }
    }
}

fn summarise(input: &ToolInput, map: &serde_json::Map<String, Value>) -> Text {
    if let Some(command) = &input.command {
        return Text::new(command);
    }
    if let Some(target) = input.paths.first().or(input.urls.first()) {
        return match map.get("pattern") {
            Some(Value::String(pattern)) => Text::new(&format!("{} in {target}", head(pattern, 120))),
            _ => Text::new(target),
        };
    }
    let telling = TELLING.iter().find_map(|key| map.get(*key).and_then(Value::as_str));
    match telling.or_else(|| map.values().find_map(Value::as_str)) {
        Some(text) => Text::new(text),
        None => Text::default(),
    }
}

/// A command as one string; argument lists (`["bash","-lc","…"]`) are joined with quotes where needed.
fn command_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(head(text, MAX_COMMAND).to_owned()),
        Value::Array(words) if !words.is_empty() => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            let quoted = words?.iter().map(|w| quote(w)).collect::<Vec<_>>().join(" ");
            Some(head(&quoted, MAX_COMMAND).to_owned())
        }
        _ => None,
    }
}

fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn collect(value: Option<&Value>, into: &mut Vec<Arc<str>>) {
    match value {
        Some(Value::String(text)) if !text.is_empty() => into.push(Arc::from(head(text, 1_024))),
        Some(Value::Array(list)) => list.iter().take(MAX_TARGETS).for_each(|v| collect(Some(v), into)),
        _ => {}
    }
}

/// Files named by a patch in the `*** Update File: path` form.
fn patch_paths(patch: &str) -> impl Iterator<Item = Arc<str>> + '_ {
    const MARKS: [&str; 4] = ["*** Update File: ", "*** Add File: ", "*** Delete File: ", "*** Move to: "];
    // A patch inside a script is one long string with escaped line ends.
    patch.split(['\n']).flat_map(|line| line.split("\\n")).filter_map(|line| {
        MARKS
            .iter()
            .find_map(|mark| line.trim_start_matches('"').strip_prefix(mark))
            .map(|p| Arc::from(head(p.trim(), 1_024)))
    })
}

/// Digest of a JSON value: object keys in sorted order, remarks left out.
fn digest(value: &Value) -> u64 {
    fn feed(value: &Value, hasher: &mut DefaultHasher, top: bool) {
        match value {
            Value::Object(map) => {
                // Sorted here: `serde_json` keeps the order of the text when any crate of the build asks for that.
                let mut fields: Vec<_> = map.iter().collect();
                fields.sort_unstable_by_key(|(key, _)| *key);
                for (key, value) in fields {
                    if !(top && map.len() > 1 && REMARKS.contains(&key.as_str())) {
                        key.hash(hasher);
                        feed(value, hasher, false);
                    }
                }
            }
            Value::Array(list) => {
                list.len().hash(hasher);
                list.iter().for_each(|v| feed(v, hasher, false));
            }
            Value::String(text) => text.hash(hasher),
            Value::Number(number) => number.to_string().hash(hasher),
            Value::Bool(b) => b.hash(hasher),
            Value::Null => 0u8.hash(hasher),
        }
    }
    let mut hasher = DefaultHasher::new();
    feed(value, &mut hasher, true);
    hasher.finish()
}

fn head(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn identical_calls_have_one_digest_whatever_order_or_remark() {
        let a = ToolInput::from_text(r#"{"command":"ls","description":"list"}"#);
        let b = ToolInput::from_text(r#"{"description":"look around","command":"ls"}"#);
        let c = ToolInput::from_text(r#"{"command":"ls -a","description":"list"}"#);
        assert_eq!(a.digest, b.digest);
        assert_ne!(a.digest, c.digest);
        let a = ToolInput::from_text(r#"{"path":"a","limit":{"from":1,"to":2}}"#);
        let b = ToolInput::from_text(r#"{"limit":{"to":2,"from":1},"path":"a"}"#);
        assert_eq!(a.digest, b.digest);
    }

    #[test]
    fn a_field_that_cannot_be_read_hides_no_command() {
        let deep = format!(r#"{{"command":"git push","x":{}1{}}}"#, "{\"a\":".repeat(300), "}".repeat(300));
        for text in [
            r#"{"command":"git push","timeout":1e400}"#,
            r#"{"command":"git push","description":"\ud800"}"#,
            r#"{"command":"git push","path":"a"#,
            &deep,
        ] {
            let input = ToolInput::from_text(text);
            assert_eq!((input.command.as_deref(), input.partial), (Some("git push"), true), "{text}");
        }
        let [a, b] = ["1e400", "1e401"].map(|n| ToolInput::from_text(&format!(r#"{{"command":"x","y":{n}}}"#)));
        assert_ne!(a.digest, b.digest);
        assert!(!ToolInput::from_text("*** Begin Patch").partial);
    }

    #[test]
    fn targets_and_commands_are_found() {
        let input = ToolInput::from_value(&json!({"command": ["bash", "-lc", "echo 'a b'"], "workdir": "/x"}));
        assert_eq!(input.command.as_deref(), Some(r"bash -lc 'echo '\''a b'\'''"));
        let input = ToolInput::from_value(&json!("*** Begin Patch\n*** Update File: src/a.rs\n*** Add File: b\n"));
        assert_eq!(input.paths, [Arc::from("src/a.rs"), Arc::from("b")]);
        let input = ToolInput::from_value(&json!({"pattern": "fn main", "path": "src"}));
        assert_eq!(input.summary.as_str(), "fn main in src");
    }
}
