use std::fs;

use super::super::testkit::{Home, PROJECT, apply, counted, figures, fixture, lines, model, prices, rules};
use super::*;
use crate::engine::{Model, SourceState};

/// A pool driven by hand, and the model of what it tells.
struct Bench {
    home: Home,
    pool: Pool,
    model: Model,
}

impl Bench {
    fn new(home: Home, targets: &[PathBuf]) -> Self {
        let pool = Pool::new(&home.plan(targets));
        Self { home, pool, model: Model::new(rules(), prices()) }
    }

    fn act(&mut self, act: impl FnOnce(&mut Pool, Stamp, &mut dyn FnMut(Msg))) -> usize {
        let mut msgs = Vec::new();
        act(&mut self.pool, self.home.now(), &mut |msg| msgs.push(msg));
        let count = msgs.len();
        apply(&mut self.model, msgs, self.home.now());
        count
    }

    fn discover(&mut self) {
        self.act(|pool, now, sink| pool.discover(now, sink));
    }

    fn read_all(&mut self) {
        while self.pool.has_more() {
            self.act(|pool, now, sink| pool.step(now, sink));
        }
    }

    fn poll(&mut self) {
        self.act(|pool, now, sink| pool.poll(true, now, sink));
        self.read_all();
    }

    fn state(&self, source: usize) -> &SourceState {
        &self.model.sources[source].state
    }
}

const RUN: &str = ".claude/projects/-home-dev-project/a.jsonl";

/// A model of the whole of a transcript, read at once.
fn at_once(text: &[u8]) -> Model {
    let home = Home::new();
    home.write(RUN, text);
    let mut msgs = Vec::new();
    super::super::read_now(&home.plan(&[]), &mut |msg| msgs.push(msg));
    model(msgs, home.now())
}

#[test]
fn following_a_file_line_by_line_gives_what_reading_it_at_once_gives() {
    let text = fixture("claude/loop.transcript.jsonl");
    let home = Home::new();
    home.write(RUN, b"");
    let mut bench = Bench::new(home, &[]);
    bench.discover();
    bench.read_all();
    for line in lines(&text) {
        // Each line comes in two pieces.
        let (head, tail) = line.split_at(line.len() / 2);
        bench.home.append(RUN, head);
        bench.poll();
        bench.home.append(RUN, tail);
        bench.poll();
    }
    let got = figures(&bench.model);
    assert_eq!(got.len(), 1);
    assert_eq!(got, figures(&at_once(&text)));
}

#[test]
fn truncated_and_replaced_files_count_nothing_twice() {
    let text = fixture("claude/success.transcript.jsonl");
    let home = Home::new();
    home.write(RUN, &text);
    let mut bench = Bench::new(home, &[]);
    bench.discover();
    bench.read_all();
    let expected = counted(&at_once(&text));
    assert_eq!(counted(&bench.model), expected);
    // Truncated, then written again in pieces.
    let half = text.len() / 2;
    fs::write(bench.home.at(RUN), &text[..half]).unwrap();
    bench.poll();
    bench.home.append(RUN, &text[half..]);
    bench.poll();
    assert_eq!(counted(&bench.model), expected, "truncated");
    // Replaced by a copy of itself, and by one with a line more in front.
    for copy in [text.clone(), [lines(&text)[0].to_vec(), text.clone()].concat()] {
        bench.home.write("other", &copy);
        fs::rename(bench.home.at("other"), bench.home.at(RUN)).unwrap();
        bench.poll();
        assert_eq!(counted(&bench.model), expected, "replaced");
    }
    // Rotated away, and a new run in its place.
    fs::rename(bench.home.at(RUN), bench.home.at(&format!("{RUN}.1"))).unwrap();
    bench.poll();
    assert_eq!(*bench.state(0), SourceState::Closed);
    bench.home.write(RUN, &fixture("claude/errors.transcript.jsonl"));
    bench.poll();
    assert!(matches!(bench.state(0), SourceState::Reading(_)));
    assert_eq!(bench.model.runs().len(), 2);
    assert_eq!(bench.model.sources.len(), 1);
}

#[test]
fn new_files_are_found_and_old_ones_that_go_on() {
    let home = Home::new();
    let old = format!("{PROJECT}/old.jsonl");
    home.write(&old, &fixture("claude/success.transcript.jsonl"));
    home.age(&old, 10_000);
    let mut bench = Bench::new(home, &[]);
    bench.discover();
    bench.read_all();
    assert_eq!(bench.model.runs().len(), 0);
    bench.home.write(RUN, &fixture("claude/errors.transcript.jsonl"));
    bench.discover();
    bench.read_all();
    assert_eq!(bench.model.runs().len(), 1);
    assert!(bench.pool.finder().takes(&bench.home.at(&old)));
    bench.home.append(&old, b"{\"type\":\"summary\"}\n");
    bench.discover();
    bench.read_all();
    assert_eq!(bench.model.runs().len(), 2);
    // Looking around again finds nothing, and says nothing.
    assert_eq!(bench.act(|pool, now, sink| pool.discover(now, sink)), 0);
    assert!(!bench.pool.has_more());
}

