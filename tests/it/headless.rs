//! Commands without a screen.

use crate::support::{Home, fixture};

#[test]
fn nothing_found_says_where_it_looked_and_what_to_do() {
    let text = Home::new().ok(&["ls"]);
    for word in ["claude", "codex", "gemini", "opencode", "pi", "qwen", "does not exist", "redkey demo"] {
        assert!(text.contains(word), "{word} is missing in:\n{text}");
    }
}

#[test]
fn a_file_in_no_known_format_is_an_error_with_a_hint() {
    let home = Home::new();
    let path = home.write("notes.txt", "hello\nworld\n");
    let output = home.run(&["show", &path.to_string_lossy()]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(text.contains("notes.txt") && text.contains("hint:"), "{text}");
}

#[test]
fn the_screen_needs_a_terminal() {
    let output = Home::new().run(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("redkey ls"));
}

#[test]
fn show_and_ls_say_the_same() {
    let home = Home::new();
    let path = fixture("claude/success.jsonl");
    let path = path.to_string_lossy();
    let show = home.json(&["show", "--json", &path]);
    let ls = home.json(&["ls", "--json", &path]);
    for key in ["run", "tokens", "cost_usd", "tool_calls", "outcome", "spent_by_rule"] {
        assert_eq!(show[key], ls[0][key], "{key}");
    }
    assert!(home.ok(&["show", &path]).contains("claude"));
}

#[test]
fn tail_prints_a_line_per_charge_and_they_add_up() {
    let home = Home::new();
    let path = fixture("claude/loop.transcript.jsonl");
    let path = path.to_string_lossy();
    let lines = home.ok(&["tail", "--json", &path]);
    let sum: i64 = lines
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["amount_ms"].as_i64().expect("an amount")
        })
        .sum();
    let show = home.json(&["show", "--json", &path]);
    assert_eq!(show["clock"]["spent_ms"].as_i64(), Some(sum));
    assert!(home.ok(&["tail", &path]).contains("×32 repeat") || home.ok(&["tail", &path]).contains("×16 repeat"));
}

#[test]
fn a_wrong_flag_is_usage_error_two() {
    assert_eq!(Home::new().run(&["--no-such-flag"]).status.code(), Some(2));
}

/// The amounts that `tail --json` prints, together.
fn sum(lines: &str) -> i64 {
    let amount = |line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["amount_ms"].as_i64();
    lines.lines().map(|line| amount(line).expect("an amount")).sum()
}

fn native(run: &str, seconds: u64, rest: &str) -> String {
    format!("{{\"redkey\":1,\"run\":\"{run}\",\"ts\":{},\"type\":{rest}}}\n", 1_000_000_000_000 + seconds * 1_000)
}

