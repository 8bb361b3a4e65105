use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::already::Already;
use super::append::{Appender, Sink, open};
use super::*;
use crate::adapters::Form;
use crate::domain::event::{Agent, Body, Event, RunId};
use crate::engine::Msg;
use crate::record::format::{Header, VERSION};
use crate::record::redact::Redactor;
use crate::record::tape::{Lost, Tape};
use crate::record::{Beat, read};

mod frames;

const NOW: Stamp = Stamp(1_795_000_000_000);

fn header() -> Header {
    let v = Text::new(&VERSION.to_string());
    Header { redkey: "recording".into(), v, run: "r-1".into(), started: NOW, ..Header::default() }
}

fn event(n: u64) -> Event {
    let text = format!("event {n} \"quoted\" é\u{1b}[31m");
    let body = Body::Message { text: Text::new(&text), thinking: false };
    Event { run: RunId::new(Agent::Claude, "s"), branch: None, at: Some(Stamp(NOW.0 + n as i64)), body }
}

fn beat(n: u64) -> Beat {
    Beat { at: Stamp(NOW.0 + n as i64), msg: TapeMsg::Events { source: 0, events: vec![(event(n), n * 10)] } }
}

/// Numbers of the events on a tape, and what is missing.
fn numbers(path: &Path) -> (Vec<u64>, Lost) {
    let mut tape = read::open(path).unwrap();
    let mut found = Vec::new();
    for beat in tape.by_ref() {
        if let TapeMsg::Events { events, .. } = beat.unwrap().msg {
            found.extend(events.iter().map(|(_, offset)| offset / 10));
        }
    }
    (found, tape.lost())
}

fn begin(path: &Path) -> Appender<File> {
    let (mut appender, found) = open(path, Redactor::default(), NOW).unwrap();
    if !found.is_old {
        appender.begin(&header());
    }
    appender
}

#[test]
fn torn_at_every_byte_everything_before_is_there_and_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let mut appender = begin(&path);
    (0..6).for_each(|n| appender.take(&beat(n)));
    assert!(appender.write());
    drop(appender);
    let whole = fs::read(&path).unwrap();
    let first = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
        // A record of which the line's end alone is missing is whole.
        let last_is_whole = whole[cut] == b'\n';
        if cut + 1 >= first {
            let (found, lost) = numbers(&path);
            let wanted = (lines + usize::from(last_is_whole)).max(1) as u64 - 1;
            assert_eq!(found, (0..wanted).collect::<Vec<_>>(), "{cut}");
            let torn = cut - whole[..cut].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
            assert_eq!(lost.torn as usize, if last_is_whole { 0 } else { torn }, "{cut}");
            assert!(lost.open);
        } else {
            assert!(read::open(&path).is_err(), "{cut}");
        }
        let mut appender = begin(&path);
        appender.take(&beat(9));
        assert!(appender.write());
        drop(appender);
        let (found, lost) = numbers(&path);
        let kept = (lines + usize::from(last_is_whole && lines > 0)).max(1) as u64 - 1;
        assert_eq!(found, (0..kept).chain([9]).collect::<Vec<_>>(), "{cut}");
        assert_eq!((lost.damaged, lost.torn), (0, 0), "{cut}");
    }
}

#[test]
fn files_are_their_users_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/recordings/r.jsonl");
    let held = begin(&path);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    assert_eq!(open(&path, Redactor::default(), NOW).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(held);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    drop(begin(&path));
    assert_eq!(mode(&path), 0o600);
    let link = dir.path().join("link.jsonl");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(open(&link, Redactor::default(), NOW).is_err());
}

/// A disk with so much room.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

impl Sink for Disk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut disk = self.0.lock().unwrap();
        let room = disk.1.saturating_sub(disk.0.len());
        let taken = room.min(bytes.len());
        disk.0.extend_from_slice(&bytes[..taken]);
        if taken < bytes.len() { Err(io::Error::from_raw_os_error(libc::ENOSPC)) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().0.truncate(len as usize);
        Ok(())
    }
}

#[test]
fn a_full_disk_loses_what_does_not_fit_and_says_how_much() {
    let disk = Disk::default();
    disk.0.lock().unwrap().1 = 2_000;
    let mut appender = Appender::new(disk.clone(), 0, Redactor::default());
    appender.begin(&header());
    let mut n = 0;
    // What waits is bounded, too.
    while appender.lost < 100 {
        appender.take(&beat(n));
        n += 1;
        if n % 50 == 0 {
            assert_eq!(appender.write(), n < 1, "{n}");
            assert!(appender.pending() < 5 << 20);
        }
    }
    assert!(appender.trouble.as_ref().is_some_and(|why| why.as_str().contains("No space left")));
    disk.0.lock().unwrap().1 = usize::MAX;
    assert!(appender.write());
    appender.take(&beat(n));
    assert!(appender.end(&Ended::default(), NOW) && appender.trouble.is_none());
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    fs::write(&path, &disk.0.lock().unwrap().0).unwrap();
    let (found, lost) = numbers(&path);
    let kept = n - 100;
    assert_eq!(found, (0..kept).chain([n]).collect::<Vec<_>>());
    assert_eq!((lost.damaged, lost.gaps, lost.gone, lost.open), (0, 1, 100, false));
}

