//! The hand on the key. A press counts only for what the person has had before their eyes, and slips don't count: keys
//! that repeat by being held down, a run that has just come under the hand, typed and pasted text.

use crossterm::event::{KeyEvent, KeyEventKind};

use super::key::{Grip, UNHEARD, refusal};
use super::{Action, Ui, gates};
use crate::control::words::{Key, Mode, Phase, Rung, Stop};
use crate::domain::run::Run;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Model, Msg};

/// What a press means must have been on the screen for so long.
pub const SEEN: Span = Span(400);
/// A second press of one's own comes at least so long after the first.
pub const SECOND: Span = Span(250);
/// Keys that come faster are one key, held down. Terminals repeat some thirty times a second.
pub const BURST: Span = Span(100);
/// A press that could be the first repetition of a held key counts when no other has followed for so long.
pub const SETTLE: Span = Span(120);
/// What one press of `+` gives.
pub const GIFT: Span = Span::mins(5);
/// Presses of `+` within this add up in what is said.
const GIVING: Span = Span(20_000);

/// What was asked for at this screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    pub mode: Mode,
    pub at: Stamp,
}

/// What a press would do now: of which run, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    run: u32,
    press: Option<Mode>,
}

/// What the frames have shown lately, and what was pressed.
#[derive(Clone, Debug, Default)]
pub struct Hand {
    sight: Option<(Sight, Stamp)>,
    gate: Option<(Text, Stamp)>,
    /// The last press of each key that acts, to tell a held one.
    last: Option<(char, Stamp)>,
    /// A second press that may still turn out to be a held key.
    again: Option<(u32, Stamp)>,
    /// Run, what was asked, and the id of the stop that was known then.
    asked: Option<(u32, Asked, Option<Text>)>,
    given: Option<(u32, Span, Stamp)>,
}

impl Hand {
    /// What was asked of this run and nothing has been heard of since.
    pub fn asked_of(&self, number: u32, stop: Option<&Stop>, now: Stamp) -> Option<Asked> {
        let (_, asked, before) = self.asked.as_ref().filter(|(run, ..)| *run == number)?;
        let heard = match stop {
            None => false,
            Some(stop) if before.as_ref() != Some(&stop.id) => true,
            Some(stop) if stop.phase == Phase::VerifiedDead => true,
            Some(stop) => match asked.mode {
                Mode::Now if stop.phase == Phase::Failed => false,
                Mode::Now => stop.mode == Mode::Now || stop.rungs.last().is_some_and(|lit| lit.rung == Rung::Kill),
                Mode::Ladder => stop.mode != Mode::Interrupt,
                Mode::Interrupt => true,
            },
        };
        Some(*asked).filter(|asked| !heard && within(now, asked.at, UNHEARD))
    }

    /// Is this key held down? Every press is remembered.
    fn is_held_down(&mut self, key: char, now: Stamp) -> bool {
        let last = self.last.replace((key, now));
        last.is_some_and(|(last, at)| last == key && within(now, at, BURST))
    }

    /// Has this been before the person's eyes for long enough?
    fn has_seen(&self, sight: Sight, now: Stamp) -> bool {
        self.sight.is_some_and(|(seen, since)| seen == sight && !within(now, since, SEEN))
    }

    /// Has this run been, whatever a press of its key would do?
    fn has_seen_run(&self, run: u32, now: Stamp) -> bool {
        self.sight.is_some_and(|(seen, since)| seen.run == run && (!within(now, since, SEEN) || self.is_own(run)))
    }

    /// Was this run's key pressed here? Then its hand is known to be on it.
    fn is_own(&self, run: u32) -> bool {
        self.asked.as_ref().is_some_and(|(asked, ..)| *asked == run)
    }

    fn has_seen_gate(&self, gate: &Text, now: Stamp) -> bool {
        self.gate.as_ref().is_some_and(|(seen, since)| seen == gate && !within(now, *since, SEEN))
    }
}

/// Less than `span` apart, either way: the calendar's clock may have been set meanwhile.
fn within(now: Stamp, then: Stamp, span: Span) -> bool {
    now.since(then).0.unsigned_abs() < span.0.unsigned_abs()
}

/// Keeps since when something is seen; starts anew when it changes, or when the clock was set back.
fn keep<T: PartialEq>(seen: &mut Option<(T, Stamp)>, what: Option<T>, now: Stamp) {
    *seen = match (what, seen.take()) {
        (None, _) => None,
        (Some(what), Some((was, since))) if was == what && since <= now => Some((was, since)),
        (Some(what), _) => Some((what, now)),
    };
}

/// A run as a person knows it.
pub fn name(run: &Run) -> String {
    format!("{} {}", run.agent(), run.project()).trim_end().to_owned()
}

