//! What the index says of a file is what every event of it, applied to a run, says.

mod cached;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::part::FileFacts;
use super::part::Part;
use super::scan::{BLOCK, Flow, Scanner};
use super::{SessionTotals, sum};
use crate::adapters::{Adapter, Origin, SNIFF_LINES, sniff};
use crate::domain::event::{Event, RunId};
use crate::domain::policy::EMBEDDED;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::run::{Context, Origin as Place, Run};
use crate::domain::time::Stamp;
use crate::domain::tokens::Seen;

fn rules() -> Rules {
    Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// Every recorded stream and transcript.
fn recordings() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for folder in
        std::fs::read_dir(fixtures()).unwrap().filter_map(|entry| std::fs::read_dir(entry.unwrap().path()).ok())
    {
        let files = folder.map(|entry| entry.unwrap().path());
        all.extend(files.filter(|path| path.extension().is_some_and(|end| end == "jsonl")));
    }
    all.sort();
    assert!(all.len() > 100);
    all
}

fn origin(path: &Path) -> Origin {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Origin { name, path: Some(path.to_string_lossy().into_owned()), ..Origin::default() }
}

/// A file's events, each with the time by which files of one run are merged.
fn events(bytes: &[u8], origin: &Origin) -> Vec<(Stamp, Event)> {
    let lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let Some(format) = lines.iter().take(SNIFF_LINES).find_map(|line| sniff(line)) else { return Vec::new() };
    let mut adapter = Adapter::new(format, origin);
    let mut events = Vec::new();
    lines.iter().for_each(|line| adapter.line(line, &mut events));
    adapter.finish(&mut events);
    let mut newest = Stamp(i64::MIN);
    let timed = events.into_iter().map(|event| {
        newest = event.at.map_or(newest, |at| newest.max(at));
        (newest, event)
    });
    timed.collect()
}

/// What runs say of themselves after all events of these files.
fn by_runs(files: &[(&[u8], Origin)]) -> Vec<SessionTotals> {
    let (rules, prices) = (rules(), Prices::embedded());
    let mut all: Vec<(Stamp, Event)> = files.iter().flat_map(|(bytes, origin)| events(bytes, origin)).collect();
    all.sort_by_key(|(at, _)| *at);
    let mut seen = Seen::default();
    let mut runs: Vec<Run> = Vec::new();
    let mut known: HashMap<RunId, usize> = HashMap::new();
    for (_, event) in all {
        let number = *known.entry(event.run.clone()).or_insert(runs.len());
        if number == runs.len() {
            runs.push(Run::new(event.run.clone(), number as u32));
        }
        let mut cx = Context { rules: &rules, prices: &prices, seen: &mut seen };
        // A time that no event has, so that it's never taken for one.
        let at = event.at.unwrap_or(Stamp(0));
        runs[number].apply(&event, at, Place { source: 0, offset: 0 }, &mut cx);
    }
    let mut totals: Vec<SessionTotals> = runs.iter().map(of_run).collect();
    totals.sort_by(|a, b| a.run.cmp(&b.run));
    totals
}

fn of_run(run: &Run) -> SessionTotals {
    let counts = &run.counts;
    SessionTotals {
        run: run.id.clone(),
        title: run.facts.title.clone(),
        cwd: run.facts.cwd.clone(),
        model: run.facts.model.clone(),
        models: run.tokens.models().to_vec(),
        forked_from: run.facts.forked_from.clone().unwrap_or_default(),
        name: run.facts.name.clone(),
        first: run.first_at.filter(|at| at.0 > 0),
        last: run.last_at.filter(|at| at.0 > 0),
        usage: run.tokens.usage(),
        cost: run.tokens.cost(),
        own: run.tokens.own(),
        answers: run.tokens.model_calls,
        tool_calls: counts.tool_calls,
        failed: counts.failed,
        failed_inferred: counts.failed_inferred,
        subagents: run.subagents(),
        unparsed: counts.unparsed,
        files: 1,
    }
}

