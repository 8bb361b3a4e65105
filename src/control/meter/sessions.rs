//! The sessions of a run: which there are, and their files.

use std::collections::HashSet;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{self, Sender};

use super::Inbox;
use crate::clock;
use crate::control::mapping::Mapper;
use crate::control::mapping::scan::Proc;
use crate::control::words::ProcId;
use crate::domain::event::{Agent, RunId};
use crate::domain::time::{Span, Stamp};
use crate::engine::Msg;
use crate::sources::{self, Env, Handle, Plan, Target};

/// The first look for sessions comes so soon, and each later one after a longer pause, up to the last.
const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(2);
/// Once one was found, others may follow: an agent that starts another, or begins anew.
const LATER: Duration = Duration::from_secs(5);
/// Batches between a reader and the meter.
const BATCHES: usize = 16;
/// Sources of one reader.
const NUMBERS: u32 = 1 << 16;

/// Finds sessions below a process, and reads them.
pub struct Sessions {
    env: Env,
    root: Option<ProcId>,
    mapper: Mapper,
    tx: Sender<Inbox>,
    readers: Vec<Handle>,
    known: Vec<RunId>,
    /// Known by name; no file of theirs is there yet.
    wanted: Vec<(RunId, Option<PathBuf>)>,
    /// Readers of sessions that have not come to the end of what was there when they began.
    unread: HashSet<u32>,
    pause: Duration,
    next: Duration,
}

impl Sessions {
    pub(super) fn new(env: Env, root: Option<ProcId>, tx: Sender<Inbox>) -> Self {
        Self {
            mapper: Mapper::new(Proc::system(), env.clone()),
            env,
            root,
            tx,
            readers: Vec::new(),
            known: Vec::new(),
            wanted: Vec::new(),
            unread: HashSet::new(),
            pause: FIRST,
            next: Duration::ZERO,
        }
    }

    /// A session that somebody else has found, with its file if that is known.
    pub fn know(&mut self, id: RunId, file: Option<PathBuf>) {
        if !self.known.contains(&id) {
            self.known.push(id.clone());
            self.wanted.push((id, file));
        }
    }

    pub fn any_known(&self) -> bool {
        !self.known.is_empty()
    }

    /// Everything that was there of its sessions is read. What has no file yet has no past.
    pub fn is_read(&self) -> bool {
        self.unread.is_empty()
    }

    /// From `reader`: was this the last of what was there?
    pub fn note(&mut self, reader: u32, msgs: &[Msg]) {
        if msgs.iter().any(|msg| matches!(msg, Msg::Progress(progress) if progress.is_done())) {
            self.unread.remove(&reader);
        }
    }

    /// When to look again, on the clock that never jumps.
    pub fn next_look(&self) -> Duration {
        self.next
    }

    /// Looks for sessions if it is time, and for files of those that have none; those that are new.
    pub fn look(&mut self, now: Stamp) -> Vec<RunId> {
        if clock::elapsed() < self.next {
            return vec![];
        }
        let mut fresh = Vec::new();
        if let Some(root) = self.root {
            for id in self.below(root, now) {
                if !self.known.contains(&id) {
                    self.know(id.clone(), None);
                    fresh.push(id);
                }
            }
        }
        let wanted = std::mem::take(&mut self.wanted);
        for (id, file) in wanted {
            if !self.open(&id, file.clone(), now) {
                self.wanted.push((id, file));
            }
        }
        let is_settled = !self.known.is_empty() && self.wanted.is_empty();
        self.pause = if is_settled { LATER } else { (self.pause * 2).min(LAST) };
        self.next = clock::elapsed() + self.pause;
        fresh
    }

    /// Sessions of processes below `root`. One that a process elsewhere may be writing is left out, unless it is sure.
    fn below(&mut self, root: ProcId, now: Stamp) -> Vec<RunId> {
        let all = self.mapper.look(now);
        let proc = self.mapper.proc();
        let (ours, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| proc.descends(one.process, root));
        let elsewhere = |id: &RunId| others.iter().any(|other| other.session == *id);
        ours.into_iter().filter(|one| one.certain || !elsewhere(&one.session)).map(|one| one.session).collect()
    }

    /// Starts reading a session; false: nothing of it is there yet.
    fn open(&mut self, id: &RunId, file: Option<PathBuf>, now: Stamp) -> bool {
        if id.agent == Agent::Opencode {
            // One database holds all of them; those that were written lately are read.
            let home = self.env.home.as_ref().map(|home| home.join(".local/share"));
            let data = self.env.xdg_data_home.clone().or(home);
            let plan = Plan {
                targets: vec![],
                env: Env { xdg_data_home: data, ..Env::default() },
                id: None,
                all: false,
                active_within: Span::mins(10),
                now,
            };
            return self.start(plan, false);
        }
        let files = match file.filter(|file| file.is_file()) {
            Some(file) => vec![file],
            None => sources::locate(&self.env, id),
        };
        let reader = self.readers.len() as u32;
        let is_begun = !files.is_empty() && self.read(files, false);
        if is_begun {
            self.unread.insert(reader);
        }
        is_begun
    }

    /// Reads these files. `own`: every run in them belongs to this one.
    pub fn read(&mut self, files: Vec<PathBuf>, own: bool) -> bool {
        let plan = Plan {
            targets: files.into_iter().map(Target::Path).collect(),
            env: self.env.clone(),
            id: None,
            all: true,
            active_within: Span::ZERO,
            now: clock::now(),
        };
        self.start(plan, own)
    }

    fn start(&mut self, plan: Plan, own: bool) -> bool {
        let reader = self.readers.len() as u32;
        let (tx, mut rx) = mpsc::channel(BATCHES);
        let Ok(handle) = sources::spawn(plan, tx) else { return false };
        let to = self.tx.clone();
        let pass = move || {
            while let Some(msgs) = rx.blocking_recv() {
                if to.blocking_send(Inbox::Read { reader, own, msgs }).is_err() {
                    return;
                }
            }
        };
        let started = thread::Builder::new().name("reader".into()).spawn(pass).is_ok();
        self.readers.push(handle);
        started
    }
}

/// A reader's message with numbers that no other reader has; `None`: nothing for the model.
pub fn renumbered(msg: Msg, reader: u32) -> Option<Msg> {
    let of = |source: u32| reader.saturating_mul(NUMBERS).saturating_add(source.min(NUMBERS - 1));
    Some(match msg {
        Msg::Opened { source, name, form } => Msg::Opened { source: of(source), name, form },
        Msg::State { source, state } => Msg::State { source: of(source), state },
        Msg::Events { source, events } => Msg::Events { source: of(source), events },
        Msg::Lines { source, read, bytes, skipped } => Msg::Lines { source: of(source), read, bytes, skipped },
        Msg::Dropped(lost) => Msg::Dropped(lost),
        _ => return None,
    })
}
