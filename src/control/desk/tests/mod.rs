//! Desks with real sockets. Time is an argument here, so nothing waits for a limit: the test says that it has passed.

mod bytes;
mod crowds;
mod place;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::testkit::{Room, patience, room};
use super::*;

pub const HELLO: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"hello\",\"params\":{\"proto\":\"1.0\",\"role\":\"operator\"}}\n";
pub const STATUS: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"status\"}\n";
pub const STOP: &str =
    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"stop\",\"params\":{\"interrupt_id\":\"i\",\"mode\":\"ladder\"}}\n";

pub fn hello(role: &str) -> String {
    HELLO.replace("operator", role)
}

/// A desk, and the time as it is told.
pub struct Scene {
    _room: Room,
    pub desk: Desk,
    pub now: Duration,
}

pub fn scene() -> Scene {
    let room = room();
    let desk = room.desk("r-1");
    Scene { _room: room, desk, now: Duration::from_secs(1) }
}

impl Scene {
    /// A connection that doesn't wait.
    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.desk.path()).expect("connected");
        stream.set_nonblocking(true).expect("a socket");
        stream
    }

    /// A connection that has said this.
    pub fn saying(&self, text: &str) -> UnixStream {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).expect("sent");
        stream
    }

    pub fn serve(&mut self) -> Vec<Inbound> {
        self.desk.serve(self.now)
    }

    /// Serves until nothing is ready.
    pub fn settle(&mut self) -> Vec<Inbound> {
        let mut found = vec![];
        for _ in 0..100_000 {
            let mut fds = self.desk.poll_fds();
            let ready = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("poll");
            if ready == 0 && self.desk.deadline().is_none_or(|at| at > self.now) {
                return found;
            }
            drop(fds);
            found.extend(self.serve());
        }
        panic!("it never comes to rest");
    }

    pub fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Answers every status and stop with true, and returns the methods of all calls.
    pub fn answer(&mut self, inbound: Vec<Inbound>) -> Vec<&'static str> {
        let mut names = vec![];
        for one in inbound {
            if let Inbound::Call { conn, id, call, .. } = one {
                names.push(match call {
                    Call::Status(_) => "status",
                    Call::Stop(_) => "stop",
                    _ => "other",
                });
                self.desk.reply(conn, id, Ok(true));
            }
        }
        names
    }
}

use rustix::event::poll;

/// What has arrived; the second: and then the end.
pub fn heard(stream: &UnixStream) -> (String, bool) {
    let mut bytes = vec![];
    let ended = (&mut &*stream).read_to_end(&mut bytes).is_ok();
    (String::from_utf8(bytes).expect("UTF-8"), ended)
}

fn errors(text: &str) -> Vec<i64> {
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    lines.filter_map(|line| line["error"]["code"].as_i64()).collect()
}

pub fn error(stream: &UnixStream) -> (Option<i32>, bool) {
    let (text, ended) = heard(stream);
    (errors(&text).last().map(|code| *code as i32), ended)
}

