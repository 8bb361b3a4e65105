use std::collections::HashSet;

use super::*;
use crate::control::protocol::{HookCall, Nothing};
use crate::domain::event::Agent;
use crate::domain::time::Span;

fn supervisor_and_meter() -> (Link<ToMeter, FromMeter>, Sender<FromMeter>, Receiver<ToMeter>) {
    let (a, b) = pair().expect("sockets");
    let (sender, receiver) = split(b).expect("a socket that waits");
    (Link::new(a).expect("a socket that doesn't"), sender, receiver)
}

fn pump_until(link: &mut Link<ToMeter, FromMeter>, count: usize) -> Vec<FromMeter> {
    let mut found = vec![];
    while found.len() < count && !link.is_gone() {
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(link.fd(), link.interest())];
        rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 })).expect("poll");
        assert!(!fds[0].revents().is_empty(), "nothing came");
        found.extend(link.pump());
    }
    found
}

fn asked(call: Call) -> ToMeter {
    let peer = Peer { pid: 7, uid: 1000, start: Some(99), name: Text::new("sh") };
    ToMeter::Call(Asked { conn: 3, id: Id::Text("a".into()), call, peer, role: Role::Hook })
}

#[test]
fn what_is_said_is_heard_on_both_ends() {
    let (mut link, sender, mut receiver) = supervisor_and_meter();
    let input = serde_json::value::RawValue::from_string("{\n \"command\": \"ls\\n\"\n}".into()).expect("JSON");
    let hook = HookCall {
        agent: Agent::Claude,
        session: Text::new("s"),
        event: Text::new("PreToolUse"),
        tool: Some(Text::new("Bash")),
        input: Some(Raw(input)),
        call: None,
        branch: None,
        deadline_ms: Span::secs(5),
    };
    let said = [
        asked(Call::Status(Nothing {})),
        ToMeter::Gone(3),
        ToMeter::Pids(vec![ProcId { pid: 1, start: 2 }]),
        ToMeter::Ended(Ended { code: Some(3), signal: None }),
    ];
    assert!(link.send(&asked(Call::Hook(hook))));
    let Some(ToMeter::Call(Asked { call: Call::Hook(heard), .. })) = receiver.recv() else { panic!("a hook's call") };
    assert_eq!(heard.input.map(|raw| raw.0.get().to_owned()).as_deref(), Some("{  \"command\": \"ls\\n\" }"));
    for message in &said {
        assert!(link.send(message));
        assert_eq!(receiver.recv().as_ref(), Some(message));
    }

    let answers = [
        FromMeter::Reply(Reply::new(3, Id::Number(-1), Ok(vec![1, 2]))),
        FromMeter::Reply(Reply::new::<()>(3, Id::Number(1), Err(RpcError::new(-1, "no")))),
        FromMeter::Metered(Box::new(Metered { budget_ms: Some(Span::mins(5)), ..Metered::default() })),
        FromMeter::Stop(StopAsk { mode: Mode::Ladder, reason: Text::new("at zero"), by: Text::new("clock") }),
    ];
    answers.iter().for_each(|message| sender.send(message).expect("open"));
    assert_eq!(pump_until(&mut link, 4), answers);
    drop(link);
    assert_eq!(receiver.recv(), None);
    // Closed: an error, not a signal.
    assert!((0..10).any(|_| sender.send(&answers[0]).is_err()));
}

#[test]
fn a_reply_without_result_is_null() {
    let reply: Reply = serde_json::from_str(r#"{"conn":1,"id":2}"#).expect("JSON");
    assert_eq!(reply.into_result().map(|raw| raw.0.get().to_owned()), Ok("null".into()));
}

#[test]
fn the_words_on_the_line_are_the_agreed_ones() {
    let word = |message: &ToMeter| String::from_utf8(wire::line(message)).expect("UTF-8").trim_end().to_owned();
    assert_eq!(word(&ToMeter::Gone(4)), r#"{"gone":4}"#);
    assert_eq!(word(&ToMeter::Ended(Ended { code: None, signal: Some(9) })), r#"{"ended":{"code":null,"signal":9}}"#);
    let call = r#"{"call":{"conn":3,"id":"a","call":{"method":"status","params":{}},"peer":{"pid":7,"uid":1000,"start":99,"name":"sh"},"role":"hook"}}"#;
    assert_eq!(word(&asked(Call::Status(Nothing {}))), call);
}

#[test]
fn a_meter_that_does_not_read_costs_messages_and_no_time() {
    let (mut link, _sender, mut receiver) = supervisor_and_meter();
    let message = ToMeter::Pids((0..2_000).map(|pid| ProcId { pid, start: 1 }).collect());
    let sent = (0..200).filter(|_| link.send(&message)).count();
    assert_eq!(link.dropped() as usize, 200 - sent);
    assert!(sent > 10 && sent < 200, "{sent} went through");
    // Nothing is torn: what was sent arrives whole, however it was cut.
    let reader = std::thread::spawn(move || (0..sent).map(|_| receiver.recv()).collect::<Vec<_>>());
    while !reader.is_finished() {
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(link.fd(), PollFlags::OUT)];
        rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 })).expect("poll");
        link.pump();
    }
    let received = reader.join().expect("no panic");
    assert!(received.iter().all(|one| one.as_ref() == Some(&message)));
}

#[test]
fn rubbish_on_the_line_is_counted_and_skipped() {
    let (a, b) = pair().expect("sockets");
    let mut link: Link<ToMeter, FromMeter> = Link::new(a).expect("a socket");
    let mut bytes = b"{}\n\nnot json\n{\"reply\":7}\n\xff\n".to_vec();
    bytes.extend(std::iter::repeat_n(b'x', BOUND + 10));
    bytes.extend(b"\n{\"stop\":{\"mode\":\"now\",\"reason\":\"r\",\"by\":\"clock\"}}\n");
    let writer = std::thread::spawn(move || wire::send_all(&b, &bytes));
    let mut found = HashSet::new();
    while !link.is_gone() {
        let mut fds = [rustix::event::PollFd::from_borrowed_fd(link.fd(), PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 5, tv_nsec: 0 })).expect("poll");
        found.extend(link.pump().into_iter().map(|message| format!("{message:?}")));
    }
    writer.join().expect("no panic").expect("sent");
    assert_eq!(found.len(), 1);
    assert_eq!(link.garbled(), 5);
}
