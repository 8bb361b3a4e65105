use std::sync::Arc;

use proptest::prelude::*;

use super::mark::{Marked, ended};
use super::*;
use crate::adapters::Form;
use crate::domain::event::{Agent, Body, Event, Failure, Key, Outcome, RunId};
use crate::domain::meter::Meter;
use crate::domain::policy::{AtZero, EMBEDDED, Policy};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tool::ToolInput;
use crate::engine::{Fact, Model, Msg};

const START: Stamp = Stamp(1_795_000_000_000);
const NOW: Stamp = Stamp(START.0 + 86_400_000);

fn rules(change: impl FnOnce(&mut Policy)) -> Arc<Rules> {
    let mut policy: Policy = toml::from_str(EMBEDDED).unwrap();
    change(&mut policy);
    Arc::new(Rules::compile(policy).unwrap())
}

fn budget(span: &str) -> Arc<Rules> {
    let span = Span::parse(span).unwrap();
    rules(|policy| policy.budget.default = span)
}

fn event(at_ms: i64, body: Body) -> Event {
    Event { run: RunId::new(Agent::Claude, "s"), branch: None, at: Some(START + Span(at_ms)), body }
}

fn prompt(at_ms: i64) -> Event {
    event(at_ms, Body::Prompt { text: "go".into() })
}

fn message(at_ms: i64) -> Event {
    event(at_ms, Body::Message { text: "on it".into(), thinking: false })
}

fn call(at_ms: i64, id: &str, command: &str) -> Event {
    let input = Box::new(ToolInput::from_command(command));
    event(at_ms, Body::ToolCall { key: Key::of(&[id]), tool: "Bash".into(), input })
}

fn end(at_ms: i64, outcome: Outcome) -> Event {
    event(at_ms, Body::Ended { outcome, reason: "r".into() })
}

fn feed(judge: &mut Judge<'_>, events: Vec<Event>, size: usize) {
    judge.take(Msg::Opened { source: 0, name: "x.jsonl".into(), form: Some(Form::Disk) });
    let mut rest: Vec<(Event, u64)> = events.into_iter().map(|event| (event, 0)).collect();
    while !rest.is_empty() {
        let later = rest.split_off(size.min(rest.len()));
        judge.take(Msg::Events { source: 0, events: rest });
        rest = later;
    }
}

fn judge_with(rules: &Arc<Rules>, known: &Known, events: Vec<Event>, size: usize) -> Session {
    let mut judge = Judge::new(rules.clone(), Arc::new(Prices::embedded()), known, NOW);
    feed(&mut judge, events, size);
    let mut sessions = judge.finish();
    assert_eq!(sessions.len(), 1);
    sessions.remove(0)
}

fn judge(rules: &Arc<Rules>, events: Vec<Event>) -> Session {
    judge_with(rules, &Known::default(), events, 1)
}

/// Milliseconds after the start at which it ran out, and by what.
fn zero(session: &Session) -> Option<(i64, Meter)> {
    session.policy.zero.as_ref().map(|zero| (zero.at.since(START).0, zero.meter))
}

#[test]
fn time_alone_runs_out_between_events_to_the_millisecond() {
    let quiet = |to| vec![prompt(0), message(to)];
    let half = rules(|policy| (policy.budget.default, policy.tariff.wall_percent) = (Span::secs(60), 50));
    let thirds = rules(|policy| (policy.budget.default, policy.tariff.wall_percent) = (Span(1_000), 30));
    let wall = rules(|policy| policy.caps.wall = Some(Span::secs(7)));
    let free = rules(|policy| (policy.budget.default, policy.tariff.wall_percent) = (Span::secs(60), 0));
    for (rules, to, wanted) in [
        (&budget("60s"), 100_000, Some((60_000, Meter::Clock))),
        (&budget("60s"), 60_000, Some((60_000, Meter::Clock))),
        (&budget("60s"), 59_999, None),
        (&half, 200_000, Some((120_000, Meter::Clock))),
        (&thirds, 10_000, Some((3_334, Meter::Clock))),
        (&wall, 100_000, Some((7_000, Meter::Wall))),
        (&free, 200_000, None),
        // A run that says nothing for longer is idle, and its clock stands still.
        (&budget("5m1s"), 3_600_000, None),
    ] {
        assert_eq!(zero(&judge(rules, quiet(to))), wanted, "to {to}");
    }
}

