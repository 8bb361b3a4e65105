//! `redkey recordings`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum RecordingsCommand {
    /// List recordings, the newest last
    Ls {
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show what is in a recording
    Show {
        /// A run's name, a session's id (or the beginning of either), a label, or a file
        #[arg(value_name = "RUN|FILE")]
        run: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove recordings
    Rm {
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<String>,
    },
    /// Remove what is older, or more, than the policy keeps; pack what has ended
    Prune {
        /// Say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Write a recording to a file (packed if its name ends in .zst) or to standard output (-)
    Export {
        #[arg(value_name = "RUN")]
        run: String,
        #[arg(value_name = "FILE")]
        to: PathBuf,
    },
    /// Take in recordings from elsewhere; secrets are looked for once more
    Import {
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Read recordings from end to end and say what is missing; exit code 4 if anything is
    Verify {
        /// All of them if none is named
        #[arg(value_name = "RUN|FILE")]
        runs: Vec<String>,
        /// One JSON array
        #[arg(long)]
        json: bool,
    },
}
