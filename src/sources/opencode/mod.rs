//! opencode's database: rows that are new or were changed become lines, and lines become events.
//!
//! Opened for a moment whenever its files changed, never kept open, never written to ([`open`]). A run is a session
//! with its child sessions; their rows are read together and what they tell is put in order of time.

mod open;
mod rows;
mod sessions;

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use self::rows::{Layout, Table};
pub use self::sessions::sessions;
use super::decode::Batch;
use super::tail::Step;
use super::walk::wal_of;
use crate::adapters::{Adapter, Format, Origin};
use crate::domain::event::Event;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::SourceState;

/// Rows that were written so shortly before the newest one seen are compared again: writers' clocks may differ.
const SLACK: i64 = 1_000;

/// A run that had no change for so long is looked into again only when its session row changes.
const HOT: Span = Span(600_000);

/// Times that reading may fail in a row before it is told; a writer can be in the way.
const TRIES: u32 = 3;

/// One database, read step by step.
pub struct Database {
    path: PathBuf,
    adapter: Adapter,
    /// What its files looked like when everything was read.
    seen: Option<Look>,
    marks: HashMap<String, Mark>,
    /// Runs (root session and its descendants, parents first) still to be looked into.
    pending: VecDeque<Vec<String>>,
    looking: Option<Look>,
    told: Option<SourceState>,
    failures: u32,
    was_there: bool,
}

/// Size and time of database and log.
type Look = [Option<(u64, SystemTime)>; 2];

/// How far a session was read.
#[derive(Default)]
struct Mark {
    /// `time_updated` of its own row.
    row: i64,
    /// Newest `time_updated` of messages and parts.
    newest: [i64; 2],
    /// The rows about as new as the newest: `time_updated` and digest.
    recent: HashMap<u64, (i64, u64)>,
}

impl Database {
    pub fn new(path: &Path) -> Self {
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let origin = Origin { name, path: Some(path.to_string_lossy().into_owned()), ..Origin::default() };
        Self {
            path: path.to_owned(),
            adapter: Adapter::new(Format::OpencodeRows, &origin),
            seen: None,
            marks: HashMap::new(),
            pending: VecDeque::new(),
            looking: None,
            told: None,
            failures: 0,
            was_there: false,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether database or log changed since everything was read.
    pub fn has_changed(&self) -> bool {
        let look = look(&self.path);
        if look[0].is_none() { self.was_there } else { self.seen != Some(look) }
    }

    /// Reads what is new of one run. Sessions that were not written since `cutoff` are left alone.
    pub fn step(&mut self, cutoff: Stamp, now: Stamp, batch: &mut Batch) -> Step {
        if self.pending.is_empty() && self.seen == Some(look(&self.path)) {
            return Step::Idle;
        }
        if !self.path.exists() {
            let state = match self.was_there {
                true => SourceState::Closed,
                false => SourceState::Failed(Text::new(&format!("{}: no such file", self.path.display()))),
            };
            self.was_there = false;
            self.seen = None;
            if self.told.is_none() || state == SourceState::Closed {
                self.tell(state, batch);
            }
            return Step::Gone;
        }
        self.was_there = true;
        match self.try_step(cutoff, now, batch) {
            Ok(step) => {
                self.failures = 0;
                if !matches!(self.told, Some(SourceState::Failed(_))) || step == Step::Idle {
                    self.tell(SourceState::Reading(Format::OpencodeRows), batch);
                }
                step
            }
            Err(error) => {
                self.pending.clear();
                self.seen = None;
                self.failures += 1;
                if self.failures >= TRIES || is_lasting(&error) {
                    self.tell(SourceState::Failed(why(&self.path, &error)), batch);
                }
                Step::Gone
            }
        }
    }

    fn try_step(&mut self, cutoff: Stamp, now: Stamp, batch: &mut Batch) -> rusqlite::Result<Step> {
        let at_start = look(&self.path);
        let connection = open::open(&self.path)?;
        let Some(layout) = Layout::of(&connection)? else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        if self.pending.is_empty() {
            self.looking = Some(at_start);
            self.pending = self.changed_runs(&connection, cutoff, now)?;
        }
        if let Some(run) = self.pending.pop_front() {
            let mut events = Vec::new();
            let reader = Reader { connection: &connection, layout: &layout };
            reader.run(&run, &mut self.marks, &mut self.adapter, &mut events, batch)?;
            in_order_of_time(&mut events);
            batch.events.append(&mut events);
        }
        if self.pending.is_empty() {
            self.seen = self.looking.take();
            return Ok(Step::Idle);
        }
        Ok(Step::More)
    }

    /// Runs that may have something new, newest first.
    fn changed_runs(
        &self,
        connection: &Connection,
        cutoff: Stamp,
        now: Stamp,
    ) -> rusqlite::Result<VecDeque<Vec<String>>> {
        let trees = trees(connection)?;
        let is_changed = |tree: &Tree| {
            let known = tree.sessions.iter().any(|(id, _)| self.marks.contains_key(id));
            (tree.newest >= cutoff || known)
                && tree.sessions.iter().any(|(id, updated)| match self.marks.get(id) {
                    None => true,
                    Some(mark) => {
                        let newest = mark.row.max(mark.newest[0]).max(mark.newest[1]);
                        mark.row != *updated || now.since(Stamp(newest)) < HOT
                    }
                })
        };
        Ok(trees
            .into_iter()
            .filter(is_changed)
            .map(|tree| tree.sessions.into_iter().map(|(id, _)| id).collect())
            .collect())
    }

    fn tell(&mut self, state: SourceState, batch: &mut Batch) {
        if self.told.as_ref() != Some(&state) {
            self.told = Some(state.clone());
            batch.state = Some(state);
        }
    }
}

/// A session with its descendants, parents first, each with its `time_updated`.
struct Tree {
    sessions: Vec<(String, i64)>,
    newest: Stamp,
}

/// All runs, newest first.
fn trees(connection: &Connection) -> rusqlite::Result<Vec<Tree>> {
    let mut statement =
        connection.prepare("SELECT id, parent_id, time_updated FROM session ORDER BY time_created, id")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, i64>(2).unwrap_or(0)))
    })?;
    let mut place: HashMap<String, usize> = HashMap::new();
    let mut trees: Vec<Tree> = Vec::new();
    for row in rows {
        let (id, parent, updated) = row?;
        // A child was created after its parent, so its parent's tree is there; an orphan is a run of its own.
        let at = parent.as_ref().and_then(|parent| place.get(parent).copied()).unwrap_or(trees.len());
        if at == trees.len() {
            trees.push(Tree { sessions: Vec::new(), newest: Stamp(0) });
        }
        trees[at].newest = trees[at].newest.max(Stamp(updated));
        trees[at].sessions.push((id.clone(), updated));
        place.insert(id, at);
    }
    trees.sort_by_key(|tree| std::cmp::Reverse(tree.newest));
    Ok(trees)
}

