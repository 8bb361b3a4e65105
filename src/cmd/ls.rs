//! `redkey ls`: a line per run, newest first; the same numbers as the screen.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use unicode_width::UnicodeWidthStr;

use super::{Setup, read};
use crate::clock;
use crate::domain::event::Agent;
use crate::domain::run::Run;
use crate::domain::time::Stamp;
use crate::engine::Model;
use crate::report::Report;

pub fn run(setup: &Setup, paths: &[PathBuf], all: bool, json: bool, out: &mut dyn Write) -> Result<()> {
    let model = read::read(setup, read::plan(setup, paths, all)?, read::Keep::Numbers);
    let now = clock::now();
    let mut runs: Vec<&Run> = model.runs().filter(|run| run.counts.events > 0).collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.last_at));
    if json {
        let reports: Vec<Report> = runs.iter().map(|run| Report::of(run, now, &model.rules, false)).collect();
        serde_json::to_writer_pretty(&mut *out, &reports)?;
        writeln!(out)?;
        return Ok(());
    }
    if runs.is_empty() {
        return Ok(nothing(&model, out)?);
    }
    let rows: Vec<[String; 11]> = runs.iter().map(|run| row(run, &model, now)).collect();
    table(&rows, out)?;
    let totals = model.totals(runs.into_iter(), now);
    let floor = if totals.is_floor { "≥ " } else { "" };
    writeln!(
        out,
        "{} runs, {} working; spent {}; {floor}{}; {} tokens in, {} out, {} cache read, {} cache write",
        totals.runs,
        totals.working,
        totals.spent.short(),
        totals.usd,
        totals.usage.input,
        totals.usage.written(),
        totals.usage.cache_read,
        totals.usage.cache_write
    )?;
    places(&model, out)?;
    trouble(&model, out)?;
    Ok(())
}

const HEADER: [&str; 11] =
    ["STATE", "AGENT", "MODEL", "PROJECT", "LEFT", "SPENT", "COST", "TOOLS", "FAILED", "RUN", "TASK"];

fn row(run: &Run, model: &Model, now: Stamp) -> [String; 11] {
    let rules = &model.rules;
    let cost = run.tokens.cost();
    // The agent may still say otherwise.
    let is_open = !run.tokens.settled() && run.state(now, rules).is_live() && cost.usd.0 > 0;
    let inferred = match run.counts.failed_inferred {
        0 => String::new(),
        n => format!("+{n}?"),
    };
    [
        run.state(now, rules).name().to_owned(),
        run.agent().to_owned(),
        run.facts.model.to_string(),
        run.project().to_owned(),
        run.left(now, rules).hms(),
        run.spent(now, rules).short(),
        format!("{}{}{}", if cost.is_floor { "≥ " } else { "" }, if is_open { "~" } else { "" }, cost.usd),
        run.counts.tool_calls.to_string(),
        format!("{}{inferred}", run.counts.failed),
        run.id.session.chars().take(13).collect(),
        run.facts.title.as_str().chars().take(60).collect(),
    ]
}

fn table(rows: &[[String; 11]], out: &mut dyn Write) -> std::io::Result<()> {
    let mut widths = HEADER.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let line = |cells: &[&str], out: &mut dyn Write| -> std::io::Result<()> {
        let mut text = String::new();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let pad = " ".repeat(width.saturating_sub(cell.width()));
            // Amounts stand right-aligned.
            text.push_str(&if (4..=8).contains(&i) { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
        }
        writeln!(out, "{}", text.trim_end())
    };
    line(&HEADER, out)?;
    for row in rows {
        line(&row.each_ref().map(String::as_str), out)?;
    }
    Ok(())
}

/// An empty list says where it looked and what to do.
fn nothing(model: &Model, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "No runs. Looked here:")?;
    for place in &model.places {
        let agent = place.agent.map_or("", Agent::name);
        let found = match (&place.trouble, place.exists, place.found) {
            (Some(why), ..) => why.to_string(),
            (None, false, _) => "does not exist".into(),
            (None, true, 0) => "nothing there".into(),
            (None, true, n) => format!("{n} found, {} recent enough to show", place.recent),
        };
        writeln!(out, "  {agent:9} {}  ({found})", place.path)?;
    }
    writeln!(
        out,
        "Start an agent, name a file (`redkey ls PATH`), ask for older runs (`redkey ls --all`), or try `redkey demo`."
    )?;
    trouble(model, out)
}

/// A place that could not be looked through is said although others hold runs.
fn places(model: &Model, out: &mut dyn Write) -> std::io::Result<()> {
    for place in &model.places {
        let Some(why) = &place.trouble else { continue };
        // A file's own trouble is told with the files.
        if !model.sources.iter().any(|source| source.name == place.path) {
            writeln!(out, "{}: {why}", place.path)?;
        }
    }
    Ok(())
}

/// What could not be read is said, not hidden.
fn trouble(model: &Model, out: &mut dyn Write) -> std::io::Result<()> {
    use crate::engine::SourceState::{Failed, Unknown};
    for source in &model.sources {
        if let Failed(why) = &source.state {
            writeln!(out, "not read: {}: {why}", source.name)?;
        }
    }
    let unknown = model.sources.iter().filter(|s| s.state == Unknown).count();
    if unknown > 0 {
        writeln!(out, "{unknown} files are in no format that redkey knows")?;
    }
    let c = &model.counters;
    if c.unparsed + c.skipped > 0 {
        writeln!(out, "{} lines could not be parsed, {} were too long", c.unparsed, c.skipped)?;
    }
    if c.shadowed > 0 {
        writeln!(out, "{} events of second copies were not counted again", c.shadowed)?;
    }
    Ok(())
}
