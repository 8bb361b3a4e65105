//! Moving through a reel: play, pause, speed, steps and jumps.

use super::marks::Kind;
use super::moment::Moment;
use super::reel::Reel;
use super::track::Step;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Speeds that keys step through; after them comes as fast as possible.
pub const SPEEDS: [f64; 13] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 125.0, 250.0, 500.0, 1_000.0];
/// Idle time that the key caps at; then it is whole again.
const CAPS: [Span; 3] = [Span::secs(10), Span::secs(2), Span::ZERO];

/// How many times faster than life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    Times(f64),
    /// As fast as possible.
    Most,
}

impl Speed {
    /// `8`, `0.25x`, `max`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "max" {
            return Ok(Self::Most);
        }
        let number: f64 = text.trim_end_matches(['x', '×']).parse().unwrap_or(f64::NAN);
        match (0.25..=1_000.0).contains(&number) {
            true => Ok(Self::Times(number)),
            false => Err(format!("`{text}` is no speed; write 0.25 to 1000, or max")),
        }
    }

    fn faster(self) -> Self {
        match self {
            Self::Times(now) => SPEEDS.into_iter().find(|speed| *speed > now).map_or(Self::Most, Self::Times),
            Self::Most => Self::Most,
        }
    }

    fn slower(self) -> Self {
        let below = match self {
            Self::Times(now) => SPEEDS.into_iter().rev().find(|speed| *speed < now),
            Self::Most => SPEEDS.last().copied(),
        };
        below.map_or(Self::Times(SPEEDS[0]), Self::Times)
    }
}

/// What somebody asks of the player.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ask {
    /// Play, or pause.
    Toggle,
    Faster,
    Slower,
    Speed(Speed),
    /// So many events on, or (negative) back.
    Step(i64),
    /// So many charges on or back.
    Charge(i64),
    /// To the next (or, negative, the previous) place where something happened of the kind that is looked for.
    Mark(i64),
    /// The same, of a kind that is named.
    MarkOf(Kind, i64),
    /// Look for another kind.
    NextKind,
    /// Recorded time on or back.
    Skip(Span),
    To(Moment),
    /// Another cap on idle time.
    NextCap,
    /// Zero: none.
    Cap(Span),
}

#[derive(Clone, Debug)]
pub struct Player {
    pub is_playing: bool,
    pub speed: Speed,
    /// Silence longer than this is cut short.
    pub cap: Option<Span>,
    /// What jumps look for; none: anything.
    pub kind: Option<Kind>,
    /// Part of a millisecond of recorded time that is still to be played.
    pub(super) rest: f64,
}

impl Default for Player {
    fn default() -> Self {
        Self { is_playing: true, speed: Speed::Times(1.0), cap: None, kind: None, rest: 0.0 }
    }
}

impl Player {
    pub fn new(is_playing: bool, speed: Speed, cap: Option<Span>) -> Self {
        Self { is_playing, speed, cap, ..Self::default() }
    }

    /// Does time move on by itself?
    pub fn moves(&self, reel: &Reel) -> bool {
        self.is_playing && !reel.is_empty()
    }

    /// Plays for `real` time. `go_on` is asked now and then whether there is still time; what is left of `real` is
    /// dropped, so a slow machine plays slower. Pauses at the end of the tape.
    pub fn advance(&mut self, reel: &mut Reel, real: Span, go_on: &mut dyn FnMut() -> bool) {
        if !self.is_playing {
            return;
        }
        match self.speed {
            Speed::Most => {
                let mut taken = 0u32;
                while (!taken.is_multiple_of(64) || go_on()) && reel.forward() {
                    taken += 1;
                }
            }
            Speed::Times(times) => {
                let exact = real.0.max(0) as f64 * times + self.rest;
                self.rest = exact.fract();
                self.play(reel, Span(exact as i64), go_on);
            }
        }
        if reel.is_done() && reel.index() >= reel.len() {
            self.is_playing = false;
        }
    }

    fn play(&self, reel: &mut Reel, mut left: Span, go_on: &mut dyn FnMut() -> bool) {
        let mut taken = 0u32;
        while let Some(next) = reel.next_at() {
            let now = reel.now();
            let gap = next.since(now).max(Span::ZERO);
            let worth = match self.cap {
                Some(cap) => gap.min((cap - now.since(reel.last())).max(Span::ZERO)),
                None => gap,
            };
            if worth > left {
                return reel.pass(now + left);
            }
            left -= worth;
            reel.forward();
            taken += 1;
            if taken.is_multiple_of(64) && !go_on() {
                return;
            }
        }
    }

