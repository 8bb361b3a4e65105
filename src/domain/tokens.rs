//! Counting tokens and money once, whatever is repeated, replaced or summed up by the agent itself.
//!
//! Rules: an answer told again replaces itself (the larger figure of each kind wins); an agent's own total replaces
//! everything counted up to its time; a copy of an answer that another run already holds counts for this run but not
//! for the sum over all runs.

use std::collections::{HashMap, VecDeque};

use super::event::{Key, ModelCall, Totals};
use super::price::{Cost, Prices};
use super::text::Text;
use super::time::Stamp;
use super::usage::{Usage, Usd};

/// Answers that can still be replaced. Streams repeat an answer's lines close together.
const RECENT: usize = 32;

/// Keys met anywhere, with the number of the run that had them first. Shared by all runs.
#[derive(Debug, Default)]
pub struct Seen(HashMap<Key, u32>);

impl Seen {
    /// Notes `key` for `run`; returns the run that had it before, if any.
    pub fn note(&mut self, key: Key, run: u32) -> Option<u32> {
        match self.0.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => Some(*entry.get()),
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(run);
                None
            }
        }
    }

    pub fn holds(&self, key: Key) -> bool {
        self.0.contains_key(&key)
    }
}

#[derive(Clone, Debug)]
struct Recent {
    key: Key,
    usage: Usage,
    cost: Cost,
    /// Counted in the figures since the agent's last total (else that total holds it already).
    counted: bool,
    copied: bool,
}

/// One run's (or all its branches') tokens and money.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// The agent's own total, and when it said so.
    base: Option<(Usage, Option<Stamp>)>,
    base_cost: Option<Cost>,
    since_main: Usage,
    since_branches: Usage,
    since_cost: Cost,
    /// Part of the above that another run had first.
    copied: Usage,
    copied_cost: Usd,
    recent: VecDeque<Recent>,
    pub model_calls: u64,
    models: Vec<Text>,
    /// The agent has summed up by itself since the last answer.
    settled: bool,
}

/// What an answer changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// A new answer.
    New,
    /// More of an answer that was already counted.
    More,
    /// Nothing new.
    Repeat,
}

impl Tokens {
    /// Counts one answer. `run` is this run's number in `seen`.
    pub fn call(
        &mut self,
        call: &ModelCall,
        branch: bool,
        at: Option<Stamp>,
        prices: &Prices,
        seen: &mut Seen,
        run: u32,
    ) -> Counted {
        if let Some(model) = &call.model {
            self.note_model(model);
        }
        let Some(key) = call.key else {
            let cost = cost_of(call, call.usage, prices);
            self.add(branch, call.usage, cost, self.is_after_base(at));
            self.model_calls += 1;
            return Counted::New;
        };
        if let Some(index) = self.recent.iter().position(|r| r.key == key) {
            return self.replace(index, call, branch, prices);
        }
        if branch && call.replay_of.is_some_and(|original| seen.holds(original)) {
            return Counted::Repeat;
        }
        let before = seen.note(key, run);
        if before == Some(run) {
            return Counted::Repeat; // told again, long after
        }
        if let (false, Some(id)) = (branch, call.replay_of) {
            seen.note(id, run);
        }
        let cost = cost_of(call, call.usage, prices);
        let counted = self.is_after_base(at);
        self.add(branch, call.usage, cost, counted);
        let copied = before.is_some();
        if copied {
            self.copied += call.usage;
            self.copied_cost += cost.usd;
        }
        self.recent.push_back(Recent { key, usage: call.usage, cost, counted, copied });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.model_calls += 1;
        Counted::New
    }

    fn replace(&mut self, index: usize, call: &ModelCall, branch: bool, prices: &Prices) -> Counted {
        let recent = &mut self.recent[index];
        let usage = recent.usage.max(call.usage);
        let cost = cost_of(call, usage, prices);
        let more = usage - recent.usage;
        let more_cost = Cost { usd: cost.usd - recent.cost.usd, is_floor: cost.is_floor };
        recent.usage = usage;
        recent.cost = cost;
        let (counted, copied) = (recent.counted, recent.copied);
        if more == Usage::ZERO && more_cost.usd == Usd::ZERO {
            return Counted::Repeat;
        }
        self.add(branch, more, more_cost, counted);
        if copied {
            self.copied += more;
            self.copied_cost += more_cost.usd;
        }
        Counted::More
    }

