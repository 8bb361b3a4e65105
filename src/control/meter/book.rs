//! The recording of a run, as its meter writes it: everything that is read of the sessions, what is decided, and what
//! the clock said. Whatever fails here is told as a note; the run and its clock go on.

use std::path::PathBuf;

use super::MeterSetup;
use super::core::Core;
use super::ledger;
use crate::control::audit;
use crate::control::link::Ended as ProcessEnd;
use crate::control::protocol::{Metered, Status};
use crate::control::words::{self, Stop};
use crate::domain::event::{Key, Outcome, RunId};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Fact, Hold, Msg};
use crate::record::format::{Ended, Header, Mark, VERSION};
use crate::record::read;
use crate::record::store::{self, Recording};
use crate::record::tape::{Beat, Side, TapeMsg};
use crate::record::write::already::Already;
use crate::record::write::{Recorder, append};

/// The clock's reading goes into the recording so often while it moves.
const SUM: Span = Span(10_000);
/// Changes of the status that are numbers alone, at most so often.
const NUMBERS: Span = Span(1_000);

/// The recording under way.
pub(super) struct Book {
    recording: Option<Recording>,
    recorder: Option<Recorder>,
    path: PathBuf,
    already: Already,
    /// Sessions whose budget and grants the recording has.
    known: Vec<RunId>,
    status: Status,
    supervised: bool,
    told: Option<Metered>,
    told_at: Stamp,
    summed_at: Stamp,
    spent: Option<Span>,
    /// A note for the person, as long as it wasn't told.
    trouble: Option<Text>,
    was_in_trouble: bool,
    ended: Option<(Outcome, String)>,
    grants: u64,
}

impl Book {
    /// Opens the run's recording. Of one that a meter before this one has begun, what it holds: the model is told it
    /// again.
    pub fn open(setup: &MeterSetup, now: Stamp) -> (Self, Vec<Beat>) {
        let mut book = Self {
            recording: setup.record.clone(),
            recorder: None,
            path: PathBuf::new(),
            already: Already::default(),
            known: Vec::new(),
            status: status(setup),
            supervised: setup.session.is_none(),
            told: None,
            told_at: Stamp::default(),
            summed_at: now,
            spent: None,
            trouble: None,
            was_in_trouble: false,
            ended: None,
            grants: 0,
        };
        let Some(recording) = book.recording.clone() else { return (book, vec![]) };
        book.path = recording.store.dir.join(format!("{}.jsonl", setup.run));
        book.already = Already::new(recording.redactor.clone());
        match book.begin(&recording, setup, now) {
            Ok(old) => (book, old),
            Err(error) => {
                book.trouble = Some(Text::new(&format!("NOT RECORDED: {}: {error}", book.path.display())));
                (book, vec![])
            }
        }
    }

    fn begin(&mut self, recording: &Recording, setup: &MeterSetup, now: Stamp) -> std::io::Result<Vec<Beat>> {
        let (mut appender, found) = append::open(&self.path, recording.redactor.clone(), now)?;
        let mut old = Vec::new();
        if found.is_old {
            let tape = read::open(&self.path).map_err(std::io::Error::other)?;
            for beat in tape.map_while(Result::ok) {
                self.already.note(&beat);
                if let TapeMsg::Control(Fact::Budget { run, .. }) = &beat.msg {
                    self.known.push(run.clone());
                }
                // What control told stands in its own record, and is told from there.
                if !matches!(beat.msg, TapeMsg::Control(_) | TapeMsg::Side(_) | TapeMsg::Tick) {
                    old.push(beat);
                }
            }
            let mark = Mark { what: Text::new("restart"), by: Text::new("redkey"), ..Mark::default() };
            appender.take(&Beat { at: now, msg: TapeMsg::Side(Side::Mark(mark)) });
        } else {
            appender.begin(&header(setup));
            appender.take(&Beat { at: now, msg: TapeMsg::Side(Side::Policy(recording.policy.clone())) });
        }
        // An empty disk quota must show at once, and not when the first event comes.
        appender.write();
        self.recorder = Some(Recorder::start(appender)?);
        Ok(old)
    }

