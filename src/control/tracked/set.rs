//! The processes of a run that was found, and how more of them are found.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::process::Signal;

use super::super::ladder::Aim;
use super::super::proc::held::Held;
use super::super::proc::tree::Lister;
use super::super::proc::{self, Stat, stat, survivors_among};
use super::super::words::{ProcId, Survivor};

/// Descriptors left to everything else.
const HEADROOM: u64 = 96;
/// Looks in a row that may each find more; a chain of forks could go on for ever.
const MOST_LOOKS: usize = 64;

/// One process of the set, alive when last looked at.
pub(super) struct Member {
    id: ProcId,
    session: u32,
    /// `None`: descriptors ran out. It is opened for each signal and compared with `id`.
    pub(super) held: Option<Held>,
}

impl Member {
    fn with_held<T>(&self, ask: impl FnOnce(&Held) -> T) -> io::Result<T> {
        match &self.held {
            Some(held) => Ok(ask(held)),
            None => Held::open_id(self.id).map(|held| ask(&held)),
        }
    }

    fn is_gone(&self) -> bool {
        match self.with_held(Held::is_gone) {
            Ok(gone) => gone,
            // Not being able to look is no proof.
            Err(error) => matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT | libc::EINVAL)),
        }
    }
}

pub struct Set {
    leader: ProcId,
    /// The leader's process group as last seen.
    group: u32,
    /// The leader's user.
    uid: Option<u32>,
    /// `NAME=value`.
    pub marks: Vec<Vec<u8>>,
    spared: HashSet<u32>,
    /// Sessions that members have made, by number.
    made: HashSet<u32>,
    pub(super) members: HashMap<u32, Member>,
    total: u32,
    pub(super) most_held: usize,
}

