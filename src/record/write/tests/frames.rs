//! A screen and the replay of its recording, frame by frame.

use super::*;
use crate::domain::time::Span;

fn prices() -> Arc<crate::domain::price::Prices> {
    Arc::new(crate::domain::price::Prices::embedded())
}

/// What a screen shows of its runs.
fn shown(model: &crate::engine::Model, now: Stamp) -> String {
    let run = |run: &crate::domain::run::Run| {
        let rules = &model.rules;
        let state = (run.state(now, rules), run.spent(now, rules), run.left(now, rules), run.readings(now, rules));
        format!("{} {state:?} {:?} {:?} {:?}", run.id, run.statement, run.timeline, run.facts)
    };
    let runs: Vec<String> = model.runs().map(run).collect();
    format!("{runs:?} {:?} {:?} {:?}", model.counters, model.gates(), model.notes().collect::<Vec<_>>())
}

#[test]
fn a_screens_recording_replays_to_the_same_frames() {
    use super::watched::Watched;
    use crate::record::store::{Recording, Store};
    let dir = tempfile::tempdir().unwrap();
    let loaded = crate::config::load(&crate::config::Sources::default()).unwrap();
    let recording = Recording {
        store: Store { dir: dir.path().join("recordings") },
        policy: Arc::new(loaded.recorded()),
        redactor: Redactor::default(),
        keep: Span::mins(60),
        keep_mb: 100,
    };
    let mut watched = Watched::begin(recording.clone(), "/w", NOW).unwrap();
    let mut live = crate::engine::Model::new(loaded.rules.clone(), prices());
    let mut frames = Vec::new();
    let mut tell = |msg: Msg, now: Stamp| {
        watched.note(&msg, &live, now);
        live.apply(msg, now);
        frames.push((now, shown(&live, now)));
    };
    tell(Msg::Opened { source: 0, name: "a".into(), form: Some(Form::Disk) }, NOW);
    for n in 0..60 {
        let at = Stamp(NOW.0 + n as i64 * 1_700);
        let id = RunId::new(Agent::Claude, if n % 3 == 0 { "s" } else { "t" });
        let key = crate::domain::event::Key(n / 2);
        let body = match n % 4 {
            0 => Body::Prompt { text: "go".into() },
            1 => Body::ToolCall {
                key,
                tool: "Bash".into(),
                input: Box::new(crate::domain::tool::ToolInput::from_command("git push && make test")),
            },
            2 => Body::ToolResult { key, failure: crate::domain::event::Failure::Flagged, text: "no".into() },
            _ => Body::TurnEnded,
        };
        // Every other event has no time of its own.
        let own = (n % 2 == 0).then_some(at);
        let event = Event { run: id.clone(), branch: None, at: own, body };
        tell(Msg::Events { source: 0, events: vec![(event.clone(), n), (event, n)] }, at);
        let grant = crate::engine::Fact::Grant {
            run: id,
            key: crate::domain::event::Key(n / 7),
            amount: Span::mins(1),
            by: "ann".into(),
            reason: "".into(),
            at,
        };
        tell(Msg::Control(grant), at);
        tell(Msg::Tick, Stamp(at.0 + 900));
    }
    // It falls quiet, and forgets its details.
    (0..300).for_each(|n| tell(Msg::Tick, Stamp(NOW.0 + 110_000 + n * 1_000)));
    tell(Msg::Events { source: 0, events: vec![(event(9), 99)] }, Stamp(NOW.0 + 411_300));
    (0..5).for_each(|n| tell(Msg::Tick, Stamp(NOW.0 + 412_000 + n * 1_000)));
    let end = frames.last().unwrap().0;
    watched.finish(&live, end);
    let path = recording.store.files().unwrap().remove(0);
    watched.put_away(NOW);
    let path = if path.exists() { path } else { path.with_extension("jsonl.zst") };
    let mut tape = read::open(&path).unwrap();
    let Some(Ok(Beat { msg: TapeMsg::Side(Side::Policy(policy)), .. })) = tape.next() else { panic!("no policy") };
    let mut again = crate::engine::Model::new(Arc::new(policy.rules().unwrap()), prices());
    let mut beats = tape.map(Result::unwrap).peekable();
    let moments: std::collections::HashMap<Stamp, String> = frames.iter().cloned().collect();
    let mut compared = 0;
    for (now, frame) in frames {
        while let Some(beat) = beats.next_if(|beat| beat.at <= now && !matches!(beat.msg, TapeMsg::Side(_))) {
            let at = beat.at;
            beat.into_msg().into_iter().for_each(|msg| drop(again.apply(msg, at)));
        }
        // Of several frames of one moment the last, and none of those in which nothing happened for minutes.
        let is_last = moments.get(&now) == Some(&frame);
        if is_last && !(NOW.0 + 300_000..NOW.0 + 411_000).contains(&now.0) {
            compared += 1;
            assert!(shown(&again, now) == frame, "at {now:?}");
        }
    }
    assert!(compared > 300, "{compared}");
    assert_eq!(shown(&again, end), shown(&live, end));
    let Some(Beat { msg: TapeMsg::Side(Side::Sum(sum)), .. }) = beats.next() else { panic!("no sum") };
    let said: Vec<_> = again.runs().map(|run| crate::record::format::RunSum::of(run, end, &again.rules)).collect();
    assert_eq!(sum.runs, said);
}
