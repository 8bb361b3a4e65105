//! `redkey ledger`: one row for each run, made from what agents and redkey keep, and made again at any time.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest, Sha256};

use super::sessions::{self, Drawn, Found, OfRun, columns, date, short};
use super::{Setup, read};
use crate::adapters::Form;
use crate::cli::LedgerCommand;
use crate::config::Dirs;
use crate::domain::event::RunId;
use crate::domain::policy::Policy;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Fact, Model, Msg};
use crate::sources::Sink;
use crate::store::ledger::{Ledger, Made};
use crate::store::row::Row;
use crate::store::{self, marks::Marks};

/// Files are looked at again that were written so shortly before the last time.
const OVERLAP: Span = Span::secs(120);
/// Whenever so many more runs have appeared in one source, those that are over forget their lines.
const FORGET_EVERY: usize = 32;

pub fn run(setup: &Setup, command: &LedgerCommand, out: &mut dyn Write) -> Result<()> {
    match command {
        LedgerCommand::Rebuild { paths } => rebuild(setup, paths, out),
        LedgerCommand::Ls { json } => ls(*json, out),
    }
}

fn rebuild(setup: &Setup, paths: &[PathBuf], out: &mut dyn Write) -> Result<()> {
    let dirs = dirs()?;
    let (ledger, wrote) = refresh(setup, &dirs, paths, true)?;
    let all = ledger.rows()?.len();
    let path = store::ledger_path(&dirs);
    writeln!(out, "{wrote} runs read; the ledger has {all} rows ({})", path.display())?;
    if all == 0 {
        writeln!(out, "No session was found: `redkey ls --all` says where it was looked for.")?;
    }
    Ok(())
}

