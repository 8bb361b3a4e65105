use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::domain::event::{Agent, Body, Event, Failure, Key, ModelCall, Outcome, RunInfo, Totals};
use crate::domain::policy::{EMBEDDED, Policy};
use crate::domain::statement::{Charge, Rule};
use crate::domain::tool::ToolInput;
use crate::domain::usage::{Usage, Usd};

struct Bench {
    rules: Rules,
    prices: Prices,
    seen: Seen,
    run: Run,
}

impl Bench {
    fn new() -> Self {
        let policy: Policy = toml::from_str(EMBEDDED).unwrap();
        let rules = Rules::compile(policy).unwrap();
        let mut run = Run::new(id(), 0);
        let (prices, mut seen) = (Prices::embedded(), Seen::default());
        run.set_default_budget(&Context { rules: &rules, prices: &prices, seen: &mut seen });
        Self { rules, prices, seen, run }
    }

    fn at(&mut self, seconds: i64, body: Body) -> &mut Self {
        self.event(seconds, None, body)
    }

    fn event(&mut self, seconds: i64, branch: Option<&str>, body: Body) -> &mut Self {
        let at = Stamp(seconds * 1_000);
        let event = Event { run: id(), branch: branch.map(Arc::from), at: Some(at), body };
        let mut cx = Context { rules: &self.rules, prices: &self.prices, seen: &mut self.seen };
        self.run.apply(&event, at, Origin::default(), &mut cx);
        self
    }

    fn lines(&self) -> Vec<(Rule, i64)> {
        self.run.statement.lines().filter(|c| c.rule != Rule::Wall).map(|c| (c.rule, c.amount.0)).collect()
    }
}

fn id() -> RunId {
    RunId::new(Agent::Claude, "s")
}

fn prompt() -> Body {
    Body::Prompt { text: "go".into() }
}

fn bash(id: &str, command: &str) -> Body {
    let input = serde_json::json!({ "command": command });
    Body::ToolCall { key: Key::of(&[id]), tool: "Bash".into(), input: Box::new(ToolInput::from_value(&input)) }
}

fn done(id: &str, failure: Failure) -> Body {
    Body::ToolResult { key: Key::of(&[id]), failure, text: "text".into() }
}

fn answer(id: &str, input: u64, output: u64) -> Body {
    Body::ModelCall(ModelCall {
        key: Some(Key::of(&[id])),
        message: None,
        model: Some("claude-sonnet-4-5".into()),
        usage: Usage { input, output, ..Usage::ZERO },
        cost: None,
    })
}

#[test]
fn wall_time_is_charged_while_it_works_and_not_while_a_person_is_awaited() {
    let mut b = Bench::new();
    b.at(0, prompt()).at(10, Body::TurnEnded).at(1_000, prompt()).at(1_003, Body::TurnEnded);
    assert_eq!(b.run.clock.spent, Span::secs(13));
    assert_eq!(b.run.state(Stamp(1_004_000), &b.rules), State::Waiting);
}

#[test]
fn silence_stops_the_clock_but_a_running_tool_does_not() {
    let mut b = Bench::new();
    b.at(0, prompt());
    let rules = &b.rules;
    assert_eq!(b.run.left(Stamp(60_000), rules), Span::mins(59));
    assert_eq!(b.run.state(Stamp(301_000), rules), State::Idle);
    assert_eq!(b.run.left(Stamp(3_000_000), rules), Span::mins(55));
    b.at(1, bash("t", "sleep 900"));
    assert_eq!(b.run.state(Stamp(550_000), &b.rules), State::Working);
}

#[test]
fn identical_calls_double_up_to_the_limit() {
    let mut b = Bench::new();
    for i in 0..9 {
        b.at(0, bash(&format!("t{i}"), "./flaky"));
    }
    let execute: Vec<i64> = b.lines().iter().filter(|(r, _)| *r == Rule::Execute).map(|(_, a)| *a).collect();
    // × repeat (1 2 4 8 16 32 64 64 64) × unverified chain (1.0 1.1 … 1.8)
    assert_eq!(execute, [10_000, 22_000, 48_000, 104_000, 224_000, 480_000, 1_024_000, 1_088_000, 1_152_000]);
}

