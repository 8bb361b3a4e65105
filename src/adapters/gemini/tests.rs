//! Recorded streams and chats against what Gemini CLI itself reported, and against changed copies of themselves.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::adapters::harness::{assert_only_meaning_counts, assert_torn_lines_are_harmless};
use crate::adapters::testkit::{add_up, fixture, read, tally};
use crate::adapters::{Adapter, Format, Origin, sniff};
use crate::domain::event::{Body, Event, Key, Outcome};
use crate::domain::usage::Usage;

/// Streams with what Gemini CLI reported of each.
fn streams() -> Vec<(String, Value)> {
    let all: Map<String, Value> = serde_json::from_str(&fixture("EXPECTED.json")).unwrap();
    let gemini: Vec<_> = all.into_iter().filter(|(name, _)| name.starts_with("gemini/")).collect();
    assert!(gemini.len() >= 12, "{}", gemini.len());
    gemini
}

fn exists(name: &str) -> bool {
    std::fs::exists(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The chats of a stream: its own and its subagents'.
fn chats_of(stream: &str) -> Vec<String> {
    let subagents = (1..=2).map(|n| format!("{stream}.subagent-{n}.transcript.jsonl"));
    [format!("{stream}.transcript.jsonl")].into_iter().chain(subagents).filter(|name| exists(name)).collect()
}

/// `input_tokens` includes `cached`; `total_tokens` includes thoughts, which `output_tokens` leaves out.
fn usage(reported: &Value) -> Option<Usage> {
    let n = |field: &str| reported[field].as_u64().unwrap();
    reported.is_object().then(|| Usage {
        input: n("input_tokens") - n("cached"),
        output: n("output_tokens"),
        reasoning: n("total_tokens") - n("input_tokens") - n("output_tokens"),
        cache_read: n("cached"),
        ..Usage::ZERO
    })
}

fn outcome(name: &str, reported: &Value) -> Option<Outcome> {
    match reported["last"]["status"].as_str()? {
        "error" => Some(Outcome::Failed),
        _ if name.ends_with("hook_beforetool_continue_false") => Some(Outcome::Interrupted),
        _ => Some(Outcome::Finished),
    }
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn events(format: Format, path: Option<&str>, text: &str) -> Vec<Event> {
    let mut adapter =
        Adapter::new(format, &Origin { name: "test".into(), path: path.map(str::to_owned), ..Origin::default() });
    let mut events = Vec::new();
    text.lines().for_each(|line| adapter.line(line.as_bytes(), &mut events));
    adapter.finish(&mut events);
    events
}

fn calls(events: &[Event]) -> HashSet<Key> {
    events
        .iter()
        .filter_map(|event| if let Body::ToolCall { key, .. } = event.body { Some(key) } else { None })
        .collect()
}

#[test]
fn streams_add_up_to_what_gemini_reported() {
    for (name, reported) in streams() {
        let text = fixture(&format!("{name}.jsonl"));
        assert_eq!(sniff(text.lines().next().unwrap().as_bytes()), Some(Format::GeminiStream), "{name}");
        let t = add_up(read(&text).1);
        assert_eq!(t.usage, usage(&reported["usage"]).unwrap_or_default(), "{name}");
        assert_eq!(t.calls, number(&reported["tool_calls"]), "{name}");
        assert_eq!(t.flagged, number(&reported["tool_errors_flagged"]), "{name}");
        // The stream tells the exit code of one silent command only.
        assert_eq!(t.inferred, usize::from(name == "gemini/errors"), "{name}");
        assert_eq!(t.unparsed, 0, "{name}");
        assert_eq!(t.outcome, outcome(&name, &reported), "{name}");
        assert!(t.events.iter().all(|event| event.at.is_some()), "{name}");
        let init: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let run = format!("gemini:{}", init["session_id"].as_str().unwrap());
        assert!(t.events.iter().all(|event| event.run.to_string() == run), "{name}");
    }
}

#[test]
fn chats_add_up_to_what_their_streams_reported() {
    let mut seen = 0;
    for (name, reported) in streams() {
        let chats = chats_of(&name);
        if chats.is_empty() {
            continue;
        }
        seen += 1;
        let names: Vec<&str> = chats.iter().map(String::as_str).collect();
        let t = tally(&names);
        if let Some(usage) = usage(&reported["usage"]) {
            assert_eq!(t.usage, usage, "{name}");
            // `tool_calls` of the fixture counts what the stream shows; the agent's own sum includes subagents.
            assert_eq!(t.calls, number(&reported["usage"]["tool_calls"]), "{name}");
        }
        let in_subagents = usize::from(name == "gemini/subagents");
        assert_eq!(t.flagged, number(&reported["tool_errors_flagged"]) + in_subagents, "{name}");
        let inferred = match &*name {
            "gemini/errors" => 3,
            "gemini/loop_detected_by_agent" => 4,
            _ => 0,
        };
        assert_eq!((t.inferred, t.unparsed), (inferred, 0), "{name}");
        assert!(t.events.iter().all(|event| event.at.is_some()), "{name}");
        for chat in &chats {
            assert_eq!(sniff(fixture(chat).lines().next().unwrap().as_bytes()), Some(Format::GeminiChat), "{chat}");
        }
    }
    assert!(seen >= 7, "{seen}");
}

#[test]
fn stream_and_chat_call_a_call_by_the_same_key() {
    for name in ["success", "errors", "subagents"] {
        let [stream, chat] = ["jsonl", "transcript.jsonl"].map(|end| read(&fixture(&format!("gemini/{name}.{end}"))));
        assert_eq!((stream.0, chat.0), (Format::GeminiStream, Format::GeminiChat));
        assert_eq!(calls(&stream.1), calls(&chat.1), "{name}");
    }
}

#[test]
fn subagents_are_branches_of_the_session_in_whose_folder_they_lie() {
    let main = read(&fixture("gemini/subagents.transcript.jsonl")).1;
    let session = main[0].run.session.clone();
    let announced: HashSet<_> = main
        .iter()
        .filter_map(|e| match &e.body {
            Body::SubagentStarted { id, name, depth: 1, by_call: true, .. } if name.as_str() == "generalist" => {
                Some(id.clone())
            }
            _ => None,
        })
        .collect();
    let mut branches = HashSet::new();
    for n in 1..=2 {
        let text = fixture(&format!("gemini/subagents.subagent-{n}.transcript.jsonl"));
        let path = format!("/home/dev/.gemini/tmp/project/chats/{session}/x.jsonl");
        let child = events(Format::GeminiChat, Some(&path), &text);
        assert!(child.iter().all(|event| event.run.session == session));
        let branch = child.iter().find_map(|event| event.branch.clone()).unwrap();
        let ended = Body::SubagentEnded { id: branch.clone(), outcome: Outcome::Finished };
        assert!(child.iter().any(|event| event.body == ended));
        branches.insert(branch);
        // Without such a folder it is a run of its own.
        let alone = events(Format::GeminiChat, Some("/tmp/x.jsonl"), &text);
        assert!(alone.iter().all(|event| event.branch.is_none() && event.run.session != session));
    }
    assert_eq!(branches, announced);
    let ended =
        main.iter().filter(|e| matches!(e.body, Body::SubagentEnded { outcome: Outcome::Finished, .. })).count();
    assert_eq!(ended, 2);
}

#[test]
fn the_stream_counts_model_calls_by_what_it_shows() {
    for (name, calls) in
        [("success", 4), ("errors", 7), ("subagents", 3), ("api_400", 0), ("loop_detected_by_agent", 4)]
    {
        let stream = tally(&[&format!("gemini/{name}.jsonl")]);
        let chat = tally(&[&format!("gemini/{name}.transcript.jsonl")]);
        assert_eq!((stream.model_calls, chat.model_calls), (calls, calls), "{name}");
    }
}

#[test]
fn chunks_become_messages_and_messages_are_told_once() {
    let said = |name: &str| -> Vec<String> {
        let events = read(&fixture(name)).1;
        let text = |event: Event| match event.body {
            Body::Message { text, thinking } => Some(format!("{}{text}", if thinking { "(thinks) " } else { "" })),
            _ => None,
        };
        events.into_iter().filter_map(text).collect()
    };
    let stream =
        ["I'll create the file first.", "Now I'll check it.", "Created hello.txt with two lines and verified it."];
    assert_eq!(said("gemini/success.jsonl"), stream);
    let thought = "(thinks) Planning: The user wants a file. I will write it, then check it.";
    let chat: Vec<&str> = [thought].into_iter().chain(stream).collect();
    assert_eq!(said("gemini/success.transcript.jsonl"), chat);
    let chunk = |text: &str| json!({"type": "message", "timestamp": "2026-11-23T13:56:44.896Z", "role": "assistant", "content": text, "delta": true});
    let long = (0..300).map(|_| chunk("0123456789").to_string()).collect::<Vec<_>>().join("\n");
    let told =
        events(Format::GeminiStream, None, &long).iter().filter(|e| matches!(e.body, Body::Message { .. })).count();
    assert_eq!(told, 2, "a long answer shows that it goes on");
}

#[test]
fn a_run_that_stops_itself_or_is_stopped_says_why() {
    let reason = |name: &str| tally(&[&format!("gemini/{name}.jsonl")]).reason;
    assert_eq!(reason("loop_detected_by_agent"), "the agent stopped itself: Loop detected");
    assert_eq!(
        reason("hook_beforetool_continue_false"),
        "Agent execution stopped by hook: stopped by supervisor: budget"
    );
    assert_eq!(reason("api_400"), "400: mock invalid_request_error");
    assert_eq!(reason("success"), "");
}

#[test]
fn an_old_chat_in_one_document_is_the_same_chat() {
    for name in ["success", "errors"] {
        let text = fixture(&format!("gemini/{name}.transcript.jsonl"));
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut document = lines.next().unwrap();
        document["messages"] = lines.filter(|line| line.get("id").is_some()).collect();
        let (format, events) = read(&document.to_string());
        assert_eq!(format, Format::GeminiChat);
        let (one, many) = (add_up(events), add_up(read(&text).1));
        assert_eq!(
            (one.usage, one.calls, one.flagged, one.inferred),
            (many.usage, many.calls, many.flagged, many.inferred)
        );
    }
}

#[test]
fn lines_that_no_fixture_has() {
    let chat = [
        json!({"sessionId": "s", "projectHash": "p", "kind": "main"}),
        json!({"id": "1", "type": "user", "content": "do it"}),
        json!({"id": "2", "type": "gemini", "content": "", "tokens": null, "model": "m"}),
        json!({"id": "2", "type": "gemini", "content": "x", "tokens": {"input": 10, "output": 2, "cached": 4, "thoughts": null, "tool": 3, "total": 15}, "toolCalls": [{"id": "c", "name": "x", "args": {}, "status": "executing"}]}),
        json!({"id": "3", "type": "error", "content": "[API Error: quota]"}),
        json!({"id": "4", "type": "info", "content": "hello"}),
        json!({"$rewindTo": "1"}),
        json!({"$set": {"summary": "A title"}}),
        json!({"something": "new"}),
    ];
    let text = chat.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let t = add_up(events(Format::GeminiChat, None, &text));
    assert_eq!(t.usage, Usage { input: 9, output: 2, cache_read: 4, ..Usage::ZERO });
    assert_eq!((t.model_calls, t.calls, t.flagged, t.unparsed), (1, 1, 0, 0));
    let has = |what: fn(&Body) -> bool| t.events.iter().any(|event| what(&event.body));
    assert!(has(|body| matches!(body, Body::ApiError { text, .. } if text.as_str() == "quota")));
    assert!(has(
        |body| matches!(body, Body::Info(info) if info.title.as_ref().is_some_and(|t| t.as_str() == "A title"))
    ));
    for (line, unparsed) in [
        (r#"{"type":"result","status":"success","stats":null}"#, 0),
        (r#"{"type":"result","status":"success","stats":{"input_tokens":null,"models":null}}"#, 0),
        (r#"{"type":"result","status":"success","stats":{"input_tokens":"many"}}"#, 1),
        (r#"{"type":"something_new","content":{"a":1}}"#, 0),
        ("no json", 1),
    ] {
        assert_eq!(add_up(events(Format::GeminiStream, None, line)).unparsed, unparsed, "{line}");
    }
}

#[test]
fn other_protocols_are_not_taken_for_these() {
    for name in ["gemini/acp_cancel.jsonl", "gemini/acp_cancel.stdin.jsonl", "gemini/hook_inputs.jsonl"] {
        assert!(fixture(name).lines().all(|line| super::sniff(line).is_none()), "{name}");
    }
}

/// Every recorded stream and chat.
fn files() -> Vec<String> {
    streams().iter().flat_map(|(name, _)| [vec![format!("{name}.jsonl")], chats_of(name)].concat()).collect()
}

#[test]
fn torn_lines_are_harmless() {
    files().iter().for_each(|name| assert_torn_lines_are_harmless(name));
}

#[test]
fn order_and_unknown_fields_change_nothing() {
    files().iter().for_each(|name| assert_only_meaning_counts(name));
}
