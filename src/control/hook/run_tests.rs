use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::*;
use crate::control::hook::testkit::{GARBAGE, GONE, HALF, NOTHING, Server};

const SESSION: &str = "e2692cf9-57ad-4745-8c8b-4094b4df4dc0";
const ROOM: Duration = Duration::from_secs(20);

fn input(event: &str) -> String {
    serde_json::json!({
        "session_id": SESSION, "transcript_path": "/t/s.jsonl", "cwd": "/p", "hook_event_name": event,
        "tool_name": "Bash", "tool_input": { "command": "git push" }, "tool_use_id": "toolu_1", "agent_id": "a1",
    })
    .to_string()
}

/// The other end of a standard input that has been written and closed.
fn stdin(text: impl AsRef<[u8]>) -> UnixStream {
    let (mut near, far) = UnixStream::pair().expect("a pair");
    let text = text.as_ref().to_owned();
    std::thread::spawn(move || near.write_all(&text));
    far
}

fn supervised(server: &Server) -> World {
    World { socket: Some(server.path().to_owned()), dirs: None, program: None, pid: None }
}

fn dirs(sockets: &Path) -> Dirs {
    let none = PathBuf::new();
    Dirs {
        home: none.clone(),
        config: none.clone(),
        state: none.clone(),
        cache: none,
        runtime: Some(sockets.to_owned()),
    }
}

/// Of a run that was not started by redkey.
fn attended(dir: &Path, program: Option<&Path>) -> World {
    World { socket: None, dirs: Some(dirs(dir)), program: program.map(Path::to_owned), pid: Some("4242".into()) }
}

fn hook(answer: &str) -> Vec<(&'static str, String)> {
    vec![("hook", answer.to_owned())]
}

fn result(answer: &str) -> String {
    format!("\"result\":{answer}")
}

fn ask_claude(event: &str, within: Duration, world: &World) -> Said {
    answer(Hooked::Claude, within, &mut stdin(input(event)), world)
}

