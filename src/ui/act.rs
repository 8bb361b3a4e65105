//! Keys and commands that act on runs, and the list of held actions.

use crossterm::event::KeyEvent;

use super::command::Order;
use super::keymap::Command;
use super::line::Line;
use super::{Action, Aim, Mode, Ui, gates, press};
use crate::domain::run::Run;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Model, Msg};

/// What keys that act on a live run say in a replay.
const REPLAY: &str = "this is a replay: nothing here can be stopped, given or answered any more";

/// Does it act on a run?
fn is_live_only(command: Command) -> bool {
    use Command::{Allow, Deny, Give, Interrupt, Press, Release, StopAll, Transfer};
    matches!(command, Press | Interrupt | StopAll | Give | Release | Transfer | Allow | Deny)
}

/// Characters by which a command line names a run.
const SHORT: usize = 8;

impl Ui {
    /// Keys that act; `None`: it is another.
    pub(super) fn hand_key(
        &mut self,
        command: Command,
        key: &KeyEvent,
        model: &Model,
        now: Stamp,
    ) -> Option<Vec<Action>> {
        if self.transport.is_some() && is_live_only(command) {
            return Some(self.answer(REPLAY));
        }
        Some(match command {
            Command::Replay(ask) => vec![Action::Replay(ask), Action::Redraw],
            Command::Press => self.press_key(key, model, now),
            Command::Interrupt => self.press_interrupt(key, model, now),
            Command::StopAll => self.press_all(Some(key), model, now),
            Command::Give => self.give(key, model, now),
            Command::Release => self.release(Some(key), self.selected(), model, now),
            Command::Transfer => self.transfer_line(model),
            Command::Allow | Command::Deny => self.answer_gate(key, command == Command::Allow, model, now),
            Command::Gates => {
                self.gates = Some(gates::at_hand(model, self).map_or_else(Text::default, |gate| gate.id.clone()));
                vec![Action::Redraw]
            }
            _ => return None,
        })
    }

    /// Keys while the list of held actions is shown. Nothing else acts there: no other run is in sight.
    pub(super) fn gates_key(&mut self, command: Command, key: &KeyEvent, model: &Model, now: Stamp) -> Vec<Action> {
        match command {
            Command::Up => self.step_gate(-1, model),
            Command::Down => self.step_gate(1, model),
            Command::PageUp | Command::Top => self.step_gate(isize::MIN / 2, model),
            Command::PageDown | Command::Bottom => self.step_gate(isize::MAX / 2, model),
            Command::Back | Command::Gates | Command::Quit => self.gates = None,
            Command::Help => self.help = Some(0),
            Command::Redraw => return vec![Action::Clear],
            Command::Suspend => return vec![Action::Suspend],
            Command::Replay(ask) => return vec![Action::Replay(ask), Action::Redraw],
            command if self.transport.is_some() && is_live_only(command) => return self.answer(REPLAY),
            Command::Allow | Command::Deny => return self.answer_gate(key, command == Command::Allow, model, now),
            Command::Open => {
                let run = gates::at_hand(model, self).and_then(|gate| model.run_of_gate(gate));
                self.gates = None;
                return run.map_or(vec![Action::Redraw], |number| self.open(number));
            }
            _ => return vec![],
        }
        vec![Action::Redraw]
    }

    /// Opens the command line with text before and after the cursor. What it will be about is settled now: the list may
    /// move while somebody types.
    pub(super) fn open_line(&mut self, before: &str, after: &str, model: &Model) {
        let mut line = Line::default();
        line.set_around(before, after);
        self.aim = Aim { run: self.selected(), gate: gates::at_hand(model, self).map(|gate| gate.id.clone()) };
        self.mode = Mode::Command(line);
    }

    /// `T`: a transfer from the selected run, to be filled in.
    fn transfer_line(&mut self, model: &Model) -> Vec<Action> {
        let Some(from) = self.selected().and_then(|number| model.run(number)) else {
            return self.answer("no run is selected");
        };
        let from = short(from);
        self.open_line(&format!("transfer {from} "), " 5m", model);
        vec![Action::Redraw]
    }

