use std::sync::mpsc::{Receiver, channel};

use super::super::testkit::{Home, PROJECT, apply, fixture, lines, prices, rules};
use super::*;
use crate::engine::Model;

/// Longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the thread tells, with a deadline on waiting for it.
struct Bench {
    home: Home,
    model: Model,
    rx: Receiver<Vec<Msg>>,
    handle: Handle,
}

impl Bench {
    fn new(home: Home) -> Self {
        let (tx, mut from_thread) = tokio::sync::mpsc::channel(4);
        let (forward, rx) = channel();
        thread::spawn(move || {
            while let Some(msgs) = from_thread.blocking_recv() {
                if forward.send(msgs).is_err() {
                    return;
                }
            }
        });
        let handle = spawn(home.plan(&[]), tx).unwrap();
        Self { home, model: Model::new(rules(), prices()), rx, handle }
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Model) -> bool) {
        let until = clock::elapsed() + DEADLINE;
        while !is_so(&self.model) {
            let left = until.saturating_sub(clock::elapsed());
            let msgs = self.rx.recv_timeout(left).unwrap_or_else(|_| panic!("not within the deadline: {what}"));
            apply(&mut self.model, msgs, self.home.now());
        }
    }
}

#[test]
fn files_are_read_followed_found_and_read_again() {
    let home = Home::new();
    let text = fixture("claude/success.transcript.jsonl");
    let all = lines(&text);
    let (first, rest) = all.split_at(all.len() / 2);
    let run = format!("{PROJECT}/a.jsonl");
    home.write(&run, &first.concat());
    let mut bench = Bench::new(home);
    bench.until("places", |model| !model.places.is_empty());
    bench.until("the first lines", |model| model.progress.is_done() && model.runs().len() == 1);
    let events = bench.model.run(0).unwrap().counts.events;
    bench.home.append(&run, &rest.concat());
    bench.until("the other lines", |model| model.run(0).unwrap().counts.events > events);
    bench.home.write(&format!("{PROJECT}/b.jsonl"), &fixture("claude/errors.transcript.jsonl"));
    bench.until("a new file", |model| model.runs().len() == 2);
    // A root that was not there at the beginning, folders and all.
    bench.home.write(".pi/agent/sessions/--p--/x.jsonl", &fixture("pi/success.transcript.jsonl"));
    bench.until("a new root", |model| model.runs().len() == 3);

    let known = bench.model.run(0).unwrap();
    let (id, sources) = (known.id.clone(), bench.model.sources_of(0).to_vec());
    let origin = known.timeline.entries().next().unwrap().origin;
    bench.handle.request(Request::ReadDetail(origin));
    bench.until("a detail", |model| model.detail.as_ref().is_some_and(|(at, lines)| *at == origin && lines.len() > 1));
    bench.model.apply(Msg::Look(Some(0)), bench.home.now());
    bench.handle.request(Request::ReadHistory { run: 0, id, sources, rules: rules(), prices: prices() });
    let told = |msgs: &[Msg]| msgs.iter().any(|msg| matches!(msg, Msg::History(run) if run.number == 0));
    let until = clock::elapsed() + DEADLINE;
    loop {
        let msgs = bench.rx.recv_timeout(until.saturating_sub(clock::elapsed())).expect("history");
        if told(&msgs) {
            break;
        }
    }
    // Dropping the handle ends the thread, and with it the channel.
    let Bench { rx, handle, home, .. } = bench;
    drop(handle);
    let until = clock::elapsed() + DEADLINE;
    while rx.recv_timeout(until.saturating_sub(clock::elapsed())).is_ok() {}
    assert!(clock::elapsed() < until);
    drop(home);
}

#[test]
fn a_log_stands_for_its_database() {
    assert_eq!(as_source("/x/opencode.db-wal".into()), PathBuf::from("/x/opencode.db"));
    assert_eq!(as_source("/x/a.jsonl".into()), PathBuf::from("/x/a.jsonl"));
}
