//! PURE. The book of gates: actions that are held until a person answers. Each gets one answer, and no answer in time is
//! a denial.
//!
//! `A` is whoever asked and waits; it is given back with the answer, once.

use sha2::{Digest, Sha256};

use super::protocol::{Gate, GateState};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Gates that wait at once; a further one is denied.
const MAX_WAITING: usize = 64;
/// Answered gates that are remembered, to find calls that went past.
const MAX_ANSWERED: usize = 512;
/// Digits of ids, each five bits: short enough to be typed, too many to be guessed before the gate is answered.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const ID_DIGITS: usize = 6;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    pub run: Text,
    pub what: Text,
    pub because: Text,
    pub call: Option<Text>,
    /// No answer for so long is a denial.
    pub timeout: Span,
}

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such gate")]
    Unknown,
    #[error("it was answered already: {}", word(*.0))]
    Answered(GateState),
}

/// Who has what answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed<A> {
    pub gate: Gate,
    pub asker: A,
}

/// All gates of a run.
#[derive(Debug)]
pub struct Book<A> {
    /// Makes ids unguessable: different for each book, told to nobody.
    salt: u64,
    made: u64,
    waiting: Vec<Closed<A>>,
    answered: std::collections::VecDeque<Gate>,
}

impl<A: PartialEq> Book<A> {
    pub fn new(salt: u64) -> Self {
        Self { salt, made: 0, waiting: Vec::new(), answered: std::collections::VecDeque::new() }
    }

    /// A new gate. Where too many wait it is denied at once, and comes back with its asker.
    pub fn ask(&mut self, ask: Ask, asker: A, now: Stamp) -> Result<Gate, Box<Closed<A>>> {
        let gate = Gate {
            id: self.id(&ask, now),
            run: ask.run,
            what: ask.what,
            because: ask.because,
            call: ask.call,
            asked: now,
            until: now + ask.timeout.max(Span::ZERO),
            state: GateState::Waiting,
            by: Text::default(),
            reason: Text::default(),
        };
        if self.waiting.len() >= MAX_WAITING {
            let reason = Text::new("too many actions wait already");
            let gate = Gate { state: GateState::Denied, by: Text::new("redkey"), reason, ..gate };
            self.remember(gate.clone());
            return Err(Box::new(Closed { gate, asker }));
        }
        self.waiting.push(Closed { gate: gate.clone(), asker });
        Ok(gate)
    }

    /// A person's answer, to the first that comes. What has run out of time can't be allowed any more.
    pub fn answer(&mut self, id: &Text, allow: bool, by: Text, reason: Text, now: Stamp) -> Result<Closed<A>, Refusal> {
        let Some(at) = self.waiting.iter().position(|one| one.gate.id == *id && now < one.gate.until) else {
            let late = self.waiting.iter().find(|one| one.gate.id == *id).map(|_| GateState::Expired);
            let known = self.answered.iter().rev().find(|gate| gate.id == *id).map(|gate| gate.state);
            return Err(late.or(known).map_or(Refusal::Unknown, Refusal::Answered));
        };
        let state = if allow { GateState::Allowed } else { GateState::Denied };
        Ok(self.close(at, state, by, reason))
    }

    /// Those whose time is up: denied.
    pub fn expire(&mut self, now: Stamp) -> Vec<Closed<A>> {
        self.close_all(GateState::Expired, "nobody answered in time", |one| now >= one.gate.until)
    }

    /// Those whose asker has gone: nobody waits for the answer.
    pub fn withdraw(&mut self, is_gone: impl Fn(&A) -> bool) -> Vec<Closed<A>> {
        self.close_all(GateState::Withdrawn, "whoever asked has gone", |one| is_gone(&one.asker))
    }

    /// All of them, since the run ends.
    pub fn deny_all(&mut self, reason: &str) -> Vec<Closed<A>> {
        self.close_all(GateState::Denied, reason, |_| true)
    }

    /// Those that wait, the oldest first.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &Gate> {
        self.waiting.iter().map(|one| &one.gate)
    }

    /// Does anybody like this wait?
    pub fn awaits(&self, is_it: impl Fn(&A) -> bool) -> bool {
        self.waiting.iter().any(|one| is_it(&one.asker))
    }

    /// When the next one runs out of time.
    pub fn next_expiry(&self) -> Option<Stamp> {
        self.waiting().map(|gate| gate.until).min()
    }

    /// Any gate there is or was, as far back as is remembered.
    pub fn any(&self, is_it: impl Fn(&Gate) -> bool) -> bool {
        self.waiting().any(&is_it) || self.answered.iter().any(is_it)
    }

    fn close_all(&mut self, state: GateState, reason: &str, which: impl Fn(&Closed<A>) -> bool) -> Vec<Closed<A>> {
        let mut closed = Vec::new();
        while let Some(at) = self.waiting.iter().position(&which) {
            closed.push(self.close(at, state, Text::new("redkey"), Text::new(reason)));
        }
        closed
    }

    fn close(&mut self, at: usize, state: GateState, by: Text, reason: Text) -> Closed<A> {
        let Closed { gate, asker } = self.waiting.remove(at);
        let gate = Gate { state, by, reason, ..gate };
        self.remember(gate.clone());
        Closed { gate, asker }
    }

    fn remember(&mut self, gate: Gate) {
        if self.answered.len() >= MAX_ANSWERED {
            self.answered.pop_front();
        }
        self.answered.push_back(gate);
    }

    /// `g-` and six digits that no gate of this book has.
    fn id(&mut self, ask: &Ask, now: Stamp) -> Text {
        loop {
            self.made += 1;
            let mut hasher = Sha256::new();
            for number in [self.salt, self.made, now.0.unsigned_abs()] {
                hasher.update(number.to_le_bytes());
            }
            hasher.update(ask.run.as_str());
            hasher.update(ask.what.as_str());
            let hash = hasher.finalize();
            let digits = hash.iter().take(ID_DIGITS).map(|byte| char::from(DIGITS[usize::from(byte & 31)]));
            let id = Text::new(&format!("g-{}", digits.collect::<String>()));
            if !self.any(|gate| gate.id == id) {
                return id;
            }
        }
    }
}

