//! A project's file may make the user's policy tighter, never looser: whoever can write to a repository, the agent at
//! work in it included, must not be able to give itself more time or make its actions cheaper.
//!
//! Every structure of the policy is taken apart field by field, so that a new field does not compile until somebody
//! has decided here which direction is tighter.

use super::key::KeyPath;
use crate::domain::policy::{
    AtZero, Budget, BudgetRule, Caps, Clock, Forecast, Gating, Leftovers, Materiality, Policy, Recording, Stopping,
    Tariff, Watch,
};
use crate::domain::time::Span;

mod classes;

/// One value of a project's file that would loosen the policy below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loosening {
    /// Where in the project's own file.
    pub path: KeyPath,
    /// What the policy below says, and why this is looser.
    pub was: String,
}

/// What `own`, a project's policy by itself, would loosen. `was` is the policy below it, `now` the two merged.
pub fn loosenings(was: &Policy, now: &Policy, own: &Policy) -> Vec<Loosening> {
    let mut judge = Judge::default();
    let Policy {
        version,
        budget,
        caps,
        clock,
        stop,
        gate,
        tariff,
        materiality: _,
        forecast,
        shell,
        tools,
        watch,
        record,
    } = was;
    judge.same("version", *version, now.version);
    judge.budget(budget, &now.budget, own, was);
    judge.caps("caps", caps, &now.caps);
    judge.clock(clock, &now.clock);
    judge.stop(stop, &now.stop);
    judge.gate(gate, &now.gate, &own.gate);
    judge.tariff(tariff, &now.tariff);
    for (i, Materiality { glob: _, percent, tightens: _ }) in own.materiality.iter().enumerate() {
        judge.longer(&format!("materiality[{i}].percent"), 100, *percent);
    }
    judge.forecast(forecast, &now.forecast);
    classes::shell(&mut judge.found, shell, &own.shell);
    classes::tools(&mut judge.found, tools, &own.tools);
    let Watch { active_within } = watch;
    judge.same("watch.active_within", *active_within, now.watch.active_within);
    // A project's patterns go in front of those below, and so only add to them.
    let Recording { watched, keep, keep_mb, redact: _ } = record;
    judge.same("record.watched", *watched, now.record.watched);
    judge.same("record.keep", *keep, now.record.keep);
    judge.same("record.keep_mb", *keep_mb, now.record.keep_mb);
    judge.found
}

#[derive(Default)]
struct Judge {
    found: Vec<Loosening>,
}

/// A value as the policy writes it.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for Span {
    fn shown(&self) -> String {
        self.short()
    }
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for u64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for f64 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for AtZero {
    fn shown(&self) -> String {
        self.name().to_owned()
    }
}

impl Shown for Leftovers {
    fn shown(&self) -> String {
        self.name().to_owned()
    }
}

impl Judge {
    fn say(&mut self, place: &str, was: String) {
        self.found.push(Loosening { path: KeyPath::of_place(place), was });
    }

    /// More is tighter.
    fn longer<T: PartialOrd + Shown>(&mut self, place: &str, was: T, now: T) {
        if now < was {
            self.say(place, was.shown());
        }
    }

    /// Less is tighter.
    fn shorter<T: PartialOrd + Shown>(&mut self, place: &str, was: T, now: T) {
        if now > was {
            self.say(place, was.shown());
        }
    }

    /// Neither is: not a project's business.
    fn same<T: PartialEq + Shown>(&mut self, place: &str, was: T, now: T) {
        if was != now {
            self.say(place, format!("{}; not for a project to set", was.shown()));
        }
    }

    /// A limit: less is tighter, none is loosest.
    fn limit<T: PartialOrd + Shown>(&mut self, place: &str, was: Option<T>, now: Option<T>) {
        match (was, now) {
            (Some(was), Some(now)) => self.shorter(place, was, now),
            (Some(was), None) => self.say(place, was.shown()),
            (None, _) => {}
        }
    }

    fn budget(&mut self, was: &Budget, now: &Budget, own: &Policy, below: &Policy) {
        // The rules below stay as they are: a project's come in front, and each only lowers (`Rules::allowance`).
        let Budget { default, declared_max, rules } = was;
        self.shorter("budget.default", *default, now.default);
        self.shorter("budget.declared_max", *declared_max, now.declared_max);
        for (i, rule) in own.budget.rules.iter().enumerate() {
            let BudgetRule { agent: _, project: _, label: _, budget, caps, tightens: _ } = rule;
            let most = most_given(rule, *default, &below.caps, rules);
            if let Some(budget) = budget {
                self.shorter(&format!("budget.rules[{i}].budget"), most.0, *budget);
            }
            self.caps(&format!("budget.rules[{i}].caps"), &most.1, &caps.or(most.1));
        }
    }

    fn caps(&mut self, place: &str, was: &Caps, now: &Caps) {
        let Caps { usd, tokens, output_tokens, turns, tools, failures, depth, fanout, wall } = *was;
        self.limit(&format!("{place}.usd"), usd, now.usd);
        self.limit(&format!("{place}.tokens"), tokens, now.tokens);
        self.limit(&format!("{place}.output_tokens"), output_tokens, now.output_tokens);
        self.limit(&format!("{place}.turns"), turns, now.turns);
        self.limit(&format!("{place}.tools"), tools, now.tools);
        self.limit(&format!("{place}.failures"), failures, now.failures);
        self.limit(&format!("{place}.depth"), depth, now.depth);
        self.limit(&format!("{place}.fanout"), fanout, now.fanout);
        self.limit(&format!("{place}.wall"), wall, now.wall);
    }

