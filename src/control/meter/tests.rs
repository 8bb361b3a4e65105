//! The core, told things in order; what it says.

mod unread;

use std::sync::Arc;

use super::*;
use crate::adapters::Form;
use crate::control::audit::Fact;
use crate::control::link::{Asked, Reply};
use crate::control::meter::core::{Config, Core};
use crate::control::peer::Peer;
use crate::control::protocol::{Call, GateAnswer, GrantCall, HookCall, Raw, Role, Why};
use crate::control::words::AtZero;
use crate::control::words::{Asker, Mode, Phase, Stop};
use crate::domain::event::{Body, Event, Failure, Key};
use crate::domain::policy::{Caps, EMBEDDED};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::tool::ToolInput;

const NOW: Stamp = Stamp(1_795_000_000_000);

fn core(at_zero: AtZero, hooked: bool) -> Core {
    let rules = Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap();
    let config = Config {
        run: "r-1".into(),
        cwd: "/w".into(),
        at_zero,
        hooked,
        budget: Some(Span::mins(10)),
        caps: None,
        started: NOW,
        user: "ann".into(),
        salt: 1,
    };
    let mut core = Core::new(config, Arc::new(rules), Arc::new(Prices::embedded()));
    core.attach(id(), None, Span::ZERO);
    core.read(Msg::Opened { source: 0, name: "x".into(), form: Some(Form::Disk) }, NOW);
    event(&mut core, NOW, Body::Prompt { text: "go".into() });
    said(&mut core);
    core
}

fn id() -> RunId {
    RunId::new(Agent::Claude, "s")
}

fn event(core: &mut Core, at: Stamp, body: Body) {
    let event = Event { run: id(), branch: None, at: Some(at), body };
    core.read(Msg::Events { source: 0, events: vec![(event, 0)] }, at);
}

/// Keeps the agent talking, so that its clock runs.
fn works_until(core: &mut Core, at: Stamp) {
    event(core, at, Body::Message { text: "…".into(), thinking: false });
    core.tick(at);
}

fn asked(core: &mut Core, conn: u64, call: Call, now: Stamp) {
    let id: crate::control::desk::Id = serde_json::from_str("1").unwrap();
    let asked = Asked { conn, id, call, peer: Peer::default(), role: Role::Operator };
    core.told(ToMeter::Call(asked), now);
}

fn hook(core: &mut Core, conn: u64, event: &str, command: &str, now: Stamp) {
    let input = serde_json::json!({ "command": command }).to_string();
    let call = HookCall {
        agent: Agent::Claude,
        session: "s".into(),
        event: event.into(),
        tool: (event == "PreToolUse").then(|| "Bash".into()),
        input: Some(Raw(serde_json::value::RawValue::from_string(input).unwrap())),
        call: None,
        branch: None,
        deadline_ms: Span::mins(2),
    };
    asked(core, conn, Call::Hook(call), now);
}

fn grant_call(mins: i64) -> GrantCall {
    GrantCall { amount_ms: Span::mins(mins), reason: "".into(), by: "command".into(), other: None }
}

fn stop(mode: Mode, phase: Phase) -> Stop {
    let by = Asker { by: "screen".into(), ..Asker::default() };
    let (reason, at) = (Text::default(), NOW);
    Stop { id: "i".into(), mode, phase, by, reason, at, rungs: vec![], alive: 1, receipt: None }
}

