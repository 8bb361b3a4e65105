//! Charging: from facts to lines on the statement. Every amount is whole milliseconds and names its rule.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::status::wall_price;
use super::{Pending, Run};
use crate::domain::event::Key;
use crate::domain::meter::Meter;
use crate::domain::rules::{Class, Rules};
use crate::domain::statement::{Charge, Factors, Rule};
use crate::domain::target;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tool::ToolInput;

/// Targets remembered of one run; past it every further one counts as known.
const MAX_TARGETS: usize = 8_192;
/// Calls waited for at once; the oldest is given up.
const MAX_PENDING: usize = 64;

impl Run {
    /// Writes one line and moves the clock. Zero amounts write nothing.
    pub(super) fn charge(
        &mut self,
        at: Stamp,
        branch: u16,
        rule: Rule,
        base: Span,
        factors: Factors,
        what: Text,
    ) -> Span {
        let amount = factors.apply(base);
        if amount == Span::ZERO {
            return amount;
        }
        // Time alone may pass before a run has said where it is and what it was given.
        self.budget_fixed |= rule != Rule::Wall;
        self.clock.spend(amount);
        self.branches[usize::from(branch)].spent += amount;
        if rule != Rule::Wall {
            self.burns[Meter::Clock as usize].burn(amount.as_secs_f64());
        }
        self.statement.push(Charge { at, amount, rule, branch, factors, what });
        self.curve.note(at, self.clock.spent.0);
        amount
    }

    /// Charges the working time up to `at` and ages the burn.
    pub(super) fn charge_wall(&mut self, at: Stamp, rules: &Rules) {
        let gap = self.unsettled(at, rules);
        if gap > Span::ZERO {
            self.worked += gap;
            self.sample(gap, rules);
            let price = wall_price(gap, rules);
            if let Some(last) = self.last_at {
                let spent = self.clock.spent;
                self.curve.ramp(last, spent.0, last + gap, (spent + price).0);
            }
            self.charge(at, 0, Rule::Wall, price, Factors::NONE, Text::default());
        }
    }

    fn sample(&mut self, gap: Span, rules: &Rules) {
        let wall = f64::from(rules.policy.tariff.wall_percent) / 100.0;
        let mut burns = self.burns.each_mut().map(|burn| (burn, 0.0));
        burns[Meter::Clock as usize].1 = wall;
        self.sampler.pass(gap, &mut burns, &rules.policy.forecast);
    }

    /// Charges tokens beyond those already charged: streams tell output late, or again.
    pub(super) fn charge_tokens(&mut self, at: Stamp, branch: u16, base: Span, what: &str, rules: &Rules) -> Span {
        let tariff = &rules.policy.tariff;
        let usage = self.tokens.usage();
        let per = |tokens: u64, per_second: u32| {
            let ms = u128::from(tokens) * 1_000 / u128::from(per_second.max(1));
            Span(i64::try_from(ms).unwrap_or(i64::MAX))
        };
        let due = per(usage.written(), tariff.output_tokens_per_second)
            + per(usage.uncached_input(), tariff.uncached_input_tokens_per_second);
        // A total that turns out lower than what was counted gives nothing back.
        let more = (due - self.charged_tokens).max(Span::ZERO);
        self.charged_tokens += more;
        self.charge(at, branch, Rule::ModelCall, base + more, Factors::NONE, Text::new(what))
    }

    /// Charges a tool call and notes what it touched.
    pub(super) fn charge_call(
        &mut self,
        at: Stamp,
        branch: u16,
        key: Key,
        tool: &Text,
        input: &ToolInput,
        rules: &Rules,
    ) -> Span {
        let class = rules.classify(self.id.agent, tool, input, self.facts.cwd.as_str());
        let what = Text::new(&format!("{tool} {}", input.summary));
        let factors = Factors {
            repeat: self.repeat_factor(branch, tool, input, rules),
            chain: self.chain_factor(&class, rules),
            materiality: rules.materiality(&class.paths, &class.hosts),
        };
        let mut base = rules.price(class.rule);
        if class.rule == Rule::Spawn {
            let depth = self.branches[usize::from(branch)].depth.saturating_add(1);
            base = Span(base.0.saturating_mul(i64::from(depth)));
            self.counts.spawned += 1;
            self.counts.depth = self.counts.depth.max(u64::from(depth));
        }
        self.counts.irreversible += u64::from(class.rule == Rule::Irreversible);
        let mut sum = self.charge(at, branch, class.rule, base, factors, what.clone());
        sum += self.charge_targets(at, branch, &class, rules);
        if class.is_consequential() {
            self.unverified_chain += 1;
        }
        self.branches[usize::from(branch)].doing = what.clone();
        if self.pending.len() >= MAX_PENDING {
            self.pending.remove(0);
        }
        self.pending.push(Pending { key, branch, verifies: class.verifies, asks: class.asks, what });
        sum
    }

