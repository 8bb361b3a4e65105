//! `opencode serve`: requests and answers.

use crate::control::coop::opencode::*;
use crate::domain::time::Stamp;

#[test]
fn requests_are_what_a_server_reads() {
    let access = Access {
        address: ([127, 0, 0, 1], 4096).into(),
        login: Some(("opencode".into(), "pass".into())),
        since: Stamp(0),
    };
    let bytes = access.request("POST", "/session/a/abort");
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "POST /session/a/abort HTTP/1.1\r\nHost: 127.0.0.1:4096\r\nConnection: close\r\nAccept: application/json\r\n\
         Authorization: Basic b3BlbmNvZGU6cGFzcw==\r\nContent-Length: 0\r\n\r\n"
    );
}

#[test]
fn base64_pads() {
    for (user, word, text) in [("a", "", "YTo="), ("a", "b", "YTpi"), ("ab", "c", "YWI6Yw==")] {
        let access =
            Access { address: ([127, 0, 0, 1], 1).into(), login: Some((user.into(), word.into())), since: Stamp(0) };
        let request = String::from_utf8(access.request("GET", "/")).unwrap();
        assert!(request.contains(&format!("Basic {text}\r\n")), "{request}");
    }
}

#[test]
fn who_may_ask_stands_in_the_environment() {
    let of = |pairs: &'static [(&str, &str)]| {
        login(move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    };
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[("OPENCODE_SERVER_USERNAME", "u"), ("OPENCODE_SERVER_PASSWORD", "")]), None);
    assert_eq!(of(&[("OPENCODE_SERVER_PASSWORD", "p")]), Some(("opencode".into(), "p".into())));
    let both = &[("OPENCODE_SERVER_PASSWORD", "p"), ("OPENCODE_SERVER_USERNAME", "u")];
    assert_eq!(of(both), Some(("u".into(), "p".into())));
}

#[test]
fn a_name_from_the_server_can_not_leave_its_place() {
    let mut exchange = Exchange::new(Stamp(0));
    assert_eq!(exchange.next_request(), Some(("GET", "/experimental/session".into())));
    exchange.answered(200, br#"[{"id":"a/../x\r\nEvil: 1","directory":"/d&e"}]"#);
    assert_eq!(exchange.next_request(), Some(("GET", "/session/status?directory=%2Fd%26e".into())));
    exchange.answered(404, b"");
    let abort = "/session/a%2F..%2Fx%0D%0AEvil%3A%201/abort?directory=%2Fd%26e";
    assert_eq!(exchange.next_request(), Some(("POST", abort.into())));
    exchange.answered(200, b"true");
    assert_eq!(exchange.next_request(), None);
    assert_eq!(exchange.outcome(), Outcome { found: 1, aborted: 1, idle: false }, "idle is not known");
}

#[test]
fn a_server_that_says_nothing_sensible_is_left() {
    let mut exchange = Exchange::new(Stamp(0));
    for _ in 0..2 {
        exchange.next_request().unwrap();
        exchange.answered(500, b"<html>");
    }
    assert_eq!(exchange.next_request(), None);
    assert_eq!((exchange.outcome(), exchange.refused()), (Outcome::default(), Some(500)));
}

#[test]
fn a_server_at_rest_is_idle() {
    let mut exchange = Exchange::new(Stamp(0));
    exchange.next_request().unwrap();
    exchange.answered(200, br#"[{"id":"a","directory":"/d"},{"id":"b","directory":"/d"}]"#);
    exchange.next_request().unwrap();
    exchange.answered(200, b"{}");
    assert_eq!(exchange.next_request(), None);
    assert_eq!(exchange.outcome(), Outcome { found: 0, aborted: 0, idle: true });
}

#[test]
fn a_session_that_stays_busy_is_asked_about_a_bounded_number_of_times() {
    let mut exchange = Exchange::new(Stamp(0));
    let mut requests = 0;
    while let Some((method, target)) = exchange.next_request() {
        requests += 1;
        let body: &[u8] = match (method, target.contains("status")) {
            ("POST", _) => b"true",
            (_, true) => br#"{"a":{"type":"busy"}}"#,
            _ => br#"[{"id":"a","directory":"/d"}]"#,
        };
        exchange.answered(200, body);
        assert!(requests < 1_000);
    }
    assert_eq!(exchange.outcome(), Outcome { found: 1, aborted: 1, idle: false });
}

#[test]
fn answers_are_read_in_any_parts() {
    let table: [(&[u8], u16, &[u8]); 4] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue", 200, b"true"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ntr\r\n2;x=y\r\nue\r\n0\r\n\r\n", 200, b"true"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.0 404 Not Found\r\nx: y\r\n\r\nno", 404, b"no"),
    ];
    for (bytes, status, body) in table {
        assert_eq!(read_answer(bytes, true), Ok(Need::Nothing(status, body.to_vec())));
        for cut in 0..bytes.len() {
            assert!(read_answer(&bytes[..cut], false).is_ok(), "{cut}");
        }
    }
    for bad in [&b"SSH-2.0\r\n\r\n"[..], b"HTTP/1.1 x\r\n\r\n", b"HTTP/1.1 200\r\ncontent-length: -1\r\n\r\n", b""] {
        assert_eq!(read_answer(bad, true), Err(BadAnswer));
    }
    let huge = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n";
    assert_eq!(read_answer(huge, false), Err(BadAnswer));
}
#[test]
fn only_what_has_changed_since_the_start_is_asked_about() {
    let mut exchange = Exchange::new(Stamp(100));
    exchange.next_request().unwrap();
    let sessions = br#"[{"id":"a","directory":"/old","time":{"updated":99}},{"id":"b","directory":"/new","time":{"updated":100}}]"#;
    exchange.answered(200, sessions);
    assert_eq!(exchange.next_request(), Some(("GET", "/session/status?directory=%2Fnew".into())));
}