#[test]
fn a_call_told_twice_is_charged_once_and_failures_in_a_row_add_up() {
    let mut b = Bench::new();
    for i in 0..3 {
        let id = format!("t{i}");
        b.at(0, bash(&id, &format!("false {i}"))).at(0, bash(&id, &format!("false {i}")));
        b.at(0, done(&id, Failure::Flagged)).at(0, done(&id, Failure::Flagged));
    }
    assert_eq!(b.run.counts.tool_calls, 3);
    assert_eq!(b.run.counts.failed, 3);
    let failures: Vec<i64> = b.lines().iter().filter(|(r, _)| *r == Rule::Failure).map(|(_, a)| *a).collect();
    assert_eq!(failures, [30_000, 60_000, 90_000]);
}

#[test]
fn an_answer_told_again_replaces_itself() {
    let mut b = Bench::new();
    b.at(0, answer("m", 20_000, 1)).at(0, answer("m", 20_000, 1)).at(0, answer("m", 20_000, 2_000));
    assert_eq!(b.run.tokens.usage(), Usage { input: 20_000, output: 2_000, ..Usage::ZERO });
    assert_eq!(b.run.counts.turns, 1);
    assert_eq!(b.run.clock.spent, Span(1_000 + 1_000 + 2_000));
}

#[test]
fn an_agents_total_replaces_what_was_counted_and_later_answers_add_to_it() {
    let mut b = Bench::new();
    let totals = |output| {
        Body::Totals(Totals {
            usage: Some(Usage { output, ..Usage::ZERO }),
            cost: Some(Usd(5)),
            with_subagents: true,
            models: vec![],
        })
    };
    b.at(0, answer("a", 0, 1)).at(1, totals(100)).at(1, answer("a", 0, 100));
    assert_eq!(b.run.tokens.usage().output, 100);
    b.at(2, answer("b", 0, 7));
    assert_eq!(b.run.tokens.usage().output, 107);
    b.at(3, totals(107));
    assert_eq!(b.run.tokens.usage().output, 107);
    assert_eq!(b.run.tokens.cost().usd, Usd(5));
}

#[test]
fn narrowing_gives_back_never_more_than_was_spent() {
    let mut b = Bench::new();
    let decide = |before, after| Body::Decision { text: "which".into(), before, after };
    b.at(0, prompt()).at(15, decide(8, 1));
    assert_eq!(b.run.clock.spent, Span::ZERO);
    b.at(15, decide(2, 8));
    assert_eq!(b.run.clock.spent, Span::secs(60));
}

#[test]
fn a_subagent_costs_by_its_depth_and_has_its_own_branch() {
    let mut b = Bench::new();
    b.at(0, Body::SubagentStarted { id: "x".into(), parent: None, depth: 2, name: "helper".into(), by_call: false });
    b.event(0, Some("x"), bash("t", "make"));
    assert_eq!(b.lines(), [(Rule::Spawn, 240_000), (Rule::Execute, 10_000)]);
    assert_eq!(b.run.branches[1].tools, 1);
    assert_eq!(b.run.subagents(), 1);
}

#[test]
fn subagents_that_work_on_keep_the_clock_running_after_the_turn() {
    let mut b = Bench::new();
    let ended = Body::Ended { outcome: Outcome::Finished, reason: "end of turn".into() };
    b.at(0, prompt()).event(1, Some("x"), bash("a", "make")).event(1, Some("x"), done("a", Failure::No)).at(2, ended);
    assert_eq!(b.run.state(Stamp(3_000), &b.rules), State::Finished);
    b.event(4, Some("x"), bash("b", "make two"));
    assert_eq!(b.run.state(Stamp(5_000), &b.rules), State::Working);
    let spent = b.run.clock.spent;
    b.at(10, Body::SubagentEnded { id: "x".into(), outcome: Outcome::Finished });
    assert_eq!(b.run.clock.spent, spent + Span::secs(6));
    assert_eq!(b.run.state(Stamp(11_000), &b.rules), State::Finished);
}

#[test]
fn a_person_who_has_not_typed_yet_is_not_charged() {
    let mut b = Bench::new();
    let info = RunInfo { interactive: Some(true), ..RunInfo::default() };
    b.at(0, Body::Info(info)).at(100, prompt()).at(101, Body::TurnEnded);
    assert_eq!(b.run.clock.spent, Span::secs(1));
}