    /// What is new of something that was read, with the numbers that its source has in the recording.
    pub fn news(&mut self, msg: Msg) -> Option<Msg> {
        if self.recorder.is_some() { self.already.news(msg) } else { Some(msg) }
    }

    /// What the model is told.
    pub fn read(&self, msg: &Msg, now: Stamp) {
        if let (Some(recorder), Some(beat)) = (&self.recorder, Beat::of(msg, now)) {
            recorder.take(vec![beat]);
        }
    }

    fn facts(&self, facts: impl IntoIterator<Item = Fact>, now: Stamp) {
        if let Some(recorder) = &self.recorder {
            recorder.take(facts.into_iter().map(|fact| Beat { at: now, msg: TapeMsg::Control(fact) }).collect());
        }
    }

    fn side(&self, side: Side, now: Stamp) {
        if let Some(recorder) = &self.recorder {
            recorder.take(vec![Beat { at: now, msg: TapeMsg::Side(side) }]);
        }
    }

    /// A session belongs to the run. `before`: what the record of control says from before the run began.
    pub fn attached(
        &mut self,
        id: &RunId,
        before: &[audit::Record],
        setup: (Option<Span>, Option<crate::domain::policy::Caps>),
        now: Stamp,
    ) {
        if self.recorder.is_none() || self.known.contains(id) {
            return;
        }
        self.known.push(id.clone());
        let mut ledger = ledger::Ledger::default();
        let is_of = |fact: &Fact| match fact {
            Fact::Budget { run, .. } | Fact::Grant { run, .. } => run == id,
            _ => false,
        };
        let old: Vec<Fact> = before.iter().flat_map(|record| ledger.take(record)).filter(is_of).collect();
        let has_budget = old.iter().any(|fact| matches!(fact, Fact::Budget { budget: Some(_), .. }));
        let (budget, caps) = (setup.0.filter(|_| !has_budget), setup.1);
        let label = self.status.label.clone();
        let own = Fact::Budget { run: id.clone(), budget, caps, label, by: Text::default() };
        self.facts(old.into_iter().chain([own]), now);
    }

    /// What was decided, as it goes into the record of control.
    pub fn said(&mut self, fact: &audit::Fact, sessions: &[RunId], now: Stamp) {
        if let audit::Fact::Granted { amount_ms, by, reason, .. } = fact {
            self.grants += 1;
            let key = Key::of(&["recording", self.status.run.as_str(), &now.0.to_string(), &self.grants.to_string()]);
            let by = ledger::who(by);
            let grant = |run: &RunId| Fact::Grant {
                run: run.clone(),
                key,
                amount: *amount_ms,
                by: by.clone(),
                reason: reason.clone(),
                at: now,
            };
            self.facts(sessions.iter().map(grant), now);
        }
        self.side(Side::Audit(Box::new(fact.clone())), now);
    }

    /// A stop has come to another stage.
    pub fn stopped(&mut self, stop: &Stop, sessions: &[RunId], now: Stamp) {
        self.status.stop = Some(stop.clone());
        let told = |run: &RunId| Fact::Stopped { run: run.clone(), stop: Box::new(stop.clone()) };
        self.facts(sessions.iter().map(told), now);
    }

    /// The status as it goes out: into the recording where it changed, its numbers not as often as they change.
    pub fn metered(&mut self, metered: &Metered, core: &Core, now: Stamp) {
        if self.recorder.is_none() {
            return;
        }
        let same = |a: &Metered, b: &Metered| (&a.sessions, &a.gates, &a.notes) == (&b.sessions, &b.gates, &b.notes);
        let numbers_alone = self.told.as_ref().is_some_and(|told| same(told, metered));
        let is_shared = metered.sessions.len() > 1;
        let is_due = !numbers_alone || (is_shared && now.since(self.told_at) >= NUMBERS);
        if is_due && self.told.as_ref() != Some(metered) {
            self.told = Some(metered.clone());
            self.told_at = now;
            self.status.metered = metered.clone();
            self.facts(core.sessions().iter().map(|run| Fact::Hold(self.hold(run))), now);
        }
        let spent = metered.clock.as_ref().map(|clock| clock.spent_ms);
        if now.since(self.summed_at) >= SUM && spent != self.spent {
            self.sum(core, now);
        }
    }

