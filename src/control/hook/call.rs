//! PURE. What an agent tells its hook on standard input, and what of that goes to the run's socket.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::Moment;
use super::settings::Hooked;
use crate::control::dir;
use crate::control::protocol::{HookCall, Raw};
use crate::domain::text::Text;
use crate::domain::time::Span;

/// Most bytes of a tool's input that go over the socket, whose lines are bounded.
const MOST_INPUT: usize = 40 * 1024;
/// Of what a tool writes somewhere, so much is kept if all of it is too much.
const KEPT: usize = 2_000;
/// Where tools have what they write or say. Never a command or a path: what decides a gate is passed on whole or not at
/// all.
const CONTENT: [&str; 12] = [
    "content",
    "contents",
    "file_text",
    "instruction",
    "new_source",
    "new_str",
    "new_string",
    "old_str",
    "old_string",
    "prompt",
    "text",
    "todos",
];

/// As the agents send it; they agree on the names.
#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow)]
    session_id: Cow<'a, str>,
    #[serde(borrow)]
    hook_event_name: Cow<'a, str>,
    #[serde(borrow, default)]
    transcript_path: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tool_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    tool_input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_use_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    agent_id: Option<Cow<'a, str>>,
}

/// What was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Without its deadline.
    pub call: HookCall,
    /// The session's id, whole.
    pub session: String,
    pub transcript: Option<String>,
    pub moment: Moment,
}

/// Why it can't be passed on, with the moment as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread(pub Moment, pub String);

/// Reads the agent's JSON. The tool's input goes along only before a call: later there is nothing to decide.
pub fn read(agent: Hooked, bytes: &[u8]) -> Result<Told, Unread> {
    let unread =
        |why: String| Unread(Moment::Other, format!("what {} told its hook is not understood: {why}", agent.name()));
    let input: Input = serde_json::from_slice(bytes).map_err(|error| unread(error.to_string()))?;
    let moment = Moment::of(&input.hook_event_name);
    if input.session_id.trim().is_empty() {
        return Err(Unread(moment, "it names no session".into()));
    }
    if moment == Moment::Before && input.tool_name.is_none() {
        return Err(Unread(moment, "it names no tool".into()));
    }
    let text = |raw: &Option<Cow<str>>| raw.as_deref().map(Text::new);
    let is_before = moment == Moment::Before;
    let passed = input.tool_input.filter(|_| is_before).map(shorten).transpose().map_err(|why| Unread(moment, why))?;
    Ok(Told {
        call: HookCall {
            agent: agent.agent(),
            session: Text::new(&input.session_id),
            event: Text::new(&input.hook_event_name),
            tool: text(&input.tool_name).filter(|_| is_before),
            input: passed.map(Raw),
            call: text(&input.tool_use_id),
            branch: text(&input.agent_id),
            deadline_ms: Span::ZERO,
        },
        session: input.session_id.into_owned(),
        transcript: input.transcript_path.map(Cow::into_owned),
        moment,
    })
}

/// The input itself if it is short; else with long contents cut, and if that isn't enough, not at all.
fn shorten(input: &RawValue) -> Result<Box<RawValue>, String> {
    if input.get().len() <= MOST_INPUT {
        return Ok(input.to_owned());
    }
    let mut value: Value = serde_json::from_str(input.get()).map_err(|error| error.to_string())?;
    cut(&mut value, false);
    let raw = serde_json::value::to_raw_value(&value).map_err(|error| error.to_string())?;
    match raw.get().len() {
        length if length > MOST_INPUT => {
            Err(format!("the call's input has {} KiB, more than can be judged; split it", input.get().len() / 1024))
        }
        _ => Ok(raw),
    }
}

fn cut(value: &mut Value, is_content: bool) {
    match value {
        Value::String(text) if is_content && text.len() > KEPT => {
            let end = (0..=KEPT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
            text.truncate(end);
            text.push('…');
        }
        Value::Array(items) => items.iter_mut().for_each(|item| cut(item, is_content)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(key, value)| cut(value, is_content || CONTENT.contains(&key.as_str())));
        }
        _ => {}
    }
}

