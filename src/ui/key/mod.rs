//! The red key: what hold there is on a run, whether it is pressed, how far its stop has come, and what was proven at
//! the end. The same panel is drawn in the fleet and, larger, in the view of one run.

mod cap;
mod lights;
mod panel;
mod receipt;
mod words;

use crate::control::words::{Key, Mode, Phase, Rung, Stop, Times};
use crate::domain::run::{Run, State};
use crate::domain::time::{Span, Stamp};
use crate::engine::{Hold, Model};

use super::press::Asked;
use super::{Scene, Ui};

pub use cap::Size;
pub use panel::{chip, draw, rows};
pub use words::{alerts, key_role, key_word, notes, press_word, refusal, row_state};

/// A press that nothing was heard of for so long has come to nothing.
pub const UNHEARD: Span = Span(10_000);
/// An agent that does something so long after it was called idle has been set to work again.
const STIRS: Span = Span(2_000);
/// How long it is said that an interrupt went unheard.
const DEAF: Span = Span(60_000);

/// How the cap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// There is a hold, and nobody has pressed.
    Up,
    /// The agent has been asked to interrupt itself; no signal follows.
    Asked,
    /// Pressed: the ladder is under way.
    Down,
    /// KILL has gone out, or was asked for.
    Killing,
    /// There is nothing to hold.
    Nothing,
    /// Proven: nothing is left.
    Gone,
    /// Something is left long after KILL.
    Failed,
    /// It obeyed, and is alive.
    Idle,
}

impl Face {
    /// What a press of the key asks for; `None`: nothing.
    pub fn press(self) -> Option<Mode> {
        match self {
            Face::Up | Face::Asked | Face::Idle => Some(Mode::Ladder),
            Face::Down | Face::Failed => Some(Mode::Now),
            Face::Killing | Face::Nothing | Face::Gone => None,
        }
    }

    /// Does it change by time alone?
    pub fn is_moving(self) -> bool {
        matches!(self, Face::Asked | Face::Down | Face::Killing)
    }
}

/// Everything that the panel shows of a run's key.
pub struct Grip<'a> {
    pub run: &'a Run,
    pub state: State,
    pub hold: &'a Hold,
    pub stop: Option<&'a Stop>,
    /// Asked for at this screen, and nothing is known of it yet.
    pub asked: Option<Asked>,
    pub face: Face,
    pub times: Times,
}

impl<'a> Grip<'a> {
    /// `None`: there is no such run.
    pub fn of(model: &'a Model, ui: &Ui, number: u32, now: Stamp) -> Option<Self> {
        let run = model.run(number)?;
        let state = run.state(now, &model.rules);
        let hold = model.hold(number);
        let stop = model.stop_of(number).filter(|stop| !is_past(stop, run, state, now));
        let asked = ui.hand.asked_of(number, stop, now);
        let times = Times::from(model.rules.policy.stop);
        Some(Self { run, state, hold, stop, asked, face: face(hold, stop, asked, state), times })
    }

    pub fn in_scene(scene: &Scene<'a>, number: u32) -> Option<Self> {
        Self::of(scene.model, scene.ui, number, scene.now)
    }

    /// The rung that went out last.
    pub fn rung(&self) -> Option<Rung> {
        self.stop.and_then(|stop| stop.rungs.last()).map(|lit| lit.rung)
    }

    /// When the rung that stands gives way, at the latest.
    pub fn gives_way(&self) -> Option<Stamp> {
        let stop = self.stop.filter(|stop| !stop.phase.is_final() || stop.receipt.is_none())?;
        let lit = stop.rungs.last()?;
        let span = match lit.rung {
            Rung::Cooperative => self.times.cooperative,
            Rung::Int => self.times.int,
            Rung::Term => self.times.term,
            Rung::Kill => self.times.give_up,
        };
        Some(stop.at + Span(i64::try_from(lit.after_us / 1_000).unwrap_or(i64::MAX / 4)) + span)
    }
}

fn face(hold: &Hold, stop: Option<&Stop>, asked: Option<Asked>, state: State) -> Face {
    let has_key = hold.key != Key::None;
    let asked = asked.filter(|_| has_key).map(|asked| match asked.mode {
        Mode::Now => Face::Killing,
        Mode::Ladder => Face::Down,
        Mode::Interrupt => Face::Asked,
    });
    let Some(stop) = stop else {
        let is_over = matches!(state, State::Finished | State::Failed | State::Interrupted);
        return asked.unwrap_or(if has_key && !is_over { Face::Up } else { Face::Nothing });
    };
    let at_rest = stop.receipt.is_some();
    match stop.phase {
        Phase::VerifiedDead => Face::Gone,
        Phase::Failed if stop.mode == Mode::Interrupt => {
            asked.unwrap_or(if has_key { Face::Up } else { Face::Nothing })
        }
        Phase::Failed => asked.unwrap_or(Face::Failed),
        Phase::IdleAfterInterrupt if at_rest => asked.unwrap_or(Face::Idle),
        // Nothing was proven: whoever held it is gone.
        _ if !has_key => Face::Nothing,
        _ if stop.mode == Mode::Now || stop.rungs.last().is_some_and(|lit| lit.rung == Rung::Kill) => Face::Killing,
        _ if stop.mode == Mode::Interrupt => asked.unwrap_or(Face::Asked),
        _ => asked.unwrap_or(Face::Down),
    }
}

/// Has the run gone on since, so that the stop says nothing of it any more?
fn is_past(stop: &Stop, run: &Run, state: State, now: Stamp) -> bool {
    let Some(receipt) = &stop.receipt else { return false };
    let end = stop.at + Span(i64::try_from(receipt.took_us / 1_000).unwrap_or(i64::MAX / 4));
    match stop.phase {
        Phase::VerifiedDead => state.is_live(),
        Phase::IdleAfterInterrupt => {
            matches!(state, State::Working | State::AtZero) && run.last_at.is_some_and(|last| last.since(end) > STIRS)
        }
        Phase::Failed if stop.mode == Mode::Interrupt => now.since(end) > DEAF,
        _ => false,
    }
}
