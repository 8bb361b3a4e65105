//! The one loop: inputs become messages, messages change the model, effects go out, a frame is drawn.
//!
//! Frames are drawn only when something changed, at most [`FRAMES`] a second; everything that has arrived is taken in
//! before a frame. Clocks tick once a second, and not at all while none of them runs.

pub mod replay;

use std::time::Duration;

use anyhow::Result;
use crossterm::event::{Event as TermEvent, EventStream, KeyCode, KeyEvent, KeyModifiers};
use futures_util::StreamExt;
use signal_hook::consts::{SIGCONT, SIGTSTP};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::clock;
use crate::control::hands::Hands;
use crate::control::holds::Holds;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Effect, Model, Msg};
use crate::record::write::watched::Watched;
use crate::sources::{Handle, Request};
use crate::ui::terminal::{self, Guard, Screen};
use crate::ui::theme::{Depth, Theme};
use crate::ui::{Action, Input, Ui};

/// Frames a second at most.
const FRAMES: u64 = 30;
/// Batches waiting between reader and loop; a full channel makes the reader wait, nothing is dropped.
pub const BATCHES: usize = 64;
/// Messages applied before the screen gets its turn again.
const BURST: usize = 256;

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Quit,
    /// A signal asked for it: its number.
    Signal(i32),
}

/// Finds a theme by its name, or says why there is none.
pub type ThemeFinder = Box<dyn Fn(&str) -> Result<Theme>>;

/// Everything the loop owns.
pub struct Runtime {
    pub model: Model,
    pub ui: Ui,
    pub theme: Theme,
    /// Finds a theme by the name that somebody typed.
    pub themes: ThemeFinder,
    pub depth: Depth,
    pub sources: Handle,
    pub hands: Hands,
    /// Who looks for holds; `None`: nobody, and every key is what sockets and the record say.
    pub holds: Option<Holds>,
    pub incoming: mpsc::Receiver<Vec<Msg>>,
    /// The window's title as it stands.
    pub title: Text,
    /// What the model is told is recorded.
    pub record: Option<Watched>,
}

impl Runtime {
    /// Runs until somebody quits. The terminal is left as it was found.
    pub async fn run(mut self, guard: &mut Guard, screen: &mut Screen) -> Result<(Exit, Option<Watched>)> {
        let exit = self.work(guard, screen).await;
        if let Some(record) = &mut self.record {
            record.finish(&self.model, clock::now());
        }
        Ok((exit?, self.record))
    }

    async fn work(&mut self, guard: &mut Guard, screen: &mut Screen) -> Result<Exit> {
        let mut keys = EventStream::new();
        let mut signals = Signals::new()?;
        let mut dirty = true;
        let mut next_frame = tokio_now();
        let mut next_tick = tokio_now() + Duration::from_secs(1);
        loop {
            if dirty && tokio_now() >= next_frame {
                self.draw(guard, screen)?;
                dirty = false;
                next_frame = tokio_now() + Duration::from_millis(1_000 / FRAMES);
            }
            let due = tokio_now() + self.ui.due().map_or(Duration::ZERO, |at| until(at, clock::now()));
            tokio::select! {
                biased;
                Some(signal) = signals.next() => match signal {
                    Signal::End(number) => return Ok(Exit::Signal(number)),
                    Signal::Stop => guard.lend(screen, stop_self)?,
                    // Whoever had the terminal meanwhile left it as they like it.
                    Signal::Continued => {
                        guard.retake(screen)?;
                        dirty = true;
                    }
                },
                key = keys.next() => match key {
                    Some(Ok(event)) => match self.input(event, guard, screen)? {
                        Some(exit) => return Ok(exit),
                        None => dirty = true,
                    },
                    // The terminal is gone.
                    Some(Err(_)) | None => return Ok(Exit::Signal(1)),
                },
                Some(batch) = self.incoming.recv() => dirty |= self.take_in(batch),
                () = sleep_until(next_frame), if dirty => {}
                () = sleep_until(due), if self.ui.due().is_some() => {
                    let now = clock::now();
                    let actions = self.ui.settle(&self.model, now);
                    dirty = true;
                    if let Some(exit) = self.perform(actions, now, guard, screen)? {
                        return Ok(exit);
                    }
                }
                () = sleep_until(next_tick) => {
                    let now = clock::now();
                    dirty |= self.tick(now);
                    next_tick = tokio_now() + self.until_tick(now);
                }
            }
        }
    }

    /// A second has passed; true if the screen is stale.
    fn tick(&mut self, now: Stamp) -> bool {
        self.apply(Msg::Tick, now);
        let trouble = self.record.as_mut().and_then(Watched::trouble);
        let is_told = trouble.is_some_and(|trouble| self.apply(Msg::Control(trouble), now));
        self.tell_live(now);
        is_told || self.is_moving(now)
    }

    /// Applies a batch and whatever else has already arrived; true if the screen is stale.
    fn take_in(&mut self, batch: Vec<Msg>) -> bool {
        let now = clock::now();
        let mut stale = false;
        let mut batch = Some(batch);
        let mut taken = 0;
        while let Some(messages) = batch.take() {
            for msg in messages {
                stale |= self.apply(msg, now);
                taken += 1;
            }
            if taken < BURST {
                batch = self.incoming.try_recv().ok();
            }
        }
        stale
    }

    fn draw(&mut self, guard: &Guard, screen: &mut Screen) -> Result<()> {
        let now = clock::now();
        self.ui.refresh(&self.model, now);
        screen.draw(|frame| crate::ui::draw(frame, &self.model, &self.ui, &self.theme, now))?;
        let title = self.ui.title(&self.model, now);
        if title != self.title {
            guard.title(&title)?;
            self.title = title;
        }
        Ok(())
    }