impl Ui {
    /// What X would do.
    fn sight(&self, model: &Model, now: Stamp) -> Option<Sight> {
        let run = self.selected().filter(|_| self.help.is_none() && self.gates.is_none())?;
        let grip = Grip::of(model, self, run, now)?;
        Some(Sight { run, press: grip.face.press() })
    }

    /// A frame is about to be drawn that shows this.
    pub(super) fn is_shown(&mut self, model: &Model, now: Stamp) {
        let sight = self.sight(model, now);
        keep(&mut self.hand.sight, sight, now);
        let gate = gates::at_hand(model, self).map(|gate| gate.id.clone());
        keep(&mut self.hand.gate, gate, now);
    }

    /// Something has changed and no frame has shown it.
    pub(super) fn is_changed(&mut self, model: &Model, now: Stamp) {
        let sight = self.sight(model, now);
        self.hand.sight = self.hand.sight.filter(|(seen, _)| Some(*seen) == sight);
        let gate = gates::at_hand(model, self).map(|gate| gate.id.clone());
        self.hand.gate = self.hand.gate.take().filter(|(seen, _)| Some(seen) == gate.as_ref());
    }

    /// When [`Ui::settle`] has something to do.
    pub fn due(&self) -> Option<Stamp> {
        self.hand.again.map(|(_, at)| at + SETTLE)
    }

    /// A second press counts once it is clear that no key is held down.
    pub fn settle(&mut self, model: &Model, now: Stamp) -> Vec<Action> {
        match self.hand.again {
            Some((run, at)) if !within(now, at, SETTLE) => {
                self.hand.again = None;
                let is_meant = |grip: &Grip<'_>| grip.face.press() == Some(Mode::Now);
                match Grip::of(model, self, run, now).filter(is_meant) {
                    Some(_) => self.send_press(run, Mode::Now, model, now),
                    None => vec![],
                }
            }
            _ => vec![],
        }
    }

    /// Does what the key panel shows change by time alone?
    pub fn is_moving(&self, model: &Model, now: Stamp) -> bool {
        self.hand.again.is_some()
            || !model.gates().is_empty()
            || model.runs().any(|run| Grip::of(model, self, run.number, now).is_some_and(|g| g.face.is_moving()))
    }

    /// True for keys that a held-down key or its repetition must not press again. Says nothing: silence is the answer.
    fn slips(&mut self, key: &KeyEvent, letter: char, now: Stamp) -> bool {
        let held = self.hand.is_held_down(letter, now);
        held || key.kind == KeyEventKind::Repeat
    }

    /// `X`.
    pub(super) fn press_key(&mut self, key: &KeyEvent, model: &Model, now: Stamp) -> Vec<Action> {
        let candidate = self.hand.again.take();
        if self.slips(key, 'X', now) {
            if candidate.is_some() {
                self.say(Text::new("X is held down: that is one press; let go, then X again kills"));
            }
            return vec![Action::Redraw];
        }
        let Some(number) = self.selected() else { return self.answer("no run is selected") };
        let Some(grip) = Grip::of(model, self, number, now) else { return vec![] };
        let press = grip.face.press();
        let is_seen = self.hand.has_seen(Sight { run: number, press }, now);
        match press {
            None => self.answer(&refusal(&grip)),
            Some(Mode::Ladder | Mode::Interrupt) if is_seen => self.send_press(number, Mode::Ladder, model, now),
            Some(Mode::Now) if is_seen || self.is_second(number, now) => {
                self.hand.again = Some((number, now));
                vec![Action::Redraw]
            }
            Some(Mode::Now) if self.hand.is_own(number) => self.answer("too quick for a second press: X again kills"),
            _ => self.answer(&format!("the list moved: this is {}; press again", name(grip.run))),
        }
    }

    /// Is this long enough after one's own first press?
    fn is_second(&self, number: u32, now: Stamp) -> bool {
        self.hand.asked.as_ref().is_some_and(|(run, asked, _)| *run == number && !within(now, asked.at, SECOND))
    }

    /// `i`.
    pub(super) fn press_interrupt(&mut self, key: &KeyEvent, model: &Model, now: Stamp) -> Vec<Action> {
        if self.slips(key, 'i', now) {
            return vec![];
        }
        let Some(number) = self.selected() else { return self.answer("no run is selected") };
        if !self.hand.has_seen_run(number, now) {
            return self.answer("the list moved: press again");
        }
        self.press_run(number, Mode::Interrupt, model, now)
    }

