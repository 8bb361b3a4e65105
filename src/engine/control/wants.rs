//! What a person wants, as effects: with the run's id and its process, never a place on the screen.

use super::Press;
use crate::control::words::{self, Mode, ProcId};
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Effect, Model};

impl Model {
    pub(in crate::engine) fn press(&mut self, run: RunId, mode: Mode, now: Stamp) -> Vec<Effect> {
        let hold = self.hold_of(&run);
        if hold.key == words::Key::None {
            let text = Text::new(&format!("no hold on {run}: {}", hold.why));
            return self.noted(run, text, now);
        }
        let (leader, socket) = (hold.leader, hold.socket.clone());
        let id = self.control.press_id(&run, mode, now);
        vec![Effect::Stop { run, leader, socket, mode, id }, Effect::Redraw]
    }

    pub(in crate::engine) fn press_all(&mut self, now: Stamp) -> Vec<Effect> {
        let mut holds: Vec<(RunId, Option<ProcId>, Option<Text>)> = Vec::new();
        for tracked in &self.runs {
            let hold = self.hold_of(&tracked.run.id);
            let known = hold.socket.is_some() && holds.iter().any(|(_, _, socket)| *socket == hold.socket);
            if hold.key != words::Key::None && !known {
                holds.push((tracked.run.id.clone(), hold.leader, hold.socket.clone()));
            }
        }
        let mode = Mode::Ladder;
        let press = |(run, leader, socket)| {
            let id = self.control.press_id(&run, mode, now);
            Press { run, leader, socket, mode, id }
        };
        let presses: Vec<Press> = holds.into_iter().map(press).collect();
        vec![Effect::StopAll(presses), Effect::Redraw]
    }

    pub(in crate::engine) fn give(&mut self, run: RunId, amount: Span) -> Vec<Effect> {
        if amount == Span::ZERO {
            return vec![];
        }
        let socket = self.hold_of(&run).socket.clone();
        vec![Effect::Grant { run, socket, amount }, Effect::Redraw]
    }

    /// Moves what is left and no more: nobody can give what they don't have.
    pub(in crate::engine) fn transfer(&mut self, from: RunId, to: RunId, amount: Span, now: Stamp) -> Vec<Effect> {
        let left = self.find(&from).map_or(Span::ZERO, |run| run.left(now, &self.rules));
        let amount = amount.min(left);
        if amount <= Span::ZERO || from == to {
            let text = Text::new(&format!("{from} has no time left to give"));
            return self.noted(from, text, now);
        }
        let (from_socket, to_socket) = (self.hold_of(&from).socket.clone(), self.hold_of(&to).socket.clone());
        vec![Effect::Transfer { from, from_socket, to, to_socket, amount }, Effect::Redraw]
    }

    pub(in crate::engine) fn answer(&mut self, gate: &Text, allow: bool, now: Stamp) -> Vec<Effect> {
        let known = self.control.gates.iter().find(|known| known.id == *gate);
        let socket = known.and_then(|gate| self.hold_of_socket(&gate.run)?.socket.clone());
        match (known, socket) {
            (Some(known), Some(socket)) => {
                let (run, gate) = (known.run.clone(), known.id.clone());
                vec![Effect::Answer { run, socket, gate, allow }, Effect::Redraw]
            }
            (Some(_), None) => self.told(format!("{gate}: nobody is there to take the answer"), now),
            (None, _) => self.told(format!("{gate} doesn't wait for an answer any more"), now),
        }
    }

    pub(in crate::engine) fn release(&mut self, run: RunId, now: Stamp) -> Vec<Effect> {
        match self.hold_of(&run).socket.clone() {
            Some(socket) => vec![Effect::Release { run, socket }, Effect::Redraw],
            None => {
                let text = Text::new(&format!("{run} is not held by redkey"));
                self.noted(run, text, now)
            }
        }
    }

    fn noted(&mut self, run: RunId, text: Text, now: Stamp) -> Vec<Effect> {
        self.control.note(now, Some(run), text);
        vec![Effect::Redraw]
    }

    fn told(&mut self, text: String, now: Stamp) -> Vec<Effect> {
        self.control.note(now, None, Text::new(&text));
        vec![Effect::Redraw]
    }
}
