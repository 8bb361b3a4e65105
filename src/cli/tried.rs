//! Arguments of the commands that look back: backtests, estimates, marks, the ledger.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// A session is taken as it was: what an agent would have done after a denied gate, or a person after a warning, nobody
/// knows. It is followed up to its last event. Time that people granted is left out.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// A policy file over what redkey ships; or `shipped`, or `mine` (your own file). No project's file has a say
    #[arg(value_name = "POLICY")]
    pub tried: PathBuf,
    /// Recordings, transcripts or directories; the default places if none is named
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Another policy, beside it
    #[arg(long, value_name = "POLICY")]
    pub against: Option<PathBuf>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Alike are runs with a similar task, in this directory, or of this label, whichever is nearest and has at least five.
#[derive(Debug, Args)]
pub struct EstimateArgs {
    /// Only runs of this label
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Only runs of this agent
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// What it is to do, in words
    #[arg(long, value_name = "TEXT")]
    pub task: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}

/// Without a run: lists all marks.
#[derive(Debug, Args)]
pub struct MarkArgs {
    /// A run's id (or the beginning of it), or a file
    #[arg(value_name = "RUN|FILE", requires = "mark")]
    pub run: Option<String>,
    /// `good`: worth what it took; `bad`: it should have been stopped; `none`: take the mark back
    #[arg(value_enum, value_name = "good|bad|none", hide_possible_values = true)]
    pub mark: Option<crate::backtest::Mark>,
    /// Why
    #[arg(value_name = "NOTE", default_value = "")]
    pub note: String,
    /// List as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Make it again from transcripts and recordings
    Rebuild {
        /// Read these instead of the default places
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// List its rows, newest first
    Ls {
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
}