/// What the index says of these files, leaving out what only several sessions together tell.
fn by_index(files: &[(&[u8], Origin)]) -> Vec<SessionTotals> {
    let (rules, prices) = (rules(), Prices::embedded());
    let facts: Vec<_> = files.iter().map(|(bytes, origin)| scan(bytes, origin, &rules)).collect();
    let parts: Vec<&Part> = facts.iter().flat_map(|facts| &facts.parts).collect();
    let mut runs: Vec<&RunId> = parts.iter().map(|part| &part.run).collect();
    runs.sort();
    runs.dedup();
    let of = |run: &RunId| parts.iter().filter(|part| part.run == *run).copied().collect::<Vec<_>>();
    runs.into_iter().map(|run| SessionTotals { files: 1, ..sum::session(&of(run), &prices).unwrap() }).collect()
}

/// Events without a time make a run's first time unknown.
fn settle(mut want: Vec<SessionTotals>, got: &[SessionTotals]) -> Vec<SessionTotals> {
    for (want, got) in want.iter_mut().zip(got) {
        want.first = want.first.or(got.first);
    }
    want
}

#[test]
fn every_recording_adds_up_to_what_its_events_do() {
    for path in recordings() {
        let bytes = std::fs::read(&path).unwrap();
        let files = [(&bytes[..], origin(&path))];
        let got = by_index(&files);
        assert_eq!(got, settle(by_runs(&files), &got), "{}", path.display());
    }
}

#[test]
fn a_session_is_added_up_over_its_files() {
    for name in ["claude/subagents", "codex/subagents", "gemini/subagents", "qwen/subagents", "counting/session"] {
        let path = |end: &str| fixtures().join(format!("{name}{end}.transcript.jsonl"));
        let paths: Vec<PathBuf> =
            ["", ".subagent-1", ".subagent-2"].map(path).into_iter().filter(|p| p.exists()).collect();
        let bytes: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
        let files: Vec<(&[u8], Origin)> =
            paths.iter().zip(&bytes).map(|(path, bytes)| (&bytes[..], origin(path))).collect();
        let got = by_index(&files);
        assert_eq!(got, settle(by_runs(&files), &got), "{name}");
        let other: Vec<_> = files.iter().rev().cloned().collect();
        assert_eq!(by_index(&other), got, "{name}, files in another order");
    }
}

#[test]
fn most_lines_need_no_adapter() {
    // Otherwise the index would be right, but slow.
    let rules = rules();
    let path = fixtures().join("claude/subagents.transcript.jsonl");
    let bytes = std::fs::read(path).unwrap();
    let facts = scan(&bytes, &Origin::default(), &rules);
    let wants = super::claude::Wants::of(&facts.parts[0]);
    let mut memory = super::claude::Memory::default();
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let asked = lines.filter(|line| {
        let look = super::claude::look(line, wants, &mut memory);
        matches!(look, None | Some(super::claude::Look::Ask | super::claude::Look::Whole))
    });
    let asked: Vec<_> = asked.map(String::from_utf8_lossy).collect();
    assert!(asked.len() <= 6, "{asked:#?}");
}

/// The same facts, written as no agent would: keys in any order, spaces, letters as escapes.
fn strangely(value: &Value, dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
    let space =
        |dice: &mut dyn FnMut(usize) -> usize, out: &mut String| out.push_str(["", "", "", " ", "  ", "\t"][dice(6)]);
    space(dice, out);
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<(&String, &Value)> = map.iter().collect();
            if dice(2) == 0 {
                for i in (1..pairs.len()).rev() {
                    pairs.swap(i, dice(i + 1));
                }
            }
            out.push('{');
            for (i, (key, value)) in pairs.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                space(dice, out);
                text(key, dice, out);
                space(dice, out);
                out.push(':');
                strangely(value, dice, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                strangely(value, dice, out);
            }
            out.push(']');
        }
        Value::String(string) => text(string, dice, out),
        other => out.push_str(&other.to_string()),
    }
    space(dice, out);
}

