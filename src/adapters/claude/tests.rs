use super::*;
use crate::adapters::harness::assert_torn_lines_are_harmless;
use crate::adapters::testkit::{Tally, add_up, by_time, disguise, exists, expected, fixture, read, tally};
use crate::domain::event::{Body, Event, Failure, Outcome, RunInfo};
use crate::domain::usage::Usage;

fn stream(name: &str) -> Tally {
    tally(&[&format!("claude/{name}.jsonl")])
}

/// A session on disk with its subagents.
fn session(name: &str) -> Vec<Event> {
    let mut events = Vec::new();
    for file in ["", ".subagent-1", ".subagent-2"] {
        let file = format!("claude/{name}{file}.transcript.jsonl");
        if exists(&file) {
            events.extend(read(&fixture(&file)).1);
        }
    }
    by_time(&mut events);
    events
}

fn lines(text: &str) -> Vec<Event> {
    read(text).1
}

fn bodies(events: &[Event]) -> Vec<&Body> {
    events.iter().map(|event| &event.body).collect()
}

#[test]
fn streams_give_what_claude_reports() {
    for (name, want) in expected("claude") {
        let got = stream(&name);
        assert_eq!(got.unparsed, 0, "{name}");
        assert_eq!(got.calls as u64, want["tool_calls"], "{name}");
        assert_eq!(got.flagged as u64, want["tool_errors_flagged"], "{name}");
        if let Some(cost) = want["cost_usd"].as_f64() {
            assert!((got.cost.as_f64() - cost).abs() < 1e-6, "{name}: {:?}", got.cost);
        }
        if want["usage"].is_object() {
            let of = |key: &str| want["usage"][key].as_u64().unwrap();
            let usage = Usage {
                input: of("inputTokens"),
                output: of("outputTokens"),
                cache_read: of("cacheReadInputTokens"),
                cache_write: of("cacheCreationInputTokens"),
                ..Usage::ZERO
            };
            assert_eq!(got.usage, usage, "{name}");
        }
        let reason = want["last"]["terminal_reason"].as_str();
        let outcome = match reason {
            Some("completed") => Some(Outcome::Finished),
            Some("api_error" | "max_turns" | "budget_exhausted") => Some(Outcome::Failed),
            Some(_) => Some(Outcome::Interrupted),
            None if name == "stop_sigint_before_first_token" => Some(Outcome::Interrupted),
            None => None,
        };
        assert_eq!(got.outcome, outcome, "{name}");
        assert!(reason.is_none() || reason == Some(&got.reason), "{name}: {}", got.reason);
    }
}

#[test]
fn transcripts_give_what_their_streams_give() {
    for (name, want) in expected("claude") {
        if !exists(&format!("claude/{name}.transcript.jsonl")) {
            continue;
        }
        let (told, kept) = (stream(&name), add_up(session(&name)));
        assert_eq!(kept.unparsed, 0, "{name}");
        assert_eq!((kept.calls, kept.flagged), (told.calls, told.flagged), "{name}");
        assert_eq!(kept.subagents, told.subagents, "{name}");
        // Without a result, a stream knows only the tokens at an answer's start. On disk, sums are written before
        // the answer that a signal breaks off.
        if want["last"].is_object() && name != "stop_sigint_streaming" {
            assert_eq!((kept.usage, kept.cost), (told.usage, told.cost), "{name}");
        }
        // The answers add up to the session's own sum, but for those that were broken off.
        let answers = session(&name).into_iter().filter(|event| !matches!(event.body, Body::Totals(_))).collect();
        let answers = add_up(answers);
        if want["last"].is_object() && !name.ends_with("streaming") {
            assert_eq!(answers.usage, told.usage, "{name}");
        }
    }
    let killed = add_up(session("stop_sigkill_tool")).usage;
    assert_eq!((killed.input, killed.output, killed.cache_read), (4, 51, 0));
}

