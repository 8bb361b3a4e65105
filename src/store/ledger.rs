//! The ledger: one row a run. It holds nothing that isn't also in a transcript, a recording or the file of marks, so it
//! can be deleted, and is then made again.
//!
//! Its layout has a number (`PRAGMA user_version`). Migrations are only ever added.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::marks::Marks;
use super::row::Row;
use crate::adapters::Form;
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::usage::Usd;

/// How long another command that writes is waited for.
const BUSY: Duration = Duration::from_secs(5);

/// Each takes the layout one further; the first makes it.
const MIGRATIONS: [&str; 1] = ["
CREATE TABLE runs (
    run TEXT PRIMARY KEY NOT NULL,
    agent TEXT NOT NULL,
    session TEXT NOT NULL,
    label TEXT NOT NULL,
    project TEXT NOT NULL,
    task TEXT NOT NULL,
    started INTEGER,
    ended INTEGER,
    outcome TEXT NOT NULL,
    spent_ms INTEGER NOT NULL,
    budget_ms INTEGER NOT NULL,
    worked_ms INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    usd_nano INTEGER NOT NULL,
    is_floor INTEGER NOT NULL,
    tool_calls INTEGER NOT NULL,
    mark TEXT NOT NULL,
    note TEXT NOT NULL,
    source TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_project ON runs (project);
CREATE INDEX runs_by_label ON runs (label);
CREATE TABLE facts (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;
"];

/// Why the ledger can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(
        "{}: written by a newer redkey (layout {found}, this one knows {known})\nhint: use that one, or delete the file: \
         `redkey ledger rebuild` makes it again", .path.display()
    )]
    Newer { path: PathBuf, found: usize, known: usize },
    #[error("{}: {source}\nhint: it can be deleted without loss: `redkey ledger rebuild` makes it again", .path.display())]
    Broken { path: PathBuf, source: rusqlite::Error },
    #[error("cannot make {}: {source}", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
}

/// The open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
}

/// What the rows were made by: under another policy the same runs spend otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Everything that was written before is in it.
    pub until: Stamp,
    /// Digest of the prices that the rows were charged by.
    pub policy: String,
}

impl Ledger {
    /// Opens it, and makes or migrates it where that is needed. Only its user can read it.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let io = |source| LedgerError::Io { path: path.to_owned(), source };
        if let Some(dir) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
        }
        // What SQLite puts beside it takes its mode from it.
        OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(io)?;
        let open = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            Ok(connection)
        };
        let connection = open().map_err(|source| LedgerError::Broken { path: path.to_owned(), source })?;
        let mut ledger = Self { connection, path: path.to_owned() };
        ledger.migrate()?;
        Ok(ledger)
    }

    fn migrate(&mut self) -> Result<(), LedgerError> {
        let path = self.path.clone();
        let broken = |source| LedgerError::Broken { path: path.clone(), source };
        // Two commands may open it at once: the layout is looked at where nobody else can change it.
        let tx = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(broken)?;
        let found: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(broken)?;
        // A negative number is nobody's.
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        if found > MIGRATIONS.len() {
            return Err(LedgerError::Newer { path: path.clone(), found, known: MIGRATIONS.len() });
        }
        for (at, migration) in MIGRATIONS.iter().enumerate().skip(found) {
            tx.execute_batch(migration).map_err(broken)?;
            tx.pragma_update(None, "user_version", (at + 1) as i64).map_err(broken)?;
        }
        tx.commit().map_err(broken)
    }

    fn broken(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::Broken { path: self.path.clone(), source }
    }

    /// What the rows were made by; `None` for a ledger that holds nothing yet.
    pub fn made(&self) -> Result<Option<Made>, LedgerError> {
        let fact = |name: &str| {
            let sql = "SELECT value FROM facts WHERE name = ?1";
            self.connection.query_row(sql, [name], |row| row.get::<_, String>(0)).optional()
        };
        let read = || Ok(fact("until")?.and_then(|until| until.parse().ok()).zip(fact("policy")?));
        let made: Option<(i64, String)> = read().map_err(|error| self.broken(error))?;
        Ok(made.map(|(until, policy)| Made { until: Stamp(until), policy }))
    }

    /// Writes rows over those of the same runs. `anew`: and forgets all others. All of it happens, or nothing.
    pub fn put(&mut self, rows: &[Row], marks: &Marks, made: &Made, anew: bool) -> Result<(), LedgerError> {
        let mut write = || -> rusqlite::Result<()> {
            let tx = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            if anew {
                tx.execute("DELETE FROM runs", [])?;
            }
            for row in rows {
                insert(&tx, row)?;
            }
            tx.execute("UPDATE runs SET mark = '', note = '' WHERE mark <> ''", [])?;
            for (run, marked) in &marks.by_run {
                let sql = "UPDATE runs SET mark = ?2, note = ?3 WHERE run = ?1";
                tx.execute(sql, params![run, marked.mark.name(), marked.note.as_str()])?;
            }
            let sql = "INSERT OR REPLACE INTO facts VALUES ('until', ?1), ('policy', ?2)";
            tx.execute(sql, params![made.until.0.to_string(), made.policy])?;
            tx.commit()
        };
        write().map_err(|source| LedgerError::Broken { path: self.path.clone(), source })
    }

    /// Every run, newest first.
    pub fn rows(&self) -> Result<Vec<Row>, LedgerError> {
        let read = || -> rusqlite::Result<Vec<Row>> {
            let sql = "SELECT agent, session, label, project, task, started, ended, outcome, spent_ms, budget_ms, \
                       worked_ms, tokens, usd_nano, is_floor, tool_calls, mark, note, source FROM runs \
                       ORDER BY ended DESC, run";
            let mut statement = self.connection.prepare(sql)?;
            statement.query_map([], read_row)?.filter_map(Result::transpose).collect()
        };
        read().map_err(|error| self.broken(error))
    }
}