impl Set {
    pub fn open(leader: ProcId) -> io::Result<Self> {
        if leader.pid <= 1 || leader.pid == proc::own_pid() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "that process can't be stopped from here"));
        }
        let held = Held::open_id(leader).map_err(not_found)?;
        let stat = held.stat().map_err(not_found)?;
        let uid = stat::uid(leader.pid);
        if held.is_gone() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let most_held = proc::open_files().saturating_sub(HEADROOM).max(1);
        let mut set = Self {
            leader,
            group: stat.pgrp,
            uid,
            marks: vec![],
            spared: HashSet::from([proc::own_pid()]),
            made: HashSet::new(),
            members: HashMap::new(),
            total: 0,
            most_held: usize::try_from(most_held).unwrap_or(usize::MAX),
        };
        set.keep(held, &stat);
        set.look(false);
        Ok(set)
    }

    /// The oldest of those that are there stands for the leader.
    pub fn open_all(ids: &[ProcId]) -> io::Result<Self> {
        let mut ids = ids.to_vec();
        ids.sort_unstable_by_key(|id| id.start);
        let mut found = None;
        for (at, id) in ids.iter().enumerate() {
            match Self::open(*id) {
                Ok(set) => {
                    found = Some((set, at + 1));
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let (mut set, next) = found.ok_or(io::ErrorKind::NotFound)?;
        for id in &ids[next..] {
            set.adopt(id.pid, |_, held, _| held.id == *id);
        }
        set.look(false);
        Ok(set)
    }

    pub fn spare(&mut self, pids: &[u32]) {
        for pid in pids {
            self.spared.insert(*pid);
            if self.members.remove(pid).is_some() {
                self.total -= 1;
            }
        }
    }

    /// All that ever belonged.
    pub fn total(&self) -> u32 {
        self.total
    }

    pub fn alive(&self) -> u32 {
        u32::try_from(self.members.len()).unwrap_or(u32::MAX)
    }

    pub fn leader_is_alive(&self) -> bool {
        self.members.get(&self.leader.pid).is_some_and(|member| member.id == self.leader)
    }

    pub fn ids(&self) -> Vec<ProcId> {
        let mut ids: Vec<_> = self.members.values().map(|member| member.id).collect();
        ids.sort_unstable();
        ids
    }

    /// Become readable when one of the set is gone.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.members.values().filter_map(|member| member.held.as_ref().map(AsFd::as_fd))
    }

    /// Some are known by name alone; nothing wakes a poll when they end.
    pub fn has_unheld(&self) -> bool {
        self.members.values().any(|member| member.held.is_none())
    }

    pub fn drop_gone(&mut self) {
        self.members.retain(|_, member| !member.is_gone());
    }

    /// Can anything be looked at? Without a free descriptor nothing is found, and that proves nothing.
    pub fn can_look() -> bool {
        Held::open(proc::own_pid()).is_ok()
    }

    /// Looks for more until a look finds nothing: below every member, and if `far` also in the sessions that the run
    /// has made and by its marks. How many were found.
    pub fn look(&mut self, far: bool) -> usize {
        let mut found = 0;
        for _ in 0..MOST_LOOKS {
            self.drop_gone();
            let more = self.look_below() + if far { self.look_around() } else { 0 };
            found += more;
            if more == 0 {
                break;
            }
        }
        found
    }

    fn look_below(&mut self) -> usize {
        let lister = Lister::new();
        let mut found = 0;
        let mut queue: VecDeque<u32> = self.members.keys().copied().collect();
        while let Some(parent) = queue.pop_front() {
            for pid in lister.children(parent) {
                if self.adopt(pid, |set, _, stat| stat.ppid == parent && set.still_has(parent)) {
                    found += 1;
                    queue.push_back(pid);
                }
            }
        }
        found
    }

    fn look_around(&mut self) -> usize {
        let sessions = self.own_sessions();
        let mut found = 0;
        for pid in stat::all() {
            if self.is_known(pid) || stat::read(pid).is_ok_and(|stat| !self.may_belong(&stat)) {
                continue;
            }
            found += usize::from(self.adopt(pid, |set, held, stat| {
                set.may_belong(stat) && (sessions.contains(&stat.session) || set.is_marked(held))
            }));
        }
        found
    }

    /// Sessions made by the run that a living member is in. Nobody comes into a session but by being born in it, and
    /// its number isn't given away while somebody is in it.
    fn own_sessions(&self) -> HashSet<u32> {
        self.members.values().map(|member| member.session).filter(|session| self.made.contains(session)).collect()
    }

    fn may_belong(&self, stat: &Stat) -> bool {
        stat.start >= self.leader.start && stat.state != 'Z'
    }

    fn is_marked(&self, held: &Held) -> bool {
        let pid = held.id.pid;
        !self.marks.is_empty()
            && stat::uid(pid) == self.uid
            && self.marks.iter().any(|mark| stat::environ_has(pid, mark))
    }

    fn is_known(&self, pid: u32) -> bool {
        self.spared.contains(&pid) || self.members.contains_key(&pid)
    }

    /// Does the member with this number still have it?
    fn still_has(&self, pid: u32) -> bool {
        self.members.get(&pid).is_some_and(|member| member.with_held(Held::is_unreaped).unwrap_or(false))
    }

    /// Takes the process in if `belongs` says so of it while it is held.
    fn adopt(&mut self, pid: u32, belongs: impl FnOnce(&Self, &Held, &Stat) -> bool) -> bool {
        if self.is_known(pid) {
            return false;
        }
        let Ok(held) = Held::open(pid) else { return false };
        let Ok(stat) = stat::read(pid) else { return false };
        if !belongs(self, &held, &stat) || held.is_gone() || !held.is_unreaped() {
            return false;
        }
        self.keep(held, &stat);
        true
    }

    fn keep(&mut self, held: Held, stat: &Stat) {
        let id = held.id;
        let held = (self.members.len() < self.most_held).then_some(held);
        if stat.session == id.pid {
            self.made.insert(id.pid);
        }
        self.total += 1;
        self.members.insert(id.pid, Member { id, session: stat.session, held });
    }

    /// Sends each signal in turn to all that are meant.
    pub fn signal(&mut self, aim: Aim, signals: &[Signal]) {
        if let Some(leader) = self.members.get(&self.leader.pid)
            && let Ok(stat) = stat::read(leader.id.pid)
        {
            self.group = stat.pgrp;
        }
        for signal in signals {
            for member in self.members.values().filter(|member| self.is_meant(member, aim)) {
                // Refused or gone: the count of the living tells.
                let _ = member.with_held(|held| held.signal(*signal));
            }
        }
    }

    fn is_meant(&self, member: &Member, aim: Aim) -> bool {
        match aim {
            Aim::All => true,
            Aim::Leader => member.id == self.leader,
            Aim::Group => {
                member.id == self.leader || stat::read(member.id.pid).is_ok_and(|stat| stat.pgrp == self.group)
            }
        }
    }

    /// Stops everything from forking, looks until nothing more is found, then kills it all.
    pub fn kill(&mut self) {
        self.signal(Aim::All, &[Signal::STOP]);
        for _ in 0..MOST_LOOKS {
            if self.look(true) == 0 {
                break;
            }
            self.signal(Aim::All, &[Signal::STOP]);
        }
        self.signal(Aim::All, &[Signal::KILL]);
    }

    pub fn survivors(&self) -> Vec<Survivor> {
        survivors_among(&self.ids())
    }
}

fn not_found(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ESRCH) => io::Error::new(io::ErrorKind::NotFound, "the process has ended"),
        _ => error,
    }
}
