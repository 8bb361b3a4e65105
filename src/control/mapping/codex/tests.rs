use super::super::testkit::{Fake, Process, told};
use super::*;

fn meta(id: &str, rest: &str) -> String {
    format!(r#"{{"timestamp":"2026-11-24T17:19:54.806Z","type":"session_meta","payload":{{"id":"{id}"{rest}}}}}"#)
        + "\n"
}

#[test]
fn the_first_line_names_the_root() {
    let spawned = r#","source":{"subagent":{"thread_spawn":{"parent_thread_id":"p","depth":1}}}"#;
    let table = [
        (meta("a", ""), Some("a")),
        (meta("a", r#","session_id":"r","source":"exec""#), Some("r")),
        (meta("a", spawned), Some("p")),
        (meta("a", r#","parent_thread_id":"q""#), Some("q")),
        (meta("a", r#","session_id":"r","parent_thread_id":"q""#), Some("r")),
        (meta("", ""), None),
        (r#"{"type":"session_meta","payload":{}}"#.to_owned(), None),
        ("{".to_owned(), None),
        (String::new(), None),
    ];
    for (line, expected) in table {
        assert_eq!(root(line.as_bytes()).as_deref(), expected, "{line}");
    }
}

#[test]
fn one_run_is_certain_and_several_are_not() {
    let id = ProcId { pid: 7, start: 1 };
    let rollout = |root: Option<&str>| Rollout { path: "/r".into(), root: root.map(str::to_owned) };
    let table: &[(&[Option<&str>], &[&str])] = &[
        (&[], &[]),
        (&[Some("a")], &["codex:a 7/7"]),
        (&[Some("a"), Some("a")], &["codex:a 7/7"]),
        (&[None], &[]),
        (&[Some("a"), None], &["codex:a ? /r can't be read"]),
        (
            &[Some("a"), Some("b")],
            &[
                "codex:a ? process 7 carries 2 sessions, a stop would end them all",
                "codex:b ? process 7 carries 2 sessions, a stop would end them all",
            ],
        ),
    ];
    for (roots, expected) in table {
        assert_eq!(told(&judge(id, &roots.iter().map(|root| rollout(*root)).collect())), *expected, "{roots:?}");
    }
}

#[test]
fn rollouts_that_are_held_open_are_read() {
    let fake = Fake::new();
    fake.add(&Process { pid: 7, comm: "codex", exe: "/x/codex", argv: &["codex", "exec"], ..Process::default() });
    let rollout =
        |id: &str, rest: &str| fake.write(&format!("home/.codex/sessions/rollout-{id}.jsonl"), &meta(id, rest));
    let (own, subagent) = (rollout("a", ""), rollout("b", r#","session_id":"a""#));
    rollout("c", "");
    assert!(fake.told().is_empty());
    fake.hold_open(7, &own);
    fake.hold_open(7, &subagent);
    fake.hold_open(7, &fake.path("home/.codex/state.sqlite"));
    assert_eq!(fake.told(), ["codex:a 7/7"]);
    fake.add(&Process { pid: 8, parent: 7, comm: "codex", exe: "/x/codex", argv: &["codex"], ..Process::default() });
    assert_eq!(fake.told(), ["codex:a 7/7"], "another one without a session changes nothing");
}
