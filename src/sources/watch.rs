//! The thread that reads: first what is there, newest run first, then what is added. Changes go before history.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::discover::is_pipe;
use super::inbox::{Inbox, Mail};
use super::notice::Notice;
use super::pool::Pool;
use super::{Plan, Request, Target, history, pipe};
use crate::clock;
use crate::domain::text::Text;
use crate::engine::Msg;

/// Changes that come close together are read together.
const GATHER: Duration = Duration::from_millis(8);
/// Busy sources are looked at so often, whatever the system tells.
const POLL: Duration = Duration::from_secs(2);
/// So often is looked around for new files, and at all sources.
const LOOK_AROUND: Duration = Duration::from_secs(5);
/// A directory that has just appeared is watched a moment later; files may come in between.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Looking around costs at most one part in so many of the time while nothing happens.
const SHARE: u32 = 1_000;
/// The same while things happen.
const BUSY_SHARE: u32 = 20;

/// The reading thread, from outside. It ends when this is dropped, or when nobody receives any more.
pub struct Handle {
    inbox: Arc<Inbox>,
}

impl Handle {
    /// Asks for something to be read. A newer request takes the place of an older one that was not begun.
    pub fn request(&self, request: Request) {
        self.inbox.request(request);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inbox.request(Request::Stop);
    }
}

/// Starts reading. Messages come in batches; when the receiver is slow, reading waits, and nothing is lost.
pub fn spawn(plan: Plan, tx: Sender<Vec<Msg>>) -> std::io::Result<Handle> {
    let inbox = Arc::new(Inbox::default());
    let handle = Handle { inbox: inbox.clone() };
    thread::Builder::new().name("sources".into()).spawn(move || {
        Watch::new(plan, tx, inbox).run();
    })?;
    Ok(handle)
}

struct Watch {
    plan: Plan,
    pool: Pool,
    inbox: Arc<Inbox>,
    out: Outlet,
    /// When to poll, to look around, and to look around once more.
    poll_at: Duration,
    look_at: Duration,
    again_at: Option<Duration>,
    again: u8,
    /// Not before this may a change cause another look around.
    look_after: Duration,
    /// Raised when a run is asked for; who reads an older one gives up.
    wanted: Arc<AtomicU64>,
}

struct Outlet {
    tx: Sender<Vec<Msg>>,
    waiting: Vec<Msg>,
    is_closed: bool,
}

impl Outlet {
    fn flush(&mut self) {
        if !self.waiting.is_empty() {
            self.is_closed |= self.tx.blocking_send(std::mem::take(&mut self.waiting)).is_err();
        }
    }
}

impl Watch {
    fn new(plan: Plan, tx: Sender<Vec<Msg>>, inbox: Arc<Inbox>) -> Self {
        let pool = Pool::new(&plan);
        Self {
            plan,
            pool,
            inbox,
            out: Outlet { tx, waiting: Vec::new(), is_closed: false },
            poll_at: Duration::ZERO,
            look_at: Duration::ZERO,
            again_at: None,
            again: 0,
            look_after: Duration::ZERO,
            wanted: Arc::default(),
        }
    }

    fn run(mut self) {
        self.look_around(false);
        self.start_pipes();
        self.out.flush();
        let mut notice = Notice::new(self.inbox.clone());
        self.cover(&mut notice);
        let mut earliest = Duration::ZERO;
        while !self.out.is_closed {
            let mail = if self.pool.has_more() {
                self.inbox.take()
            } else {
                let due = [Some(self.poll_at), Some(self.look_at), self.again_at, self.pool.next_due()];
                self.inbox.wait(earliest, due.into_iter().flatten().min().unwrap_or_default())
            };
            if mail.stop {
                break;
            }
            if !mail.changed.is_empty() {
                earliest = clock::elapsed() + GATHER;
            }
            self.open(mail);
            self.out.flush();
            self.keep_up(&mut notice);
            if self.pool.has_more() {
                self.pool.step(clock::now(), &mut |msg| self.out.waiting.push(msg));
            }
            self.out.flush();
        }
    }

