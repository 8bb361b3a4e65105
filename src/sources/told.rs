//! PURE. Which lines of a file were passed on already, for when the file is truncated or replaced and read again from
//! its start: lines that were passed on are not passed on again, as often as they were.
//!
//! Most events carry a key of the agent's own, and whoever counts them knows a key that comes again. What has no key
//! (an error of the provider, a decision, an answer without an id) can only be told by its line. When the file
//! changes, the old lines are gone, so they are noted beforehand: eight bytes each, of all lines of redkey's own
//! format (whose ids are optional), elsewhere only of those that need it, and of at most [`KEPT`] lines.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};

use crate::adapters::Format;
use crate::domain::event::{Body, Event};

/// Newest lines that are remembered. What stood before them is counted again should the file be read again.
const KEPT: usize = 65_536;

/// The lines of one file that were passed on.
#[derive(Debug, Default)]
pub struct Told {
    /// Digests of lines, newest last.
    lines: VecDeque<u64>,
    /// Since the file was begun again: lines from before that did not come again yet, with how often.
    due: HashMap<u64, u32>,
}

impl Told {
    /// The file is read again from its start.
    pub fn start_over(&mut self) {
        self.due.clear();
        for digest in &self.lines {
            *self.due.entry(*digest).or_insert(0) += 1;
        }
    }

    /// Notes a line and what it says. `false`: it was passed on before, and is not to be passed on again.
    pub fn is_new(&mut self, format: Format, line: &[u8], events: &[Event]) -> bool {
        if events.is_empty() || !(format == Format::Native || events.iter().any(counts_twice)) {
            return true;
        }
        let digest = digest(line);
        if let Some(times) = self.due.get_mut(&digest) {
            *times -= 1;
            if *times == 0 {
                self.due.remove(&digest);
            }
            return false;
        }
        if self.lines.len() >= KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(digest);
        true
    }
}

/// Would the same event, met again, be taken for another one?
fn counts_twice(event: &Event) -> bool {
    match &event.body {
        Body::ApiError { .. } | Body::Decision { .. } | Body::Granted { .. } | Body::Totals(_) => true,
        Body::Unparsed { .. } => true,
        Body::ModelCall(call) => call.key.is_none() || event.at.is_none(),
        // Without a time it would have happened now.
        _ => event.at.is_none(),
    }
}

fn digest(line: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(line);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Agent, RunId};
    use crate::domain::text::Text;
    use crate::domain::time::Stamp;

    fn event(body: Body) -> Vec<Event> {
        vec![Event { run: RunId::new(Agent::Claude, "r"), branch: None, at: Some(Stamp(1)), body }]
    }

    #[test]
    fn a_line_is_held_back_as_often_as_it_was_passed_on() {
        let mut told = Told::default();
        let error = event(Body::ApiError { text: Text::new("busy"), retrying: true });
        let ask = |told: &mut Told| told.is_new(Format::ClaudeTranscript, b"busy", &error);
        assert!(ask(&mut told) && ask(&mut told));
        for _ in 0..2 {
            told.start_over();
            assert!(!ask(&mut told) && !ask(&mut told));
        }
        assert!(ask(&mut told), "a third one is new");
        told.start_over();
        assert!((0..3).all(|_| !ask(&mut told)) && ask(&mut told));
        assert!(told.due.is_empty());
    }

    #[test]
    fn what_has_a_key_or_a_time_costs_no_memory_except_in_the_own_format() {
        let mut told = Told::default();
        let said = event(Body::Message { text: Text::new("hi"), thinking: false });
        for _ in 0..10 {
            assert!(told.is_new(Format::ClaudeTranscript, b"hi", &said));
        }
        assert_eq!(told.lines.capacity(), 0);
        assert!(told.is_new(Format::Native, b"hi", &said));
        assert_eq!(told.lines.len(), 1);
    }

    #[test]
    fn only_so_many_lines_are_remembered() {
        let mut told = Told::default();
        let said = event(Body::TurnEnded);
        for n in 0..KEPT as u64 + 10 {
            assert!(told.is_new(Format::Native, &n.to_le_bytes(), &said));
        }
        assert_eq!(told.lines.len(), KEPT);
    }
}
