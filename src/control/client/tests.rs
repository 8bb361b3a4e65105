use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use super::*;
use crate::control::desk::testkit::{answering, patience, room};
use crate::control::desk::{Inbound, To};
use crate::control::protocol::Metered;
use crate::control::words::{AtZero, Mode};
use crate::domain::time::{Span, Stamp};

fn status(run: &str, label: &str, sessions: &[&str]) -> Status {
    Status {
        run: Text::new(run),
        label: Text::new(label),
        command: Text::new("agent"),
        cwd: Text::new("/"),
        started: Stamp(0),
        leader: None,
        supervisor: None,
        guardian: None,
        grade: None,
        grade_why: Text::default(),
        at_zero: AtZero::Stop,
        alive: 1,
        stop: None,
        meter: true,
        metered: Metered { sessions: sessions.iter().map(|id| Text::new(id)).collect(), ..Metered::default() },
        audit_degraded: false,
    }
}

fn press() -> StopCall {
    StopCall { interrupt_id: Text::new("i"), mode: Mode::Now, reason: Text::default(), by: Text::default() }
}

#[test]
fn runs_are_found_by_name_label_and_session() {
    let room = room();
    let mut served = vec![];
    for (name, label, sessions) in [
        ("r-1", "nightly", vec!["claude:0f3a-11", "claude:77"]),
        ("r-2", "nightly", vec!["codex:0f3b"]),
        ("nightly-2", "0f3a", vec![]),
    ] {
        let status = status(name, label, &sessions);
        served.push(answering(room.desk(name), move |desk, inbound| {
            if let Inbound::Call { conn, id, .. } = inbound {
                desk.reply(*conn, id.clone(), Ok(&status));
            }
        }));
    }
    drop(UnixListener::bind(room.dir.socket_path("r-9").expect("fits")).expect("bound"));

    let all = survey(&room.dir);
    let names = |found: Vec<(String, Status)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert!(matches!(&all.silent[..], [(name, ClientError::NotThere)] if name == "r-9"), "{:?}", all.silent);
    let table: [(&str, &[&str]); 12] = [
        ("r-1", &["r-1"]),
        ("r-", &[]),
        ("nightly", &["r-1", "r-2"]),
        ("nightly-2", &["nightly-2"]),
        ("claude:0f3a", &["r-1"]),
        ("0f3", &["r-1", "r-2"]),
        ("0f3a", &["nightly-2", "r-1"]),
        ("codex:", &["r-2"]),
        ("claude", &[]),
        ("77", &["r-1"]),
        ("f3a", &[]),
        ("", &[]),
    ];
    for (wanted, expected) in table {
        assert_eq!(names(all.matching(wanted)), expected, "{wanted}");
    }
    assert_eq!(names(find(&room.dir, "77")), ["r-1"]);
}

#[test]
fn a_run_that_hangs_costs_a_second_and_no_more() {
    let room = room();
    let _hangs: Vec<_> = ["r-1", "r-2", "r-3"]
        .map(|name| UnixListener::bind(room.dir.socket_path(name).expect("fits")).expect("bound"))
        .into();
    let began = clock::elapsed();
    let found = survey(&room.dir);
    assert!(clock::elapsed() - began < Duration::from_secs(3));
    assert!(found.runs.is_empty());
    assert_eq!(found.silent.iter().filter(|(_, why)| matches!(why, ClientError::Timeout)).count(), 3);
}