    fn apply(&mut self, msg: Msg, now: Stamp) -> bool {
        let mut stale = false;
        if let Some(record) = &mut self.record {
            record.note(&msg, &self.model, now);
        }
        for effect in self.model.apply(msg, now) {
            match effect {
                Effect::Redraw => stale = true,
                Effect::ReadHistory { run, id, sources } => self.sources.request(Request::ReadHistory {
                    run,
                    id,
                    sources,
                    rules: self.model.rules.clone(),
                    prices: self.model.prices.clone(),
                }),
                Effect::ReadDetail(origin) => self.sources.request(Request::ReadDetail(origin)),
                effect => {
                    self.hands.perform(&effect);
                }
            }
        }
        stale
    }

    fn input(&mut self, event: TermEvent, guard: &mut Guard, screen: &mut Screen) -> Result<Option<Exit>> {
        let now = clock::now();
        let input = match event {
            TermEvent::Key(key) if key.is_release() => return Ok(None),
            TermEvent::Key(key) if is_ctrl(&key, 'c') => return Ok(Some(Exit::Signal(2))),
            TermEvent::Key(key) => Input::Key(key),
            TermEvent::Paste(text) => Input::Paste(text),
            TermEvent::Mouse(mouse) => Input::Mouse(mouse),
            TermEvent::Resize(columns, rows) => Input::Resize(columns, rows),
            TermEvent::FocusGained | TermEvent::FocusLost => return Ok(None),
        };
        let actions = self.ui.handle(input, &self.model, now);
        self.perform(actions, now, guard, screen)
    }

    fn perform(
        &mut self,
        actions: Vec<Action>,
        now: Stamp,
        guard: &mut Guard,
        screen: &mut Screen,
    ) -> Result<Option<Exit>> {
        for action in actions {
            match action {
                Action::Quit => return Ok(Some(Exit::Quit)),
                Action::Suspend => guard.lend(screen, stop_self)?,
                Action::Mouse(on) => guard.set_mouse(on)?,
                Action::Clear => terminal::clear(screen)?,
                Action::Theme(name) => match (self.themes)(&name) {
                    Ok(theme) => self.theme = theme.at(self.depth),
                    Err(error) => self.ui.say(Text::new(&format!("{error:#}"))),
                },
                Action::Send(msg) => {
                    self.apply(msg, now);
                }
                Action::Redraw | Action::Replay(_) => {}
            }
        }
        Ok(None)
    }

    /// Holds are looked for on runs that live.
    fn tell_live(&self, now: Stamp) {
        if let Some(holds) = &self.holds {
            let rules = &self.model.rules;
            let live = self.model.runs().filter(|run| run.state(now, rules).is_live());
            holds.live(live.map(|run| run.id.clone()).collect());
        }
    }

    /// Time until the next tick: while a stop is under way its lights change twice a second.
    fn until_tick(&self, now: Stamp) -> Duration {
        let second = until_next_second(now);
        if self.ui.is_moving(&self.model, now) {
            second.min(Duration::from_millis(505 - now.0.rem_euclid(500) as u64))
        } else {
            second
        }
    }

    /// Does anything on the screen change by time alone?
    fn is_moving(&self, now: Stamp) -> bool {
        !self.model.progress.is_done()
            || self.ui.is_moving(&self.model, now)
            || self.model.runs().any(|run| run.ticks(now, &self.model.rules))
    }
}

/// The monotonic clock of the timers; `now` for everything else comes from [`clock`].
#[expect(clippy::disallowed_methods, reason = "the loop's own timers")]
fn tokio_now() -> Instant {
    Instant::now()
}

/// Time until `at`; none if it has passed.
fn until(at: Stamp, now: Stamp) -> Duration {
    Duration::from_millis(u64::try_from(at.since(now).0).unwrap_or(0))
}

fn is_ctrl(key: &KeyEvent, letter: char) -> bool {
    key.code == KeyCode::Char(letter) && key.modifiers.contains(KeyModifiers::CONTROL)
}

/// Stops this process as Ctrl-Z does in a shell; returns when it is continued.
fn stop_self() -> std::io::Result<()> {
    // The default action of SIGTSTP, which raw mode keeps the terminal from sending. It is done with SIGSTOP, so no
    // handler sees it.
    signal_hook::low_level::emulate_default_handler(SIGTSTP)
}

/// Ticks fall just after whole seconds, so that all clocks on the screen change together.
fn until_next_second(now: Stamp) -> Duration {
    Duration::from_millis(1_005 - now.0.rem_euclid(1_000) as u64)
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// To end, in order.
    End(i32),
    /// To stop, as on Ctrl-Z.
    Stop,
    /// Nothing: the process was stopped, and goes on.
    Continued,
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    stop: tokio::signal::unix::Signal,
    continued: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(SIGTSTP))?,
            continued: signal(SignalKind::from_raw(SIGCONT))?,
        })
    }

    async fn next(&mut self) -> Option<Signal> {
        tokio::select! {
            biased;
            Some(()) = self.terminate.recv() => Some(Signal::End(15)),
            Some(()) = self.hangup.recv() => Some(Signal::End(1)),
            Some(()) = self.interrupt.recv() => Some(Signal::End(2)),
            Some(()) = self.stop.recv() => Some(Signal::Stop),
            Some(()) = self.continued.recv() => Some(Signal::Continued),
            else => None,
        }
    }
}
