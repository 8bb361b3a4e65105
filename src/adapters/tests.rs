//! What holds for all formats alike.

use super::testkit::{Tally, add_up};
use super::*;

fn origin(name: &str, path: Option<&str>) -> Origin {
    Origin { name: name.into(), path: path.map(str::to_owned), ..Origin::default() }
}

fn events(format: Format, lines: &[&str]) -> Vec<Event> {
    let mut adapter = Adapter::new(format, &origin("file", None));
    let mut events = Vec::new();
    lines.iter().for_each(|line| adapter.line(line.as_bytes(), &mut events));
    adapter.finish(&mut events);
    events
}

/// One tool call in every format: where `ID` and `ARGS` stand, its id and what it was given.
#[rustfmt::skip]
const CALLS: [(Format, &str); 10] = [
    (Format::ClaudeStream, r#"{"type":"assistant","session_id":"s","message":{"id":"m","content":[{"type":"tool_use","id":"ID","name":"Bash","input":ARGS}]}}"#),
    (Format::ClaudeTranscript, r#"{"type":"assistant","sessionId":"s","uuid":"u","message":{"id":"m","content":[{"type":"tool_use","id":"ID","name":"Bash","input":ARGS}]}}"#),
    (Format::CodexExec, r#"{"type":"item.started","item":{"id":"ID","type":"mcp_tool_call","server":"s","tool":"t","arguments":ARGS}}"#),
    (Format::CodexRollout, r#"{"timestamp":"2026-01-01T00:00:00Z","type":"response_item","payload":{"type":"function_call","name":"shell","call_id":"ID","arguments":ARGS}}"#),
    (Format::GeminiStream, r#"{"type":"tool_use","timestamp":"2026-01-01T00:00:00Z","tool_name":"t","tool_id":"ID","parameters":ARGS}"#),
    (Format::GeminiChat, r#"{"type":"gemini","content":"","toolCalls":[{"id":"ID","name":"t","args":ARGS}]}"#),
    (Format::QwenStream, r#"{"type":"assistant","session_id":"s","message":{"content":[{"type":"tool_use","id":"ID","name":"t","input":ARGS}]}}"#),
    (Format::QwenChat, r#"{"type":"assistant","sessionId":"s","message":{"parts":[{"functionCall":{"id":"ID","name":"t","args":ARGS}}]}}"#),
    (Format::PiStream, r#"{"type":"tool_execution_start","toolCallId":"ID","toolName":"bash","args":ARGS}"#),
    (Format::PiSession, r#"{"type":"message","id":"a","parentId":null,"message":{"role":"assistant","content":[{"type":"toolCall","id":"ID","name":"bash","arguments":ARGS}]}}"#),
];

fn calls(events: &[Event]) -> Vec<&crate::domain::tool::ToolInput> {
    let input = |event: &'_ Event| matches!(event.body, Body::ToolCall { .. });
    events
        .iter()
        .filter(|event| input(event))
        .filter_map(|event| if let Body::ToolCall { input, .. } = &event.body { Some(&**input) } else { None })
        .collect()
}

#[test]
fn a_field_that_cannot_be_read_hides_no_command() {
    let deep = format!(r#"{{"x":{}1{},"command":"git push"}}"#, "{\"a\":".repeat(300), "}".repeat(300));
    let odd = [r#"{"command":"git push","timeout":1e400}"#, r#"{"command":"git push","d":"\ud800"}"#, &deep];
    for (format, line) in CALLS {
        for args in odd {
            let events = events(format, &[&line.replace("ID", "c1").replace("ARGS", args)]);
            let calls = calls(&events);
            assert_eq!(calls.len(), 1, "{format:?} {args}");
            assert_eq!(calls[0].command.as_deref(), Some("git push"), "{format:?} {args}");
            assert_eq!(add_up(events).unparsed, 1, "{format:?} {args}");
        }
    }
}

#[test]
fn arguments_in_a_text_are_forgiven_alike() {
    let args = r#""{\"command\":\"git push\",\"x\":\"\\ud800\"}""#;
    let half = r#""{\"command\":\"git push\",\"x\":\"\ud800\"}""#;
    let (format, line) = CALLS[3];
    for (args, unparsed) in [(args, 1), (half, 0)] {
        let events = events(format, &[&line.replace("ID", "c1").replace("ARGS", args)]);
        assert_eq!(calls(&events)[0].command.as_deref(), Some("git push"), "{args}");
        assert_eq!(add_up(events).unparsed, unparsed, "{args}");
    }
}

#[test]
fn calls_without_an_id_are_calls_of_their_own() {
    for (format, line) in CALLS {
        let line = line.replace("ID", "").replace("ARGS", r#"{"command":"ls"}"#);
        let tally = add_up(events(format, &[line.as_str(); 5]));
        assert_eq!(tally.calls, 5, "{format:?}");
    }
}

#[test]
fn results_without_an_id_answer_calls_without_one_in_order() {
    let call = CALLS[0].1.replace("ID", "").replace("ARGS", r#"{"command":"ls"}"#);
    let result = r#"{"type":"user","session_id":"s","message":{"content":[{"type":"tool_result","tool_use_id":"","is_error":true,"content":"no"}]}}"#;
    let tally: Tally = add_up(events(Format::ClaudeStream, &[&call, &call, result, result, result]));
    assert_eq!((tally.calls, tally.flagged), (2, 3));
    let keys = |call: bool| {
        tally.events.iter().filter_map(move |event| match event.body {
            Body::ToolCall { key, .. } if call => Some(key),
            Body::ToolResult { key, .. } if !call => Some(key),
            _ => None,
        })
    };
    assert!(keys(true).eq(keys(false).take(2)));

    let item = |phase: &str| {
        format!(r#"{{"type":"item.{phase}","item":{{"id":"","type":"command_execution","command":"ls"}}}}"#)
    };
    let [start, end] = [item("started"), item("completed")];
    let tally = add_up(events(Format::CodexExec, &[&start, &start, &end, &end, &end]));
    assert_eq!(tally.calls, 3);
}

#[test]
fn what_cannot_be_read_before_the_run_is_known_makes_no_run() {
    let line = CALLS[0].1.replace("ID", "c").replace("ARGS", "{}");
    for bad in [&b"{\"type\":\"assistant\",\"mess"[..], b"no JSON", b"{\"type\":\"system\",\"x\":\"\xff\"}"] {
        let mut adapter = Adapter::new(Format::ClaudeStream, &origin("file", None));
        let mut events = Vec::new();
        adapter.line(bad, &mut events);
        assert!(events.is_empty());
        adapter.line(line.as_bytes(), &mut events);
        assert!(matches!(events[0].body, Body::Unparsed { .. }));
        assert!(events.iter().all(|event| &*event.run.session == "s"), "{events:?}");
        adapter.line(b"no JSON", &mut events);
        assert_eq!(&*events.last().unwrap().run.session, "s");
        assert_eq!(add_up(events).unparsed, 2);
    }
    // Bytes that are no UTF-8 in the very line that names the run.
    let torn = [line.trim_end_matches('}').as_bytes(), b",\"x\":\"\xff\"}}"].concat();
    let mut adapter = Adapter::new(Format::ClaudeStream, &origin("file", None));
    let mut events = Vec::new();
    adapter.line(&torn, &mut events);
    assert!(events.len() > 1 && events.iter().all(|event| &*event.run.session == "s"), "{events:?}");
}

#[test]
fn what_is_held_back_is_bounded_and_told_in_the_end() {
    let mut adapter = Adapter::new(Format::ClaudeStream, &origin("file", None));
    let mut events = Vec::new();
    (0..MAX_HELD).for_each(|_| adapter.line(b"x", &mut events));
    assert!(events.is_empty());
    adapter.line(b"x", &mut events);
    assert_eq!(events.len(), MAX_HELD + 1);

    let mut adapter = Adapter::new(Format::ClaudeStream, &origin("file", None));
    let mut events = Vec::new();
    adapter.line(b"x", &mut events);
    adapter.finish(&mut events);
    assert_eq!((events.len(), &*events[0].run.session), (1, "file"));
}

#[test]
fn native_files_of_one_name_that_name_no_run_are_two_runs() {
    let run = |path| Adapter::new(Format::Native, &origin("agent", path)).run().clone();
    let [a, b] = ["/a/agent.jsonl", "/b/agent.jsonl"].map(|path| run(Some(path)));
    assert_ne!(a, b);
    assert!(a.session.starts_with("agent-"), "{a}");
    assert_eq!(&*run(None).session, "agent");
}
