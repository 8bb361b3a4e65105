//! The loop of a replay: the same screen, driven by recorded time. Nothing goes out: what would act on a run is dropped.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use crossterm::event::{Event as TermEvent, EventStream};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::{Exit, FRAMES, Signal, Signals, ThemeFinder, is_ctrl, stop_self, tokio_now};
use crate::clock;
use crate::domain::text::Text;
use crate::domain::time::Span;
use crate::engine::{Effect, Msg, Progress};
use crate::replay::index::Read;
use crate::replay::{Ask, Moment, Player, Reel};
use crate::sources::read_text;
use crate::ui::terminal::{self, Guard, Screen};
use crate::ui::theme::{Depth, Theme};
use crate::ui::{Action, Input, Transport, Ui};

/// So much of a frame's time may be played in.
const PLAY: Duration = Duration::from_millis(20);

/// What comes in beside keys.
pub enum Loaded {
    Read(Read),
    /// Asked for by a run that is looked at, and by that many requests before it.
    Past(u64, Msg),
    Detail(Msg),
}

/// Everything the loop owns.
pub struct Deck {
    pub reel: Reel,
    pub player: Player,
    pub ui: Ui,
    pub theme: Theme,
    pub themes: ThemeFinder,
    pub depth: Depth,
    pub incoming: mpsc::Receiver<Loaded>,
    /// For what is read in the background.
    pub tx: mpsc::Sender<Loaded>,
    pub utc_offset: Span,
    /// Where to begin.
    pub at: Option<Moment>,
    pub title: Text,
    pub transport: Transport,
    /// Requests for a run's past so far; who reads for an older one gives up.
    pub wanted: Arc<AtomicU64>,
}

impl Deck {
    /// Runs until somebody quits. The terminal is left as it was found.
    pub async fn run(mut self, guard: &mut Guard, screen: &mut Screen) -> Result<Exit> {
        let mut keys = EventStream::new();
        let mut signals = Signals::new()?;
        let mut dirty = true;
        let mut next_frame = tokio_now();
        let mut played = tokio_now();
        loop {
            if (dirty || self.player.moves(&self.reel)) && tokio_now() >= next_frame {
                dirty |= self.play(&mut played);
                if dirty {
                    self.draw(guard, screen)?;
                }
                dirty = false;
                next_frame = tokio_now() + Duration::from_millis(1_000 / FRAMES);
            }
            tokio::select! {
                biased;
                Some(signal) = signals.next() => match signal {
                    Signal::End(number) => return Ok(Exit::Signal(number)),
                    Signal::Stop => guard.lend(screen, stop_self)?,
                    Signal::Continued => {
                        guard.retake(screen)?;
                        played = tokio_now();
                        dirty = true;
                    }
                },
                key = keys.next() => match key {
                    Some(Ok(event)) => match self.input(event, guard, screen)? {
                        Some(exit) => return Ok(exit),
                        None => dirty = true,
                    },
                    Some(Err(_)) | None => return Ok(Exit::Signal(1)),
                },
                () = sleep_until(next_frame), if dirty || self.player.moves(&self.reel) => {}
                Some(loaded) = self.incoming.recv() => {
                    self.take_in(loaded);
                    dirty = true;
                }
            }
        }
    }

    /// Lets the time since the last frame pass; true if anything may look different now.
    fn play(&mut self, played: &mut Instant) -> bool {
        let now = tokio_now();
        let real = Span(i64::try_from(now.duration_since(*played).as_millis()).unwrap_or(0));
        // A frame that comes much later than it should is no reason to jump.
        let real = real.min(Span(250));
        *played = now;
        let before = (self.reel.index(), self.reel.now());
        let began = clock::elapsed();
        self.player.advance(&mut self.reel, real, &mut || clock::elapsed().saturating_sub(began) < PLAY);
        before != (self.reel.index(), self.reel.now())
    }

    fn take_in(&mut self, loaded: Loaded) {
        match loaded {
            Loaded::Read(Read::Piece(piece)) => {
                let is_first = self.reel.is_empty();
                self.reel.push(*piece);
                match self.at.filter(|at| !at.needs_end()) {
                    Some(at) if at.resolve(self.reel.start(), self.reel.end(), self.utc_offset) < self.reel.end() => {
                        self.at = None;
                        self.ask(Ask::To(at));
                    }
                    // The first moment with all that happens in it: an empty screen tells nothing.
                    _ if is_first => self.reel.seek_time(self.reel.start()),
                    _ => {}
                }
            }
            Loaded::Read(Read::Trouble(why)) => {
                self.ui.warn(why.clone());
                self.reel.complain(why);
            }
            Loaded::Read(Read::End) => {
                self.reel.finish();
                if let Some(at) = self.at.take() {
                    self.ask(Ask::To(at));
                }
            }
            Loaded::Past(turn, msg) if turn == self.wanted.load(Ordering::Relaxed) => {
                self.reel.tell(msg);
            }
            Loaded::Past(..) => {}
            Loaded::Detail(msg) => {
                self.reel.tell(msg);
            }
        }
    }