/// What was said, in short: `3: end …` for a reply to connection 3, `stop ladder`, and the record's facts by type.
fn said(core: &mut Core) -> Vec<String> {
    let reply = |reply: Reply| {
        let conn = reply.conn;
        let value = match reply.into_result() {
            Ok(raw) => serde_json::from_str::<serde_json::Value>(raw.0.get()).unwrap(),
            Err(error) => return format!("{conn}: error {}", error.message),
        };
        match (&value["answer"], &value["left_ms"], &value["state"]) {
            (serde_json::Value::String(answer), ..) => match value["why"].as_str() {
                Some(why) => format!("{conn}: {answer} {}", why.split(" (g-").next().unwrap()),
                None => format!("{conn}: {answer}"),
            },
            (_, serde_json::Value::Number(left), _) => {
                format!("{conn}: {} left", Span(left.as_i64().unwrap()).short())
            }
            (.., serde_json::Value::String(state)) => format!("{conn}: {state}"),
            _ => format!("{conn}: {value}"),
        }
    };
    let one = |message| match message {
        FromMeter::Reply(one) => reply(one),
        FromMeter::Stop(ask) => format!("stop {:?} {}", ask.mode, ask.reason).to_lowercase(),
        FromMeter::Metered(_) => "metered".into(),
        FromMeter::Degraded(degraded) => format!("degraded {degraded}"),
        FromMeter::Resume(resume) => format!("resume: {}", resume.reason),
        FromMeter::Event(raw) => {
            let fact: Fact = serde_json::from_str(raw.0.get()).unwrap();
            match fact {
                Fact::Granted { amount_ms, .. } => format!("granted {}", amount_ms.short()),
                _ => serde_json::to_value(&fact).unwrap()["type"].as_str().unwrap().to_owned(),
            }
        }
    };
    core.take().into_iter().map(one).collect()
}

#[test]
fn the_clock_warns_and_stops_with_nobody_watching() {
    let mut core = core(AtZero::Stop, false);
    for (mins, wanted) in [
        (1, vec![]),
        (5, vec!["warned"]),
        (9, vec!["warned"]),
        (10, vec!["at_zero", "stop ladder clock at zero"]),
        (11, vec![]),
    ] {
        works_until(&mut core, NOW + Span::mins(mins));
        assert_eq!(said(&mut core), wanted, "after {mins} minutes");
    }
    hook(&mut core, 2, "PreToolUse", "ls", NOW + Span::mins(11));
    assert_eq!(said(&mut core), ["2: end clock at zero"]);
    asked(&mut core, 3, Call::Grant(grant_call(5)), NOW + Span::mins(11));
    assert_eq!(said(&mut core), ["3: error too late: clock at zero"]);
}

#[test]
fn a_held_run_waits_for_a_person_and_goes_on_with_a_grant() {
    let mut core = core(AtZero::Hold, false);
    works_until(&mut core, NOW + Span::mins(4));
    works_until(&mut core, NOW + Span::mins(8));
    works_until(&mut core, NOW + Span::mins(10));
    assert_eq!(said(&mut core), ["warned", "at_zero", "stop interrupt clock at zero", "held"]);
    let now = NOW + Span::mins(10);
    hook(&mut core, 2, "PreToolUse", "ls", now);
    hook(&mut core, 3, "UserPromptSubmit", "", now);
    hook(&mut core, 4, "PostToolUse", "", now);
    assert_eq!(said(&mut core), ["3: end clock at zero", "4: pass"]);
    assert!(core.metered(now).clock.unwrap().held);
    let now = now + Span::mins(1);
    asked(&mut core, 5, Call::Grant(grant_call(5)), now);
    assert_eq!(said(&mut core)[0], "granted 5m");
    core.tick(now);
    core.tick(now);
    assert!(!core.metered(now).clock.unwrap().held, "{:?}", core.metered(now));
}

#[test]
fn a_hook_that_cannot_wait_any_longer_is_refused_and_a_release_lets_it_go() {
    let mut core = core(AtZero::Hold, true);
    for mins in [4, 8, 10] {
        works_until(&mut core, NOW + Span::mins(mins));
    }
    assert_eq!(said(&mut core), ["warned", "at_zero", "held"], "a hook alone holds it");
    let now = NOW + Span::mins(10);
    hook(&mut core, 2, "PreToolUse", "ls", now);
    core.tick(now + Span::mins(2));
    let refused = said(&mut core);
    assert_eq!(refused[0], "2: end held, clock at zero: `redkey grant r-1 10m` lets it go on");
    hook(&mut core, 3, "PreToolUse", "ls", now + Span::mins(2));
    asked(&mut core, 4, Call::Release(Why::default()), now + Span::mins(2));
    let all = said(&mut core);
    assert!(all.contains(&"released".to_owned()) && all.contains(&"3: pass".to_owned()), "{all:?}");
    asked(&mut core, 5, Call::Release(Why::default()), now + Span::mins(2));
    assert_eq!(said(&mut core), ["5: error this run is not held"]);
}