#[test]
fn the_budget_comes_from_the_policy_and_is_fixed_by_the_first_charge() {
    let mut policy: Policy = toml::from_str(EMBEDDED).unwrap();
    let rule = "project = '/work/**'\nbudget = '1h'";
    policy.budget.rules.push(toml::from_str(rule).unwrap());
    let mut b = Bench::new();
    b.rules = Rules::compile(policy).unwrap();
    let info = |cwd: &str| Body::Info(RunInfo { cwd: Some(cwd.into()), ..RunInfo::default() });
    b.at(0, info("/work/x")).at(0, prompt()).at(5, Body::TurnEnded);
    assert_eq!(b.run.clock.granted, Span::mins(60));
    b.at(6, info("/elsewhere"));
    assert_eq!(b.run.clock.granted, Span::mins(60));
}

fn any_body() -> impl Strategy<Value = Body> {
    let name = "[a-d]";
    prop_oneof![
        Just(prompt()),
        (name, "(git push|ls|cargo test|rm -rf /x)").prop_map(|(id, c)| bash(&id, &c)),
        (name, prop_oneof![Just(Failure::No), Just(Failure::Flagged), Just(Failure::Inferred)])
            .prop_map(|(id, f)| done(&id, f)),
        (name, 0u64..50_000, 0u64..5_000).prop_map(|(id, i, o)| answer(&id, i, o)),
        Just(Body::TurnEnded),
        Just(Body::ApiError { text: "x".into(), retrying: true }),
        (0u64..10_000).prop_map(|output| Body::Totals(Totals {
            usage: Some(Usage { output, ..Usage::ZERO }),
            cost: None,
            with_subagents: true,
            models: vec![],
        })),
        (1u32..100, 1u32..100).prop_map(|(before, after)| Body::Decision { text: "d".into(), before, after }),
        (1i64..1_000_000).prop_map(|ms| Body::Granted { amount: Span(ms), by: "me".into(), reason: "r".into() }),
    ]
}

proptest! {
    #[test]
    fn the_clock_rises_only_by_grant_or_narrowing(steps in proptest::collection::vec((0i64..400, any_body()), 1..60)) {
        let mut b = Bench::new();
        let mut now = 0;
        for (gap, body) in steps {
            let before = b.run.clock.left();
            now += gap;
            let may_rise = matches!(body, Body::Granted { .. } | Body::Decision { .. });
            b.at(now, body);
            prop_assert!(b.run.clock.left() <= before || may_rise);
            prop_assert!(b.run.clock.spent >= Span::ZERO);
        }
    }

    #[test]
    fn the_statement_adds_up_to_the_clock(steps in proptest::collection::vec((0i64..400, any_body()), 1..60)) {
        let mut b = Bench::new();
        let mut now = 0;
        for (gap, body) in steps {
            now += gap;
            b.at(now, body);
        }
        let granted: Span = b.run.statement.lines().filter(|c| c.rule == Rule::Grant).map(|c| c.amount).sum();
        let spent: Span = b.run.statement.lines().filter(|c| c.rule != Rule::Grant).map(|c: &Charge| c.amount).sum();
        prop_assert_eq!(spent, b.run.clock.spent);
        prop_assert_eq!(b.run.clock.granted, Span::mins(60) - granted);
        let by_rule: Span = Rule::ALL.iter().filter(|r| **r != Rule::Grant).map(|r| b.run.statement.sum(*r)).sum();
        prop_assert_eq!(by_rule, b.run.clock.spent);
    }

    #[test]
    fn asking_in_between_changes_nothing(steps in proptest::collection::vec((0i64..400, any_body()), 1..40)) {
        let (mut quiet, mut watched) = (Bench::new(), Bench::new());
        let mut now = 0;
        for (gap, body) in steps {
            for s in 0..gap.min(5) {
                watched.run.left(Stamp((now + s) * 1_000), &watched.rules);
                watched.run.binding(Stamp((now + s) * 1_000), &watched.rules);
            }
            now += gap;
            quiet.at(now, body.clone());
            watched.at(now, body);
        }
        let lines = |b: &Bench| b.run.statement.lines().cloned().collect::<Vec<_>>();
        prop_assert_eq!(lines(&quiet), lines(&watched));
    }
}
