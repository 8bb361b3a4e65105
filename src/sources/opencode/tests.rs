use std::collections::BTreeMap;

use rusqlite::Connection;

use super::super::testkit::{Home, fixture};
use super::*;
use crate::adapters;
use crate::domain::event::Body;

const SCHEMA: &str = "
    CREATE TABLE session (id text PRIMARY KEY, project_id text NOT NULL, parent_id text, slug text NOT NULL,
        directory text NOT NULL, title text NOT NULL, version text NOT NULL, summary_diffs text, cost real DEFAULT 0 NOT NULL,
        tokens_input integer DEFAULT 0 NOT NULL, tokens_output integer DEFAULT 0 NOT NULL, agent text, model text,
        time_created integer NOT NULL, time_updated integer NOT NULL);
    CREATE TABLE message (id text PRIMARY KEY, session_id text NOT NULL, time_created integer NOT NULL,
        time_updated integer NOT NULL, data text NOT NULL);
    CREATE TABLE part (id text PRIMARY KEY, message_id text NOT NULL, session_id text NOT NULL,
        time_created integer NOT NULL, time_updated integer NOT NULL, data text NOT NULL);
    CREATE INDEX part_session_idx ON part (session_id);";

const DB: &str = ".local/share/opencode/opencode.db";

/// A database as opencode leaves it: write-ahead log, nothing checkpointed while the writer is there.
fn create(home: &Home) -> Connection {
    let path = home.write(DB, b"");
    let writer = Connection::open(path).unwrap();
    writer.pragma_update(None, "journal_mode", "WAL").unwrap();
    writer.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    writer.execute_batch(SCHEMA).unwrap();
    writer
}

/// Writes one recorded row.
fn insert(writer: &Connection, line: &[u8]) {
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line).unwrap();
    let table = row["table"].as_str().unwrap();
    let text = |key: &str| match row.get(key) {
        Some(serde_json::Value::String(text)) => Some(text.clone()),
        Some(serde_json::Value::Null) | None => None,
        Some(value) => Some(value.to_string()),
    };
    let columns: &[&str] = match table {
        "session" => &["id", "project_id", "parent_id", "slug", "directory", "title", "version", "agent", "model"],
        "message" => &["id", "session_id", "data"],
        _ => &["id", "message_id", "session_id", "data"],
    };
    let mut names = columns.to_vec();
    names.extend(["time_created", "time_updated"]);
    let marks = vec!["?"; names.len()].join(", ");
    let sql = format!("INSERT OR REPLACE INTO {table} ({}) VALUES ({marks})", names.join(", "));
    let mut values: Vec<Option<String>> = columns.iter().map(|column| text(column)).collect();
    values.extend([text("time_created"), text("time_updated")]);
    writer.execute(&sql, rusqlite::params_from_iter(values)).unwrap();
}

