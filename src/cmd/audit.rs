//! `redkey audit`: what was done to runs, by whom and why; and whether the log still says what was written.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};

use super::tail::local;
use crate::config::Dirs;
use crate::control::audit::chain::{Report, Seal};
use crate::control::audit::{self, Record, history, reader};
use crate::domain::text::{Text, clean};

/// Exit code of a log that isn't what was written.
pub const NOT_INTACT: u8 = 4;

/// Runs named in an error.
const SUGGESTED: usize = 8;

pub fn run(name: Option<&str>, json: bool, out: &mut dyn Write) -> Result<()> {
    let path = place()?;
    let log = reader::read(&path).map_err(|error| cannot_read(&path, &error))?;
    if log.records.is_empty() && log.skipped == 0 && !json {
        return Ok(nothing(&path, out)?);
    }
    let records: Vec<&Record> = match name {
        Some(name) => audit::facts_of(&log.records, full_name(&log.records, name)?.as_str()),
        None => log.records.iter().collect(),
    };
    if json {
        for record in records {
            serde_json::to_writer(&mut *out, record)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    let width = records.iter().map(|record| named(record).chars().count()).max().unwrap_or(0).min(24);
    for record in records {
        writeln!(out, "{}  {:width$}  {}", local(record.at), named(record), record.fact.words())?;
    }
    if log.skipped > 0 {
        writeln!(out, "{} lines are no records; see `redkey audit verify`", log.skipped)?;
    }
    Ok(())
}

pub fn verify(head: Option<&str>, json: bool, out: &mut dyn Write) -> Result<u8> {
    let kept = match head.map(|head| (head, Seal::parse(head))) {
        Some((head, None)) => bail!("`{}` is not a head: those have 64 hex digits", clean(head)),
        Some((_, seal)) => seal,
        None => None,
    };
    let path = place()?;
    let report = reader::verify(&path, kept).map_err(|error| cannot_read(&path, &error))?;
    let is_there = report.is_some();
    // Without a log nothing of a head that was kept is left.
    let report = report.unwrap_or_else(|| Report { has_kept: kept.map(|_| false), ..Report::default() });
    if json {
        serde_json::to_writer(&mut *out, &report)?;
        writeln!(out)?;
    } else if !is_there && kept.is_none() {
        nothing(&path, out)?;
    } else {
        print(&report, &path, out)?;
    }
    Ok(if report.is_intact() { 0 } else { NOT_INTACT })
}

fn print(report: &Report, path: &Path, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "log      {}", clean(&path.display().to_string()))?;
    writeln!(out, "records  {}", report.records)?;
    writeln!(out, "torn     {}", torn(report))?;
    writeln!(out, "breaks   {}", report.breaks.len())?;
    for broken in &report.breaks {
        writeln!(out, "         line {}: {}", broken.line, broken.what)?;
    }
    writeln!(out, "head     {}", report.head)?;
    match report.has_kept {
        Some(true) => writeln!(out, "kept     the head that you kept is in the log: nothing up to it has changed")?,
        Some(false) => {
            writeln!(out, "kept     the head that you kept is NOT in the log: it was cut off or written anew")?
        }
        None => {}
    }
    let verdict = if report.is_intact() { "intact: every record follows from the one before" } else { "NOT INTACT" };
    writeln!(out, "\n{verdict}")?;
    if report.has_kept.is_none() {
        writeln!(
            out,
            "Whoever can write this file can also write it anew, or cut off its end, with a chain that holds. That shows\n\
             only if you keep the head elsewhere and pass it later: redkey audit verify --head {}",
            report.head
        )?;
    }
    Ok(())
}

fn torn(report: &Report) -> String {
    let lines = match report.torn {
        0 => return "0".to_owned(),
        1 => "1 line that is no record".to_owned(),
        n => format!("{n} lines that are no records"),
    };
    match report.tail {
        0 => lines,
        bytes => format!("{lines}; {bytes} bytes of that at the end, which the next record will account for"),
    }
}

fn nothing(path: &Path, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "Nothing is recorded so far.")?;
    writeln!(out, "It will be in {}:", clean(&path.display().to_string()))?;
    writeln!(
        out,
        "a line for each run that redkey starts or attends, each stop and its proof, each grant, each gate and"
    )?;
    writeln!(out, "its answer, with who did it, when and why.")
}

fn named(record: &Record) -> &str {
    record.run.as_ref().map_or("-", Text::as_str)
}

fn place() -> Result<std::path::PathBuf> {
    match Dirs::find() {
        Some(dirs) => Ok(audit::path(&dirs)),
        None => bail!("there is no home directory, so there is no log\nhint: set HOME"),
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> anyhow::Error {
    anyhow::anyhow!("{}: {error}", path.display())
}

/// The one run or session whose name begins with `name`.
fn full_name(records: &[Record], name: &str) -> Result<Text> {
    let names: BTreeSet<&Text> = records.iter().flat_map(history::names_in).collect();
    let mut found = names.iter().filter(|full| full.as_str().starts_with(name));
    if let Some(exact) = names.iter().find(|full| full.as_str() == name) {
        return Ok((*exact).clone());
    }
    match (found.next(), found.next()) {
        (Some(one), None) => Ok((*one).clone()),
        (None, _) => bail!("no run or session in the log is named `{name}`\nhint: `redkey audit` shows all of it"),
        (Some(one), Some(two)) => {
            let more = found.take(SUGGESTED).fold(format!("{one}, {two}"), |list, name| format!("{list}, {name}"));
            bail!("`{name}` is the beginning of several names: {more}")
        }
    }
}
