use super::super::testkit::{Fake, Process, rfc3339};
use super::*;
use crate::domain::time::Span;

fn pi(pid: u32, age: i64) -> Process<'static> {
    Process { pid, comm: "pi", exe: "/usr/bin/node", argv: &["pi"], age: Span::secs(age), ..Process::default() }
}

fn session(fake: &Fake, dir: &str, id: &str, began: i64, ago: i64) {
    let at = rfc3339(Span::secs(began));
    let line = format!(r#"{{"type":"session","id":"{id}","timestamp":"{at}","cwd":"/p"}}"#);
    fake.old(&format!("{dir}/sessions/--p--/T_{id}.jsonl"), &(line + "\n"), Span::secs(ago));
}

#[test]
fn folders_are_named_like_the_directory() {
    assert_eq!(folder("/work/a_b/c"), "--work-a_b-c--");
    assert_eq!(folder("/"), "----");
}

#[test]
fn the_file_that_was_written_since_it_began() {
    let fake = Fake::new();
    fake.add(&pi(7, 60));
    session(&fake, "home/.pi/agent", "old", 900, 60);
    assert!(fake.told().is_empty());
    session(&fake, "home/.pi/agent", "new", 57, 2);
    assert_eq!(fake.told(), ["pi:new 7/7"]);
    // Taken up again.
    fake.remove(7);
    fake.add(&pi(8, 1));
    assert!(fake.told().is_empty());
    session(&fake, "home/.pi/agent", "new", 57, 0);
    assert_eq!(fake.told(), ["pi:new 8/8"]);
    fake.add(&pi(9, 1));
    assert_eq!(fake.told(), ["pi:new ? processes 8 and 9 of pi may be writing it"]);
}

#[test]
fn its_own_environment_says_where() {
    let fake = Fake::new();
    let dir = fake.path("other").to_string_lossy().into_owned();
    let vars = [("PI_CODING_AGENT_DIR", dir.as_str())];
    fake.add(&Process { vars: &vars, ..pi(7, 60) });
    fake.add(&pi(8, 60));
    session(&fake, "other", "a", 57, 2);
    session(&fake, "home/.pi/agent", "b", 57, 2);
    assert_eq!(fake.told(), ["pi:a 7/7", "pi:b 8/8"], "the same directory, but not the same files");
}
