//! What is in a recording, and what is missing of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::{MISSING, bytes};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::record::format::{Ended, Header, Sum};
use crate::record::pack::Table;
use crate::record::{Lost, Side, Tape, TapeError, TapeMsg, read};

/// A recording, read from end to end.
#[derive(Debug, Default)]
struct Told {
    header: Header,
    kinds: BTreeMap<&'static str, u64>,
    first: Option<Stamp>,
    last: Option<Stamp>,
    sum: Option<Sum>,
    end: Option<Ended>,
    lost: Lost,
    /// The seek table was missing or wrong.
    no_table: bool,
}

impl Told {
    fn read(path: &Path) -> Result<Self, TapeError> {
        let mut tape = read::open(path)?;
        let mut told = Self { header: tape.header().clone(), ..Self::default() };
        for beat in tape.by_ref() {
            let beat = beat?;
            *told.kinds.entry(kind(&beat.msg)).or_default() += 1;
            told.first = told.first.or(Some(beat.at));
            told.last = Some(beat.at);
            match beat.msg {
                TapeMsg::Side(Side::Sum(sum)) => told.sum = Some(*sum),
                TapeMsg::Side(Side::End(end)) => told.end = Some(end),
                _ => {}
            }
        }
        told.lost = tape.lost();
        if read::is_packed(path) {
            told.no_table = File::open(path).and_then(|file| Table::of(&file)).is_ok_and(|table| table.rebuilt);
        }
        Ok(told)
    }

    fn records(&self) -> u64 {
        self.kinds.values().sum()
    }

    /// What is wrong, in words; nothing if it is whole.
    fn missing(&self) -> Vec<String> {
        let lost = &self.lost;
        let mut words = Vec::new();
        let mut say = |n: u64, what: &str| {
            if n > 0 {
                words.push(format!("{n} {what}"));
            }
        };
        say(lost.gone, "records could not be written");
        say(lost.damaged, "lines are damaged");
        say(lost.torn, "bytes at its end are a record that was cut off");
        say(lost.unpacked, "bytes could not be unpacked");
        say(lost.unknown, "records are of a newer redkey");
        if lost.gaps > 0 && lost.gone == 0 {
            words.push(format!("{} times a record was cut off", lost.gaps));
        }
        // Its writer counted: what is not here was taken out, or lost with what was damaged.
        let told = self.end.as_ref().map_or(0, |end| end.records);
        if told > self.records() && words.is_empty() {
            words.push(format!("{} records are not there", told - self.records()));
        }
        words
    }
}

fn kind(msg: &TapeMsg) -> &'static str {
    match msg {
        TapeMsg::Opened { .. } => "opened",
        TapeMsg::State { .. } => "state",
        TapeMsg::Events { .. } => "event",
        TapeMsg::Lines { .. } => "lines",
        TapeMsg::Dropped(_) => "dropped",
        TapeMsg::Control(_) => "fact",
        TapeMsg::Tick => "tick",
        TapeMsg::Side(side) => match side {
            Side::Policy(_) => "policy",
            Side::Audit(_) => "audit",
            Side::Sum(_) => "sum",
            Side::Mark(_) => "mark",
            Side::Gap(_) => "gap",
            Side::End(_) => "end",
        },
    }
}

/// Prints what is in a recording.
pub fn show(path: &Path, json: bool, out: &mut dyn Write) -> Result<()> {
    let told = Told::read(path)?;
    if json {
        let value = json!({
            "path": Text::limited(&path.display().to_string(), 4_096), "header": told.header, "records": told.kinds,
            "first": told.first, "last": told.last, "sum": told.sum, "end": told.end, "missing": told.missing(),
        });
        serde_json::to_writer_pretty(&mut *out, &value)?;
        writeln!(out)?;
        return Ok(());
    }
    let header = &told.header;
    writeln!(out, "{}  {}", header.run, header.command.0)?;
    writeln!(out, "  in        {}", header.cwd.0)?;
    if !header.label.0.is_empty() {
        writeln!(out, "  label     {}", header.label.0)?;
    }
    writeln!(out, "  started   {}", super::when(header.started))?;
    let lasted = told.last.map_or(Span::ZERO, |last| last.since(header.started));
    let redacted = if header.redacted { "secrets replaced" } else { "SECRETS NOT REPLACED" };
    writeln!(out, "  recorded  {} by {}, version {}, {redacted}", lasted.short(), header.by, header.v)?;
    let kinds: Vec<String> = told.kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    writeln!(out, "  records   {}", kinds.join(", "))?;
    for run in told.sum.iter().flat_map(|sum| &sum.runs) {
        let (spent, granted) = (Span(run.spent).short(), Span(run.granted).short());
        writeln!(out, "  session   {}: {spent} of {granted} spent, {} events", run.run, run.events)?;
    }
    if let Some(sum) = &told.sum {
        writeln!(out, "  clock     {} of {} spent", Span(sum.spent).short(), Span(sum.granted).short())?;
    }
    match &told.end {
        Some(end) => writeln!(out, "  ended     {} {}", end.outcome, end.reason.0)?,
        None => writeln!(out, "  ended     not, or nobody was there to write it")?,
    }
    told.missing().iter().try_for_each(|missing| writeln!(out, "  missing   {missing}"))?;
    Ok(())
}

/// Reads recordings and prints what is missing; the exit code.
pub fn verify(files: &[PathBuf], json: bool, out: &mut dyn Write) -> Result<u8> {
    let mut list = Vec::new();
    let mut is_missing = false;
    for path in files {
        let name = Text::limited(&path.display().to_string(), 4_096);
        let (records, missing, notes) = match Told::read(path) {
            Ok(told) => (told.records(), told.missing(), notes(&told)),
            Err(error) => (0, vec![error.to_string().lines().next().unwrap_or_default().to_owned()], vec![]),
        };
        is_missing |= !missing.is_empty();
        if json {
            list.push(json!({ "path": name, "records": records, "missing": missing, "notes": notes }));
            continue;
        }
        let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
        let word = if missing.is_empty() { "whole" } else { "MISSING" };
        writeln!(out, "{word:<8} {name}  {records} records, {}", bytes(size))?;
        missing.iter().chain(&notes).try_for_each(|line| writeln!(out, "         {line}"))?;
    }
    if json {
        serde_json::to_writer_pretty(&mut *out, &list)?;
        writeln!(out)?;
    } else if files.is_empty() {
        writeln!(out, "no recordings")?;
    }
    Ok(if is_missing { MISSING } else { 0 })
}

/// What is no loss, but worth knowing.
fn notes(told: &Told) -> Vec<String> {
    let mut notes = Vec::new();
    if told.no_table {
        notes.push("its seek table is gone; it is made anew whenever it is read".to_owned());
    }
    if told.lost.open {
        notes.push("it has no end: its run goes on, or its recorder was killed".to_owned());
    }
    notes
}