    /// The k-th identical call in a row costs 2^(k-1) times as much.
    fn repeat_factor(&mut self, branch: u16, tool: &Text, input: &ToolInput, rules: &Rules) -> u16 {
        let mut hasher = DefaultHasher::new();
        (tool.as_str(), input.digest).hash(&mut hasher);
        let call = hasher.finish();
        let branch = &mut self.branches[usize::from(branch)];
        branch.repeats = if branch.last_call == call { branch.repeats.saturating_add(1) } else { 0 };
        branch.last_call = call;
        let limit = rules.policy.tariff.repeat_limit.clamp(1, 600);
        let times = 1u32.checked_shl(branch.repeats).unwrap_or(u32::MAX).min(limit);
        u16::try_from(times * 100).unwrap_or(u16::MAX)
    }

    fn chain_factor(&self, class: &Class, rules: &Rules) -> u16 {
        if !class.is_consequential() {
            return 100;
        }
        let tariff = &rules.policy.tariff;
        let percent = tariff.chain_step_percent.saturating_mul(self.unverified_chain).saturating_add(100);
        u16::try_from(percent.min(tariff.chain_limit_percent.max(100))).unwrap_or(u16::MAX)
    }

    /// First touches of files, and roots (trees, hosts) outside the project that are new to the run.
    fn charge_targets(&mut self, at: Stamp, branch: u16, class: &Class, rules: &Rules) -> Span {
        let cwd = self.facts.cwd.clone();
        let mut sum = Span::ZERO;
        let fresh: Vec<&String> = class.paths.iter().filter(|p| note(&mut self.targets, p)).collect();
        if let Some(first) = fresh.first() {
            let what = match fresh.len() {
                1 => Text::new(first),
                n => Text::new(&format!("{first} and {} more", n - 1)),
            };
            let base = Span(rules.price(Rule::FirstTouch).0.saturating_mul(fresh.len() as i64));
            sum += self.charge(at, branch, Rule::FirstTouch, base, Factors::NONE, what);
        }
        let roots =
            class.paths.iter().filter_map(|p| target::root_of(p, cwd.as_str())).chain(class.hosts.iter().cloned());
        for root in roots {
            if note(&mut self.roots, &root) {
                sum +=
                    self.charge(at, branch, Rule::NewRoot, rules.price(Rule::NewRoot), Factors::NONE, Text::new(&root));
            }
        }
        sum
    }

    /// A failure, the k-th in a row of its kind.
    pub(super) fn charge_failure(&mut self, at: Stamp, branch: u16, streak: u32, what: Text, rules: &Rules) -> Span {
        let times = streak.clamp(1, rules.policy.tariff.failure_limit.max(1));
        let base = Span(rules.price(Rule::Failure).0.saturating_mul(i64::from(times)));
        self.burns[Meter::Failures as usize].burn(1.0);
        self.charge(at, branch, Rule::Failure, base, Factors::NONE, what)
    }

    /// A decision closes options (time comes back, never above what was granted) or opens some.
    pub(super) fn charge_decision(
        &mut self,
        at: Stamp,
        branch: u16,
        before: u32,
        after: u32,
        what: Text,
        rules: &Rules,
    ) -> Span {
        let bits = (f64::from(before.max(1)) / f64::from(after.max(1))).log2();
        let price = |per_bit: Span, bits: f64| Span((per_bit.0 as f64 * bits).round() as i64);
        if bits < 0.0 {
            let base = price(rules.price(Rule::Widening), -bits);
            return self.charge(at, branch, Rule::Widening, base, Factors::NONE, what);
        }
        let back = self.clock.refund(price(rules.price(Rule::Narrowing), bits));
        if back > Span::ZERO {
            self.branches[usize::from(branch)].spent -= back;
            self.burns[Meter::Clock as usize].burn(-back.as_secs_f64());
            let charge = Charge { at, amount: -back, rule: Rule::Narrowing, branch, factors: Factors::NONE, what };
            self.statement.push(charge);
            self.curve.note(at, self.clock.spent.0);
        }
        -back
    }
}

/// Remembers a target; true if it is new.
fn note(known: &mut std::collections::HashSet<u64>, target: &str) -> bool {
    if known.len() >= MAX_TARGETS {
        return false;
    }
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    known.insert(hasher.finish())
}