    /// Deals with what came in.
    fn open(&mut self, mail: Mail) {
        let now = clock::now();
        let mut look = mail.rescan;
        for path in mail.changed {
            let path = as_source(path);
            if self.pool.knows(&path) {
                self.pool.changed(&path, now, &mut |msg| self.out.waiting.push(msg));
            } else {
                look |= self.pool.finder().takes(&path);
            }
        }
        if look {
            let soon = self.look_after.max(clock::elapsed());
            self.again_at = Some(self.again_at.map_or(soon, |at| at.min(soon)));
            self.again = 2;
        }
        if let Some(request) = mail.history {
            self.start_history(request);
        }
        if let Some(Request::ReadDetail(origin)) = mail.detail {
            let lines = history::read_detail(self.pool.kept(origin.source), origin.offset);
            self.out.waiting.push(Msg::Detail { origin, lines });
        }
    }

    /// What is done by the clock.
    fn keep_up(&mut self, notice: &mut Notice) {
        let clock = clock::elapsed();
        if self.again_at.is_some_and(|at| clock >= at) {
            self.look_around(false);
            self.cover(notice);
            self.again = self.again.saturating_sub(1);
            self.again_at = (self.again > 0).then_some(clock + LOOK_AGAIN);
        }
        if clock >= self.look_at {
            self.look_around(true);
            self.cover(notice);
        }
        self.pool.catch_up(clock::now(), &mut |msg| self.out.waiting.push(msg));
        if clock >= self.poll_at {
            self.poll(false);
        }
    }

    /// Looks for new files and (`all`) at every source that is followed.
    fn look_around(&mut self, all: bool) {
        let began = clock::elapsed();
        self.pool.discover(clock::now(), &mut |msg| self.out.waiting.push(msg));
        if all {
            self.poll(true);
        }
        let ended = clock::elapsed();
        let took = ended.saturating_sub(began);
        self.look_at = ended + LOOK_AROUND.max(took * SHARE);
        self.look_after = ended + Duration::from_millis(50).max(took * BUSY_SHARE);
    }

    fn poll(&mut self, all: bool) {
        let began = clock::elapsed();
        self.pool.poll(all, clock::now(), &mut |msg| self.out.waiting.push(msg));
        let ended = clock::elapsed();
        self.poll_at = ended + POLL.max(ended.saturating_sub(began) * SHARE);
    }

    fn cover(&mut self, notice: &mut Notice) {
        for (place, trouble) in notice.cover(self.pool.finder()) {
            self.pool.set_trouble(&place, trouble);
        }
        self.pool.tell_places(&mut |msg| self.out.waiting.push(msg));
    }

    /// Standard input and pipes have a thread each: reading them waits.
    fn start_pipes(&mut self) {
        for target in self.plan.targets.clone() {
            let (name, path) = match &target {
                Target::Stdin => ("stdin".to_owned(), None),
                Target::Path(path) if is_pipe(path) => (path.to_string_lossy().into_owned(), Some(path.clone())),
                Target::Path(_) => continue,
            };
            let source = self.pool.add_pipe();
            self.out.waiting.push(Msg::Opened { source, name: Text::new(&name), form: None });
            let tx = self.out.tx.clone();
            let started = thread::Builder::new().name("pipe".into()).spawn(move || {
                pipe::read_target(path.as_deref(), source, &mut |msgs| tx.blocking_send(msgs).is_ok());
            });
            if let Err(error) = started {
                let state = crate::engine::SourceState::Failed(Text::new(&format!("{name}: {error}")));
                self.out.waiting.push(Msg::State { source, state });
            }
        }
    }

    fn start_history(&mut self, request: Request) {
        let Request::ReadHistory { run, id, sources, rules, prices } = request else { return };
        let kept: Option<Vec<_>> =
            sources.iter().map(|number| Some((*number, self.pool.kept(*number)?.clone()))).collect();
        let Some(kept) = kept else { return };
        let turn = self.wanted.fetch_add(1, Ordering::Relaxed) + 1;
        let (wanted, tx) = (self.wanted.clone(), self.out.tx.clone());
        // Without a thread there is no answer, and the screen keeps showing the numbers without details.
        let _ = thread::Builder::new().name("history".into()).spawn(move || {
            let is_wanted = || wanted.load(Ordering::Relaxed) == turn;
            if let Some(run) = history::read_run(run, &id, &kept, &rules, &prices, is_wanted) {
                let _ = tx.blocking_send(vec![Msg::History(Box::new(run))]);
            }
        });
    }
}

/// A database's log stands for the database.
fn as_source(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|path| path.strip_suffix("-wal").or_else(|| path.strip_suffix("-shm"))) {
        Some(db) => PathBuf::from(db),
        None => path,
    }
}

#[cfg(test)]
mod tests;
