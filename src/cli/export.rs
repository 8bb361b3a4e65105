//! `redkey export`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::domain::time::Span;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("form").required(true)))]
pub struct ExportArgs {
    /// A recording, a run's id (or the beginning of it), a transcript, a stream, or a directory
    #[arg(value_name = "RUN|FILE")]
    pub run: String,
    /// A film of the screen, as asciinema plays it (asciicast v2)
    #[arg(long, group = "form")]
    pub cast: bool,
    /// One page with everything in it: clock, burn, statement, stops, warnings; it needs no network and no JavaScript
    #[arg(long, group = "form")]
    pub html: bool,
    /// The statement, one line a charge; amounts in milliseconds, negative where time came back
    #[arg(long, group = "form")]
    pub csv: bool,
    /// Write here, to a file that isn't there yet, instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Columns of the film
    #[arg(long, value_name = "COLUMNS", default_value_t = 120, value_parser = clap::value_parser!(u16).range(20..=500))]
    pub width: u16,
    /// Rows of the film
    #[arg(long, value_name = "ROWS", default_value_t = 36, value_parser = clap::value_parser!(u16).range(6..=200))]
    pub height: u16,
    /// Cut silence in the film longer than this short; 0s: none
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = Span::parse)]
    pub idle_cap: Span,
}