    /// Does what was asked; words for the person, where there is something to say.
    pub fn ask(&mut self, ask: Ask, reel: &mut Reel, offset: Span) -> Option<Text> {
        match ask {
            Ask::Toggle => self.toggle(reel),
            Ask::Faster => self.speed = self.speed.faster(),
            Ask::Slower => self.speed = self.speed.slower(),
            Ask::Speed(speed) => self.speed = speed,
            Ask::Step(by) => return self.step(by, reel),
            Ask::Charge(by) => {
                let to = reel.marks().charge(reel.index(), by);
                return self.jump(to, "charge", by, reel);
            }
            Ask::Mark(by) => return self.mark(self.kind, by, reel),
            Ask::MarkOf(kind, by) => return self.mark(Some(kind), by, reel),
            Ask::NextKind => {
                let at = self.kind.map_or(0, |kind| kind as usize + 1);
                self.kind = Kind::ALL.get(at).copied();
            }
            Ask::Skip(span) => reel.seek_time((reel.now() + span).min(reel.end())),
            Ask::To(moment) => {
                let to = moment.resolve(reel.start(), reel.end(), offset);
                // The very end, with all that happened in its last moment.
                if to >= reel.end() { reel.seek(reel.len()) } else { reel.seek_time(to) }
            }
            Ask::NextCap => {
                let at = self.cap.and_then(|cap| CAPS.iter().position(|c| *c == cap)).map_or(0, |at| at + 1);
                self.set_cap(CAPS.get(at).copied().unwrap_or(CAPS[0]));
            }
            Ask::Cap(cap) => self.set_cap(cap),
        }
        self.rest = 0.0;
        None
    }

    fn set_cap(&mut self, cap: Span) {
        self.cap = (cap > Span::ZERO).then_some(cap);
    }

    /// At the end, playing begins anew.
    fn toggle(&mut self, reel: &mut Reel) {
        self.is_playing = !self.is_playing;
        if self.is_playing && reel.is_done() && reel.index() >= reel.len() {
            reel.seek(0);
        }
    }

    /// Steps pause: who steps looks closely.
    fn step(&mut self, by: i64, reel: &mut Reel) -> Option<Text> {
        self.is_playing = false;
        for _ in 0..by.unsigned_abs() {
            let to = if by > 0 { after(reel) } else { before(reel) };
            match to {
                Some(to) => reel.seek(to),
                None => return Some(edge(by)),
            }
        }
        None
    }

    fn mark(&mut self, kind: Option<Kind>, by: i64, reel: &mut Reel) -> Option<Text> {
        let to = reel.marks().next(reel.index(), kind, by);
        self.jump(to, kind.map_or("flag, gate, interrupt or failure", Kind::name), by, reel)
    }

    fn jump(&mut self, to: Option<u64>, what: &str, by: i64, reel: &mut Reel) -> Option<Text> {
        self.is_playing = false;
        match to {
            Some(to) => {
                reel.seek(to);
                None
            }
            None if by > 0 && !reel.is_done() => Some(Text::new(&format!("no further {what} in what is read so far"))),
            None => Some(Text::new(&format!("no {what} {} here", if by > 0 { "after" } else { "before" }))),
        }
    }
}

fn edge(by: i64) -> Text {
    Text::new(if by > 0 { "this is the end" } else { "this is the start" })
}

/// Steps taken after the next one that is worth a stop.
fn after(reel: &mut Reel) -> Option<u64> {
    let mut index = reel.index();
    while !reel.with_step(index, Step::is_notable)? {
        index += 1;
    }
    Some(index + 1)
}

/// Steps taken before the last one that was worth a stop.
fn before(reel: &mut Reel) -> Option<u64> {
    let mut index = reel.index().checked_sub(1)?;
    while !reel.with_step(index, Step::is_notable)? {
        index = index.checked_sub(1)?;
    }
    // What is shown then is the state right after the one before it.
    while index > 0 && !reel.with_step(index - 1, Step::is_notable)? {
        index -= 1;
    }
    Some(index)
}

/// Is this the end of what there is?
pub fn is_at_end(reel: &Reel) -> bool {
    reel.index() >= reel.len()
}

/// Where a reel is, from 0 to 100.
pub fn percent(now: Stamp, start: Stamp, end: Stamp) -> f64 {
    let length = end.since(start).0.max(1) as f64;
    (now.since(start).0 as f64 / length * 100.0).clamp(0.0, 100.0)
}
