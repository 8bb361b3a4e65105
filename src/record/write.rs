//! Writes a recording while it happens. Whoever tells something never waits: a thread takes it, writes several times a
//! second, and brings it to the disk once a second, at once where it is a fact of control.
//!
//! What doesn't get to the file (the disk is full, or slower than the run) is counted, told by [`Recorder::trouble`],
//! and marked in the file as soon as it can be written again.

pub mod already;
pub mod append;
#[cfg(test)]
mod tests;
pub mod watched;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use self::append::{Appender, Sink};
use super::format::Ended;
use super::tape::{Beat, Side, TapeMsg};
use crate::clock;
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// Batches that wait for the thread.
const WAITING: usize = 512;
/// What comes is written after so long, or as soon as it is so much.
const WRITE: Duration = Duration::from_millis(100);
const ENOUGH: usize = 256 << 10;
/// What was written is on the disk after so long.
const SYNC: Duration = Duration::from_secs(1);
/// Where it can't be written, it is tried again after so long.
const RETRY: Duration = Duration::from_secs(1);
/// The end of a recording is waited for so long; the disk may be stuck.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something that is written.
#[derive(Debug)]
pub struct Recorder {
    tx: Option<SyncSender<Work>>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

enum Work {
    Beats(Vec<Beat>),
    End(Ended, Stamp),
}

#[derive(Debug, Default)]
struct Shared {
    /// Records that the thread had no room for, not yet told to it.
    missed: AtomicU64,
    lost: AtomicU64,
    trouble: Mutex<Option<Text>>,
    /// It ended, with everything on the disk.
    whole: Mutex<Option<bool>>,
}

impl Recorder {
    /// Starts writing.
    pub fn start<S: Sink + 'static>(appender: Appender<S>) -> std::io::Result<Self> {
        let (tx, rx) = sync_channel(WAITING);
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("recorder".into()).spawn(move || work(appender, &rx, &theirs))?;
        Ok(Self { tx: Some(tx), shared, thread: Some(thread) })
    }

    /// Takes what was told.
    pub fn take(&self, beats: Vec<Beat>) {
        if beats.is_empty() {
            return;
        }
        let records = |beats: &[Beat]| {
            let of = |beat: &Beat| match &beat.msg {
                TapeMsg::Events { events, .. } => events.len() as u64,
                _ => 1,
            };
            beats.iter().map(of).sum::<u64>()
        };
        match self.tx.as_ref().map(|tx| tx.try_send(Work::Beats(beats))) {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(Work::Beats(beats)) | TrySendError::Disconnected(Work::Beats(beats)))) => {
                self.shared.missed.fetch_add(records(&beats), Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Records that are lost so far.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed) + self.shared.missed.load(Ordering::Relaxed)
    }

    /// Why nothing can be written at the moment.
    pub fn trouble(&self) -> Option<Text> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes the end, and waits a while for it. True: everything is on the disk.
    pub fn finish(mut self, end: Ended, at: Stamp) -> bool {
        let Some(tx) = self.tx.take() else { return false };
        let until = clock::elapsed() + PATIENCE;
        let mut work = Work::End(end, at);
        while let Err(TrySendError::Full(back)) = tx.try_send(work) {
            if clock::elapsed() >= until {
                return false;
            }
            work = back;
            thread::park_timeout(Duration::from_millis(10));
        }
        drop(tx);
        let Some(thread) = self.thread.take() else { return false };
        while !thread.is_finished() {
            if clock::elapsed() >= until {
                return false;
            }
            thread::park_timeout(Duration::from_millis(2));
        }
        self.shared.whole.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(false)
    }
}

/// Everything that comes, until nobody is there to tell any more.
fn work<S: Sink>(mut appender: Appender<S>, rx: &Receiver<Work>, shared: &Shared) {
    let mut write_at: Option<Duration> = (appender.pending() > 0).then(clock::elapsed);
    let mut sync_at: Option<Duration> = None;
    loop {
        let due = write_at.into_iter().chain(sync_at).min();
        let got = match due {
            Some(due) => rx.recv_timeout(due.saturating_sub(clock::elapsed())),
            None => rx.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let mut urgent = false;
        match got {
            Ok(Work::Beats(beats)) => {
                urgent = beats.iter().any(is_urgent);
                beats.iter().for_each(|beat| appender.take(beat));
                write_at.get_or_insert_with(|| clock::elapsed() + WRITE);
            }
            Ok(Work::End(end, at)) => {
                appender.miss(shared.missed.swap(0, Ordering::Relaxed));
                let whole = appender.end(&end, at);
                tell(&appender, shared);
                *shared.whole.lock().unwrap_or_else(PoisonError::into_inner) = Some(whole);
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                appender.write();
                appender.sync();
                return;
            }
        }
        appender.miss(shared.missed.swap(0, Ordering::Relaxed));
        let now = clock::elapsed();
        let is_stuck = appender.trouble.is_some();
        let enough = !is_stuck && (urgent || appender.pending() >= ENOUGH);
        if enough || write_at.is_some_and(|at| now >= at) {
            write_at = if appender.write() { None } else { Some(now + RETRY) };
        }
        if appender.is_dirty() {
            let at = *sync_at.get_or_insert(now + SYNC);
            if urgent || now >= at {
                appender.sync();
                sync_at = appender.is_dirty().then_some(now + RETRY);
            }
        }
        tell(&appender, shared);
    }
}

fn tell<S: Sink>(appender: &Appender<S>, shared: &Shared) {
    shared.lost.store(appender.lost, Ordering::Relaxed);
    let mut trouble = shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
    if *trouble != appender.trouble {
        trouble.clone_from(&appender.trouble);
    }
}

/// What somebody may ask about after a crash.
fn is_urgent(beat: &Beat) -> bool {
    use crate::engine::Fact;
    match &beat.msg {
        TapeMsg::Control(fact) => matches!(fact, Fact::Budget { .. } | Fact::Grant { .. } | Fact::Stopped { .. }),
        TapeMsg::Side(side) => matches!(side, Side::Audit(_) | Side::Mark(_) | Side::End(_)),
        _ => false,
    }
}
