//! PURE. From what files say to a session's totals, by the rules of [`crate::domain::tokens`].

use super::SessionTotals;
use super::part::{Fact, Part};
use crate::domain::event::ModelCall;
use crate::domain::price::Prices;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::tokens::{Seen, Tokens};
use crate::domain::usage::{Usage, Usd};

/// Everything that a session's answers are known by; sessions without a common key have nothing in common.
pub fn keys(parts: &[&Part]) -> Vec<u64> {
    let mut keys = Vec::new();
    for fact in parts.iter().flat_map(|part| &part.facts) {
        let Fact::Answer(answer) = fact else { continue };
        keys.extend(answer.key.map(|key| key.0));
        keys.extend(answer.message.filter(|message| answer.key != Some(*message)).map(|message| message.0));
    }
    keys.shrink_to_fit();
    keys
}

/// Adds up one session. `parts` are its shares of files, in any order that is always the same.
pub fn session(parts: &[&Part], prices: &Prices) -> Option<SessionTotals> {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| (part.is_branch_only(), part.about.first));
    let first = parts.first()?;
    let tokens = replay(&parts, prices, &mut Seen::default(), 0);
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

/// The part of a session's tokens and money that isn't also in the sessions before. `seen` is what these hold, and
/// `number` the session's among them.
pub fn own(parts: &[&Part], prices: &Prices, seen: &mut Seen, number: u32) -> (Usage, Usd) {
    let mut parts = parts.to_vec();
    parts.sort_by_key(|part| (part.is_branch_only(), part.about.first));
    replay(&parts, prices, seen, number).own()
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
fn replay(parts: &[&Part], prices: &Prices, seen: &mut Seen, number: u32) -> Tokens {
    let mut tokens = Tokens::default();
    let mut apply = |part: &Part, fact: &Fact| match fact {
        Fact::Total(totals, at) => tokens.totals(totals, *at, prices),
        Fact::Answer(answer) => {
            let call = ModelCall {
                key: answer.key,
                message: answer.message,
                model: answer.model.and_then(|model| part.models.get(usize::from(model))).cloned(),
                usage: answer.usage,
                cost: answer.cost,
            };
            tokens.call(&call, answer.is_branch, answer.at, prices, seen, number);
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