#[test]
fn what_cannot_be_taken_back_is_held_until_somebody_answers() {
    let mut core = core(AtZero::Stop, false);
    hook(&mut core, 2, "PreToolUse", "cargo test", NOW);
    assert_eq!(said(&mut core), ["2: pass"]);
    for (conn, allow, wanted) in [(3, true, "3: allow allowed by ann"), (4, false, "4: deny denied by ann")] {
        hook(&mut core, conn, "PreToolUse", "git push", NOW);
        assert_eq!(said(&mut core), ["gate_asked"]);
        let gate = core.metered(NOW).gates[0].id.clone();
        let answer = GateAnswer { gate, allow, reason: "".into(), by: "ann".into() };
        asked(&mut core, 9, Call::GateAnswer(answer.clone()), NOW + Span(500));
        let state = if allow { "9: allowed" } else { "9: denied" };
        let all = said(&mut core);
        assert_eq!((&all[0], &all[1]), (&"gate_answered".to_owned(), &wanted.to_owned()));
        assert_eq!(all.last().map(String::as_str), Some(state));
        asked(&mut core, 9, Call::GateAnswer(answer), NOW + Span(500));
        assert!(said(&mut core)[0].contains("it was answered already"));
    }
    hook(&mut core, 5, "PreToolUse", "git push", NOW);
    hook(&mut core, 6, "PreToolUse", "git push", NOW);
    said(&mut core);
    core.told(ToMeter::Gone(6), NOW);
    assert_eq!(said(&mut core), ["gate_answered"], "nobody waits for this answer");
    core.tick(NOW + Span::mins(2));
    let all = said(&mut core);
    assert_eq!(all[..2], ["gate_answered", "5: deny denied, nobody answered in time"]);
    assert!(all.contains(&"granted 2m".to_owned()), "the wait is given back: {all:?}");
}

#[test]
fn a_stopped_run_is_refused_everything() {
    let mut core = core(AtZero::Stop, true);
    hook(&mut core, 2, "PreToolUse", "git push", NOW);
    said(&mut core);
    core.told(ToMeter::Stop(stop(Mode::Ladder, Phase::Delivered)), NOW);
    hook(&mut core, 3, "PreToolUse", "ls", NOW);
    let all = said(&mut core);
    assert_eq!(
        all,
        ["gate_answered", "2: end denied by redkey: the run is stopped: stopped by screen", "3: end stopped by screen"]
    );
}

#[test]
fn an_interrupt_refuses_until_it_is_obeyed() {
    let mut core = core(AtZero::Stop, true);
    for (phase, wanted) in [(Phase::Delivered, "2: end interrupted by screen"), (Phase::IdleAfterInterrupt, "2: pass")]
    {
        core.told(ToMeter::Stop(stop(Mode::Interrupt, phase)), NOW);
        hook(&mut core, 2, "PreToolUse", "ls", NOW);
        assert_eq!(said(&mut core), [wanted]);
    }
}

#[test]
fn only_what_is_left_is_taken() {
    let mut core = core(AtZero::Stop, false);
    asked(&mut core, 2, Call::Take(grant_call(4)), NOW);
    asked(&mut core, 3, Call::Take(grant_call(60)), NOW);
    let all = said(&mut core);
    assert_eq!(all[..2], ["granted -4m", "2: 6m left"]);
    assert!(all.contains(&"granted -6m".to_owned()) && all.contains(&"3: 0s left".to_owned()), "{all:?}");
    asked(&mut core, 4, Call::Take(grant_call(1)), NOW);
    assert_eq!(said(&mut core), ["4: error it has no time left to give"]);
}

