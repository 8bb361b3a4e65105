use super::super::testkit::{Fake, Process, rfc3339};
use super::*;
use crate::domain::time::Span;

const SCRIPT: &[&str] = &["node", "/x/@google/gemini-cli/bundle/gemini.js", "-p", "x"];
const CHILD: &[(&str, &str)] = &[("GEMINI_CLI_NO_RELAUNCH", "true")];

fn gemini(pid: u32, parent: u32, vars: &'static [(&str, &str)], age: i64) -> Process<'static> {
    let age = Span::secs(age);
    Process { pid, parent, comm: "node", exe: "/usr/bin/node", argv: SCRIPT, vars, age, ..Process::default() }
}

fn chat(fake: &Fake, folder: &str, id: &str, began: i64, ago: i64) {
    let head = format!(r#"{{"sessionId":"{id}","startTime":"{}","kind":"main"}}"#, rfc3339(Span::secs(began)));
    let path = format!("home/.gemini/tmp/{folder}/chats/session-2027-01-15T08-00-{}.jsonl", &id[..1]);
    fake.old(&path, &(head + "\n"), Span::secs(ago));
}

fn projects(fake: &Fake) {
    fake.write("home/.gemini/projects.json", r#"{"projects":{"/p":"p","/q":"q"}}"#);
}

#[test]
fn the_child_works_and_the_launcher_leads() {
    let fake = Fake::new();
    projects(&fake);
    fake.add(&gemini(10, 1, &[], 60));
    fake.add(&gemini(11, 10, CHILD, 58));
    assert!(fake.told().is_empty(), "no chat yet");
    chat(&fake, "p", "old", 900, 60);
    assert!(fake.told().is_empty(), "written before it began");
    chat(&fake, "p", "new", 55, 3);
    chat(&fake, "q", "z", 55, 1);
    assert_eq!(fake.told(), ["gemini:new 11/10"]);
    // The launcher was killed: the child is alone and leads itself.
    fake.remove(10);
    fake.add(&gemini(11, 1, CHILD, 58));
    assert_eq!(fake.told(), ["gemini:new 11/11"]);
}

#[test]
fn folders_are_found_by_list_by_their_own_word_and_by_digest() {
    for case in ["list", "own word", "digest"] {
        let fake = Fake::new();
        fake.add(&gemini(11, 1, &[], 60));
        let digest = store::digest("/p");
        let folder = if case == "digest" { digest.as_str() } else { "p" };
        chat(&fake, folder, "new", 55, 3);
        match case {
            "list" => projects(&fake),
            "own word" => drop(fake.write("home/.gemini/tmp/p/.project_root", "/p\n")),
            _ => {}
        }
        assert_eq!(fake.told(), ["gemini:new 11/11"], "{case}");
        if case == "list" {
            fake.write("home/.gemini/tmp/p/.project_root", "/elsewhere");
            assert!(fake.told().is_empty());
        }
    }
}

#[test]
fn two_in_one_directory_are_not_certain_and_in_two_they_are() {
    let fake = Fake::new();
    projects(&fake);
    fake.add(&gemini(11, 1, CHILD, 60));
    fake.add(&gemini(21, 1, CHILD, 30));
    chat(&fake, "p", "a", 55, 3);
    assert_eq!(fake.told(), ["gemini:a ? processes 11 and 21 of gemini may be writing it"]);
    fake.add(&Process { cwd: "/q", ..gemini(21, 1, CHILD, 30) });
    chat(&fake, "q", "b", 25, 3);
    assert_eq!(fake.told(), ["gemini:a 11/11", "gemini:b 21/21"]);
}

#[test]
fn an_agent_that_a_tool_started_is_no_child_of_a_launcher() {
    let fake = Fake::new();
    projects(&fake);
    fake.add(&gemini(10, 1, &[], 60));
    fake.add(&gemini(11, 10, CHILD, 58));
    // It has inherited the variable, and its parent has it, too.
    fake.add(&Process { cwd: "/q", ..gemini(12, 11, CHILD, 20) });
    chat(&fake, "p", "a", 55, 3);
    chat(&fake, "q", "b", 15, 3);
    assert_eq!(fake.told(), ["gemini:a 11/10", "gemini:b 12/12"]);
}

#[test]
fn a_subagents_chat_is_no_run_and_an_older_document_is() {
    let fake = Fake::new();
    projects(&fake);
    fake.add(&gemini(11, 1, CHILD, 60));
    let write = |name: &str, text: &str| fake.old(&format!("home/.gemini/tmp/p/chats/{name}"), text, Span::secs(3));
    write("session-s.jsonl", r#"{"sessionId":"s","kind":"subagent"}"#);
    write("notes.json", r#"{"sessionId":"n"}"#);
    write("session-x.json", "{\n \"sessionId\": \"doc\",\n \"messages\": [\n");
    assert_eq!(fake.told(), ["gemini:doc 11/11"]);
}

#[test]
fn a_session_that_was_taken_up_goes_on_in_another_file() {
    let fake = Fake::new();
    projects(&fake);
    fake.add(&gemini(11, 1, CHILD, 60));
    for (name, began, ago) in [("T1-a", 900, 50), ("T2-a", 55, 2)] {
        let head = format!(r#"{{"sessionId":"a","startTime":"{}"}}"#, rfc3339(Span::secs(began)));
        fake.old(&format!("home/.gemini/tmp/p/chats/session-{name}.jsonl"), &(head + "\n"), Span::secs(ago));
    }
    assert_eq!(fake.told(), ["gemini:a 11/11"]);
    assert!(fake.map()[0].how.as_str().ends_with("T2-a.jsonl"));
}
