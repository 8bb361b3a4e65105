//! Sequences of facts and presses, with everything that comes of them.

use std::sync::Arc;

use super::*;
use crate::adapters::Form;
use crate::control::protocol::Metered;
use crate::control::words::{Asker, AtZero, Proof, Receipt};
use crate::domain::event::{Body, Event, Outcome, RunInfo};
use crate::domain::policy::EMBEDDED;
use crate::domain::price::Prices;
use crate::domain::run::State;
use crate::domain::tool::ToolInput;
use crate::engine::Msg;

const NOW: Stamp = Stamp(1_795_000_000_000);
const LEADER: ProcId = ProcId { pid: 4_242, start: 99 };

fn model() -> Model {
    let rules = Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap();
    let mut model = Model::new(Arc::new(rules), Arc::new(Prices::embedded()));
    model.apply(Msg::Opened { source: 0, name: "x".into(), form: Some(Form::Disk) }, NOW);
    model
}

fn id(session: &str) -> RunId {
    RunId::new(Agent::Claude, session)
}

fn prompt(model: &mut Model, session: &str, at: Stamp) {
    let event = Event { run: id(session), branch: None, at: Some(at), body: Body::Prompt { text: "go".into() } };
    model.apply(Msg::Events { source: 0, events: vec![(event, 0)] }, at);
}

fn told(model: &mut Model, fact: Fact) -> Vec<Effect> {
    model.apply(Msg::Control(fact), NOW)
}

fn grant(session: &str, key: u64, mins: i64) -> Fact {
    let (by, reason) = ("ann".into(), "so close".into());
    Fact::Grant { run: id(session), key: Key(key), amount: Span::mins(mins), by, reason, at: NOW }
}

fn budget(session: &str, mins: i64, caps: Option<Caps>) -> Fact {
    Fact::Budget { run: id(session), budget: Some(Span::mins(mins)), caps, label: "nightly".into(), by: "".into() }
}

fn status(run: &str, gates: Vec<Gate>) -> Box<Status> {
    Box::new(Status {
        run: run.into(),
        label: "".into(),
        command: "claude".into(),
        cwd: "/w".into(),
        started: NOW,
        leader: Some(LEADER),
        supervisor: None,
        guardian: None,
        grade: Some(Grade::Subreaper),
        grade_why: "".into(),
        at_zero: AtZero::Stop,
        alive: 3,
        stop: None,
        meter: true,
        metered: Metered { gates, ..Metered::default() },
        audit_degraded: false,
    })
}

fn supervised(session: &str, gates: Vec<Gate>) -> Hold {
    Hold {
        key: words::Key::Supervised,
        why: "".into(),
        leader: Some(LEADER),
        socket: Some("/run/r-1.sock".into()),
        grade: Some(Grade::Subreaper),
        status: Some(status("r-1", gates)),
        ..Hold::none(id(session), "")
    }
}

fn gate(name: &str) -> Gate {
    Gate {
        id: name.into(),
        run: "r-1".into(),
        what: "Bash git push".into(),
        because: "shell".into(),
        call: None,
        asked: NOW,
        until: NOW + Span::mins(5),
        state: GateState::Waiting,
        by: "".into(),
        reason: "".into(),
    }
}

fn stop(phase: Phase, at: Stamp) -> Stop {
    let receipt = (phase == Phase::VerifiedDead).then(|| Receipt {
        phase,
        grade: Grade::Subreaper,
        proof: Some(Proof::NoChildren),
        processes: 3,
        rung: None,
        took_us: 2_000_000,
        survivors: vec![],
    });
    Stop {
        id: "s-1".into(),
        mode: Mode::Ladder,
        phase,
        by: Asker { by: "screen".into(), ..Asker::default() },
        reason: "".into(),
        at,
        rungs: vec![],
        alive: 0,
        receipt,
    }
}

#[test]
fn what_a_run_was_given_waits_for_it_and_counts_once() {
    let mut m = model();
    let caps = Caps { tools: Some(7), ..Caps::default() };
    assert_eq!(told(&mut m, grant("s", 1, 10)), [Effect::Redraw]);
    assert_eq!(told(&mut m, budget("s", 20, Some(caps))), [Effect::Redraw]);
    prompt(&mut m, "s", NOW);
    let run = m.run(0).unwrap();
    assert_eq!((run.clock.granted, run.caps, run.facts.label.as_str()), (Span::mins(30), caps, "nightly"));
    assert_eq!(told(&mut m, grant("s", 1, 10)), []);
    assert_eq!(told(&mut m, budget("s", 20, Some(caps))), []);
    assert_eq!(told(&mut m, grant("s", 2, -5)), [Effect::Redraw]);
    assert_eq!(m.run(0).unwrap().clock.granted, Span::mins(25));
}

