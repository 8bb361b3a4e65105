//! `redkey replay`: runs that are over (or go on), seen again as they were.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Setup, needs_terminal, read, watch};
use crate::cli::{Cli, ReplayArgs};
use crate::clock;
use crate::config::Dirs;
use crate::control::audit;
use crate::control::meter::ledger;
use crate::domain::policy::Policy;
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::Model;
use crate::record::store::Store;
use crate::record::track::Recorded;
use crate::record::transcript::Transcript;
use crate::replay::cursor::Reader;
use crate::replay::facts::{Known, WithFacts, known};
use crate::replay::index::{Indexer, Read};
use crate::replay::marks::Kind;
use crate::replay::track::Together;
use crate::replay::{Moment, Player, Reel, Speed, Steps, Track, player};
use crate::report::Report;
use crate::runtime::replay::{Deck, Loaded};
use crate::ui::{Transport, Ui};

/// Pieces read ahead of the loop.
const AHEAD: usize = 4;
pub(super) const NOTHING: &str = "it holds no events of a run";

pub fn run(cli: &Cli, setup: &Setup, args: &ReplayArgs, out: &mut dyn Write) -> Result<u8> {
    let at = args.at.as_deref().map(Moment::parse).transpose().map_err(anyhow::Error::msg)?;
    let player = player_of(args)?;
    if args.json {
        let track = track(setup, &args.runs)?;
        state_at(setup, track, at, out)?;
        return Ok(0);
    }
    needs_terminal("`redkey replay RUN --at TIME --json` prints the state at a moment")?;
    let track = track(setup, &args.runs)?;
    screen(cli, setup, track, player, at)
}

fn player_of(args: &ReplayArgs) -> Result<Player> {
    let speed = args.speed.as_deref().map(Speed::parse).transpose().map_err(anyhow::Error::msg)?;
    let cap = args.idle_cap.filter(|cap| *cap > Span::ZERO);
    Ok(Player::new(!args.paused, speed.unwrap_or(Speed::Times(1.0)), cap))
}

pub(super) fn model(setup: &Setup) -> Model {
    Model::new(setup.rules.clone(), Arc::new(Prices::embedded()))
}

/// A recording brings the policy that was in force; what brings none is charged by the one in force now.
pub(super) fn reader() -> Reader {
    Arc::new(|recorded| {
        let mut policy: Policy = toml::from_str(&recorded.toml).ok()?;
        policy.budget.rules.iter_mut().take(recorded.project_rules).for_each(|rule| rule.tightens = true);
        policy.materiality.iter_mut().take(recorded.project_globs).for_each(|rule| rule.tightens = true);
        Rules::compile(policy).ok().map(Arc::new)
    })
}

/// Everything that was named, on one time axis.
pub(super) fn track(setup: &Setup, names: &[String]) -> Result<Steps> {
    let mut tracks: Vec<Box<dyn Track>> = Vec::new();
    let mut known: Option<Arc<Known>> = None;
    for name in names {
        match recording(name)? {
            Some(recorded) => tracks.push(Box::new(recorded)),
            None => {
                let known = known.get_or_insert_with(|| Arc::new(facts()));
                for transcript in transcripts(setup, name)? {
                    tracks.push(Box::new(WithFacts::new(Box::new(transcript), known.clone())));
                }
            }
        }
    }
    match tracks.len() {
        0 => bail!("nothing to replay was found"),
        _ => Ok(Steps::new(Box::new(Together::new(tracks)))),
    }
}

/// What the record of control knows of runs that are read from their own files.
fn facts() -> Known {
    Dirs::find().map_or_else(Known::new, |dirs| known(ledger::read(&audit::path(&dirs))))
}

/// The recording that a name means; `None`: it is none.
fn recording(name: &str) -> Result<Option<Recorded>> {
    let path = Path::new(name);
    if path.is_dir() || name == "-" {
        return Ok(None);
    }
    if path.exists() {
        use crate::record::TapeError;
        return match Recorded::open(path) {
            Ok(recorded) => Ok(Some(recorded)),
            Err(TapeError::NotOne(_) | TapeError::Read(_)) => Ok(None),
            Err(newer) => Err(newer.into()),
        };
    }
    let Some(found) = Dirs::find().and_then(|dirs| Store::of(&dirs).find(name).ok()) else { return Ok(None) };
    Ok(Some(Recorded::open(&found)?))
}