    fn clock(&mut self, was: &Clock, now: &Clock) {
        // The later a silent run counts as idle, the more it is charged; the earlier it warns, the better.
        // Warnings of a project go in front of those below, and so only add to them.
        let Clock { idle_after, tool_idle_after, low, at_zero, at_zero_hooked, warn_at: _ } = *was;
        self.longer("clock.at_zero", at_zero, now.at_zero);
        self.longer("clock.at_zero_hooked", at_zero_hooked, now.at_zero_hooked);
        self.longer("clock.idle_after", idle_after, now.idle_after);
        self.longer("clock.tool_idle_after", tool_idle_after, now.tool_idle_after);
        self.longer("clock.low", low, now.low);
    }

    fn stop(&mut self, was: &Stopping, now: &Stopping) {
        // The sooner a stop goes on to the next rung, the sooner the run is gone.
        let Stopping { cooperative, int, term, orphans, give_up, leftovers } = *was;
        self.shorter("stop.cooperative", cooperative, now.cooperative);
        self.shorter("stop.int", int, now.int);
        self.shorter("stop.term", term, now.term);
        self.shorter("stop.orphans", orphans, now.orphans);
        self.same("stop.give_up", give_up, now.give_up);
        self.longer("stop.leftovers", leftovers, now.leftovers);
    }

    fn gate(&mut self, was: &Gating, now: &Gating, own: &Gating) {
        // Where nobody answers, the sooner that is a denial the better.
        let Gating { timeout, irreversible, patterns } = was;
        self.shorter("gate.timeout", *timeout, now.timeout);
        self.longer("gate.irreversible", *irreversible, now.irreversible);
        for (pattern, _) in own.patterns.iter().filter(|(_, held)| !**held) {
            let was = match patterns.get(pattern) {
                Some(false) => continue,
                Some(true) => "true".to_owned(),
                None => "no line, so held where it is irreversible".to_owned(),
            };
            let path = KeyPath::default().key("gate").key("patterns").key(pattern);
            self.found.push(Loosening { path, was });
        }
    }

    fn tariff(&mut self, was: &Tariff, now: &Tariff) {
        let Tariff {
            wall_percent,
            model_call,
            output_tokens_per_second,
            uncached_input_tokens_per_second,
            read,
            write,
            execute,
            network,
            other,
            spawn,
            first_touch,
            new_root,
            irreversible,
            repeat_limit,
            failure,
            failure_limit,
            chain_step_percent,
            chain_limit_percent,
            narrowed_bit,
            widened_bit,
        } = *was;
        self.longer("tariff.wall_percent", wall_percent, now.wall_percent);
        self.longer("tariff.model_call", model_call, now.model_call);
        let (output, input) = (now.output_tokens_per_second, now.uncached_input_tokens_per_second);
        self.shorter("tariff.output_tokens_per_second", output_tokens_per_second, output);
        self.shorter("tariff.uncached_input_tokens_per_second", uncached_input_tokens_per_second, input);
        self.longer("tariff.read", read, now.read);
        self.longer("tariff.write", write, now.write);
        self.longer("tariff.execute", execute, now.execute);
        self.longer("tariff.network", network, now.network);
        self.longer("tariff.other", other, now.other);
        self.longer("tariff.spawn", spawn, now.spawn);
        self.longer("tariff.first_touch", first_touch, now.first_touch);
        self.longer("tariff.new_root", new_root, now.new_root);
        self.longer("tariff.irreversible", irreversible, now.irreversible);
        self.longer("tariff.repeat_limit", repeat_limit, now.repeat_limit);
        self.longer("tariff.failure", failure, now.failure);
        self.longer("tariff.failure_limit", failure_limit, now.failure_limit);
        self.longer("tariff.chain_step_percent", chain_step_percent, now.chain_step_percent);
        self.longer("tariff.chain_limit_percent", chain_limit_percent, now.chain_limit_percent);
        self.shorter("tariff.narrowed_bit", narrowed_bit, now.narrowed_bit);
        self.longer("tariff.widened_bit", widened_bit, now.widened_bit);
    }

    fn forecast(&mut self, was: &Forecast, now: &Forecast) {
        // A project that could bend the forecast could hide how soon it runs out.
        let Forecast { sample, half_life, prior_percent, prior_samples, drift_percent, interval_percent } = *was;
        self.same("forecast.sample", sample, now.sample);
        self.same("forecast.half_life", half_life, now.half_life);
        self.same("forecast.prior_percent", prior_percent, now.prior_percent);
        self.same("forecast.prior_samples", prior_samples, now.prior_samples);
        self.same("forecast.drift_percent", drift_percent, now.drift_percent);
        self.same("forecast.interval_percent", interval_percent, now.interval_percent);
    }
}

/// The most that the policy below gives to any run which `rule` could be about.
fn most_given(rule: &BudgetRule, default: Span, caps: &Caps, below: &[BudgetRule]) -> (Span, Caps) {
    let differ = |a: Option<&str>, b: Option<&str>| a.zip(b).is_some_and(|(a, b)| a != b);
    let meets = |other: &&BudgetRule| {
        let agents = (rule.agent.map(|a| a.name()), other.agent.map(|a| a.name()));
        !differ(agents.0, agents.1) && !differ(rule.label.as_deref(), other.label.as_deref())
    };
    below.iter().filter(meets).fold((default, *caps), |(most, limits), other| {
        (most.max(other.budget.unwrap_or(default)), limits.loosest(other.caps.or(*caps)))
    })
}
