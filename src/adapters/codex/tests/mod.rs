//! Recorded streams and rollouts against what Codex itself reported, and against changed copies of themselves.

mod counts;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::adapters::harness::{assert_only_meaning_counts, assert_torn_lines_are_harmless};
use crate::adapters::testkit::{Tally, add_up, fixture, read, tally};
use crate::adapters::{Adapter, Format, Origin, sniff};
use crate::domain::event::{Body, Event, Outcome};
use crate::domain::usage::Usage;

/// Streams with what Codex reported of each.
fn streams() -> Vec<(String, Value)> {
    let all: Map<String, Value> = serde_json::from_str(&fixture("EXPECTED.json")).unwrap();
    let codex: Vec<_> = all.into_iter().filter(|(name, _)| name.starts_with("codex/")).collect();
    assert!(codex.len() >= 13, "{}", codex.len());
    codex
}

fn rollout_of(stream: &str) -> Option<String> {
    let name = format!("{stream}.transcript.jsonl");
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::exists(path).unwrap().then_some(name)
}

fn usage(reported: &Value) -> Option<Usage> {
    let n = |field: &str| reported[field].as_u64().unwrap();
    reported.is_object().then(|| Usage {
        input: n("input_tokens") - n("cached_input_tokens") - n("cache_write_input_tokens"),
        output: n("output_tokens"),
        cache_read: n("cached_input_tokens"),
        cache_write: n("cache_write_input_tokens"),
        ..Usage::ZERO
    })
}

fn outcome(reported: &Value) -> Option<Outcome> {
    match reported["last"]["type"].as_str() {
        Some("turn.completed") => Some(Outcome::Finished),
        Some("turn.failed") => Some(Outcome::Failed),
        _ => None,
    }
}

fn tally_text(text: &str) -> Tally {
    add_up(read(text).1)
}

/// Totals of files that are read one after the other.
fn tally_texts(texts: &[&str]) -> Tally {
    add_up(texts.iter().flat_map(|text| read(text).1).collect())
}

