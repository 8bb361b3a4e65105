use std::fs;

use super::super::env::{Layout, Root};
use super::super::walk::walk;
use super::*;

/// Makes files (path, content, age in seconds) and groups those younger than `window` seconds.
fn groups(files: &[(&str, &str, i64)], window: i64) -> Vec<Vec<String>> {
    const NOW: i64 = 1_800_000_000;
    let dir = tempfile::tempdir().unwrap();
    for (file, content, age) in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs((NOW - age) as u64);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    }
    let mut found = walk(&Root { agent: None, path: dir.path().into(), layout: Layout::Named }).files;
    // The order in which a directory lists its files must not matter.
    found.sort_by_key(|f| std::cmp::Reverse(f.path.to_string_lossy().len()));
    let groups = Grouper::default().group(found, Stamp((NOW - window) * 1_000));
    let relative = |f: &Found| f.path.strip_prefix(dir.path()).unwrap().to_string_lossy().into_owned();
    groups.iter().map(|g| g.files.iter().map(relative).collect()).collect()
}

#[test]
fn claude_subagents_come_with_their_session_and_make_it_recent() {
    let old_style = "{\"sessionId\":\"s2\",\"agentId\":\"b\"}\n";
    let files = [
        ("p/s1.jsonl", "", 5_000),
        ("p/s1/subagents/agent-b.jsonl", "", 10),
        ("p/s1/subagents/more/agent-a.jsonl", "", 6_000),
        ("p/s2.jsonl", "", 20),
        ("p/agent-b.jsonl", old_style, 5_000),
        ("p/s3.jsonl", "", 5_000),
    ];
    assert_eq!(
        groups(&files, 100),
        [
            vec!["p/s1.jsonl", "p/s1/subagents/agent-b.jsonl", "p/s1/subagents/more/agent-a.jsonl"],
            vec!["p/s2.jsonl", "p/agent-b.jsonl"],
        ]
    );
}

#[test]
fn gemini_subagents_stand_in_a_folder_named_after_the_session() {
    let files = [
        ("t/chats/session-2026-11-24T13-49-b524b5e3.jsonl", "", 30),
        ("t/chats/b524b5e3-3984-409a-8e2e-accc0acef593/one.jsonl", "", 5_000),
        ("t/chats/session-2026-11-24T13-50-ffffffff.jsonl", "", 40),
    ];
    let (main, sub, other) = (files[0].0, files[1].0, files[2].0);
    assert_eq!(groups(&files, 100), [vec![main, sub], vec![other]]);
}

fn rollout(id: &str, root: &str, at: &str) -> String {
    let meta = format!("{{\"id\":\"{id}\",\"session_id\":\"{root}\"}}");
    format!("{{\"timestamp\":\"{at}\",\"type\":\"session_meta\",\"payload\":{meta}}}\n{{}}\n")
}

#[test]
fn codex_threads_come_with_their_root() {
    let (a, b, c, d) = ("00000000-aaaa", "00000000-bbbb", "00000000-cccc", "00000000-dddd");
    let name = |id: &str| format!("2027/01/15/rollout-2027-01-15T08-00-00-{id}.jsonl");
    // 1_800_000_000 is 2027-01-15T08:00:00Z.
    let files = [
        (name(a), rollout(a, a, "2027-01-15T06:00:00Z"), 5_000),
        (name(b), rollout(b, a, "2027-01-15T07:50:00Z"), 10),
        (name(c), rollout(c, a, "2027-01-15T06:10:00Z"), 6_000),
        (name(d), rollout(d, d, "2027-01-15T07:00:00Z"), 3_000),
    ];
    let borrowed: Vec<_> = files.iter().map(|(n, t, age)| (n.as_str(), t.as_str(), *age)).collect();
    assert_eq!(groups(&borrowed, 100), [vec![name(a), name(b), name(c)]]);
    assert_eq!(groups(&borrowed, 10_000), [vec![name(a), name(b), name(c)], vec![name(d)]]);
}

#[test]
fn other_files_are_runs_of_their_own_newest_first() {
    let files = [("a.jsonl", "", 30), ("b.log", "", 10), ("opencode.db", "", 20)];
    assert_eq!(groups(&files, 100), [["b.log"], ["opencode.db"], ["a.jsonl"]]);
}
