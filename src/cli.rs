//! The command line: types only.

mod export;
mod key;
mod recordings;
mod tried;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::time::Span;

pub use export::ExportArgs;
pub use key::{AuditCommand, GateAnswerArgs, GateCommand, HookCommand, RunArgs, StopArgs, WhichArgs};
pub use recordings::RecordingsCommand;
pub use tried::{BacktestArgs, EstimateArgs, LedgerCommand, MarkArgs};

/// A clock on every agent's arm, and a key that stops it.
///
/// Without a command, redkey finds the runs of Claude Code, Codex, Gemini CLI, opencode, pi and Qwen Code in their default
/// places, tails them live, and shows for each what is left of its complexity budget.
#[derive(Debug, Parser)]
#[command(name = "redkey", version, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    pub budget: BudgetArgs,
    #[command(flatten)]
    pub look: LookArgs,
    /// Record what the screen watches
    #[arg(long, global = true)]
    pub record: bool,
    /// Leave secrets in what is recorded
    #[arg(long, global = true)]
    pub no_redact: bool,
    /// Show every run that is found, not only those active in the last 24 hours
    #[arg(long, global = true)]
    pub all: bool,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, Args)]
pub struct BudgetArgs {
    /// Clock of every run, over what the policy says: 30m, 1h30m; with `run` also auto, what like runs took
    #[arg(long, global = true, value_name = "TIME", help_heading = "Budget")]
    pub budget: Option<String>,
    /// Hard limit on a meter: usd=5, tools=200, tokens=2M, turns=50, failures=10, depth=3, fanout=8, wall=1h (repeatable)
    #[arg(long = "cap", global = true, value_name = "METER=LIMIT", help_heading = "Budget")]
    pub caps: Vec<String>,
    /// Policy file to use instead of your own
    #[arg(long, global = true, value_name = "FILE", help_heading = "Budget")]
    pub policy: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct LookArgs {
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Screen")]
    pub color: ColorWhen,
    /// Theme: default, light, mono, high-contrast, or a file
    #[arg(long, global = true, value_name = "NAME|FILE", default_value = "default", help_heading = "Screen")]
    pub theme: String,
    /// Draw with ASCII alone
    #[arg(long, global = true, help_heading = "Screen")]
    pub ascii: bool,
    /// No flashing
    #[arg(long, global = true, help_heading = "Screen")]
    pub reduced_motion: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch files, directories or standard input (-); formats are recognised from content
    Watch {
        /// Streams, transcripts, databases, directories, or - for standard input
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// Play runs again as they were: forwards, backwards, at any speed
    Replay(ReplayArgs),
    /// Write a run to a file that others can open: a page, a table of its statement, or a film of its screen
    Export(ExportArgs),
    /// Watch small agents that redkey brings along; needs no account, no network and no agent
    Demo {
        #[command(flatten)]
        demo: DemoArgs,
    },
    /// Start an agent under redkey: metered, stopped at zero, and with a key
    Run(RunArgs),
    /// Stop runs, and prove it
    Stop(StopArgs),
    /// Show the runs that have a key, or one of them
    Status {
        /// A run's name, a session's id (or the beginning of it), or a label
        #[arg(value_name = "RUN")]
        run: Option<String>,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// List runs
    Ls {
        /// Read these instead of the default places
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// One JSON array
        #[arg(long)]
        json: bool,
        /// Tokens and cost of every session there is, without charging; fast, from a cache
        #[arg(long)]
        totals: bool,
        /// Read everything anew
        #[arg(long, requires = "totals")]
        no_cache: bool,
    },
    /// Show one run
    Show {
        /// A run's id (or the beginning of it), or a file
        #[arg(value_name = "RUN|FILE")]
        run: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// The lines of the statement too
        #[arg(long)]
        charges: bool,
    },
    /// Print a run's charges, one line each
    Tail {
        /// A run's id (or the beginning of it), a file, or - for standard input
        #[arg(value_name = "RUN|FILE")]
        run: String,
        /// Go on as the run does, until it ends
        #[arg(short, long)]
        follow: bool,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show, check and explain the policy
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Give a run more time
    #[command(allow_missing_positional = true)]
    Grant {
        #[command(flatten)]
        which: WhichArgs,
        /// How much: 10m, 1h30m
        #[arg(value_name = "TIME")]
        amount: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Let a held run go on
    Release {
        #[command(flatten)]
        which: WhichArgs,
        /// Why, for the record
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Move time from one run to another: what is left of it, and no more
    ///
    /// Each is named by its id (or the beginning of it), the name of its socket, or a label that only one run has.
    Transfer {
        #[arg(value_name = "FROM")]
        from: String,
        #[arg(value_name = "TO")]
        to: String,
        /// How much: 10m, 1h30m
        #[arg(value_name = "TIME")]
        amount: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
    /// Stand by a run that redkey did not start; for its hook
    #[command(hide = true)]
    Attend {
        #[arg(long)]
        agent: String,
        #[arg(long)]
        session: String,
        #[arg(long)]
        transcript: Option<PathBuf>,
        /// The agent's process
        #[arg(long)]
        pid: u32,
    },
    /// Show what was done to runs: stops, grants, gates, by whom and why
    #[command(args_conflicts_with_subcommands = true)]
    Audit {
        /// Only what concerns this run or session (or the one whose name begins so)
        #[arg(long, value_name = "RUN")]
        run: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<AuditCommand>,
    },
    /// Score the forecast over recorded sessions
    Forecast {
        #[command(subcommand)]
        command: ForecastCommand,
    },
    /// Try a policy on sessions that are over: what it would have stopped or held, what that saves and what it costs
    Backtest(BacktestArgs),
    /// Say what a task will take, by finished runs that are like it
    Estimate(EstimateArgs),
    /// Say that a run ended well or badly, for backtests and estimates
    Mark(MarkArgs),
    /// The ledger: one row for each run
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Put redkey's hook into an agent's settings, so that runs not started by redkey can be stopped and held
    Hook {
        #[command(subcommand)]
        command: HookCommand,
    },
    /// Answer actions that wait for a person
    Gate {
        #[command(subcommand)]
        command: GateCommand,
    },
    /// List, check, copy and remove recordings of runs
    Recordings {
        #[command(subcommand)]
        command: RecordingsCommand,
    },
    /// Print the JSON Schema of redkey's own events
    Schema,
    /// Print a shell's completion script
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recordings, runs (or the beginning of their ids), transcripts, streams, directories; several play on one time axis
    #[arg(required = true, value_name = "RUN|FILE")]
    pub runs: Vec<String>,
    /// Where to begin: 12:34:56, +5m, -30s, 50%, or RFC 3339
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub at: Option<String>,
    /// Print the state at that moment (or the end) as one JSON object, without a screen
    #[arg(long)]
    pub json: bool,
    /// How many times faster than life: 0.25 to 1000, or max
    #[arg(long, value_name = "TIMES")]
    pub speed: Option<String>,
    /// Cut silence longer than this short
    #[arg(long, value_name = "TIME", value_parser = Span::parse)]
    pub idle_cap: Option<Span>,
    /// Begin paused
    #[arg(long)]
    pub paused: bool,
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Play one of the small agents instead, on standard output
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// End when standard input ends, and so with whoever started it
    #[arg(long, hide = true)]
    pub tied: bool,
    /// How many times faster than life the small agents work
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub speed: f64,
}

#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Print the policy in force
    Show {
        /// One layer alone
        #[arg(long, value_enum, default_value = "merged")]
        layer: LayerArg,
        #[arg(long)]
        json: bool,
    },
    /// Read a policy file and say what is wrong with it
    Check {
        #[arg(value_name = "FILE")]
        path: Option<PathBuf>,
    },
    /// Say which files are looked at
    Path,
    /// Say which lines of the policy decided what for a run
    Explain {
        #[arg(value_name = "RUN|FILE")]
        run: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LayerArg {
    Embedded,
    User,
    Project,
    Merged,
}

#[derive(Debug, Subcommand)]
pub enum ForecastCommand {
    /// How often the true zero fell inside the interval, and how far p50 was off
    Score {
        /// Recordings or transcripts; the default places if none is named
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
}
