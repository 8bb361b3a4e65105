use super::*;
use crate::adapters::native_schema::{Event, Said};
use crate::control::client::{self, survey};
use crate::control::desk::testkit::{Room, answering, patience, room};
use crate::control::desk::{Inbound, To};
use crate::control::protocol::{Gate, StopCall, Why, Wish};
use crate::control::words::{Mode, Phase};
use crate::domain::time::{Span, Stamp};

fn press(mode: Mode) -> StopCall {
    StopCall { interrupt_id: Text::new("i-1"), mode, reason: Text::new("enough"), by: Text::new("test") }
}

fn listener(room: &Room) -> Listener {
    Listener::for_everybody(room.desk("n-1"), "n-1", "nightly")
}

#[test]
fn an_agent_that_listens_by_itself_is_found_asked_and_heard() {
    let room = room();
    let listener = listener(&room);
    let found = client::find(&room.dir, "nightly");
    assert_eq!(found[0].0, "n-1");
    assert_eq!(found[0].1.leader.map(|id| id.pid), Some(std::process::id()));

    let mut screen = room.client("n-1", Role::Operator);
    assert_eq!(screen.subscribe().expect("a snapshot").seq, 0);
    let (stop, server) = client::stop(listener.path(), &press(Mode::Ladder), patience()).expect("a stop");
    assert_eq!(server.pid, std::process::id());
    assert_eq!(stop.phase, Phase::Delivered);
    let interrupt = listener.wait(patience()).expect("an interrupt");
    assert_eq!((interrupt.interrupt_id.as_str(), interrupt.reason.as_str()), ("i-1", "enough"));

    // Asked again it is the same stop; in haste the agent is told once more.
    client::stop(listener.path(), &press(Mode::Ladder), patience()).expect("the same stop");
    assert_eq!(listener.interrupted(), None);
    client::stop(listener.path(), &press(Mode::Now), patience()).expect("the same stop");
    assert_eq!(listener.wait(patience()).expect("again").deadline_ms, Span::ZERO);

    listener.ack(&interrupt, false).expect("open");
    listener.ack(&interrupt, true).expect("open");
    let mut phases = vec![];
    while phases.last() != Some(&Phase::IdleAfterInterrupt) {
        let update = screen.next_update(patience()).expect("open").expect("an update");
        phases.extend(update.status.stop.map(|stop| stop.phase));
    }
    assert_eq!(phases[phases.len() - 2..], [Phase::Acknowledged, Phase::IdleAfterInterrupt]);
    let no_meter = screen.release(Why::default()).expect_err("no meter");
    assert!(matches!(no_meter, ClientError::Rpc { .. }), "{no_meter}");

    drop(listener);
    assert!(matches!(screen.next_update(patience()), Err(ClientError::Gone)));
    assert!(room.dir.names().is_empty());
    assert!(survey(&room.dir).runs.is_empty());
}

#[test]
fn what_an_agent_starts_cant_stop_it() {
    let room = room();
    let listener = Listener::with(room.desk("n-2"), "n-2", "").expect("listens");
    // This process is the agent here, and so part of it.
    let refused = client::stop(listener.path(), &press(Mode::Now), patience()).expect_err("refused");
    assert!(matches!(refused, ClientError::Refused(_)), "{refused}");
    assert_eq!(listener.interrupted(), None);
}

fn gate(text: &Text) -> Gate {
    Gate {
        id: Text::new("g"),
        run: Text::new("r-1"),
        what: text.clone(),
        because: Text::default(),
        call: None,
        asked: Stamp(0),
        until: Stamp(0),
        state: if text.as_str() == "yes?" { GateState::Allowed } else { GateState::Denied },
        by: Text::default(),
        reason: Text::default(),
    }
}

fn resume() -> Resume {
    Resume { reason: Text::new("released by ann"), left_ms: Some(Span::mins(5)) }
}

#[test]
fn what_is_wished_is_said_and_older_runs_say_stop() {
    for (mode, wish) in [(Mode::Ladder, "stop"), (Mode::Now, "stop"), (Mode::Interrupt, "interrupt")] {
        assert_eq!(serde_json::to_value(Wish::from(mode)).expect("JSON"), wish);
    }
    let old = r#"{"interrupt_id":"i","reason":"","deadline_ms":2000}"#;
    assert_eq!(serde_json::from_str::<Interrupt>(old).expect("read").mode, Wish::Stop);
}

#[test]
fn a_started_agent_hears_answers_tells_and_asks() {
    let room = room();
    let interrupt = Interrupt {
        interrupt_id: Text::new("i-9"),
        reason: Text::new("budget"),
        deadline_ms: Span::secs(2),
        mode: Wish::Stop,
    };
    let sent = interrupt.clone();
    let (calls, served) = answering(room.desk("r-1"), move |desk, inbound| {
        let Inbound::Call { conn, id, call, .. } = inbound else { return };
        match call {
            Call::GateAsk(ask) => {
                desk.notify_all(To::Role(Role::Run), "interrupt", &sent);
                desk.notify_all(To::Role(Role::Run), "resume", &resume());
                desk.reply(*conn, id.clone(), Ok(gate(&ask.text)));
            }
            _ => desk.reply(*conn, id.clone(), Ok(true)),
        }
    });

    let mut session = connect_to(&room.dir.socket_path("r-1").expect("fits")).expect("connected");
    assert_eq!(session.interrupted().expect("open"), None);
    session.event(&Line::new("r", Event::Verified(Said { text: "it\nholds".into() }))).expect("told");
    assert!(session.ask("yes?").expect("answered"));
    assert!(!session.ask("no?").expect("answered"));
    // They came while it waited for an answer, and were kept.
    assert_eq!(session.interrupted().expect("open"), Some(interrupt.clone()));
    assert_eq!(session.wait(patience()).expect("open"), Some(interrupt.clone()));
    session.ack(&interrupt, true).expect("told");
    assert_eq!(session.resumed(Duration::ZERO).expect("open"), Some(resume()));
    let names: Vec<_> = calls.try_iter().map(|call| call.split(['(', ' ']).next().unwrap_or("").to_owned()).collect();
    assert_eq!(names, ["Event", "GateAsk", "GateAsk", "Ack"]);

    served.end();
    assert!(session.wait(patience()).is_err(), "the supervisor is gone");
}
