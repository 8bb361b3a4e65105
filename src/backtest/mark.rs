//! Did a run end well? What a person says goes before what the agent says; where nobody says anything, it counts as
//! neither.

use serde::{Deserialize, Serialize};

use crate::domain::text::Text;

/// What a person says of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It was worth what it took.
    Good,
    /// It should have been stopped.
    Bad,
    /// The mark is taken back.
    None,
}

impl Mark {
    pub fn name(self) -> &'static str {
        match self {
            Mark::Good => "good",
            Mark::Bad => "bad",
            Mark::None => "none",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Mark::Good, Mark::Bad, Mark::None].into_iter().find(|mark| mark.name() == name)
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    Good,
    Bad,
    Unknown,
}

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// A person.
    Mark,
    /// The agent itself, by how it ended.
    Outcome,
    Nobody,
}

/// `outcome`: the word for how it ended. A run that was interrupted, waits, or breaks off says nothing.
pub fn ended(mark: Option<Mark>, outcome: &str) -> (Ended, Basis) {
    match (mark, outcome) {
        (Some(Mark::Good), _) => (Ended::Good, Basis::Mark),
        (Some(Mark::Bad), _) => (Ended::Bad, Basis::Mark),
        (_, "finished") => (Ended::Good, Basis::Outcome),
        (_, "failed") => (Ended::Bad, Basis::Outcome),
        _ => (Ended::Unknown, Basis::Nobody),
    }
}

/// A mark with its note.
#[derive(Clone, Debug, PartialEq)]
pub struct Marked {
    pub mark: Mark,
    pub note: Text,
}