/// A state as a person reads it.
pub fn word(state: GateState) -> &'static str {
    match state {
        GateState::Waiting => "waiting",
        GateState::Allowed => "allowed",
        GateState::Denied => "denied",
        GateState::Expired => "denied, nobody answered in time",
        GateState::Withdrawn => "withdrawn",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Stamp = Stamp(1_795_000_000_000);

    fn ask(what: &str, secs: i64) -> Ask {
        Ask { run: "r-1".into(), what: what.into(), because: "x".into(), call: None, timeout: Span::secs(secs) }
    }

    #[test]
    fn a_gate_takes_one_answer() {
        let mut book = Book::new(7);
        let gate = book.ask(ask("git push", 60), 'a', NOW).unwrap();
        assert!(gate.id.as_str().len() == 8 && gate.id.as_str().starts_with("g-"), "{}", gate.id);
        let closed = book.answer(&gate.id, true, "ann".into(), "fine".into(), NOW + Span(1)).unwrap();
        assert_eq!((closed.gate.state, closed.gate.by.as_str(), closed.asker), (GateState::Allowed, "ann", 'a'));
        let again = book.answer(&gate.id, false, "bob".into(), "".into(), NOW + Span(2));
        assert_eq!(again, Err(Refusal::Answered(GateState::Allowed)));
        assert_eq!(book.answer(&"g-nobody".into(), true, "".into(), "".into(), NOW), Err(Refusal::Unknown));
        assert!(book.any(|gate| gate.what.as_str() == "git push"));
    }

    #[test]
    fn no_answer_in_time_is_a_denial_even_before_anybody_looked() {
        let mut book = Book::new(7);
        let gate = book.ask(ask("git push", 60), 'a', NOW).unwrap();
        assert_eq!(book.next_expiry(), Some(gate.until));
        assert_eq!(book.expire(NOW + Span(59_999)), []);
        let late = book.answer(&gate.id, true, "ann".into(), "".into(), NOW + Span(60_000));
        assert_eq!(late, Err(Refusal::Answered(GateState::Expired)));
        let expired = book.expire(NOW + Span(60_000));
        assert_eq!(expired.len(), 1);
        assert_eq!((expired[0].gate.state, expired[0].asker), (GateState::Expired, 'a'));
        assert_eq!((book.waiting().len(), book.next_expiry()), (0, None));
    }

    #[test]
    fn gates_go_with_who_asked_and_with_the_run() {
        let mut book = Book::new(7);
        for (what, who) in [("one", 'a'), ("two", 'b'), ("three", 'a')] {
            book.ask(ask(what, 60), who, NOW).unwrap();
        }
        let names = |closed: &[Closed<char>]| closed.iter().map(|c| c.gate.what.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&book.withdraw(|who| *who == 'a')), ["one", "three"]);
        let rest = book.deny_all("the run is stopped");
        assert_eq!((names(&rest), rest[0].gate.state), (vec!["two".to_owned()], GateState::Denied));
    }

    #[test]
    fn more_than_can_be_looked_at_is_denied() {
        let mut book = Book::new(7);
        for n in 0..MAX_WAITING {
            book.ask(ask("x", 60), n, NOW).unwrap();
        }
        let refused = book.ask(ask("x", 60), 99, NOW).unwrap_err();
        assert_eq!((refused.gate.state, refused.asker), (GateState::Denied, 99));
    }

    proptest! {
        /// Whatever happens in whatever order: who asked gets exactly one answer or still waits; allowed is only what
        /// a person allowed in time.
        #[test]
        fn everybody_gets_one_answer(steps in prop::collection::vec((0u8..5, 0usize..8, any::<bool>(), 0i64..40), 1..80)) {
            let mut book = Book::new(1);
            let (mut now, mut asked, mut ids, mut answers) = (NOW, 0usize, vec![], vec![]);
            for (kind, which, allow, secs) in steps {
                now = now + Span::secs(secs);
                let closed = match kind {
                    0 | 1 => {
                        asked += 1;
                        ids.push(book.ask(ask("x", 30), asked, now).unwrap().id);
                        vec![]
                    }
                    2 => match ids.get(which) {
                        Some(id) => book.answer(id, allow, "p".into(), "".into(), now).into_iter().collect(),
                        None => vec![],
                    },
                    3 => book.expire(now),
                    _ => book.withdraw(|who| *who == which),
                };
                for one in &closed {
                    prop_assert!(one.gate.state != GateState::Allowed || now < one.gate.until);
                }
                answers.extend(closed.into_iter().map(|c| c.asker));
            }
            answers.extend(book.deny_all("").into_iter().map(|c| c.asker));
            answers.sort_unstable();
            prop_assert_eq!(answers, (1..=asked).collect::<Vec<_>>());
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), asked);
        }
    }
}
