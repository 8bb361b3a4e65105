use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::testkit::add_up;
use super::super::{Adapter, sniff as sniff_any};
use super::schema::{self as s, Event as E, Line};
use super::*;
use crate::domain::event::{Event, Outcome};
use crate::domain::time::Stamp;
use crate::domain::tool::Kind;

fn read(text: &str) -> Vec<Event> {
    let mut adapter = Adapter::new(Format::Native, &Origin { name: "file".into(), path: None, ..Origin::default() });
    let mut events = Vec::new();
    text.lines().for_each(|line| adapter.line(line.as_bytes(), &mut events));
    adapter.finish(&mut events);
    events
}

/// The body of the one event that `event`'s fields make on a line of run `r`.
fn body(event: Value) -> Body {
    let mut line = json!({"redkey": 1, "run": "r"});
    line.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
    let mut events = read(&line.to_string());
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0).body
}

fn text(text: &str) -> Text {
    Text::new(text)
}

/// Every type with every field, and what it becomes.
fn every_type() -> Vec<(E, Body)> {
    let key = |what, id| Key::of(&["native", "r", what, id]);
    let said = |text: &str| s::Said { text: text.into() };
    let input = ToolInput { kind: Some(Kind::Execute), ..ToolInput::from_value(&json!({"command": "cargo test"})) };
    vec![
        (
            E::RunStarted(s::RunStarted {
                agent: Some("my-agent".into()),
                version: Some("1.2".into()),
                title: Some("Fix it".into()),
                cwd: Some("/src".into()),
                model: Some("m-1".into()),
                label: Some("fix".into()),
                budget: Some("30m".into()),
                expect: Some("20m".into()),
                contract: vec!["tests pass".into()],
                interactive: Some(false),
            }),
            Body::Info(RunInfo {
                name: Some(text("my-agent")),
                version: Some(text("1.2")),
                model: Some(text("m-1")),
                cwd: Some(text("/src")),
                title: Some(text("Fix it")),
                label: Some(text("fix")),
                budget: Some(Span::mins(30)),
                expect: Some(Span::mins(20)),
                contract: vec![text("tests pass")],
                interactive: Some(false),
                forked_from: None,
            }),
        ),
        (E::Prompt(said("do")), Body::Prompt { text: text("do") }),
        (
            E::Message(s::Message { text: "hm".into(), thinking: true }),
            Body::Message { text: text("hm"), thinking: true },
        ),
        (
            E::ModelCall(s::ModelCall {
                id: Some("a1".into()),
                model: Some("m-1".into()),
                input_tokens: 1,
                output_tokens: 2,
                cache_read_tokens: 3,
                cache_write_tokens: 4,
                cost_usd: Some(0.5),
            }),
            Body::ModelCall(ModelCall {
                key: Some(key("model", "a1")),
                message: None,
                model: Some(text("m-1")),
                usage: Usage { input: 1, output: 2, cache_read: 3, cache_write: 4, ..Usage::ZERO },
                cost: Some(Usd(500_000_000)),
            }),
        ),
        (
            E::ToolCall(s::ToolCall {
                id: "t1".into(),
                tool: "shell".into(),
                kind: Some(Kind::Execute),
                input: json!({"command": "cargo test"}),
            }),
            Body::ToolCall { key: key("tool", "t1"), tool: text("shell"), input: Box::new(input) },
        ),
        (
            E::ToolResult(s::ToolResult { id: "t1".into(), ok: false, text: "no".into() }),
            Body::ToolResult { key: key("tool", "t1"), failure: Failure::Flagged, text: text("no") },
        ),
        (
            E::SubagentStarted(s::SubagentStarted {
                id: "b2".into(),
                parent: Some("b1".into()),
                depth: 2,
                name: "helper".into(),
                by_call: true,
            }),
            Body::SubagentStarted {
                id: "b2".into(),
                parent: Some("b1".into()),
                depth: 2,
                name: text("helper"),
                by_call: true,
            },
        ),
        (
            E::SubagentEnded(s::SubagentEnded { id: "b2".into(), outcome: Outcome::Failed }),
            Body::SubagentEnded { id: "b2".into(), outcome: Outcome::Failed },
        ),
        (
            E::Decision(s::Decision { text: "which file".into(), before: 5_000, after: 3 }),
            Body::Decision { text: text("which file"), before: 5_000, after: 3 },
        ),
        (E::ApprovalAsked(said("push?")), Body::ApprovalAsked { text: text("push?") }),
        (
            E::ApprovalAnswered(s::ApprovalAnswered { allowed: true, text: "yes".into() }),
            Body::ApprovalAnswered { allowed: true, text: text("yes") },
        ),
        (E::Verified(said("tests passed")), Body::Verified { text: text("tests passed") }),
        (
            E::ApiError(s::ApiError { text: "529".into(), retrying: true }),
            Body::ApiError { text: text("529"), retrying: true },
        ),
        (E::Warning(said("low disk")), Body::Warning { text: text("low disk") }),
        (E::TurnEnded(s::TurnEnded {}), Body::TurnEnded),
        (
            E::RunEnded(s::RunEnded { outcome: Outcome::Interrupted, reason: "asked to".into() }),
            Body::Ended { outcome: Outcome::Interrupted, reason: text("asked to") },
        ),
    ]
}