/// The transcripts that a name means: a file, what is below a directory, or one run by its id.
fn transcripts(setup: &Setup, name: &str) -> Result<Vec<Transcript>> {
    if name == "-" || Path::new(name).exists() {
        return Ok(Transcript::all(&read::plan(setup, &[PathBuf::from(name)], true)?)?);
    }
    let (model, number) = read::one_run(setup, name)?;
    let sources = model.sources_of(number).iter().filter_map(|source| model.source(*source));
    // The first file of a run brings the others along.
    let path = sources.map(|source| PathBuf::from(source.name.as_str())).next().context("the run has gone")?;
    Ok(Transcript::all(&read::plan(setup, &[path], true)?)?)
}

/// The state at a moment, as one JSON object.
#[derive(Serialize)]
struct State {
    redkey: &'static str,
    at: String,
    at_ms: Stamp,
    start_ms: Stamp,
    end_ms: Stamp,
    percent: f64,
    /// Steps taken, and of how many.
    step: u64,
    steps: u64,
    /// How many there have been up to here.
    marks: BTreeMap<&'static str, usize>,
    gates: usize,
    trouble: Option<Text>,
    runs: Vec<Report>,
}

/// All of it, read; at its start.
pub(super) fn whole(setup: &Setup, steps: Steps) -> Result<Reel> {
    let mut reel = Reel::new(model(setup), reader());
    let mut indexer = Indexer::new(steps, model(setup), reader());
    loop {
        match indexer.read() {
            Read::Piece(piece) => reel.push(*piece),
            Read::Trouble(why) => reel.complain(why),
            Read::End => break,
        }
    }
    reel.finish();
    if reel.is_empty() {
        bail!("{}", reel.trouble().map_or(NOTHING, Text::as_str));
    }
    Ok(reel)
}

fn state_at(setup: &Setup, steps: Steps, at: Option<Moment>, out: &mut dyn Write) -> Result<()> {
    let mut reel = whole(setup, steps)?;
    let moment = at.unwrap_or(Moment::Percent(100.0));
    let (start, end) = (reel.start(), reel.end());
    reel.seek_time(moment.resolve(start, end, clock::utc_offset()));
    let Some(model) = reel.model() else { return Ok(()) };
    let now = reel.now();
    let count = |kind: Kind| {
        let so_far = reel.marks().others().iter().filter(|mark| mark.index <= reel.index());
        (kind.name(), so_far.filter(|mark| mark.kinds & 1 << kind as u8 != 0).count())
    };
    let state = State {
        redkey: "state",
        at: rfc3339(now),
        at_ms: now,
        start_ms: start,
        end_ms: end,
        percent: player::percent(now, start, end),
        step: reel.index(),
        steps: reel.len(),
        marks: Kind::ALL.map(count).into_iter().collect(),
        gates: model.gates().len(),
        trouble: reel.trouble().cloned(),
        runs: model.runs().map(|run| Report::of(run, now, &model.rules, false)).collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &state)?;
    writeln!(out)?;
    Ok(())
}

fn rfc3339(at: Stamp) -> String {
    let time = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Reads in the background, in pieces; the loop takes them as it can.
fn load(steps: Steps, model: Model, tx: mpsc::Sender<Loaded>) -> std::io::Result<()> {
    std::thread::Builder::new().name("replay".into()).spawn(move || {
        let mut indexer = Indexer::new(steps, model, reader());
        loop {
            let read = indexer.read();
            let is_end = matches!(read, Read::End);
            if tx.blocking_send(Loaded::Read(read)).is_err() || is_end {
                return;
            }
        }
    })?;
    Ok(())
}

fn screen(cli: &Cli, setup: &Setup, steps: Steps, player: Player, at: Option<Moment>) -> Result<u8> {
    let look = watch::look(cli, setup)?;
    let (tx, incoming) = mpsc::channel(AHEAD);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let exit = runtime.block_on(async {
        let (mut guard, mut screen) = crate::ui::terminal::Guard::take(look.options.mouse)?;
        load(steps, model(setup), tx.clone())?;
        let utc_offset = look.options.utc_offset;
        let deck = Deck {
            reel: Reel::new(model(setup), reader()),
            player,
            ui: Ui::new(look.options),
            theme: look.theme,
            themes: look.themes,
            depth: look.depth,
            incoming,
            tx,
            utc_offset,
            at,
            title: Text::default(),
            transport: Transport::default(),
            wanted: Arc::default(),
        };
        deck.run(&mut guard, &mut screen).await
    })?;
    runtime.shutdown_background();
    Ok(watch::exit_code(exit))
}