    fn hold(&self, run: &RunId) -> Hold {
        let key = if self.supervised { words::Key::Supervised } else { words::Key::Hooked };
        Hold { key, status: Some(Box::new(self.status.clone())), ..Hold::none(run.clone(), "") }
    }

    fn sum(&mut self, core: &Core, now: Stamp) {
        if let Some(sum) = core.sum(now) {
            self.summed_at = now;
            self.spent = Some(Span(sum.spent));
            self.side(Side::Sum(Box::new(sum)), now);
        }
    }

    /// Something to tell the person that they weren't told.
    pub fn trouble(&mut self) -> Option<Text> {
        if let Some(trouble) = self.trouble.take() {
            return Some(trouble);
        }
        let recorder = self.recorder.as_ref()?;
        let why = recorder.trouble();
        let was = std::mem::replace(&mut self.was_in_trouble, why.is_some());
        match (was, why) {
            (false, Some(why)) => Some(Text::new(&format!("RECORDING STOPPED: {why}"))),
            (true, None) if recorder.lost() > 0 => {
                Some(Text::new(&format!("recording again; {} records are missing", recorder.lost())))
            }
            (true, None) => Some(Text::new("recording again; nothing is missing")),
            _ => None,
        }
    }

    pub fn ended(&mut self, outcome: Outcome, reason: &str) {
        self.ended.get_or_insert_with(|| (outcome, reason.to_owned()));
    }

    /// The last sum and the end; then the file is packed, and what is too old goes.
    pub fn finish(mut self, core: &Core, now: Stamp) {
        self.sum(core, now);
        let (Some(recorder), Some(recording)) = (self.recorder.take(), self.recording.take()) else { return };
        let (outcome, reason) = self.ended.take().unwrap_or((Outcome::Interrupted, String::new()));
        let end = Ended { outcome: Text::new(outcome.name()), reason: Text::new(&reason).into(), ..Ended::default() };
        if recorder.finish(end, now) {
            // What can't be packed stays as it is; what can't be removed is tried the next time.
            let _ = store::pack_file(&self.path);
            let _ = recording.store.prune(recording.keep, u64::from(recording.keep_mb) << 20, now, false);
        }
    }
}

fn header(setup: &MeterSetup) -> Header {
    Header {
        redkey: Text::new("recording"),
        v: Text::new(&VERSION.to_string()),
        run: setup.run.clone(),
        agent: setup.agent,
        label: setup.label.clone().into(),
        command: setup.command.clone().into(),
        cwd: setup.cwd.clone().into(),
        started: setup.started,
        from: Text::new("run"),
        by: Text::new(concat!("redkey ", env!("CARGO_PKG_VERSION"))),
        redacted: true,
    }
}

/// The run's status as far as its meter knows it.
fn status(setup: &MeterSetup) -> Status {
    Status {
        run: setup.run.clone(),
        label: setup.label.clone(),
        command: setup.command.clone(),
        cwd: setup.cwd.clone(),
        started: setup.started,
        leader: None,
        supervisor: None,
        guardian: None,
        grade: None,
        grade_why: Text::default(),
        at_zero: setup.at_zero,
        alive: 0,
        stop: None,
        meter: true,
        metered: Metered::default(),
        audit_degraded: false,
    }
}

/// How an end is told.
pub(super) fn outcome(ended: ProcessEnd) -> (Outcome, String) {
    match (ended.code, ended.signal) {
        (Some(0), _) => (Outcome::Finished, "exit code 0".into()),
        (Some(code), _) => (Outcome::Failed, format!("exit code {code}")),
        (None, Some(signal)) => (Outcome::Interrupted, format!("signal {signal}")),
        (None, None) => (Outcome::Finished, String::new()),
    }
}
