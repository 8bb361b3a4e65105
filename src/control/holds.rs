//! Which key there is for each run: who listens on a socket, and whose process can be found.
//!
//! [`spawn`] keeps looking, for a screen, and says what changes; [`look`] looks once, for a command. Sockets are
//! followed, one thread each, and every update goes on at once. Processes are looked for only while the screen shows
//! living runs that no socket answers for, and never for more than one part in [`SHARE`] of the time.

mod board;
mod socket;
#[cfg(test)]
mod testkit;

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

use self::board::Board;
pub use self::socket::{Desks, Sockets};
use super::mapping::Mapper;
use super::mapping::scan::Proc;
use super::protocol::{Snapshot, Status};
use super::words::{Key, ProcId};
use crate::clock;
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::sources::Env;

/// So often processes are looked for, and the directory is listed whatever the system tells.
const LOOK: Duration = Duration::from_secs(5);
/// Not more often than this, however many runs come up.
const PAUSE: Duration = Duration::from_secs(1);
/// Processes that a signal would go to are asked for so often whether they are still there.
const ALIVE: Duration = Duration::from_secs(1);
/// A socket on which nobody answered is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// Looking for processes takes at most one part in so many of the time.
const SHARE: u32 = 2_000;
/// Sockets that are followed at once. The others' runs have the key that their process gives.
const MAX_SOCKETS: usize = 256;
/// Messages that wait; whoever has more to say waits as well.
const WAITING: usize = 256;

/// The reason given for a key that a run has no more.
pub const ENDED: &str = "its process has ended";

/// The hold on one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    pub run: RunId,
    pub key: Key,
    /// What gives this key, or why there is none.
    pub why: Text,
    /// What would be signalled; only what is certain.
    pub leader: Option<ProcId>,
    /// Who listens.
    pub socket: Option<PathBuf>,
    /// As last told on the socket.
    pub status: Option<Status>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum HoldMsg {
    /// The key of a run, or what gives it. A status alone doesn't count: that comes as a snapshot.
    Hold(Box<Hold>),
    /// A socket's update, as it came. `name`: the socket's.
    Snapshot { name: Text, socket: PathBuf, snapshot: Box<Snapshot> },
    /// Nobody answers on a socket any more.
    Lost { name: Text, socket: PathBuf, why: Text },
}

/// Where to look.
pub struct Places {
    /// The directory of the sockets. It needn't be there.
    pub sockets: PathBuf,
    pub proc: Proc,
    pub env: Env,
}

/// The looking thread, from outside. It ends when this is dropped, or when its messages are not wanted any more.
pub struct Holds {
    tx: SyncSender<Wake>,
    wish: Arc<Wish>,
}

/// What is wanted of the thread. Never waited for: the thread may be waiting for whoever wants it.
#[derive(Default)]
struct Wish {
    live: Mutex<Option<Vec<RunId>>>,
    end: AtomicBool,
}

impl Holds {
    /// Runs on the screen that are not over. Empty: no process is looked for.
    pub fn live(&self, runs: Vec<RunId>) {
        *self.wish.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(runs);
        self.wake();
    }

    fn wake(&self) {
        // If it is full, the thread is awake, and sees what is wanted before it waits again.
        let _ = self.tx.try_send(Wake::Wish);
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.wish.end.store(true, Ordering::Release);
        self.wake();
    }
}

/// Starts looking. `tell` may wait; it returns whether there is anybody left to tell.
pub fn spawn(
    places: Places,
    desks: impl Sockets,
    tell: impl FnMut(HoldMsg) -> bool + Send + 'static,
) -> std::io::Result<Holds> {
    let (tx, rx) = sync_channel(WAITING);
    let holds = Holds { tx: tx.clone(), wish: Arc::default() };
    let wish = Arc::clone(&holds.wish);
    thread::Builder::new().name("holds".into()).spawn(move || {
        Watch::new(places, Arc::new(desks), tx, Box::new(tell)).run(&rx, &wish);
    })?;
    Ok(holds)
}

