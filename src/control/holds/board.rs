//! PURE. What is known of holds, and what of it is news.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Hold;
use crate::control::mapping::Mapped;
use crate::control::protocol::{Snapshot, Status};
use crate::control::words::{Key, ProcId};
use crate::domain::event::{Agent, RunId};
use crate::domain::text::Text;

/// Everything known.
#[derive(Debug, Default)]
pub struct Board {
    /// Processes can be found on this system at all.
    can_map: bool,
    sockets: BTreeMap<PathBuf, Snapshot>,
    mapped: Vec<Mapped>,
    /// Processes were looked for since these runs are known to live.
    is_mapped: bool,
    live: BTreeSet<RunId>,
    told: BTreeMap<RunId, Hold>,
}

impl Board {
    /// `can_map`: processes can be found on this system.
    pub fn new(can_map: bool) -> Self {
        Self { can_map, ..Self::default() }
    }

    /// A socket's update. An older one than is known changes nothing.
    pub fn snapshot(&mut self, socket: &Path, snapshot: Snapshot) {
        match self.sockets.get_mut(socket) {
            // Another supervisor of that name counts anew.
            Some(known) if known.seq > snapshot.seq && known.status.started == snapshot.status.started => {}
            Some(known) => *known = snapshot,
            None => {
                self.sockets.insert(socket.to_owned(), snapshot);
            }
        }
    }

    /// Nobody answers there any more. `false`: nobody did before.
    pub fn lost(&mut self, socket: &Path) -> bool {
        self.sockets.remove(socket).is_some()
    }

    pub fn map(&mut self, mapped: Vec<Mapped>) {
        self.mapped = mapped;
        self.is_mapped = true;
    }

    /// Drops what was found of processes that are gone.
    pub fn keep(&mut self, is_alive: impl Fn(ProcId) -> bool) {
        self.mapped.retain(|one| is_alive(one.process));
    }

    /// The runs that live. `true`: processes should be looked for because of it.
    pub fn live(&mut self, runs: Vec<RunId>) -> bool {
        let before = std::mem::replace(&mut self.live, runs.into_iter().collect());
        let holds = self.listening();
        let is_new = |run: &&RunId| !before.contains(*run) && !holds.contains_key(*run);
        self.live.iter().any(|run| is_new(&run))
    }

    /// There is a living run that no socket answers for.
    pub fn wants_mapping(&self) -> bool {
        let holds = self.listening();
        self.can_map && self.live.iter().any(|run| !holds.contains_key(run))
    }

    /// Processes that were found.
    pub fn signals(&self) -> impl Iterator<Item = ProcId> {
        self.mapped.iter().map(|one| one.process)
    }

    /// Every hold there is, by run.
    pub fn holds(&self) -> Vec<Hold> {
        self.all().into_values().collect()
    }

    /// Holds that differ from what was told: another key, another reason, another process, another socket.
    pub fn changes(&mut self) -> Vec<Hold> {
        let mut all = self.all();
        for run in self.live.iter().filter(|_| self.is_mapped || !self.can_map) {
            all.entry(run.clone()).or_insert_with(|| without(run, self.can_map));
        }
        for (run, told) in &self.told {
            if told.key != Key::None && !all.contains_key(run) {
                let why = if told.socket.is_some() { "nobody listens on its socket any more" } else { super::ENDED };
                all.insert(run.clone(), none(run, why));
            }
        }
        let same = |old: &Hold, new: &Hold| {
            (old.key, &old.why, old.leader, &old.socket) == (new.key, &new.why, new.leader, &new.socket)
        };
        let news: Vec<Hold> =
            all.values().filter(|new| self.told.get(&new.run).is_none_or(|old| !same(old, new))).cloned().collect();
        self.told = all;
        news
    }

    fn all(&self) -> BTreeMap<RunId, Hold> {
        let mut all = self.listening();
        for one in &self.mapped {
            match all.get_mut(&one.session) {
                None => {
                    all.insert(one.session.clone(), by_process(one));
                }
                // Its own word comes first.
                Some(hold) if hold.socket.is_some() => {
                    hold.leader = hold.leader.or(one.certain.then_some(one.leader));
                }
                Some(hold) if hold.key == Key::None && one.certain => *hold = by_process(one),
                Some(_) => {}
            }
        }
        all
    }

    /// Holds by a socket. Where two answer for a run, the better key, then the later one.
    fn listening(&self) -> BTreeMap<RunId, Hold> {
        let mut all: BTreeMap<RunId, Hold> = BTreeMap::new();
        for (socket, snapshot) in &self.sockets {
            for hold in by_socket(socket, &snapshot.status) {
                let rank =
                    |hold: &Hold| (std::cmp::Reverse(hold.key), hold.status.as_ref().map(|status| status.started));
                match all.get(&hold.run) {
                    Some(known) if rank(known) >= rank(&hold) => {}
                    _ => {
                        all.insert(hold.run.clone(), hold);
                    }
                }
            }
        }
        all
    }
}

/// A socket's name: its file name without the ending.
pub fn name(socket: &Path) -> Text {
    Text::new(&socket.file_stem().unwrap_or_default().to_string_lossy())
}

/// A run without any hold.
pub fn without(run: &RunId, can_map: bool) -> Hold {
    none(
        run,
        if can_map {
            "no process was found that is surely this run's"
        } else {
            "processes can't be found on this system"
        },
    )
}

fn none(run: &RunId, why: &str) -> Hold {
    Hold { run: run.clone(), key: Key::None, why: Text::new(why), leader: None, socket: None, status: None }
}

fn by_process(one: &Mapped) -> Hold {
    let (key, why) = if one.certain { (Key::Signal, &one.how) } else { (Key::None, &one.why_not) };
    let leader = one.certain.then_some(one.leader);
    Hold { run: one.session.clone(), key, why: why.clone(), leader, socket: None, status: None }
}

/// The holds that a socket gives: on every session that its run has had. One that names none is a run of its own.
fn by_socket(socket: &Path, status: &Status) -> Vec<Hold> {
    let name = name(socket);
    let (key, why) = if status.supervisor.is_some() {
        (Key::Supervised, "redkey started it")
    } else if name.as_str().starts_with("h-") {
        (Key::Hooked, "its hook asks before every tool call")
    } else {
        (Key::Native, "it listens itself")
    };
    let mut runs: Vec<RunId> = status.metered.sessions.iter().filter_map(|session| run(session.as_str())).collect();
    if runs.is_empty() && key == Key::Native {
        runs.push(RunId::new(Agent::Native, status.run.as_str()));
    }
    let hold = |run| Hold {
        run,
        key,
        why: Text::new(why),
        leader: status.leader,
        socket: Some(socket.to_owned()),
        status: Some(status.clone()),
    };
    runs.into_iter().map(hold).collect()
}

/// `claude:0f3a…`
fn run(text: &str) -> Option<RunId> {
    let (agent, session) = text.split_once(':')?;
    let agent = Agent::parse(agent)?;
    (!session.is_empty()).then(|| RunId::new(agent, session))
}

#[cfg(test)]
mod tests;
