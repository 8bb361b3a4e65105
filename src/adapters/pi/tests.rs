use super::super::harness::{assert_matches, assert_only_meaning_counts, assert_torn_lines_are_harmless, expected};
use super::super::testkit::{add_up, fixture, read, tally};
use super::super::{Adapter, sniff as sniff_any};
use super::*;
use crate::domain::event::Event;
use crate::domain::time::Stamp;
use crate::domain::usage::Usage;

const SCENARIOS: [&str; 8] =
    ["api_400", "api_503_recovered", "errors", "loop", "rpc_abort", "stop_sigint_tool", "stop_sigterm_tool", "success"];

fn files() -> Vec<String> {
    SCENARIOS.iter().flat_map(|s| [format!("pi/{s}.jsonl"), format!("pi/{s}.transcript.jsonl")]).collect()
}

fn lines(format: Format, lines: &[&str]) -> Vec<Event> {
    let mut adapter = Adapter::new(format, &Origin { name: "stdin".into(), path: None, ..Origin::default() });
    let mut events = Vec::new();
    lines.iter().for_each(|line| adapter.line(line.as_bytes(), &mut events));
    adapter.finish(&mut events);
    events
}

#[test]
fn streams_add_up_to_what_pi_reported() {
    let all = expected("pi");
    assert_eq!(all.len(), 7);
    for expected in &all {
        let name = format!("pi/{}.jsonl", expected.scenario);
        assert_eq!(read(&fixture(&name)).0, Format::PiStream);
        let outcome = match (expected.last["agent_end"].as_bool(), expected.last["stopReason"].as_str()) {
            (Some(true), Some("stop")) => Some(Outcome::Finished),
            (Some(true), Some("error")) => Some(Outcome::Failed),
            (Some(true), Some("aborted")) => Some(Outcome::Interrupted),
            _ => None,
        };
        assert_matches(&tally(&[&name]), expected, outcome);
    }
}

#[test]
fn session_files_add_up_to_the_same() {
    for scenario in SCENARIOS {
        let (stream, file) = (format!("pi/{scenario}.jsonl"), format!("pi/{scenario}.transcript.jsonl"));
        assert_eq!(read(&fixture(&file)).0, Format::PiSession);
        let (stream, file) = (tally(&[&stream]), tally(&[&file]));
        assert_eq!((file.usage, file.cost, file.calls), (stream.usage, stream.cost, stream.calls), "{scenario}");
        assert_eq!((file.flagged, file.model_calls), (stream.flagged, stream.model_calls), "{scenario}");
        assert_eq!(file.unparsed, 0, "{scenario}");
        // A session file never tells that a run finished, for a person may sit there; but that it failed.
        let turns = file.events.iter().filter(|e| e.body == Body::TurnEnded).count();
        assert_eq!(turns, usize::from(stream.outcome == Some(Outcome::Finished)), "{scenario}");
        assert_eq!(file.outcome, stream.outcome.filter(|o| *o != Outcome::Finished), "{scenario}");
    }
}

#[test]
fn a_run_seen_both_ways_is_counted_once() {
    for scenario in SCENARIOS {
        let (stream, file) = (format!("pi/{scenario}.jsonl"), format!("pi/{scenario}.transcript.jsonl"));
        let (one, both) = (tally(&[&file]), tally(&[&stream, &file]));
        assert_eq!((both.usage, both.calls, both.flagged), (one.usage, one.calls, one.flagged), "{scenario}");
        assert_eq!(both.model_calls, one.model_calls, "{scenario}");
    }
}

#[test]
fn an_abort_over_rpc_is_an_interruption() {
    let all = tally(&["pi/rpc_abort.jsonl"]);
    assert_eq!((all.outcome, all.reason.as_str()), (Some(Outcome::Interrupted), "Request was aborted."));
    assert_eq!((all.calls, all.flagged, all.model_calls, all.unparsed), (1, 1, 1, 0));
    assert_eq!(all.usage, Usage { input: 1_439, output: 35, ..Usage::ZERO });
    // Without a `session` line the run keeps the name of its source, even when its id comes later.
    assert!(all.events.iter().all(|e| &*e.run.session == "test"));
    let asked = r#"{"id":"1","type":"response","command":"get_state","success":true,"data":{"sessionId":"abc"}}"#;
    let start = r#"{"type":"tool_execution_start","toolCallId":"c","toolName":"bash","args":{}}"#;
    assert_eq!(&*lines(Format::PiStream, &[asked, start])[0].run.session, "abc");
    assert_eq!(&*lines(Format::PiStream, &[start, asked, start])[1].run.session, "stdin");
}

