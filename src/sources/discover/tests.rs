use super::super::testkit::{Home, PROJECT, fixture};
use super::*;

fn names(home: &Home, looked: &Looked) -> Vec<Vec<String>> {
    let relative = |file: &Found| file.path.strip_prefix(home.path()).unwrap().to_string_lossy().into_owned();
    looked.groups.iter().map(|group| group.files.iter().map(relative).collect()).collect()
}

fn look(home: &Home, targets: &[PathBuf]) -> Looked {
    Finder::new(&home.plan(targets)).look(home.now())
}

#[test]
fn only_recent_runs_are_read_unless_all_are_wanted() {
    let home = Home::new();
    let (new, old) = (format!("{PROJECT}/new.jsonl"), format!("{PROJECT}/old.jsonl"));
    home.write(&new, b"{}\n");
    home.write(&old, b"{}\n");
    home.age(&old, 2 * 3_600);
    let looked = look(&home, &[]);
    assert_eq!(names(&home, &looked), [[new.clone()]]);
    let places: Vec<_> =
        looked.places.iter().map(|(_, p)| (p.agent.unwrap().name(), p.exists, p.found, p.recent)).collect();
    let absent = |name| (name, false, 0, 0);
    assert_eq!(
        places,
        [
            ("claude", true, 2, 1),
            absent("codex"),
            absent("gemini"),
            absent("opencode"),
            absent("pi"),
            absent("qwen"),
            absent("native"),
            absent("native"),
        ]
    );
    let all = Plan { all: true, ..home.plan(&[]) };
    assert_eq!(names(&home, &Finder::new(&all).look(home.now())), [[new], [old]]);
}

#[test]
fn a_named_transcript_brings_its_subagents_however_old() {
    let home = Home::new();
    let paths = home.claude_with_subagents([0, 1, 2]);
    home.write(&format!("{PROJECT}/other.jsonl"), b"{}\n");
    home.age(paths[0].strip_prefix(home.path()).unwrap().to_str().unwrap(), 100_000);
    let looked = look(&home, &paths[..1]);
    assert_eq!(looked.groups.len(), 1);
    assert_eq!(looked.groups[0].files.iter().map(|f| &f.path).collect::<Vec<_>>(), paths.iter().collect::<Vec<_>>());
    assert!(looked.groups[0].files[0].named && !looked.groups[0].files[1].named);
    assert_eq!(looked.places.len(), 1);
}

#[test]
fn a_named_rollout_brings_the_threads_it_spawned_that_day() {
    let home = Home::new();
    let files = ["subagents.transcript", "subagents.subagent-1.transcript", "subagents.subagent-2.transcript"];
    let mut paths = Vec::new();
    for file in files {
        let text = fixture(&format!("codex/{file}.jsonl"));
        let line: serde_json::Value = serde_json::from_slice(text.split(|b| *b == b'\n').next().unwrap()).unwrap();
        let id = line["payload"]["id"].as_str().unwrap();
        let name = format!(".codex/sessions/2026/11/23/rollout-2026-11-23T14-32-25-{id}.jsonl");
        paths.push(home.write(&name, &text));
    }
    home.write(
        ".codex/sessions/2026/11/23/rollout-2026-11-23T15-00-00-x.jsonl",
        &fixture("codex/success.transcript.jsonl"),
    );
    let looked = look(&home, &paths[..1]);
    assert_eq!(looked.groups.len(), 1);
    let mut got: Vec<_> = looked.groups[0].files.iter().map(|f| f.path.clone()).collect();
    assert_eq!(got[0], paths[0]);
    got.sort();
    paths.sort();
    assert_eq!(got, paths);
    // And so does looking around.
    let looked = look(&home, &[]);
    assert_eq!(looked.groups.iter().map(|g| g.files.len()).collect::<Vec<_>>().iter().sum::<usize>(), 4);
    assert_eq!(looked.groups.len(), 2);
}

#[test]
fn a_named_gemini_chat_brings_its_subagents() {
    let home = Home::new();
    let main = home.write(".gemini/tmp/p/chats/session-2026-11-24T13-49-b524b5e3.jsonl", b"{}\n");
    let sub = home.write(".gemini/tmp/p/chats/b524b5e3-3984-409a/a.jsonl", b"{}\n");
    home.write(".gemini/tmp/p/chats/session-2026-11-24T13-50-ffffffff.jsonl", b"{}\n");
    let looked = look(&home, std::slice::from_ref(&main));
    assert_eq!(looked.groups.len(), 1);
    assert_eq!(looked.groups[0].files.iter().map(|f| f.path.clone()).collect::<Vec<_>>(), [main, sub]);
}

#[test]
fn a_named_file_that_is_missing_is_told_and_waited_for() {
    let home = Home::new();
    let path = home.at("none.jsonl");
    let looked = look(&home, std::slice::from_ref(&path));
    let place = &looked.places[0].1;
    assert!(!place.exists && place.trouble.as_ref().unwrap().as_str().contains("No such file"));
    assert_eq!(looked.groups[0].files[0].path, path);
}

#[test]
fn changed_files_are_told_apart_from_others() {
    let home = Home::new();
    let finder = Finder::new(&home.plan(&[]));
    let takes = |path: &str| finder.takes(&home.at(path));
    assert!(takes(".claude/projects/p/s.jsonl"));
    assert!(takes(".claude/projects/p/s/subagents/a.jsonl"));
    assert!(!takes(".claude/projects/p/s/subagents/a.meta.json"));
    assert!(takes(".local/share/opencode/opencode.db"));
    assert!(!takes(".gemini/tmp/p/logs.json"));
    assert!(!takes(".bash_history"));
    assert!(!takes("s.jsonl"));
}