fn ls(json: bool, out: &mut dyn Write) -> Result<()> {
    let dirs = dirs()?;
    let path = store::ledger_path(&dirs);
    if !path.exists() {
        bail!("there is no ledger yet ({})\nhint: `redkey ledger rebuild` makes it", path.display());
    }
    let rows = with_marks(Ledger::open(&path)?.rows()?, &sessions::read_marks(&dirs)?);
    if json {
        serde_json::to_writer_pretty(&mut *out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    if rows.is_empty() {
        writeln!(out, "No rows. `redkey ledger rebuild` reads what the agents keep; `redkey ls --all` says where.")?;
        return Ok(());
    }
    let head = ["ENDED", "OUTCOME", "MARK", "SPENT", "BUDGET", "TOKENS", "COST", "RUN", "LABEL", "PROJECT", "TASK"];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(line));
    columns(&cells, &[3, 4, 5, 6], out)?;
    writeln!(out, "{} runs", rows.len())?;
    Ok(())
}

fn line(row: &Row) -> Vec<String> {
    let floor = if row.cost_is_floor { "≥ " } else { "" };
    let project = row.project.as_str().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    vec![
        date(row.ended_at),
        row.outcome.to_string(),
        row.mark.to_string(),
        row.spent_ms.short(),
        row.budget_ms.short(),
        row.tokens.to_string(),
        format!("{floor}{}", row.cost_usd),
        format!("{}:{}", row.run.agent.name(), row.run.session.chars().take(13).collect::<String>()),
        row.label.to_string(),
        project.to_owned(),
        short(&row.task, 50),
    ]
}

pub fn dirs() -> Result<Dirs> {
    Dirs::find().context("no home directory is known (HOME is not set), so there is no ledger\nhint: set HOME")
}

/// Marks in force, over those that the ledger remembers.
pub fn with_marks(mut rows: Vec<Row>, marks: &Marks) -> Vec<Row> {
    for row in &mut rows {
        let marked = marks.by_run.get(&row.run.to_string());
        row.mark = marked.map(|marked| Text::new(marked.mark.name())).unwrap_or_default();
        row.note = marked.map(|marked| marked.note.clone()).unwrap_or_default();
    }
    rows
}

/// The ledger, up to date, and how many rows were written: all of them if `anew`, if there was none, or if it was made
/// under other prices; else those of files that were written since.
pub fn refresh(setup: &Setup, dirs: &Dirs, paths: &[PathBuf], anew: bool) -> Result<(Ledger, usize)> {
    let rules = sessions::policy(Path::new("mine"), setup)?.rules;
    let mut ledger = Ledger::open(&store::ledger_path(dirs))?;
    let policy = digest(&rules.policy);
    let until = ledger.made()?.filter(|made| !anew && made.policy == policy).map(|made| made.until);
    let mut plan = read::plan(setup, paths, until.is_none())?;
    if let Some(until) = until {
        plan.active_within = plan.now.since(until) + OVERLAP;
    }
    let found = Found::of(&plan, paths);
    let (facts, prices) = (sessions::facts(dirs), Arc::new(Prices::embedded()));
    let start = || Charged { model: Model::new(rules.clone(), prices.clone()), facts: &facts, now: plan.now };
    let mut drawn = Drawn::new("ledger");
    let rows = sessions::gather(&found, &start, &mut |progress| drawn.draw(progress)).rows;
    drop(drawn);
    let made = Made { until: plan.now, policy };
    ledger.put(&rows, &sessions::read_marks(dirs)?, &made, until.is_none())?;
    Ok((ledger, rows.len()))
}

/// What the rows' figures depend on.
fn digest(policy: &Policy) -> String {
    let Policy { tariff, clock, shell, tools, materiality, budget, .. } = policy;
    let version = env!("CARGO_PKG_VERSION");
    let text = format!("{version} {tariff:?} {clock:?} {shell:?} {tools:?} {materiality:?} {budget:?}");
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// One session, charged as it was: with the budgets and grants that it had.
struct Charged<'a> {
    model: Model,
    facts: &'a HashMap<RunId, Vec<Fact>>,
    now: Stamp,
}

impl Charged<'_> {
    fn meet(&mut self, id: &RunId) {
        if self.model.find(id).is_some() {
            return;
        }
        for fact in self.facts.get(id).into_iter().flatten() {
            self.model.apply(Msg::Control(fact.clone()), self.now);
        }
        let met = self.model.runs().len();
        if met > 0 && met.is_multiple_of(FORGET_EVERY) {
            self.model.apply(Msg::Tick, self.now);
        }
    }
}

impl Sink for Charged<'_> {
    type Out = Vec<Row>;

    fn take(&mut self, msg: Msg) {
        if let Msg::Events { events, .. } = &msg {
            // One batch is of one run, or of a few.
            let mut last: Option<&RunId> = None;
            for (event, _) in events {
                if last != Some(&event.run) {
                    self.meet(&event.run);
                    last = Some(&event.run);
                }
            }
        }
        self.model.apply(msg, self.now);
    }

    fn take_at(&mut self, msg: Msg, now: Stamp) {
        self.now = now;
        self.take(msg);
    }

    fn finish(self) -> Vec<Row> {
        let model = &self.model;
        let row = |run: &crate::domain::run::Run| {
            let source = model.sources_of(run.number).first().and_then(|number| model.source(*number));
            let form = source.and_then(|source| source.form).unwrap_or(Form::Stream);
            Row::of(run, form, source.map(|source| source.name.clone()).unwrap_or_default())
        };
        model.runs().filter(|run| run.counts.events > 0).map(row).collect()
    }
}

impl OfRun for Row {
    fn id(&self) -> &RunId {
        &self.run
    }

    fn form(&self) -> Form {
        self.form
    }

    fn weight(&self) -> u64 {
        self.tokens
    }
}

/// Used where only prices and rules are at hand.
pub fn most(rules: &Rules, given: &crate::domain::rules::Allowance) -> Span {
    let most = rules.policy.budget.declared_max;
    if given.is_by_rule() { most.min(given.clock) } else { most }
}