struct Reader<'a> {
    connection: &'a Connection,
    layout: &'a Layout,
}

impl Reader<'_> {
    /// Reads what is new of these sessions: their own rows, then messages, then parts.
    fn run(
        &self,
        sessions: &[String],
        marks: &mut HashMap<String, Mark>,
        adapter: &mut Adapter,
        events: &mut Vec<(Event, u64)>,
        batch: &mut Batch,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        for table in Table::ALL {
            let rest = match table {
                Table::Session => "WHERE id = ?1 AND time_updated > ?2",
                Table::Message => "WHERE session_id = ?1 AND time_updated > ?2 ORDER BY time_created, id",
                Table::Part => "WHERE session_id = ?1 AND time_updated > ?2 ORDER BY id",
            };
            let mut statement = self.connection.prepare(&self.layout.select(table, rest))?;
            for session in sessions {
                let mark = marks.entry(session.clone()).or_insert_with(Mark::unread);
                let mut rows = statement.query(params![session, mark.from(table)])?;
                let mut line = Vec::new();
                while let Some(row) = rows.next()? {
                    let rowid: i64 = row.get(0)?;
                    let is_readable = self.layout.write(table, row, &mut line)?;
                    let updated: i64 = row.get("time_updated").unwrap_or(0);
                    if !mark.is_news(table, rowid, updated, &line) {
                        continue;
                    }
                    batch.lines += 1;
                    batch.bytes += line.len() as u64;
                    if !is_readable {
                        batch.skipped += 1;
                        continue;
                    }
                    let mut said = Vec::new();
                    adapter.line(&line, &mut said);
                    let offset = rows::offset(table, rowid);
                    events.extend(said.into_iter().map(|event| (event, offset)));
                }
            }
        }
        for session in sessions {
            marks.entry(session.clone()).and_modify(Mark::forget_old);
        }
        transaction.finish()
    }
}

impl Mark {
    fn unread() -> Self {
        Self { row: i64::MIN, newest: [i64::MIN; 2], recent: HashMap::new() }
    }