#[test]
fn answers_come_through() {
    let table = [
        (r#"{"answer":"pass"}"#, "", 0),
        (r#"{"answer":"allow","why":"a person"}"#, "", 0),
        (r#"{"answer":"deny","why":"not now"}"#, "deny", 0),
        (r#"{"answer":"end","why":"stopped"}"#, "\"continue\":false", 0),
    ];
    for (reply, word, code) in table {
        let server = Server::start("r-1", hook(&result(reply)));
        let said = ask_claude("PreToolUse", ROOM, &supervised(&server));
        assert_eq!((said.stdout.contains(word), said.stdout.is_empty()), (true, word.is_empty()), "{said:?}");
        assert_eq!((said.code, said.stderr.as_str()), (code, ""));
    }
}

#[test]
fn what_is_asked_is_what_the_agent_told() {
    let server = Server::start("r-1", hook(&result(r#"{"answer":"pass"}"#)));
    ask_claude("PreToolUse", ROOM, &supervised(&server));
    let heard = server.heard();
    assert_eq!(heard.len(), 2);
    assert_eq!((&heard[0]["method"], &heard[0]["params"]["role"]), (&"hello".into(), &"hook".into()));
    assert_eq!(heard[0]["jsonrpc"], "2.0");
    let params = &heard[1]["params"];
    assert_eq!(
        (&params["agent"], &params["session"], &params["event"]),
        (&"claude".into(), &SESSION.into(), &"PreToolUse".into())
    );
    assert_eq!((&params["tool"], &params["input"]["command"]), (&"Bash".into(), &"git push".into()));
    assert_eq!((&params["call"], &params["branch"]), (&"toolu_1".into(), &"a1".into()));
    let deadline = params["deadline_ms"].as_i64().expect("a number");
    assert!((10_000..=19_500).contains(&deadline), "{deadline}");
}

#[test]
fn every_failure_is_a_refusal() {
    let table = [
        (GONE, "closed the connection"),
        (HALF, "closed the connection"),
        ("\"result\":{\"answer\":\"perhaps\"}", "can't be read"),
        ("\"result\":null", "can't be read"),
        ("\"nothing\":1", "can't be read"),
        ("\"error\":{\"code\":-32004,\"message\":\"the meter is not there\"}", "the meter is not there"),
    ];
    for (reply, word) in table {
        let server = Server::start("r-1", hook(reply));
        for (agent, event) in
            [(Hooked::Claude, "PreToolUse"), (Hooked::Codex, "PreToolUse"), (Hooked::Gemini, "BeforeTool")]
        {
            let said = answer(agent, ROOM, &mut stdin(input(event)), &supervised(&server));
            assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{reply}");
            assert!(said.stderr.contains(word) && said.stderr.lines().count() == 1, "{reply}: {}", said.stderr);
        }
    }
    for reply in [GONE, "\"error\":{\"code\":-32001,\"message\":\"no common version\"}"] {
        let server = Server::start("r-1", vec![("hello hook", reply.to_owned())]);
        assert_eq!(ask_claude("PreToolUse", ROOM, &supervised(&server)).code, 2);
    }
}

#[test]
fn a_gate_that_nobody_answers_is_a_denial() {
    let server = Server::start("r-1", hook(NOTHING));
    let said = ask_claude("PreToolUse", Duration::from_millis(60), &supervised(&server));
    assert!(said.code == 0 && said.stdout.contains("\"permissionDecision\":\"deny\""), "{said:?}");
    let said = answer(Hooked::Codex, Duration::from_millis(60), &mut stdin(input("PreToolUse")), &supervised(&server));
    assert!(said.code == 2 && said.stderr.contains("in time"), "{said:?}");
    let garbage = Server::start("r-1", hook(GARBAGE));
    let said = ask_claude("PreToolUse", Duration::from_millis(60), &supervised(&garbage));
    assert!(said.stdout.contains("\"permissionDecision\":\"deny\""), "{said:?}");
    // After a call there is nothing to refuse.
    let said = ask_claude("PostToolUse", Duration::from_millis(60), &supervised(&server));
    assert!(said.code == 0 && said.stdout.is_empty() && said.stderr.contains("in time"), "{said:?}");
}

#[test]
fn what_the_agent_tells_is_bounded() {
    let server = Server::start("r-1", hook(&result(r#"{"answer":"pass"}"#)));
    let world = supervised(&server);
    let told = |bytes: Vec<u8>| answer(Hooked::Claude, ROOM, &mut stdin(bytes), &world);
    for bytes in [vec![], b"{".to_vec(), b"\xff\xfe".to_vec(), vec![b'['; 100_000], vec![b' '; MOST + 1]] {
        let said = told(bytes);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.stderr);
    }
    // A standard input that never ends.
    let (_near, mut far) = UnixStream::pair().expect("a pair");
    let said = answer(Hooked::Claude, Duration::from_millis(30), &mut far, &world);
    assert!(said.code == 2 && said.stderr.contains("in time"), "{said:?}");
    assert_eq!(server.heard(), [] as [serde_json::Value; 0]);
}

#[test]
fn a_supervised_run_whose_supervisor_is_gone_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let world =
        World { socket: Some(dir.path().join("r-1.sock")), ..attended(dir.path(), Some(Path::new("/bin/true"))) };
    let said = ask_claude("PreToolUse", ROOM, &world);
    assert!(said.code == 2 && said.stderr.contains("the supervisor of this run: nobody listens"), "{said:?}");
}

#[test]
fn an_attended_run_is_found_by_its_session() {
    let server = Server::start("h-claude-e2692cf9", hook(&result(r#"{"answer":"deny","why":"no"}"#)));
    let said = ask_claude("PreToolUse", ROOM, &attended(server.dir(), Some(Path::new("/nowhere"))));
    assert!(said.stdout.contains("deny"), "{said:?}");
}

/// A `redkey` that does what the script says.
fn program(dir: &Path, script: &str) -> PathBuf {
    let path = dir.join("redkey");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("mode");
    path
}

#[test]
fn whoever_comes_first_starts_the_attendance_and_the_others_find_it() {
    let server = Server::start("hidden", hook(&result(r#"{"answer":"deny","why":"no"}"#)));
    let dir = server.dir();
    let tools = tempfile::tempdir().expect("a directory");
    let script = format!(
        "cd '{0}' && echo \"$@\" >> starts && mv hidden.sock h-claude-e2692cf9.sock && echo ready && exec sleep 0",
        dir.display()
    );
    let world = attended(dir, Some(&program(tools.path(), &script)));
    let said: Vec<Said> = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| ask_claude("PreToolUse", ROOM, &world))).collect();
        asking.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert!(said.iter().all(|said| said.code == 0 && said.stdout.contains("deny")), "{said:?}");
    let starts = fs::read_to_string(dir.join("starts")).expect("started");
    assert_eq!(
        starts,
        format!("attend --agent claude --session {SESSION} --transcript /t/s.jsonl --pid 4242\n"),
        "once, with what it has to know"
    );
}

#[test]
fn an_attendance_that_does_not_start_is_a_refusal() {
    let tools = tempfile::tempdir().expect("a directory");
    let dir = tools.path().join("run/redkey");
    let table = [
        ("exit 1", "ended before"),
        ("echo hello", "ended before"),
        ("echo ready", "is ready, but nobody listens"),
        ("head -c 9000 /dev/zero; exec cat", "something else"),
    ];
    for (script, word) in table {
        let world = attended(&dir, Some(&program(tools.path(), script)));
        let said = ask_claude("PreToolUse", ROOM, &world);
        assert!(said.code == 2 && said.stderr.contains(word), "{script}: {said:?}");
    }
    let said = ask_claude("PreToolUse", ROOM, &attended(&dir, Some(Path::new("/nowhere/redkey"))));
    assert!(said.code == 2 && said.stderr.contains("can't be started"), "{said:?}");
    assert_eq!(fs::metadata(&dir).expect("made").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_directory_that_others_can_enter_is_not_used() {
    let server = Server::start("h-claude-e2692cf9", hook(&result(r#"{"answer":"pass"}"#)));
    fs::set_permissions(server.dir(), fs::Permissions::from_mode(0o755)).expect("mode");
    let said = ask_claude("PreToolUse", ROOM, &attended(server.dir(), None));
    assert!(said.code == 2, "{said:?}");
}