    /// A press that was spelled out, or has passed all checks.
    pub(super) fn press_run(&mut self, number: u32, mode: Mode, model: &Model, now: Stamp) -> Vec<Action> {
        let Some(grip) = Grip::of(model, self, number, now) else { return self.answer("that run is gone") };
        match (mode, grip.face.press()) {
            (_, None) => self.answer(&refusal(&grip)),
            (Mode::Interrupt | Mode::Ladder, Some(Mode::Now)) => {
                self.answer(&format!("{} is being stopped already; :kill kills it", name(grip.run)))
            }
            _ if grip.hold.key == Key::None => self.answer(&refusal(&grip)),
            _ => self.send_press(number, mode, model, now),
        }
    }

    fn send_press(&mut self, number: u32, mode: Mode, model: &Model, now: Stamp) -> Vec<Action> {
        let Some(run) = model.run(number) else { return vec![] };
        let before = model.stop_of(number).map(|stop| stop.id.clone());
        self.hand.asked = Some((number, Asked { mode, at: now }, before));
        vec![Action::Send(Msg::Press { run: run.id.clone(), mode }), Action::Redraw]
    }

    /// `Ctrl-X`, `:stop all`.
    pub(super) fn press_all(&mut self, key: Option<&KeyEvent>, model: &Model, now: Stamp) -> Vec<Action> {
        if key.is_some_and(|key| self.slips(key, '\x18', now)) {
            return vec![];
        }
        let mut held = 0;
        let mut loose = 0;
        for run in model.runs() {
            let Some(grip) = Grip::of(model, self, run.number, now) else { continue };
            match grip.hold.key {
                Key::None => loose += usize::from(grip.state.is_live()),
                _ => held += 1,
            }
        }
        let rest = if loose > 0 { format!("; {loose} live without a key go on") } else { String::new() };
        self.say(Text::new(&format!("the key of {held} {} is pressed{rest}", if held == 1 { "run" } else { "runs" })));
        vec![Action::Send(Msg::PressAll), Action::Redraw]
    }

    /// `+`: five minutes for the selected run.
    pub(super) fn give(&mut self, key: &KeyEvent, model: &Model, now: Stamp) -> Vec<Action> {
        if self.slips(key, '+', now) {
            return vec![];
        }
        let Some(run) = self.selected().and_then(|number| model.run(number)) else {
            return self.answer("no run is selected");
        };
        if !self.hand.has_seen_run(run.number, now) {
            return self.answer("the list moved: press again");
        }
        let before = match self.hand.given {
            Some((number, sum, at)) if number == run.number && within(now, at, GIVING) => sum,
            _ => Span::ZERO,
        };
        let sum = before + GIFT;
        self.hand.given = Some((run.number, sum, now));
        self.say(Text::new(&format!("+{} for {}; + gives more, :transfer moves it", sum.short(), name(run))));
        vec![Action::Send(Msg::Give { run: run.id.clone(), amount: GIFT }), Action::Redraw]
    }

    /// `R`.
    pub(super) fn release(
        &mut self,
        key: Option<&KeyEvent>,
        number: Option<u32>,
        model: &Model,
        now: Stamp,
    ) -> Vec<Action> {
        if key.is_some_and(|key| self.slips(key, 'R', now)) {
            return vec![];
        }
        let Some(run) = number.and_then(|number| model.run(number)) else { return self.answer("no run is selected") };
        if key.is_some() && !self.hand.has_seen_run(run.number, now) {
            return self.answer("the list moved: press again");
        }
        vec![Action::Send(Msg::Release { run: run.id.clone() }), Action::Redraw]
    }

    /// `Y` and `N`: the gate that is shown, if it has been for long enough and all of it can be read.
    pub(super) fn answer_gate(&mut self, key: &KeyEvent, allow: bool, model: &Model, now: Stamp) -> Vec<Action> {
        if self.slips(key, if allow { 'Y' } else { 'N' }, now) {
            return vec![];
        }
        let Some(gate) = gates::at_hand(model, self) else {
            let others = if model.gates().is_empty() { "" } else { ": of this run; v lists the others" };
            return self.answer(&format!("no action is held{others}"));
        };
        if !self.hand.has_seen_gate(&gate.id, now) {
            return self.answer("that action has only just come up: read it, press again");
        }
        if allow && !gates::shows_all(model, self) {
            if self.gates.is_some() {
                return self
                    .answer("not all of it can be read here: make the window larger, or answer with redkey gate");
            }
            self.gates = Some(gate.id.clone());
            return self.answer("not all of it could be read there: read it here, then Y allows it");
        }
        self.send_answer(gate.id.clone(), allow)
    }

    pub(super) fn send_answer(&mut self, gate: Text, allow: bool) -> Vec<Action> {
        vec![Action::Send(Msg::Answer { gate, allow }), Action::Redraw]
    }

    pub(super) fn answer(&mut self, words: &str) -> Vec<Action> {
        self.say(Text::new(words));
        vec![Action::Redraw]
    }
}
