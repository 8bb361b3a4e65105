//! The meter of a run: finds its sessions, reads them, charges its clock, and decides what the clock decides.
//!
//! - [`decide`], [`total`], [`suspects`] — pure: warnings and zero; several sessions on one clock; calls that went past
//!   the hook. [`core`] puts them together, without IO.
//! - [`sessions`], [`stream`], [`ledger`] — where the sessions are, the file of a run without any, and what the record
//!   says that a run was given.
//!
//! - [`book`] — the run's recording.
//! - [`attend`] — a meter with a socket, for a run that redkey did not start.
//!
//! [`run`] is the process: it ends when its supervisor closes the link. Whatever fails here is told and never stops the
//! run: without a meter there is no clock, but the key still works.

pub mod attend;
pub mod book;
pub mod core;
pub mod decide;
pub mod ledger;
pub mod sessions;
mod setup;
pub mod stream;
mod suspects;
#[cfg(test)]
mod tests;
pub mod total;

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::book::Book;
use self::core::Core;
use self::sessions::Sessions;
pub use self::setup::MeterSetup;
use self::stream::{Stream, Told};
use super::audit::{self, Audit};
use super::link::{self, FromMeter, ToMeter};
use super::protocol::{Metered, RpcError, code};
use crate::adapters::Form;
use crate::clock;
use crate::domain::event::{Agent, Body, Event, Outcome, RunId};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::Msg;

/// Numbers go out at most so often.
const PAUSE: Duration = Duration::from_millis(100);
/// And it is looked at what comes at a known time no sooner than after this, so that rounding makes no busy loop.
const SHORTEST: Duration = Duration::from_millis(5);
/// The clock is looked at so often while it runs.
const TICK: Duration = Duration::from_millis(250);
/// And so often while it stands.
const IDLE: Duration = Duration::from_secs(5);
/// A command in which no agent was recognised for so long is a run of its own; one that looks like an agent has longer.
const UNKNOWN_AFTER: Span = Span(3_000);
const AGENT_AFTER: Span = Span(30_000);
/// So long after the end of a run its last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(250);
/// The number of a source that is no file.
const IN_MEMORY: u32 = u32::MAX;
/// The supervisor takes a meter that says nothing for much longer for one that hangs.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
/// Messages that wait.
const WAITING: usize = 64;

/// Runs until the other end of `link` is closed. To be called in a process (or a thread) of its own.
pub fn run(link: UnixStream, setup: MeterSetup) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let (sender, receiver) = link::split::<FromMeter, ToMeter>(link)?;
    let (tx, inbox) = mpsc::channel(WAITING);
    let told = LastWord(tx.clone());
    receiver.spawn(move |message| told.0.blocking_send(Inbox::Told(message)).is_ok())?;
    let result = runtime.block_on(async { Meter::new(setup, sender, tx).run(inbox).await });
    runtime.shutdown_background();
    result
}

/// Says that the link is closed when it is dropped, which its thread does at its end. The inbox doesn't close by itself:
/// the readers of sessions hold it open.
struct LastWord(mpsc::Sender<Inbox>);

impl Drop for LastWord {
    fn drop(&mut self) {
        let _ = self.0.blocking_send(Inbox::Over); // an error: the meter has ended already
    }
}

/// What wakes the meter.
pub(in crate::control) enum Inbox {
    Told(ToMeter),
    /// The other end of the link is closed.
    Over,
    /// From a reader, whose sources have numbers of its own. `own`: whatever is in there belongs to the run.
    Read {
        reader: u32,
        own: bool,
        msgs: Vec<Msg>,
    },
}

struct Meter {
    core: Core,
    book: Book,
    sessions: Sessions,
    stream: Stream,
    told: Told,
    is_agent: bool,
    /// The session that stands for a run without any.
    pseudo: RunId,
    supervised: bool,
    log: PathBuf,
    sender: link::Sender<FromMeter>,
    last: Option<Metered>,
    writes: Option<Audit>,
    degraded: bool,
    /// When it was last said whether the log can be written.
    said: Instant,
    gone: bool,
}