#[test]
fn every_type_goes_there_and_back() {
    for (event, body) in every_type() {
        let line =
            Line { ts: Some(s::Time::Ms(1_795_442_304_378)), branch: Some("b1".into()), ..Line::new("r", event) };
        let json = line.to_json();
        assert_eq!(serde_json::from_str::<Line>(&json).unwrap(), line, "{json}");
        assert_eq!(sniff_any(json.as_bytes()), Some(Format::Native), "{json}");
        let expected = Event {
            run: RunId::new(Agent::Native, "r"),
            branch: Some("b1".into()),
            at: Some(Stamp(1_795_442_304_378)),
            body,
        };
        assert_eq!(read(&json), [expected], "{json}");
    }
}

#[test]
fn the_schema_names_every_type_and_the_asset_is_current() {
    let schema = schema();
    let path = format!("{}/assets/redkey-events.schema.json", env!("CARGO_MANIFEST_DIR"));
    let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
    if std::env::var_os("UPDATE_ASSETS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, text, "run this test with UPDATE_ASSETS=1 to write the schema again");
    let guide = std::fs::read_to_string(format!("{}/assets/EVENTS.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for (event, _) in every_type() {
        let value = serde_json::to_value(Line::new("r", event)).unwrap();
        let kind = value["type"].as_str().unwrap();
        assert!(text.contains(&format!("\"const\": \"{kind}\"")), "{kind} in the schema");
        for field in value.as_object().unwrap().keys().chain([&kind.to_owned()]) {
            assert!(guide.contains(&format!("`{field}`")), "EVENTS.md says nothing of `{field}` of `{kind}`");
        }
    }
}

#[test]
fn the_guides_lines_are_read() {
    let guide = std::fs::read_to_string(format!("{}/assets/EVENTS.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let lines: Vec<&str> = guide.lines().filter(|line| line.starts_with("{\"redkey\"")).collect();
    assert!(lines.len() >= 8, "the guide shows a whole run");
    let tally = add_up(read(&lines.join("\n")));
    assert_eq!((tally.unparsed, tally.outcome), (0, Some(Outcome::Finished)));
    assert_eq!((tally.calls, tally.flagged, tally.model_calls), (2, 0, 2));
}

#[test]
fn what_is_left_out_has_a_meaning() {
    for (event, expected) in [
        (json!({"type": "run_started"}), Body::Info(RunInfo::default())),
        (
            json!({"type": "run_started", "agent": "a", "budget": null, "contract": null}),
            Body::Info(RunInfo { name: Some(text("a")), label: Some(text("a")), ..RunInfo::default() }),
        ),
        (
            json!({"type": "model_call", "output_tokens": 12.0, "cache_read_tokens": null, "id": null}),
            Body::ModelCall(ModelCall {
                key: None,
                message: None,
                model: None,
                usage: Usage { output: 12, ..Usage::ZERO },
                cost: None,
            }),
        ),
        (
            json!({"type": "tool_result", "id": 7}),
            Body::ToolResult { key: Key::of(&["native", "r", "tool", "7"]), failure: Failure::No, text: text("") },
        ),
        (
            json!({"type": "tool_call", "id": 7, "tool": "x", "kind": "teleport"}),
            Body::ToolCall {
                key: Key::of(&["native", "r", "tool", "7"]),
                tool: text("x"),
                input: Box::new(ToolInput::from_value(&Value::Null)),
            },
        ),
        (
            json!({"type": "subagent_started", "id": "b", "name": null}),
            Body::SubagentStarted { id: "b".into(), parent: None, depth: 1, name: text(""), by_call: false },
        ),
        (
            json!({"type": "subagent_ended", "id": "b"}),
            Body::SubagentEnded { id: "b".into(), outcome: Outcome::Finished },
        ),
        (json!({"type": "run_ended"}), Body::Ended { outcome: Outcome::Finished, reason: text("") }),
    ] {
        assert_eq!(body(event.clone()), expected, "{event}");
    }
}

#[test]
fn the_run_is_the_last_one_told_or_the_files() {
    let lines = [
        r#"{"redkey":1,"type":"turn_ended"}"#,
        r#"{"redkey":1,"type":"turn_ended","run":"a","branch":"b","ts":"2026-11-23T13:59:28.686Z"}"#,
        r#"{"redkey":1,"type":"turn_ended"}"#,
        r#"{"redkey":1,"type":"turn_ended","run":5}"#,
    ];
    let events = read(&lines.join("\n"));
    assert_eq!(events.iter().map(|e| &*e.run.session).collect::<Vec<_>>(), ["file", "a", "a", "5"]);
    assert_eq!(events.iter().map(|e| e.branch.as_deref()).collect::<Vec<_>>(), [None, Some("b"), None, None]);
    assert_eq!(events.iter().map(|e| e.at).collect::<Vec<_>>(), [None, Some(Stamp(1_795_442_368_686)), None, None]);
}

#[test]
fn broken_lines_are_counted_and_unknown_ones_are_silent() {
    for (line, events, unparsed) in [
        ("starting up", 1, 1),
        (r#"{"level":"info","msg":"a log line"}"#, 1, 1),
        (r#"{"redkey":"1","type":"turn_ended"}"#, 1, 1),
        (r#"{"redkey":0,"type":"turn_ended"}"#, 1, 1),
        (r#"{"redkey":1,"type":"something_new","text":{}}"#, 0, 0),
        (r#"{"redkey":1}"#, 0, 0),
        (r#"{"redkey":1,"type":"tool_call","tool":"x"}"#, 1, 1),
        (r#"{"redkey":1,"type":"tool_call","tool":"x","id":""}"#, 1, 1),
        (r#"{"redkey":1,"type":"decision","before":3,"after":-1}"#, 1, 1),
        (r#"{"redkey":1,"type":"prompt","text":["x"]}"#, 1, 1),
        // What can be kept is kept.
        (r#"{"redkey":1,"type":"turn_ended","ts":"noon"}"#, 2, 1),
        (r#"{"redkey":1,"type":"run_started","budget":"soon","expect":"0s"}"#, 3, 2),
    ] {
        let all = read(line);
        assert_eq!(all.len(), events, "{line}: {all:?}");
        assert_eq!(add_up(all).unparsed, unparsed, "{line}");
    }
}

#[test]
fn a_newer_version_is_told_once() {
    let line = r#"{"redkey":2,"run":"r","type":"turn_ended"}"#;
    assert_eq!(sniff_any(line.as_bytes()), Some(Format::Native));
    let events = read(&format!("{line}\n{line}\n{line}"));
    assert_eq!(events.len(), 1);
    assert!(matches!(&events[0].body, Body::Unparsed { why } if why.as_str().contains("version 2")));
    for line in ["{}", r#"{"redkey":"yes"}"#, r#"{"type":"x","note":"\"redkey\""}"#, r#"{"redkey":1"#] {
        assert_eq!(sniff(line), None, "{line}");
    }
}

#[test]
fn hostile_ids_and_texts_are_cleaned() {
    let line = json!({"redkey": 1, "run": "a\u{1b}[31m", "branch": "b\u{202e}", "type": "subagent_started",
        "id": "c\u{7}", "parent": "p\n", "name": "\u{1b}]52;c;x\u{7}"});
    let event = read(&line.to_string()).remove(0);
    assert_eq!((&*event.run.session, event.branch.as_deref()), ("a[31m", Some("b")));
    assert!(matches!(&event.body, Body::SubagentStarted { id, parent: Some(p), name, .. }
        if &**id == "c" && &**p == "p" && name.as_str() == "]52;c;x"));
}

#[test]
fn torn_and_strange_lines() {
    for (event, _) in every_type() {
        let json = Line::new("r", event).to_json();
        for cut in 1..json.len() {
            let events = read(&json[..cut]);
            assert!(events.iter().all(|e| matches!(e.body, Body::Unparsed { .. })), "{}", &json[..cut]);
        }
        let map: serde_json::Map<String, Value> = serde_json::from_str(&json).unwrap();
        let mut other: serde_json::Map<String, Value> =
            [("zz_new".to_owned(), json!({"type": [1]}))].into_iter().collect();
        other.extend(map.into_iter().rev());
        assert_eq!(read(&json), read(&Value::Object(other).to_string()));
    }
}

proptest! {
    #[test]
    fn any_value_in_any_field_is_read_or_counted(
        kind in "run_started|prompt|message|model_call|tool_call|tool_result|subagent_started|decision|run_ended|x",
        field in "id|tool|kind|input|ok|text|depth|parent|before|after|outcome|ts|run|branch|redkey|budget|contract",
        value in prop_oneof![
            any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from),
            Just(Value::Null), Just(json!([])), Just(json!({"a": [{}]})), Just(json!(true)),
        ],
    ) {
        let mut line = json!({"redkey": 1, "run": "r", "type": kind, "id": "i", "tool": "t", "before": 1, "after": 2});
        line[field] = value;
        let _ = read(&line.to_string());
    }
}
