//! From one process to another, here in one.

use std::sync::Mutex;

use super::super::record::{Entry, Fact};
use super::super::{Audit, AuditSink, Pipe, drain, pump, read};
use super::{LONG, entry, grant, warned};
use crate::domain::text::Text;

fn numbers(entries: &[Entry]) -> Vec<&Fact> {
    entries.iter().map(|entry| &entry.fact).collect()
}

#[test]
fn what_goes_in_comes_out() {
    let (pipe, reader) = Pipe::pair().unwrap();
    let second = pipe.try_clone().unwrap();
    pipe.take(entry("r-1", warned("one")));
    second.take(entry("r-1", grant(5, &["claude:a"])));
    pipe.record(Some(&Text::new("r-2")), Fact::Held);
    drop((pipe, second));
    let sink = Mutex::new(Vec::new());
    pump(reader, &sink);
    let entries = sink.into_inner().unwrap();
    assert_eq!(entries[..2], [entry("r-1", warned("one")), entry("r-1", grant(5, &["claude:a"]))]);
    assert_eq!((&entries[2].run, &entries[2].fact), (&Some("r-2".into()), &Fact::Held));
}

#[test]
fn the_last_fact_is_on_the_disk_when_the_pump_ends() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    let (pipe, reader) = Pipe::pair().unwrap();
    pipe.take(entry("r", warned("the end")));
    drop(pipe);
    pump(reader, &Audit::open(&path));
    assert_eq!(read(&path).unwrap().records[0].fact, warned("the end"));
}

#[test]
fn a_full_pipe_drops_counts_and_tells() {
    let (pipe, reader) = Pipe::pair().unwrap();
    let mut sent = 0;
    while !pipe.is_degraded() {
        pipe.take(entry("r", warned(&sent.to_string())));
        sent += 1;
    }
    pipe.take(entry("r", warned("lost too")));
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("audit.jsonl");
    // Whole facts or nothing: the pipe took all but the first that did not fit.
    assert_eq!(drain(&reader, &path, LONG).unwrap(), sent - 1);
    pipe.take(entry("r", warned("after")));
    assert!(!pipe.is_degraded());
    drop(pipe);
    let sink = Mutex::new(Vec::new());
    pump(reader, &sink);
    let entries = sink.into_inner().unwrap();
    assert!(matches!(numbers(&entries)[..], [Fact::Degraded { lost: 2, .. }, Fact::Warned { .. }]), "{entries:?}");
    assert_eq!(read(&path).unwrap().records.len(), sent - 1);
}

#[test]
fn nobody_reads_is_no_end() {
    let (pipe, reader) = Pipe::pair().unwrap();
    drop(reader);
    pipe.take(entry("r", warned("x")));
    assert!(pipe.is_degraded());
}

#[test]
fn rubbish_is_counted() {
    let mut bytes = entry("r", warned("x")).line().unwrap();
    bytes.extend_from_slice(b"\nrubbish\n");
    bytes.extend(vec![b'x'; 300_000]);
    bytes.extend_from_slice(b"\n{\"at\":");
    let sink = Mutex::new(Vec::new());
    pump(&bytes[..], &sink);
    let entries = sink.into_inner().unwrap();
    assert_eq!(entries.len(), 4);
    assert!(entries[1..].iter().all(|entry| matches!(entry.fact, Fact::Degraded { lost: 1, .. })));
}
