//! `redkey ls --totals`: what every session there is used and cost, without charging; fast, from a cache.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{Setup, read};
use crate::config;
use crate::domain::price::Prices;
use crate::domain::run::Run;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::usage::{Usage, Usd};
use crate::index::{self, SessionTotals, Settings};
use crate::sources::{self, Target};

/// Threads that read files.
const THREADS: usize = 2;

#[derive(Serialize)]
struct Row {
    run: String,
    agent: &'static str,
    models: Vec<Text>,
    cwd: Text,
    title: Text,
    tokens: Usage,
    cost_usd: Usd,
    cost_is_floor: bool,
    model_calls: u64,
    tool_calls: u64,
    failed_tool_calls: u64,
    failed_tool_calls_inferred: u64,
    subagents: u64,
    unparsed_lines: u64,
    started_at: Option<Stamp>,
    last_event_at: Option<Stamp>,
    #[serde(skip)]
    own: (Usage, Usd),
}

pub fn run(setup: &Setup, paths: &[PathBuf], json: bool, use_cache: bool, out: &mut dyn Write) -> Result<()> {
    let found = sources::list(&read::plan(setup, paths, true)?);
    let prices = Prices::embedded();
    // A cache holds what the default places hold; files that somebody names are read.
    let cache = if use_cache && paths.is_empty() { cache_file()? } else { None };
    let settings = Settings { rules: &setup.rules, prices: &prices, cache: cache.as_deref(), threads: THREADS };
    let index = index::index(&found.files, &settings);
    let mut rows: Vec<Row> = index.sessions.iter().map(Row::of_session).collect();
    if !found.databases.is_empty() {
        let mut plan = read::plan(setup, &[], true)?;
        plan.targets = found.databases.iter().cloned().map(Target::Path).collect();
        let model = read::read(setup, plan, read::Keep::Numbers);
        rows.extend(model.runs().filter(|run| run.counts.events > 0).map(Row::of_run));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.last_event_at));
    if json {
        serde_json::to_writer(&mut *out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    table(&rows, out)?;
    for (path, error) in &index.trouble {
        writeln!(out, "not read: {}: {error}", Text::new(&path.to_string_lossy()))?;
    }
    if index.unknown > 0 {
        writeln!(out, "{} files are in no format that redkey knows", index.unknown)?;
    }
    Ok(())
}

/// The cache's file, in redkey's own directory.
fn cache_file() -> Result<Option<PathBuf>> {
    let Some(dirs) = config::Dirs::find() else { return Ok(None) };
    std::fs::create_dir_all(&dirs.cache).with_context(|| format!("cannot make {}", dirs.cache.display()))?;
    Ok(Some(dirs.cache.join("totals")))
}

fn table(rows: &[Row], out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{:8} {:24} {:>12} {:>10} {:>13} {:>12} {:>10} {:>6}  RUN",
        "AGENT", "MODEL", "IN", "OUT", "CACHE READ", "CACHE WRITE", "COST", "TOOLS"
    )?;
    let (mut usage, mut usd, mut is_floor) = (Usage::ZERO, Usd::ZERO, false);
    for row in rows {
        let t = &row.tokens;
        let cost = format!("{}{}", if row.cost_is_floor { "≥ " } else { "" }, row.cost_usd);
        let model = row.models.first().map_or("", Text::as_str);
        writeln!(
            out,
            "{:8} {:24.24} {:>12} {:>10} {:>13} {:>12} {:>10} {:>6}  {}",
            row.agent,
            model,
            t.input,
            t.written(),
            t.cache_read,
            t.cache_write,
            cost,
            row.tool_calls,
            row.run
        )?;
        usage += row.own.0;
        usd += row.own.1;
        is_floor |= row.cost_is_floor;
    }
    let floor = if is_floor { "≥ " } else { "" };
    writeln!(
        out,
        "{} sessions, each answer counted once: {} in, {} out, {} cache read, {} cache write, {floor}{usd}",
        rows.len(),
        usage.input,
        usage.written(),
        usage.cache_read,
        usage.cache_write
    )
}

impl Row {
    fn of_session(s: &SessionTotals) -> Self {
        Self {
            run: s.run.to_string(),
            agent: s.run.agent.name(),
            models: s.models.clone(),
            cwd: s.cwd.clone(),
            title: s.title.clone(),
            tokens: s.usage,
            cost_usd: s.cost.usd,
            cost_is_floor: s.cost.is_floor,
            model_calls: s.answers,
            tool_calls: s.tool_calls,
            failed_tool_calls: s.failed,
            failed_tool_calls_inferred: s.failed_inferred,
            subagents: s.subagents,
            unparsed_lines: s.unparsed,
            started_at: s.first,
            last_event_at: s.last,
            own: s.own,
        }
    }

    fn of_run(run: &Run) -> Self {
        let cost = run.tokens.cost();
        Self {
            run: run.id.to_string(),
            agent: run.id.agent.name(),
            models: run.tokens.models().to_vec(),
            cwd: run.facts.cwd.clone(),
            title: run.facts.title.clone(),
            tokens: run.tokens.usage(),
            cost_usd: cost.usd,
            cost_is_floor: cost.is_floor,
            model_calls: run.tokens.model_calls,
            tool_calls: run.counts.tool_calls,
            failed_tool_calls: run.counts.failed,
            failed_tool_calls_inferred: run.counts.failed_inferred,
            subagents: run.subagents(),
            unparsed_lines: run.counts.unparsed,
            started_at: run.first_at,
            last_event_at: run.last_at,
            own: run.tokens.own(),
        }
    }
}