/// Looks once: the hold on every run that has one, and those on which there might be one but for a reason.
pub fn look(places: &Places, desks: &impl Sockets) -> Vec<Hold> {
    let mut board = Board::new(places.proc.is_there());
    for (path, _) in list(&places.sockets) {
        if let Ok(snapshot) = desks.once(&path) {
            board.snapshot(&path, snapshot);
        }
    }
    board.map(Mapper::new(places.proc.clone(), places.env.clone()).look(clock::now()));
    board.holds()
}

/// The hold on one run; [`Key::None`] with the reason if there is none.
pub fn find(run: &RunId, places: &Places, desks: &impl Sockets) -> Hold {
    let found = look(places, desks).into_iter().find(|hold| hold.run == *run);
    found.unwrap_or_else(|| board::without(run, places.proc.is_there()))
}

/// What wakes the thread.
enum Wake {
    /// Something else is wanted.
    Wish,
    Snapshot(PathBuf, Box<Snapshot>),
    Lost(PathBuf, Text),
    /// Something happened in the directory.
    Directory,
}

struct Watch {
    places: Places,
    desks: Arc<dyn Sockets>,
    tx: SyncSender<Wake>,
    tell: Box<dyn FnMut(HoldMsg) -> bool + Send>,
    mapper: Mapper,
    board: Board,
    watcher: Option<RecommendedWatcher>,
    /// Sockets by path.
    followed: HashMap<PathBuf, Follow>,
    /// When processes were looked for last, and are next.
    looked: Option<Duration>,
    look_at: Duration,
    list_at: Duration,
    alive_at: Duration,
    is_wanted: bool,
}

/// A socket that was found.
struct Follow {
    /// Device and inode: another file of that name is another socket.
    file: (u64, u64),
    /// `None`: a thread listens to it. Else when it is tried again.
    again: Option<Duration>,
}

impl Watch {
    fn new(
        places: Places,
        desks: Arc<dyn Sockets>,
        tx: SyncSender<Wake>,
        tell: Box<dyn FnMut(HoldMsg) -> bool + Send>,
    ) -> Self {
        let mapper = Mapper::new(places.proc.clone(), places.env.clone());
        let board = Board::new(places.proc.is_there());
        Self {
            places,
            desks,
            tx,
            tell,
            mapper,
            board,
            watcher: None,
            followed: HashMap::new(),
            looked: None,
            look_at: Duration::ZERO,
            list_at: Duration::ZERO,
            alive_at: Duration::ZERO,
            is_wanted: true,
        }
    }