fn events(format: Format, lines: &[&str]) -> Vec<Event> {
    let mut adapter = Adapter::new(format, &Origin { name: "test".into(), path: None, ..Origin::default() });
    let mut events = Vec::new();
    lines.iter().for_each(|line| adapter.line(line.as_bytes(), &mut events));
    adapter.finish(&mut events);
    events
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

#[test]
fn streams_add_up_to_what_codex_reported() {
    for (name, reported) in streams() {
        let text = fixture(&format!("{name}.jsonl"));
        assert_eq!(sniff(text.lines().next().unwrap().as_bytes()), Some(Format::CodexExec), "{name}");
        let t = tally_text(&text);
        assert_eq!(t.usage, usage(&reported["usage"]).unwrap_or_default(), "{name}");
        assert_eq!(t.calls, number(&reported["tool_calls"]), "{name}");
        assert_eq!(t.flagged, number(&reported["tool_errors_flagged"]), "{name}");
        assert_eq!((t.inferred, t.unparsed), (0, 0), "{name}");
        assert_eq!(t.outcome, outcome(&reported), "{name}");
        assert!(t.events.iter().all(|event| event.at.is_none()), "{name}: the stream tells no times");
        let thread: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let run = format!("codex:{}", thread["thread_id"].as_str().unwrap());
        assert!(t.events.iter().all(|event| event.run.to_string() == run), "{name}");
    }
}

#[test]
fn rollouts_add_up_to_what_their_streams_reported() {
    let mut seen = 0;
    for (name, reported) in streams() {
        let Some(rollout) = rollout_of(&name) else { continue };
        seen += 1;
        let text = fixture(&rollout);
        assert_eq!(sniff(text.lines().next().unwrap().as_bytes()), Some(Format::CodexRollout), "{name}");
        let t = tally(&[&rollout]);
        if let Some(usage) = usage(&reported["usage"]) {
            assert_eq!(t.usage, usage, "{name}");
        }
        // A call of a tool that doesn't exist is not in the stream.
        let unknown = usize::from(name == "codex/errors");
        assert_eq!(t.calls, number(&reported["tool_calls"]) + unknown, "{name}");
        assert_eq!((t.flagged, t.inferred), (number(&reported["tool_errors_flagged"]), unknown), "{name}");
        assert_eq!(t.model_calls, text.matches(r#""type":"token_usage_record""#).count(), "{name}");
        assert_eq!(t.unparsed, 0, "{name}");
        // An interrupted process writes its end to the rollout only.
        let aborted = text.contains(r#""type":"turn_aborted""#).then_some(Outcome::Interrupted);
        assert_eq!(t.outcome, outcome(&reported).or(aborted), "{name}");
        assert!(t.events.iter().all(|event| event.at.is_some()), "{name}");
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn the_stream_counts_model_calls_by_what_it_shows() {
    for (name, calls) in [("success", 5), ("loop", 11), ("errors", 6), ("api_400", 0), ("api_503_recovered", 1)] {
        // `success` has two calls in one answer, `errors` one answer without a visible item.
        assert_eq!(tally(&[&format!("codex/{name}.jsonl")]).model_calls, calls, "{name}");
    }
}

#[test]
fn subagents_are_branches_of_their_roots_run() {
    const MAIN: &str = "codex/subagents.transcript.jsonl";
    const CHILDREN: [&str; 2] =
        ["codex/subagents.subagent-1.transcript.jsonl", "codex/subagents.subagent-2.transcript.jsonl"];
    let main = tally(&[MAIN]);
    assert_eq!((main.calls, main.subagents), (3, 2));
    assert_eq!(tally(&["codex/subagents.jsonl"]).subagents, 2);
    let all = tally(&[MAIN, CHILDREN[0], CHILDREN[1]]);
    let runs: HashSet<_> = all.events.iter().map(|event| event.run.clone()).collect();
    assert_eq!((runs.len(), all.subagents), (1, 2), "{runs:?}");
    assert_eq!(all.outcome, Some(Outcome::Finished));
    for (child, outcome) in CHILDREN.iter().zip([Outcome::Finished, Outcome::Interrupted]) {
        let child = tally(&[child]);
        let branch = child.events.iter().find_map(|event| event.branch.clone()).unwrap();
        assert!(
            main.events.iter().any(
                |e| matches!(&e.body, Body::SubagentStarted { id, name, .. } if *id == branch && !name.is_empty())
            )
        );
        let end = Body::SubagentEnded { id: branch.clone(), outcome };
        assert!(child.events.iter().any(|event| event.body == end), "{branch}");
        assert!(
            child.events.iter().any(|e| matches!(e.body, Body::Prompt { .. }) && e.branch.as_ref() == Some(&branch))
        );
    }
    let sum = CHILDREN.iter().fold(main.usage, |sum, child| sum + tally(&[child]).usage);
    assert_eq!(all.usage, sum);
    assert!(sum.total() > main.usage.total());
}

#[test]
fn runs_tell_what_they_are() {
    let t = tally(&["codex/success.transcript.jsonl"]);
    let infos: Vec<_> =
        t.events.iter().filter_map(|e| if let Body::Info(i) = &e.body { Some(i) } else { None }).collect();
    let text = |pick: fn(&crate::domain::event::RunInfo) -> Option<&crate::domain::text::Text>| {
        infos.iter().find_map(|info| pick(info)).map(ToString::to_string)
    };
    assert_eq!(text(|i| i.model.as_ref()).as_deref(), Some("gpt-5.1-codex"));
    assert_eq!(text(|i| i.cwd.as_ref()).as_deref(), Some("/home/dev/project"));
    assert_eq!(text(|i| i.version.as_ref()).as_deref(), Some("0.169.0"));
    assert_eq!(text(|i| i.title.as_ref()).as_deref(), Some("Do the task. CWD=/home/dev/project SCENARIO=success"));
    assert_eq!(infos.iter().find_map(|i| i.interactive), Some(false));
    let prompts = t.events.iter().filter(|e| matches!(e.body, Body::Prompt { .. })).count();
    assert_eq!(prompts, 1, "what Codex adds is no prompt");
}

#[test]
fn an_interactive_turn_ends_by_waiting() {
    let t = tally(&["codex/app_server_interrupt.transcript.jsonl"]);
    let ends: Vec<_> = t
        .events
        .iter()
        .filter_map(|event| match &event.body {
            Body::TurnEnded => Some(None),
            Body::Ended { outcome, .. } => Some(Some(*outcome)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [Some(Outcome::Interrupted), None]);
}

#[test]
fn other_protocols_are_not_taken_for_these() {
    for name in
        ["codex/app_server_interrupt.jsonl", "codex/app_server_interrupt.stdin.jsonl", "codex/hook_inputs.jsonl"]
    {
        let text = fixture(name);
        assert!(text.lines().all(|line| super::sniff(line).is_none()), "{name}");
    }
}

#[test]
fn items_that_no_fixture_has() {
    let lines = [
        r#"{"type":"thread.started","thread_id":"t"}"#,
        r#"{"type":"turn.started"}"#,
        r#"{"type":"item.started","item":{"id":"item_0","type":"file_change","changes":[{"path":"a.rs","kind":"update"}],"status":"in_progress"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_0","type":"file_change","changes":[{"path":"a.rs","kind":"update"}],"status":"completed"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_1","type":"mcp_tool_call","server":"docs","tool":"find","arguments":{"query":"x"},"result":null,"error":{"message":"gone"},"status":"failed"}}"#,
        r#"{"type":"item.completed","item":{"id":"item_2","type":"web_search","query":"rust"}}"#,
        r#"{"type":"item.started","item":{"id":"item_3","type":"todo_list","items":[{"text":"a","completed":false}]}}"#,
        r#"{"type":"item.updated","item":{"id":"item_3","type":"todo_list","items":[{"text":"a","completed":true}]}}"#,
        r#"{"type":"item.completed","item":{"id":"item_3","type":"todo_list","items":[{"text":"a","completed":true}]}}"#,
        r#"{"type":"item.completed","item":{"id":"item_4","type":"something_new","status":"failed"}}"#,
        r#"{"type":"something.new","item":null}"#,
        r#"{"type":"turn.completed","usage":null}"#,
    ];
    let events = events(Format::CodexExec, &lines);
    let tools: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::ToolCall { tool, input, .. } => Some(format!("{tool}: {}", input.summary)),
            _ => None,
        })
        .collect();
    assert_eq!(tools[..3], ["apply_patch: a.rs", "docs.find: x", "web_search: rust"]);
    let t = add_up(events);
    assert_eq!((t.calls, t.flagged, t.unparsed), (5, 1, 0), "{tools:?}");
    assert_eq!(t.outcome, Some(Outcome::Finished));
}

#[test]
fn rollout_items_that_no_fixture_has() {
    let line = |payload: Value| {
        json!({"timestamp": "2026-11-23T14:00:00.000Z", "type": "response_item", "payload": payload}).to_string()
    };
    let lines = [
        json!({"timestamp": "2026-11-23T14:00:00.000Z", "type": "session_meta", "payload": {"id": "t", "originator": "codex_cli_rs"}}).to_string(),
        line(json!({"type": "function_call", "name": "shell", "arguments": r#"{"command":["bash","-lc","ls"],"workdir":"/p"}"#, "call_id": "1"})),
        line(json!({"type": "function_call_output", "call_id": "1", "output": r#"{"output":"no","metadata":{"exit_code":2}}"#})),
        line(json!({"type": "local_shell_call", "call_id": "2", "status": "completed", "action": {"type": "exec", "command": ["ls", "-a"]}})),
        line(json!({"type": "custom_tool_call", "call_id": "3", "name": "apply_patch", "input": "*** Begin Patch\n*** Update File: src/a.rs\n"})),
        line(json!({"type": "custom_tool_call_output", "call_id": "3", "output": r#"{"output":"ok","metadata":{"exit_code":0}}"#})),
        line(json!({"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "rust"}})),
        line(json!({"type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "https://x.y"}})),
        line(json!({"type": "function_call", "name": "mcp__docs__find", "arguments": "{}", "call_id": "4"})),
        line(json!({"type": "function_call", "name": "find", "namespace": "mcp__docs__", "arguments": "not json", "call_id": "5"})),
        line(json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "# AGENTS.md instructions for /p\n\nbe nice"}]})),
        line(json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "<environment_context>x"}, {"type": "input_text", "text": "# Context from my IDE setup:\n## My request for Codex:\nfix it"}]})),
        line(json!({"type": "something_new", "content": 5})),
        r#"{"timestamp":"t","type":"something_new","payload":"text"}"#.to_owned(),
    ];
    let events = events(Format::CodexRollout, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let told: Vec<String> = events
        .iter()
        .filter_map(|event| match &event.body {
            Body::ToolCall { tool, input, .. } => Some(format!("{tool}: {}", input.summary)),
            Body::Prompt { text } => Some(format!("> {text}")),
            Body::Unparsed { why } => Some(format!("unparsed {why}")),
            _ => None,
        })
        .collect();
    let expected = [
        "shell: bash -lc ls",
        "local_shell: ls -a",
        "apply_patch: src/a.rs",
        "web_search: rust",
        "web_search: https://x.y",
        "docs.find: ",
        "docs.find: not json",
        "> fix it",
    ];
    assert_eq!(told, expected);
    let t = add_up(events);
    assert_eq!((t.calls, t.flagged, t.inferred), (7, 1, 0));
}

#[test]
fn what_cannot_be_read_is_counted_and_null_is_not() {
    for (line, unparsed) in [
        ("no json", 1),
        (r#"{"timestamp":"t","type":"event_msg","payload":"text"}"#, 1),
        (r#"{"timestamp":"t","type":"token_usage_record","payload":{"usage":"many"}}"#, 1),
        (r#"{"timestamp":"t","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":7}}}"#, 1),
        (r#"{"timestamp":"t","type":"session_meta","payload":{}}"#, 1),
        (r#"{"timestamp":"t","type":"token_usage_record","payload":{"usage":{"input_tokens":null}}}"#, 0),
        (
            r#"{"timestamp":"t","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":null}}}"#,
            0,
        ),
        (r#"{"timestamp":"t","type":"event_msg"}"#, 0),
        ("{}", 0),
    ] {
        let t = add_up(events(Format::CodexRollout, &[line]));
        assert_eq!(t.unparsed, unparsed, "{line}");
    }
}

/// Every recorded stream and rollout.
fn files() -> Vec<String> {
    let subagents = (1..=2).map(|n| format!("codex/subagents.subagent-{n}.transcript.jsonl"));
    let mains = streams().into_iter().flat_map(|(name, _)| [Some(format!("{name}.jsonl")), rollout_of(&name)]);
    mains.flatten().chain(subagents).collect()
}

#[test]
fn torn_lines_are_harmless() {
    files().iter().for_each(|name| assert_torn_lines_are_harmless(name));
}

#[test]
fn order_and_unknown_fields_change_nothing() {
    files().iter().for_each(|name| assert_only_meaning_counts(name));
}
