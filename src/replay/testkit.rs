//! Tapes for tests.

use std::sync::Arc;

use super::cursor::own_policy;
use super::index::{Indexer, Read};
use super::reel::Reel;
use super::track::{InMemory, Steps, Track};
use crate::domain::event::{Agent, Body, Event, Failure, Key, ModelCall, Outcome, RunId, RunInfo};
use crate::domain::policy::{EMBEDDED, Policy};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;
use crate::engine::{Fact, Model, Msg};
use crate::record::tape::{Beat, TapeMsg};
use crate::report::Report;

/// 2026-05-01T12:00:00Z.
pub const START: Stamp = Stamp(1_777_636_800_000);

pub fn model() -> Model {
    let policy: Policy = toml::from_str(EMBEDDED).unwrap();
    Model::new(Arc::new(Rules::compile(policy).unwrap()), Arc::new(Prices::embedded()))
}

/// Numbers that look random, the same for the same seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// One run's beats: work of all sorts, silences from none to ten minutes, some events of one moment, grants.
pub fn beats(session: &str, seed: u64, count: usize) -> Vec<Beat> {
    let run = RunId::new(Agent::Claude, session);
    let mut dice = Dice::new(seed);
    let mut at = START + Span(i64::try_from(dice.below(5_000)).unwrap());
    let mut beats = vec![Beat {
        at,
        msg: TapeMsg::Opened { source: 0, name: Text::new(&format!("/runs/{session}.jsonl")), form: None },
    }];
    for number in 0..count {
        let pause = match dice.below(20) {
            0..5 => 0,
            5..16 => dice.below(4_000),
            16..19 => dice.below(60_000),
            _ => dice.below(600_000),
        };
        at = at + Span(i64::try_from(pause).unwrap());
        if dice.below(40) == 0 {
            let fact = Fact::Grant {
                run: run.clone(),
                key: Key(dice.below(u64::MAX)),
                amount: Span::mins(3),
                by: "ada".into(),
                reason: "it goes well".into(),
                at,
            };
            beats.push(Beat { at, msg: TapeMsg::Control(fact) });
        }
        let events = (0..=dice.below(2)).map(|part| {
            let body = if number == 0 && part == 0 { info() } else { body(session, &mut dice) };
            let branch = (dice.below(9) == 0).then(|| Arc::from("helper"));
            let event = Event { run: run.clone(), branch, at: Some(at), body };
            (event, number as u64 * 100 + part)
        });
        beats.push(Beat { at, msg: TapeMsg::Events { source: 0, events: events.collect() } });
        if dice.below(5) == 0 {
            beats.push(Beat { at, msg: TapeMsg::Lines { source: 0, read: 1, bytes: 100, skipped: 0 } });
        }
    }
    beats
}

fn info() -> Body {
    Body::Info(RunInfo {
        model: Some("claude-sonnet-4-5".into()),
        cwd: Some("/srv/work/shop".into()),
        title: Some("Fix the flaky checkout test".into()),
        ..RunInfo::default()
    })
}

fn body(session: &str, dice: &mut Dice) -> Body {
    let n = dice.below(60);
    let key = Key::of(&[session, &n.to_string()]);
    match dice.below(14) {
        0 => Body::Prompt { text: "go on".into() },
        1 => Body::Message { text: Text::new(&format!("step {n} is done")), thinking: false },
        2..5 => {
            let usage = Usage { input: 1_000 + n, output: 10 * n, ..Usage::ZERO };
            let key = Some(Key::of(&[session, "answer", &dice.below(2_000).to_string()]));
            Body::ModelCall(ModelCall {
                key,
                message: None,
                model: Some("claude-sonnet-4-5".into()),
                usage,
                cost: None,
            })
        }
        5..9 => {
            let command = ["cargo test", "git push origin main", "rg tariff", "rm -rf target"][(n % 4) as usize];
            let key = Key::of(&[session, "call", &dice.below(2_000).to_string()]);
            Body::ToolCall { key, tool: "Bash".into(), input: Box::new(ToolInput::from_command(command)) }
        }
        9 => Body::ToolResult { key, failure: Failure::Flagged, text: "exit 101".into() },
        10 => Body::ToolResult { key, failure: Failure::No, text: "ok".into() },
        11 => Body::ApiError { text: "busy".into(), retrying: true },
        12 => match n % 4 {
            0 => Body::Warning { text: "context is nearly full".into() },
            1 => Body::ApprovalAsked { text: "push it?".into() },
            2 => Body::ApprovalAnswered { allowed: true, text: "push it".into() },
            _ => Body::TurnEnded,
        },
        _ if n == 0 => Body::Ended { outcome: Outcome::Failed, reason: "gave up".into() },
        _ => Body::Verified { text: "tests pass".into() },
    }
}

/// A reel of a track that is all read, cut into blocks of `block` steps.
pub fn reel(track: Box<dyn Track>, block: usize) -> Reel {
    fill(Reel::new(model(), own_policy()), track, block)
}

pub fn fill(mut reel: Reel, track: Box<dyn Track>, block: usize) -> Reel {
    let mut indexer = Indexer::new(Steps::new(track), model(), own_policy()).with_blocks(block);
    loop {
        match indexer.read() {
            Read::Piece(piece) => reel.push(*piece),
            Read::Trouble(trouble) => reel.complain(trouble),
            Read::End => break,
        }
    }
    reel.finish();
    reel
}

pub fn in_memory(beats: Vec<Beat>) -> Box<dyn Track> {
    Box::new(InMemory::new(beats))
}

/// Everything that can be seen of a model.
pub fn state(model: &Model, now: Stamp) -> String {
    let mut text = format!("{now:?} {:?} {}\n", model.counters, model.gates().len());
    for run in model.runs() {
        text += &serde_json::to_string(&Report::of(run, now, &model.rules, true)).unwrap();
        text += &format!("\n{:?} {:?}\n", run.curve, run.timeline);
    }
    text
}

/// What live would show at `now`: a new model that was told everything up to then, each at its time, with the ticks of
/// the loop.
pub fn live(beats: &[Beat], now: Stamp) -> Model {
    let mut model = model();
    let mut tick = Stamp((START.0).div_euclid(1_000) * 1_000 + 5);
    let begin = beats.first().map_or(START, |beat| beat.at);
    while tick <= begin {
        tick = tick + Span(1_000);
    }
    let mut pass = |model: &mut Model, to: Stamp| {
        while tick <= to {
            model.apply(Msg::Tick, tick);
            tick = tick + Span(1_000);
        }
    };
    for beat in beats.iter().filter(|beat| beat.at <= now) {
        pass(&mut model, beat.at);
        if let Some(msg) = beat.clone().into_msg() {
            model.apply(msg, beat.at);
        }
    }
    pass(&mut model, now);
    model
}
