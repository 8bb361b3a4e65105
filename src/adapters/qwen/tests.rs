use super::*;
use crate::adapters::harness::assert_torn_lines_are_harmless;
use crate::adapters::testkit::{Tally, add_up, disguise, exists, expected, fixture, read, tally};
use crate::domain::event::{Body, Outcome};

fn stream(name: &str) -> Tally {
    tally(&[&format!("qwen/{name}.jsonl")])
}

fn chat(name: &str) -> Tally {
    tally(&[&format!("qwen/{name}.transcript.jsonl")])
}

#[test]
fn streams_give_what_qwen_reports() {
    for (name, want) in expected("qwen") {
        let got = stream(&name);
        assert_eq!(got.unparsed, 0, "{name}");
        assert_eq!(got.calls as u64, want["tool_calls"], "{name}");
        assert_eq!(got.flagged as u64, want["tool_errors_flagged"], "{name}");
        if want["usage"].is_object() {
            let of = |key: &str| want["usage"][key].as_u64().unwrap();
            let cache_read = of("cache_read_input_tokens");
            let input = of("input_tokens") - cache_read;
            assert_eq!(got.usage, Usage { input, output: of("output_tokens"), cache_read, ..Usage::ZERO }, "{name}");
        }
        let outcome = match &*name {
            "api_400" => Some(Outcome::Failed),
            "stop_sigint_tool" => Some(Outcome::Interrupted),
            "stop_sigkill_tool" => None,
            _ => Some(Outcome::Finished),
        };
        assert_eq!(got.outcome, outcome, "{name}");
    }
}

#[test]
fn lines_add_up_to_the_result_without_subagents() {
    for name in ["success", "errors", "loop", "loopok", "subagents"] {
        let events = stream(name).events;
        let total = add_up(events.clone()).usage;
        let lines = add_up(events.into_iter().filter(|event| !matches!(event.body, Body::Totals(_))).collect()).usage;
        if name == "subagents" {
            assert_eq!(lines.input + lines.cache_read, 59_073);
        } else {
            assert_eq!(lines, total, "{name}");
        }
    }
}

#[test]
fn chats_give_what_their_streams_give() {
    for (name, _) in expected("qwen") {
        if !exists(&format!("qwen/{name}.transcript.jsonl")) {
            continue;
        }
        let (told, kept) = (stream(&name), chat(&name));
        assert_eq!(kept.unparsed, 0, "{name}");
        assert_eq!(kept.usage, told.usage, "{name}");
        assert_eq!((kept.calls, kept.flagged), (told.calls, told.flagged), "{name}");
        assert_eq!(kept.subagents, told.subagents, "{name}");
        let outcome = told.outcome.filter(|outcome| *outcome != Outcome::Finished);
        assert_eq!(kept.outcome, outcome, "{name}: a chat tells only of bad ends");
        let ended = kept.events.iter().filter(|event| event.body == Body::TurnEnded).count();
        assert_eq!(ended, usize::from(told.outcome == Some(Outcome::Finished)), "{name}");
    }
    let acp = chat("acp_cancel");
    assert_eq!((acp.usage.total(), acp.calls, acp.unparsed), (19_585, 1, 0));
}

#[test]
fn failures_are_read_from_text() {
    // `exit 3` printed nothing. What the two others printed hides their codes from the stream, not from the chat.
    assert_eq!((stream("errors").inferred, chat("errors").inferred), (1, 3));
    assert_eq!((stream("loop").inferred, chat("loop").inferred), (0, 10));
    assert_eq!((stream("success").inferred, chat("success").inferred), (0, 0));
    assert_eq!(failure(false, true, "Command exited with code: 3"), Failure::Inferred);
    assert_eq!(failure(false, true, "a\nExit Code: 0\nSignal: 0"), Failure::No);
    assert_eq!(failure(false, true, "a\nExit Code: 0\nb\nExit Code: -1\nSignal: 0"), Failure::Inferred);
    assert_eq!(failure(false, true, "a\nExit Code: (none)\n"), Failure::No);
    assert_eq!(failure(false, false, "a\nExit Code: 4\n"), Failure::No);
    assert_eq!(failure(true, false, ""), Failure::Flagged);
}

#[test]
fn subagents_have_one_id_in_stream_and_chat() {
    for events in [stream("subagents").events, chat("subagents").events] {
        let started = events.iter().filter_map(|event| match &event.body {
            Body::SubagentStarted { id, depth: 1, name, by_call: true, .. } => Some((&**id, name.as_str())),
            _ => None,
        });
        let want = [("call_421c1c137f804bab", "Explore the files"), ("call_1ebded43a98d422a", "Count the lines")];
        assert_eq!(started.collect::<Vec<_>>(), want);
        let ended =
            events.iter().filter(|event| matches!(event.body, Body::SubagentEnded { outcome: Outcome::Finished, .. }));
        assert_eq!(ended.count(), 2);
        assert!(
            events
                .iter()
                .filter(|event| matches!(event.body, Body::ToolCall { .. }))
                .any(|event| event.branch.is_some())
        );
    }
}

#[test]
fn an_answer_told_once_or_out_of_order_counts_once() {
    let full = fixture("qwen/success.transcript.jsonl");
    let want = chat("success").usage;
    let quiet: Vec<_> = full.lines().filter(|line| !line.contains("ui_telemetry")).collect();
    assert_eq!(add_up(read(&quiet.join("\n")).1).usage, want);
    let backwards: Vec<_> = full.lines().rev().collect();
    assert_eq!(add_up(read(&backwards.join("\n")).1).usage, want);
}

fn files() -> Vec<String> {
    let names = expected("qwen").into_iter().map(|(name, _)| name).chain(["acp_cancel".to_owned()]);
    let mut files: Vec<_> = names
        .flat_map(|name| [format!("qwen/{name}.jsonl"), format!("qwen/{name}.transcript.jsonl")])
        .filter(|file| exists(file) && file != "qwen/acp_cancel.jsonl")
        .collect();
    files.sort();
    files
}

#[test]
fn order_spaces_and_unknown_fields_change_nothing() {
    for file in files() {
        let plain = fixture(&file);
        let odd: Vec<_> = plain.lines().map(disguise).collect();
        assert_eq!(read(&plain), read(&odd.join("\n")), "{file}");
    }
}

#[test]
fn torn_lines_are_counted_and_never_panic() {
    for file in files() {
        assert_torn_lines_are_harmless(&file);
    }
}

#[test]
fn formats_are_told_from_claudes() {
    for file in files() {
        let want = if file.contains("transcript") { Format::QwenChat } else { Format::QwenStream };
        assert_eq!(read(&fixture(&file)).0, want, "{file}");
    }
    for file in ["claude/success.jsonl", "claude/success.transcript.jsonl", "claude/hook_inputs.jsonl"] {
        assert!(fixture(file).lines().all(|line| sniff(line).is_none()), "{file}");
    }
}
