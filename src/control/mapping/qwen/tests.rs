use super::super::testkit::{Fake, Process, rfc3339};
use crate::domain::time::Span;

const CHILD: &[(&str, &str)] = &[("QWEN_CODE_NO_RELAUNCH", "true")];

fn qwen(pid: u32, parent: u32, vars: &'static [(&str, &str)], age: i64) -> Process<'static> {
    let argv = &["node", "/x/@qwen-code/qwen-code/cli.js"];
    let age = Span::secs(age);
    Process { pid, parent, comm: "node", exe: "/usr/bin/node", argv, vars, age, cwd: "/p/a_b" }
}

fn chat(fake: &Fake, id: &str, cwd: &str, began: i64, ago: i64) {
    let at = rfc3339(Span::secs(began));
    let line = format!(r#"{{"uuid":"u","sessionId":"{id}","timestamp":"{at}","type":"user","cwd":"{cwd}"}}"#);
    fake.old(&format!("home/.qwen/projects/-p-a-b/chats/{id}.jsonl"), &(line + "\n"), Span::secs(ago));
}

#[test]
fn the_child_works_and_the_launcher_leads() {
    let fake = Fake::new();
    fake.add(&qwen(10, 1, &[], 60));
    fake.add(&qwen(11, 10, CHILD, 58));
    chat(&fake, "old", "/p/a_b", 900, 59);
    chat(&fake, "new", "/p/a_b", 55, 3);
    // Another directory of the same name with dashes.
    chat(&fake, "other", "/p/a-b", 50, 2);
    assert_eq!(fake.told(), ["qwen:new 11/10"]);
    fake.add(&qwen(12, 1, &[], 30));
    assert_eq!(fake.told(), ["qwen:new ? processes 11 and 12 of qwen may be writing it"]);
}
