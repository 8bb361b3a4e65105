use super::super::testkit::{Home, PROJECT, counted, fixture, model};
use super::*;
use crate::engine::SourceState;

/// One run of each agent that keeps lines in files, where the agent keeps them.
fn home() -> Home {
    let home = Home::new();
    home.claude_with_subagents([0, 1, 2]);
    let id = "01a208d2-8975-7252-8868-e554e34cdd02";
    let rollout = format!(".codex/sessions/2026/11/23/rollout-2026-11-23T14-32-25-{id}.jsonl");
    home.write(&rollout, &fixture("codex/success.transcript.jsonl"));
    let chats = ".gemini/tmp/p/chats/session-2026-11-24T13-49-b524b5e3.jsonl";
    home.write(chats, &fixture("gemini/success.transcript.jsonl"));
    home.write(".pi/agent/sessions/--p--/x.jsonl", &fixture("pi/success.transcript.jsonl"));
    home.write(".qwen/projects/p/chats/x.jsonl", &fixture("qwen/success.transcript.jsonl"));
    home
}

fn read(plan: &Plan) -> Vec<Msg> {
    let mut msgs = Vec::new();
    read_now(plan, &mut |msg| msgs.push(msg));
    msgs
}

#[test]
fn every_agent_is_found_and_read_to_the_end() {
    let home = home();
    let msgs = read(&home.plan(&[]));
    let model = model(msgs, home.now());
    let mut agents: Vec<_> = model.runs().map(|run| run.id.agent.name()).collect();
    agents.sort_unstable();
    assert_eq!(agents, ["claude", "codex", "gemini", "pi", "qwen"]);
    assert!(model.runs().all(|run| run.counts.tool_calls > 0 && run.tokens.own().0.total() > 0));
    assert!(model.sources.iter().all(|source| matches!(source.state, SourceState::Reading(_))));
    assert_eq!(model.sources.len(), 7);
    assert!(model.progress.is_done());
    assert_eq!(model.progress.done_bytes, model.progress.total_bytes);
    assert_eq!(model.counters.unparsed, 0);
    assert_eq!(model.places.iter().filter(|place| place.exists).count(), 5);
}

#[test]
fn the_order_of_messages_is_always_the_same() {
    let home = home();
    let plan = home.plan(&[]);
    let expected = format!("{:?}", read(&plan));
    for _ in 0..3 {
        assert_eq!(format!("{:?}", read(&plan)), expected);
    }
}

#[test]
fn a_named_folder_is_looked_through_and_what_nobody_knows_is_only_counted() {
    let home = home();
    home.write("work/notes.log", b"nothing\n");
    home.write("work/package.json", b"{\n  \"name\": \"x\"\n}\n");
    home.write("work/deep/run.log", &fixture("claude/success.jsonl"));
    let msgs = read(&home.plan(&[home.at("work")]));
    let model = model(msgs, home.now());
    assert_eq!(model.runs().len(), 1);
    assert_eq!(model.sources.len(), 1);
    let place = &model.places[0];
    assert_eq!((place.found, place.trouble.as_ref().unwrap().as_str()), (3, "2 files in no known format"));
}

#[test]
fn a_named_file_is_shown_even_if_nobody_knows_it() {
    let home = Home::new();
    let path = home.write("notes.txt", b"nothing\n");
    let gone = home.at("gone.jsonl");
    let model = model(read(&home.plan(&[path, gone])), home.now());
    let states: Vec<_> = model.sources.iter().map(|source| source.state.clone()).collect();
    assert!(states.contains(&SourceState::Unknown), "{states:?}");
    assert!(
        states.iter().any(|state| matches!(state, SourceState::Failed(why) if why.as_str().contains("gone.jsonl")))
    );
}

#[test]
fn a_last_line_without_an_end_is_read() {
    let home = Home::new();
    let text = fixture("claude/success.transcript.jsonl");
    let whole = home.write("whole.jsonl", &text);
    let torn = home.write("torn.jsonl", text.trim_ascii_end());
    let figures = |path| counted(&model(read(&home.plan(&[path])), home.now()));
    assert_eq!(figures(whole), figures(torn));
}

