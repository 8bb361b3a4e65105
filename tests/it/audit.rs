//! `redkey audit` and `redkey audit verify`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use redkey::control::audit::{Entry, Fact, write_now};
use redkey::control::words::{Asker, Mode};
use redkey::domain::text::Text;
use redkey::domain::time::Stamp;

use crate::support::Home;

fn place(home: &Home) -> PathBuf {
    home.path().join(".local/state/redkey/audit.jsonl")
}

fn write(path: &Path, run: &str, fact: Fact) {
    let entry = Entry { at: Stamp(1_700_000_000_000), run: Some(Text::new(run)), fact };
    write_now(path, &[entry], Duration::from_secs(60)).expect("written");
}

fn stop() -> Fact {
    let by = Asker { by: "screen".into(), user: "ann".into(), uid: Some(1000), pid: None };
    Fact::StopRequested { id: "s1".into(), mode: Mode::Ladder, by, reason: "it loops".into() }
}

fn recorded() -> Home {
    let home = Home::new();
    write(&place(&home), "r-1", stop());
    write(&place(&home), "r-2", Fact::Warned { what: "ten minutes left".into() });
    home
}

#[test]
fn an_empty_log_says_where_it_will_be_and_what_will_be_in_it() {
    let home = Home::new();
    for args in [&["audit"][..], &["audit", "--run", "x"], &["audit", "verify"]] {
        let text = home.ok(args);
        assert!(text.contains(".local/state/redkey/audit.jsonl") && text.contains("each stop"), "{text}");
    }
    assert_eq!(home.ok(&["audit", "--json"]), "");
    assert!(!place(&home).exists());
}

#[test]
fn a_line_says_when_who_and_why() {
    let home = recorded();
    let text = home.ok(&["audit"]);
    assert!(
        text.starts_with("2023-11-14 22:13:20  r-1  stop asked for by screen, ann (uid 1000): \"it loops\"\n"),
        "{text}"
    );
    assert_eq!(text.lines().count(), 2);
    assert_eq!(home.ok(&["audit", "--run", "r-2"]).lines().count(), 1);
    let record: serde_json::Value = home.json(&["audit", "--run", "r-1", "--json"]);
    assert_eq!((&record["seq"], &record["fact"]["type"]), (&1.into(), &"stop_requested".into()));
    for name in ["r-9", "r-"] {
        assert_eq!(home.run(&["audit", "--run", name]).status.code(), Some(1));
    }
}

#[test]
fn verify_tells_an_intact_log_from_a_changed_one() {
    let home = recorded();
    let text = home.ok(&["audit", "verify"]);
    assert!(
        text.contains("records  2") && text.contains("\nintact") && text.contains("keep the head elsewhere"),
        "{text}"
    );
    let report: serde_json::Value = home.json(&["audit", "verify", "--json"]);
    let head = report["head"].as_str().expect("a head");
    write(&place(&home), "r-1", stop());
    assert!(home.ok(&["audit", "verify", "--head", head]).contains("nothing up to it has changed"));
    assert_eq!(home.run(&["audit", "verify", "--head", &"0".repeat(64)]).status.code(), Some(4));
    assert_eq!(home.run(&["audit", "verify", "--head", "xyz"]).status.code(), Some(1));

    let changed = std::fs::read_to_string(place(&home)).expect("a log").replacen("it loops", "no loops", 1);
    std::fs::write(place(&home), changed).expect("written");
    let output = home.run(&["audit", "verify"]);
    assert_eq!(output.status.code(), Some(4));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("NOT INTACT") && text.contains("line 2:"), "{text}");
    std::fs::remove_file(place(&home)).expect("removed");
    assert_eq!(home.run(&["audit", "verify", "--head", head]).status.code(), Some(4));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let home = Home::new();
    let facts: Vec<Entry> = (0..3_000).map(|_| Entry { at: Stamp(1), run: None, fact: stop() }).collect();
    write_now(&place(&home), &facts, Duration::from_secs(60)).expect("written");
    let mut child =
        home.redkey().args(["audit"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
