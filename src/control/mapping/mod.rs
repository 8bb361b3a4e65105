//! Which process works on which run: the six agents, found by the kernel's own lists and by what the agents keep.
//!
//! A stop is sent to what this room says. So it says `certain` only where nothing else could be meant, and why not
//! where something could; whoever signals looks at `certain` alone. Nothing here changes anything: all files are
//! opened for reading.
//!
//! - [`scan`] — one look at `/proc`, this user's processes only; [`names`] (pure) — which of them are agents.
//! - [`claude`], [`codex`] — the agent itself tells which session it is in.
//! - [`gemini`], [`qwen`], [`pi`], [`opencode`] — by directory and time; [`join`] (pure) says what can be told from
//!   them, [`store`] reads what is there.
//!
//! The environment that says where an agent keeps its files is that process's own, not ours.

pub mod claude;
pub mod codex;
pub mod gemini;
pub mod join;
pub mod names;
pub mod opencode;
pub mod pi;
pub mod qwen;
pub mod scan;
mod store;
#[cfg(test)]
pub(crate) mod testkit;

use std::collections::BTreeMap;

use self::scan::{Candidate, Memory, Proc};
use super::words::ProcId;
use crate::domain::event::{Agent, RunId};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::sources::Env;

/// A run and the likeliest process to be working on it. What is only likely is good for reading along, not for a stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    pub session: RunId,
    /// What is to be stopped: every process of the run descends from it. An agent's launcher, where it has one.
    pub leader: ProcId,
    /// The process that does the work; the same as the leader where there is no launcher.
    pub process: ProcId,
    /// What showed it: `~/.claude/sessions/12.json`, `holds rollout-….jsonl open`.
    pub how: Text,
    /// No other process and no other run can be meant. Without it nothing may be signalled.
    pub certain: bool,
    /// Why it isn't certain; empty if it is.
    pub why_not: Text,
}

/// Environment variables that agents give to what they start: who has one of them was started by an agent.
pub const AGENT_MARKS: &[&str] = &[
    "REDKEY_RUN",
    "CLAUDECODE",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_PID",
    "CODEX_THREAD_ID",
    "CODEX_SESSION_ID",
    "GEMINI_CLI",
    "OPENCODE",
    "OPENCODE_PID",
    "PI_CODING_AGENT",
    "QWEN_CODE",
];

/// What every process that a run's tools start has in its environment, unless it was cleared: any of these pairs.
/// Empty for agents that don't tell their session to their tools.
pub fn marks(agent: Agent, session: &str) -> Vec<(String, String)> {
    let names: &[&str] = match agent {
        Agent::Claude => &["CLAUDE_CODE_SESSION_ID"],
        // The first is the thread's own; a subagent's tools name the root thread in the second.
        Agent::Codex => &["CODEX_THREAD_ID", "CODEX_SESSION_ID"],
        Agent::Gemini | Agent::Opencode | Agent::Pi | Agent::Qwen | Agent::Native => &[],
    };
    names.iter().map(|name| ((*name).to_owned(), session.to_owned())).collect()
}

/// All runs that processes of this user work on. `env`: where agents keep files, for processes whose own environment
/// can't be read. Empty where there is no `/proc`.
pub fn map_all(proc: &Proc, env: &Env, now: Stamp) -> Vec<Mapped> {
    Mapper::new(proc.clone(), env.clone()).look(now)
}

/// The same, of the process `root` and its descendants alone: runs whose likeliest process is one of them. Others still
/// count as possible owners, so what is told of two trees in one directory is told of one of them.
pub fn map_tree(root: ProcId, proc: &Proc, env: &Env, now: Stamp) -> Vec<Mapped> {
    Mapper::new(proc.clone(), env.clone()).look_below(root, now)
}

/// Looks again and again, and remembers what needn't be read again.
pub struct Mapper {
    proc: Proc,
    env: Env,
    memory: Memory,
}

impl Mapper {
    pub fn new(proc: Proc, env: Env) -> Self {
        Self { proc, env, memory: Memory::default() }
    }