#[test]
fn a_run_that_is_worked_on_goes_before_the_others() {
    let home = Home::new();
    let mut text = fixture("claude/success.transcript.jsonl");
    for at in 0..5 {
        let path = format!("{PROJECT}/run-{at}.jsonl");
        home.write(&path, &text);
        home.age(&path, 10 + at);
        text.push(b'\n');
    }
    let mut bench = Bench::new(home, &[]);
    bench.discover();
    bench.act(|pool, now, sink| pool.step(now, sink));
    let wanted = bench.home.at(&format!("{PROJECT}/run-4.jsonl"));
    bench.act(|pool, now, sink| pool.changed(&wanted, now, sink));
    bench.act(|pool, now, sink| pool.step(now, sink));
    let names: Vec<_> = bench.model.sources.iter().map(|s| s.name.as_str().rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["run-0.jsonl", "run-4.jsonl"]);
    bench.read_all();
    assert_eq!(bench.model.sources.len(), 5);
    assert!(bench.model.progress.is_done());
}

#[test]
fn a_change_goes_before_history() {
    let home = Home::new();
    home.write(RUN, &fixture("claude/success.transcript.jsonl"));
    let mut bench = Bench::new(home, &[]);
    bench.discover();
    bench.read_all();
    // Much history, half of it read.
    let big = fixture("claude/loop.transcript.jsonl").repeat(40);
    bench.home.write(&format!("{PROJECT}/big.jsonl"), &big);
    bench.discover();
    bench.act(|pool, now, sink| pool.step(now, sink));
    assert!(bench.pool.has_more());
    let events = bench.model.find(&bench.model.run(0).unwrap().id.clone()).unwrap().counts.events;
    bench.home.append(RUN, &fixture("claude/success.transcript.jsonl"));
    let path = bench.home.at(RUN);
    bench.act(|pool, now, sink| pool.changed(&path, now, sink));
    assert!(bench.model.run(0).unwrap().counts.events > events);
    assert!(bench.pool.has_more(), "history is still to be read");
    bench.read_all();
}

#[test]
fn files_nobody_knows_are_forgotten_until_they_change() {
    let home = Home::new();
    home.write("work/x.log", b"nothing\n");
    let work = home.at("work");
    let mut bench = Bench::new(home, &[work]);
    bench.discover();
    bench.read_all();
    assert!(bench.model.sources.is_empty());
    assert_eq!(bench.model.places[0].trouble.as_ref().unwrap().as_str(), "1 files in no known format");
    bench.discover();
    assert!(!bench.pool.has_more());
    bench.home.write("work/x.log", &fixture("claude/success.jsonl"));
    bench.discover();
    bench.read_all();
    assert_eq!(bench.model.runs().len(), 1);
    assert_eq!(bench.model.places[0].trouble, None);
}

#[test]
fn a_named_file_may_come_later() {
    let home = Home::new();
    let path = home.at("later.jsonl");
    let mut bench = Bench::new(home, std::slice::from_ref(&path));
    bench.discover();
    bench.read_all();
    assert!(matches!(bench.state(0), SourceState::Failed(_)));
    fs::write(&path, fixture("codex/success.jsonl")).unwrap();
    bench.poll();
    assert!(matches!(bench.state(0), SourceState::Reading(_)));
    assert_eq!(bench.model.runs().len(), 1);
}

#[test]
fn a_chat_that_is_written_anew_as_one_document_counts_nothing_twice() {
    let text = fixture("gemini/success.transcript.jsonl");
    let mut lines = lines(&text).into_iter().map(|line| serde_json::from_slice::<serde_json::Value>(line).unwrap());
    let head = lines.next().unwrap();
    let messages: Vec<_> = lines.filter(|line| line.get("id").is_some()).collect();
    let document = |count: usize| {
        let mut document = head.clone();
        document["messages"] = messages[..count].to_vec().into();
        serde_json::to_vec_pretty(&document).unwrap()
    };
    const CHAT: &str = ".gemini/tmp/p/chats/session-2026-11-24T13-48-936250dc.json";
    let home = Home::new();
    home.write(CHAT, &document(1));
    let mut bench = Bench::new(home, &[]);
    bench.discover();
    bench.read_all();
    for count in 2..=messages.len() {
        // Caught while it is written, then whole.
        let whole = document(count);
        bench.home.write(CHAT, &whole[..whole.len() / 2]);
        bench.poll();
        bench.home.write(CHAT, &whole);
        bench.poll();
    }
    let home = Home::new();
    home.write(CHAT, &document(messages.len()));
    let mut msgs = Vec::new();
    super::super::read_now(&home.plan(&[]), &mut |msg| msgs.push(msg));
    let expected = model(msgs, home.now());
    assert!(expected.run(0).unwrap().counts.tool_calls > 0);
    assert_eq!(counted(&bench.model), counted(&expected));
    assert_eq!(bench.model.run(0).unwrap().counts.turns, expected.run(0).unwrap().counts.turns);
}

#[test]
fn why_changes_are_polled_is_shown_where_it_matters() {
    let home = Home::new();
    home.write(RUN, b"");
    let root = home.at(".claude/projects");
    let mut bench = Bench::new(home, &[]);
    bench.discover();
    bench.pool.set_trouble(&root, Some(Text::new("limit")));
    bench.act(|pool, _, sink| pool.tell_places(sink));
    let troubles: Vec<_> = bench.model.places.iter().filter_map(|place| place.trouble.clone()).collect();
    assert_eq!(troubles, [Text::new("limit")]);
    assert_eq!(bench.act(|pool, _, sink| pool.tell_places(sink)), 0, "the same is not told twice");
}