#[test]
fn a_charge_runs_it_out_at_its_own_time_and_what_came_before_counts() {
    let events = vec![prompt(0), call(10_000, "a", "git push"), message(20_000), end(30_000, Outcome::Finished)];
    let session = judge(&budget("1m"), events);
    assert_eq!(zero(&session), Some((10_000, Meter::Clock)));
    let found = session.policy.zero.as_ref().unwrap();
    assert!(found.what.as_str().contains("git push"), "{found:?}");
    assert_eq!(found.until.worked_ms, Span::secs(10));
    let saved = session.policy.saved.unwrap();
    assert_eq!((saved.clock_ms, saved.worked_ms, saved.real_ms), (Span::secs(20), Span::secs(20), Span::secs(20)));
    assert_eq!(found.until.clock_ms + saved.clock_ms, session.policy.spent_ms);
    assert_eq!((session.ended, session.basis), (Ended::Good, Basis::Outcome));
}

#[test]
fn caps_bind_and_name_their_meter() {
    let tools = rules(|policy| policy.caps.tools = Some(2));
    let events = vec![prompt(0), call(1_000, "a", "ls"), call(2_000, "b", "ls -l"), call(3_000, "c", "ls -a")];
    assert_eq!(zero(&judge(&tools, events)), Some((2_000, Meter::Tools)));
}

#[test]
fn what_a_policy_does_at_zero_decides_what_is_saved() {
    for (at_zero, cut) in [(AtZero::Warn, false), (AtZero::Hold, true), (AtZero::Stop, true)] {
        let rules = rules(|policy| (policy.budget.default, policy.clock.at_zero) = (Span::secs(5), at_zero));
        let session = judge(&rules, vec![prompt(0), message(20_000)]);
        assert_eq!((session.policy.action, session.policy.is_cut()), (Some(at_zero), cut));
        assert_eq!(session.policy.saved.is_some(), cut);
    }
}

#[test]
fn grants_are_left_out_and_counted_labels_are_not() {
    let grant = |at| event(at, Body::Granted { amount: Span::mins(9), by: "me".into(), reason: "".into() });
    let mut known = Known::default();
    let run = RunId::new(Agent::Claude, "s");
    let label = |text: &str| Fact::Budget {
        run: run.clone(),
        budget: Some(Span::mins(99)),
        caps: None,
        label: text.into(),
        by: Text::default(),
    };
    known.learn(label("nightly"));
    known.learn(Fact::Lost { run: run.clone() });
    let session = judge_with(&budget("60s"), &known, vec![prompt(0), grant(1_000), message(100_000)], 9);
    assert_eq!(zero(&session), Some((60_000, Meter::Clock)));
    assert_eq!((session.grants_left_out, session.label.as_str()), (1, "nightly"));
    assert_eq!(session.policy.budget_ms, Span::secs(60));
}

#[test]
fn a_gate_counts_once_and_not_after_the_end() {
    let push = |at, id: &str| call(at, id, "git push origin main");
    let events = vec![prompt(0), push(1_000, "a"), push(1_500, "a"), call(2_000, "b", "ls"), push(9_000, "c")];
    let session = judge(&budget("30m"), events.clone());
    assert_eq!(session.policy.gates, 2);
    assert_eq!(session.policy.first_gates[0].because.as_str(), "shell.\"git push\"");
    assert_eq!(session.policy.first_gates[0].at, START + Span(1_000));
    let session = judge(&budget("2s"), events);
    assert_eq!(session.policy.gates, 1, "the call that ran it out was held first; what came later never happened");
}

