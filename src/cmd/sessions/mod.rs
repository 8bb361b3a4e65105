//! Session after session, for the commands that hold each against something: files that turn out to be of one run are
//! read again together, a run's live stream doesn't count beside its transcript.

mod recordings;

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::Setup;
use crate::adapters::Form;
use crate::backtest::Known;
use crate::clock;
use crate::config::{self, Dirs, Loaded};
use crate::control::audit;
use crate::control::meter::ledger;
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Fact, Place, Progress};
use crate::sources::{Plan, Sessions, Sink};
use crate::store::{self, marks};

/// How often progress is drawn.
const EVERY: Duration = Duration::from_millis(200);

/// What became of a run.
pub trait OfRun {
    fn id(&self) -> &RunId;
    fn form(&self) -> Form;
    /// The more, the more of the run is in it.
    fn weight(&self) -> u64;
}

/// What there is to be read.
pub struct Found {
    sessions: Sessions,
    recordings: Vec<PathBuf>,
    /// Where was looked.
    pub places: Vec<Place>,
}

impl Found {
    /// `paths`: what a person named, as in the plan.
    pub fn of(plan: &Plan, paths: &[PathBuf]) -> Self {
        let mut sessions = Sessions::find(plan);
        let mut recordings = recordings::find(paths, Dirs::find().as_ref());
        if !plan.all {
            let cutoff = Stamp(plan.now.0.saturating_sub(plan.active_within.0));
            recordings.retain(|path| written(path).is_none_or(|at| at >= cutoff));
        }
        sessions.set_aside(&recordings);
        let places = std::mem::take(&mut sessions.places);
        Self { sessions, recordings, places }
    }
}

/// When a file was written last.
fn written(path: &Path) -> Option<Stamp> {
    std::fs::metadata(path).and_then(|meta| meta.modified()).ok().map(clock::stamp)
}

/// What was read.
#[derive(Debug)]
pub struct Gathered<R> {
    /// One for each run.
    pub rows: Vec<R>,
    /// Live streams and recordings beside a transcript, which were not counted again.
    pub shadowed: usize,
    /// What could not be read.
    pub trouble: Vec<Text>,
}

/// Reads all, and makes one row of each run. What a recording holds counts where there is no transcript of the run.
pub fn gather<S, R>(found: &Found, start: &(dyn Fn() -> S + Sync), read: &mut dyn FnMut(Progress)) -> Gathered<R>
where
    S: Sink<Out = Vec<R>>,
    R: OfRun + Send,
{
    let mut gathered = gather_sessions(&found.sessions, start, read);
    let (outs, trouble) = recordings::read_all(&found.recordings, start);
    gathered.trouble = trouble;
    let mut taped: Vec<R> = outs.into_iter().flatten().collect();
    taped.sort_by(|a, b| a.id().cmp(b.id()).then(b.weight().cmp(&a.weight())));
    let all = taped.len();
    taped.dedup_by(|later, kept| later.id() == kept.id());
    let known: HashSet<RunId> = gathered.rows.iter().map(|row| row.id().clone()).collect();
    taped.retain(|row| !known.contains(row.id()));
    gathered.shadowed += all - taped.len();
    gathered.rows.append(&mut taped);
    gathered
}

fn gather_sessions<S, R>(
    sessions: &Sessions,
    start: &(dyn Fn() -> S + Sync),
    read: &mut dyn FnMut(Progress),
) -> Gathered<R>
where
    S: Sink<Out = Vec<R>>,
    R: OfRun + Send,
{
    let outs = sessions.read(start, read);
    let mut holders: HashMap<RunId, Vec<(usize, Form)>> = HashMap::new();
    for (at, rows) in outs.iter().enumerate() {
        for row in rows {
            holders.entry(row.id().clone()).or_default().push((at, row.form()));
        }
    }
    let is_kept = |row: &R| row.form() == Form::Disk || holders[row.id()].iter().all(|(_, form)| *form == Form::Stream);
    let mut joined = Joined::new(outs.len());
    for held in holders.values() {
        let on_disk = held.iter().any(|(_, form)| *form == Form::Disk);
        let mut same = held.iter().filter(|(_, form)| (*form == Form::Disk) == on_disk).map(|(at, _)| *at);
        let first = same.next();
        same.for_each(|other| joined.join(first.unwrap_or(other), other));
    }
    let mut gathered = Gathered { rows: Vec::new(), shadowed: 0, trouble: Vec::new() };
    let together = joined.groups();
    let is_joined: HashSet<usize> = together.iter().flatten().copied().collect();
    for (at, rows) in outs.into_iter().enumerate() {
        if is_joined.contains(&at) {
            continue;
        }
        let all = rows.len();
        let before = gathered.rows.len();
        gathered.rows.extend(rows.into_iter().filter(&is_kept));
        gathered.shadowed += all - (gathered.rows.len() - before);
    }
    for which in together {
        gathered.rows.extend(sessions.read_joined(&which, start()));
    }
    gathered
}