/// The name of the socket of the run that this session is.
pub fn run_name(agent: Hooked, session: &str) -> String {
    dir::attended(agent.agent(), session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(agent: Hooked) -> String {
        let path = format!("{}/tests/fixtures/{}/hook_inputs.jsonl", env!("CARGO_MANIFEST_DIR"), agent.name());
        std::fs::read_to_string(path).expect("recorded")
    }

    #[test]
    fn every_recorded_input_is_read() {
        for agent in Hooked::ALL {
            let told: Vec<Told> =
                fixture(agent).lines().map(|line| read(agent, line.as_bytes()).expect("understood")).collect();
            assert!(told.len() >= 8);
            assert!(told.iter().all(|told| told.transcript.is_some() && told.session == told.call.session.as_str()));
            for event in agent.events() {
                assert!(told.iter().any(|told| told.call.event.as_str() == *event), "{agent:?} {event}");
            }
            let before = told.iter().find(|told| told.moment == Moment::Before).expect("a call");
            assert!(before.call.tool.is_some() && before.call.input.is_some());
            assert_eq!(before.call.call.is_some(), agent != Hooked::Gemini);
            let after = told.iter().find(|told| told.moment == Moment::After).expect("after a call");
            assert!(after.call.tool.is_none() && after.call.input.is_none(), "nothing to gate");
            assert_eq!(told.iter().any(|told| told.call.branch.is_some()), agent == Hooked::Claude);
        }
    }

    fn tool(input: &Value) -> String {
        serde_json::json!({
            "session_id": "s", "hook_event_name": "PreToolUse", "tool_name": "Write", "tool_input": input
        })
        .to_string()
    }

    #[test]
    fn long_contents_are_cut_but_never_commands() {
        let long = "é".repeat(50_000);
        let input = serde_json::json!({ "file_path": "/a", "content": long, "edits": [{ "new_string": long }] });
        let told = read(Hooked::Claude, tool(&input).as_bytes()).expect("understood");
        let passed: Value = serde_json::from_str(told.call.input.expect("an input").0.get()).expect("JSON");
        assert_eq!(passed["file_path"], "/a");
        assert!(passed["content"].as_str().expect("text").len() <= KEPT + 3);
        assert!(passed["edits"][0]["new_string"].as_str().expect("text").ends_with('…'));

        let command = serde_json::json!({ "command": format!("{}; git push", ": ".repeat(50_000)) });
        let unread = read(Hooked::Claude, tool(&command).as_bytes()).expect_err("refused");
        assert_eq!(unread.0, Moment::Before);
        assert!(unread.1.contains("97 KiB"), "{}", unread.1);
    }

    #[test]
    fn what_is_missing_or_garbage_is_told() {
        for text in ["", "{", "[]", "{\"session_id\":\"s\"}", "{\"session_id\":5,\"hook_event_name\":\"x\"}"] {
            assert!(read(Hooked::Claude, text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(Hooked::Claude, b"{\"session_id\":\"\xff\",\"hook_event_name\":\"Stop\"}").is_err());
        let no_tool = br#"{"session_id":"s","hook_event_name":"PreToolUse"}"#;
        assert_eq!(read(Hooked::Claude, no_tool).expect_err("refused").0, Moment::Before);
        let no_session = br#"{"session_id":" ","hook_event_name":"PreToolUse","tool_name":"x"}"#;
        assert!(read(Hooked::Claude, no_session).is_err());
    }

    #[test]
    fn runs_that_begin_together_have_names_of_their_own() {
        assert_eq!(run_name(Hooked::Claude, "e2692cf9-57ad-4745-8c8b-4094b4df4dc0"), "h-claude-e2692cf9");
        let codex = |session| run_name(Hooked::Codex, session);
        assert_eq!(codex("01a208cf-a57c-78f0-9c5c-657bf64ba23c"), "h-codex-f64ba23c");
        assert_ne!(codex("01a208cf-a57c-78f0-9c5c-657bf64ba23c"), codex("01a208cf-fe6a-7390-a528-d63d9506385c"));
        assert_eq!(run_name(Hooked::Gemini, "../x"), "h-gemini-x");
    }
}
