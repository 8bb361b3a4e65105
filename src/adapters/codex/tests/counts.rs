//! Rollouts as other versions write them, and copies of one in another: every answer counts once.

use serde_json::{Value, json};

use super::{events, tally_text, tally_texts};
use crate::adapters::Format;
use crate::adapters::testkit::fixture;
use crate::domain::event::Body;

/// Rollouts as older and newer versions write them: whatever is told twice or not at all, the sum stays.
#[test]
fn either_kind_of_count_or_both_give_the_same_sum() {
    let is = |line: &&str, kind: &str| line.contains(&format!(r#""type":"{kind}""#));
    for name in ["success", "errors", "loop", "subagents", "app_server_interrupt"] {
        let text = fixture(&format!("codex/{name}.transcript.jsonl"));
        let whole = tally_text(&text);
        let lines: Vec<&str> = text.lines().collect();
        let null = r#"{"timestamp":"2026-11-23T13:56:23.148Z","type":"event_msg","payload":{"type":"token_count","info":null,"rate_limits":{}}}"#;
        let only_counts = lines.iter().filter(|l| !is(l, "token_usage_record")).copied().collect::<Vec<_>>().join("\n");
        let only_records = lines.iter().filter(|l| !is(l, "token_count")).copied().collect::<Vec<_>>().join("\n");
        let twice = lines.iter().flat_map(|line| [*line, *line, null]).collect::<Vec<_>>().join("\n");
        let mut swapped: Vec<&str> = Vec::new();
        let mut held = None;
        for line in &lines {
            if is(line, "token_usage_record") {
                held = Some(*line);
            } else {
                swapped.push(line);
                if is(line, "token_count") {
                    swapped.extend(held.take());
                }
            }
        }
        swapped.extend(held);
        let half = lines.len() / 2;
        let upgraded = lines.iter().enumerate().filter(|(at, l)| *at > half || !is(l, "token_usage_record"));
        let upgraded = upgraded.map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        let downgraded = lines.iter().enumerate().filter(|(at, l)| *at < half || !is(l, "token_usage_record"));
        let downgraded = downgraded.map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        for (how, text) in [
            ("only token_count", only_counts),
            ("only records", only_records),
            ("every line twice", twice),
            ("counts before records", swapped.join("\n")),
            ("resumed by a newer version", upgraded),
            ("resumed by an older version", downgraded),
        ] {
            let t = tally_text(&text);
            assert_eq!((t.usage, t.model_calls), (whole.usage, whole.model_calls), "{name}: {how}");
            assert_eq!((t.calls, t.flagged), (whole.calls, whole.flagged), "{name}: {how}");
        }
    }
}

const FORK: &str = "01a208b1-8fff-7000-8000-000000000001";

/// A rollout that begins with a copy of `parent` and goes on with `own`, which counts on from the parent's total.
fn forked(parent: &str, own: &str, meta: Value, keep_meta: bool, keep_records: bool) -> String {
    let first: Value = serde_json::from_str(parent.lines().next().unwrap()).unwrap();
    let parent_thread = first["payload"]["id"].as_str().unwrap();
    let own_first: Value = serde_json::from_str(own.lines().next().unwrap()).unwrap();
    let own_thread = own_first["payload"]["id"].as_str().unwrap();
    let mut text =
        json!({"timestamp": "2026-11-23T14:00:00.000Z", "type": "session_meta", "payload": meta}).to_string();
    for (at, line) in parent.lines().enumerate() {
        let is_record = line.contains(r#""type":"token_usage_record""#);
        if (at > 0 || keep_meta) && (!is_record || keep_records) {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["timestamp"] = json!("2026-11-23T14:00:00.010Z");
            text.push_str(&format!("\n{line}"));
        }
    }
    assert!(parent_thread < FORK && FORK < own_thread);
    for line in own.lines().skip(1) {
        text.push_str(&format!("\n{}", line.replace(own_thread, FORK)));
    }
    text
}

#[test]
fn what_a_fork_copies_counts_once_over_all_files() {
    let parent = fixture("codex/success.transcript.jsonl");
    let own = fixture("codex/errors.transcript.jsonl");
    let (first, second) = (tally_text(&parent), tally_text(&own));
    let parent_id = "01a208b1-8b23-7310-b74a-164245dcf196";
    let spawn =
        json!({"subagent": {"thread_spawn": {"parent_thread_id": parent_id, "depth": 1, "agent_nickname": "Ada"}}});
    let metas = [
        json!({"id": FORK, "session_id": FORK, "forked_from_id": parent_id, "source": "cli", "cwd": "/p"}),
        json!({"id": FORK, "session_id": parent_id, "source": spawn, "cwd": "/p"}),
        json!({"id": FORK, "session_id": parent_id, "forked_from_id": parent_id, "source": spawn, "cwd": "/p"}),
    ];
    for meta in metas {
        for (keep_meta, keep_records) in [(true, true), (true, false), (false, false), (false, true)] {
            let fork = forked(&parent, &own, meta.clone(), keep_meta, keep_records);
            let how = format!("{meta} meta {keep_meta} records {keep_records}");
            for files in [[&*parent, &*fork], [&*fork, &*parent]] {
                let both = tally_texts(&files);
                assert_eq!(both.usage, first.usage + second.usage, "{how}");
                assert_eq!(both.model_calls, first.model_calls + second.model_calls, "{how}");
                assert_eq!(
                    (both.calls, both.flagged),
                    (first.calls + second.calls, first.flagged + second.flagged),
                    "{how}"
                );
                assert_eq!(both.unparsed, 0);
            }
            let alone = tally_text(&fork);
            let prompts = alone.events.iter().filter(|e| matches!(e.body, Body::Prompt { .. })).count();
            assert_eq!(prompts, 1, "{how}: the parent's prompts aren't the fork's");
            let is_subagent = meta["source"].is_object();
            let run = if is_subagent { parent_id } else { FORK };
            assert!(alone.events.iter().all(|e| &*e.run.session == run), "{how}");
        }
    }
}

#[test]
fn a_fork_says_so() {
    let line = json!({"timestamp": "2026-11-23T14:00:00.000Z", "type": "session_meta",
        "payload": {"id": FORK, "forked_from_id": "01a2", "source": "vscode", "originator": "codex_vscode"}});
    let events = events(Format::CodexRollout, &[&line.to_string()]);
    let Body::Info(info) = &events[0].body else { panic!("{events:?}") };
    assert_eq!(info.forked_from.as_ref().map(|text| text.as_str()), Some("01a2"));
    assert_eq!(info.interactive, Some(true));
}