#[test]
fn sessions_share_one_budget_and_a_resumed_one_keeps_its_own() {
    let mut core = core(AtZero::Stop, false);
    let other = RunId::new(Agent::Claude, "t");
    core.attach(other.clone(), None, Span::mins(1));
    let now = NOW + Span::mins(2);
    for run in [id(), other] {
        let body = Body::Prompt { text: "go".into() };
        let events = vec![(Event { run, branch: None, at: Some(NOW), body }, 0)];
        core.read(Msg::Events { source: 0, events }, NOW);
    }
    let clock = core.metered(now).clock.unwrap();
    assert_eq!((clock.granted_ms, clock.spent_ms, clock.left_ms), (Span::mins(11), Span::mins(4), Span::mins(7)));

    let rules = core.model.rules.clone();
    let mut resumed = Core::new(core.config.clone(), rules, Arc::new(Prices::embedded()));
    resumed.attach(id(), Some(Span::mins(3)), Span::mins(1));
    resumed.read(Msg::Opened { source: 0, name: "x".into(), form: Some(Form::Disk) }, NOW);
    event(&mut resumed, NOW, Body::Prompt { text: "go".into() });
    assert_eq!(resumed.metered(NOW).clock.unwrap().granted_ms, Span::mins(4));
}

#[test]
fn a_call_that_went_past_the_hook_is_told() {
    let mut core = core(AtZero::Stop, true);
    asked(&mut core, 1, Call::Grant(grant_call(60)), NOW);
    for (key, allowed, failure, told) in
        [(1, false, Failure::No, true), (2, true, Failure::No, false), (3, false, Failure::Flagged, false)]
    {
        let now = NOW + Span::secs(key as i64);
        let command = format!("git push origin b{key}");
        let input = Box::new(ToolInput::from_value(&serde_json::json!({ "command": command })));
        event(&mut core, now, Body::ToolCall { key: Key(key), tool: "Bash".into(), input });
        if allowed {
            hook(&mut core, 2, "PreToolUse", &command, now);
        }
        said(&mut core);
        event(&mut core, now, Body::ToolResult { key: Key(key), failure, text: "done".into() });
        assert_eq!(said(&mut core).contains(&"gate_bypassed".to_owned()), told, "call {key}");
    }
    // Codex says `Bash` to its hook and `exec_command` in its transcript.
    hook(&mut core, 2, "PreToolUse", "git push origin codex", NOW + Span::secs(9));
    let input = Box::new(ToolInput::from_value(&serde_json::json!({ "command": "git push origin codex" })));
    event(&mut core, NOW + Span::secs(9), Body::ToolCall { key: Key(9), tool: "exec".into(), input });
    said(&mut core);
    event(&mut core, NOW + Span::secs(9), Body::ToolResult { key: Key(9), failure: Failure::No, text: "done".into() });
    assert!(!said(&mut core).contains(&"gate_bypassed".to_owned()));
    let notes = core.metered(NOW).notes;
    assert!(notes[1].as_str().starts_with("GATE BYPASSED: Bash git push origin b1"), "{notes:?}");
}

#[test]
fn events_told_over_the_socket_are_the_runs_own() {
    let mut core = core(AtZero::Stop, false);
    for (line, wanted) in [
        (r#"{"type":"prompt","run":"somebody else","text":"go"}"#, "2: true"),
        (r#"["prompt"]"#, "2: error an event is a JSON object"),
        (r#"{"text":"go"}"#, "2: error an event has a `type`"),
    ] {
        let raw = Raw(serde_json::value::RawValue::from_string(line.into()).unwrap());
        asked(&mut core, 2, Call::Event(Box::new(raw)), NOW);
        assert_eq!(said(&mut core), [wanted]);
    }
    assert_eq!(core.lines.len(), 1);
    let line: serde_json::Value = serde_json::from_str(&core.lines[0]).unwrap();
    assert_eq!((line["run"].as_str(), line["redkey"].as_i64()), (Some("r-1"), Some(1)));
}

#[test]
fn an_agent_that_listens_is_told_that_it_may_go_on() {
    let mut core = core(AtZero::Hold, false);
    for mins in [4, 8, 10] {
        works_until(&mut core, NOW + Span::mins(mins));
    }
    said(&mut core);
    let now = NOW + Span::mins(10);
    asked(&mut core, 2, Call::Release(Why { reason: "".into(), by: "ann".into() }), now);
    assert_eq!(said(&mut core), ["released", "resume: released by ann", "2: 0s left"]);
    core.tick(now);
    asked(&mut core, 3, Call::Release(Why::default()), now);
    assert_eq!(said(&mut core), ["3: error this run is not held"], "told once");
}