    fn ask(&mut self, ask: Ask) {
        if let Some(words) = self.player.ask(ask, &mut self.reel, self.utc_offset) {
            self.ui.say(words);
        }
        let effects = self.reel.take_effects();
        self.perform_effects(effects);
    }

    /// What the engine wants to have read is read; everything else would act on a run, and is dropped.
    fn perform_effects(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::ReadHistory { run, .. } => self.read_past(run),
                Effect::ReadDetail(origin) => {
                    let source = self.reel.model().and_then(|model| model.source(origin.source));
                    let Some(path) = source.map(|source| PathBuf::from(source.name.as_str())) else { continue };
                    let tx = self.tx.clone();
                    // Without a thread the details stay empty.
                    let _ = std::thread::Builder::new().name("detail".into()).spawn(move || {
                        let lines = read_text(&path, origin.offset);
                        let _ = tx.blocking_send(Loaded::Detail(Msg::Detail { origin, lines }));
                    });
                }
                _ => {}
            }
        }
    }

    fn read_past(&mut self, run: u32) {
        let Some(past) = self.reel.past(run) else { return };
        let turn = self.wanted.fetch_add(1, Ordering::Relaxed) + 1;
        let (wanted, tx) = (self.wanted.clone(), self.tx.clone());
        // Without a thread the screen keeps showing the newest lines alone.
        let _ = std::thread::Builder::new().name("past".into()).spawn(move || {
            if let Some(run) = past.read(|| wanted.load(Ordering::Relaxed) == turn) {
                let _ = tx.blocking_send(Loaded::Past(turn, Msg::History(Box::new(run))));
            }
        });
    }

    fn draw(&mut self, guard: &Guard, screen: &mut Screen) -> Result<()> {
        self.transport.update(&self.reel, &self.player, self.utc_offset);
        self.ui.transport = Some(self.transport.clone());
        if self.reel.is_empty() && !self.reel.is_done() {
            self.reel.tell(Msg::Progress(Progress { total_files: 1, ..Progress::default() }));
        }
        let Some(model) = self.reel.model() else { return Ok(()) };
        let now = self.reel.now();
        self.ui.refresh(model, now);
        screen.draw(|frame| crate::ui::draw(frame, model, &self.ui, &self.theme, now))?;
        let title = Text::new(&format!("replay: {}", self.ui.title(model, now)));
        if title != self.title {
            guard.title(&title)?;
            self.title = title;
        }
        Ok(())
    }

    fn input(&mut self, event: TermEvent, guard: &mut Guard, screen: &mut Screen) -> Result<Option<Exit>> {
        let input = match event {
            TermEvent::Key(key) if key.is_release() => return Ok(None),
            TermEvent::Key(key) if is_ctrl(&key, 'c') => return Ok(Some(Exit::Signal(2))),
            TermEvent::Key(key) => Input::Key(key),
            TermEvent::Paste(text) => Input::Paste(text),
            TermEvent::Mouse(mouse) => Input::Mouse(mouse),
            TermEvent::Resize(columns, rows) => Input::Resize(columns, rows),
            TermEvent::FocusGained | TermEvent::FocusLost => return Ok(None),
        };
        let now = self.reel.now();
        let Some(model) = self.reel.model() else { return Ok(None) };
        for action in self.ui.handle(input, model, now) {
            match action {
                Action::Quit => return Ok(Some(Exit::Quit)),
                Action::Suspend => guard.lend(screen, stop_self)?,
                Action::Mouse(on) => guard.set_mouse(on)?,
                Action::Clear => terminal::clear(screen)?,
                Action::Theme(name) => match (self.themes)(&name) {
                    Ok(theme) => self.theme = theme.at(self.depth),
                    Err(error) => self.ui.say(Text::new(&format!("{error:#}"))),
                },
                Action::Replay(ask) => self.ask(ask),
                Action::Send(msg @ (Msg::Look(_) | Msg::LookAt(_))) => {
                    let effects = self.reel.tell(msg);
                    self.perform_effects(effects);
                }
                // Whatever else is sent would act on a run.
                Action::Send(_) | Action::Redraw => {}
            }
        }
        Ok(None)
    }
}
