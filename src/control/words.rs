//! PURE. The words of a stop: how it was asked for, how far it has come, and what was proven at its end.

use serde::{Deserialize, Serialize};

use crate::domain::policy::Stopping;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

pub use crate::domain::policy::AtZero;

/// One process, told apart from any other that may get its number later on the same boot.
///
/// The pair is a name, for records and comparison; what is signalled is held by a pidfd, or is our own unreaped child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcId {
    pub pid: u32,
    /// When it started: clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
}

/// The hold there is on a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Key {
    /// The agent itself listens.
    Native,
    /// redkey started it and holds every process of it.
    Supervised,
    /// Its next tool call can be refused.
    Hooked,
    /// Its process was found and can be signalled.
    Signal,
    #[default]
    None,
}

/// How every process of a run is held, the surest first; also how good a proof of its end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// In a pid namespace of its own: nothing can leave it.
    Pidns,
    /// In a cgroup of its own.
    Cgroup,
    /// Descends from a supervisor that inherits whatever loses its parent.
    Subreaper,
    /// A set of processes that was found; what has left it before is not known.
    Tracked,
}

/// What showed that nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The kernel says that the supervisor has no child left (ECHILD).
    NoChildren,
    /// The kernel says that the cgroup is empty (`populated 0`).
    CgroupEmpty,
    /// Process 1 of the namespace was reaped.
    NamespaceGone,
    /// Every process of the tracked set is gone, by its pidfd.
    SetGone,
}

/// A step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// Asked in the agent's own way.
    Cooperative,
    Int,
    Term,
    Kill,
}

/// How a stop is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// All rungs, each in its time.
    Ladder,
    /// KILL at once. On a stop under way: the second press.
    Now,
    /// The first, cooperative rung alone; the agent stays alive.
    Interrupt,
}

/// How far a stop has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Requested,
    /// The first rung has gone out.
    Delivered,
    /// The agent has answered that it heard.
    Acknowledged,
    /// A signal of this rung has gone out.
    Escalating,
    /// The agent obeyed and is alive. That is not stopped.
    IdleAfterInterrupt,
    /// Proven: no process is left.
    VerifiedDead,
    /// Something is left long after KILL. It goes on being tried.
    Failed,
}

impl Phase {
    /// Is there nothing more to wait for? A failed stop may still turn into a verified one.
    pub fn is_final(self) -> bool {
        matches!(self, Phase::IdleAfterInterrupt | Phase::VerifiedDead | Phase::Failed)
    }
}

/// Who asked, as the receipt names them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// `screen`, `command`, `clock`, `hook`, `signal`, `guardian`, …
    pub by: Text,
    /// Their user's name, where there is a person.
    #[serde(default)]
    pub user: Text,
    #[serde(default)]
    pub uid: Option<u32>,
    #[serde(default)]
    pub pid: Option<u32>,
}

/// A rung that has lit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lit {
    pub rung: Rung,
    /// Since the request, in microseconds.
    pub after_us: u64,
}

/// A process that is still there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    pub pid: u32,
    pub name: Text,
    /// The kernel's letter: `D`, `S`, `R`, `T`, `Z`; `?` if it can't be read.
    pub state: char,
    pub why: Text,
}

/// A stop under way or over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// Made by whoever asked first; asking again with it returns the state.
    pub id: Text,
    pub mode: Mode,
    pub phase: Phase,
    pub by: Asker,
    #[serde(default)]
    pub reason: Text,
    pub at: Stamp,
    pub rungs: Vec<Lit>,
    /// Processes still alive, as last counted.
    pub alive: u32,
    pub receipt: Option<Receipt>,
}

/// What was done, and what was proven at its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// `verified-dead`, `failed`, or `idle-after-interrupt`.
    pub phase: Phase,
    pub grade: Grade,
    /// Only with `verified-dead`.
    pub proof: Option<Proof>,
    /// Processes that belonged to the run when the stop was asked for, and those that came up since.
    pub processes: u32,
    /// The last rung before the end; none: it had ended by itself.
    pub rung: Option<Rung>,
    /// From the request to the proof, in microseconds.
    pub took_us: u64,
    pub survivors: Vec<Survivor>,
}

macro_rules! named {
    ($($type:ident { $($variant:ident => $name:literal),* $(,)? })*) => {$(
        impl $type {
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),* }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    )*};
}

named! {
    Key { Native => "native", Supervised => "supervised", Hooked => "hooked", Signal => "signal", None => "none" }
    Grade { Pidns => "pidns", Cgroup => "cgroup", Subreaper => "subreaper", Tracked => "tracked" }
    Rung { Cooperative => "ASK", Int => "INT", Term => "TERM", Kill => "KILL" }
    Phase {
        Requested => "requested", Delivered => "delivered", Acknowledged => "acknowledged",
        Escalating => "escalating", IdleAfterInterrupt => "idle after interrupt",
        VerifiedDead => "VERIFIED DEAD", Failed => "FAILED",
    }
}

impl Receipt {
    /// Of an agent that was asked in its own way, obeyed, and is alive.
    pub fn idle(took_us: u64) -> Self {
        Self {
            phase: Phase::IdleAfterInterrupt,
            grade: Grade::Tracked,
            proof: None,
            processes: 1,
            rung: Some(Rung::Cooperative),
            took_us,
            survivors: vec![],
        }
    }

    /// The line that a person reads: `VERIFIED DEAD · 7 processes · 1.9 s · INT`.
    pub fn words(&self) -> String {
        let count = match self.processes {
            1 => "1 process".to_owned(),
            n => format!("{n} processes"),
        };
        let time = format_took(self.took_us);
        let rung = self.rung.map_or("by itself", Rung::name);
        match self.phase {
            Phase::VerifiedDead if self.grade == Grade::Tracked => {
                format!("TRACKED SET GONE · {count} · {time} · {rung}")
            }
            // An interrupt is no stop: nobody was to be killed.
            Phase::Failed if self.survivors.is_empty() => format!("NOT OBEYED · {count} at work · {time} · {rung}"),
            Phase::Failed => format!("FAILED · {} of {count} left · {time} · {rung}", self.survivors.len()),
            phase => format!("{phase} · {count} · {time} · {rung}"),
        }
    }
}

/// `4 ms`, `1.9 s`.
pub fn format_took(us: u64) -> String {
    match us {
        0..1_000 => format!("{:.1} ms", us as f64 / 1e3),
        1_000..1_000_000 => format!("{} ms", us / 1_000),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}

/// How long each rung may take before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub cooperative: Span,
    pub int: Span,
    pub term: Span,
    /// What is left when the agent itself is gone: nobody will clean up after it any more.
    pub orphans: Span,
    /// After KILL, until what is left counts as a failure.
    pub give_up: Span,
}

impl From<Stopping> for Times {
    /// The policy's `[stop]`.
    fn from(policy: Stopping) -> Self {
        let Stopping { cooperative, int, term, orphans, give_up, leftovers: _ } = policy;
        Self { cooperative, int, term, orphans, give_up }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            cooperative: Span(2_000),
            int: Span(3_000),
            term: Span(5_000),
            orphans: Span(1_000),
            give_up: Span(10_000),
        }
    }
}