#[test]
fn tail_prints_the_last_charge_of_a_run_that_has_no_end() {
    let home = Home::new();
    let text =
        [native("r", 0, r#""prompt","text":"a""#), native("r", 5, r#""approval_asked","text":"may I?""#)].concat();
    home.write("r.jsonl", &text);
    assert_eq!(sum(&home.ok(&["tail", "--json", "r.jsonl"])), 5_000);
    assert_eq!(home.json(&["show", "--json", "r.jsonl"])["clock"]["spent_ms"], 5_000);
}

#[test]
fn a_printed_line_grows_no_more_when_work_begins_again_after_an_end() {
    let home = Home::new();
    let mut text = String::new();
    for (seconds, rest) in [
        (0, r#""prompt","text":"a""#),
        (10, r#""message","text":"b""#),
        (20, r#""run_ended","outcome":"finished""#),
        (30, r#""prompt","text":"a""#),
        (40, r#""message","text":"b""#),
        (41, r#""turn_ended""#),
        (50, r#""prompt","text":"a""#),
        (51, r#""run_ended","outcome":"finished""#),
    ] {
        text.push_str(&native("g", seconds, rest));
    }
    home.write("g.jsonl", &text);
    let spent = home.json(&["show", "--json", "g.jsonl"])["clock"]["spent_ms"].as_i64();
    assert_eq!(spent, Some(32_000));
    assert_eq!(Some(sum(&home.ok(&["tail", "--json", "g.jsonl"]))), spent);
    assert_eq!(Some(sum(&home.ok(&["tail", "--json", "-f", "g.jsonl"]))), spent);
}

#[test]
fn a_whole_id_means_that_run_and_no_id_means_none() {
    let home = Home::new();
    for run in ["fix-4", "fix-42"] {
        let text =
            native(run, 0, r#""api_error","text":"busy""#) + &native(run, 1, r#""run_ended","outcome":"failed""#);
        home.write(&format!(".local/state/redkey/runs/{run}.jsonl"), text);
    }
    let name = home.json(&["show", "--json", "fix-4"])["run"].as_str().map(str::to_owned).expect("a run");
    assert!(name.ends_with(":fix-4"), "{name}");
    assert_eq!(home.json(&["show", "--json", &name])["run"], name);
    for args in [&["tail", "fix-4"][..], &["tail", "-f", "fix-4"], &["policy", "explain", "fix-4"]] {
        assert!(home.ok(args).contains("busy") || args[0] == "policy", "{args:?}");
    }
    for args in [["show", "fix-"], ["show", ""], ["tail", ""], ["tail", "fix-"]] {
        assert_eq!(home.run(&args).status.code(), Some(1), "{args:?}");
    }
}

#[test]
fn a_run_is_found_by_its_id_wherever_its_file_lies() {
    let home = Home::new();
    let text = std::fs::read(fixture("claude/loop.transcript.jsonl")).expect("a fixture");
    home.write(".claude/projects/p/of-another-name.jsonl", &text);
    let run = home.json(&["ls", "--all", "--json"])[0]["run"].clone();
    let id = run.as_str().expect("a run");
    assert_eq!(home.json(&["show", "--json", id])["run"], run);
    assert!(!home.ok(&["tail", id]).is_empty());
    home.write(&format!(".claude/projects/p/{}.jsonl", id.trim_start_matches("claude:")), &text);
    assert_eq!(home.json(&["show", "--json", id])["run"], run);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    for args in [["completions", "bash"].as_slice(), &["man"], &["schema"]] {
        let mut command = Home::new().redkey();
        let piped = std::process::Stdio::piped;
        let mut child =
            command.args(args).current_dir("/").stdout(piped()).stderr(piped()).spawn().expect("redkey starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("an end");
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{args:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_error_that_cannot_be_written_is_still_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    let status = Home::new().redkey().current_dir("/").args(["show", "nope"]).stderr(full).status();
    assert_eq!(status.expect("redkey starts").code(), Some(1));
}

#[test]
fn a_place_that_cannot_be_looked_through_is_told_beside_the_runs() {
    let home = Home::new();
    home.write(".codex/sessions", "not a directory");
    home.write(".local/state/redkey/runs/r.jsonl", native("r", 0, r#""prompt","text":"a""#));
    let text = home.ok(&["ls", "--all"]);
    assert!(text.contains("1 runs") && text.contains(".codex/sessions: Not a directory"), "{text}");
}

#[test]
fn without_a_home_there_is_nowhere_to_look() {
    for set in [None, Some("")] {
        for args in [&["ls"][..], &["show", "x"], &["tail", "x"]] {
            let mut command = Home::new().redkey();
            command.env_remove("HOME").current_dir("/").args(args);
            set.map(|value| command.env("HOME", value));
            let output = command.output().expect("redkey starts");
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(text.contains("no home directory") && text.contains("redkey ls PATH"), "{args:?}: {text}");
            assert_eq!(output.status.code(), Some(1));
        }
    }
}

#[test]
fn an_empty_file_holds_no_events_yet() {
    let home = Home::new();
    home.write("empty.jsonl", "");
    for args in [["show", "empty.jsonl"], ["tail", "empty.jsonl"]] {
        let output = home.run(&args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains("empty.jsonl holds no events of a run yet"), "{text}");
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_policy_may_come_from_a_device_but_not_from_a_directory() {
    let home = Home::new();
    home.ok(&["policy", "show", "--policy", "/dev/null"]);
    let mut command = home.redkey();
    command.args(["policy", "check", "--policy", "/dev/stdin"]).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::null()).spawn().expect("redkey starts");
    drop(child.stdin.take()); // an empty policy through a pipe
    assert!(child.wait().expect("an end").success());
    assert_eq!(home.run(&["policy", "show", "--policy", "."]).status.code(), Some(1));
    assert_eq!(home.run(&["policy", "show", "--budget", "1h1h"]).status.code(), Some(1));
}

/// Transcripts where their agents keep them.
fn home_of_agents() -> Home {
    let home = Home::new();
    let copy = |from: &str, to: &str| {
        home.write(to, std::fs::read(fixture(from)).expect("a recording"));
    };
    let session = "4a2cbbe5-7267-4707-b959-4b86db164e5d";
    copy("claude/subagents.transcript.jsonl", &format!(".claude/projects/-p/{session}.jsonl"));
    for n in [1, 2] {
        let agent = format!(".claude/projects/-p/{session}/subagents/agent-{n}.jsonl");
        copy(&format!("claude/subagents.subagent-{n}.transcript.jsonl"), &agent);
        copy(
            &format!("codex/subagents.subagent-{n}.transcript.jsonl"),
            &format!(".codex/sessions/2026/11/23/rollout-{n}.jsonl"),
        );
    }
    copy("claude/loop.transcript.jsonl", ".claude/projects/-p/loop.jsonl");
    copy("codex/subagents.transcript.jsonl", ".codex/sessions/2026/11/23/rollout-0.jsonl");
    copy("gemini/success.transcript.jsonl", ".gemini/tmp/p/chats/session-1.jsonl");
    copy("pi/loop.transcript.jsonl", ".pi/agent/sessions/--p--/1.jsonl");
    copy("qwen/subagents.transcript.jsonl", ".qwen/projects/-p/chats/1.jsonl");
    home
}

#[test]
fn runs_are_found_where_agents_keep_them_and_totals_agree_cached_or_not() {
    let home = home_of_agents();
    let metered = home.json(&["ls", "--all", "--json"]);
    let key = |v: &serde_json::Value| v["run"].as_str().expect("a run").to_owned();
    assert_eq!(metered.as_array().map(Vec::len), Some(6));
    for round in ["cold", "warm"] {
        let totals = home.json(&["ls", "--totals", "--json"]);
        assert_eq!(totals.as_array().map(Vec::len), Some(6), "{round}");
        for run in metered.as_array().expect("runs") {
            let same = totals.as_array().expect("sessions").iter().find(|t| key(t) == key(run)).expect("the session");
            for field in ["tokens", "cost_usd", "tool_calls", "failed_tool_calls", "subagents"] {
                assert_eq!(same[field], run[field], "{round}: {field} of {}", key(run));
            }
        }
    }
}
