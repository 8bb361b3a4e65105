use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::control::protocol::{Clock, Gate, GateState, Metered, Status};
use crate::control::words::{
    Asker, AtZero, Grade, Key as Held, Lit, Mode, Phase, ProcId, Proof, Receipt, Rung, Stop, Survivor,
};
use crate::domain::event::{Body, Event, Failure, Key, ModelCall, Outcome, RunInfo, Totals};
use crate::domain::policy::Caps;
use crate::domain::time::Span;
use crate::domain::tool::{Kind, ToolInput};
use crate::domain::usage::{Usage, Usd};
use crate::engine::{Fact, Hold};
use crate::record::format::{Ended, Gap, Mark, PolicyRec, RunSum, Sum};

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![any::<String>(), ".{0,300}", "[\\x00-\\x20\"\\\\\u{202e}…]{0,8}"].prop_map(|raw| Text::new(&raw))
}

fn raw() -> impl Strategy<Value = Arc<str>> {
    any::<String>().prop_map(Arc::from)
}

fn run() -> impl Strategy<Value = RunId> {
    (prop::sample::select(&Agent::ALL[..]), "[a-z0-9:-]{0,130}")
        .prop_map(|(agent, session)| RunId::new(agent, &session))
}

fn usage() -> impl Strategy<Value = Usage> {
    any::<[u64; 6]>().prop_map(|[input, output, reasoning, cache_read, cache_write, cache_write_1h]| Usage {
        input,
        output,
        reasoning,
        cache_read,
        cache_write,
        cache_write_1h,
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop::sample::select(vec![Outcome::Finished, Outcome::Failed, Outcome::Interrupted])
}

fn some<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(of)
}

fn key() -> impl Strategy<Value = Key> {
    any::<u64>().prop_map(Key)
}

fn span() -> impl Strategy<Value = Span> {
    any::<i64>().prop_map(Span)
}

fn info() -> impl Strategy<Value = Body> {
    let texts = prop::collection::vec(some(text()), 7);
    (texts, some(span()), some(span()), prop::collection::vec(text(), 0..3), any::<Option<bool>>()).prop_map(
        |(mut t, budget, expect, contract, interactive)| {
            let mut next = || t.pop().flatten();
            Body::Info(RunInfo {
                name: next(),
                version: next(),
                model: next(),
                cwd: next(),
                title: next(),
                label: next(),
                budget,
                expect,
                contract,
                interactive,
                forked_from: next(),
            })
        },
    )
}

fn tool_call() -> impl Strategy<Value = Body> {
    let kinds = [Kind::Read, Kind::Write, Kind::Execute, Kind::Network, Kind::Spawn, Kind::Other];
    let lists = (prop::collection::vec(raw(), 0..4), prop::collection::vec(raw(), 0..4));
    let kind = some(prop::sample::select(kinds.to_vec()));
    (key(), text(), some(raw()), lists, any::<u64>(), kind, text(), any::<bool>()).prop_map(
        |(key, tool, command, (paths, urls), digest, kind, summary, partial)| Body::ToolCall {
            key,
            tool,
            input: Box::new(ToolInput { command, paths, urls, digest, kind, summary, partial }),
        },
    )
}

fn body() -> impl Strategy<Value = Body> {
    let usd = || some(any::<i64>().prop_map(Usd));
    let call = (some(key()), some(key()), some(text()), usage(), usd());
    let models = prop::collection::vec((text(), usage()), 0..3);
    let failure = prop::sample::select(vec![Failure::No, Failure::Flagged, Failure::Inferred]);
    prop_oneof![
        info(),
        text().prop_map(|text| Body::Prompt { text }),
        (text(), any::<bool>()).prop_map(|(text, thinking)| Body::Message { text, thinking }),
        call.prop_map(|(key, message, model, usage, cost)| Body::ModelCall(ModelCall {
            key,
            message,
            model,
            usage,
            cost
        })),
        (some(usage()), usd(), any::<bool>(), models).prop_map(|(usage, cost, with_subagents, models)| {
            Body::Totals(Totals { usage, cost, with_subagents, models })
        }),
        tool_call(),
        (key(), failure, text()).prop_map(|(key, failure, text)| Body::ToolResult { key, failure, text }),
        (text(), any::<bool>()).prop_map(|(text, retrying)| Body::ApiError { text, retrying }),
        (raw(), some(raw()), any::<u16>(), text(), any::<bool>()).prop_map(|(id, parent, depth, name, by_call)| {
            Body::SubagentStarted { id, parent, depth, name, by_call }
        }),
        (raw(), outcome()).prop_map(|(id, outcome)| Body::SubagentEnded { id, outcome }),
        (text(), any::<u32>(), any::<u32>()).prop_map(|(text, before, after)| Body::Decision { text, before, after }),
        text().prop_map(|text| Body::ApprovalAsked { text }),
        (any::<bool>(), text()).prop_map(|(allowed, text)| Body::ApprovalAnswered { allowed, text }),
        text().prop_map(|text| Body::Verified { text }),
        (span(), text(), text()).prop_map(|(amount, by, reason)| Body::Granted { amount, by, reason }),
        text().prop_map(|text| Body::Warning { text }),
        Just(Body::TurnEnded),
        (outcome(), text()).prop_map(|(outcome, reason)| Body::Ended { outcome, reason }),
        text().prop_map(|why| Body::Unparsed { why }),
    ]
}

fn stamp() -> impl Strategy<Value = Stamp> {
    any::<i64>().prop_map(Stamp)
}

fn event() -> impl Strategy<Value = Event> {
    (run(), some(raw()), some(stamp()), body()).prop_map(|(run, branch, at, body)| Event { run, branch, at, body })
}

fn stop() -> impl Strategy<Value = Stop> {
    let phases =
        vec![Phase::Requested, Phase::Escalating, Phase::IdleAfterInterrupt, Phase::VerifiedDead, Phase::Failed];
    let phase = || prop::sample::select(phases.clone());
    (text(), phase(), phase(), text(), any::<i64>(), any::<u32>(), any::<u64>()).prop_map(
        |(id, phase, end, by, at, n, us)| Stop {
            id,
            mode: Mode::Ladder,
            phase,
            by: Asker { by: by.clone(), user: by.clone(), uid: Some(n), pid: None },
            reason: by.clone(),
            at: Stamp(at),
            rungs: vec![Lit { rung: Rung::Term, after_us: us }],
            alive: n,
            receipt: Some(Receipt {
                phase: end,
                grade: Grade::Cgroup,
                proof: Some(Proof::CgroupEmpty),
                processes: n,
                rung: Some(Rung::Kill),
                took_us: us,
                survivors: vec![Survivor { pid: n, name: by.clone(), state: 'D', why: by }],
            }),
        },
    )
}

fn gate() -> impl Strategy<Value = Gate> {
    (text(), text(), some(text()), stamp(), stamp()).prop_map(|(id, what, call, asked, until)| Gate {
        id,
        run: what.clone(),
        what: what.clone(),
        because: what.clone(),
        call,
        asked,
        until,
        state: GateState::Waiting,
        by: what.clone(),
        reason: what,
    })
}

fn status() -> impl Strategy<Value = Status> {
    (text(), some(stop()), prop::collection::vec(gate(), 0..2), stamp(), span(), any::<bool>()).prop_map(
        |(text, stop, gates, started, spent, flag)| Status {
            run: text.clone(),
            label: text.clone(),
            command: text.clone(),
            cwd: text.clone(),
            started,
            leader: Some(ProcId { pid: 1, start: 2 }),
            supervisor: None,
            guardian: Some(ProcId { pid: 3, start: 4 }),
            grade: Some(Grade::Pidns),
            grade_why: text.clone(),
            at_zero: AtZero::Hold,
            alive: 3,
            stop,
            meter: flag,
            metered: Metered {
                agent: Some(Agent::Codex),
                sessions: vec![text.clone()],
                clock: Some(Clock { spent_ms: spent, binding: text.clone(), out: flag, ..Clock::default() }),
                budget_ms: Some(spent),
                gates,
                notes: vec![text],
            },
            audit_degraded: flag,
        },
    )
}

fn caps() -> impl Strategy<Value = Caps> {
    (some(-1e12..1e12f64), any::<[Option<u64>; 7]>(), some(span())).prop_map(|(usd, n, wall)| Caps {
        usd,
        tokens: n[0],
        output_tokens: n[1],
        turns: n[2],
        tools: n[3],
        failures: n[4],
        depth: n[5],
        fanout: n[6],
        wall,
    })
}

fn fact() -> impl Strategy<Value = Fact> {
    let keys = vec![Held::Native, Held::Supervised, Held::Hooked, Held::Signal, Held::None];
    let hold = (run(), prop::sample::select(keys), text(), some(text()), some(status()));
    prop_oneof![
        (run(), some(span()), some(caps()), text(), text()).prop_map(|(run, budget, caps, label, by)| Fact::Budget {
            run,
            budget,
            caps,
            label,
            by
        }),
        (run(), key(), span(), text(), text(), stamp()).prop_map(|(run, key, amount, by, reason, at)| Fact::Grant {
            run,
            key,
            amount,
            by,
            reason,
            at
        }),
        hold.prop_map(|(run, key, why, socket, status)| Fact::Hold(Hold {
            run,
            key,
            why,
            leader: Some(ProcId { pid: 7, start: 8 }),
            socket,
            grade: Some(Grade::Subreaper),
            status: status.map(Box::new),
        })),
        run().prop_map(|run| Fact::Lost { run }),
        (run(), stop()).prop_map(|(run, stop)| Fact::Stopped { run, stop: Box::new(stop) }),
        prop::collection::vec(gate(), 0..3).prop_map(Fact::Gates),
        some(text()).prop_map(Fact::Audit),
        (some(run()), text()).prop_map(|(run, text)| Fact::Note { run, text }),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    let sum = (any::<i64>(), any::<i64>(), text(), any::<u64>());
    prop_oneof![
        any::<String>().prop_map(|toml| Side::Policy(Arc::new(PolicyRec {
            toml: toml.into(),
            project_rules: 1,
            project_globs: 2
        }))),
        text().prop_map(|what| Side::Audit(Box::new(audit::Fact::Warned { what }))),
        sum.prop_map(|(granted, spent, run, n)| {
            let one = RunSum { run, granted, spent, tokens: n, usd: spent, tools: n, events: n };
            Side::Sum(Box::new(Sum { granted, spent, runs: vec![one] }))
        }),
        (text(), text()).prop_map(|(what, text)| {
            Side::Mark(Mark { what: what.clone(), text: text.into(), run: Some(what.clone()), by: what })
        }),
        (text(), any::<u64>()).prop_map(|(why, n)| Side::Gap(Gap { why, records: n, bytes: n })),
        (text(), any::<u64>()).prop_map(|(t, n)| Side::End(Ended {
            outcome: t.clone(),
            reason: t.into(),
            records: n,
            lost: n
        })),
    ]
}

fn beat() -> impl Strategy<Value = Beat> {
    let forms = some(prop::sample::select(vec![Form::Stream, Form::Disk]));
    let states = prop_oneof![
        Just(SourceState::Pending),
        Just(SourceState::Unknown),
        Just(SourceState::Closed),
        Just(SourceState::Reading(Format::QwenChat)),
        Just(SourceState::Reading(Format::OpencodeRows)),
        text().prop_map(SourceState::Failed),
    ];
    let msg = prop_oneof![
        4 => (any::<u32>(), event(), any::<u64>())
            .prop_map(|(source, event, at)| TapeMsg::Events { source, events: vec![(event, at)] }),
        2 => fact().prop_map(TapeMsg::Control),
        2 => side().prop_map(TapeMsg::Side),
        1 => (any::<u32>(), text(), forms).prop_map(|(source, name, form)| TapeMsg::Opened { source, name, form }),
        1 => (any::<u32>(), states).prop_map(|(source, state)| TapeMsg::State { source, state }),
        1 => any::<(u32, u64, u64, u64)>()
            .prop_map(|(source, read, bytes, skipped)| TapeMsg::Lines { source, read, bytes, skipped }),
        1 => any::<u64>().prop_map(TapeMsg::Dropped),
        1 => Just(TapeMsg::Tick),
    ];
    (stamp(), msg).prop_map(|(at, msg)| Beat { at, msg })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_is_written_reads_back_equal(beat in beat()) {
        let mut line = Vec::new();
        prop_assert_eq!(write(&beat, &mut line), 1);
        prop_assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        prop_assert_eq!(read(line.trim_ascii_end()), Ok(beat));
    }

    #[test]
    fn no_line_is_a_panic(line in ".{0,200}", cut in 0usize..200, beat in beat()) {
        let _ = read(line.as_bytes());
        let mut whole = Vec::new();
        write(&beat, &mut whole);
        // Without its closing brace, or more, it is no record.
        let cut = cut.min(whole.len() - 2);
        prop_assert!(read(&whole[..cut]).is_err());
    }
}

#[test]
fn a_newer_minor_reads_and_a_newer_major_says_so() {
    let header = r#"{"redkey":"recording","v":"1.7","run":"r-1","started":5,"colour":"red","agent":"claude"}"#;
    assert_eq!(read_header(header.as_bytes()).map(|h| (h.run, h.started)), Ok((Text::new("r-1"), Stamp(5))));
    let newer = read_header(br#"{"redkey":"recording","v":"2.0","run":"r-1","shape":[1]}"#).unwrap_err();
    assert!(newer.to_string().contains("version 2.0; this redkey reads 1.0"), "{newer}");
    for bad in ["", "{}", "[]", "x", r#"{"redkey":"other","v":"1.0"}"#, r#"{"redkey":"recording","v":"one"}"#] {
        assert!(matches!(read_header(bad.as_bytes()), Err(TapeError::NotOne(_))), "{bad}");
    }
    let line = |text: &str| read(text.as_bytes());
    assert!(line(r#"{"t":1,"k":"tick","why":"new field"}"#).is_ok());
    for unknown in [
        r#"{"t":1,"k":"smell","of":"roses"}"#,
        r#"{"t":1,"k":"event","s":0,"o":0,"r":"claude:x","e":{"dreamt":{"text":"x"}}}"#,
        r#"{"t":1,"k":"event","s":0,"o":0,"r":"newagent:x","e":{"turn_ended":{}}}"#,
        r#"{"t":1,"k":"fact","f":{"blessed":{"run":"claude:x"}}}"#,
    ] {
        assert_eq!(line(unknown), Err(Unread::Unknown), "{unknown}");
    }
    for damaged in ["{", r#"{"t":1,"k":"event","s":0"#, "null", r#"{"k":"tick"}"#, "\u{0}\u{0}"] {
        assert_eq!(line(damaged), Err(Unread::Damaged), "{damaged}");
    }
}

#[test]
fn the_pages_examples_are_read() {
    let page = include_str!("../../../assets/RECORDINGS.md");
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut kinds = std::collections::BTreeSet::new();
    for line in blocks.flat_map(str::lines) {
        match read_header(line.as_bytes()) {
            Ok(_) => drop(kinds.insert("header".to_owned())),
            Err(_) => {
                let beat = read(line.as_bytes()).unwrap_or_else(|why| panic!("{why:?}: {line}"));
                let mut again = Vec::new();
                write(&beat, &mut again);
                assert_eq!(String::from_utf8_lossy(again.trim_ascii_end()), line);
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                kinds.insert(value["k"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(kinds.len(), 14, "an example of each kind: {kinds:?}");
}
