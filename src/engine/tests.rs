use super::*;
use crate::adapters::Format;
use crate::domain::event::{Agent, Body, Failure, Key, ModelCall};
use crate::domain::policy::EMBEDDED;
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;

const NOW: Stamp = Stamp(1_795_000_000_000);

fn model() -> Model {
    let rules = Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap();
    Model::new(Arc::new(rules), Arc::new(Prices::embedded()))
}

fn opened(model: &mut Model, source: u32, form: Form) {
    assert_eq!(model.apply(Msg::Opened { source, name: "x".into(), form: Some(form) }, NOW), []);
}

fn answer(session: &str, id: &str, output: u64) -> (Event, u64) {
    let usage = Usage { output, ..Usage::ZERO };
    let model = Some("claude-sonnet-4-5".into());
    let call = ModelCall { key: Some(Key::of(&[id])), message: None, model, usage, cost: None };
    (event(session, Body::ModelCall(call)), 7)
}

fn call(session: &str, id: &str) -> (Event, u64) {
    let input = Box::new(ToolInput::from_command("make"));
    (event(session, Body::ToolCall { key: Key::of(&[id]), tool: "Bash".into(), input }), 9)
}

fn event(session: &str, body: Body) -> Event {
    Event { run: RunId::new(Agent::Claude, session), branch: None, at: Some(NOW), body }
}

fn events(model: &mut Model, source: u32, events: Vec<(Event, u64)>) -> Vec<Effect> {
    model.apply(Msg::Events { source, events }, NOW)
}

#[test]
fn a_fork_keeps_its_figures_and_sums_count_the_copy_once() {
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    events(&mut m, 0, vec![answer("parent", "a", 100), answer("parent", "b", 10)]);
    events(&mut m, 0, vec![answer("fork", "a", 100), answer("fork", "b", 10), answer("fork", "c", 1)]);
    let outputs: Vec<u64> = m.runs().map(|r| r.tokens.usage().output).collect();
    assert_eq!(outputs, [110, 111]);
    let totals = m.totals(m.runs(), NOW);
    assert_eq!(totals.usage.output, 111);
    assert_eq!(totals.usd, Usd(111 * 15_000));
}

#[test]
fn the_stream_of_a_run_that_is_read_from_disk_is_not_counted_again() {
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    opened(&mut m, 1, Form::Stream);
    events(&mut m, 0, vec![call("s", "t1")]);
    events(&mut m, 1, vec![call("s", "item_1")]);
    assert_eq!(m.run(0).unwrap().counts.tool_calls, 1);
    assert_eq!(m.counters.shadowed, 1);
}

#[test]
fn a_time_far_ahead_of_the_clock_is_not_believed() {
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    let mut early = event("s", Body::Prompt { text: "go".into() });
    early.at = Some(Stamp(i64::MAX));
    events(&mut m, 0, vec![(early, 0)]);
    assert!(m.run(0).unwrap().last_at.unwrap().since(NOW) <= AHEAD);
}

#[test]
fn quiet_runs_forget_details_and_looking_asks_for_them_again() {
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    let many = (0..100).flat_map(|i| {
        let key = Key::of(&[&i.to_string()]);
        let done = Body::ToolResult { key, failure: Failure::No, text: "ok".into() };
        [call("s", &i.to_string()), (event("s", done), 0)]
    });
    events(&mut m, 0, many.collect());
    let later = NOW + QUIET + Span(1);
    assert_eq!(m.apply(Msg::Tick, later), [Effect::Redraw]);
    let run = m.run(0).unwrap();
    assert!(run.statement.lines().len() < 20 && run.counts.tool_calls == 100);
    let wanted = Effect::ReadHistory { run: 0, id: run.id.clone(), sources: vec![0] };
    assert_eq!(m.apply(Msg::Look(Some(0)), later), [wanted, Effect::Redraw]);
    let mut full = Run::new(m.run(0).unwrap().id.clone(), 0);
    full.counts.events = m.run(0).unwrap().counts.events;
    m.apply(Msg::History(Box::new(full)), later);
    assert!(m.run_in_full(0).unwrap().statement.lines().len() == 0, "what was read again is shown");
    events(&mut m, 0, vec![call("s", "new")]);
    assert!(m.run_in_full(0).unwrap().statement.lines().len() > 0, "a run that goes on shows itself");
}

#[test]
fn details_of_an_event_are_asked_for_and_kept_until_the_next() {
    let mut m = model();
    let origin = Origin { source: 3, offset: 42 };
    assert_eq!(m.apply(Msg::LookAt(origin), NOW), [Effect::ReadDetail(origin)]);
    m.apply(Msg::Detail { origin, lines: vec!["{}".into()] }, NOW);
    assert_eq!(m.detail.as_ref().map(|(o, l)| (*o, l.len())), Some((origin, 1)));
    m.apply(Msg::LookAt(origin), NOW);
    assert_eq!(m.detail, None);
}

#[test]
fn what_is_lost_or_unreadable_is_counted() {
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    m.apply(Msg::State { source: 0, state: SourceState::Reading(Format::ClaudeTranscript) }, NOW);
    m.apply(Msg::Lines { source: 0, read: 5, bytes: 500, skipped: 2 }, NOW);
    m.apply(Msg::Dropped(3), NOW);
    events(&mut m, 0, vec![(event("s", Body::Unparsed { why: "no".into() }), 0)]);
    let c = &m.counters;
    assert_eq!((c.lines, c.bytes, c.skipped, c.dropped, c.unparsed, c.events), (5, 500, 2, 3, 1, 1));
    assert_eq!((m.sources[0].lines, m.sources[0].skipped), (5, 2));
}

