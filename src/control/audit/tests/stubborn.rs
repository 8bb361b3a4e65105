//! A disk that fails, in memory.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::super::record::{Entry, Fact};
use super::super::ring::{Next, Ring};
use super::super::store::{Log, Store};
use super::super::writer::Audit;
use super::{LONG, entry, grant, report, warned};
use crate::domain::time::Stamp;

#[derive(Default)]
struct Disk {
    /// What the file says, and what of it would be there after a power loss.
    bytes: Vec<u8>,
    safe: Vec<u8>,
    /// Bytes that fit; `None`: any number.
    room: Option<usize>,
    cannot_open: bool,
    /// So many syncs from now on fail, and lose what they should have saved.
    bad_syncs: usize,
    locked_by_other: bool,
    opened: usize,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Disk>>);

impl Fake {
    fn with<T>(&self, f: impl FnOnce(&mut Disk) -> T) -> T {
        f(&mut self.0.lock().unwrap())
    }

    fn audit(&self, capacity: usize) -> Audit {
        Audit::with_store(Arc::new(self.clone()), capacity)
    }

    fn facts(&self) -> Vec<Fact> {
        let lines = self.with(|disk| disk.bytes.clone());
        lines.split(|b| *b == b'\n').filter_map(super::super::chain::parse).map(|record| record.fact).collect()
    }
}

impl Store for Fake {
    fn open(&self) -> io::Result<Box<dyn Log>> {
        self.with(|disk| {
            disk.opened += 1;
            match disk.cannot_open {
                true => Err(io::ErrorKind::PermissionDenied.into()),
                false => Ok(Box::new(self.clone()) as Box<dyn Log>),
            }
        })
    }
}

impl Log for Fake {
    fn id(&self) -> (u64, u64) {
        (1, 1)
    }

    fn try_lock(&mut self) -> io::Result<()> {
        if self.with(|disk| disk.locked_by_other) { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn unlock(&mut self) {}

    fn is_current(&self) -> bool {
        true
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.with(|disk| disk.bytes.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|disk| {
            let rest = &disk.bytes[offset as usize..];
            let got = rest.len().min(buffer.len());
            buffer[..got].copy_from_slice(&rest[..got]);
            Ok(got)
        })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|disk| {
            let got = disk.room.unwrap_or(usize::MAX).min(bytes.len());
            if got == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.room = disk.room.map(|room| room - got);
            disk.bytes.extend_from_slice(&bytes[..got]);
            Ok(got)
        })
    }

    fn rewrite(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|disk| {
            let from = offset as usize;
            assert_eq!(&disk.bytes[from..from + bytes.len()], bytes, "not the same bytes");
        });
        self.sync()
    }

    fn sync(&mut self) -> io::Result<()> {
        self.with(|disk| {
            if disk.bad_syncs > 0 {
                disk.bad_syncs -= 1;
                return Err(io::Error::from_raw_os_error(5));
            }
            disk.safe = disk.bytes.clone();
            Ok(())
        })
    }
}

fn numbered(facts: &[Fact]) -> Vec<&Fact> {
    facts.iter().filter(|fact| matches!(fact, Fact::Warned { .. } | Fact::Granted { .. })).collect()
}

fn degraded(facts: &[Fact]) -> Vec<u64> {
    let lost = |fact: &Fact| match fact {
        Fact::Degraded { lost, .. } => Some(*lost),
        _ => None,
    };
    facts.iter().filter_map(lost).collect()
}

#[test]
fn a_full_disk_loses_nothing_that_fits_in_memory() {
    let fake = Fake::default();
    fake.with(|disk| disk.room = Some(700)); // some lines and a piece of one
    let audit = fake.audit(100);
    for n in 0..50 {
        audit.record(None, warned(&n.to_string()));
    }
    assert!(!audit.flush(Duration::from_millis(20)));
    assert!(audit.is_degraded() && audit.trouble().is_some());
    fake.with(|disk| disk.room = None);
    assert!(audit.flush(LONG));
    assert!(!audit.is_degraded());
    let facts = fake.facts();
    let expected: Vec<Fact> = (0..50).map(|n| warned(&n.to_string())).collect();
    assert_eq!(numbered(&facts), expected.iter().collect::<Vec<_>>());
    assert_eq!(degraded(&facts), [0]);
    let report = report(&fake.with(|disk| disk.bytes.clone()));
    assert!(report.is_intact() && report.torn == 1, "{report:?}");
}

