use super::testkit::{Fake, NOW, Process, told};
use super::*;
use crate::domain::time::Span;

fn claude(fake: &Fake, pid: u32, parent: u32, session: &str) -> ProcId {
    let id =
        fake.add(&Process { pid, parent, comm: "claude", exe: "/x/claude", argv: &["claude"], ..Process::default() });
    let note = format!(r#"{{"sessionId":"{session}","procStart":"{}"}}"#, id.start);
    fake.write(&format!("home/.claude/sessions/{pid}.json"), &note);
    id
}

#[test]
fn a_tree_is_its_root_and_what_descends_from_it() {
    let fake = Fake::new();
    let root = fake.add(&Process { pid: 5, age: Span::secs(90), ..Process::default() });
    claude(&fake, 10, 5, "a");
    fake.add(&Process { pid: 11, parent: 10, ..Process::default() });
    claude(&fake, 12, 11, "nested");
    claude(&fake, 20, 1, "outside");
    let of = |root| told(&map_tree(root, &fake.proc(), &Env::default(), NOW));
    assert_eq!(of(root), ["claude:a 10/10", "claude:nested 12/12"]);
    assert!(of(ProcId { start: root.start + 1, ..root }).is_empty());
    assert_eq!(fake.told().len(), 3);
}

#[test]
fn without_processes_nothing_is_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let proc = Proc::at(dir.path().join("none"));
    assert!(!proc.is_there() && map_all(&proc, &Env::default(), NOW).is_empty());
}

#[test]
fn an_unreadable_environment_is_replaced_by_ours() {
    let fake = Fake::new();
    claude(&fake, 10, 1, "a");
    fake.write("proc/10/environ", "");
    assert!(fake.told().is_empty());
    let env = Env { home: Some(fake.path("home")), ..Env::default() };
    assert_eq!(told(&map_all(&fake.proc(), &env, NOW)), ["claude:a 10/10"]);
}

#[test]
fn who_sees_another_file_system_is_left_alone() {
    let fake = Fake::new();
    claude(&fake, 10, 1, "a");
    std::fs::create_dir_all(fake.path("proc/self")).unwrap();
    fake.link("proc/self/root", std::path::Path::new("/"));
    fake.link("proc/10/root", std::path::Path::new("/"));
    assert_eq!(fake.told(), ["claude:a 10/10"]);
    fake.link("proc/10/root", &fake.path("home"));
    assert!(fake.told().is_empty());
}

#[test]
fn marks_are_what_children_carry() {
    assert_eq!(marks(Agent::Claude, "s"), [("CLAUDE_CODE_SESSION_ID".to_owned(), "s".to_owned())]);
    assert_eq!(marks(Agent::Codex, "t").len(), 2);
    for agent in [Agent::Gemini, Agent::Opencode, Agent::Pi, Agent::Qwen, Agent::Native] {
        assert!(marks(agent, "s").is_empty());
    }
    for agent in Agent::ALL {
        assert!(marks(agent, "s").iter().all(|(name, _)| AGENT_MARKS.contains(&name.as_str())));
    }
}

/// A real process under the name of pi, in a real tree, with what pi would have written.
#[test]
fn a_real_process_is_found_by_its_name() {
    let (proc, dir) = (Proc::system(), tempfile::tempdir().unwrap());
    if !proc.is_there() {
        return;
    }
    let at = dir.path().canonicalize().unwrap();
    let (program, home) = (at.join("pi"), at.join("home"));
    std::fs::copy("/bin/cat", &program).unwrap();
    // It reads until its input ends: it lives exactly as long as the test wants.
    let mut child = std::process::Command::new(&program)
        .current_dir(&at)
        .env("HOME", &home)
        .env_remove("PI_CODING_AGENT_DIR")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let folder = home.join(".pi/agent/sessions").join(pi::folder(at.to_str().unwrap()));
    std::fs::create_dir_all(&folder).unwrap();
    let now = crate::clock::now();
    let line = format!(r#"{{"type":"session","id":"real","cwd":"{}"}}"#, at.display());
    let file = folder.join("T_real.jsonl");
    std::fs::write(&file, line + "\n").unwrap();
    let later = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(now.0 as u64 + 500);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(later).unwrap();
    let mine = |mapped: Vec<Mapped>| mapped.into_iter().find(|one| &*one.session.session == "real");
    let found = mine(map_all(&proc, &Env::default(), crate::clock::now()));
    drop(child.stdin.take());
    child.wait().unwrap();
    let found = found.expect("found");
    assert!(found.certain && found.leader.pid == child.id(), "{found:?}");
    assert!(mine(map_all(&proc, &Env::default(), crate::clock::now())).is_none());
}
