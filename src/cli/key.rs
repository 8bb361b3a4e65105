//! Arguments of the commands that hold the key: runs, stops, grants, hooks, gates, the record.

use clap::{Args, Subcommand};

use crate::control::hook::settings::Hooked;
use crate::domain::time::Span;

/// The agent has your terminal, your standard streams and your signals as if redkey weren't there, and redkey ends as it
/// ends. `--budget` and `--cap` set this run's clock and limits.
///
/// Exit codes: the agent's own; 124 redkey stopped the run and nothing of it is left; 123 something is left; 125 redkey
/// itself failed; 126 the command can't be executed; 127 it isn't there.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Runs of one label are alike
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// What you expect it to need: 20m
    #[arg(long, value_name = "TIME")]
    pub expect: Option<String>,
    /// What holds its processes together
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    pub contain: crate::control::supervisor::Contain,
    /// The agent and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub agent: Vec<std::ffi::OsString>,
}

/// The run that is meant.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// A run's id (or the beginning of it), the name of its socket, or a label that only one run has
    #[arg(value_name = "RUN", required_unless_present = "of_label")]
    pub run: Option<String>,
    /// The one run of this label
    #[arg(long = "label", value_name = "LABEL", conflicts_with = "run")]
    pub of_label: Option<String>,
}

/// Exit codes: 0 verified, nothing is left; 3 refused; 4 no such run, or no key to it; 5 something is left; 6 the agent
/// obeyed and is alive.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// A run's name, or a session's id (or the beginning of it)
    #[arg(value_name = "RUN", required_unless_present_any = ["every", "of_label"])]
    pub run: Option<String>,
    /// Every run that there is a key to
    #[arg(long = "all-runs", visible_alias = "every", conflicts_with = "run")]
    pub every: bool,
    /// Every run of this label
    #[arg(long = "label", value_name = "LABEL", conflicts_with = "run")]
    pub of_label: Option<String>,
    /// KILL at once
    #[arg(long)]
    pub now: bool,
    /// Only ask the agent to stop what it does; it stays alive
    #[arg(long, conflicts_with = "now")]
    pub interrupt: bool,
    /// For the record
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// One JSON object a run: its receipt
    #[arg(long)]
    pub json: bool,
    /// Exactly this process, as `PID:START`; tells each change as JSON, and a byte on standard input means KILL at once
    #[arg(long, hide = true, requires = "run")]
    pub leader: Option<String>,
    /// The stop's id
    #[arg(long, hide = true)]
    pub id: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that every record follows from the one before; exit code 4 if not
    Verify {
        /// A head that was printed earlier and kept elsewhere: is it still part of the log?
        #[arg(long, value_name = "HEX")]
        head: Option<String>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum HookCommand {
    /// Show the change to the agent's settings, ask, make it
    Install {
        agent: Hooked,
        /// Don't ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Take it out again; the rest of the file stays as it is
    Uninstall {
        agent: Hooked,
        /// Don't ask
        #[arg(short, long)]
        yes: bool,
    },
    /// Say where it is installed, and what it runs
    Status {
        agent: Option<Hooked>,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// What the agent runs before each call; reads the call from standard input
    #[command(hide = true)]
    Run {
        agent: Hooked,
        /// By then there is an answer, or the call is refused
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = Span::parse)]
        within: Span,
    },
}

#[derive(Debug, Subcommand)]
pub enum GateCommand {
    /// List what waits, over all runs
    Ls {
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Let it happen
    Allow(GateAnswerArgs),
    /// Refuse it
    Deny(GateAnswerArgs),
}

#[derive(Debug, Args)]
pub struct GateAnswerArgs {
    /// The gate's id (or the beginning of it)
    pub id: String,
    /// Why; the agent is told, and it is recorded
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub json: bool,
}
