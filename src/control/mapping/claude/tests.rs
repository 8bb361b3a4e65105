use std::path::Path;

use super::super::testkit::{Fake, Process};
use super::*;

const ID: ProcId = ProcId { pid: 7, start: 42 };
const SESSION: &str = "82f66e50-1cc4-4b78-848c-300b65eb0d4c";

fn claude(pid: u32) -> Process<'static> {
    Process { pid, comm: "claude", exe: "/x/claude", argv: &["claude"], ..Process::default() }
}

#[test]
fn a_note_counts_if_the_process_wrote_it() {
    let start = Some(Stamp(1_000_000));
    let table = [
        (r#"{"sessionId":"s","procStart":"42"}"#, true),
        (r#"{"sessionId":"s","procStart":42}"#, true),
        (r#"{"sessionId":"s","procStart":"43"}"#, false),
        (r#"{"sessionId":"s","procStart":"43","startedAt":1000100}"#, false),
        (r#"{"sessionId":"s","procStart":null,"startedAt":1000100}"#, true),
        (r#"{"sessionId":"s","startedAt":1000000}"#, true),
        (r#"{"sessionId":"s","startedAt":999999}"#, false),
        (r#"{"sessionId":"s","startedAt":1060001}"#, false),
        (r#"{"sessionId":"s","procStart":[1]}"#, false),
        (r#"{"sessionId":"s"}"#, false),
        (r#"{"sessionId":"","procStart":"42"}"#, false),
        (r#"{"procStart":"42"}"#, false),
    ];
    for (json, is_its) in table {
        let note: Note = serde_json::from_str(json).unwrap();
        assert_eq!(judge(&note, ID, start), is_its.then(|| "s".to_owned()), "{json}");
    }
    let by_time: Note = serde_json::from_str(r#"{"sessionId":"s","startedAt":1000000}"#).unwrap();
    assert_eq!(judge(&by_time, ID, None), None);
}

#[test]
fn the_note_is_found_where_the_process_keeps_its_files() {
    let fake = Fake::new();
    let id = fake.add(&claude(7));
    let note = |dir: &str, session: &str, start: u64| {
        fake.write(&format!("{dir}/sessions/7.json"), &format!(r#"{{"sessionId":"{session}","procStart":"{start}"}}"#))
    };
    assert!(fake.told().is_empty());
    note("home/.claude", "a", id.start + 1);
    assert!(fake.told().is_empty(), "of a process that had the number before");
    note("home/.claude", "a", id.start);
    assert_eq!(fake.told(), ["claude:a 7/7"]);
    assert!(fake.map()[0].how.as_str().ends_with(".claude/sessions/7.json"));
    // Another directory, by its own environment.
    let dir = fake.path("other").to_string_lossy().into_owned();
    fake.add(&Process { vars: &[("CLAUDE_CONFIG_DIR", &dir)], ..claude(7) });
    assert!(fake.told().is_empty());
    note("other", "b", id.start);
    assert_eq!(fake.told(), ["claude:b 7/7"]);
}

#[test]
fn in_a_namespace_of_its_own_it_knows_itself_by_another_number() {
    let fake = Fake::new();
    let id = fake.add(&claude(700));
    fake.write("proc/700/status", "Name:\tclaude\nNSpid:\t700\t3\n");
    fake.write("home/.claude/sessions/3.json", &format!(r#"{{"sessionId":"a","procStart":"{}"}}"#, id.start));
    assert_eq!(fake.told(), ["claude:a 700/700"]);
}

#[test]
fn without_a_note_its_directory_of_tasks_tells() {
    let fake = Fake::new();
    fake.add(&claude(7));
    let tasks = |session: &str| fake.path(&format!("tmp/claude-0/-p/{session}/tasks"));
    fake.hold_open(7, &tasks(SESSION));
    fake.hold_open(7, Path::new("/p/tasks"));
    assert_eq!(fake.told(), [format!("claude:{SESSION} 7/7")]);
    fake.hold_open(7, &tasks("3e0e7439-6595-48dd-b0f1-8cbac427ce02"));
    assert!(fake.told().is_empty());
}

#[test]
fn two_on_one_session_are_not_certain() {
    let fake = Fake::new();
    for pid in [7, 8] {
        let id = fake.add(&claude(pid));
        let note = format!(r#"{{"sessionId":"a","procStart":"{}"}}"#, id.start);
        fake.write(&format!("home/.claude/sessions/{pid}.json"), &note);
    }
    assert_eq!(fake.told(), vec!["claude:a ? processes 7 and 8 are on this session at once"; 2]);
    fake.remove(8);
    assert_eq!(fake.told(), ["claude:a 7/7"]);
}