    fn run(mut self, rx: &Receiver<Wake>, wish: &Wish) {
        while self.is_wanted && !wish.end.load(Ordering::Acquire) {
            let live = wish.live.lock().unwrap_or_else(PoisonError::into_inner).take();
            if live.is_some_and(|runs| self.board.live(runs)) {
                self.look_soon();
            }
            self.due(clock::elapsed());
            self.say();
            let wait = self.next().saturating_sub(clock::elapsed());
            match rx.recv_timeout(wait) {
                Ok(wake) => self.take(wake),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn next(&self) -> Duration {
        let mut next = self.list_at;
        if self.board.wants_mapping() {
            next = next.min(self.look_at);
        }
        if self.board.signals().next().is_some() {
            next = next.min(self.alive_at);
        }
        next
    }

    fn take(&mut self, wake: Wake) {
        match wake {
            Wake::Wish => {}
            Wake::Directory => self.list_at = Duration::ZERO,
            Wake::Snapshot(socket, snapshot) => {
                let name = board::name(&socket);
                self.board.snapshot(&socket, (*snapshot).clone());
                self.tell(HoldMsg::Snapshot { name, socket, snapshot });
            }
            Wake::Lost(socket, why) => {
                if let Some(follow) = self.followed.get_mut(&socket) {
                    follow.again = Some(clock::elapsed() + AGAIN);
                }
                if self.board.lost(&socket) {
                    self.tell(HoldMsg::Lost { name: board::name(&socket), socket, why });
                    // Its process may go on without it.
                    self.look_soon();
                }
            }
        }
    }

    fn look_soon(&mut self) {
        self.look_at = self.look_at.min(self.looked.map_or(Duration::ZERO, |at| at + PAUSE));
    }

    /// Does what is due at `now`.
    fn due(&mut self, now: Duration) {
        if self.list_at <= now {
            self.list_at = now + LOOK;
            self.cover();
            self.list(now);
        }
        if self.alive_at <= now {
            self.alive_at = now + ALIVE;
            let proc = self.mapper.proc();
            self.board.keep(|id| proc.is_alive(id));
        }
        if self.look_at <= now && self.board.wants_mapping() {
            self.board.map(self.mapper.look(clock::now()));
            let took = clock::elapsed().saturating_sub(now);
            self.looked = Some(now);
            self.look_at = now + LOOK.max(took.saturating_mul(SHARE));
        }
    }

    /// Lets the system tell what comes up in the directory. Where it can't, the list is all there is.
    fn cover(&mut self) {
        if self.watcher.is_some() {
            return;
        }
        let tx = self.tx.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // If it is full, then the thread is awake, and the directory is listed soon enough.
                let _ = tx.try_send(Wake::Directory);
            }
        });
        let Ok(mut watcher) = watcher else { return };
        if watcher.watch(&self.places.sockets, RecursiveMode::NonRecursive).is_ok() {
            self.watcher = Some(watcher);
        }
    }

    fn list(&mut self, now: Duration) {
        let there = list(&self.places.sockets);
        if there.is_empty() && !self.places.sockets.is_dir() {
            // Made again, it is another directory.
            self.watcher = None;
        }
        self.followed.retain(|path, follow| follow.again.is_none() || there.iter().any(|(other, _)| other == path));
        for (path, file) in there {
            let is_new = self.followed.get(&path).is_none_or(|follow| match follow.again {
                Some(again) => follow.file != file || again <= now,
                None => false,
            });
            let busy = self.followed.values().filter(|follow| follow.again.is_none()).count();
            if is_new && busy < MAX_SOCKETS {
                self.follow(path, file, now);
            }
        }
    }

    fn follow(&mut self, path: PathBuf, file: (u64, u64), now: Duration) {
        let (tx, desks, socket) = (self.tx.clone(), Arc::clone(&self.desks), path.clone());
        let listen = move || {
            let mut pass = |snapshot: Snapshot| tx.send(Wake::Snapshot(socket.clone(), Box::new(snapshot))).is_ok();
            let why = desks.follow(&socket, &mut pass);
            // Failing means that nobody is left to be told.
            let _ = tx.send(Wake::Lost(socket.clone(), why));
        };
        let started = thread::Builder::new().name("hold".into()).stack_size(512 << 10).spawn(listen);
        let again = started.is_err().then_some(now + AGAIN);
        self.followed.insert(path, Follow { file, again });
    }

    fn say(&mut self) {
        for hold in self.board.changes() {
            self.tell(HoldMsg::Hold(Box::new(hold)));
        }
    }

    fn tell(&mut self, msg: HoldMsg) {
        self.is_wanted = self.is_wanted && (self.tell)(msg);
    }
}

/// Sockets in a directory, each with its device and inode.
fn list(dir: &Path) -> Vec<(PathBuf, (u64, u64))> {
    let Ok(entries) = fs::read_dir(dir) else { return vec![] };
    let mut sockets: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "sock"))
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
        .filter(|(_, meta)| meta.file_type().is_socket())
        .map(|(path, meta)| (path, (meta.dev(), meta.ino())))
        .collect();
    sockets.sort();
    sockets
}

#[cfg(test)]
mod tests;