#[test]
fn a_person_goes_before_the_agent() {
    for (mark, outcome, wanted) in [
        (None, "finished", (Ended::Good, Basis::Outcome)),
        (None, "failed", (Ended::Bad, Basis::Outcome)),
        (None, "interrupted", (Ended::Unknown, Basis::Nobody)),
        (None, "waiting", (Ended::Unknown, Basis::Nobody)),
        (None, "unfinished", (Ended::Unknown, Basis::Nobody)),
        (Some(Mark::Bad), "finished", (Ended::Bad, Basis::Mark)),
        (Some(Mark::Good), "interrupted", (Ended::Good, Basis::Mark)),
        (Some(Mark::None), "finished", (Ended::Good, Basis::Outcome)),
    ] {
        assert_eq!(ended(mark, outcome), wanted, "{mark:?} {outcome}");
    }
}

#[test]
fn the_summary_tells_false_stops_from_missed_ones() {
    let mut known = Known::default();
    known.marks.insert("claude:s".into(), Marked { mark: Mark::Bad, note: "round in circles".into() });
    let run = |policy: &str, to, mark: bool, outcome| {
        let known = if mark { &known } else { &Known::default() };
        judge_with(&budget(policy), known, vec![prompt(0), message(to), end(to, outcome)], 1)
    };
    let sessions = [
        run("60s", 100_000, false, Outcome::Finished),
        run("60s", 50_000, false, Outcome::Finished),
        run("60s", 50_000, false, Outcome::Failed),
        run("60s", 100_000, true, Outcome::Finished),
        run("60s", 50_000, true, Outcome::Finished),
        run("60s", 100_000, false, Outcome::Interrupted),
    ];
    let summary = Summary::of(&sessions);
    let side = &summary.policy;
    assert_eq!((summary.good.by_outcome, summary.bad.by_outcome, summary.bad.by_mark, summary.unknown), (2, 1, 2, 1));
    assert_eq!((side.false_stops, side.missed_stops, side.caught, side.cut_unknown), (1, 2, 1, 1));
    assert_eq!((side.at_zero, side.stopped, side.held), (3, 3, 0));
    assert_eq!(side.lost_of_good.clock_ms, Span::secs(40));
    assert_eq!(side.saved_of_bad.clock_ms, Span::secs(40));
    assert_eq!(sessions[3].note.as_str(), "round in circles");
}

#[test]
fn events_without_a_time_happened_when_they_arrived_or_with_the_one_before() {
    let timeless = |body| Event { at: None, ..event(0, body) };
    let text = || Body::Message { text: "x".into(), thinking: false };
    let session = judge(&budget("60s"), vec![prompt(0), message(1_000), timeless(text()), message(2_000)]);
    assert_eq!(session.total.worked_ms, Span::secs(2));
    let known = Known::default();
    let mut judge = Judge::new(budget("60s"), Arc::new(Prices::embedded()), &known, NOW);
    judge.take_at(Msg::Opened { source: 0, name: "x".into(), form: Some(Form::Stream) }, START);
    for (at, event) in [(0, timeless(Body::Prompt { text: "go".into() })), (90_000, timeless(text()))] {
        judge.take_at(Msg::Events { source: 0, events: vec![(event, 0)] }, START + Span(at));
    }
    assert_eq!(zero(&judge.finish()[0]), Some((60_000, Meter::Clock)));
}