#[test]
fn transcripts_end_as_the_run_did() {
    let cases = [
        ("success", Some(Outcome::Finished), "end of turn"),
        ("errors", Some(Outcome::Finished), "end of turn"),
        ("subagents", Some(Outcome::Finished), "end of turn"),
        ("api_529_recovered", Some(Outcome::Finished), "end of turn"),
        ("ctl_interrupt_tool", Some(Outcome::Finished), "end of turn"),
        ("stop_sigint_background", Some(Outcome::Finished), "end of turn"),
        ("api_400", Some(Outcome::Failed), "api_error"),
        ("max_turns", Some(Outcome::Failed), "max_turns"),
        ("ctl_interrupt_streaming", Some(Outcome::Interrupted), "interrupted by user"),
        ("stop_sigint_tool", Some(Outcome::Interrupted), "interrupted by user"),
        ("stop_sigint_streaming", Some(Outcome::Interrupted), "interrupted by user"),
        ("stop_sigint_before_first_token", Some(Outcome::Interrupted), "interrupted by user"),
        ("stop_sigterm_tool", Some(Outcome::Interrupted), "session closed in the middle of a turn"),
        // The file doesn't tell a spent budget from a stop.
        ("max_budget", Some(Outcome::Interrupted), "session closed in the middle of a turn"),
        ("stop_sigkill_tool", None, ""),
        ("api_401_retrying", None, ""),
    ];
    for (name, outcome, reason) in cases {
        let got = add_up(session(name));
        assert_eq!((got.outcome, &*got.reason), (outcome, reason), "{name}");
        // Results that come after the session closed don't set the run to work again.
        let last = got.events.iter().rev().find(|event| !matches!(event.body, Body::Info(_) | Body::Totals(_)));
        assert_eq!(matches!(last.unwrap().body, Body::Ended { .. }), outcome.is_some(), "{name}");
    }
}

#[test]
fn runs_declare_themselves() {
    for events in [stream("success").events, session("success")] {
        let mut info = RunInfo::default();
        for event in &events {
            assert_eq!(event.run.session.len(), 36);
            assert_eq!(event.branch, None);
            if let Body::Info(more) = &event.body {
                info.version = more.version.clone().or(info.version);
                info.model = more.model.clone().or(info.model);
                info.cwd = more.cwd.clone().or(info.cwd);
                info.interactive = more.interactive.or(info.interactive);
            }
        }
        assert_eq!(info.version.unwrap().as_str(), "2.1.330");
        assert_eq!(info.model.unwrap().as_str(), "claude-sonnet-4-5");
        assert_eq!(info.cwd.unwrap().as_str(), "/home/dev/project");
        assert_eq!(info.interactive, Some(false));
    }
    let titles = session("success").into_iter().filter_map(|event| match event.body {
        Body::Info(info) => info.title,
        _ => None,
    });
    assert_eq!(
        titles.map(|title| title.to_string()).collect::<Vec<_>>(),
        ["Do the task. CWD=/home/dev/project SCENARIO=success"]
    );
}

#[test]
fn retries_and_refusals_are_told_apart() {
    for (name, retrying, times) in
        [("api_401_retrying", true, 10), ("api_529_recovered", true, 2), ("api_400", false, 1)]
    {
        for events in [stream(name).events, session(name)] {
            let errors = events.iter().filter_map(|event| match &event.body {
                Body::ApiError { text, retrying } => Some((text.to_string(), *retrying)),
                _ => None,
            });
            let errors: Vec<_> = errors.collect();
            assert_eq!(errors.len(), times, "{name}");
            assert!(errors.iter().all(|(text, again)| !text.is_empty() && *again == retrying), "{name}: {errors:?}");
        }
    }
}