#[test]
fn past_the_memory_the_newest_stay_and_the_rest_is_counted() {
    let fake = Fake::default();
    fake.with(|disk| disk.cannot_open = true);
    let audit = fake.audit(10);
    for n in 0..25 {
        audit.record(None, warned(&n.to_string()));
    }
    assert!(!audit.flush(Duration::from_millis(20)));
    assert!(audit.is_degraded());
    fake.with(|disk| disk.cannot_open = false);
    assert!(audit.flush(LONG));
    let facts = fake.facts();
    let expected: Vec<Fact> = (15..25).map(|n| warned(&n.to_string())).collect();
    assert_eq!(numbered(&facts), expected.iter().collect::<Vec<_>>());
    assert_eq!(degraded(&facts).iter().sum::<u64>(), 15);
}

#[test]
fn a_failed_sync_is_made_good_in_place() {
    let fake = Fake::default();
    let audit = fake.audit(100);
    audit.record(None, grant(1, &[]));
    assert!(audit.flush(LONG));
    fake.with(|disk| disk.bad_syncs = 2);
    audit.record(None, grant(2, &[]));
    assert!(audit.flush(LONG));
    assert!(!audit.is_degraded());
    let facts = fake.facts();
    assert_eq!(numbered(&facts), [&grant(1, &[]), &grant(2, &[])], "a grant must not be there twice");
    assert_eq!(degraded(&facts), [0]);
    fake.with(|disk| {
        assert_eq!(disk.safe, disk.bytes);
        assert!(disk.opened >= 2, "the descriptor whose sync failed was used again");
    });
    assert!(report(&fake.with(|disk| disk.bytes.clone())).is_intact());
}

#[test]
fn a_lock_held_by_a_stuck_process_becomes_trouble() {
    let mut ring = Ring::new(10);
    ring.push(entry("r", warned("x")));
    let busy = || Err(io::ErrorKind::WouldBlock.into());
    let mut now = Duration::from_secs(100);
    let until = now + Duration::from_millis(2_100);
    while now < until {
        match ring.next(now, Stamp(0)) {
            Next::Write(batch) => ring.settle(batch, 0, busy(), now),
            Next::Wait(Some(time)) => now += time,
            other => panic!("{other:?}"),
        }
    }
    assert!(ring.trouble().is_some());
}

#[test]
fn a_lock_that_is_free_again_is_no_trouble() {
    let fake = Fake::default();
    fake.with(|disk| disk.locked_by_other = true);
    let audit = fake.audit(10);
    audit.record(None, warned("x"));
    assert!(!audit.flush(Duration::from_millis(10)));
    assert!(!audit.is_degraded());
    fake.with(|disk| disk.locked_by_other = false);
    assert!(audit.flush(LONG));
    assert_eq!(fake.facts(), [warned("x")]);
}

fn drained(ring: &mut Ring, now: Duration) -> Vec<Entry> {
    match ring.next(now, Stamp(0)) {
        Next::Write(batch) => {
            let entries = batch.entries.clone();
            ring.settle(batch, entries.len(), Ok(()), now);
            entries
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn pauses_grow_and_a_request_ends_them() {
    let mut ring = Ring::new(10);
    let now = Duration::from_secs(5);
    ring.push(entry("r", warned("x")));
    let mut waits = Vec::new();
    for _ in 0..10 {
        ring.ask_sync();
        let Next::Write(batch) = ring.next(now, Stamp(0)) else { panic!("it waits") };
        ring.settle(batch, 0, Err(io::ErrorKind::StorageFull.into()), now);
        let Next::Wait(Some(wait)) = ring.next(now, Stamp(0)) else { panic!("it doesn't wait") };
        waits.push(wait.as_millis());
    }
    assert_eq!(waits[..4], [50, 100, 200, 400]);
    assert_eq!(waits.last(), Some(&5_000));
    ring.push(entry("r", warned("y")));
    assert!(matches!(ring.next(now, Stamp(0)), Next::Wait(_)), "a fact ends no pause");
    assert_eq!(drained(&mut ring, now + Duration::from_secs(5)).len(), 3);
    assert_eq!(ring.next(now, Stamp(0)), Next::Wait(None));
}

#[test]
fn closing_tries_once_and_ends() {
    let now = Duration::ZERO;
    let mut ring = Ring::new(10);
    ring.push(entry("r", warned("x")));
    ring.close();
    let Next::Write(batch) = ring.next(now, Stamp(0)) else { panic!("it doesn't try") };
    ring.settle(batch, 0, Err(io::ErrorKind::StorageFull.into()), now);
    assert_eq!(ring.next(now, Stamp(0)), Next::End);
}