#[test]
fn the_policys_budget_gives_way_whenever_another_becomes_known() {
    let mut m = model();
    prompt(&mut m, "s", NOW);
    told(&mut m, grant("s", 1, 10));
    let input = Box::new(ToolInput::from_command("make"));
    let call = Body::ToolCall { key: Key(5), tool: "Bash".into(), input };
    let info = Body::Info(RunInfo { budget: Some(Span::mins(3)), ..RunInfo::default() });
    for body in [call, info] {
        let event = Event { run: id("s"), branch: None, at: Some(NOW), body };
        m.apply(Msg::Events { source: 0, events: vec![(event, 0)] }, NOW);
    }
    assert_eq!(m.run(0).unwrap().clock.granted, Span::mins(70));
    told(&mut m, budget("s", 60, None));
    let run = m.run(0).unwrap();
    assert_eq!((run.clock.granted, run.because.as_str()), (Span::mins(70), "given at its start"));
}

#[test]
fn a_run_that_is_read_again_has_what_it_was_given() {
    let mut m = model();
    prompt(&mut m, "s", NOW);
    told(&mut m, grant("s", 1, 10));
    m.apply(Msg::Look(Some(0)), NOW);
    let mut again = Run::new(id("s"), 0);
    again.counts.events = 1;
    again.clock.granted = Span::mins(60);
    m.apply(Msg::History(Box::new(again)), NOW);
    assert_eq!(m.run_in_full(0).unwrap().clock.granted, Span::mins(70));
    told(&mut m, grant("s", 2, 1));
    assert_eq!(m.run_in_full(0).unwrap().clock.granted, Span::mins(71));
    assert_eq!(m.run(0).unwrap().clock.granted, Span::mins(71));
}

#[test]
fn a_press_holds_the_run_and_its_process() {
    let mut m = model();
    prompt(&mut m, "s", NOW);
    assert_eq!(m.apply(Msg::Press { run: id("s"), mode: Mode::Ladder }, NOW), [Effect::Redraw]);
    let note = m.notes().last().unwrap();
    assert_eq!(note.text.as_str(), "no hold on claude:s: no process of it was found");
    told(&mut m, Fact::Hold(supervised("s", vec![])));
    assert_eq!(told(&mut m, Fact::Hold(supervised("s", vec![]))), []);
    let mut ids = vec![];
    for mode in [Mode::Ladder, Mode::Now] {
        let effects = m.apply(Msg::Press { run: id("s"), mode }, NOW);
        let Effect::Stop { id, .. } = &effects[0] else { panic!("{effects:?}") };
        ids.push(id.clone());
        let (leader, socket) = (Some(LEADER), Some("/run/r-1.sock".into()));
        let wanted = Effect::Stop { run: super::tests::id("s"), leader, socket, mode, id: id.clone() };
        assert_eq!(effects, [wanted, Effect::Redraw]);
    }
    assert_ne!(ids[0], ids[1], "two presses are two");
    told(&mut m, Fact::Lost { run: id("s") });
    assert_eq!((m.hold(0).key, m.hold(0).leader), (words::Key::None, None));
    assert_eq!(m.apply(Msg::Press { run: id("s"), mode: Mode::Now }, NOW), [Effect::Redraw]);
}

#[test]
fn everything_is_every_hold_once() {
    let mut m = model();
    for session in ["a", "b", "c", "d"] {
        prompt(&mut m, session, NOW);
    }
    told(&mut m, Fact::Hold(supervised("a", vec![])));
    told(&mut m, Fact::Hold(supervised("b", vec![])));
    let signal = Hold { key: words::Key::Signal, leader: Some(LEADER), ..Hold::none(id("c"), "") };
    told(&mut m, Fact::Hold(signal));
    let effects = m.apply(Msg::PressAll, NOW);
    let Effect::StopAll(presses) = &effects[0] else { panic!("{effects:?}") };
    let runs: Vec<&str> = presses.iter().map(|press| &*press.run.session).collect();
    assert_eq!((runs, effects.len()), (vec!["a", "c"], 2));
}

#[test]
fn gates_come_with_their_socket_and_are_answered_there() {
    let mut m = model();
    prompt(&mut m, "s", NOW);
    told(&mut m, Fact::Hold(supervised("s", vec![gate("g-aaaaaa")])));
    assert_eq!((m.gates().len(), m.run_of_gate(&m.gates()[0])), (1, Some(0)));
    let answer =
        Effect::Answer { run: "r-1".into(), socket: "/run/r-1.sock".into(), gate: "g-aaaaaa".into(), allow: false };
    let msg = || Msg::Answer { gate: "g-aaaaaa".into(), allow: false };
    assert_eq!(m.apply(msg(), NOW), [answer, Effect::Redraw]);
    told(&mut m, Fact::Hold(supervised("s", vec![])));
    assert_eq!(m.apply(msg(), NOW), [Effect::Redraw]);
    assert_eq!(m.notes().last().unwrap().text.as_str(), "g-aaaaaa doesn't wait for an answer any more");
    told(&mut m, Fact::Gates(vec![gate("g-bbbbbb"), Gate { state: GateState::Denied, ..gate("g-cccccc") }]));
    assert_eq!(m.gates().len(), 1);
}

