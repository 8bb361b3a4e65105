use super::super::testkit::{Fake, NOW, Process};
use crate::domain::time::Span;

const DB: &str = "home/.local/share/opencode/opencode.db";

/// A database that is being written to, with these rows: id, parent, directory, created and updated so long ago.
fn database(fake: &Fake, rows: &[(&str, Option<&str>, &str, i64, i64)]) -> rusqlite::Connection {
    let path = fake.write(DB, "");
    let writer = rusqlite::Connection::open(path).unwrap();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    writer
        .execute_batch("CREATE TABLE session (id text PRIMARY KEY, parent_id text, directory text NOT NULL, time_created integer NOT NULL, time_updated integer NOT NULL)")
        .unwrap();
    for (id, parent, directory, created, updated) in rows {
        let at = |ago: &i64| NOW.0 - ago * 1_000;
        let row = rusqlite::params![id, parent, directory, at(created), at(updated)];
        writer.execute("INSERT INTO session VALUES (?1, ?2, ?3, ?4, ?5)", row).unwrap();
    }
    writer
}

fn opencode<'a>(fake: &Fake, pid: u32, cwd: &'a str, argv: &'a [&'a str]) {
    let age = Span::secs(60);
    fake.add(&Process { pid, comm: "opencode", exe: "/x/opencode", argv, cwd, age, ..Process::default() });
    fake.hold_open(pid, &fake.path(DB));
}

#[test]
fn sessions_are_told_apart_by_directory_and_time() {
    let fake = Fake::new();
    let rows = [
        ("old", None, "/p", 900, 60),
        ("new", None, "/p", 55, 55),
        ("child", Some("new"), "/p", 40, 3),
        ("resumed", None, "/q", 900, 5),
        ("other", None, "/r", 50, 5),
    ];
    let _writer = database(&fake, &rows);
    opencode(&fake, 7, "/p", &["opencode", "run", "x"]);
    opencode(&fake, 8, "/q", &["opencode", "run", "-c", "x"]);
    assert_eq!(fake.told(), ["opencode:new 7/7", "opencode:resumed 8/8"]);
    opencode(&fake, 9, "/q", &["opencode"]);
    assert_eq!(fake.told(), ["opencode:new 7/7", "opencode:resumed ? processes 8 and 9 of opencode may be writing it"]);
    opencode(&fake, 8, "/q", &["opencode", "run", "--session", "resumed", "x"]);
    assert_eq!(fake.told(), ["opencode:new 7/7", "opencode:resumed 8/8"]);
}

#[test]
fn a_child_that_is_written_makes_its_root_a_run_that_is() {
    let fake = Fake::new();
    let _writer = database(&fake, &[("root", None, "/p", 900, 900), ("child", Some("root"), "/p", 40, 3)]);
    opencode(&fake, 7, "/p", &["opencode"]);
    assert_eq!(fake.told(), ["opencode:root 7/7"]);
}

#[test]
fn a_server_works_in_any_directory() {
    let fake = Fake::new();
    let _writer = database(&fake, &[("a", None, "/p", 50, 5), ("b", None, "/q", 50, 5)]);
    opencode(&fake, 7, "/p", &["opencode", "serve", "--port", "1"]);
    let told = fake.told();
    assert!(told.len() == 2 && told.iter().all(|one| one.contains("2 sessions were written")), "{told:?}");
}

#[test]
fn without_the_database_there_is_nothing() {
    let fake = Fake::new();
    let age = Span::secs(60);
    fake.add(&Process { pid: 7, comm: "opencode", exe: "/x/opencode", argv: &["opencode"], age, ..Process::default() });
    assert!(fake.told().is_empty());
    // A loop among parents, and no database at all.
    let writer = database(&fake, &[("a", Some("b"), "/p", 5, 5), ("b", Some("a"), "/p", 5, 5)]);
    opencode(&fake, 7, "/p", &["opencode"]);
    assert!(fake.told().is_empty());
    drop(writer);
    fake.write(DB, "no database");
    assert!(fake.told().is_empty());
}