#[test]
fn subagents_start_and_end_once_under_their_own_ids() {
    let ids = ["a36d71cbbe334fe56", "ac6a277e24559b1f2"];
    let sources = [
        stream("subagents").events,
        lines(&fixture("claude/subagents.transcript.jsonl")),
        [
            lines(&fixture("claude/subagents.subagent-1.transcript.jsonl")),
            lines(&fixture("claude/subagents.subagent-2.transcript.jsonl")),
        ]
        .concat(),
    ];
    for (source, events) in sources.iter().enumerate() {
        let mut started = Vec::new();
        let mut ended = Vec::new();
        for event in events {
            match &event.body {
                Body::SubagentStarted { id, depth, name, by_call, .. } => {
                    assert!(*depth == 1 && *by_call && !name.is_empty(), "{event:?}");
                    started.push(id.to_string());
                }
                Body::SubagentEnded { id, outcome } => {
                    assert_eq!(*outcome, Outcome::Finished);
                    ended.push(id.to_string());
                }
                _ => assert!(event.branch.as_ref().is_none_or(|branch| ids.contains(&&**branch)), "{event:?}"),
            }
        }
        started.sort();
        ended.sort();
        assert_eq!(started, ids, "source {source}");
        assert_eq!(ended, ids, "source {source}");
    }
    let failed = stream("subagents")
        .events
        .into_iter()
        .find(|event| matches!(event.body, Body::ToolResult { failure: Failure::Flagged, .. }));
    assert_eq!(failed.unwrap().branch.as_deref(), Some("a36d71cbbe334fe56"));
    // A background shell is no subagent.
    assert_eq!(stream("stop_sigint_background").subagents, 0);
    assert_eq!(add_up(session("stop_sigint_background")).subagents, 0);
}

#[test]
fn the_counting_fixture_comes_out_exact() {
    let truth =
        Usage { input: 35, output: 550, cache_read: 5_000, cache_write: 1_000, cache_write_1h: 400, ..Usage::ZERO };
    let files = ["counting/session.transcript.jsonl", "counting/session.subagent-1.transcript.jsonl"];
    let run = tally(&files);
    assert_eq!((run.usage, run.model_calls, run.calls, run.subagents), (truth, 3, 1, 1));
    let fork = tally(&["counting/fork.transcript.jsonl"]);
    assert_eq!(fork.usage, Usage { input: 15, output: 350, ..truth });
    let from = fork.events.iter().find_map(|event| match &event.body {
        Body::Info(info) => info.forked_from.clone(),
        _ => None,
    });
    assert_eq!(from.unwrap().as_str(), &*run.events[0].run.session);
    let both = tally(&[files[0], files[1], "counting/fork.transcript.jsonl"]);
    assert_eq!((both.usage, both.model_calls, both.calls), (truth, 3, 1));
}