#[test]
fn a_device_that_is_always_full_stands_in_nobodys_way() {
    let full = File::options().append(true).open("/dev/full").unwrap();
    let recorder = Recorder::start(Appender::new(full, 0, Redactor::default())).unwrap();
    (0..2_000).for_each(|n| recorder.take(vec![beat(n)]));
    let until = clock::elapsed() + Duration::from_secs(10);
    while recorder.trouble().is_none() && clock::elapsed() < until {
        thread::park_timeout(Duration::from_millis(5));
    }
    assert!(recorder.trouble().is_some_and(|why| why.as_str().contains("No space left")));
    assert!(!recorder.finish(Ended::default(), NOW));
}

/// A disk that takes nothing for as long as somebody holds it.
struct Stuck(Arc<Mutex<()>>);

impl Sink for Stuck {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn cut(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_hangs_makes_nobody_wait() {
    let lock = Arc::new(Mutex::new(()));
    let held = lock.lock().unwrap();
    let recorder = Recorder::start(Appender::new(Stuck(Arc::clone(&lock)), 0, Redactor::default())).unwrap();
    let began = clock::elapsed();
    (0..20_000).for_each(|n| recorder.take(vec![beat(n)]));
    assert!(clock::elapsed() - began < Duration::from_secs(5));
    // The thread may take some while it doesn't write yet; most are counted as lost.
    let until = clock::elapsed() + Duration::from_secs(5);
    while recorder.lost() == 0 && clock::elapsed() < until {
        (0..2_000).for_each(|n| recorder.take(vec![beat(n)]));
    }
    assert!(recorder.lost() > 0);
    drop(held);
    assert!(recorder.finish(Ended::default(), NOW));
}

#[test]
fn a_recorder_ends_with_everything_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let recorder = Recorder::start(begin(&path)).unwrap();
    (0..400).for_each(|n| recorder.take(vec![beat(n)]));
    assert!(recorder.finish(Ended { outcome: "finished".into(), ..Ended::default() }, NOW));
    let (found, lost) = numbers(&path);
    assert_eq!(found, (0..400).collect::<Vec<_>>());
    assert!(lost.is_nothing() && !lost.open);
    let packed = crate::record::store::pack_file(&path).unwrap();
    assert!(!path.exists());
    assert_eq!(numbers(&packed), (found, lost));
    let entry = crate::record::store::entry(&packed).unwrap();
    assert_eq!(entry.end.map(|end| (end.outcome, end.records)), Some(("finished".into(), 400)));
}

#[test]
fn whoever_goes_on_neither_loses_nor_repeats() {
    let rules = toml::from_str::<crate::domain::policy::Policy>(crate::domain::policy::EMBEDDED).unwrap().record.redact;
    let redactor = Redactor::new(&rules).unwrap();
    let opened = |source, name: &str| Msg::Opened { source, name: name.into(), form: Some(Form::Disk) };
    let secret = |n| {
        let body = Body::Prompt { text: Text::new("password=hunter22") };
        (Event { body, ..event(n) }, n)
    };
    let tape = [opened(0, "a"), Msg::Events { source: 0, events: vec![(event(1), 0), (event(2), 0), secret(3)] }];
    // As it stands in the file.
    let mut already = Already::new(redactor.clone());
    for msg in &tape {
        let mut line = Vec::new();
        crate::record::convert::write(&Beat::of(msg, NOW).unwrap(), &mut line);
        redactor.line(&mut line, 0);
        line.split(|b| *b == b'\n')
            .filter_map(|line| crate::record::convert::read(line).ok())
            .for_each(|b| already.note(&b));
    }
    // Other numbers, another order, and one that is new; the same event twice is twice there.
    assert!(matches!(already.news(opened(0, "b")), Some(Msg::Opened { source: 1, .. })));
    assert!(already.news(opened(1, "a")).is_none());
    // A line without a time of its own was given another one.
    let late = Event { at: Some(Stamp(1)), ..event(1) };
    let again = vec![(event(2), 0), (late, 0), secret(3), (event(1), 0), (event(4), 7)];
    let Some(Msg::Events { source: 0, events }) = already.news(Msg::Events { source: 1, events: again }) else {
        panic!()
    };
    assert_eq!(events, [(event(1), 0), (event(4), 7)]);
    let Some(Msg::Events { source: 1, events }) = already.news(Msg::Events { source: 0, events: vec![(event(1), 0)] })
    else {
        panic!()
    };
    assert_eq!(events.len(), 1, "the same line of another file is another one");
}

#[test]
fn a_line_without_end_is_skipped_and_does_not_fill_the_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let mut appender = begin(&path);
    appender.take(&beat(0));
    assert!(appender.write());
    drop(appender);
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(&vec![b'x'; 9 << 20]).unwrap();
    file.write_all(b"\n\n\0\0\0\n{\"t\":1,\"k\":\"tick\"}\n").unwrap();
    let mut appender = begin(&path);
    appender.take(&beat(1));
    assert!(appender.write());
    let (found, lost) = numbers(&path);
    assert_eq!((found, lost.damaged), (vec![0, 1], 2));
}

#[test]
fn a_place_in_a_recording_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r.jsonl");
    let mut appender = begin(&path);
    (0..9_000).for_each(|n| appender.take(&beat(n)));
    assert!(appender.write());
    drop(appender);
    let check = |path: &Path| {
        let mut tape = read::open(path).unwrap();
        tape.by_ref().take(7_000).for_each(drop);
        let place = tape.offset();
        let rest: Vec<Beat> = tape.map(Result::unwrap).collect();
        let again: Vec<Beat> = read::open_at(path, place).unwrap().map(Result::unwrap).collect();
        assert_eq!((rest.len(), rest == again), (2_000, true));
    };
    check(&path);
    check(&crate::record::store::pack_file(&path).unwrap());
}
