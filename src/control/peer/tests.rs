use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use super::*;
use crate::control::protocol::{Ack, GateAnswer, GateAsk, GrantCall, Hello, HookCall, Nothing, Raw, StopCall, Why};
use crate::control::words::Mode;
use crate::domain::event::Agent;
use crate::domain::time::Span;

fn calls() -> Vec<(&'static str, Call)> {
    let grant = || GrantCall { amount_ms: Span::mins(1), reason: Text::default(), by: Text::default(), other: None };
    let text = Text::default;
    let raw = Raw(serde_json::value::RawValue::NULL.to_owned());
    let hello = Hello { proto: text(), role: Role::Watch, run: None, capabilities: vec![] };
    let stop = StopCall { interrupt_id: text(), mode: Mode::Now, reason: text(), by: text() };
    let answer = GateAnswer { gate: text(), allow: true, reason: text(), by: text() };
    let hook = HookCall {
        agent: Agent::Claude,
        session: text(),
        event: text(),
        tool: None,
        input: None,
        call: None,
        branch: None,
        deadline_ms: Span::secs(1),
    };
    vec![
        ("", Call::Hello(hello)),
        ("owrh", Call::Status(Nothing {})),
        ("ow", Call::Subscribe(Nothing {})),
        ("o", Call::Stop(stop)),
        ("r", Call::Ack(Ack { interrupt_id: text(), idle: false })),
        ("r", Call::Event(Box::new(raw))),
        ("o", Call::Grant(grant())),
        ("o", Call::Take(grant())),
        ("ow", Call::GateList(Nothing {})),
        ("o", Call::GateAnswer(answer)),
        ("or", Call::GateAsk(GateAsk { text: text() })),
        ("h", Call::Hook(hook)),
        ("o", Call::Release(Why::default())),
    ]
}

#[test]
fn every_role_may_do_what_it_is_for_and_nothing_else() {
    let roles = [(Role::Operator, 'o'), (Role::Watch, 'w'), (Role::Run, 'r'), (Role::Hook, 'h')];
    for (allowed, call) in calls() {
        for (role, letter) in roles {
            assert_eq!(may(role, &call), allowed.contains(letter), "{role:?} {call:?}");
        }
    }
}

#[test]
fn another_user_is_nobody() {
    assert!(may_connect(1000, 1000).is_ok());
    for (peer, own) in [(1001, 1000), (0, 1000), (1000, 0), (u32::MAX, 0)] {
        let why = may_connect(peer, own).expect_err("refused");
        assert!(why.as_str().contains(&format!("user {peer}")));
    }
}

#[test]
fn marks_are_whole_names_and_values() {
    let environ = b"PATH=/bin\0CLAUDECODE=1\0NOT_GEMINI_CLI=1\0GEMINI_CLI_X=1\0QWEN_CODE=\0X=REDKEY_RUN=1\0";
    assert_eq!(mark(environ, &["CLAUDECODE=1"]), Some("CLAUDECODE=1"));
    assert_eq!(mark(environ, &["CLAUDECODE=", "CLAUDECODE=11", "GEMINI_CLI", "REDKEY_RUN", "PATH=/"]), None);
    assert_eq!(mark(environ, &["QWEN_CODE"]), Some("QWEN_CODE"));
    assert_eq!(mark(b"", MARKS), None);
}

/// This process, which is the peer of its own socket.
fn this() -> Peer {
    let (a, _b) = UnixStream::pair().expect("sockets");
    Peer::of(&a).expect("credentials")
}

#[test]
fn a_connection_tells_who_opened_it() {
    let peer = this();
    assert_eq!((peer.pid, peer.uid), (std::process::id(), crate::control::dir::own_uid()));
    assert!(peer.start.is_some() && !peer.name.is_empty());
    let line = lineage(&peer).map_err(|_| ()).expect("a line");
    let pids: Vec<u32> = line.iter().map(|id| id.pid).collect();
    assert_eq!(pids[..2], [std::process::id(), std::os::unix::process::parent_id()]);
}

#[test]
fn descendants_of_a_run_are_no_operators() {
    let peer = this();
    assert_eq!(may_operate(&peer, &[], &[], &mut Known::default()), Ok(()));
    assert_eq!(may_operate(&peer, &[u32::MAX], &[], &mut Known::default()), Ok(()));
    let refused = |kept: u32| may_operate(&peer, &[kept], &[], &mut Known::default()).expect_err("refused").to_string();
    assert!(refused(peer.pid).contains("is part of the run"));
    assert!(refused(std::os::unix::process::parent_id()).contains("descends from the run"));
}

#[test]
fn a_mark_in_the_environment_counts_and_so_does_one_that_cant_be_read() {
    let mut child = Command::new("cat")
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("CODEX_THREAD_ID", "x")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cat");
    // It answers, so its program runs and the environment is its own.
    let (mut to, mut from) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
    std::io::Write::write_all(&mut to, b"x").expect("alive");
    std::io::Read::read_exact(&mut from, &mut [0]).expect("alive");

    let read = stat::read(child.id()).expect("alive");
    let peer = Peer { pid: child.id(), uid: 0, start: Some(read.start), name: read.name };
    assert_eq!(may_operate(&peer, &[], &["REDKEY_RUN"], &mut Known::default()), Ok(()));
    let why = may_operate(&peer, &[], MARKS, &mut Known::default()).expect_err("marked").to_string();
    assert!(why.contains("CODEX_THREAD_ID"), "{why}");

    let other = Peer { start: peer.start.map(|start| start + 1), ..peer.clone() };
    assert!(may_operate(&other, &[], &[], &mut Known::default()).is_err(), "the number is another process's now");
    drop(to);
    std::io::Read::read_to_end(&mut from, &mut vec![]).expect("its end");
    child.wait().expect("its end");
    let why = may_operate(&peer, &[], &[], &mut Known::default()).expect_err("gone").to_string();
    assert!(why.contains("can't be looked at") || why.contains("is gone"), "{why}");
    assert!(may_operate(&Peer { pid: 0, ..peer }, &[], &[], &mut Known::default()).is_err());
}

/// `cat`, below a shell with this environment, with its own cleared.
fn below(name: &str) -> (std::process::Child, Peer) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "env -i cat; :"]).env(name, "r-9").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = shell.spawn().expect("a shell");
    std::io::Write::write_all(child.stdin.as_mut().expect("a pipe"), b"x").expect("alive");
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut [0]).expect("alive");
    let pid = *crate::control::proc::children(child.id()).first().expect("cat");
    let read = stat::read(pid).expect("alive");
    (child, Peer { pid, uid: 0, start: Some(read.start), name: read.name })
}

#[test]
fn a_cleared_environment_does_not_hide_the_run_above() {
    for (name, refused) in [("REDKEY_RUN", true), ("REDKEY", false)] {
        let (mut child, peer) = below(name);
        let answer = may_operate(&peer, &[], MARKS, &mut Known::default());
        assert_eq!(answer.is_err(), refused, "{name}: {answer:?}");
        assert!(answer.err().is_none_or(|why| why.as_str().contains("descends from another run")));
        drop(child.stdin.take());
        child.wait().expect("its end");
    }
}