fn insert(connection: &Connection, row: &Row) -> rusqlite::Result<usize> {
    let sql = "INSERT OR REPLACE INTO runs VALUES \
               (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, '', '', ?17)";
    connection.prepare_cached(sql)?.execute(params![
        row.run.to_string(),
        row.run.agent.name(),
        &*row.run.session,
        row.label.as_str(),
        row.project.as_str(),
        row.task.as_str(),
        row.started_at.map(|at| at.0),
        row.ended_at.map(|at| at.0),
        row.outcome.as_str(),
        row.spent_ms.0,
        row.budget_ms.0,
        row.worked_ms.0,
        i64::try_from(row.tokens).unwrap_or(i64::MAX),
        row.cost_usd.0,
        row.cost_is_floor,
        i64::try_from(row.tool_calls).unwrap_or(i64::MAX),
        row.source.as_str(),
    ])
}

/// A row as it stands; `None` for one of an agent that this redkey doesn't know. What is read is cleaned again: anybody
/// may have written to the file.
fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Option<Row>> {
    let text = |at: usize| row.get_ref(at)?.as_str().map(Text::new).map_err(rusqlite::Error::from);
    let span = |at: usize| row.get(at).map(Span);
    let count = |at: usize| row.get(at).map(|n: i64| u64::try_from(n).unwrap_or(0));
    let Some(agent) = crate::domain::event::Agent::parse(text(0)?.as_str()) else { return Ok(None) };
    Ok(Some(Row {
        run: RunId::new(agent, row.get_ref(1)?.as_str()?),
        label: text(2)?,
        project: text(3)?,
        task: text(4)?,
        started_at: row.get::<_, Option<i64>>(5)?.map(Stamp),
        ended_at: row.get::<_, Option<i64>>(6)?.map(Stamp),
        outcome: text(7)?,
        spent_ms: span(8)?,
        budget_ms: span(9)?,
        worked_ms: span(10)?,
        tokens: count(11)?,
        cost_usd: Usd(row.get(12)?),
        cost_is_floor: row.get(13)?,
        tool_calls: count(14)?,
        mark: text(15)?,
        note: text(16)?,
        source: text(17)?,
        form: Form::Disk,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::mark::{Mark, Marked};
    use crate::domain::event::Agent;
    use std::os::unix::fs::PermissionsExt;

    fn row(session: &str, spent: i64) -> Row {
        Row {
            run: RunId::new(Agent::Claude, session),
            label: "l".into(),
            project: "/w/a".into(),
            task: "fix it".into(),
            started_at: Some(Stamp(1)),
            ended_at: Some(Stamp(2)),
            outcome: "finished".into(),
            spent_ms: Span(spent),
            budget_ms: Span::mins(30),
            worked_ms: Span(5),
            tokens: u64::MAX / 4,
            cost_usd: Usd(7),
            cost_is_floor: true,
            tool_calls: 3,
            mark: Text::default(),
            note: Text::default(),
            source: "/w/x.jsonl".into(),
            form: Form::Disk,
        }
    }

    fn made(until: i64) -> Made {
        Made { until: Stamp(until), policy: "p".into() }
    }

    #[test]
    fn rows_and_marks_come_back_as_they_were_put() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/ledger.db");
        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.made().unwrap(), None);
        let mut marks = Marks::default();
        marks.by_run.insert("claude:b".into(), Marked { mark: Mark::Bad, note: "why".into() });
        ledger.put(&[row("a", 1), row("b", 2)], &marks, &made(9), true).unwrap();
        drop(ledger);
        let mut ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.made().unwrap(), Some(made(9)));
        let marked = Row { mark: "bad".into(), note: "why".into(), ..row("b", 2) };
        assert_eq!(ledger.rows().unwrap(), [row("a", 1), marked]);
        ledger.put(&[row("b", 5)], &Marks::default(), &made(10), false).unwrap();
        assert_eq!(ledger.rows().unwrap(), [row("a", 1), row("b", 5)]);
        ledger.put(&[row("c", 5)], &Marks::default(), &made(11), true).unwrap();
        assert_eq!(ledger.rows().unwrap(), [row("c", 5)]);
        for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600);
        }
    }

    #[test]
    fn a_newer_layout_and_a_file_that_is_none_are_errors_that_say_what_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        Ledger::open(&path).unwrap().connection.pragma_update(None, "user_version", 99).unwrap();
        let text = Ledger::open(&path).unwrap_err().to_string();
        assert!(text.contains("newer") && text.contains("ledger rebuild"), "{text}");
        std::fs::write(&path, "this is no database, and never was one; but it is long enough").unwrap();
        let _ = std::fs::remove_file(dir.path().join("ledger.db-wal"));
        let text = Ledger::open(&path).unwrap_err().to_string();
        assert!(text.contains("ledger.db") && text.contains("ledger rebuild"), "{text}");
    }

    #[test]
    fn an_empty_file_and_two_at_once_are_migrated_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ledger.db");
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| Ledger::open(&path).map(drop))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
    }
}
