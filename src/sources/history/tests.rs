use super::super::batch::read_now;
use super::super::testkit::{Home, PROJECT, figures, fixture, model, prices, rules};
use super::*;
use crate::domain::run::EntryKind;
use crate::engine::Model;

/// A model of one Claude run with subagents, and what its sources' numbers stand for.
fn read(home: &Home) -> (Model, Vec<(u32, Kept)>) {
    home.claude_with_subagents([0, 1, 2]);
    let mut msgs = Vec::new();
    read_now(&home.plan(&[]), &mut |msg| msgs.push(msg));
    let model = model(msgs, home.now());
    let kept = |number: &u32| (*number, Kept::File(model.sources[*number as usize].name.as_str().into(), Kind::Lines));
    let sources = model.sources_of(0).iter().map(kept).collect();
    (model, sources)
}

#[test]
fn a_run_read_again_has_the_same_numbers_and_places() {
    let home = Home::new();
    let (model, sources) = read(&home);
    assert_eq!(sources.len(), 3);
    let known = model.run(0).unwrap();
    let again = read_run(0, &known.id, &sources, &rules(), &prices(), || true).unwrap();
    assert_eq!(again.counts.events, known.counts.events);
    assert_eq!(again.clock, known.clock);
    assert!(again.statement.lines().eq(known.statement.lines()));
    assert!(again.timeline.entries().eq(known.timeline.entries()));
    let unwanted = read_run(0, &known.id, &sources, &rules(), &prices(), || false);
    assert!(unwanted.is_none());
    assert_eq!(figures(&model).len(), 1);
}

#[test]
fn the_text_behind_an_event_can_be_read() {
    let home = Home::new();
    let (model, sources) = read(&home);
    let entry = model.run(0).unwrap().timeline.entries().find(|e| e.kind == EntryKind::Tool).unwrap();
    let (_, kept) = sources.iter().find(|(number, _)| *number == entry.origin.source).unwrap();
    let lines = read_detail(Some(kept), entry.origin.offset);
    assert!(lines.len() > 10);
    assert_eq!(lines[0].as_str(), "{");
    assert!(lines.iter().any(|line| line.as_str().contains("tool_use")));
}

#[test]
fn why_there_is_no_text_is_said() {
    let home = Home::new();
    let said = |kept: Option<&Kept>| read_detail(kept, 0)[0].as_str().to_owned();
    assert!(said(Some(&Kept::Pipe)).contains("can't be read again"));
    assert!(said(None).contains("not known"));
    assert!(said(Some(&Kept::File(home.at("none"), Kind::Lines))).contains("No such file"));
    assert!(said(Some(&Kept::Database(home.at("none.db")))).contains("none.db"));
    assert!(
        read_run(
            0,
            &RunId::new(crate::domain::event::Agent::Claude, "x"),
            &[(0, Kept::Pipe)],
            &rules(),
            &prices(),
            || true
        )
        .is_none()
    );
}

#[test]
fn a_document_is_shown_whole() {
    let home = Home::new();
    let path = home.write(&format!("{PROJECT}/session-1.json"), &fixture("claude/sessions_pid.json"));
    let lines = read_detail(Some(&Kept::File(path, Kind::Document)), 0);
    assert_eq!(lines.first().map(Text::as_str), Some("{"));
    assert_eq!(lines.last().map(Text::as_str), Some("}"));
}
