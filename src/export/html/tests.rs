//! A page from tapes: what stands in it, and that nothing of an agent's is ever markup.

use std::sync::Arc;

use super::*;
use crate::control::audit;
use crate::control::words::{Asker, Grade, Mode, Proof, Receipt, Rung, Survivor};
use crate::domain::event::{Agent, Body, Event, Failure, Key, RunId, RunInfo};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;
use crate::export::walk::walk;
use crate::record::tape::{Beat, Side, TapeMsg};
use crate::replay::cursor::own_policy;
use crate::replay::testkit::{START, beats, in_memory, model};
use crate::replay::track::Steps;

const HOSTILE: &str = "</td><script>alert('x')</script><img src=x onerror=\"y\">&amp;";

fn page(name: &str, beats: Vec<Beat>) -> String {
    let mut gathered = Gathered::default();
    let whole = walk(Steps::new(in_memory(beats)), model(), own_policy(), &mut |news| gathered.take(news));
    write(name, &whole.unwrap().unwrap(), gathered)
}

fn at(second: i64, body: Body) -> Beat {
    let run = RunId::new(Agent::Claude, HOSTILE);
    let at = START + Span::secs(second);
    let event = Event { run, branch: (second > 3).then(|| Arc::from(HOSTILE)), at: Some(at), body };
    Beat { at, msg: TapeMsg::Events { source: 0, events: vec![(event, second as u64)] } }
}

fn audit(second: i64, fact: audit::Fact) -> Beat {
    Beat { at: START + Span::secs(second), msg: TapeMsg::Side(Side::Audit(Box::new(fact))) }
}

fn hostile() -> Vec<Beat> {
    let text = || Text::new(HOSTILE);
    let info = RunInfo {
        model: Some(text()),
        cwd: Some(text()),
        title: Some(text()),
        label: Some(text()),
        version: Some(text()),
        ..RunInfo::default()
    };
    let call = |key| Body::ToolCall {
        key: Key(key),
        tool: text(),
        input: Box::new(ToolInput::from_command(&format!("git push {HOSTILE}"))),
    };
    let receipt = Receipt {
        phase: Phase::Failed,
        grade: Grade::Subreaper,
        proof: None::<Proof>,
        processes: 2,
        rung: Some(Rung::Kill),
        took_us: 1_900_000,
        survivors: vec![Survivor { pid: 7, name: text(), state: 'D', why: text() }],
    };
    let by = Asker { by: text(), user: text(), ..Asker::default() };
    vec![
        Beat { at: START, msg: TapeMsg::Opened { source: 0, name: text(), form: None } },
        at(1, Body::Info(info)),
        at(2, call(1)),
        at(3, Body::ToolResult { key: Key(1), failure: Failure::Flagged, text: text() }),
        at(4, call(2)),
        at(5, Body::Warning { text: text() }),
        audit(6, audit::Fact::Warned { what: text() }),
        audit(7, audit::Fact::StopRequested { id: text(), mode: Mode::Ladder, by, reason: text() }),
        audit(9, audit::Fact::StopEnded { id: text(), receipt }),
    ]
}

#[test]
fn hostile_text_is_text() {
    let page = page(HOSTILE, hostile());
    for never in ["<script", "<img", "onerror=\"", "alert('x')", "javascript:"] {
        assert!(!page.contains(never), "{never}");
    }
    let tags = page.split('<').skip(1).map(|rest| rest.split([' ', '>', '/']).next().unwrap_or_default());
    let known = [
        "!doctype", "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "thead", "tbody", "tr",
        "th", "td", "span", "strong", "br", "svg", "line", "polyline", "text", "code", "",
    ];
    tags.for_each(|tag| assert!(known.contains(&tag), "{tag}"));
    assert!(page.matches("&lt;script&gt;alert(&#39;x&#39;)").count() > 8, "it is there to be read");
    assert!(page.contains("FAILED · 1 of 2 processes left · 1.9 s · KILL"));
}

#[test]
fn nothing_is_loaded_and_tags_are_closed() {
    let page = page("one.jsonl", beats("one", 3, 400));
    for never in ["http:", "https:", "src=", "href=", "url(", "@import", "<link", "<iframe"] {
        assert!(!page.contains(never), "{never}");
    }
    assert!(page.contains("default-src 'none'") && page.contains("prefers-color-scheme: dark"));
    for tag in ["html", "head", "body", "table", "thead", "tbody", "tr", "td", "th", "p", "h1", "h2", "svg", "span"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn every_line_and_the_end_of_the_burn_are_there() {
    let mut gathered = Gathered::default();
    let steps = Steps::new(in_memory(beats("one", 3, 1_000)));
    let whole = walk(steps, model(), own_policy(), &mut |news| gathered.take(news)).unwrap().unwrap();
    let run = whole.model.runs().next().unwrap();
    let sheets = gathered.sheets(&whole);
    let [sheet] = &sheets[..] else { panic!("one run") };
    assert!(run.statement.forgotten() > 0);
    assert_eq!((sheet.lines.len() as u64, sheet.older), (run.statement.written(), 0));
    assert!(sheet.curve.len() > 30 && sheet.curve.is_sorted_by_key(|(at, _)| *at));
    assert_eq!(sheet.curve.last().map(|(_, left)| *left), Some(sheet.report.clock.left_ms));
}

#[test]
fn amounts_have_the_sign_of_a_statement() {
    for (ms, text) in [(300_000, "−00:05:00"), (-61_005, "+00:01:01.005"), (0, "+00:00:00")] {
        assert_eq!(amount(Span(ms)), text);
    }
}
