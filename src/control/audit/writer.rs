//! The log with a thread of its own: who records never waits.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::AuditSink;
use super::append::Appender;
use super::record::{Entry, Fact};
use super::ring::{Next, Ring};
use super::store::{FileStore, Store};
use crate::clock;
use crate::domain::text::Text;

/// Facts kept in memory while the log can't be written.
pub const CAPACITY: usize = 4096;

/// The log, to record to. Copies share one thread, which starts with the first fact; so a process that forks must have
/// forked before that.
#[derive(Clone)]
pub struct Audit(Arc<Handle>);

/// Ends the thread when the last copy goes; what is queued by then is tried once.
struct Handle(Arc<Shared>);

struct Shared {
    store: Arc<dyn Store>,
    state: Mutex<State>,
    /// Something is to be done.
    wake: Condvar,
    /// Something is done.
    done: Condvar,
}

struct State {
    ring: Ring,
    is_running: bool,
}

impl Audit {
    /// Nothing is opened or made before the first fact, and whatever fails then fails in the background.
    pub fn open(path: &Path) -> Self {
        Self::with_store(Arc::new(FileStore(path.to_owned())), CAPACITY)
    }

    /// A log elsewhere: for tests.
    pub fn with_store(store: Arc<dyn Store>, capacity: usize) -> Self {
        let state = Mutex::new(State { ring: Ring::new(capacity), is_running: false });
        Self(Arc::new(Handle(Arc::new(Shared { store, state, wake: Condvar::new(), done: Condvar::new() }))))
    }

    /// Queues what happened just now.
    pub fn record(&self, run: Option<&Text>, fact: Fact) {
        AuditSink::record(self, run, fact);
    }

    pub fn is_degraded(&self) -> bool {
        self.trouble().is_some()
    }

    /// What keeps facts from the disk at the moment.
    pub fn trouble(&self) -> Option<Text> {
        self.0.0.lock().ring.trouble().cloned()
    }

    /// Waits until everything that is queued now is on the disk. False: it is not, or some of it was lost.
    pub fn flush(&self, timeout: Duration) -> bool {
        let shared = &self.0.0;
        let until = clock::elapsed() + timeout;
        let mut state = shared.lock();
        let (target, lost) = (state.ring.ask_sync(), state.ring.lost_ever());
        shared.wake.notify_all();
        while !state.ring.is_synced(target) {
            let left = until.saturating_sub(clock::elapsed());
            if left.is_zero() {
                return false;
            }
            state = shared.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.ring.lost_ever() == lost
    }
}

impl AuditSink for Audit {
    fn take(&self, entry: Entry) {
        let shared = &self.0.0;
        let mut state = shared.lock();
        state.ring.push(entry);
        if !state.is_running {
            let worker = Arc::clone(shared);
            let started = std::thread::Builder::new().name("audit".to_owned()).spawn(move || work(&worker));
            state.is_running = started.is_ok();
            if let Err(error) = started {
                state.ring.set_trouble(Text::new(&format!("no thread to write the log: {error}")));
            }
        }
        shared.wake.notify_all();
    }

    fn is_degraded(&self) -> bool {
        Audit::is_degraded(self)
    }

    fn flush(&self, timeout: Duration) -> bool {
        Audit::flush(self, timeout)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.lock().ring.close();
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The writer: batches go out without the lock on the queue, so that a disk that hangs holds up nobody.
fn work(shared: &Shared) {
    let mut appender = Appender::new(Arc::clone(&shared.store));
    let mut state = shared.lock();
    loop {
        match state.ring.next(clock::elapsed(), clock::now()) {
            Next::End => return,
            Next::Wait(None) => state = shared.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            Next::Wait(Some(time)) => {
                state = shared.wake.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
            }
            Next::Write(batch) => {
                drop(state);
                let (done, result) = appender.write(&batch.entries, batch.sync);
                state = shared.lock();
                state.ring.add_lost(appender.take_lost());
                state.ring.settle(batch, done, result, clock::elapsed());
                shared.done.notify_all();
            }
        }
    }
}
