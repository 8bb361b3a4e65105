use super::*;
use crate::control::hook::testkit::Server;
use crate::domain::time::Stamp;

fn gate(id: &str, state: GateState) -> Gate {
    Gate {
        id: id.into(),
        run: "claude:e2692cf9".into(),
        what: "Bash git push".into(),
        because: "gate.irreversible".into(),
        call: None,
        asked: Stamp(0),
        until: Stamp(clock::now().0 + 90_500),
        state,
        by: Text::default(),
        reason: Text::default(),
    }
}

fn result(value: &impl serde::Serialize) -> String {
    format!("\"result\":{}", serde_json::to_string(value).expect("JSON"))
}

fn refused(code: i32, message: &str) -> String {
    format!("\"error\":{{\"code\":{code},\"message\":\"{message}\"}}")
}

/// A directory with one run that answers `answers` by method.
fn run_with(answers: Vec<(&'static str, String)>) -> (Server, Vec<(String, PathBuf)>) {
    let server = Server::start("r-1", answers);
    let sockets = sockets(&RunDir::at(server.dir()).expect("0700"));
    (server, sockets)
}

fn args(id: &str, json: bool) -> GateAnswerArgs {
    GateAnswerArgs { id: id.into(), reason: Some("looks fine".into()), json }
}

#[test]
fn what_waits_is_listed() {
    let gates = [gate("g-1", GateState::Waiting), gate("g-2", GateState::Denied)];
    let (_server, mut sockets) = run_with(vec![("gate_list", result(&gates))]);
    sockets.push(("dead".into(), "/nowhere/dead.sock".into()));
    let mut out = Vec::new();
    assert_eq!(ls(&sockets, false, &mut out).expect("listed"), DONE);
    let text = String::from_utf8(out).expect("text");
    assert_eq!(text.lines().count(), 2, "{text}");
    let row: Vec<&str> = text.lines().nth(1).expect("a row").split("  ").filter(|cell| !cell.is_empty()).collect();
    assert_eq!((row[0], row[2].trim(), row[3].trim()), ("g-1", "claude:e2692cf9", "Bash git push"), "{text}");
    let mut out = Vec::new();
    ls(&sockets, true, &mut out).expect("listed");
    let gates: Vec<Gate> = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(gates.len(), 1);
}

#[test]
fn nothing_waits() {
    let mut out = Vec::new();
    assert_eq!(ls(&[], false, &mut out).expect("listed"), DONE);
    assert!(String::from_utf8_lossy(&out).contains("[gate]"));
    let mut out = Vec::new();
    ls(&[], true, &mut out).expect("listed");
    assert_eq!(String::from_utf8_lossy(&out), "[]\n");
}

#[test]
fn exit_codes_tell_what_became_of_an_answer() {
    let list = || ("gate_list", result(&[gate("g-12", GateState::Waiting), gate("g-13", GateState::Waiting)]));
    let answered = |state| ("gate_answer", result(&gate("g-12", state)));
    let table = [
        ("g-12", true, answered(GateState::Allowed), DONE),
        ("g-12", false, answered(GateState::Denied), DONE),
        ("g-12", true, answered(GateState::Expired), UNKNOWN),
        ("g-12", true, ("gate_answer", refused(code::REFUSED, "not an operator")), REFUSED),
        ("g-12", true, ("gate_answer", refused(code::UNKNOWN, "answered already")), UNKNOWN),
        ("g-1", true, answered(GateState::Allowed), UNKNOWN),
        ("nope", true, answered(GateState::Allowed), UNKNOWN),
        ("", true, answered(GateState::Allowed), UNKNOWN),
    ];
    for (id, allow, reply, expected) in table {
        for json in [false, true] {
            let (_server, sockets) = run_with(vec![list(), reply.clone()]);
            let mut out = Vec::new();
            assert_eq!(answer(&sockets, &args(id, json), allow, &mut out).expect("asked"), expected, "{id} {reply:?}");
            if json {
                serde_json::from_slice::<serde_json::Value>(&out).expect("one JSON object");
            }
        }
    }
}

#[test]
fn an_operator_who_is_none_is_refused_at_hello() {
    let list = ("gate_list", result(&[gate("g-12", GateState::Waiting)]));
    let (_server, sockets) = run_with(vec![("hello operator", refused(code::REFUSED, "you descend from a run")), list]);
    let mut out = Vec::new();
    assert_eq!(answer(&sockets, &args("g-12", true), true, &mut out).expect("asked"), REFUSED);
    assert!(String::from_utf8_lossy(&out).contains("descend"));
}
