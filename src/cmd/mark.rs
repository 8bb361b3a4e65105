//! `redkey mark`: what a person says of a run. Backtests and estimates stand on it.

use std::io::Write;

use anyhow::{Context as _, Result};

use super::ledger::dirs;
use super::sessions::{columns, read_marks};
use super::{Setup, read};
use crate::backtest::mark::{Mark, Marked};
use crate::cli::MarkArgs;
use crate::clock;
use crate::domain::text::Text;
use crate::store::{self, marks};

pub fn run(setup: &Setup, args: &MarkArgs, out: &mut dyn Write) -> Result<()> {
    let dirs = dirs()?;
    let (Some(name), Some(mark)) = (&args.run, args.mark) else {
        return list(&read_marks(&dirs)?, args.json, out);
    };
    let (model, number) = read::one_run(setup, name)?;
    let run = model.run(number).context("the run has gone")?;
    let path = store::marks_path(&dirs);
    let marked = Marked { mark, note: Text::new(&args.note) };
    let id = run.id.to_string();
    marks::add(&path, clock::now(), &id, &marked, &super::grant::user())
        .with_context(|| format!("cannot write the mark to {}", path.display()))?;
    match mark {
        Mark::None => writeln!(out, "{id}: not marked any more")?,
        mark => writeln!(out, "{id}: {}", mark.name())?,
    }
    Ok(())
}

fn list(marks: &marks::Marks, json: bool, out: &mut dyn Write) -> Result<()> {
    let mut all: Vec<_> = marks.by_run.iter().collect();
    all.sort_by_key(|(run, _)| *run);
    if json {
        let value = |(run, marked): &(&String, &Marked)| serde_json::json!({ "run": run, "mark": marked.mark, "note": marked.note });
        let list: Vec<_> = all.iter().map(value).collect();
        serde_json::to_writer_pretty(&mut *out, &list)?;
        writeln!(out)?;
        return Ok(());
    }
    if all.is_empty() {
        writeln!(out, "No run is marked. `redkey mark RUN good|bad [NOTE]` marks one; `redkey ls --all` lists runs.")?;
    }
    let row = |(run, marked): (&String, &Marked)| {
        vec![marked.mark.name().to_owned(), Text::new(run).to_string(), marked.note.to_string()]
    };
    let rows: Vec<Vec<String>> = all.into_iter().map(row).collect();
    columns(&rows, &[], out)?;
    if marks.unread > 0 {
        writeln!(out, "{} lines of the file of marks could not be read", marks.unread)?;
    }
    Ok(())
}
