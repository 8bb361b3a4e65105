//! `redkey replay` without a screen.

use crate::support::{Home, fixture};

const FILE: &str = "claude/max_turns.transcript.jsonl";

#[test]
fn the_end_of_a_replay_is_what_show_says() {
    let home = Home::new();
    for name in [FILE, "codex/loop.transcript.jsonl", "pi/loop.jsonl", "qwen/subagents.transcript.jsonl"] {
        let path = fixture(name);
        let path = path.to_string_lossy();
        let show = home.json(&["show", "--json", &path]);
        let state = home.json(&["replay", &path, "--json"]);
        let run = &state["runs"][0];
        assert_eq!(state["runs"].as_array().map(Vec::len), Some(1), "{name}");
        for key in ["run", "tokens", "cost_usd", "tool_calls", "failed_tool_calls", "turns", "spent_by_rule", "outcome"]
        {
            assert_eq!(show[key], run[key], "{name}: {key}");
        }
        assert_eq!((&state["percent"], &state["step"]), (&100.0.into(), &state["steps"]), "{name}");
    }
}

#[test]
fn a_moment_is_named_in_any_way() {
    let home = Home::new();
    let path = fixture(FILE);
    let path = path.to_string_lossy();
    let at = |time: &str| home.json(&["replay", &path, "--at", time, "--json"]);
    let spent = |state: &serde_json::Value| state["runs"][0]["clock"]["spent_ms"].as_i64().unwrap_or(-1);
    let (start, half, end) = (at("0%"), at("50%"), at("100%"));
    assert!(spent(&start) < spent(&half) && spent(&half) < spent(&end));
    assert_eq!(start["runs"][0]["state"], "working");
    assert_eq!(end["marks"]["failure"], 1);
    let moment = half["at"].as_str().unwrap_or_default();
    assert_eq!(at(moment), half, "the same moment by its time");
    for (time, same) in [("start", &start), ("end", &end), ("+1h", &end), ("-1h", &start), ("+0s", &start)] {
        assert_eq!(&at(time), same, "{time}");
    }
    let output = home.run(&["replay", &path, "--at", "noon", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("12:34:56"), "it says how to write one");
}

#[test]
fn several_runs_share_one_time_axis() {
    let home = Home::new();
    let (one, two) = (fixture(FILE), fixture("claude/success.transcript.jsonl"));
    let state = home.json(&["replay", &one.to_string_lossy(), &two.to_string_lossy(), "--json"]);
    let runs = state["runs"].as_array().cloned().unwrap_or_default();
    assert_eq!(runs.len(), 2);
    let first = runs.iter().filter_map(|run| run["started_at"].as_i64()).min();
    assert_eq!(state["start_ms"].as_i64(), first);
}

#[test]
fn what_cannot_be_replayed_is_an_error_in_words() {
    let home = Home::new();
    let notes = home.write("notes.txt", "hello\n");
    for (args, words) in [
        (vec!["replay", &*notes.to_string_lossy(), "--json"], "format"),
        (vec!["replay", "-", "--json"], "only once"),
        (vec!["replay", "no-such-run", "--json"], "no run is called"),
        (vec!["replay", &*notes.to_string_lossy()], "--json"),
        (vec!["replay", "x", "--speed", "2000", "--json"], "0.25 to 1000"),
    ] {
        let output = home.run(&args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && text.contains(words), "{args:?}: {text}");
    }
}
