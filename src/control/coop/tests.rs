//! The machines against what the real agents and their clients said, and against what they might say.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use Heard::{Acknowledged, Answer, Idle};

const ALL: [Channel; 4] = [Channel::Claude, Channel::Codex, Channel::Pi, Channel::Acp];

fn new(channel: Channel) -> Box<dyn Coop> {
    machine(channel).expect("a channel with lines")
}

fn fixture(name: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/").to_owned() + name;
    std::fs::read_to_string(path).expect("a fixture").lines().map(str::to_owned).collect()
}

fn json(lines: &[Vec<u8>]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_slice(line).expect("what is written is JSON")).collect()
}

fn told(machine: &mut dyn Coop, lines: &[&str]) {
    for line in lines {
        assert_eq!(machine.line_out(line.as_bytes()), [], "{line}");
        assert!(machine.follow_up().is_empty(), "{line}");
    }
}

/// The agent's lines up to the first for which `stop` holds, told to the machine; what is left.
fn until<'a>(machine: &mut dyn Coop, lines: &'a [String], stop: impl Fn(&str) -> bool) -> &'a [String] {
    let at = lines.iter().position(|line| stop(line)).expect("such a line");
    lines[..at].iter().for_each(|line| assert_eq!(machine.line_out(line.as_bytes()), [], "{line}"));
    &lines[at..]
}

fn heard(machine: &mut dyn Coop, lines: &[String]) -> Vec<Heard> {
    lines.iter().flat_map(|line| machine.line_out(line.as_bytes())).collect()
}

#[test]
fn claude_is_interrupted() {
    for name in ["ctl_interrupt_tool", "ctl_interrupt_streaming"] {
        let mut machine = new(Channel::Claude);
        assert_eq!(machine.reach(), Reach::Resting);
        machine.line_in(fixture(&format!("claude/{name}.stdin.jsonl"))[0].as_bytes());
        assert_eq!(machine.reach(), Reach::Working);
        let lines = fixture(&format!("claude/{name}.jsonl"));
        let rest = until(&mut *machine, &lines, |line| line.contains("control_response"));
        let asked = machine.interrupt();
        let wanted = r#"{"type":"control_request","request_id":"redkey-1","request":{"subtype":"interrupt"}}"#;
        assert_eq!(json(&asked), [serde_json::from_str::<Value>(wanted).unwrap()]);
        assert!(asked[0].ends_with(b"}\n"));
        let answer = rest[0].replace("\"r1\"", "\"redkey-1\"");
        assert_eq!(machine.line_out(rest[0].as_bytes()), [], "somebody else's");
        assert_eq!(machine.line_out(answer.as_bytes()), [Answer, Acknowledged]);
        let end = rest.iter().position(|line| line.contains("\"type\":\"result\"")).unwrap();
        assert_eq!(heard(&mut *machine, &rest[1..end]), []);
        assert_eq!(heard(&mut *machine, &rest[end..=end]), [Idle]);
        assert!(machine.follow_up().is_empty());
        assert_eq!(machine.reach(), Reach::Resting);
    }
}