fn text(string: &str, dice: &mut impl FnMut(usize) -> usize, out: &mut String) {
    if string.is_empty() || string.len() > 300 || dice(12) > 0 {
        out.push_str(&Value::from(string).to_string());
        return;
    }
    let odd = dice(string.chars().count());
    out.push('"');
    for (i, c) in string.chars().enumerate() {
        if i == odd && (c as u32) < 0x10000 {
            out.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            let quoted = Value::from(c.to_string()).to_string();
            out.push_str(&quoted[1..quoted.len() - 1]);
        }
    }
    out.push('"');
}

/// Lines that look like facts to whoever searches bytes, and are none.
fn lookalike(session: &str) -> String {
    let inner = serde_json::json!({"type": "assistant", "sessionId": session, "message": {"id": "msg_fake", "usage":
        {"output_tokens": 1_000_000}, "content": [{"type": "tool_use", "id": "fake", "name": "Task"}]}});
    let quoted = inner.to_string();
    let whole = serde_json::json!({"type": "attachment", "sessionId": session, "attachment": inner, "note": quoted});
    whole.to_string()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn how_a_line_is_written_changes_nothing(seed: u64, which in 0usize..10_000, torn in 0usize..4) {
        let all: Vec<PathBuf> = recordings().into_iter().filter(|p| p.to_string_lossy().contains("transcript")).collect();
        let path = &all[which % all.len()];
        let mut state = seed | 1;
        let mut dice = |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n.max(1)
        };
        let plain = std::fs::read_to_string(path).unwrap();
        let mut strange = String::new();
        for line in plain.lines() {
            strangely(&serde_json::from_str(line).unwrap(), &mut dice, &mut strange);
            strange.push('\n');
            if dice(5) == 0 {
                let value: Value = serde_json::from_str(line).unwrap();
                strange.push_str(&lookalike(value["sessionId"].as_str().unwrap_or("x")));
                strange.push('\n');
            }
        }
        if torn == 0 {
            strange.push_str(r#"{"type":"assistant","message":{"id":"msg_torn","usage":{"output_tokens":5}"#);
        }
        let strange_file = [(strange.as_bytes(), origin(path))];
        let (mut want, mut got) = (by_runs(&[(plain.as_bytes(), origin(path))]), by_index(&strange_file));
        // Some lookalikes end up as lines of kinds that have a time, or none.
        for totals in want.iter_mut().chain(&mut got) {
            (totals.first, totals.last) = (None, None);
        }
        prop_assert_eq!(got, want, "{}", path.display());
    }

    #[test]
    fn how_bytes_are_cut_changes_nothing(cuts in prop::collection::vec(1usize..5_000, 1..40), which in 0usize..10_000) {
        let all = recordings();
        let path = &all[which % all.len()];
        let bytes = std::fs::read(path).unwrap();
        let rules = rules();
        let mut scanner = Scanner::new(origin(path), &rules);
        let mut rest = &bytes[..];
        for cut in cuts.iter().cycle() {
            let (now, later) = rest.split_at((*cut).min(rest.len()));
            scanner.room()[..now.len()].copy_from_slice(now);
            if rest.is_empty() || scanner.took(now.len()) != Flow::More {
                break;
            }
            rest = later;
        }
        prop_assert_eq!(scanner.finish().0.parts, scan(&bytes, &origin(path), &rules).parts);
    }
}

/// Reads bytes that are all there.
fn scan(bytes: &[u8], origin: &Origin, rules: &Rules) -> FileFacts {
    let run = |mut scanner: Scanner<'_>| {
        for block in bytes.chunks(BLOCK) {
            scanner.room()[..block.len()].copy_from_slice(block);
            let flow = scanner.took(block.len());
            if flow != Flow::More {
                return (flow, scanner.finish().0);
            }
        }
        (Flow::More, scanner.finish().0)
    };
    match run(Scanner::new(origin.clone(), rules)) {
        (Flow::Restart, _) => run(Scanner::whole(origin.clone(), rules)).1,
        (_, facts) => facts,
    }
}