#[test]
fn a_run_says_who_and_where_it_is() {
    for (name, interactive) in [("pi/success.jsonl", Some(false)), ("pi/success.transcript.jsonl", None)] {
        let all = tally(&[name]);
        let mut said = RunInfo::default();
        for event in &all.events {
            assert_eq!(&*event.run.session, "01a208b4-60ad-74e7-86aa-1c2fdd4f16de");
            assert!(event.at.is_some(), "{name}: {event:?}");
            if let Body::Info(info) = &event.body {
                said.cwd = info.cwd.clone().or(said.cwd);
                said.model = info.model.clone().or(said.model);
                said.title = info.title.clone().or(said.title);
                said.interactive = info.interactive.or(said.interactive);
            }
        }
        assert_eq!(said.cwd, Some(Text::new("/home/dev/project")), "{name}");
        assert_eq!(said.model, Some(Text::new("mock-model")), "{name}");
        assert_eq!(said.title, Some(Text::new("Do the task. CWD=/home/dev/project SCENARIO=success")), "{name}");
        assert_eq!(said.interactive, interactive, "{name}");
        assert!(all.events.iter().any(|e| matches!(e.body, Body::Message { thinking: true, .. })), "{name}");
    }
}

#[test]
fn the_first_line_is_the_same_in_both_and_tells_nothing() {
    let text = fixture("pi/success.jsonl");
    assert_eq!(sniff_any(text.lines().next().unwrap().as_bytes()), None);
}

#[test]
fn time_stands_still_where_a_line_has_none() {
    let events = read(&fixture("pi/success.jsonl")).1;
    let results: Vec<_> = events.iter().filter(|e| matches!(e.body, Body::ToolResult { .. })).collect();
    assert_eq!(results[0].at, Some(Stamp(1_795_442_369_135)));
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
}

#[test]
fn repeats_are_skipped_only_as_pi_writes_them() {
    assert!(is_repeat(r#"{"type":"message_update","message":{}}"#));
    assert!(!is_repeat(r#"{"type":"message_update","message":{"#));
    assert!(!is_repeat(r#"{ "type":"message_update","message":{}}"#));
    assert!(!is_repeat(r#"{"type":"message_updates","message":{}}"#));
    // Read in full they say nothing either.
    for scenario in SCENARIOS {
        for line in fixture(&format!("pi/{scenario}.jsonl")).lines().filter(|line| is_repeat(line)) {
            assert_eq!(lines(Format::PiStream, &[&format!("{{ {}", &line[1..])]), [], "{line}");
        }
    }
}

fn answer(stop: &str, more: &str) -> String {
    format!(r#"{{"type":"message_end","message":{{"role":"assistant","stopReason":"{stop}","timestamp":5{more}}}}}"#)
}

#[test]
fn a_retry_takes_back_the_end() {
    let (error, stop) =
        (answer("error", r#","errorMessage":"529 busy""#), answer("stop", r#","responseId":"r","usage":{"input":3}"#));
    let end = r#"{"type":"agent_end","messages":[]}"#;
    let retry = r#"{"type":"auto_retry_start","attempt":1,"maxAttempts":3,"delayMs":2000,"errorMessage":"529 busy"}"#;
    let outcome = |all: &[&str]| add_up(lines(Format::PiStream, all)).outcome;
    assert_eq!(outcome(&[&error, end]), Some(Outcome::Failed));
    assert_eq!(outcome(&[&error, end, retry]), None);
    assert_eq!(outcome(&[&error, end, retry, &stop, end]), Some(Outcome::Finished));
    let will_retry = r#"{"type":"agent_end","messages":[],"willRetry":true}"#;
    assert_eq!(outcome(&[&error, will_retry]), None);
    let tally = add_up(lines(Format::PiStream, &[&error, end, retry, &stop, end]));
    assert_eq!((tally.model_calls, tally.usage.input), (1, 3));
    assert_eq!(tally.events.iter().filter(|e| matches!(e.body, Body::ApiError { .. })).count(), 1);
}

#[test]
fn tokens_taken_beside_the_conversation_are_counted() {
    let all = lines(
        Format::PiSession,
        &[
            r#"{"type":"compaction","id":"a","parentId":null,"timestamp":"2026-11-23T13:59:28Z","usage":{"input":5,"output":7}}"#,
            r#"{"type":"compaction","id":"b","parentId":"a","timestamp":"2026-11-23T13:59:28Z","summary":"no usage"}"#,
            r#"{"type":"message","id":"c","parentId":"b","message":{"role":"toolResult","toolCallId":"t","content":"x","usage":{"input":1}}}"#,
        ],
    );
    let tally = add_up(all);
    assert_eq!((tally.model_calls, tally.usage), (2, Usage { input: 6, output: 7, ..Usage::ZERO }));
}

#[test]
fn what_is_not_known_is_silent_and_what_is_broken_is_counted() {
    for (line, unparsed) in [
        (r#"{"type":"new","isError":"perhaps","message":7}"#, 0),
        (r#"{"type":"tool_execution_end","toolCallId":"c","isError":"perhaps"}"#, 1),
        (r#"{"type":"message_end","message":{"role":"assistant","usage":"much"}}"#, 1),
        (r#"{"type":"message_end","message":{"role":"assistant","usage":null,"content":null}}"#, 0),
        (r#"{"type":"message_end","message":{"role":"bashExecution","command":"ls"}}"#, 0),
        (r#"{"type":"message_end","message":null}"#, 0),
        (r#"{"type":"session","cwd":"/"}"#, 1),
        ("Warning: no models", 1),
        ("[1]", 1),
    ] {
        assert_eq!(add_up(lines(Format::PiStream, &[line])).unparsed, unparsed, "{line}");
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
