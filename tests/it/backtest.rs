//! Backtests, marks, the ledger and estimates, as a user starts them.

use std::os::unix::fs::PermissionsExt;

use redkey::adapters::Form;
use redkey::domain::event::{Agent, Body, Event, Outcome, RunId};
use redkey::domain::time::Stamp;
use redkey::record::{Beat, TapeMsg, convert};
use serde_json::Value;

use crate::support::{Home, fixture};

const START: i64 = 1_790_000_000_000;

fn native(run: &str, seconds: i64, rest: &str) -> String {
    format!("{{\"redkey\":1,\"run\":\"{run}\",\"ts\":{},\"type\":{rest}}}\n", START + seconds * 1_000)
}

/// A run of so many seconds.
fn session(run: &str, seconds: i64, outcome: &str) -> String {
    let middle = (1..seconds / 60).map(|minute| native(run, minute * 60, r#""message","text":"on it""#));
    [native(run, 0, r#""prompt","text":"fix the parser""#)]
        .into_iter()
        .chain(middle)
        .chain([native(run, seconds, &format!(r#""run_ended","outcome":"{outcome}""#))])
        .collect()
}

fn of_run<'a>(outcome: &'a Value, run: &str) -> &'a Value {
    let sessions = outcome["sessions"].as_array().expect("sessions");
    sessions.iter().find(|session| session["run"] == run).unwrap_or_else(|| panic!("{run} is missing in {outcome}"))
}

#[test]
fn a_backtest_counts_as_show_does_for_all_six_agents() {
    let home = Home::new();
    for agent in ["claude", "codex", "gemini", "opencode", "pi", "qwen"] {
        let ending = if agent == "opencode" { "db.jsonl" } else { "transcript.jsonl" };
        for scenario in ["success", "loop", "errors"] {
            let from = fixture(&format!("{agent}/{scenario}.{ending}"));
            if let Ok(bytes) = std::fs::read(from) {
                home.write(&format!("all/{agent}-{scenario}.jsonl"), bytes);
            }
        }
    }
    let outcome = home.json(&["backtest", "shipped", "all", "--json"]);
    let shown = home.json(&["ls", "--json", "all"]);
    let shown = shown.as_array().expect("runs");
    assert!(shown.len() >= 15, "{}", shown.len());
    assert_eq!(outcome["summary"]["sessions"], shown.len());
    for run in shown {
        let tested = of_run(&outcome, run["run"].as_str().expect("a run"));
        assert_eq!(tested["total"]["tool_calls"], run["tool_calls"]);
        assert_eq!(tested["total"]["usd"], run["cost_usd"]);
        assert_eq!(tested["outcome"], run["outcome"]);
        // Where it breaks off, `ls` lets its clock go on until it counts as idle.
        if run["outcome"] != "unfinished" {
            assert_eq!(tested["policy"]["spent_ms"], run["clock"]["spent_ms"], "{run}");
        }
    }
}

#[test]
fn two_policies_stand_side_by_side() {
    let home = Home::new();
    home.write("runs/a.jsonl", session("a", 600, "finished"));
    home.write("runs/b.jsonl", session("b", 240, "failed"));
    home.write("tight.toml", "[budget]\ndefault = \"5m\"\n[clock]\nat_zero = \"hold\"\n");
    let args = ["backtest", "tight.toml", "runs", "--against", "shipped"];
    let outcome = home.json(&[&args[..], &["--json"]].concat());
    let a = of_run(&outcome, "native:a");
    assert_eq!(a["policy"]["zero"]["at"], START + 300_000);
    assert_eq!((&a["policy"]["zero"]["meter"], &a["policy"]["action"]), (&"clock".into(), &"hold".into()));
    assert_eq!(a["policy"]["saved"]["clock_ms"], 300_000);
    assert_eq!((&a["against"]["zero"], &a["against"]["saved"]), (&Value::Null, &Value::Null));
    let summary = &outcome["summary"];
    assert_eq!((&summary["policy"]["false_stops"], &summary["policy"]["missed_stops"]), (&1.into(), &1.into()));
    assert_eq!((&summary["against"]["false_stops"], &summary["against"]["missed_stops"]), (&0.into(), &1.into()));
    let text = home.ok(&args);
    for word in ["left: tight.toml; right: shipped", "false stops", "missed stops", "hold", "redkey mark"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
    // What stands on the command line holds for both.
    let outcome = home.json(&[&args[..], &["--json", "--budget", "1m"]].concat());
    assert_eq!(outcome["summary"]["against"]["at_zero"], 2);
}

#[test]
fn marks_go_before_the_agents_word_and_can_be_taken_back() {
    let home = Home::new();
    home.write("runs/a.jsonl", session("a", 600, "finished"));
    assert!(home.ok(&["mark"]).contains("redkey mark RUN"));
    home.ok(&["mark", "runs/a.jsonl", "bad", "went in circles\u{1b}[31m"]);
    let tested = || home.json(&["backtest", "shipped", "runs", "--json"]);
    let a = tested();
    assert_eq!((&a["sessions"][0]["ended"], &a["sessions"][0]["basis"]), (&"bad".into(), &"mark".into()));
    assert_eq!(a["summary"]["bad"]["by_mark"], 1);
    assert!(!home.ok(&["mark"]).contains('\u{1b}'));
    assert_eq!(home.json(&["mark", "--json"])[0]["mark"], "bad");
    home.ok(&["mark", "runs/a.jsonl", "none"]);
    assert_eq!(tested()["sessions"][0]["basis"], "outcome");
    for args in [&["mark", "nobody", "good"][..], &["mark", "runs/a.jsonl"], &["mark", "runs/a.jsonl", "fine"]] {
        assert!(!home.run(args).status.success(), "{args:?}");
    }
}

#[test]
fn nothing_to_test_and_a_wrong_policy_say_what_to_do() {
    let home = Home::new();
    home.write("bad.toml", "[budget]\ndefalt = \"5m\"\n");
    home.write("empty/notes.txt", "x");
    for (args, words) in [
        (&["backtest", "shipped"][..], &["no session was found", ".claude/projects", "hint:"][..]),
        (&["backtest", "shipped", "empty"], &["no session was found", "empty", "hint:"]),
        (&["backtest", "bad.toml", "empty"], &["bad.toml", "defalt"]),
        (&["backtest", "none.toml", "empty"], &["none.toml"]),
        (&["backtest", "shipped", "nowhere"], &["nowhere"]),
        (&["backtest", "shipped", "-"], &["standard input", "hint:"]),
        (&["ledger", "ls"], &["no ledger yet", "redkey ledger rebuild"]),
        (&["estimate", "--agent", "nobody"], &["nobody", "claude"]),
    ] {
        let output = home.run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        words.iter().for_each(|word| assert!(text.contains(word), "{args:?}: {word} is missing in:\n{text}"));
    }
}

/// A recording of a run that took so many seconds.
fn recording(run: &str, seconds: i64) -> Vec<u8> {
    let mut bytes = br#"{"redkey":"recording","v":"1.0","run":"calm-otter","agent":"claude","started":1}"#.to_vec();
    bytes.push(b'\n');
    let event = |at: i64, body| Event { run: RunId::new(Agent::Claude, run), branch: None, at: Some(Stamp(at)), body };
    let told = |at: i64, body| {
        let msg = TapeMsg::Events { source: 0, events: vec![(event(at, body), 0)] };
        Beat { at: Stamp(at), msg }
    };
    let opened = TapeMsg::Opened { source: 0, name: "x".into(), form: Some(Form::Disk) };
    let mut beats = vec![Beat { at: Stamp(START), msg: opened }, told(START, Body::Prompt { text: "go".into() })];
    beats.extend(
        (1..=seconds / 60)
            .map(|minute| told(START + minute * 60_000, Body::Message { text: "on it".into(), thinking: false })),
    );
    let over = Body::Ended { outcome: Outcome::Finished, reason: "done".into() };
    beats.push(told(START + seconds * 1_000, over));
    beats.iter().for_each(|beat| {
        convert::write(beat, &mut bytes);
    });
    bytes
}

#[test]
fn recordings_are_tested_too_and_a_transcript_goes_before_them() {
    let home = Home::new();
    let mut torn = recording("r1", 1_200);
    torn.extend_from_slice(b"{\"t\":1,\"k\":\"ev");
    home.write(".local/state/redkey/recordings/one.jsonl", torn);
    home.write(".local/state/redkey/recordings/two.jsonl", recording("r1", 600));
    home.write("tight.toml", "[budget]\ndefault = \"5m\"\n");
    let outcome = home.json(&["backtest", "tight.toml", "--json"]);
    let r1 = of_run(&outcome, "claude:r1");
    assert_eq!(r1["policy"]["zero"]["at"], START + 300_000);
    assert_eq!((&outcome["summary"]["sessions"], &outcome["shadowed"]), (&1.into(), &1.into()));
    assert!(outcome["trouble"][0].as_str().is_some_and(|text| text.contains("torn")), "{outcome}");
    home.ok(&["ledger", "rebuild"]);
    assert_eq!(home.json(&["ledger", "ls", "--json"])[0]["run"], "claude:r1");
}

#[test]
fn the_ledger_can_be_deleted_without_loss() {
    let home = Home::new();
    let state = ".local/state/redkey";
    for (run, seconds) in [("a", 600), ("b", 300)] {
        home.write(&format!("{state}/runs/{run}.jsonl"), session(run, seconds, "finished"));
    }
    home.ok(&["mark", "native:a", "good", "as it should be"]);
    assert!(home.ok(&["ledger", "rebuild"]).contains("2 runs read"));
    let rows = home.json(&["ledger", "ls", "--json"]);
    assert_eq!(rows.as_array().map(Vec::len), Some(2));
    assert_eq!((&rows[0]["run"], &rows[0]["mark"]), (&"native:a".into(), &"good".into()));
    assert_eq!((&rows[0]["spent_ms"], &rows[0]["outcome"]), (&600_000.into(), &"finished".into()));
    assert!(rows[0]["source"].as_str().is_some_and(|source| source.ends_with("a.jsonl")));
    let db = home.path().join(state).join("ledger.db");
    assert_eq!(std::fs::metadata(&db).expect("the ledger").permissions().mode() & 0o777, 0o600);
    std::fs::remove_file(&db).expect("deleted");
    home.ok(&["ledger", "rebuild"]);
    assert_eq!(home.json(&["ledger", "ls", "--json"]), rows);
    assert!(home.ok(&["ledger", "ls"]).contains("2 runs"));
}

#[test]
fn an_estimate_needs_five_like_runs_and_says_what_it_stands_on() {
    let home = Home::new();
    let cwd = home.path().canonicalize().expect("a path");
    let write = |number: i64| {
        let run = format!("r{number}");
        let begun = native(&run, 0, &format!(r#""run_started","cwd":"{}","label":"nightly""#, cwd.display()));
        home.write(&format!(".local/state/redkey/runs/{run}.jsonl"), begun + &session(&run, number * 60, "finished"));
    };
    let none = home.json(&["estimate", "--json"]);
    assert_eq!((&none["precedent"], &none["budget_ms"]), (&Value::Null, &3_600_000.into()));
    assert!(home.ok(&["estimate"]).contains("The ledger is empty"));
    (1..=4).for_each(write);
    let text = home.ok(&["estimate", "--label", "nightly"]);
    assert!(text.contains("no precedent") && text.contains(": 4") && text.contains("budget 1h"), "{text}");
    // What was written since is read without being asked.
    write(5);
    let found = home.json(&["estimate", "--task", "fix that parser", "--json"]);
    let precedent = &found["precedent"];
    assert_eq!((&precedent["runs"], &precedent["like"]), (&5.into(), &"a similar task in this project".into()));
    assert_eq!((&precedent["p50_ms"], &precedent["p90_ms"]), (&180_000.into(), &300_000.into()));
    assert_eq!(found["budget_ms"], 300_000);
    let text = home.ok(&["estimate"]);
    assert!(text.contains("p50 3m, p90 5m") && text.contains("5 finished runs"), "{text}");
    // Under other prices the same runs took something else: all are read again.
    home.write(".config/redkey/policy.toml", "[tariff]\nwall_percent = 200\n");
    assert_eq!(home.json(&["estimate", "--json"])["precedent"]["p50_ms"], 360_000);
    home.write(".config/redkey/policy.toml", "[budget]\ndeclared_max = \"2m\"\n");
    assert_eq!(home.json(&["estimate", "--json"])["budget_ms"], 120_000);
}

#[test]
fn a_run_with_an_automatic_budget_says_in_one_line_what_it_got() {
    let home = Home::new();
    let run = |agent: &[&str]| {
        let output = home.run(&[&["--budget", "auto", "run"][..], agent].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let text = run(&["true"]);
    assert_eq!(text.lines().filter(|line| line.starts_with("redkey: budget")).count(), 1, "{text}");
    assert!(text.contains("budget 1h") && text.contains("no precedent"), "{text}");
    assert!(!home.run(&["--budget", "auto", "ls"]).status.success(), "only a run has a task");
}