/// Which sessions belong together: each points at the first of its own.
struct Joined(Vec<usize>);

impl Joined {
    fn new(len: usize) -> Self {
        Self((0..len).collect())
    }

    fn first(&self, mut at: usize) -> usize {
        while self.0[at] != at {
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b)] = a.min(b);
    }

    /// Those of more than one session.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); self.0.len()];
        (0..self.0.len()).for_each(|at| groups[self.first(at)].push(at));
        groups.retain(|group| group.len() > 1);
        groups
    }
}

/// Labels, ends and marks, from redkey's own files. A file of marks that can't be read is an error: without them a
/// summary would say something else.
pub fn known() -> Result<Known> {
    let mut known = Known::default();
    if let Some(dirs) = Dirs::find() {
        ledger::read(&audit::path(&dirs)).into_iter().for_each(|fact| known.learn(fact));
        known.marks = read_marks(&dirs)?.by_run;
    }
    Ok(known)
}

/// Everything that the record of control says of each run, grants and budgets included.
pub fn facts(dirs: &Dirs) -> HashMap<RunId, Vec<Fact>> {
    let mut facts: HashMap<RunId, Vec<Fact>> = HashMap::new();
    for fact in ledger::read(&audit::path(dirs)) {
        let run = match &fact {
            Fact::Budget { run, .. } | Fact::Grant { run, .. } | Fact::Stopped { run, .. } => run.clone(),
            _ => continue,
        };
        facts.entry(run).or_default().push(fact);
    }
    facts
}

pub fn read_marks(dirs: &Dirs) -> Result<marks::Marks> {
    let path = store::marks_path(dirs);
    marks::read(&path).map_err(|error| anyhow::anyhow!("cannot read the marks in {}: {error}", path.display()))
}

/// A policy by itself, over what redkey ships: `shipped`, `mine`, or a file. No project has a say, since sessions come
/// from many; what stands on the command line has.
pub fn policy(name: &Path, setup: &Setup) -> Result<Loaded> {
    let mut flags = setup.flags.clone();
    let mut sources = config::Sources::from_process(flags.clone());
    sources.shown_from = sources.project_dir.take();
    sources.env.budget = None;
    if name == Path::new("shipped") {
        (sources.user_path, sources.env.policy, flags.policy) = (None, None, None);
    } else if name != Path::new("mine") {
        flags.policy = Some(PathBuf::from(name));
    }
    sources.flags = flags;
    Ok(config::load(&sources)?)
}

/// Draws how far the reading has come, on a terminal alone; the line is gone at the end.
pub struct Drawn {
    what: &'static str,
    /// When it was drawn last, since the program's start.
    last: Option<Duration>,
    is_terminal: bool,
}

impl Drawn {
    pub fn new(what: &'static str) -> Self {
        Self { what, last: None, is_terminal: std::io::stderr().is_terminal() }
    }

    pub fn draw(&mut self, progress: Progress) {
        let now = clock::elapsed();
        if !self.is_terminal || self.last.is_some_and(|last| now - last < EVERY) {
            return;
        }
        self.last = Some(now);
        let Progress { done_files, total_files, done_bytes, total_bytes } = progress;
        let percent = done_bytes * 100 / total_bytes.max(1);
        let mb = |bytes: u64| bytes / 1_000_000;
        let _ = write!(
            std::io::stderr(),
            "\r\x1b[K{}: {done_files} of {total_files} files, {} of {} MB, {percent} %",
            self.what,
            mb(done_bytes),
            mb(total_bytes)
        );
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A date and time as people read them, in local time.
pub fn date(at: Option<Stamp>) -> String {
    let Some(at) = at else { return String::new() };
    let local = at + clock::utc_offset();
    chrono::DateTime::from_timestamp_millis(local.0).map_or(String::new(), |t| t.format("%Y-%m-%d %H:%M").to_string())
}

/// Pads cells to columns; `right`: those that hold amounts.
pub fn columns(rows: &[Vec<String>], right: &[usize], out: &mut dyn Write) -> std::io::Result<()> {
    use unicode_width::UnicodeWidthStr;
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[at].saturating_sub(cell.width()));
            line.push_str(&if right.contains(&at) { format!("{pad}{cell}  ") } else { format!("{cell}{pad}  ") });
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The first so many characters.
pub fn short(text: &Text, most: usize) -> String {
    text.as_str().chars().take(most).collect()
}
