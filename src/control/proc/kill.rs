//! KILL to everything below a process, and who is left after it, and why.

use std::collections::HashSet;
use std::io;

use rustix::process::{Signal, kill_process, test_kill_process};

use super::super::words::{ProcId, Survivor};
use super::held::{self, Held};
use super::stat::{self, Stat};
use super::tree::{self, Children};
use crate::domain::text::Text;

/// Looks at our own children within one round: what a dying parent leaves behind comes to us at once.
const LOOKS: usize = 16;
/// So many of them: the dead must be reaped before it's worth looking again. A fork chain leaves 100,000 a second.
const CROWD: usize = 256;
/// A crowd may be one that won't die, so the walk isn't left out for ever.
const THOROUGH: u32 = 8;

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    /// Processes that KILL went to, those that were dead and not reaped yet included.
    pub sent: u32,
    /// It may not be sent to these.
    pub refused: Vec<Survivor>,
    /// Descriptors ran out: only our own children were reached. Rounds repeated do the rest, since whatever loses its
    /// parent becomes our child.
    pub narrow: bool,
}

/// Sends KILL to every descendant of `root`, but not to those in `skip` nor to anything below them.
///
/// With `root` this process itself, a single-threaded subreaper that reaps nothing meanwhile, our own children are
/// reached by their numbers, which needs no descriptor; everything else is held by a pidfd and checked to still
/// descend from `root` before. Repeat it until [`reap_all`](super::reap_all) says that there are no children.
///
/// Every eighth, by `number`, walks the whole tree whatever it finds; the others leave that out in a crowd.
pub fn kill_round(root: u32, own: &Children, skip: &[u32], number: u32) -> Round {
    let mut round = Round::default();
    let mut done: HashSet<u32> = skip.iter().copied().collect();
    if root == super::own_pid() {
        for _ in 0..LOOKS {
            match kill_own(own, &mut done, &mut round) {
                0 => break,
                // While we walk the tree, it grows: what is deeper comes to us anyway once its parent is dead.
                CROWD.. if !number.is_multiple_of(THOROUGH) => return round,
                _ => {}
            }
        }
    }
    kill_deeper(root, skip, &done, &mut round);
    round
}

/// How many of our children had not been seen in this round.
fn kill_own(own: &Children, done: &mut HashSet<u32>, round: &mut Round) -> usize {
    let Ok(listed) = own.list() else { return 0 };
    let fresh: Vec<u32> = listed.into_iter().filter(|pid| done.insert(*pid)).collect();
    // The newest first: in a fork chain they are the living.
    for pid in fresh.iter().rev() {
        if let Some(number) = super::pid_of(*pid) {
            count(kill_process(number, Signal::KILL).map_err(io::Error::from), *pid, round);
        }
    }
    fresh.len()
}

fn kill_deeper(root: u32, skip: &[u32], done: &HashSet<u32>, round: &mut Round) {
    let root_id = match stat::read(root) {
        Ok(stat) => stat.id(),
        Err(error) => {
            round.narrow = held::is_out_of_files(&error);
            return;
        }
    };
    let mut found = tree::descendants(root);
    let spared = below(&found, skip);
    found.retain(|stat| !done.contains(&stat.pid) && !spared.contains(&stat.pid));
    if root != super::own_pid() {
        // What is left over when descriptors run out keeps its parent then, and is found again.
        found.reverse();
    }
    // All are held before the first is killed: an orphan of a root that inherits nothing no longer descends from it.
    let mut held = vec![];
    for stat in &found {
        match Held::open(stat.pid) {
            Ok(process) if process.is_descendant_of(&root_id) => held.push(process),
            Err(error) if held::is_out_of_files(&error) => {
                round.narrow = true;
                break;
            }
            _ => {}
        }
    }
    for process in &held {
        count(process.signal(Signal::KILL), process.id.pid, round);
    }
}

/// Those in `roots` and everything below them; `found` has parents before their children.
fn below(found: &[Stat], roots: &[u32]) -> HashSet<u32> {
    let mut set: HashSet<u32> = roots.iter().copied().collect();
    for stat in found {
        if set.contains(&stat.ppid) {
            set.insert(stat.pid);
        }
    }
    set
}

fn count(sent: io::Result<()>, pid: u32, round: &mut Round) {
    match sent {
        Ok(()) => round.sent += 1,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => round.refused.extend(survivor_of(pid)),
        // It ended meanwhile.
        Err(_) => {}
    }
}

/// Who below `root` is alive, and what keeps them. The dead that only wait for their parent to reap them are left out.
pub fn survivors(root: u32) -> Vec<Survivor> {
    tree::descendants(root).iter().filter_map(survivor).collect()
}

/// The process with this number now, if it is alive.
pub fn survivor_of(pid: u32) -> Option<Survivor> {
    stat::read(pid).ok().as_ref().and_then(survivor)
}

/// Those of `ids` that are alive, and what keeps them.
pub fn survivors_among(ids: &[ProcId]) -> Vec<Survivor> {
    let stats = ids.iter().filter_map(|id| stat::read(id.pid).ok().filter(|stat| stat.id() == *id));
    stats.filter_map(|stat| survivor(&stat)).collect()
}

fn survivor(stat: &Stat) -> Option<Survivor> {
    let why = why_alive(stat)?;
    Some(Survivor { pid: stat.pid, name: stat.name.clone(), state: stat.state, why: Text::new(&why) })
}

fn why_alive(stat: &Stat) -> Option<String> {
    let tracer = stat::tracer(stat.pid);
    match (stat.state, tracer) {
        ('X', _) => return None,
        ('Z', _) if threads(stat) > 1 => {
            return Some(format!("its main thread has ended, {} more run", threads(stat) - 1));
        }
        ('Z', Some(tracer)) => return Some(format!("dead; process {tracer}, which traces it, holds it")),
        ('Z', None) => return None,
        _ => {}
    }
    let refused = super::pid_of(stat.pid).is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::PERM));
    if refused {
        let owner = stat::uid(stat.pid).map_or_else(|| "another user".to_owned(), |uid| format!("uid {uid}"));
        return Some(format!("belongs to {owner}: may not be signalled"));
    }
    if stat.state == 'D' {
        let at = stat::wchan(stat.pid);
        let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
        return Some(format!("in uninterruptible sleep{at}"));
    }
    Some("alive".to_owned())
}

/// Threads that haven't ended, from the directory itself: `stat` of a zombie leader counts itself too.
fn threads(stat: &Stat) -> usize {
    std::fs::read_dir(format!("/proc/{}/task", stat.pid)).map_or(0, Iterator::count)
}