impl Meter {
    fn new(setup: MeterSetup, sender: link::Sender<FromMeter>, tx: mpsc::Sender<Inbox>) -> Self {
        let (book, old) = Book::open(&setup, clock::now());
        let mut core = Core::new(setup.config(), setup.rules.clone(), setup.prices.clone());
        // Where another meter was before this one, the clock goes on from what that one was told.
        old.into_iter().for_each(|beat| {
            let at = beat.at;
            beat.into_msg().into_iter().for_each(|msg| core.read(msg, at));
        });
        let mut meter = Self {
            core,
            book,
            stream: Stream::new(&setup.state, setup.run.as_str()),
            told: setup.told(),
            is_agent: setup.agent.is_some(),
            pseudo: RunId::new(Agent::Native, setup.run.as_str()),
            supervised: setup.session.is_none(),
            log: setup.state.join("audit.jsonl"),
            sender,
            last: None,
            writes: setup.log.clone(),
            degraded: false,
            said: tokio_now(),
            gone: false,
            sessions: Sessions::new(setup.env.clone(), setup.root, tx),
        };
        match &setup.session {
            Some((agent, id, transcript)) => {
                let id = RunId::new(*agent, id.as_str());
                meter.attach(id.clone());
                meter.core.fall_behind(setup.started);
                meter.sessions.know(id, transcript.clone());
            }
            None => {
                let run = setup.run.as_str();
                let files = [stream::events(&setup.state, run), stream::output(&setup.state, run)];
                meter.sessions.read(files.into(), true);
            }
        }
        meter
    }

    async fn run(mut self, mut inbox: mpsc::Receiver<Inbox>) -> Result<()> {
        let mut next_tick = tokio_now();
        let mut last_tick = next_tick;
        let mut next_send = tokio_now();
        let mut dirty = true;
        while !self.gone {
            let wake = if dirty { next_send.min(next_tick) } else { next_tick };
            tokio::select! {
                biased;
                message = inbox.recv() => match message {
                    Some(message) => {
                        self.take(message);
                        dirty = true;
                        // What was read may have brought the clock to a point.
                        next_tick = next_tick.min(last_tick + PAUSE);
                    }
                    None => break,
                },
                () = sleep_until(wake) => {}
            }
            let now = clock::now();
            if tokio_now() >= next_tick {
                self.tick(now);
                last_tick = tokio_now();
                next_tick = last_tick + self.pause(now);
                dirty = true;
            }
            self.say();
            if dirty && tokio_now() >= next_send {
                self.tell(now);
                dirty = false;
                next_send = tokio_now() + PAUSE;
            }
        }
        self.end("the supervisor is gone", Outcome::Interrupted);
        self.drain(&mut inbox).await;
        self.book.finish(&self.core, clock::now());
        Ok(())
    }

    /// What the agent wrote last may still be on its way here; it belongs into the recording.
    async fn drain(&mut self, inbox: &mut mpsc::Receiver<Inbox>) {
        let until = tokio_now() + LAST_WORDS;
        while let Ok(Some(message)) = tokio::time::timeout_at(until, inbox.recv()).await {
            self.take(message);
            self.say();
        }
    }

    /// How long nothing has to be looked at.
    fn pause(&self, now: Stamp) -> Duration {
        let gate = self.core.next_due().map(|at| span(at.since(now)));
        let usual = if self.core.is_moving(now) { TICK } else { IDLE };
        let look = self.sessions.next_look().saturating_sub(clock::elapsed());
        let unknown = if self.is_unknown() { TICK } else { IDLE };
        let pause = [usual, look, unknown, SIGN_OF_LIFE].into_iter().fold(IDLE, Duration::min).max(PAUSE);
        // These are points in time: a person sees a second that is late, and an agent uses it.
        let points = [gate, self.core.runs_out_in(now).map(span)].into_iter().flatten();
        points.map(|point| point.max(SHORTEST)).fold(pause, Duration::min)
    }

    fn take(&mut self, message: Inbox) {
        let now = clock::now();
        match message {
            Inbox::Told(ToMeter::Ended(ended)) => {
                let (outcome, reason) = book::outcome(ended);
                // One last look: what was short had no time to be recognised.
                self.look(now);
                if self.is_unknown() {
                    self.begin();
                }
                self.end(&reason, outcome);
                self.book.ended(outcome, &reason);
                self.core.told(ToMeter::Ended(ended), now);
            }
            Inbox::Told(message) => {
                if let ToMeter::Stop(stop) = &message {
                    self.book.stopped(stop, self.core.sessions(), now);
                }
                self.core.told(message, now);
            }
            Inbox::Over => self.gone = true,
            Inbox::Read { reader, own, msgs } => {
                self.sessions.note(reader, &msgs);
                for msg in msgs {
                    if let (Msg::Events { events, .. }, true) = (&msg, own) {
                        events.iter().for_each(|(event, _)| self.attach(event.run.clone()));
                    }
                    if let Some(msg) = sessions::renumbered(msg, reader) {
                        self.read(msg, now);
                    }
                }
                self.caught_up(now);
            }
        }
    }

    fn caught_up(&mut self, now: Stamp) {
        if self.sessions.is_read() {
            self.core.caught_up(now);
        }
    }