#[test]
fn every_way_to_fail_has_its_name() {
    let room = room();
    let path = |name: &str| room.dir.socket_path(name).expect("fits");
    let nobody = Client::connect(&path("r-0"), Role::Watch, patience()).expect_err("nobody");
    assert!(matches!(nobody, ClientError::NotThere));

    let _hangs = UnixListener::bind(path("r-1")).expect("bound");
    let slow = Client::connect(&path("r-1"), Role::Watch, Duration::from_millis(20)).expect_err("no answer");
    assert!(matches!(slow, ClientError::Timeout));

    let (_calls, served) = answering(room.desk("r-2"), |desk, inbound| {
        if let Inbound::Call { conn, id, .. } = inbound {
            desk.reply::<()>(*conn, id.clone(), Err(RpcError::new(code::NO_METER, "no meter")));
        }
    });
    let mut client = room.client("r-2", Role::Watch);
    assert_eq!(client.welcome().run.as_str(), "r-2");
    assert!(matches!(client.status(), Err(ClientError::Rpc { code: code::NO_METER, .. })));
    assert!(matches!(client.stop(press()), Err(ClientError::Refused(_))));
    let grant = GrantCall { amount_ms: Span::mins(5), reason: Text::default(), by: Text::default(), other: None };
    assert!(matches!(room.client("r-2", Role::Operator).grant(grant), Err(ClientError::Rpc { .. })));
    served.end();
    assert!(matches!(client.status(), Err(ClientError::Gone)));
    assert!(matches!(client.next_update(patience()), Err(ClientError::Gone)));
}

#[test]
fn another_version_is_named() {
    let room = room();
    let path = room.dir.socket_path("r-1").expect("fits");
    for (line, expected) in [
        (r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32001,"message":"no common version"}}"#, "no common version"),
        (r#"{"jsonrpc":"2.0","id":0,"result":{"proto":"2.0","run":"","boot_id":"","server":""}}"#, "`2.0`"),
    ] {
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).expect("bound");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accepted");
            stream.read_exact(&mut [0; 10]).expect("hello");
            writeln!(stream, "{line}").expect("sent");
            // Its end is awaited: closing with unread bytes would take the answer back.
            let _ = stream.read_to_end(&mut vec![]);
        });
        match Client::connect(&path, Role::Watch, patience()) {
            Err(ClientError::Version(why)) => assert!(why.as_str().contains(expected), "{why}"),
            other => panic!("{other:?}"),
        }
        server.join().expect("no panic");
    }
}

#[test]
fn updates_come_in_order_and_between_answers() {
    let room = room();
    let (_calls, served) = answering(room.desk("r-1"), move |desk, inbound| {
        let Inbound::Call { conn, id, call, .. } = inbound else { return };
        let snapshot = |seq| Snapshot { seq, status: status("r-1", "", &[]) };
        match call {
            Call::Subscribe(_) => {
                desk.reply(*conn, id.clone(), Ok(snapshot(7)));
                for seq in 8..10 {
                    desk.notify_all(To::Subscribed, "update", &snapshot(seq));
                }
            }
            _ => {
                desk.notify_all(To::Subscribed, "update", &snapshot(10));
                desk.reply(*conn, id.clone(), Ok(status("r-1", "", &[])));
            }
        }
    });
    let mut client = room.client("r-1", Role::Watch);
    assert_eq!(client.subscribe().expect("a snapshot").seq, 7);
    assert_eq!(client.status().expect("a status").run.as_str(), "r-1");
    for seq in 8..=10 {
        assert_eq!(client.next_update(patience()).expect("open").map(|update| update.seq), Some(seq));
    }
    assert!(client.next_update(Duration::ZERO).expect("open").is_none());
    served.end();
}

#[test]
fn a_stop_that_is_crowded_out_is_said_again() {
    let room = room();
    let path = room.dir.socket_path("r-1").expect("fits");
    let listener = UnixListener::bind(&path).expect("bound");
    let server = std::thread::spawn(move || {
        // Closed at once, twice; then there is room.
        for _ in 0..2 {
            drop(listener.accept().expect("accepted"));
        }
        let (mut stream, _) = listener.accept().expect("accepted");
        stream.read_exact(&mut [0; 10]).expect("hello");
        let welcome = r#"{"proto":"1.0","run":"","boot_id":"","server":""}"#;
        let stop =
            r#"{"id":"i","mode":"now","phase":"requested","by":{"by":""},"at":0,"rungs":[],"alive":1,"receipt":null}"#;
        writeln!(stream, "{{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{welcome}}}").expect("sent");
        writeln!(stream, "{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{stop}}}").expect("sent");
        let _ = stream.read_to_end(&mut vec![]);
    });
    assert_eq!(stop(&path, &press(), patience()).expect("a stop").0.id.as_str(), "i");
    server.join().expect("no panic");
}
