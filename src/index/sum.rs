//! PURE. From what files say to a session's totals, by the rules of [`crate::domain::tokens`].

use super::SessionTotals;
use super::part::{Fact, Part};
use crate::domain::event::{Key, ModelCall};
use crate::domain::price::Prices;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::tokens::{Seen, Tokens};
use crate::domain::usage::{Usage, Usd};

/// Keys that a session's answers are known by.
#[derive(Debug, Default)]
pub struct Keys {
    /// First those that it holds itself, then those that its subagents' answers may be copies of.
    pub all: Vec<u64>,
    pub held: usize,
}

impl Keys {
    pub fn of(parts: &[&Part]) -> Self {
        let mut keys = Self::default();
        let mut asked = Vec::new();
        for fact in parts.iter().flat_map(|part| &part.facts) {
            let Fact::Answer(answer) = fact else { continue };
            keys.all.extend(answer.key.map(|key| key.0));
            let other = if answer.is_branch { &mut asked } else { &mut keys.all };
            other.extend(answer.replay_of.map(|key| key.0));
        }
        keys.held = keys.all.len();
        keys.all.append(&mut asked);
        keys
    }
}

/// Adds up one session. `parts` are its shares of files, in any order that is always the same.
pub fn session(parts: &[&Part], prices: &Prices) -> Option<SessionTotals> {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| (part.is_branch_only(), part.about.first));
    let first = parts.first()?;
    let tokens = replay(&parts, prices, &[]);
    let unique = |keys: fn(&Part) -> &Vec<u64>| sorted(parts.iter().flat_map(|part| keys(part)).copied());
    let failed = unique(|part| &part.failed);
    let mut inferred = unique(|part| &part.inferred);
    inferred.retain(|key| failed.binary_search(key).is_err());
    let announced = unique(|part| &part.spawns).len() + unique(|part| &part.uncalled).len();
    let text = |field: fn(&Part) -> &Text| parts.iter().map(|part| field(part)).find(|text| !text.is_empty()).cloned();
    Some(SessionTotals {
        run: first.run.clone(),
        title: text(|part| &part.about.title).unwrap_or_default(),
        cwd: text(|part| &part.about.cwd).unwrap_or_default(),
        model: newest_model(&parts),
        models: tokens.models().to_vec(),
        forked_from: text(|part| &part.about.forked_from).unwrap_or_default(),
        name: text(|part| &part.about.name).unwrap_or_default(),
        first: parts.iter().filter_map(|part| part.about.first).min(),
        last: parts.iter().filter_map(|part| part.about.last).max(),
        usage: tokens.usage(),
        cost: tokens.cost(),
        own: (tokens.usage(), tokens.cost().usd),
        answers: tokens.model_calls,
        tool_calls: unique(|part| &part.calls).len() as u64,
        failed: failed.len() as u64,
        failed_inferred: inferred.len() as u64,
        subagents: announced.max(unique(|part| &part.branches).len()) as u64,
        unparsed: parts.iter().map(|part| part.unparsed).sum(),
        files: u32::try_from(parts.len()).unwrap_or(u32::MAX),
    })
}

/// The part of a session's tokens and money that isn't also in sessions that hold the answers `foreign`.
pub fn own(parts: &[&Part], prices: &Prices, foreign: &[u64]) -> (Usage, Usd) {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| (part.is_branch_only(), part.about.first));
    replay(&parts, prices, foreign).own()
}

fn newest_model(parts: &[&Part]) -> Text {
    let with_model = parts.iter().filter(|part| !part.about.model.is_empty());
    with_model.max_by_key(|part| part.about.last).map(|part| part.about.model.clone()).unwrap_or_default()
}

fn sorted(keys: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut keys: Vec<u64> = keys.collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Counts all answers in order of time.
fn replay(parts: &[&Part], prices: &Prices, foreign: &[u64]) -> Tokens {
    const OWN: u32 = 0;
    const OTHER: u32 = 1;
    let mut seen = Seen::default();
    for key in foreign {
        seen.note(Key(*key), OTHER);
    }
    let mut tokens = Tokens::default();
    let mut apply = |part: &Part, fact: &Fact| match fact {
        Fact::Total(totals, at) => tokens.totals(totals, *at, prices),
        Fact::Answer(answer) => {
            let call = ModelCall {
                key: answer.key,
                replay_of: answer.replay_of,
                model: answer.model.and_then(|model| part.models.get(usize::from(model))).cloned(),
                usage: answer.usage,
                cost: answer.cost,
            };
            tokens.call(&call, answer.is_branch, answer.at, prices, &mut seen, OWN);
        }
    };
    match parts {
        [part] => part.facts.iter().for_each(|fact| apply(part, fact)),
        _ => by_time(parts).into_iter().for_each(|(part, fact)| apply(part, fact)),
    }
    tokens
}

/// Facts of several files in order of time, which never falls within one file.
fn by_time<'a>(parts: &[&'a Part]) -> Vec<(&'a Part, &'a Fact)> {
    let mut timed: Vec<(Stamp, &Part, &Fact)> = Vec::new();
    for part in parts {
        let mut newest = Stamp(i64::MIN);
        for fact in &part.facts {
            newest = fact.at().map_or(newest, |at| newest.max(at));
            timed.push((newest, part, fact));
        }
    }
    timed.sort_by_key(|(at, ..)| *at);
    timed.into_iter().map(|(_, part, fact)| (part, fact)).collect()
}