#[test]
fn a_call_is_answered_on_its_connection() {
    let mut scene = scene();
    let one = scene.saying(&format!("{HELLO}{STATUS}"));
    let two = scene.saying(&format!("{}{STATUS}", hello("watch")));
    let inbound = scene.settle();
    let roles: Vec<_> = inbound
        .iter()
        .map(|one| match one {
            Inbound::Call { role, id, peer, .. } => {
                assert_eq!((id, peer.pid), (&Id::Number(1), std::process::id()));
                *role
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(roles, [Role::Operator, Role::Watch]);
    assert_eq!(scene.desk.connections(), 2);
    assert_eq!(scene.answer(inbound), ["status", "status"]);
    for stream in [&one, &two] {
        let (text, ended) = heard(stream);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].contains("\"run\":\"r-1\"") && lines[0].contains("\"proto\":\"1.1\""), "{text}");
        assert_eq!(lines[1..], ["{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":true}"]);
        assert!(!ended);
    }
    drop(one);
    assert!(matches!(scene.settle()[..], [Inbound::Gone { .. }]));
    assert_eq!(scene.desk.connections(), 1);
}

#[test]
fn hello_decides_who_comes_in() {
    let table = [
        (HELLO.replace("1.0", "2.0"), code::VERSION),
        (HELLO.replace("1.0", "x"), code::VERSION),
        (HELLO.replace("\"1.0\",\"role\":\"operator\"", "\"9.0\",\"rank\":7"), code::VERSION),
        (HELLO.replace("operator", "king"), code::INVALID_PARAMS),
        (HELLO.replace("\"proto\"", "\"run\":\"r-2\",\"proto\""), code::UNKNOWN),
        (STATUS.into(), code::NO_HELLO),
        (STOP.into(), code::NO_HELLO),
        ("[]\n".into(), code::INVALID_REQUEST),
        ("GET / HTTP/1.1\r\n".into(), code::PARSE),
    ];
    for (text, code) in table {
        let mut scene = scene();
        let stream = scene.saying(&text);
        assert_eq!(scene.settle(), [], "{text}");
        assert_eq!(error(&stream), (Some(code), true), "{text}");
        assert_eq!(scene.desk.connections(), 0);
    }
    // A later minor version, and one's own name.
    let mut scene = scene();
    let stream = scene.saying(&HELLO.replace("1.0", "1.7").replace("\"role\"", "\"run\":\"r-1\",\"role\""));
    scene.settle();
    assert_eq!(error(&stream), (None, false));
    (&stream).write_all(HELLO.as_bytes()).expect("sent");
    scene.settle();
    assert_eq!(error(&stream), (Some(code::INVALID_REQUEST), false), "once is enough");
}

#[test]
fn descendants_of_the_run_are_no_operators_and_that_is_told() {
    let mut scene = scene();
    scene.desk.keep_out(&[std::process::id()]);
    let stream = scene.saying(&format!("{HELLO}{STOP}"));
    let watch = scene.saying(&format!("{}{STATUS}{STOP}", hello("watch")));
    let inbound = scene.settle();
    assert!(
        matches!(&inbound[..], [Inbound::Refused { peer, why }, Inbound::Call { call: Call::Status(_), .. }]
            if peer.pid == std::process::id() && why.as_str().contains("is part of the run")),
        "{inbound:?}"
    );
    assert_eq!(error(&stream), (Some(code::REFUSED), true));
    assert_eq!(error(&watch), (Some(code::REFUSED), false));
    // A flood of them doesn't fill the log.
    let told: usize = (0..100)
        .map(|_| {
            let _stream = scene.saying(HELLO);
            scene.settle().len()
        })
        .sum();
    assert_eq!(told, 15);
    scene.pass(Duration::from_secs(11));
    let _stream = scene.saying(HELLO);
    assert!(matches!(&scene.settle()[..], [Inbound::Refused { why, .. }] if why.as_str().contains("(85 more")));
}

#[test]
fn another_users_connection_is_closed_without_a_word() {
    let mut scene = scene();
    scene.desk.uid += 1;
    let stream = scene.saying(&format!("{HELLO}{STOP}"));
    assert!(matches!(&scene.settle()[..], [Inbound::Refused { why, .. }] if why.as_str().contains("is not user")));
    assert_eq!(heard(&stream).0, "");
}

#[test]
fn updates_follow_the_answer_to_subscribe() {
    let mut scene = scene();
    let subscribe = STATUS.replace("status", "subscribe");
    let one = scene.saying(&format!("{}{subscribe}", hello("watch")));
    let two = scene.saying(&hello("run"));
    let inbound = scene.settle();
    assert_eq!(scene.desk.notify_all(To::Subscribed, "update", &1), 0, "not before the answer");
    scene.answer(inbound);
    assert_eq!(scene.desk.notify_all(To::Subscribed, "update", &2), 1);
    assert_eq!(scene.desk.notify_all(To::Role(Role::Run), "interrupt", &3), 1);
    let (text, _) = heard(&one);
    assert!(text.ends_with("\"result\":true}\n{\"jsonrpc\":\"2.0\",\"method\":\"update\",\"params\":2}\n"), "{text}");
    assert!(heard(&two).0.ends_with("{\"jsonrpc\":\"2.0\",\"method\":\"interrupt\",\"params\":3}\n"));
}

#[test]
fn a_stop_is_heard_from_somebody_who_has_left() {
    let mut scene = scene();
    drop(scene.saying(&format!("{HELLO}{STATUS}{STATUS}{STATUS}{STATUS}{STATUS}{STOP}")));
    let inbound = scene.settle();
    assert_eq!(inbound.iter().filter(|one| matches!(one, Inbound::Call { call: Call::Stop(_), .. })).count(), 1);
    assert!(matches!(inbound.last(), Some(Inbound::Gone { .. })));
    scene.answer(inbound);
}

#[test]
fn whoever_has_said_all_still_gets_its_answers() {
    let mut scene = scene();
    let stream = scene.saying(&format!("{HELLO}{STATUS}"));
    stream.shutdown(std::net::Shutdown::Write).expect("half closed");
    let inbound = scene.settle();
    assert_eq!(inbound.len(), 1);
    scene.answer(inbound);
    let (text, ended) = heard(&stream);
    assert!(text.ends_with("\"result\":true}\n") && ended, "{text}");
    assert!(matches!(scene.settle()[..], [Inbound::Gone { .. }]));
}

#[test]
fn a_late_answer_to_somebody_gone_is_nothing() {
    let mut scene = scene();
    let stream = scene.saying(&format!("{HELLO}{STATUS}"));
    let inbound = scene.settle();
    drop(stream);
    assert!(matches!(scene.settle()[..], [Inbound::Gone { .. }]));
    scene.answer(inbound);
    assert!(!scene.desk.notify(1, "update", &1));
}

#[test]
fn patience_is_longer_than_any_limit() {
    assert!(patience() > limits::HELLO + limits::FRAME_TIME);
}