#[test]
fn claude_stops_what_runs_in_the_background() {
    let mut machine = new(Channel::Claude);
    told(
        &mut *machine,
        &[
            r#"{"type":"system","subtype":"init"}"#,
            r#"{"type":"system","subtype":"background_tasks_changed","tasks":[{"task_id":"b\"1","task_type":"local_bash"}]}"#,
            r#"{"type":"system","subtype":"task_started","task_id":"b\"1"}"#,
            r#"{"type":"result","subtype":"success"}"#,
        ],
    );
    assert_eq!(machine.reach(), Reach::Working);
    let asked = json(&machine.interrupt());
    assert_eq!(asked[0]["request"]["subtype"], "interrupt");
    assert_eq!(asked[1]["request"], serde_json::json!({"subtype": "stop_task", "task_id": "b\"1"}));
    let ok = |n: u32| {
        format!(r#"{{"type":"control_response","response":{{"subtype":"success","request_id":"redkey-{n}"}}}}"#)
    };
    assert_eq!(machine.line_out(ok(1).as_bytes()), [Answer, Acknowledged]);
    assert_eq!(machine.line_out(br#"{"type":"system","subtype":"background_tasks_changed","tasks":[]}"#), []);
    assert_eq!(machine.line_out(ok(2).as_bytes()), [Answer, Idle]);
}

#[test]
fn claude_goes_on_with_what_was_queued_and_is_asked_again() {
    let mut machine = new(Channel::Claude);
    machine.line_in(br#"{"type":"user","message":{}}"#);
    told(&mut *machine, &[r#"{"type":"system","subtype":"init"}"#]);
    machine.line_in(br#"{"type":"user","message":{}}"#);
    assert_eq!(machine.interrupt().len(), 1);
    let queued = br#"{"type":"control_response","response":{"subtype":"success","request_id":"redkey-1","response":{"still_queued":["a"]}}}"#;
    assert_eq!(machine.line_out(queued), [Answer, Acknowledged]);
    told(&mut *machine, &[r#"{"subtype":"error_during_execution","type":"result"}"#]);
    assert_eq!(machine.line_out(br#"{"type":"system","subtype":"init"}"#), []);
    let again = json(&machine.follow_up());
    assert_eq!((again.len(), &again[0]["request_id"]), (1, &"redkey-2".into()));
    assert!(machine.follow_up().is_empty());
    let empty = br#"{"type":"control_response","response":{"subtype":"success","request_id":"redkey-2","response":{"still_queued":[]}}}"#;
    assert_eq!(machine.line_out(empty), [Answer, Acknowledged]);
    assert_eq!(machine.line_out(br#"{"type":"result"}"#), [Idle]);
}

#[test]
fn claude_at_rest_answers_and_is_idle() {
    let mut machine = new(Channel::Claude);
    machine.interrupt();
    let answer = br#"{"type":"control_response","response":{"subtype":"success","request_id":"redkey-1"}}"#;
    assert_eq!(machine.line_out(answer), [Answer, Acknowledged, Idle]);
    assert_eq!(machine.line_out(answer), [], "once");
}

/// The fixture's client has not asked for `experimentalApi`; this one may.
fn codex(experimental: bool) -> (Box<dyn Coop>, Vec<String>) {
    let mut machine = new(Channel::Codex);
    for line in &fixture("codex/app_server_interrupt.stdin.jsonl")[..4] {
        let line = if experimental {
            line.replace(
                r#""params":{"clientInfo""#,
                r#""params":{"capabilities":{"experimentalApi":true},"clientInfo""#,
            )
        } else {
            line.clone()
        };
        machine.line_in(line.as_bytes());
    }
    assert_eq!(machine.reach(), Reach::Working, "a turn was asked for");
    let lines = fixture("codex/app_server_interrupt.jsonl");
    let rest = until(&mut *machine, &lines, |line| line.starts_with(r#"{"id":4"#)).to_vec();
    (machine, rest)
}

#[test]
fn codex_is_interrupted_and_its_commands_are_cleaned_up() {
    let (mut machine, rest) = codex(true);
    assert_eq!(machine.reach(), Reach::Working);
    let (thread, turn) = ("01a208d0-5f4d-7233-bd0a-f642ebf54504", "01a208d0-5f68-7632-8847-42987f8aa40a");
    let asked = json(&machine.interrupt());
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0]["method"], "turn/interrupt");
    assert_eq!(asked[0]["params"], serde_json::json!({"threadId": thread, "turnId": turn}));
    let answer = rest[0].replace("\"id\":4", "\"id\":\"redkey-1\"");
    assert_eq!(machine.line_out(answer.as_bytes()), [Answer, Acknowledged]);
    let clean = json(&machine.follow_up());
    assert_eq!(clean[0]["method"], "thread/backgroundTerminals/clean");
    assert_eq!(clean[0]["params"], serde_json::json!({"threadId": thread}));
    assert!(machine.follow_up().is_empty());
    assert_eq!(heard(&mut *machine, &rest[1..3]), [], "the turn has ended, its command has not");
    assert_eq!(machine.line_out(br#"{"id":"redkey-2","result":{}}"#), [Answer, Acknowledged, Idle]);
    assert_eq!(machine.reach(), Reach::Resting);
    assert!(machine.follow_up().is_empty());
}

#[test]
fn codex_without_the_experimental_api_is_told_apart() {
    let (mut machine, rest) = codex(false);
    assert!(matches!(machine.reach(), Reach::Unreachable(_)), "its command would run on");
    assert_eq!(machine.interrupt().len(), 1);
    let answer = rest[0].replace("\"id\":4", "\"id\":\"redkey-1\"");
    assert_eq!(machine.line_out(answer.as_bytes()), [Answer, Acknowledged]);
    assert!(machine.follow_up().is_empty());
    assert_eq!(heard(&mut *machine, &rest[1..4]), [], "never idle: a command runs");
}

#[test]
fn codex_turns_that_begin_after_the_press_are_interrupted_too() {
    let mut machine = new(Channel::Codex);
    machine.line_in(br#"{"id":1,"method":"initialize","params":{"capabilities":{"experimentalApi":true}}}"#);
    machine.line_in(br#"{"id":"t","method":"turn/start","params":{"threadId":"a"}}"#);
    assert!(machine.interrupt().is_empty(), "there is no turn to name yet");
    assert_eq!(machine.line_out(br#"{"id":"t","result":{"turn":{"id":"b"}}}"#), [Idle], "unless it never begins");

    machine.line_in(br#"{"id":"u","method":"turn/start","params":{"threadId":"a"}}"#);
    assert!(machine.interrupt().is_empty());
    assert_eq!(machine.line_out(br#"{"method":"turn/started","params":{"threadId":"a","turn":{"id":"c"}}}"#), []);
    assert_eq!(json(&machine.follow_up())[0]["params"]["turnId"], "c");
}

#[test]
fn pi_is_aborted() {
    let mut machine = new(Channel::Pi);
    machine.line_in(fixture("pi/rpc_abort.stdin.jsonl")[0].as_bytes());
    assert_eq!(machine.reach(), Reach::Working);
    let lines = fixture("pi/rpc_abort.jsonl");
    let rest = until(&mut *machine, &lines, |line| line.contains(r#""type":"tool_execution_end""#));
    assert_eq!(machine.interrupt(), [b"{\"id\":\"redkey-1\",\"type\":\"abort\"}\n".to_vec()]);
    let end = rest.iter().position(|line| line.contains(r#""command":"abort""#)).unwrap();
    assert_eq!(heard(&mut *machine, &rest[..end]), []);
    let answer = rest[end].replace(r#""id":"2""#, r#""id":"redkey-1""#);
    assert_eq!(machine.line_out(rest[end].as_bytes()), [], "somebody else's");
    assert_eq!(machine.line_out(answer.as_bytes()), [Answer, Acknowledged, Idle]);
}

#[test]
fn pi_commands_of_the_other_side_are_aborted_too() {
    let mut machine = new(Channel::Pi);
    machine.line_in(br#"{"type":"bash","command":"sleep 9"}"#);
    assert_eq!(machine.reach(), Reach::Working);
    assert_eq!(json(&machine.interrupt())[1]["type"], "abort_bash");
    let answer = |n: u32| format!(r#"{{"id":"redkey-{n}","type":"response","command":"x","success":true}}"#);
    assert_eq!(machine.line_out(answer(1).as_bytes()), [Answer, Acknowledged]);
    assert_eq!(machine.line_out(answer(2).as_bytes()), [Answer, Acknowledged]);
    assert_eq!(machine.line_out(br#"{"type":"response","command":"bash","success":true,"data":{}}"#), [Idle]);
}

#[test]
fn acp_sessions_are_cancelled() {
    for agent in ["gemini", "qwen"] {
        let mut machine = new(Channel::Acp);
        let ins = fixture(&format!("{agent}/acp_cancel.stdin.jsonl"));
        ins[..3].iter().for_each(|line| machine.line_in(line.as_bytes()));
        assert_eq!(machine.reach(), Reach::Working);
        let lines = fixture(&format!("{agent}/acp_cancel.jsonl"));
        let rest = until(&mut *machine, &lines, |line| line.contains(r#""status":"completed""#));
        let asked = machine.interrupt();
        assert_eq!(json(&asked), [serde_json::from_str::<Value>(&ins[3]).unwrap()]);
        assert!(machine.follow_up().is_empty());
        assert_eq!(heard(&mut *machine, rest), [Acknowledged, Idle]);
        assert_eq!(machine.reach(), Reach::Resting);
    }
}

#[test]
fn acp_permissions_are_answered_in_the_clients_place() {
    let mut machine = new(Channel::Acp);
    machine.line_in(br#"{"id":7,"method":"session/prompt","params":{"sessionId":"s"}}"#);
    machine.line_in(br#"{"id":8,"method":"session/prompt","params":{"sessionId":"other"}}"#);
    told(
        &mut *machine,
        &[
            r#"{"id":0,"method":"session/request_permission","params":{"sessionId":"s","options":[]}}"#,
            r#"{"id":1,"method":"session/request_permission","params":{"sessionId":"s","options":[]}}"#,
        ],
    );
    machine.line_in(br#"{"id":1,"result":{"outcome":{"outcome":"selected","optionId":"x"}}}"#);
    let asked = json(&machine.interrupt());
    let answers: Vec<_> = asked.iter().filter(|line| line.get("result").is_some()).collect();
    assert_eq!(answers, [&serde_json::json!({"jsonrpc":"2.0","id":0,"result":{"outcome":{"outcome":"cancelled"}}})]);
    let cancelled: Vec<_> = asked.iter().filter_map(|line| line["params"]["sessionId"].as_str()).collect();
    assert_eq!(cancelled, ["other", "s"]);
    assert_eq!(machine.line_out(br#"{"id":7,"result":{"stopReason":"cancelled"}}"#), [Acknowledged]);
    // A prompt that comes after the press is cancelled as well.
    machine.line_in(br#"{"id":9,"method":"session/prompt","params":{"sessionId":"s"}}"#);
    assert_eq!(json(&machine.follow_up())[0]["params"]["sessionId"], "s");
    assert!(machine.follow_up().is_empty());
    assert_eq!(machine.line_out(br#"{"id":8,"error":{"code":-1,"message":"x"}}"#), [Acknowledged]);
    assert_eq!(machine.line_out(br#"{"id":9,"result":{}}"#), [Acknowledged, Idle]);
}

#[test]
fn acp_at_rest_every_session_that_was_named_is_cancelled() {
    let mut machine = new(Channel::Acp);
    machine.line_in(br#"{"id":1,"method":"session/load","params":{"sessionId":"a"}}"#);
    machine.line_in(br#"{"id":2,"method":"session/new","params":{"cwd":"/"}}"#);
    told(&mut *machine, &[r#"{"id":2,"result":{"sessionId":"b"}}"#]);
    assert_eq!(machine.reach(), Reach::Resting);
    let sessions: Vec<_> = json(&machine.interrupt()).iter().map(|line| line["params"]["sessionId"].clone()).collect();
    assert_eq!(sessions, ["a", "b"]);
}

#[test]
fn long_lines_are_counted_and_not_looked_at() {
    for channel in ALL {
        let mut machine = new(channel);
        let long = format!(r#"{{"type":"user","pad":"{}"}}"#, "x".repeat(MAX_LINE));
        machine.line_in(long.as_bytes());
        assert_eq!(machine.line_out(long.as_bytes()), []);
        assert_eq!((machine.skipped(), machine.reach()), (2, Reach::Resting));
    }
}

#[test]
fn nothing_grows_without_bound() {
    for channel in ALL {
        let mut machine = new(channel);
        for n in 0..5_000 {
            machine.line_in(
                format!(r#"{{"id":"{n}","type":"bash","method":"turn/start","params":{{"sessionId":"s{n}"}}}}"#)
                    .as_bytes(),
            );
            machine.line_in(
                format!(r#"{{"id":{n},"type":"prompt","method":"session/prompt","params":{{"sessionId":"s{n}"}}}}"#)
                    .as_bytes(),
            );
            for method in ["turn/started", "item/started", "session/request_permission"] {
                let line = format!(
                    r#"{{"id":{n},"type":"system","subtype":"task_started","task_id":"{n}","method":"{method}","params":{{"threadId":"t{n}","sessionId":"s1","turn":{{"id":"u"}},"item":{{"id":"i{n}","type":"commandExecution"}}}}}}"#
                );
                machine.line_out(line.as_bytes());
            }
        }
        let lines = machine.interrupt().len();
        assert!((1..=2 * MAX_ASKED).contains(&lines), "{channel:?}: {lines}");
    }
}

/// Words that the protocols know, put together at random: near enough to sense to get everywhere.
fn noise() -> impl Strategy<Value = String> {
    let id = prop_oneof![
        Just("1".to_owned()),
        Just("\"1\"".to_owned()),
        (0..6u32).prop_map(|n| format!("\"redkey-{n}\"")),
        Just("null".to_owned()),
        Just("{}".to_owned()),
    ];
    let word = prop::sample::select(vec![
        "user",
        "system",
        "result",
        "response",
        "control_response",
        "control_request",
        "prompt",
        "agent_start",
        "agent_end",
        "turn/start",
        "turn/started",
        "turn/completed",
        "item/started",
        "session/prompt",
        "session/request_permission",
        "initialize",
        "thread/closed",
    ]);
    let has = (any::<bool>(), any::<bool>(), any::<bool>());
    (id.clone(), id, word.clone(), word, has).prop_map(|(id, other, kind, method, has)| {
        let mut fields = vec![format!(r#""id":{id},"request_id":{id},"type":"{kind}""#)];
        if has.0 {
            fields.push(format!(r#""method":"{method}""#));
        }
        if has.1 {
            fields.push(format!(r#""result":{{}},"response":{{"request_id":{other},"subtype":"success"}}"#));
        }
        if has.2 {
            fields.push(
                r#""params":{"threadId":"t","sessionId":"s","turn":{"id":"u"},"item":{"id":"i","type":"commandExecution"}}"#
                    .to_owned(),
            );
        }
        format!("{{{}}}", fields.join(","))
    })
}

proptest! {
    #[test]
    fn ids_are_never_the_other_sides(lines in prop::collection::vec((0..4u8, noise()), 0..60)) {
        for channel in ALL {
            let mut machine = new(channel);
            let mut theirs = std::collections::HashSet::new();
            for (what, line) in &lines {
                let written = match what {
                    0 => {
                        let value: Value = serde_json::from_str(line).unwrap();
                        let asks = match channel {
                            Channel::Claude => value["type"] == "control_request",
                            Channel::Pi => true,
                            _ => value.get("method").is_some(),
                        };
                        theirs.extend(value["id"].as_str().filter(|_| asks).map(str::to_owned));
                        machine.line_in(line.as_bytes());
                        vec![]
                    }
                    1 | 2 => {
                        let heard = machine.line_out(line.as_bytes());
                        prop_assert!(heard.iter().filter(|what| **what == Heard::Idle).count() <= 1);
                        machine.follow_up()
                    }
                    _ => machine.interrupt(),
                };
                for value in json(&written) {
                    // An answer in the client's place has the agent's id.
                    let id = value.get("request_id").or(value.get("id")).and_then(Value::as_str);
                    if let Some(id) = id.filter(|_| value.get("result").is_none()) {
                        prop_assert!(id.starts_with("redkey-") && !theirs.contains(id), "{channel:?} {id}");
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        for channel in ALL {
            let mut machine = new(channel);
            for line in &lines {
                machine.line_in(line);
                prop_assert_eq!(machine.line_out(line), vec![]);
            }
        }
    }
}

mod http;
