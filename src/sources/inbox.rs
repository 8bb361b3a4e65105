//! What the watching thread waits for: changed paths, requests, the end. Bounded: changes of one path are one, a
//! newer request takes the place of an older one of its kind, and too many paths become "look at everything".

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Request;
use crate::clock;

/// Changed paths held at most.
const MAX_PATHS: usize = 4_096;

/// Everything that came in since the last time.
#[derive(Default)]
pub struct Mail {
    pub changed: HashSet<PathBuf>,
    /// Something appeared or vanished, or changes were lost: look around.
    pub rescan: bool,
    pub history: Option<Request>,
    pub detail: Option<Request>,
    pub stop: bool,
}

#[derive(Default)]
pub struct Inbox {
    mail: Mutex<Mail>,
    bell: Condvar,
}

impl Inbox {
    pub fn changed(&self, paths: impl IntoIterator<Item = PathBuf>, rescan: bool) {
        let mut mail = self.lock();
        mail.rescan |= rescan;
        for path in paths {
            if mail.changed.len() >= MAX_PATHS {
                mail.rescan = true;
                break;
            }
            mail.changed.insert(path);
        }
        if mail.rescan || !mail.changed.is_empty() {
            self.bell.notify_one();
        }
    }

    pub fn request(&self, request: Request) {
        let mut mail = self.lock();
        match request {
            Request::ReadHistory { .. } => mail.history = Some(request),
            Request::ReadDetail(_) => mail.detail = Some(request),
            Request::Stop => mail.stop = true,
        }
        self.bell.notify_one();
    }

    /// Takes what is there without waiting.
    pub fn take(&self) -> Mail {
        std::mem::take(&mut *self.lock())
    }

    /// Waits until something came or `clock::elapsed()` is `until`, then takes what is there. Changes are let pile up
    /// until `earliest`, so that a busy time costs few wake-ups; requests are not.
    pub fn wait(&self, earliest: Duration, until: Duration) -> Mail {
        let mut mail = self.lock();
        loop {
            let now = clock::elapsed();
            let is_urgent = mail.stop || mail.history.is_some() || mail.detail.is_some();
            let has_changes = mail.rescan || !mail.changed.is_empty();
            if is_urgent || now >= until || (has_changes && now >= earliest) {
                return std::mem::take(&mut mail);
            }
            let next = if has_changes { earliest.min(until) } else { until };
            let waited = self.bell.wait_timeout(mail, next.saturating_sub(now));
            mail = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