/// Events with rising times: work, failures, pauses, ends, decisions.
fn any_events() -> impl Strategy<Value = Vec<Event>> {
    let body = prop_oneof![
        Just(Body::Prompt { text: "go".into() }),
        Just(Body::Message { text: "x".into(), thinking: false }),
        ("[a-f]", prop_oneof![Just("ls"), Just("make"), Just("git push")]).prop_map(|(id, command)| {
            let input = Box::new(ToolInput::from_command(command));
            Body::ToolCall { key: Key::of(&[&id]), tool: "Bash".into(), input }
        }),
        "[a-f]".prop_map(|id| Body::ToolResult { key: Key::of(&[&id]), failure: Failure::Flagged, text: "no".into() }),
        Just(Body::TurnEnded),
        Just(Body::ApprovalAsked { text: "?".into() }),
        (1u32..9, 1u32..9).prop_map(|(before, after)| Body::Decision { text: "d".into(), before, after }),
    ];
    proptest::collection::vec((0i64..200_000, body), 1..40).prop_map(|steps| {
        let mut at = 0;
        let step = |(gap, body)| {
            at += gap;
            event(at, body)
        };
        steps.into_iter().map(step).collect()
    })
}

/// The first millisecond at which the engine, asked again and again, says that a meter has run out.
fn asked_again_and_again(rules: &Arc<Rules>, events: &[Event]) -> Option<Stamp> {
    let mut model = Model::new(rules.clone(), Arc::new(Prices::embedded()));
    model.apply(Msg::Opened { source: 0, name: "x".into(), form: Some(Form::Disk) }, NOW);
    for event in events {
        let at = event.at.unwrap();
        if let Some(run) = model.run(0)
            && run.is_out(at, rules)
        {
            // It only gets less between events: look for the edge.
            let (mut early, mut late) = (run.last_at.unwrap().0, at.0);
            while early < late {
                let middle = early + (late - early) / 2;
                if run.is_out(Stamp(middle), rules) { late = middle } else { early = middle + 1 }
            }
            return Some(Stamp(late));
        }
        model.apply(Msg::Events { source: 0, events: vec![(event.clone(), 0)] }, NOW);
        let run = model.run(0).unwrap();
        if run.is_out(run.last_at.unwrap(), rules) {
            return run.last_at;
        }
    }
    None
}

proptest! {
    #[test]
    fn zero_is_where_the_engine_first_says_so(
        events in any_events(),
        seconds in 1i64..900,
        percent in prop_oneof![Just(0u32), Just(37), Just(100), Just(250)],
        wall in proptest::option::of(1i64..400),
    ) {
        let rules = rules(|policy| {
            policy.budget.default = Span::secs(seconds);
            policy.tariff.wall_percent = percent;
            policy.caps.wall = wall.map(Span::secs);
        });
        let session = judge(&rules, events.clone());
        prop_assert_eq!(session.policy.zero.map(|zero| zero.at), asked_again_and_again(&rules, &events));
    }

    #[test]
    fn batches_change_nothing(events in any_events(), seconds in 1i64..900, size in 1usize..9) {
        let rules = rules(|policy| policy.budget.default = Span::secs(seconds));
        let one = judge(&rules, events.clone());
        let many = judge_with(&rules, &Known::default(), events, size);
        prop_assert_eq!(&one.policy, &many.policy);
        prop_assert_eq!(one.total, many.total);
    }

    #[test]
    fn more_budget_runs_out_later_or_never(events in any_events(), seconds in 1i64..900, more in 1i64..900) {
        let zero = |seconds| {
            let rules = rules(|policy| policy.budget.default = Span::secs(seconds));
            judge(&rules, events.clone()).policy.zero.map_or(Stamp(i64::MAX), |zero| zero.at)
        };
        prop_assert!(zero(seconds) <= zero(seconds + more));
    }

    #[test]
    fn until_and_after_make_the_whole(events in any_events(), seconds in 1i64..900) {
        let rules = rules(|policy| policy.budget.default = Span::secs(seconds));
        let session = judge(&rules, events);
        if let (Some(zero), Some(saved)) = (&session.policy.zero, session.policy.saved) {
            let mut whole = zero.until;
            whole += saved;
            prop_assert!(whole.clock_ms >= session.total.clock_ms, "narrowing decisions give back");
            prop_assert_eq!(whole.tool_calls, session.total.tool_calls);
            prop_assert_eq!(whole.worked_ms, session.total.worked_ms);
            prop_assert_eq!(whole.real_ms, session.total.real_ms);
        }
    }
}
