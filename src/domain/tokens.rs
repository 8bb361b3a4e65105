//! Counting tokens and money once, whatever is repeated, replaced or summed up by the agent itself.
//!
//! Rules: an answer told again replaces itself (the larger figure of each kind wins); an agent's own total replaces
//! everything counted up to its time; a copy of an answer that another run already holds counts for this run but not
//! for the sum over all runs.

use std::collections::VecDeque;

use super::event::{Key, ModelCall, Totals};
use super::price::{Cost, Prices};
use super::text::Text;
use super::time::Stamp;
use super::usage::{Usage, Usd};

pub use super::seen::Seen;

/// Answers that can still be replaced in all their figures; of older ones only more output is taken.
const RECENT: usize = 32;
/// Those that a quiet run keeps: an answer may be written for minutes.
const RECENT_QUIET: usize = 4;

/// In place of a run's number: a subagent told this answer first.
const BY_BRANCH: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Recent {
    key: Key,
    message: Option<Key>,
    usage: Usage,
    cost: Cost,
    /// Counted in the figures since the agent's last total (else that total holds it already).
    counted: bool,
    /// Another run had it first.
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
        let copy_of = |r: &Recent| r.key == key || (r.message.is_some() && r.message == call.message);
        let holder = seen.holder(key);
        if holder == Some(run) || self.is_copy(call, key, branch, seen, run) {
            return match self.recent.iter().position(copy_of) {
                Some(index) => self.replace(index, call, branch, prices, seen),
                None => self.more_of_old(key, call, branch, at, prices, seen),
            };
        }
        // A copy that another run had first is this run's too, but only once.
        if holder.is_some() && seen.note(own(key, run), run).is_some() {
            return match self.recent.iter().position(copy_of) {
                Some(index) => self.replace(index, call, branch, prices, seen),
                None => Counted::Repeat,
            };
        }
        seen.note(key, run);
        if let Some(message) = call.message {
            seen.note(own(message, run), if branch { BY_BRANCH } else { run });
        }
        let copied = holder.is_some();
        let novel = seen.tell(key, call.usage.output);
        let cost = cost_of(call, call.usage, prices);
        let counted = self.is_after_base(at);
        self.add(branch, call.usage, cost, counted);
        if copied {
            let copy = Usage { output: call.usage.output.saturating_sub(novel), ..call.usage };
            self.copy(call, copy, cost.usd, prices);
        }
        self.recent.push_back(Recent { key, message: call.message, usage: call.usage, cost, counted, copied });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.model_calls += 1;
        Counted::New
    }

    /// Is this an answer that the run holds already under another key? Records without a request id are the answer
    /// they name, whichever request it came in; subagents repeat answers under requests of their own.
    fn is_copy(&self, call: &ModelCall, key: Key, branch: bool, seen: &Seen, run: u32) -> bool {
        let Some(message) = call.message else { return false };
        match seen.holder(own(message, run)) {
            None => false,
            Some(first) => branch || first == BY_BRANCH || key == message || seen.holder(message) == Some(run),
        }
    }

    /// An answer from long ago told again: if it has more output now, that much is new.
    fn more_of_old(
        &mut self,
        key: Key,
        call: &ModelCall,
        branch: bool,
        at: Option<Stamp>,
        prices: &Prices,
        seen: &mut Seen,
    ) -> Counted {
        if seen.output(key) == 0 {
            return Counted::Repeat; // known under another key alone
        }
        let novel = seen.tell(key, call.usage.output);
        if novel == 0 {
            return Counted::Repeat;
        }
        let more = Usage { output: novel, ..Usage::ZERO };
        let cost = prices.cost(call.model.as_ref().map(Text::as_str), &more);
        self.add(branch, more, cost, self.is_after_base(at));
        Counted::More
    }

    fn replace(&mut self, index: usize, call: &ModelCall, branch: bool, prices: &Prices, seen: &mut Seen) -> Counted {
        let recent = &mut self.recent[index];
        let usage = recent.usage.max(call.usage);
        let cost = cost_of(call, usage, prices);
        let more = usage - recent.usage;
        let more_cost = Cost { usd: cost.usd - recent.cost.usd, is_floor: cost.is_floor };
        if more == Usage::ZERO && more_cost.usd == Usd::ZERO {
            return Counted::Repeat;
        }
        recent.usage = usage;
        recent.cost = cost;
        let (key, counted, copied) = (recent.key, recent.counted, recent.copied);
        let novel = seen.tell(key, usage.output);
        self.add(branch, more, more_cost, counted);
        // Another run may hold a fuller record of it; so much is no news.
        let output = more.output.saturating_sub(novel);
        let copy = Usage { output, ..if copied { more } else { Usage::ZERO } };
        if copy != Usage::ZERO {
            self.copy(call, copy, more_cost.usd, prices);
        }
        Counted::More
    }

    /// Leaves out of the sum over runs what another run had first. `usd` is at most what that cost.
    fn copy(&mut self, call: &ModelCall, copy: Usage, usd: Usd, prices: &Prices) {
        self.copied += copy;
        self.copied_cost += cost_of(call, copy, prices).usd.min(usd);
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
            // Of one moment, or of an invented one, order decides: it was told after the total.
            (Some((_, Some(base))), Some(at)) => at >= base,
            _ => true,
        }
    }

    /// Takes the agent's own total.
    pub fn totals(&mut self, totals: &Totals, at: Option<Stamp>, prices: &Prices) {
        for (model, _) in &totals.models {
            self.note_model(model);
        }
        let counted = (self.usage(), self.cost());
        let is_less = totals.usage.is_some_and(|usage| usage.total() < counted.0.total());
        if let Some(usage) = totals.usage {
            // A process that resumed a killed one sums up its own part alone.
            let usage = if totals.with_subagents { usage.max(counted.0) } else { usage };
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
            let floor = Cost { usd: usd.max(counted.1.usd), is_floor: true };
            self.base_cost = Some(if is_less { floor } else { Cost { usd, is_floor: false } });
            self.since_cost = Cost::default();
        }
    }

    /// A total without a price: by model where the agent says which took what, else by the only model known.
    fn priced(&self, totals: &Totals, usage: Usage, prices: &Prices) -> Cost {
        if totals.models.is_empty() {
            let model = if self.models.len() == 1 { Some(self.models[0].as_str()) } else { None };
            return prices.cost_of_sum(model, &usage);
        }
        totals.models.iter().fold(Cost::default(), |sum, (model, usage)| {
            let cost = prices.cost_of_sum(Some(model.as_str()), usage);
            Cost { usd: sum.usd + cost.usd, is_floor: sum.is_floor || cost.is_floor }
        })
    }

    fn note_model(&mut self, model: &Text) {
        if !self.models.contains(model) && self.models.len() < 16 {
            self.models.push(model.clone());
        }
    }

    /// Keeps only the newest answers replaceable.
    pub fn shrink(&mut self) {
        self.recent.drain(..self.recent.len().saturating_sub(RECENT_QUIET));
        self.recent.shrink_to_fit();
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

/// A key that is this run's own.
fn own(key: Key, run: u32) -> Key {
    Key(key.0 ^ (u64::from(run) + 1).wrapping_mul(0xd6e8_feb8_6659_fd93))
}

fn cost_of(call: &ModelCall, usage: Usage, prices: &Prices) -> Cost {
    match call.cost {
        // An agent that knows no price reports nothing or zero: that is unknown, not free.
        Some(usd) if usd > Usd::ZERO || usage.total() == 0 => Cost { usd, is_floor: false },
        _ => prices.cost(call.model.as_ref().map(Text::as_str), &usage),
    }
}