/// Input that must neither stop the reader nor cost it anything around it.
#[test]
fn hostile_lines_are_counted_and_the_rest_is_read() {
    let home = Home::new();
    let text = fixture("claude/success.transcript.jsonl");
    let clean = home.write(&format!("{PROJECT}/a.jsonl"), &text);
    let figures = |path: &std::path::PathBuf| {
        let model = model(read(&home.plan(std::slice::from_ref(path))), home.now());
        (counted(&model), model.counters)
    };
    let (expected, counters) = figures(&clean);
    assert_eq!((counters.unparsed, counters.skipped), (0, 0));

    let usage = |n: &str| {
        let usage = format!("{{\"input_tokens\":{n},\"output_tokens\":1}}");
        let message = format!("{{\"id\":\"m{n}\",\"role\":\"assistant\",\"content\":[],\"usage\":{usage}}}");
        format!("{{\"type\":\"assistant\",\"sessionId\":\"s\",\"message\":{message}}}").into_bytes()
    };
    let deep = [b"{\"type\":\"assistant\",\"message\":".to_vec(), b"[".repeat(100_000)].concat();
    let long = [b"{\"type\":\"user\",\"x\":\"".to_vec(), vec![b'x'; 20 << 20], b"\"}".to_vec()].concat();
    let lone = b"{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"\\ud800\"}}".to_vec();
    let twice = b"{\"type\":\"assistant\",\"type\":\"user\",\"message\":{},\"message\":{}}".to_vec();
    let cases: [(&str, Vec<u8>, u64, u64); 10] = [
        ("lone surrogate", lone, 1, 0),
        ("duplicate keys", twice, 1, 0),
        ("invalid UTF-8", b"{\"type\":\"progress\",\"x\":\"\xff\xfe\"}".to_vec(), 1, 0),
        ("NUL", b"{\"type\":\"user\",\0\0}".to_vec(), 1, 0),
        ("no JSON", b"hello \x1b[31m".to_vec(), 1, 0),
        ("depth 100,000", deep, 1, 0),
        ("1e400", usage("1e400"), 1, 0),
        ("more than a u64", usage("99999999999999999999999"), 1, 0),
        ("torn", b"{\"type\":\"assistant\",\"message\":{\"id".to_vec(), 1, 0),
        ("longer than can be held", long, 0, 1),
    ];
    let lines = super::super::testkit::lines(&text);
    for (name, line, unparsed, skipped) in cases {
        let mut bad = b"\xef\xbb\xbf".to_vec();
        for (at, good) in lines.iter().enumerate() {
            bad.extend_from_slice(good.trim_ascii_end());
            bad.extend_from_slice(b"\r\n");
            if at == lines.len() / 2 {
                bad.extend_from_slice(&line);
                bad.extend_from_slice(b"\r\n\r\n");
            }
        }
        let path = home.write(&format!("{PROJECT}/b.jsonl"), &bad);
        let (got, counters) = figures(&path);
        assert_eq!(got, expected, "{name}");
        assert_eq!((counters.unparsed, counters.skipped), (unparsed, skipped), "{name}");
    }
}

#[test]
fn a_device_is_read_like_a_pipe() {
    let home = Home::new();
    let model = model(read(&home.plan(&["/dev/null".into()])), home.now());
    assert_eq!(model.sources.len(), 1);
    assert_eq!(model.sources[0].state, SourceState::Closed);
}

#[test]
fn a_run_that_is_looked_for_by_its_id_spares_the_files_that_are_named_after_others() {
    let home = home();
    for (id, agents) in [
        ("4a2cbbe5", &["claude", "gemini", "pi", "qwen"][..]),
        ("01a208d2", &["codex", "gemini", "pi", "qwen"]),
        ("", &["claude", "codex", "gemini", "pi", "qwen"]),
    ] {
        let model = model(read(&Plan { id: Some(id.to_owned()), ..home.plan(&[]) }), home.now());
        let mut read: Vec<_> = model.runs().map(|run| run.id.agent.name()).collect();
        read.sort_unstable();
        assert_eq!(read, agents, "{id}");
        assert!(model.progress.is_done());
    }
}