#[test]
fn a_tick_in_the_middle_of_an_answer_changes_no_figure() {
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    events(&mut m, 0, vec![answer("s", "a", 1)]);
    m.apply(Msg::Tick, NOW + QUIET + Span(1));
    events(&mut m, 0, vec![answer("s", "a", 10_000)]);
    assert_eq!(m.run(0).unwrap().tokens.usage().output, 10_000);
}

#[test]
fn the_fuller_copy_of_an_answer_counts_whichever_run_is_read_first() {
    for order in [["parent", "fork"], ["fork", "parent"]] {
        let mut m = model();
        opened(&mut m, 0, Form::Disk);
        for session in order {
            // The fork copied the answer while it was being written.
            let output = if session == "parent" { 200 } else { 1 };
            events(&mut m, 0, vec![answer(session, "a", output)]);
        }
        assert_eq!(m.totals(m.runs(), NOW).usage.output, 200, "{order:?}");
    }
}

#[test]
fn an_old_answer_told_again_with_more_output_counts_the_difference() {
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    events(&mut m, 0, vec![answer("s", "first", 1)]);
    events(&mut m, 0, (0..60).map(|i| answer("s", &format!("m{i}"), 10)).collect());
    events(&mut m, 0, vec![answer("s", "first", 200), answer("s", "m0", 10)]);
    assert_eq!(m.run(0).unwrap().tokens.usage().output, 800);
    assert_eq!(m.run(0).unwrap().counts.turns, 61);
}

/// An answer as Claude Code tells it: under message and request, or the message alone.
fn told(request: &str, branch: Option<&str>, output: u64) -> (Event, u64) {
    let message = Key::of(&["m"]);
    let key = if request.is_empty() { message } else { Key::of(&["m", request]) };
    let usage = Usage { output, ..Usage::ZERO };
    let call = ModelCall { key: Some(key), message: Some(message), model: None, usage, cost: None };
    let event = event("s", Body::ModelCall(call));
    (Event { branch: branch.map(Arc::from), ..event }, 0)
}

#[test]
fn one_answer_under_several_requests_counts_once() {
    for (what, records) in [
        ("without a request id after one with", vec![told("r1", None, 200), told("", None, 200)]),
        ("with a request id after one without", vec![told("", None, 200), told("r1", None, 200)]),
        ("repeated by a subagent", vec![told("r1", None, 200), told("r2", Some("a"), 200)]),
        ("repeated by a subagent's subagent", vec![told("r1", Some("a"), 200), told("r2", Some("b"), 200)]),
        ("repeated before the original is read", vec![told("r2", Some("a"), 200), told("r1", None, 200)]),
    ] {
        let mut m = model();
        opened(&mut m, 0, Form::Disk);
        events(&mut m, 0, records);
        let run = m.run(0).unwrap();
        assert_eq!((run.tokens.usage().output, run.tokens.model_calls), (200, 1), "{what}");
    }
    let mut m = model();
    opened(&mut m, 0, Form::Disk);
    events(&mut m, 0, vec![told("r1", None, 200), told("r2", None, 200)]);
    assert_eq!(m.run(0).unwrap().tokens.usage().output, 400, "two requests of the main run are two answers");
}

mod chunking {
    use super::*;
    use proptest::prelude::*;

    /// Events of two runs and a subagent, some told twice, some late.
    fn any_event() -> impl Strategy<Value = (Event, u64)> {
        let body = prop_oneof![
            Just(Body::Prompt { text: "go".into() }),
            "[a-c]".prop_map(|id| call("", &id).0.body),
            "[a-c]".prop_map(|id| Body::ToolResult {
                key: Key::of(&[&id]),
                failure: Failure::Flagged,
                text: "x".into()
            }),
            ("[a-e]", 0u64..900).prop_map(|(id, output)| answer("", &id, output).0.body),
            Just(Body::TurnEnded),
            Just(Body::ApprovalAsked { text: "?".into() }),
            Just(Body::Ended { outcome: crate::domain::event::Outcome::Finished, reason: "r".into() }),
            (1u32..9, 1u32..9).prop_map(|(before, after)| Body::Decision { text: "d".into(), before, after }),
            Just(Body::Info(Default::default())),
        ];
        let branch = prop_oneof![3 => Just(None), 1 => Just(Some(Arc::from("helper")))];
        (prop_oneof![Just("one"), Just("two")], branch, 0i64..90_000, body).prop_map(|(session, branch, at, body)| {
            let at = Some(Stamp(NOW.0 - 100_000 + at));
            (Event { branch, at, ..event(session, body) }, 0)
        })
    }

    fn figures(m: &Model) -> Vec<String> {
        m.runs()
            .map(|r| {
                let lines: Vec<_> = r.statement.lines().collect();
                format!("{:?} {:?} {:?} {:?} {lines:?}", r.id, r.clock, r.tokens.usage(), r.counts)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn the_same_events_give_the_same_statement_in_any_batches(
            all in proptest::collection::vec(any_event(), 1..50),
            cuts in proptest::collection::vec(1usize..9, 50),
        ) {
            let (mut whole, mut cut) = (model(), model());
            opened(&mut whole, 0, Form::Disk);
            opened(&mut cut, 0, Form::Disk);
            events(&mut whole, 0, all.clone());
            let mut rest = &all[..];
            for size in cuts {
                let (now, later) = rest.split_at(size.min(rest.len()));
                events(&mut cut, 0, now.to_vec());
                cut.apply(Msg::Tick, NOW);
                rest = later;
            }
            prop_assert_eq!(figures(&whole), figures(&cut));
        }
    }
}