fn rows(name: &str) -> Vec<Vec<u8>> {
    let text = fixture(name);
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

fn drain(database: &mut Database) -> Batch {
    let mut batch = Batch::default();
    while database.step(Stamp(i64::MIN), Stamp(i64::MAX), &mut batch) == Step::More {}
    batch
}

/// The bytes of everything in the database's folder but the shared memory, which belongs to the processes.
fn bytes(home: &Home) -> BTreeMap<String, Vec<u8>> {
    let folder = home.at(DB).parent().unwrap().to_owned();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| !path.to_string_lossy().ends_with("-shm"));
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

#[test]
fn rows_tell_the_same_as_the_recorded_lines_in_order_of_time() {
    for name in ["success", "subagents", "errors", "loop"] {
        let home = Home::new();
        let writer = create(&home);
        let lines = rows(&format!("opencode/{name}.db.jsonl"));
        lines.iter().for_each(|line| insert(&writer, line));
        let mut database = Database::new(&home.at(DB));
        let batch = drain(&mut database);
        assert_eq!(batch.state, Some(SourceState::Reading(Format::OpencodeRows)));
        assert_eq!(batch.lines, lines.len() as u64);
        assert!(batch.events.is_sorted_by_key(|(event, _)| event.at));
        // Compared with the adapter reading the recording itself.
        let mut adapter = Adapter::new(Format::OpencodeRows, &adapters::Origin::default());
        let mut expected = Vec::new();
        lines.iter().for_each(|line| adapter.line(line, &mut expected));
        let mut expected: Vec<String> = expected.iter().map(|event| format!("{event:?}")).collect();
        let mut got: Vec<String> = batch.events.iter().map(|(event, _)| format!("{event:?}")).collect();
        expected.sort();
        got.sort();
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn reading_changes_no_byte_of_database_and_log() {
    let home = Home::new();
    let writer = create(&home);
    rows("opencode/success.db.jsonl").iter().for_each(|line| insert(&writer, line));
    let before = bytes(&home);
    assert!(before["opencode.db-wal"].len() > 4_096);
    assert!(drain(&mut Database::new(&home.at(DB))).lines > 0);
    count(&home.at(DB), Stamp(0)).unwrap();
    assert_eq!(bytes(&home), before);
    // A log that was left behind, with nobody at it.
    let other = Home::new();
    other.write(DB, &before["opencode.db"]);
    other.write(&format!("{DB}-wal"), &before["opencode.db-wal"]);
    assert!(drain(&mut Database::new(&other.at(DB))).lines > 0);
    assert_eq!(bytes(&other), before);
}

#[test]
fn without_a_log_nothing_is_created_beside_the_database() {
    let home = Home::new();
    let writer = create(&home);
    rows("opencode/success.db.jsonl").iter().for_each(|line| insert(&writer, line));
    drop(writer);
    let before = bytes(&home);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["opencode.db"]);
    assert!(drain(&mut Database::new(&home.at(DB))).lines > 0);
    assert_eq!(bytes(&home), before);
    assert!(!home.at(&format!("{DB}-shm")).exists());
}

#[test]
fn only_rows_that_changed_are_read_again() {
    let home = Home::new();
    let writer = create(&home);
    let lines = rows("opencode/success.db.jsonl");
    let (last, first) = lines.split_last().unwrap();
    first.iter().for_each(|line| insert(&writer, line));
    let mut database = Database::new(&home.at(DB));
    assert_eq!(drain(&mut database).lines, first.len() as u64);
    assert!(!database.has_changed());
    assert!(drain(&mut database).is_empty());
    insert(&writer, last);
    writer.execute("UPDATE session SET time_updated = time_updated + 5", []).unwrap();
    assert!(database.has_changed());
    assert_eq!(drain(&mut database).lines, 2, "the part and the session");
    // The same time again, another content.
    writer.execute("UPDATE part SET data = data || ' ' WHERE id = (SELECT max(id) FROM part)", []).unwrap();
    writer.execute("UPDATE session SET time_updated = time_updated + 5", []).unwrap();
    assert_eq!(drain(&mut database).lines, 2);
}

#[test]
fn sessions_that_are_old_are_left_alone_until_they_go_on() {
    let home = Home::new();
    let writer = create(&home);
    rows("opencode/success.db.jsonl").iter().for_each(|line| insert(&writer, line));
    let path = home.at(DB);
    let cutoff = Stamp(4_000_000_000_000);
    let mut database = Database::new(&path);
    let mut batch = Batch::default();
    assert_eq!(database.step(cutoff, cutoff, &mut batch), Step::Idle);
    assert_eq!(batch.lines, 0);
    assert_eq!(count(&path, cutoff), Ok((1, 0)));
    writer.execute("UPDATE session SET time_updated = 4000000000001", []).unwrap();
    assert_eq!(database.step(cutoff, cutoff, &mut batch), Step::Idle);
    assert!(batch.lines > 10);
    assert_eq!(count(&path, cutoff), Ok((1, 1)));
}

#[test]
fn torn_data_is_counted_and_the_rest_is_read() {
    let home = Home::new();
    let writer = create(&home);
    rows("opencode/success.db.jsonl").iter().for_each(|line| insert(&writer, line));
    let all = drain(&mut Database::new(&home.at(DB))).events.len();
    writer
        .execute(
            "INSERT INTO part SELECT 'zz', message_id, session_id, 1, 1, '{\"type\":\"tool\",' FROM part LIMIT 1",
            [],
        )
        .unwrap();
    writer
        .execute("INSERT INTO part SELECT 'zzz', message_id, session_id, 1, 1, x'00ff' FROM part LIMIT 1", [])
        .unwrap();
    let batch = drain(&mut Database::new(&home.at(DB)));
    let torn = batch.events.iter().filter(|(event, _)| matches!(event.body, Body::Unparsed { .. })).count();
    assert_eq!((torn, batch.skipped, batch.events.len()), (1, 1, all + 1));
}

#[test]
fn what_is_no_database_of_opencode_is_told() {
    let failed = |home: &Home| match drain(&mut Database::new(&home.at(DB))).state {
        Some(SourceState::Failed(why)) => why.as_str().to_owned(),
        other => panic!("{other:?}"),
    };
    let home = Home::new();
    assert!(failed(&home).ends_with("opencode.db: no such file"));
    home.write(DB, &[b'x'; 4_096]);
    assert!(failed(&home).contains("not a database"));
    fs::remove_file(home.at(DB)).unwrap();
    Connection::open(home.at(DB)).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(failed(&home).contains("not opencode's database"));
}

#[test]
fn a_run_and_a_row_can_be_read_again() {
    let home = Home::new();
    let writer = create(&home);
    for name in ["subagents", "success"] {
        rows(&format!("opencode/{name}.db.jsonl")).iter().for_each(|line| insert(&writer, line));
    }
    let path = home.at(DB);
    let batch = drain(&mut Database::new(&path));
    let run = batch.events[0].0.run.clone();
    let expected: Vec<_> = batch.events.iter().filter(|(event, _)| event.run == run).cloned().collect();
    assert_eq!(read_run(&path, &run.session).unwrap(), expected);
    assert!(expected.len() < batch.events.len());
    let (_, offset) = expected.last().unwrap();
    let row = read_row(&path, *offset).unwrap().unwrap();
    assert!(serde_json::from_slice::<serde_json::Value>(&row).is_ok());
    assert_eq!(read_row(&path, 3), Ok(None));
    assert_eq!(read_row(&path, 1 << 40), Ok(None));
}
