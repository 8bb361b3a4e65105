//! What guardian, supervisor and relay tell each other, one JSON line each.

use serde::{Deserialize, Serialize};

use crate::control::words::{ProcId, Stop};
use crate::domain::text::Text;

/// Supervisor to guardian.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToGuardian {
    Started(ProcId),
    /// With the exit code that a shell would give: 126 not executable, 127 not found, 125 anything of redkey's own.
    CannotStart {
        code: u8,
        why: Text,
    },
    /// The agent was stopped by a signal of job control, and its shell should know.
    Suspended,
    /// The meter says nothing any more.
    MeterHangs,
    Ended(End),
}

/// How a run ended. Sent when nothing of it is left, or when it was given up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct End {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The stop that ended it.
    pub stop: Option<Stop>,
    /// Processes that the agent left behind when it ended by itself, and that redkey ended.
    pub left_behind: Vec<Text>,
}

/// Guardian to supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromGuardian {
    /// Somebody sent this signal to `redkey run`; it is meant for the agent.
    Signal(i32),
}

/// Supervisor to the process that asks the agent: relay or asker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToRelay {
    /// Ask the agent to stop, in its own way.
    Interrupt,
}

/// And back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromRelay {
    Acknowledged,
    /// Nothing is running any more, by the agent's word.
    Idle,
    /// Asking can't end what is running, and why: waiting for it would be a waste of time.
    Spent(Text),
}