#[test]
fn time_is_given_and_moved_and_held_runs_are_let_go() {
    let mut m = model();
    prompt(&mut m, "a", NOW);
    prompt(&mut m, "b", NOW);
    told(&mut m, Fact::Hold(supervised("a", vec![])));
    let socket: Option<Text> = Some("/run/r-1.sock".into());
    let give = m.apply(Msg::Give { run: id("a"), amount: Span::mins(5) }, NOW);
    let wanted = Effect::Grant { run: id("a"), socket: socket.clone(), amount: Span::mins(5) };
    assert_eq!(give, [wanted, Effect::Redraw]);
    let moved = m.apply(Msg::Transfer { from: id("b"), to: id("a"), amount: Span::mins(500) }, NOW);
    let wanted = Effect::Transfer {
        from: id("b"),
        from_socket: None,
        to: id("a"),
        to_socket: socket.clone(),
        amount: Span::mins(60),
    };
    assert_eq!(moved, [wanted, Effect::Redraw]);
    told(&mut m, grant("b", 9, -60));
    assert_eq!(m.apply(Msg::Transfer { from: id("b"), to: id("a"), amount: Span(1) }, NOW), [Effect::Redraw]);
    let release = m.apply(Msg::Release { run: id("a") }, NOW);
    assert_eq!(release, [Effect::Release { run: id("a"), socket: "/run/r-1.sock".into() }, Effect::Redraw]);
    assert_eq!(m.apply(Msg::Release { run: id("b") }, NOW), [Effect::Redraw]);
}

#[test]
fn a_proven_end_ends_the_run_until_somebody_takes_it_up_again() {
    let mut m = model();
    prompt(&mut m, "s", NOW);
    told(&mut m, Fact::Stopped { run: id("s"), stop: Box::new(stop(Phase::Delivered, NOW + Span(1_000))) });
    let rules = m.rules.clone();
    assert_eq!(m.run(0).unwrap().state(NOW, &rules), State::Working);
    let dead = stop(Phase::VerifiedDead, NOW + Span(1_000));
    told(&mut m, Fact::Stopped { run: id("s"), stop: Box::new(dead.clone()) });
    assert_eq!(m.stop_of(0), Some(&dead));
    let run = m.run(0).unwrap();
    assert_eq!((run.state(NOW + Span(9_000), &rules), run.outcome_reason()), (State::Interrupted, "stopped by screen"));
    assert_eq!(run.spent(NOW + Span(60_000), &rules), Span(3_000), "the dead spend nothing");
    prompt(&mut m, "s", NOW + Span(60_000));
    assert_eq!(m.run(0).unwrap().state(NOW + Span(60_000), &rules), State::Working);
    // The record is read before the run's files.
    let mut m = model();
    told(&mut m, Fact::Stopped { run: id("s"), stop: Box::new(dead) });
    prompt(&mut m, "s", NOW);
    let run = m.run(0).unwrap();
    let later = NOW + Span(9_000);
    assert_eq!((run.state(later, &rules), run.spent(later, &rules)), (State::Interrupted, Span(3_000)));
}

#[test]
fn a_run_whose_subagent_was_cut_off_is_over_though_its_own_turn_ended_well() {
    let mut m = model();
    prompt(&mut m, "s", NOW);
    let started =
        Body::SubagentStarted { id: "sub".into(), parent: None, depth: 1, name: Text::new("helper"), by_call: false };
    let ended = Body::Ended { outcome: Outcome::Finished, reason: Text::default() };
    let work = Body::Message { text: Text::new("on it"), thinking: false };
    let event =
        |branch: Option<&str>, body| Event { run: id("s"), branch: branch.map(Into::into), at: Some(NOW), body };
    let events = vec![(event(None, started), 1), (event(None, ended), 2), (event(Some("sub"), work), 3)];
    m.apply(Msg::Events { source: 0, events }, NOW);
    let rules = m.rules.clone();
    assert_eq!(m.run(0).unwrap().state(NOW, &rules), State::Working, "its subagent works");
    told(&mut m, Fact::Stopped { run: id("s"), stop: Box::new(stop(Phase::VerifiedDead, NOW)) });
    let run = m.run(0).unwrap();
    assert_eq!((run.state(NOW + Span(9_000), &rules), run.outcome_name()), (State::Interrupted, "interrupted"));
}
