//! `redkey export`: each form, from files of real agents.

use serde_json::Value;

use crate::support::{Home, fixture};

const FILE: &str = "claude/max_turns.transcript.jsonl";

fn path(name: &str) -> String {
    fixture(name).to_string_lossy().into_owned()
}

#[test]
fn the_table_adds_up_to_what_was_spent() {
    let home = Home::new();
    for name in [FILE, "codex/loop.transcript.jsonl", "pi/loop.jsonl", "qwen/subagents.transcript.jsonl"] {
        let csv = home.ok(&["export", &path(name), "--csv"]);
        let mut lines = csv.lines();
        assert_eq!(lines.next(), Some("time,amount_ms,rule,what,multiplier,branch,run"), "{name}");
        let amounts = lines.map(|line| line.split(',').nth(1).and_then(|n| n.parse::<i64>().ok()).expect("an amount"));
        let state = home.json(&["replay", &path(name), "--json"]);
        let rules = state["runs"][0]["spent_by_rule"].as_object().cloned().unwrap_or_default();
        let sum: i64 = rules.values().filter_map(Value::as_i64).sum();
        assert_eq!(amounts.sum::<i64>(), sum, "{name}");
        assert!(sum > 0, "{name}");
    }
}

#[test]
fn the_page_says_what_show_says() {
    let home = Home::new();
    let to = home.path().join("run.html");
    let to = to.to_string_lossy();
    assert_eq!(home.ok(&["export", &path(FILE), "--html", "-o", &to]), "");
    let page = std::fs::read_to_string(&*to).expect("the page");
    let state = home.json(&["replay", &path(FILE), "--json"]);
    let run = state["runs"][0]["run"].as_str().unwrap_or_default();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    for part in [run, "<polyline", "Statement", "Flags and warnings", "failed", "model call"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("<script") && !page.contains(home.path().to_string_lossy().as_ref()));
    let output = home.run(&["export", &path(FILE), "--html", "-o", &to]);
    assert_eq!(output.status.code(), Some(1), "what is there is not overwritten");
    assert_eq!(std::fs::read_to_string(&*to).ok().as_deref(), Some(page.as_str()));
}

#[test]
fn the_film_ends_with_the_run_on_the_screen() {
    let home = Home::new();
    let cast = home.ok(&["export", &path(FILE), "--cast", "--width", "100", "--height", "30"]);
    let mut lines = cast.lines();
    let header: Value = lines.next().and_then(|line| serde_json::from_str(line).ok()).expect("a header");
    assert_eq!((&header["version"], &header["width"], &header["height"]), (&2.into(), &100.into(), &30.into()));
    let mut terminal = vt100::Parser::new(30, 100, 0);
    let mut last = 0.0;
    for line in lines {
        let (at, _, data): (f64, String, String) = serde_json::from_str(line).expect("a frame");
        assert!(at >= last && at - last <= 2.001, "{at} after {last}");
        last = at;
        terminal.process(data.as_bytes());
    }
    let screen = terminal.screen().contents();
    assert!(screen.contains("STATEMENT") && screen.contains("100 %"), "{screen}");
}

#[test]
fn what_cannot_be_exported_is_an_error_in_words() {
    let home = Home::new();
    let notes = home.write("notes.txt", "hello\n").to_string_lossy().into_owned();
    let to = home.path().join("out").to_string_lossy().into_owned();
    for (args, code, words) in [
        (vec!["export", &notes, "--csv", "-o", &to], 1, "format"),
        (vec!["export", "no-such-run", "--html"], 1, "no run is called"),
        (vec!["export", &notes], 2, "--cast"),
        (vec!["export", &notes, "--cast", "--csv"], 2, "cannot be used with"),
        (vec!["export", &notes, "--cast", "--width", "5"], 2, "20..=500"),
    ] {
        let output = home.run(&args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(code) && text.contains(words), "{args:?}: {text}");
    }
    assert!(!std::path::Path::new(&to).exists(), "half a file is none");
}
