use super::*;
use crate::adapters::Form;
use crate::domain::event::RunId;
use crate::domain::usage::Usd;
use proptest::prelude::*;

const NOW: Stamp = Stamp(1_795_000_000_000);

fn row(number: usize, agent: Agent, project: &str, task: &str, minutes: i64) -> Row {
    Row {
        run: RunId::new(agent, &number.to_string()),
        label: Text::default(),
        project: project.into(),
        task: task.into(),
        started_at: Some(NOW),
        ended_at: Some(NOW),
        outcome: "finished".into(),
        spent_ms: Span::mins(minutes),
        budget_ms: Span::mins(30),
        worked_ms: Span::mins(1),
        tokens: 1,
        cost_usd: Usd(1),
        cost_is_floor: false,
        tool_calls: 1,
        mark: Text::default(),
        note: Text::default(),
        source: Text::default(),
        form: Form::Disk,
    }
}

fn rows(count: usize, project: &str, task: &str) -> Vec<Row> {
    (0..count).map(|i| row(i, Agent::Claude, project, task, 1 + i as i64)).collect()
}

fn asked(project: &str, task: &str) -> Query {
    Query { project: project.into(), task: task.into(), ..Query::default() }
}

#[test]
fn the_nearest_kind_with_five_runs_answers() {
    let fix = "fix the failing parser tests";
    let mut all = rows(4, "/w/a", fix);
    all.extend(rows(3, "/w/b", "Fix failing tests of the parser"));
    all.extend(rows(6, "/w/a", "write release notes"));
    for (project, task, like, runs) in [
        ("/w/a", fix, "a similar task", 7),
        ("/w/a/", "something else entirely", "this project", 10),
        ("/w/a", "", "this project", 10),
        ("/w/b", fix, "a similar task", 7),
    ] {
        let (found, _) = estimate(&all, &asked(project, task), NOW);
        let found = found.expect("a precedent");
        assert_eq!((found.like.as_str(), found.runs), (like, runs), "{project} {task}");
    }
    let (none, tried) = estimate(&all, &asked("/w/c", "paint the shed"), NOW);
    assert_eq!((none, tried.len()), (None, 3));
}

#[test]
fn an_agent_and_a_label_that_are_named_must_fit() {
    let mut all = rows(6, "/w/a", "x");
    all.iter_mut().for_each(|row| row.label = "nightly".into());
    let query = Query { label: "nightly".into(), ..asked("/elsewhere", "") };
    assert_eq!(estimate(&all, &query, NOW).0.map(|found| found.like), Some("label nightly".into()));
    let other = Query { agent: Some(Agent::Codex), ..query };
    assert_eq!(estimate(&all, &other, NOW).0, None);
}

#[test]
fn what_was_bad_or_never_ended_is_no_precedent() {
    let waiting = |at: Stamp| Row { outcome: "waiting".into(), ended_at: Some(at), ..row(0, Agent::Pi, "/w", "x", 1) };
    let plain = row(0, Agent::Pi, "/w", "x", 1);
    for (row, is_one) in [
        (plain.clone(), true),
        (Row { mark: "bad".into(), ..plain.clone() }, false),
        (Row { outcome: "failed".into(), ..plain.clone() }, false),
        (Row { outcome: "interrupted".into(), mark: "good".into(), ..plain.clone() }, true),
        (Row { spent_ms: Span::ZERO, ..plain }, false),
        (waiting(NOW), false),
        (waiting(Stamp(NOW.0 - 100_000_000)), true),
    ] {
        assert_eq!(is_precedent(&row, NOW), is_one, "{row:?}");
    }
}

#[test]
fn tasks_are_similar_by_a_third_of_their_words() {
    for (one, other, similar) in [
        ("fix the parser", "Fix the PARSER!", true),
        ("fix parser tests", "fix parser crash on empty input", true),
        ("fix parser", "fix the docs, the build, the release and the web page", false),
        ("", "", false),
        ("the and", "the and", false),
        ("修复解析器测试", "修复解析器崩溃", true),
        ("fix", "paint", false),
    ] {
        assert_eq!(is_similar(&words(one), other), similar, "{one} / {other}");
    }
}

#[test]
fn a_suggestion_is_what_a_person_would_write() {
    for (p90, most, wanted) in [
        ("3m10s", "4h", "4m"),
        ("10s", "4h", "1m"),
        ("31m", "4h", "35m"),
        ("2h40m", "4h", "2h45m"),
        ("9h", "4h", "4h"),
        ("35m", "4h", "35m"),
    ] {
        let span = |text: &str| Span::parse(text).unwrap();
        let found = Estimate { runs: 5, like: String::new(), p50_ms: Span::ZERO, p90_ms: span(p90) };
        assert_eq!(suggested(&found, span(most)), span(wanted), "{p90}");
    }
}

proptest! {
    #[test]
    fn quantiles_are_members_in_order_and_hold_their_share(mut all in proptest::collection::vec(1i64..1_000_000, 1..60)) {
        all.sort_unstable();
        let spans: Vec<Span> = all.into_iter().map(Span).collect();
        let (p50, p90) = (quantile(&spans, 50), quantile(&spans, 90));
        prop_assert!(p50 <= p90 && spans.contains(&p50) && spans.contains(&p90));
        let kept = spans.iter().filter(|span| **span <= p90).count();
        prop_assert!(kept * 10 >= spans.len() * 9);
    }

    #[test]
    fn likeness_is_mutual(one in "[a-d ]{0,30}", other in "[a-d ]{0,30}") {
        prop_assert_eq!(is_similar(&words(&one), &other), is_similar(&words(&other), &one));
    }
}
