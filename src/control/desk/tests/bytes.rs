//! Bytes that nobody should send.

use proptest::prelude::*;

use super::*;

#[test]
fn a_byte_at_a_time_is_a_request_too() {
    let mut scene = scene();
    let stream = scene.connect();
    let mut inbound = vec![];
    for byte in format!("{HELLO}{STOP}").bytes() {
        (&stream).write_all(&[byte]).expect("sent");
        inbound.extend(scene.settle());
    }
    assert_eq!(scene.answer(inbound), ["stop"]);
}

#[test]
fn rubbish_has_its_error_and_the_connection_goes_on() {
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let table: Vec<(Vec<u8>, i32)> = vec![
        (b"\0\0\0".to_vec(), code::PARSE),
        (b"\xff\xfe".to_vec(), code::PARSE),
        (b"{\"jsonrpc\":\"2.0\",\"id\":7,".to_vec(), code::PARSE),
        (deep.clone().into_bytes(), code::INVALID_REQUEST),
        (STATUS.trim().replace("\"status\"", &deep).into_bytes(), code::INVALID_REQUEST),
        (STOP.trim().replace("\"i\"", &deep).into_bytes(), code::INVALID_PARAMS),
        (STOP.trim().replace("\"i\"", "1e400").into_bytes(), code::INVALID_PARAMS),
        (STOP.trim().replace("\"id\":2", "\"id\":2,\"id\":3").into_bytes(), code::INVALID_REQUEST),
        (STATUS.trim().replace("status", "reboot").into_bytes(), code::NO_METHOD),
        (STATUS.trim().replace("status", "ack").into_bytes(), code::INVALID_PARAMS),
    ];
    for (bytes, code) in table {
        let mut scene = scene();
        let stream = scene.saying(HELLO);
        scene.settle();
        (&stream).write_all(&bytes).expect("sent");
        (&stream).write_all(b"\r\n\n  \n").expect("sent");
        assert_eq!(scene.settle(), []);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        assert_eq!(error(&stream), (Some(code), false), "{shown}");
        (&stream).write_all(STOP.as_bytes()).expect("sent");
        let inbound = scene.settle();
        assert_eq!(scene.answer(inbound), ["stop"], "{shown}");
    }
}

#[test]
fn a_line_has_an_end() {
    for greeted in [true, false] {
        let mut scene = scene();
        let stream = scene.saying(if greeted { HELLO } else { "" });
        scene.settle();
        // As much as is taken, of what has no end.
        let mut sent = 0;
        while let Ok(n) = (&stream).write(&[b'x'; 8_192]) {
            sent += n;
            scene.settle();
            assert!(sent < limits::FRAME * 8, "it is read for ever");
        }
        assert!(sent > limits::FRAME);
        assert_eq!(error(&stream).0, Some(code::LIMIT));
        assert_eq!(scene.desk.connections(), 0);
    }
}

#[test]
fn notifications_are_neither_obeyed_nor_answered() {
    let mut scene = scene();
    let stream = scene.saying(&format!("{HELLO}{}", STOP.replace("\"id\":2,", "")));
    assert_eq!(scene.settle(), []);
    assert_eq!(error(&stream), (None, false));
}

#[test]
fn whoever_is_slow_is_dropped_in_its_time() {
    let mut scene = scene();
    let silent = scene.connect();
    let slow = scene.saying(HELLO);
    scene.settle();
    (&slow).write_all(b"{").expect("sent");
    scene.settle();
    assert_eq!(scene.desk.deadline(), Some(scene.now + limits::HELLO));
    scene.pass(limits::HELLO);
    scene.settle();
    assert!(heard(&silent).1, "it said no hello");
    assert!(!heard(&slow).1);
    // A byte a second doesn't make it quicker.
    for _ in 0..3 {
        scene.pass(Duration::from_secs(1));
        (&slow).write_all(b" ").expect("sent");
        assert!(!scene.settle().iter().any(|one| matches!(one, Inbound::Gone { .. })) || scene.now.as_secs() >= 6);
    }
    assert!(heard(&slow).1);
    assert_eq!(scene.desk.deadline(), None);
}

#[test]
fn an_idle_connection_stays() {
    let mut scene = scene();
    let stream = scene.saying(HELLO);
    scene.settle();
    scene.pass(Duration::from_secs(100_000));
    assert_eq!(scene.settle(), []);
    assert!(!heard(&stream).1);
}

#[test]
fn whoever_does_not_read_is_dropped_and_holds_up_nobody() {
    let mut scene = scene();
    let deaf = scene.saying(&format!("{HELLO}{}", STATUS.replace("status", "subscribe")));
    let inbound = scene.settle();
    scene.answer(inbound);
    let much = "x".repeat(10_000);
    let told = (0..1_000).take_while(|_| scene.desk.notify_all(To::Subscribed, "update", &much) == 1).count();
    assert!(told < 200, "{told} of 10 KB each are waiting");
    assert!(matches!(scene.settle()[..], [Inbound::Gone { .. }]));
    drop(deaf);
}

#[test]
fn calls_without_answer_are_counted() {
    let mut scene = scene();
    let stream = scene.saying(HELLO);
    scene.settle();
    for _ in 0..limits::OPEN_CALLS + 10 {
        (&stream).write_all(STATUS.as_bytes()).expect("sent");
    }
    let inbound = scene.settle();
    assert_eq!(inbound.len(), limits::OPEN_CALLS);
    assert_eq!(error(&stream), (Some(code::LIMIT), false));
    scene.answer(inbound);
    (&stream).write_all(STATUS.as_bytes()).expect("sent");
    assert_eq!(scene.settle().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_in_any_pieces_are_survived(greeted: bool, bytes: Vec<u8>, step in 1usize..64) {
        let mut scene = scene();
        let stream = scene.saying(if greeted { HELLO } else { "" });
        scene.settle();
        for chunk in bytes.chunks(step) {
            if (&stream).write_all(chunk).is_err() {
                break;
            }
            scene.settle();
        }
        let other = scene.saying(&format!("{HELLO}{STOP}"));
        let inbound = scene.settle();
        prop_assert_eq!(scene.answer(inbound), ["stop"]);
        prop_assert_eq!(error(&other), (None, false));
    }
}
