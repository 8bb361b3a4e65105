//! What is written is read again, fits, and is remembered.

use proptest::prelude::*;

use super::super::chain::{Seal, parse};
use super::super::history::{Budget, budget_of, facts_of, open_runs};
use super::super::record::{Entry, Fact, Lost, MAX_LINE, Record};
use super::{by, entry, grant, started, warned};
use crate::control::protocol::{Gate, GateState};
use crate::control::words::{AtZero, Grade, Mode, Phase, Proof, Receipt, Rung, Survivor};
use crate::domain::event::Agent;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

fn survivors(count: u32) -> Vec<Survivor> {
    let long = Text::new(&"\"\\".repeat(120));
    let text = |short: &str| if count > 9 { long.clone() } else { Text::new(short) };
    (0..count).map(|pid| Survivor { pid, name: text("sh"), state: 'D', why: text("waits for the disk") }).collect()
}

fn receipt(left: u32) -> Receipt {
    Receipt {
        phase: if left > 0 { Phase::Failed } else { Phase::VerifiedDead },
        grade: Grade::Subreaper,
        proof: (left == 0).then_some(Proof::NoChildren),
        processes: 7,
        rung: Some(Rung::Int),
        took_us: 1_900_000,
        survivors: survivors(left),
    }
}

fn gate() -> Gate {
    Gate {
        id: "g1".into(),
        run: "r-1".into(),
        what: "Bash git push".into(),
        because: "push is held".into(),
        call: Some("toolu_1".into()),
        asked: Stamp(1),
        until: Stamp(2),
        state: GateState::Denied,
        by: "ann".into(),
        reason: "not now".into(),
    }
}

fn every_fact() -> Vec<Fact> {
    let (id, why) = (Text::new("s1"), Text::new("looping"));
    vec![
        started("r-1", Some(60_000)),
        Fact::SessionAttached { run: "r-1".into(), session: "claude:1".into() },
        Fact::RunEnded { code: Some(1), signal: None, outcome: "failed".into() },
        Fact::StopRequested { id: id.clone(), mode: Mode::Ladder, by: by("screen"), reason: why.clone() },
        Fact::Rung { id: id.clone(), rung: Rung::Int, after_us: 2_000_100 },
        Fact::StopEnded { id: id.clone(), receipt: receipt(0) },
        Fact::StopEnded { id, receipt: receipt(6) },
        grant(-600_000, &["claude:1"]),
        Fact::GateAsked { gate: gate() },
        Fact::GateAnswered { gate: gate() },
        Fact::GateBypassed { what: "Bash git push".into(), call: None },
        warned("ten minutes left"),
        Fact::AtZero { did: AtZero::Hold, meter: "clock".into() },
        Fact::Held,
        Fact::Released { by: by("command"), reason: why.clone() },
        Fact::PeerRefused { uid: Some(7), pid: None, why },
        Fact::HookChanged { agent: Agent::Claude, file: "/h/settings.json".into(), what: "installed".into() },
        Fact::SupervisorLost { who: Lost::Both },
        Fact::Orphaned { survivors: survivors(1) },
        Fact::Recovered { torn_bytes: 12, torn: Some(Seal::of(b"x")) },
        Fact::Degraded { why: "No space left on device".into(), lost: 3 },
    ]
}

fn sealed(fact: Fact) -> Vec<u8> {
    entry("r-1", fact).sealed(7, &Text::new("boot"), Seal::NONE).unwrap()
}

#[test]
fn every_fact_is_read_as_it_was_written() {
    for fact in every_fact() {
        let record = parse(&sealed(fact.clone())).unwrap();
        assert_eq!(record.fact, fact);
        assert_eq!((record.seq, record.run), (7, Some("r-1".into())));
        let again: Entry = serde_json::from_slice(&entry("r-1", fact.clone()).line().unwrap()).unwrap();
        assert_eq!(again, entry("r-1", fact));
    }
}

#[test]
fn every_fact_has_words() {
    let words: Vec<String> = every_fact().iter().map(Fact::words).collect();
    let expected = [
        "started: claude -p hello, in /w, budget 1m, usd 2.5, not started by redkey, at zero: stop",
        "session claude:1 belongs to r-1",
        "ended with exit code 1: failed",
        "stop asked for by screen: \"looping\"",
        "INT sent after 2.0 s",
        "VERIFIED DEAD · 7 processes · 1.9 s · INT",
        "FAILED · 6 of 7 processes left · 1.9 s · INT; 0 sh (D) waits for the disk; 1 sh (D) waits for the disk; \
         2 sh (D) waits for the disk; 3 sh (D) waits for the disk; and 2 more",
        "took 10m by screen",
        "gate: Bash git push, held by push is held",
        "gate denied by ann: Bash git push: \"not now\"",
        "gate bypassed: Bash git push has run without an answer",
        "warned: ten minutes left",
        "clock is at zero: hold",
        "held until a person answers",
        "released by command: \"looping\"",
        "connection refused: uid 7 (looping)",
        "hook of claude: installed in /h/settings.json",
        "guardian and supervisor were gone",
        "1 process left behind; 0 sh (D) waits for the disk",
        "log recovered: 12 bytes of a write were cut off",
        "the log could not be written: No space left on device; 3 records were lost",
    ];
    assert_eq!(words, expected);
}