    fn add(&mut self, branch: bool, usage: Usage, cost: Cost, counted: bool) {
        if !counted {
            return;
        }
        self.settled = false;
        let side = if branch { &mut self.since_branches } else { &mut self.since_main };
        *side += usage;
        self.since_cost.usd += cost.usd;
        self.since_cost.is_floor |= cost.is_floor;
    }

    /// An answer from before the agent's total is inside it; an unknown time means that it came after.
    fn is_after_base(&self, at: Option<Stamp>) -> bool {
        match (self.base, at) {
            (Some((_, Some(base))), Some(at)) => at > base,
            _ => true,
        }
    }

    /// Takes the agent's own total.
    pub fn totals(&mut self, totals: &Totals, at: Option<Stamp>, prices: &Prices) {
        for (model, _) in &totals.models {
            self.note_model(model);
        }
        if let Some(usage) = totals.usage {
            self.base = Some((usage, at));
            self.since_main = Usage::ZERO;
            self.settled = true;
            if totals.with_subagents {
                self.since_branches = Usage::ZERO;
            }
            self.recent.iter_mut().for_each(|r| r.counted = false);
            if totals.cost.is_none() {
                self.base_cost = Some(self.priced(totals, usage, prices));
                self.since_cost = Cost::default();
            }
        }
        if let Some(usd) = totals.cost {
            self.base_cost = Some(Cost { usd, is_floor: false });
            self.since_cost = Cost::default();
        }
    }

    /// A total without a price: by model where the agent says which took what, else by the only model known.
    fn priced(&self, totals: &Totals, usage: Usage, prices: &Prices) -> Cost {
        if totals.models.is_empty() {
            let model = if self.models.len() == 1 { Some(self.models[0].as_str()) } else { None };
            return prices.cost(model, &usage);
        }
        totals.models.iter().fold(Cost::default(), |sum, (model, usage)| {
            let cost = prices.cost(Some(model.as_str()), usage);
            Cost { usd: sum.usd + cost.usd, is_floor: sum.is_floor || cost.is_floor }
        })
    }

    fn note_model(&mut self, model: &Text) {
        if !self.models.contains(model) && self.models.len() < 16 {
            self.models.push(model.clone());
        }
    }

    /// Gives up replacing answers: nothing more is expected of a quiet run.
    pub fn shrink(&mut self) {
        self.recent = VecDeque::new();
        self.models.shrink_to_fit();
    }

    /// Models in order of appearance.
    pub fn models(&self) -> &[Text] {
        &self.models
    }

    /// Everything this run used, subagents included.
    pub fn usage(&self) -> Usage {
        self.base.map(|(usage, _)| usage).unwrap_or_default() + self.since_main + self.since_branches
    }

    pub fn cost(&self) -> Cost {
        let base = self.base_cost.unwrap_or_default();
        Cost { usd: base.usd + self.since_cost.usd, is_floor: base.is_floor || self.since_cost.is_floor }
    }

    /// What no other run had before: sums over runs add these.
    pub fn own(&self) -> (Usage, Usd) {
        (self.usage() - self.copied, self.cost().usd - self.copied_cost)
    }

    /// False while figures can still change without a further answer (the agent hasn't summed up yet).
    pub fn settled(&self) -> bool {
        self.settled
    }
}

fn cost_of(call: &ModelCall, usage: Usage, prices: &Prices) -> Cost {
    match call.cost {
        // An agent that knows no price reports nothing or zero: that is unknown, not free.
        Some(usd) if usd > Usd::ZERO || usage.total() == 0 => Cost { usd, is_floor: false },
        _ => prices.cost(call.model.as_ref().map(Text::as_str), &usage),
    }
}