    /// Something new for the model; it is recorded as it is told.
    fn read(&mut self, msg: Msg, now: Stamp) {
        if let Some(msg) = self.book.news(msg) {
            self.book.read(&msg, now);
            self.core.read(msg, now);
        }
    }

    fn tick(&mut self, now: Stamp) {
        self.look(now);
        let patience = if self.is_agent { AGENT_AFTER } else { UNKNOWN_AFTER };
        if self.is_unknown() && now.since(self.told.started) >= patience {
            self.begin();
        }
        if self.core.sessions().contains(&self.pseudo) {
            // A full disk must not stop the clock.
            if self.stream.beat(now).is_err() {
                self.in_memory(Body::Message { text: Text::default(), thinking: true });
            }
        }
        self.core.tick(now);
    }

    /// Sessions that have come up.
    fn look(&mut self, now: Stamp) {
        for id in self.sessions.look(now) {
            if self.core.sessions().contains(&self.pseudo) && id != self.pseudo {
                let pseudo = self.pseudo.clone();
                self.core.detach(&pseudo);
                let _ = self.stream.end(now, Outcome::Finished, &format!("it is {id}"));
            }
            self.attach(id);
        }
        if !self.sessions.is_read() {
            self.core.fall_behind(now);
        }
        self.caught_up(now);
    }

    fn attach(&mut self, id: RunId) {
        if self.core.sessions().contains(&id) || (id == self.pseudo && self.sessions.any_known()) {
            return;
        }
        // What was recorded before this run began; what it is given itself it knows.
        let records = audit::read(&self.log).map(|log| log.records).unwrap_or_default();
        let before: Vec<_> = records.into_iter().filter(|record| record.at < self.told.started).collect();
        let given = audit::budget_of(&before, &id.to_string());
        let own = (self.core.config.budget, self.core.config.caps);
        self.book.attached(&id, &before, own, clock::now());
        self.core.attach(id, given.budget, given.granted);
    }

    /// Nothing is known of what runs here.
    fn is_unknown(&self) -> bool {
        self.supervised && self.core.sessions().is_empty() && !self.stream.is_told()
    }

    fn begin(&mut self) {
        let told = self.told.clone();
        if self.stream.start(&told).is_err() {
            // No screen lists it then; its clock runs all the same.
            self.in_memory(Body::Prompt { text: told.command });
        }
    }

    /// An event of the run that stands for a command, where its stream can't be written.
    fn in_memory(&mut self, body: Body) {
        let now = clock::now();
        if !self.core.sessions().contains(&self.pseudo) {
            self.attach(self.pseudo.clone());
            let name = Text::new("in memory");
            self.read(Msg::Opened { source: IN_MEMORY, name, form: Some(Form::Stream) }, now);
        }
        let event = Event { run: self.pseudo.clone(), branch: None, at: Some(now), body };
        self.read(Msg::Events { source: IN_MEMORY, events: vec![(event, 0)] }, now);
    }

    fn end(&mut self, reason: &str, outcome: Outcome) {
        let _ = self.stream.end(clock::now(), outcome, reason);
    }

    /// Sends what was decided.
    fn say(&mut self) {
        for line in std::mem::take(&mut self.core.lines) {
            let _ = self.stream.append(&line);
        }
        for message in self.core.take() {
            if let FromMeter::Event(raw) = &message
                && let Ok(fact) = serde_json::from_str(raw.0.get())
            {
                self.book.said(&fact, self.core.sessions(), clock::now());
            }
            self.gone |= self.sender.send(&message).is_err();
        }
    }

    fn tell(&mut self, now: Stamp) {
        let degraded = self.writes.as_ref().is_some_and(Audit::is_degraded);
        let now_said = tokio_now();
        if degraded != self.degraded || now_said >= self.said + SIGN_OF_LIFE / 2 {
            (self.degraded, self.said) = (degraded, now_said);
            self.gone |= self.sender.send(&FromMeter::Degraded(degraded)).is_err();
        }
        self.book.trouble().into_iter().for_each(|trouble| self.core.note(trouble));
        let metered = self.core.metered(now);
        self.book.metered(&metered, &self.core, now);
        if self.last.as_ref() != Some(&metered) {
            self.gone |= self.sender.send(&FromMeter::Metered(Box::new(metered.clone()))).is_err();
            self.last = Some(metered);
        }
    }
}

fn span(span: Span) -> Duration {
    Duration::from_millis(u64::try_from(span.0).unwrap_or(0))
}

#[expect(clippy::disallowed_methods, reason = "the loop's own timers")]
fn tokio_now() -> Instant {
    Instant::now()
}

/// The answer to calls that only a meter can answer, where there is none.
pub fn no_meter() -> RpcError {
    RpcError { code: code::NO_METER, message: Text::new("the run's meter isn't there; the key works without it") }
}