#[test]
fn types_of_the_future_survive_and_cannot_draw() {
    let line = |fact: &str| {
        let zeros = Seal::NONE;
        parse(format!(r#"{{"seq":1,"at":5,"prev":"{zeros}","new":1,"fact":{fact}}}"#).as_bytes()).unwrap().fact
    };
    let Fact::Other(unknown) = line(r#"{"type":"teleported","to":"\u001b[2J\u202emoon","n":[1,{"a":null}]}"#) else {
        panic!("it is known");
    };
    assert_eq!(unknown.name().as_str(), "teleported");
    assert_eq!(unknown.value()["to"], "[2Jmoon");
    assert_eq!(unknown.value()["n"][1]["a"], serde_json::Value::Null);
    // A known type whose fields have become others.
    assert!(matches!(line(r#"{"type":"rung","rung":"nova"}"#), Fact::Other(_)));
    assert!(matches!(line(r#"{"type":"held","since":3}"#), Fact::Held));
    assert!(matches!(line("17"), Fact::Other(_)));
}

#[test]
fn what_is_too_long_is_cut_and_stays_what_it_is() {
    let long = Text::new(&"\"".repeat(240));
    for fact in [
        Fact::StopEnded { id: long.clone(), receipt: receipt(500) },
        Fact::Orphaned { survivors: survivors(500) },
        grant(5, &["\\".repeat(240).as_str(); 400]),
    ] {
        let line = entry(long.as_str(), fact.clone()).sealed(u64::MAX, &long, Seal::of(b"")).unwrap();
        assert!(line.len() < MAX_LINE, "{}", line.len());
        let found = parse(&line).unwrap().fact;
        assert_eq!(std::mem::discriminant(&found), std::mem::discriminant(&fact));
    }
    let caps = (0..5_000).map(|n| (Text::new(&format!("meter {n}")), 1.0)).collect();
    let Fact::RunStarted(mut start) = started(long.as_str(), None) else { unreachable!() };
    (start.label, start.command, start.cwd, start.caps) = (long.clone(), long.clone(), long, caps);
    let line = sealed(Fact::RunStarted(start));
    assert!(line.len() < MAX_LINE && matches!(parse(&line).unwrap().fact, Fact::RunStarted(_)));
}

proptest! {
    #[test]
    fn any_text_makes_one_line_that_is_read_again(run in any::<String>(), what in any::<String>()) {
        let line = entry(&run, warned(&what)).sealed(1, &Text::default(), Seal::NONE).unwrap();
        prop_assert!(line.len() < MAX_LINE && !line.contains(&b'\n'));
        prop_assert_eq!(parse(&line).unwrap().fact, warned(&what));
    }
}

fn records(facts: &[(&str, Fact)]) -> Vec<Record> {
    let record =
        |(run, fact): &(&str, Fact)| parse(&entry(run, fact.clone()).sealed(1, &"b".into(), Seal::NONE).unwrap());
    facts.iter().map(|fact| record(fact).unwrap()).collect()
}

fn attached(run: &str, session: &str) -> Fact {
    Fact::SessionAttached { run: run.into(), session: session.into() }
}

#[test]
fn a_resumed_session_gets_no_fresh_clock() {
    let all = records(&[
        ("r-1", started("r-1", Some(60_000))),
        ("r-1", attached("r-1", "claude:a")),
        ("r-1", grant(5_000, &[])),
        ("r-1", attached("r-1", "claude:b")),
        ("r-1", grant(7_000, &["claude:b"])),
        ("r-2", started("r-2", Some(900_000))),
        ("r-2", grant(1_000_000, &[])),
        ("r-2", attached("r-2", "claude:a")),
        ("r-2", grant(-2_000, &["claude:a"])),
        ("claude:a", grant(100, &[])),
    ]);
    let a = budget_of(&all, "claude:a");
    assert_eq!(a, Budget { budget: Some(Span(60_000)), granted: Span(3_100) });
    assert_eq!(a.total(Span(1)), Span(63_100));
    assert_eq!(budget_of(&all, "claude:b"), Budget { budget: Some(Span(60_000)), granted: Span(7_000) });
    assert_eq!(budget_of(&all, "claude:c").total(Span(30)), Span(30));
    assert_eq!(budget_of(&all, "r-2").budget, Some(Span(900_000)));
}

#[test]
fn runs_without_an_end_are_found() {
    let end = || Fact::RunEnded { code: Some(0), signal: None, outcome: Text::default() };
    let all = records(&[
        ("r-1", started("r-1", None)),
        ("r-2", started("r-2", None)),
        ("h-x", started("h-x", None)),
        ("r-1", end()),
        ("h-x", end()),
        ("h-x", started("h-x", Some(1))),
    ]);
    let open: Vec<&str> = open_runs(&all).iter().map(|open| open.started.run.as_str()).collect();
    assert_eq!(open, ["r-2", "h-x"]);
}

#[test]
fn facts_of_a_session_include_those_of_its_run() {
    let all = records(&[
        ("r-1", started("r-1", None)),
        ("r-1", attached("r-1", "claude:a")),
        ("claude:a", warned("x")),
        ("r-2", warned("y")),
        ("r-2", grant(1, &["claude:a"])),
    ]);
    assert_eq!(facts_of(&all, "claude:a").len(), 4);
    assert_eq!(facts_of(&all, "r-1").len(), 4);
    assert_eq!(facts_of(&all, "r-2").len(), 2);
    assert_eq!(facts_of(&all, "r-9").len(), 0);
}