    pub fn proc(&self) -> &Proc {
        &self.proc
    }

    /// All runs that processes of this user work on.
    pub fn look(&mut self, now: Stamp) -> Vec<Mapped> {
        let candidates = self.memory.look(&self.proc, now);
        map(&Look { proc: &self.proc, env: &self.env, boot: self.proc.boot(now), all: &candidates })
    }

    /// Those of `root` and its descendants; see [`map_tree`].
    pub fn look_below(&mut self, root: ProcId, now: Stamp) -> Vec<Mapped> {
        let mut mapped = self.look(now);
        mapped.retain(|one| self.proc.descends(one.process, root));
        mapped
    }
}

/// What one look has to go by.
pub struct Look<'a> {
    pub proc: &'a Proc,
    /// For processes whose own environment can't be read.
    pub env: &'a Env,
    /// When this boot was, on today's calendar; `None` if that can't be read.
    pub boot: Option<Stamp>,
    pub all: &'a [Candidate],
}

impl<'a> Look<'a> {
    /// The processes of `agent`, without launchers.
    pub fn of(&self, agent: Agent) -> impl Iterator<Item = &'a Candidate> {
        let all = self.all;
        all.iter()
            .filter(move |one| one.agent == agent && !all.iter().any(|other| one.launched(other)) && !one.elsewhere)
    }

    /// Who started `one` to do its work, or itself.
    pub fn leader(&self, one: &Candidate) -> ProcId {
        self.all.iter().find(|other| other.launched(one)).map_or(one.id, |other| other.id)
    }

    /// Where `one` keeps its files.
    pub fn env(&self, one: &Candidate) -> Env {
        if one.vars.is_empty() {
            return self.env.clone();
        }
        Env::from_lookup(|name| one.vars.get(name).cloned())
    }

    /// When `id` started, on today's calendar. Ten milliseconds is what the kernel tells.
    pub fn start(&self, id: ProcId) -> Option<Stamp> {
        let ticks = i64::try_from(id.start).ok()?;
        Some(Stamp(self.boot?.0.checked_add(ticks.checked_mul(1_000 / scan::TICKS_PER_SECOND)?)?))
    }
}

fn map(look: &Look<'_>) -> Vec<Mapped> {
    let mut mapped = claude::map(look);
    mapped.extend(codex::map(look));
    mapped.extend(gemini::map(look));
    mapped.extend(opencode::map(look));
    mapped.extend(pi::map(look));
    mapped.extend(qwen::map(look));
    contest(&mut mapped);
    mapped.sort_by(|a, b| a.session.cmp(&b.session).then(a.process.cmp(&b.process)));
    mapped
}

/// PURE. One run, one process: whatever claims more than that is not certain, whoever claimed it.
pub fn contest(mapped: &mut [Mapped]) {
    let mut by_run: BTreeMap<RunId, Vec<u32>> = BTreeMap::new();
    let mut by_leader: BTreeMap<ProcId, Vec<RunId>> = BTreeMap::new();
    for one in mapped.iter() {
        by_run.entry(one.session.clone()).or_default().push(one.process.pid);
        by_leader.entry(one.leader).or_default().push(one.session.clone());
    }
    for one in mapped.iter_mut().filter(|one| one.certain) {
        let pids = by_run.get_mut(&one.session).map(|pids| {
            pids.sort_unstable();
            pids.dedup();
            &*pids
        });
        let runs = by_leader.get(&one.leader).map_or(0, Vec::len);
        if let Some(pids) = pids.filter(|pids| pids.len() > 1) {
            one.doubt(&format!("{} are on this session at once", join::pids(pids)));
        } else if runs > 1 {
            one.doubt(&format!("process {} carries {runs} sessions, a stop would end them all", one.leader.pid));
        }
    }
}

impl Mapped {
    fn doubt(&mut self, why: &str) {
        self.certain = false;
        self.why_not = Text::new(why);
    }
}

#[cfg(test)]
mod tests;
