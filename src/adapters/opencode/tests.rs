use super::super::harness::{assert_matches, assert_only_meaning_counts, assert_torn_lines_are_harmless, expected};
use super::super::testkit::{Tally, add_up, fixture, read, tally};
use super::super::{Adapter, Format, Origin};
use super::*;
use crate::domain::event::Event;
use crate::domain::time::Stamp;
use crate::domain::usage::Usage;

const SCENARIOS: [&str; 8] =
    ["api_400", "api_503_recovered", "errors", "loop", "stop_sigint_tool", "stop_sigkill_tool", "subagents", "success"];

fn files() -> Vec<String> {
    SCENARIOS.iter().flat_map(|s| [format!("opencode/{s}.jsonl"), rows_of(s)]).collect()
}

fn rows_of(scenario: &str) -> String {
    format!("opencode/{scenario}.db.jsonl")
}

fn lines(format: Format, lines: &[&str]) -> Vec<Event> {
    let mut adapter = Adapter::new(format, &Origin::default());
    let mut events = Vec::new();
    lines.iter().for_each(|line| adapter.line(line.as_bytes(), &mut events));
    adapter.finish(&mut events);
    events
}

/// Totals of what the run did itself, its events in order of time.
fn main_branch(name: &str) -> Tally {
    let mut events = read(&fixture(name)).1;
    events.retain(|event| event.branch.is_none());
    events.sort_by_key(|event| event.at);
    add_up(events)
}

#[test]
fn streams_add_up_to_what_opencode_reported() {
    let all = expected("opencode");
    assert_eq!(all.len(), 8);
    for expected in &all {
        let name = format!("opencode/{}.jsonl", expected.scenario);
        assert_eq!(read(&fixture(&name)).0, Format::OpencodeStream);
        let outcome = match (expected.last["type"].as_str(), expected.last["reason"].as_str()) {
            (Some("error"), _) => Some(Outcome::Failed),
            (Some("step_finish"), Some("stop")) => Some(Outcome::Finished),
            _ => None,
        };
        let tally = tally(&[&name]);
        assert_matches(&tally, expected, outcome);
        // A call of a tool that doesn't exist looks like a success.
        assert_eq!(tally.inferred, usize::from(expected.scenario == "errors"), "{name}");
        assert_eq!(tally.subagents, if expected.scenario == "subagents" { 2 } else { 0 }, "{name}");
    }
}

#[test]
fn rows_of_the_run_itself_add_up_to_the_same() {
    for expected in expected("opencode") {
        let (stream, rows) = (format!("opencode/{}.jsonl", expected.scenario), rows_of(&expected.scenario));
        assert_eq!(read(&fixture(&rows)).0, Format::OpencodeRows);
        let (stream, rows) = (tally(&[&stream]), main_branch(&rows));
        let name = &expected.scenario;
        assert_eq!(
            (rows.usage, rows.flagged, rows.inferred),
            (stream.usage, stream.flagged, stream.inferred),
            "{name}"
        );
        assert!((rows.cost.as_f64() - expected.cost).abs() < 1e-6, "{name}");
        assert_eq!((rows.model_calls, rows.subagents), (stream.model_calls, stream.subagents), "{name}");
        // The stream shows a tool only when it has finished; rows show the one that was running when it was stopped.
        let running = usize::from(name.starts_with("stop_"));
        assert_eq!(rows.calls, stream.calls + running, "{name}");
        assert_eq!(rows.unparsed, 0, "{name}");
        // Rows never tell that a run finished, for a person may sit there; but that it failed.
        let turns = rows.events.iter().filter(|e| e.body == Body::TurnEnded).count();
        assert_eq!(turns, usize::from(stream.outcome == Some(Outcome::Finished)), "{name}");
        assert_eq!(rows.outcome, stream.outcome.filter(|o| *o != Outcome::Finished), "{name}");
        assert_eq!(rows.reason, if rows.outcome.is_some() { stream.reason } else { String::new() }, "{name}");
    }
}

#[test]
fn a_run_seen_both_ways_is_counted_once() {
    for scenario in SCENARIOS {
        let rows = tally(&[&rows_of(scenario)]);
        let both = tally(&[&rows_of(scenario), &format!("opencode/{scenario}.jsonl")]);
        assert_eq!(
            (both.usage, both.calls, both.model_calls),
            (rows.usage, rows.calls, rows.model_calls),
            "{scenario}"
        );
        assert_eq!((both.flagged, both.inferred, both.subagents), (rows.flagged, rows.inferred, rows.subagents));
        assert!(both.events.iter().all(|e| e.run == both.events[0].run), "{scenario}");
    }
}

