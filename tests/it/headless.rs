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

fn native(run: &str, seconds: u64, rest: &str) -> String {
    format!("{{\"redkey\":1,\"run\":\"{run}\",\"ts\":{},\"type\":{rest}}}\n", 1_000_000_000_000 + seconds * 1_000)
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
