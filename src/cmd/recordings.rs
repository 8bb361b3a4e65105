//! `redkey recordings`: what there is, what is in it, whether it is whole; copies out and in; what goes.

mod copy;
mod verify;

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::Setup;
use crate::cli::{Cli, RecordingsCommand};
use crate::clock;
use crate::config::Dirs;
use crate::domain::text::Text;
use crate::domain::time::Span;
use crate::record::store::{self, Entry, Store};

/// Something is missing.
const MISSING: u8 = 4;

/// Runs the command; the exit code.
pub fn run(cli: &Cli, command: &RecordingsCommand, out: &mut dyn Write) -> Result<u8> {
    let dirs = Dirs::find().context("no home directory is known (HOME is not set)\nhint: set HOME")?;
    let store = Store::of(&dirs);
    match command {
        RecordingsCommand::Ls { json } => ls(&store, *json, out)?,
        RecordingsCommand::Show { run, json } => verify::show(&find(&store, run)?, *json, out)?,
        RecordingsCommand::Rm { runs } => rm(&store, runs, out)?,
        RecordingsCommand::Prune { dry_run } => prune(&Setup::new(cli)?, &store, *dry_run, out)?,
        RecordingsCommand::Export { run, to } => copy::export(&find(&store, run)?, to, out)?,
        RecordingsCommand::Import { files } => copy::import(&Setup::new(cli)?, &store, files, cli.no_redact, out)?,
        RecordingsCommand::Verify { runs, json } => {
            let files = match runs.as_slice() {
                [] => store.files().with_context(|| format!("cannot read {}", store.dir.display()))?,
                runs => runs.iter().map(|run| find(&store, run)).collect::<Result<_>>()?,
            };
            return verify::verify(&files, *json, out);
        }
    }
    Ok(0)
}

fn find(store: &Store, run: &str) -> Result<PathBuf> {
    store.find(run).map_err(anyhow::Error::msg)
}

fn ls(store: &Store, json: bool, out: &mut dyn Write) -> Result<()> {
    let (entries, others) = store.list().with_context(|| format!("cannot read {}", store.dir.display()))?;
    if json {
        let list: Vec<_> = entries.iter().map(entry_json).collect();
        serde_json::to_writer_pretty(&mut *out, &list)?;
        writeln!(out)?;
        return Ok(());
    }
    if entries.is_empty() && others.is_empty() {
        writeln!(out, "no recordings in {}", Text::new(&store.dir.display().to_string()))?;
        return Ok(());
    }
    writeln!(
        out,
        "{:<16} {:<16} {:>9} {:>9} {:>9}  {:<12} WHAT",
        "RUN", "STARTED", "LASTED", "SPENT", "SIZE", "ENDED"
    )?;
    for entry in &entries {
        writeln!(out, "{}", row(entry))?;
    }
    for (path, error) in &others {
        let line = format!("{}: {error}", path.display());
        writeln!(out, "cannot be read: {}", Text::new(line.lines().next().unwrap_or_default()))?;
    }
    let size: u64 = entries.iter().map(|entry| entry.size).sum();
    writeln!(out, "{} recordings, {}", entries.len(), bytes(size))?;
    Ok(())
}

fn row(entry: &Entry) -> String {
    let header = &entry.header;
    let lasted = entry.last.map_or_else(String::new, |last| last.since(header.started).short());
    let spent = entry.sum.as_ref().map_or_else(String::new, |sum| Span(sum.spent).short());
    let ended = ended(entry);
    let what = match (header.label.0.is_empty(), header.command.0.is_empty()) {
        (false, _) => format!("[{}] {}", header.label.0, header.command.0),
        (true, false) => header.command.0.to_string(),
        (true, true) => header.from.to_string(),
    };
    let name = Text::new(&entry.name);
    let (started, size) = (when(header.started), bytes(entry.size));
    format!("{name:<16} {started:<16} {lasted:>9} {spent:>9} {size:>9}  {ended:<12} {what}")
}

/// How it ended, in a word.
fn ended(entry: &Entry) -> String {
    match &entry.end {
        Some(end) if end.outcome.is_empty() => "ended".into(),
        Some(end) => end.outcome.to_string(),
        None if store::is_being_written(&entry.path) => "goes on".into(),
        None => "cut off".into(),
    }
}

fn entry_json(entry: &Entry) -> serde_json::Value {
    let header = &entry.header;
    json!({
        "run": Text::new(&entry.name),
        "path": Text::limited(&entry.path.display().to_string(), 4_096),
        "agent": header.agent,
        "label": header.label,
        "command": header.command,
        "cwd": header.cwd,
        "started": header.started,
        "last": entry.last,
        "from": header.from,
        "redacted": header.redacted,
        "size": entry.size,
        "packed": entry.packed,
        "ended": ended(entry),
        "sum": entry.sum,
        "end": entry.end,
    })
}

fn rm(store: &Store, runs: &[String], out: &mut dyn Write) -> Result<()> {
    // First all are found, then any goes: a wrong name must not leave half of it done.
    let files = runs.iter().map(|run| find(store, run)).collect::<Result<Vec<_>>>()?;
    for path in files {
        if store::is_being_written(&path) {
            anyhow::bail!("{} is being written\nhint: when its run has ended it can be removed", path.display());
        }
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        writeln!(out, "removed {}", Text::new(&path.display().to_string()))?;
    }
    Ok(())
}

fn prune(setup: &Setup, store: &Store, dry: bool, out: &mut dyn Write) -> Result<()> {
    let policy = &setup.rules.policy.record;
    let keep_bytes = u64::from(policy.keep_mb) << 20;
    let gone = store.prune(policy.keep, keep_bytes, clock::now(), dry).context("cannot remove recordings")?;
    let word = if dry { "would remove" } else { "removed" };
    for (path, size) in &gone {
        writeln!(out, "{word} {} ({})", Text::new(&path.display().to_string()), bytes(*size))?;
    }
    if gone.is_empty() {
        writeln!(out, "nothing is older than {} or more than {}", policy.keep.short(), bytes(keep_bytes))?;
    }
    for path in store.files()?.into_iter().filter(|path| !dry && !crate::record::read::is_packed(path)) {
        let has_ended = store::entry(&path).is_ok_and(|entry| entry.end.is_some());
        if has_ended && !store::is_being_written(&path) && store::pack_file(&path).is_ok() {
            writeln!(out, "packed {}", Text::new(&path.display().to_string()))?;
        }
    }
    Ok(())
}

/// `2026-11-24 21:09`, here.
fn when(at: crate::domain::time::Stamp) -> String {
    use chrono::TimeZone as _;
    let local = chrono::Local.timestamp_millis_opt(at.0).single();
    local.map_or_else(|| "?".into(), |at| at.format("%Y-%m-%d %H:%M").to_string())
}

/// `1.2 MB`.
fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}