#[test]
fn rows_that_come_again_change_nothing() {
    for scenario in SCENARIOS {
        let once = fixture(&rows_of(scenario));
        let (a, b) = (read(&once).1, read(&format!("{once}\n{once}")).1);
        let unkeyed = |events: &[Event]| {
            let told = |e: &&Event| {
                !matches!(e.body, Body::Info(_) | Body::ModelCall(_) | Body::ToolCall { .. } | Body::ToolResult { .. })
            };
            events.iter().filter(told).count()
        };
        assert_eq!(unkeyed(&a), unkeyed(&b), "{scenario}");
        let (a, b) = (add_up(a), add_up(b));
        assert_eq!((a.usage, a.calls, a.flagged, a.model_calls), (b.usage, b.calls, b.flagged, b.model_calls));
    }
}

#[test]
fn subagents_are_branches_of_the_root() {
    let all = tally(&["opencode/subagents.db.jsonl"]);
    let root = "ses_df74cbe30ffefyromIFVXVJ02J";
    assert!(all.events.iter().all(|e| &*e.run.session == root));
    // Root and both helpers, by their session rows.
    assert_eq!(all.usage, Usage { input: 27_953, output: 167, cache_read: 37_213, ..Usage::ZERO });
    assert!((all.cost.as_f64() - 0.097_527_9).abs() < 1e-6);
    assert_eq!((all.calls, all.flagged), (7, 1));
    let started = |name| {
        let events = tally(&[name]).events;
        let mut started: Vec<_> =
            events.into_iter().filter(|e| matches!(e.body, Body::SubagentStarted { .. })).collect();
        started.sort_by_key(|e| format!("{:?}", e.body));
        started.into_iter().map(|e| (e.branch, e.body)).collect::<Vec<_>>()
    };
    let rows = started("opencode/subagents.db.jsonl");
    assert_eq!(rows, started("opencode/subagents.jsonl"));
    assert!(matches!(&rows[0], (None, Body::SubagentStarted { id, parent: None, depth: 1, name, by_call: true })
        if &**id == "ses_df74c9b25ffe069F5CffxDly8k" && name.as_str() == "Count the lines"));
    let ended = all.events.iter().filter_map(|e| match &e.body {
        Body::SubagentEnded { id, outcome: Outcome::Finished } => Some(id),
        _ => None,
    });
    assert_eq!(ended.collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[test]
fn grandchildren_know_their_parent_and_a_loop_of_parents_ends() {
    let events = lines(
        Format::OpencodeRows,
        &[
            r#"{"table":"session","id":"a"}"#,
            r#"{"table":"session","id":"b","parent_id":"a","title":"B (@general subagent)","agent":"general"}"#,
            r#"{"table":"session","id":"c","parent_id":"b","title":"C"}"#,
            r#"{"table":"session","id":"x","parent_id":"y"}"#,
            r#"{"table":"session","id":"y","parent_id":"x"}"#,
        ],
    );
    let Body::SubagentStarted { id, parent, depth, name, .. } = &events[2].body else { panic!("{events:?}") };
    assert_eq!((&**id, parent.as_deref(), *depth, name.as_str()), ("c", Some("b"), 2, "C"));
    assert_eq!((&*events[2].run.session, events[2].branch.as_deref()), ("a", Some("b")));
    assert!(matches!(&events[1].body, Body::SubagentStarted { name, .. } if name.as_str() == "B"));
}

#[test]
fn a_run_says_who_and_where_it_is() {
    let all = tally(&["opencode/success.db.jsonl"]);
    let Body::Info(info) = &all.events.iter().find(|e| matches!(e.body, Body::Info(_))).unwrap().body else { panic!() };
    let text = |text: &Option<Text>| text.as_ref().map(|t| t.to_string());
    assert_eq!(text(&info.title).as_deref(), Some("Mock title"));
    assert_eq!(text(&info.model).as_deref(), Some("mock-model"));
    assert_eq!(text(&info.cwd).as_deref(), Some("/home/dev/project"));
    assert_eq!(text(&info.version).as_deref(), Some("1.18.33"));
    assert_eq!(info.interactive, None);
    let prompts: Vec<_> = all.events.iter().filter(|e| matches!(e.body, Body::Prompt { .. })).collect();
    assert_eq!(prompts.len(), 1);
    assert_eq!(prompts[0].at, Some(Stamp(1_795_442_257_211)));
    assert!(all.events.iter().any(|e| matches!(&e.body, Body::Message { thinking: true, .. })));
    let stream = tally(&["opencode/success.jsonl"]);
    assert!(stream.events.iter().any(|e| matches!(&e.body, Body::Info(i) if i.interactive == Some(false))));
}

#[test]
fn tools_are_told_at_their_own_times() {
    let events = read(&fixture("opencode/success.jsonl")).1;
    let at = |find: fn(&Body) -> bool| events.iter().find(|e| find(&e.body)).unwrap().at;
    assert_eq!(at(|b| matches!(b, Body::ToolCall { .. })), Some(Stamp(1_795_442_265_356)));
    assert_eq!(at(|b| matches!(b, Body::ToolResult { .. })), Some(Stamp(1_795_442_265_462)));
    assert_eq!(at(|b| matches!(b, Body::ModelCall(_))), Some(Stamp(1_795_442_265_647)));
}

#[test]
fn reasoning_is_output_whether_it_stands_inside_or_beside() {
    for (tokens, output) in [
        (r#"{"total":160,"input":100,"output":40,"reasoning":20}"#, 60),
        (r#"{"total":140,"input":100,"output":40,"reasoning":20}"#, 40),
        (r#"{"input":100,"output":40,"reasoning":20}"#, 40),
        (r#"{"total":190,"input":100,"output":40,"reasoning":20,"cache":{"read":30,"write":0}}"#, 60),
        (r#"{"total":null,"input":null,"output":12.0,"reasoning":null,"cache":null}"#, 12),
    ] {
        let line = format!(
            r#"{{"type":"step_finish","timestamp":1,"sessionID":"s","part":{{"id":"p","messageID":"m","reason":"tool-calls","tokens":{tokens},"cost":null}}}}"#
        );
        assert_eq!(add_up(lines(Format::OpencodeStream, &[&line])).usage.output, output, "{tokens}");
    }
}

#[test]
fn errors_say_what_they_mean() {
    let error = |name: &str, data: &str| {
        let line =
            format!(r#"{{"type":"error","timestamp":1,"sessionID":"s","error":{{"name":"{name}","data":{data}}}}}"#);
        let events = lines(Format::OpencodeStream, &[&line]);
        let api = events.iter().any(|e| matches!(e.body, Body::ApiError { retrying: false, .. }));
        let tally = add_up(events);
        (tally.outcome, tally.reason, api)
    };
    let (failed, interrupted) = (Some(Outcome::Failed), Some(Outcome::Interrupted));
    assert_eq!(error("APIError", r#"{"message":"no","statusCode":400}"#), (failed, "400: no".into(), true));
    assert_eq!(error("MessageAbortedError", r#"{"message":"stop"}"#), (interrupted, "stop".into(), false));
    assert_eq!(error("UnknownError", "7"), (failed, "UnknownError".into(), false));
}

#[test]
fn a_session_that_goes_on_after_its_end_works_again() {
    let step = |kind: &str, n: u32, part: &str| {
        format!(r#"{{"type":"{kind}","timestamp":{n},"sessionID":"s","part":{{"id":"p{n}","messageID":"m",{part}}}}}"#)
    };
    let finish = r#""reason":"stop","tokens":{"input":1}"#;
    let all = [
        step("step_finish", 1, finish),
        step("step_start", 2, r#""type":"step-start""#),
        step("step_finish", 3, finish),
    ];
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(add_up(lines(Format::OpencodeStream, &all[..2])).outcome, None);
    let tally = add_up(lines(Format::OpencodeStream, &all));
    // Two steps of one message are two answers.
    assert_eq!((tally.outcome, tally.model_calls, tally.usage.input), (Some(Outcome::Finished), 2, 2));
}

#[test]
fn retries_in_the_database_are_errors_of_the_provider() {
    let row = r#"{"table":"part","id":"p","message_id":"m","session_id":"s","data":{"type":"retry","attempt":1,
        "error":{"name":"APIError","data":{"message":"busy","statusCode":529}},"time":{"created":5}}}"#;
    let events = lines(Format::OpencodeRows, &[row, row]);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].body, Body::ApiError { text: Text::new("529: busy"), retrying: true });
}

#[test]
fn what_is_not_known_is_silent_and_what_is_broken_is_counted() {
    for (format, line, unparsed) in [
        (Format::OpencodeStream, r#"{"type":"new","timestamp":1,"sessionID":"s","part":{"text":1}}"#, 0),
        (Format::OpencodeStream, r#"{"type":"new","timestamp":[],"sessionID":{}}"#, 0),
        (Format::OpencodeStream, r#"{"type":"new","timestamp":1,"sessionID":"s","part":{"tokens":"many"}}"#, 0),
        (Format::OpencodeStream, r#"{"type":"step_finish","timestamp":1,"sessionID":"s","part":{"tokens":"many"}}"#, 1),
        (Format::OpencodeStream, "Error: no such model", 1),
        (Format::OpencodeRows, r#"{"table":"todo","id":"t","data":[1]}"#, 0),
        (Format::OpencodeRows, r#"{"table":"part","id":"t","session_id":"s","data":{"type":"new","tokens":[]}}"#, 0),
        (Format::OpencodeRows, r#"{"table":"part","id":"t","session_id":"s","data":{"type":"tool","state":"x"}}"#, 1),
        (Format::OpencodeRows, "[1]", 1),
    ] {
        assert_eq!(add_up(lines(format, &[line])).unparsed, unparsed, "{line}");
    }
}

#[test]
fn torn_lines_are_harmless() {
    files().iter().for_each(|name| assert_torn_lines_are_harmless(name));
}

#[test]
fn only_meaning_counts() {
    files().iter().for_each(|name| assert_only_meaning_counts(name));
}
