//! `redkey backtest`: a policy, or two, tried on sessions that are over.

mod table;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail};
use serde::Serialize;

use super::sessions::{self, Drawn, Found, Gathered, OfRun};
use super::{Setup, read};
use crate::adapters::Form;
use crate::backtest::{Judge, Known, Session, Summary};
use crate::cli::BacktestArgs;
use crate::domain::event::RunId;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Msg, Place};
use crate::sources::Sink;

/// Everything that was found out.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub policy: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Text>,
    pub summary: Summary,
    /// Live streams and recordings beside a transcript, which were not counted again.
    pub shadowed: usize,
    /// What could not be read.
    pub trouble: Vec<Text>,
    /// Newest first.
    pub sessions: Vec<Session>,
}

pub fn run(setup: &Setup, args: &BacktestArgs, out: &mut dyn Write) -> Result<()> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("standard input is no session that is over\nhint: save it to a file first, and name that");
    }
    let rules = sessions::policy(&args.tried, setup)?.rules;
    let other = args.against.as_deref().map(|name| sessions::policy(name, setup)).transpose()?.map(|p| p.rules);
    let known = sessions::known()?;
    let plan = read::plan(setup, &args.paths, true)?;
    let found = Found::of(&plan, &args.paths);
    let start = || Pair::new(&rules, other.as_ref(), &known, plan.now);
    let mut drawn = Drawn::new("backtest");
    let Gathered { mut rows, shadowed, trouble } =
        sessions::gather(&found, &start, &mut |progress| drawn.draw(progress));
    drop(drawn);
    if rows.is_empty() {
        nothing(&found.places)?;
    }
    rows.sort_by(|a, b| b.last_event_at.cmp(&a.last_event_at).then_with(|| a.run.cmp(&b.run)));
    let name = |path: &Path| Text::new(&path.to_string_lossy());
    let outcome = Outcome {
        policy: name(&args.tried),
        against: args.against.as_deref().map(name),
        summary: Summary::of(&rows),
        shadowed,
        trouble,
        sessions: rows,
    };
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &outcome)?;
        writeln!(out)?;
        return Ok(());
    }
    Ok(table::print(&outcome, out)?)
}

/// No session: where was looked, and what to do.
fn nothing(places: &[Place]) -> Result<()> {
    let mut text = String::from("no session was found. Looked here:\n");
    for place in places {
        let why = match (&place.trouble, place.exists, place.found) {
            (Some(why), ..) => why.to_string(),
            (None, false, _) => "does not exist".into(),
            (None, true, 0) => "nothing there".into(),
            (None, true, n) => format!("{n} files, none with events of a run"),
        };
        text.push_str(&format!("  {}  ({why})\n", place.path));
    }
    text.push_str("hint: name transcripts, recordings or directories: `redkey backtest POLICY PATH…`");
    bail!(text)
}

/// One session under one policy, or under two.
struct Pair<'a> {
    one: Judge<'a>,
    other: Option<Judge<'a>>,
}

impl<'a> Pair<'a> {
    fn new(rules: &Arc<Rules>, other: Option<&Arc<Rules>>, known: &'a Known, now: Stamp) -> Self {
        let prices = Arc::new(Prices::embedded());
        let judge = |rules: &Arc<Rules>| Judge::new(rules.clone(), prices.clone(), known, now);
        Self { one: judge(rules), other: other.map(judge) }
    }
}

impl Sink for Pair<'_> {
    type Out = Vec<Session>;

    fn take(&mut self, msg: Msg) {
        if let Some(other) = &mut self.other
            && let Some(copy) = copy(&msg)
        {
            other.take(copy);
        }
        self.one.take(msg);
    }

    fn take_at(&mut self, msg: Msg, now: Stamp) {
        if let Some(other) = &mut self.other
            && let Some(copy) = copy(&msg)
        {
            other.take_at(copy, now);
        }
        self.one.take_at(msg, now);
    }

    fn finish(self) -> Vec<Session> {
        let mut sessions = self.one.finish();
        let others = self.other.map(Judge::finish).unwrap_or_default();
        // The same messages make the same runs in the same order.
        for (session, other) in sessions.iter_mut().zip(others) {
            session.against = Some(other.policy);
        }
        sessions
    }
}

/// What a judge makes use of.
fn copy(msg: &Msg) -> Option<Msg> {
    match msg {
        Msg::Opened { source, name, form } => Some(Msg::Opened { source: *source, name: name.clone(), form: *form }),
        Msg::State { source, state } => Some(Msg::State { source: *source, state: state.clone() }),
        Msg::Events { source, events } => Some(Msg::Events { source: *source, events: events.clone() }),
        Msg::Control(fact) => Some(Msg::Control(fact.clone())),
        _ => None,
    }
}

impl OfRun for Session {
    fn id(&self) -> &RunId {
        &self.run
    }

    fn form(&self) -> Form {
        self.form
    }

    fn weight(&self) -> u64 {
        self.total.tokens
    }
}