    /// Commands that act. They mean the run that was selected when the line was opened.
    pub(super) fn control_order(&mut self, order: Order, model: &Model, now: Stamp) -> Vec<Action> {
        let Aim { run: aim, gate } = self.aim.clone();
        if let Order::Replay(ask) = order {
            return match self.transport {
                Some(_) => vec![Action::Replay(ask), Action::Redraw],
                None => self.answer("this is live: `redkey replay` plays what is over"),
            };
        }
        if self.transport.is_some() {
            return self.answer(REPLAY);
        }
        match order {
            Order::StopAll => self.press_all(None, model, now),
            Order::Transfer(from, to, amount) => match (find(&from, model), find(&to, model)) {
                (Ok(from), Ok(to)) => self.transfer(from, to, amount),
                (Err(why), _) | (_, Err(why)) => self.answer(&why),
            },
            // The one that was held when the line was opened: another may have come in its place.
            Order::Answer(allow) => match gate.filter(|id| model.gates().iter().any(|gate| gate.id == *id)) {
                Some(gate) if allow && !gates::shows_all(model, self) => {
                    self.gates = Some(gate);
                    self.answer("read all of it here, then Y allows it")
                }
                Some(gate) => self.send_answer(gate, allow),
                None => self.answer("no action of this run is held, or not any more"),
            },
            Order::Release => self.release(None, aim, model, now),
            Order::Press(mode) => match aim {
                Some(number) => self.press_run(number, mode, model, now),
                None => self.answer("no run is selected"),
            },
            Order::Give(amount) => match aim.and_then(|number| model.run(number)) {
                Some(run) => {
                    let sign = if amount < Span::ZERO { "" } else { "+" };
                    self.say(Text::new(&format!("{sign}{} for {}", amount.short(), press::name(run))));
                    vec![Action::Send(Msg::Give { run: run.id.clone(), amount }), Action::Redraw]
                }
                None => self.answer("no run is selected"),
            },
            _ => vec![Action::Redraw],
        }
    }

    fn transfer(&mut self, from: &Run, to: &Run, amount: Span) -> Vec<Action> {
        if amount <= Span::ZERO || from.number == to.number {
            return self.answer("transfer moves time from one run to another");
        }
        self.say(Text::new(&format!("{} from {} to {}", amount.short(), press::name(from), press::name(to))));
        vec![Action::Send(Msg::Transfer { from: from.id.clone(), to: to.id.clone(), amount }), Action::Redraw]
    }
}

/// The name by which a command line finds a run again.
pub fn short(run: &Run) -> String {
    run.id.session.chars().take(SHORT).collect::<String>().trim().replace(' ', "_")
}

/// The run whose session begins so; `agent:session` is taken too.
fn find<'a>(word: &str, model: &'a Model) -> Result<&'a Run, String> {
    let begins = |run: &&Run| {
        short(run).starts_with(word) || run.id.session.starts_with(word) || run.id.to_string().starts_with(word)
    };
    let mut found = model.runs().filter(begins);
    match (found.next(), found.next()) {
        (Some(run), None) => Ok(run),
        (None, _) => Err(format!("no run's session begins with `{word}`")),
        (Some(_), Some(_)) => {
            let exact = model.runs().find(|run| &*run.id.session == word);
            exact.ok_or_else(|| format!("more than one run's session begins with `{word}`"))
        }
    }
}

/// Runs that a word of `transfer` may go on as, with what a person knows them by.
pub fn names<'a>(model: &'a Model, ui: &'a Ui) -> impl Iterator<Item = (String, String)> + 'a {
    let order = ui.listing.as_ref().map_or(&[][..], |listing| &listing.order);
    order.iter().filter_map(|number| model.run(*number)).map(|run| (short(run), press::name(run)))
}