/// Every recorded file that is Claude's.
fn files() -> Vec<String> {
    let mut files = vec!["counting/session.transcript.jsonl".to_owned()];
    for (name, _) in expected("claude") {
        for end in ["", ".transcript", ".subagent-1.transcript", ".subagent-2.transcript"] {
            files.push(format!("claude/{name}{end}.jsonl"));
        }
    }
    files.retain(|file| exists(file));
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
fn other_lines_are_not_claimed() {
    for file in ["claude/hook_inputs.jsonl", "claude/ctl_interrupt_tool.stdin.jsonl", "qwen/success.jsonl"] {
        for line in fixture(file).lines() {
            assert_eq!(sniff(line), None, "{file}: {line}");
        }
    }
    for line in ["", "{", "[]", "{}", "null", r#"{"type":"result"}"#, r#"{"type":"user","session_id":"x"}"#] {
        assert_eq!(sniff(line), None, "{line}");
    }
}

const HEAD: &str = r#"{"type":"mode","mode":"default","sessionId":"s"}"#;

#[test]
fn older_and_stranger_transcripts_are_read() {
    let text = [
        r#"{"type":"summary","summary":"Old title","leafUuid":"x"}"#,
        r#"{"type":"user","sessionId":"s","uuid":"1","isSidechain":false,"cwd":"/p","message":{"role":"user","content":"Go"}}"#,
        r#"{"type":"progress","sessionId":"s","data":{"message":{"type":"assistant","message":{"id":"m0","usage":{"output_tokens":9}}}}}"#,
        r#"{"type":"system","sessionId":"s","subtype":"api_error","error":{"cause":{}},"retryAttempt":1}"#,
        r#"{"type":"user","sessionId":"s","uuid":"2","parentUuid":null,"isSidechain":true,"message":{"content":"Look"}}"#,
        r#"{"type":"assistant","sessionId":"s","uuid":"3","parentUuid":"2","isSidechain":true,"message":{"id":"m1","model":"m","usage":{"input_tokens":3,"output_tokens":null,"cache_creation":null},"content":[{"type":"tool_use","id":"t","name":"Bash","input":{"command":"ls"}}]}}"#,
        r#"{"type":"user","sessionId":"s","uuid":"4","parentUuid":"3","isSidechain":true,"toolUseResult":[{"type":"text"}],"message":{"content":[{"type":"tool_result","tool_use_id":"t","content":null}]}}"#,
        r#"{"type":"assistant","sessionId":"s","uuid":"5","isSidechain":false,"message":{"id":"m2","model":"m","content":[{"type":"text","text":"hi"}],"usage":null}}"#,
        r#"{"type":"user","sessionId":"s","uuid":"6","isMeta":true,"message":{"content":"Caveat: not a prompt"}}"#,
        r#"{"type":"user","sessionId":"s","uuid":"7","isCompactSummary":true,"message":{"content":"This session is being continued"}}"#,
        r#"{"type":"brand-new-kind","message":"text","usage":[]}"#,
    ];
    let got = add_up(lines(&text.join("\n")));
    assert_eq!(got.unparsed, 0, "{:?}", got.events);
    assert_eq!((got.calls, got.subagents, got.model_calls), (1, 1, 1));
    assert_eq!(got.usage, Usage { input: 3, ..Usage::ZERO });
    let prompts: Vec<_> = got.events.iter().filter(|event| matches!(event.body, Body::Prompt { .. })).collect();
    assert_eq!(prompts.len(), 2);
    assert_eq!(prompts[1].branch.as_deref(), Some("2"));
    assert!(
        got.events.iter().filter(|e| matches!(e.body, Body::ToolCall { .. })).all(|e| e.branch.as_deref() == Some("2"))
    );
}

#[test]
fn a_turn_of_an_interactive_run_ends_without_ending_the_run() {
    let ask = r#"{"type":"user","sessionId":"s","uuid":"1","isSidechain":false,"entrypoint":"cli","message":{"content":"Go"}}"#;
    let answer = r#"{"type":"assistant","sessionId":"s","uuid":"2","isSidechain":false,"entrypoint":"cli","message":{"id":"m","model":"m","stop_reason":"end_turn","usage":{},"content":[{"type":"thinking","thinking":"…"}]}}"#;
    let spoken = answer.replace(r#"{"type":"thinking","thinking":"…"}"#, r#"{"type":"text","text":"Done"}"#);
    let duration = r#"{"type":"system","sessionId":"s","subtype":"turn_duration","durationMs":5}"#;
    let cost = r#"{"type":"cost-state","sessionId":"s","totalCostUSD":0.5,"modelUsage":{"m":{"outputTokens":7}},"hasUnknownModelCost":true}"#;
    let turns = |text: &[&str]| {
        let got = add_up(lines(&text.join("\n")));
        (got.events.iter().filter(|event| event.body == Body::TurnEnded).count(), got.outcome)
    };
    assert_eq!(turns(&[ask, answer]), (0, None));
    assert_eq!(turns(&[ask, answer, &spoken]), (1, None));
    assert_eq!(turns(&[ask, answer, &spoken, duration]), (1, None));
    assert_eq!(turns(&[ask, answer, duration]), (1, None));
    assert_eq!(turns(&[ask, answer, &spoken, cost]), (1, Some(Outcome::Finished)));
    assert_eq!(turns(&[ask, answer, cost]), (0, Some(Outcome::Interrupted)));
    assert_eq!(turns(&[ask, answer, &spoken, cost, ask]), (1, None));
    let got = add_up(lines(&[ask, cost].join("\n")));
    assert_eq!((got.usage.output, got.cost.0), (7, 0));
}

#[test]
fn titles_chosen_by_a_person_stay() {
    let text = [
        HEAD,
        r#"{"type":"user","sessionId":"s","uuid":"1","message":{"content":"<system-reminder>x</system-reminder>Fix it"}}"#,
        r#"{"type":"ai-title","aiTitle":"Fixing","sessionId":"s"}"#,
        r#"{"type":"custom-title","customTitle":"Mine","sessionId":"s"}"#,
        r#"{"type":"ai-title","aiTitle":"Fixing more","sessionId":"s"}"#,
    ];
    let titles = lines(&text.join("\n")).into_iter().filter_map(|event| match event.body {
        Body::Info(info) => info.title,
        _ => None,
    });
    assert_eq!(titles.map(|title| title.to_string()).collect::<Vec<_>>(), ["Fix it", "Fixing", "Mine"]);
}

#[test]
fn what_is_no_object_or_cannot_be_read_is_counted() {
    let bad = [
        "not json",
        "[1]",
        r#"{"type":"assistant","sessionId":"s"}"#,
        r#"{"type":"assistant","sessionId":"s","message":"text"}"#,
        r#"{"type":"user","sessionId":"s","message":{"content":5}}"#,
        r#"{"type":"assistant","sessionId":"s","message":{"usage":{"input_tokens":"many"}}}"#,
        r#"{"type":"cost-state","sessionId":"s","modelUsage":{"m":{"inputTokens":1e99}}}"#,
    ];
    for line in bad {
        let events = lines(&format!("{HEAD}\n{line}"));
        assert!(matches!(bodies(&events)[..], [Body::Unparsed { .. }]), "{line}: {events:?}");
    }
}

#[test]
fn results_of_older_versions_have_no_reason() {
    use super::totals::outcome;
    assert_eq!(outcome("", "success", false, false), Outcome::Finished);
    assert_eq!(outcome("", "success", true, false), Outcome::Failed);
    assert_eq!(outcome("", "error_max_turns", false, false), Outcome::Failed);
    assert_eq!(outcome("", "error_during_execution", true, false), Outcome::Failed);
    assert_eq!(outcome("", "error_during_execution", true, true), Outcome::Interrupted);
    assert_eq!(outcome("something_new", "success", false, false), Outcome::Finished);
}

#[test]
fn partial_messages_give_the_real_output() {
    let init = r#"{"type":"system","subtype":"init","session_id":"s","claude_code_version":"2"}"#;
    let start = r#"{"type":"stream_event","session_id":"s","event":{"type":"message_start","message":{"id":"m","model":"x","usage":{"output_tokens":1}}}}"#;
    let block = r#"{"type":"assistant","session_id":"s","request_id":"r","uuid":"u","message":{"id":"m","model":"x","content":[{"type":"text","text":"hi"}],"usage":{"input_tokens":4,"output_tokens":1}}}"#;
    let delta = r#"{"type":"stream_event","session_id":"s","event":{"type":"message_delta","usage":{"input_tokens":4,"output_tokens":77}}}"#;
    let want = Usage { input: 4, output: 77, ..Usage::ZERO };
    for order in [[start, block, delta], [start, delta, block]] {
        let got = add_up(lines(&format!("{init}\n{}", order.join("\n"))));
        assert_eq!((got.usage, got.model_calls), (want, 1), "{order:?}");
    }
    // An attempt that was dropped before it said anything is in the session's sum only.
    assert_eq!(add_up(lines(&format!("{init}\n{start}\n{delta}"))).model_calls, 0);
}