    /// Rows after this time are to be looked at.
    fn from(&self, table: Table) -> i64 {
        match table {
            Table::Session => self.row,
            Table::Message => self.newest[0].saturating_sub(SLACK),
            Table::Part => self.newest[1].saturating_sub(SLACK),
        }
    }

    /// Notes a row; `false` if it was read as it is now.
    fn is_news(&mut self, table: Table, rowid: i64, updated: i64, line: &[u8]) -> bool {
        match table {
            Table::Session => {
                self.row = updated;
                return true;
            }
            Table::Message => self.newest[0] = self.newest[0].max(updated),
            Table::Part => self.newest[1] = self.newest[1].max(updated),
        }
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let digest = hasher.finish();
        self.recent.insert(rows::offset(table, rowid), (updated, digest)) != Some((updated, digest))
    }

    /// Of rows that are older than the slack, no more needs to be known.
    fn forget_old(&mut self) {
        let from = [Table::Session, Table::Message, Table::Part].map(|table| self.from(table));
        self.recent.retain(|offset, (updated, _)| {
            rows::place(*offset).is_some_and(|(table, _)| *updated > from[table as usize])
        });
        self.recent.shrink_to_fit();
    }
}

/// By time; what has none stays behind its predecessor.
pub fn in_order_of_time(events: &mut Vec<(Event, u64)>) {
    let mut last = Stamp(i64::MIN);
    let keyed = events.drain(..).map(|event| {
        last = event.0.at.unwrap_or(last);
        (last, event)
    });
    let mut keyed: Vec<_> = keyed.collect();
    keyed.sort_by_key(|(at, _)| *at);
    events.extend(keyed.into_iter().map(|(_, event)| event));
}

/// Everything of the run with root session `root`, from the start.
pub fn read_run(path: &Path, root: &str) -> Result<Vec<(Event, u64)>, Text> {
    let mut database = Database::new(path);
    let mut events = Vec::new();
    let mut read = || -> rusqlite::Result<()> {
        let connection = open::open(path)?;
        let layout = Layout::of(&connection)?.ok_or(rusqlite::Error::InvalidQuery)?;
        let tree = trees(&connection)?.into_iter().find(|tree| tree.sessions.iter().any(|(id, _)| id == root));
        let ids: Vec<String> = tree.map(|t| t.sessions.into_iter().map(|(id, _)| id).collect()).unwrap_or_default();
        let reader = Reader { connection: &connection, layout: &layout };
        let (marks, adapter) = (&mut database.marks, &mut database.adapter);
        reader.run(&ids, marks, adapter, &mut events, &mut Batch::default())
    };
    read().map_err(|error| why(path, &error))?;
    in_order_of_time(&mut events);
    Ok(events)
}

/// The row behind an event, as a JSON line.
pub fn read_row(path: &Path, offset: u64) -> Result<Option<Vec<u8>>, Text> {
    let Some((table, rowid)) = rows::place(offset) else { return Ok(None) };
    let read = || -> rusqlite::Result<Option<Vec<u8>>> {
        let connection = open::open(path)?;
        let layout = Layout::of(&connection)?.ok_or(rusqlite::Error::InvalidQuery)?;
        let mut line = Vec::new();
        let written = connection
            .query_row(&layout.select(table, "WHERE rowid = ?1"), params![rowid], |row| {
                layout.write(table, row, &mut line)
            })
            .optional()?;
        Ok(written.map(|_| line))
    };
    read().map_err(|error| why(path, &error))
}

/// How many runs there are, and how many of them were written since `cutoff`.
pub fn count(path: &Path, cutoff: Stamp) -> Result<(usize, usize), Text> {
    let count = || -> rusqlite::Result<(usize, usize)> {
        let connection = open::open(path)?;
        Layout::of(&connection)?.ok_or(rusqlite::Error::InvalidQuery)?;
        let trees = trees(&connection)?;
        Ok((trees.len(), trees.iter().filter(|tree| tree.newest >= cutoff).count()))
    };
    count().map_err(|error| why(path, &error))
}

fn look(path: &Path) -> Look {
    [path.to_owned(), wal_of(path)].map(|path| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.len(), meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
    })
}

/// Trying again soon won't help.
fn is_lasting(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::PermissionDenied) => true,
        Some(_) => false,
        None => matches!(error, rusqlite::Error::InvalidQuery),
    }
}

fn why(path: &Path, error: &rusqlite::Error) -> Text {
    match error {
        rusqlite::Error::InvalidQuery => Text::new(&format!("{}: not opencode's database", path.display())),
        error => Text::new(&format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests;
