//! Values that are valid TOML of the right type and still make no sense.
//!
//! Every structure of the policy is taken apart field by field, so that a new field does not compile until somebody
//! has decided here what may stand in it.

use super::key::KeyPath;
use super::suggest::nearest;
use crate::domain::event::Agent;
use crate::domain::policy::{
    Budget, BudgetRule, Caps, Clock, Forecast, Gating, Materiality, Policy, Recording, Stopping, Tariff, Watch,
};
use crate::domain::time::Span;
use crate::record::redact::Pattern;

/// The newest form of the policy file.
pub const VERSION: u32 = 1;
const MAX_PERCENT: u32 = 10_000;
/// Warnings are for people; more than these nobody reads.
const MAX_WARNINGS: usize = 32;
const YEAR: Span = Span::secs(366 * 86_400);

/// What is wrong, and where in the policy.
pub type Complaint = (KeyPath, String);

#[derive(Default)]
struct Check {
    found: Vec<Complaint>,
}

/// Everything that makes no sense in a merged policy.
pub fn complaints(policy: &Policy) -> Vec<Complaint> {
    let mut check = Check::default();
    let Policy { version, budget, caps, clock, stop, gate, tariff, materiality, forecast, shell, tools, watch, record } =
        policy;
    if *version != VERSION {
        check.say("version", format!("is {version}; this redkey reads version {VERSION}"));
    }
    check.budget(budget);
    check.caps("caps", caps);
    check.clock(clock);
    check.stop(stop);
    check.gate(gate);
    check.tariff(tariff);
    for (i, Materiality { glob, percent, tightens: _ }) in materiality.iter().enumerate() {
        check.not_empty(&format!("materiality[{i}].glob"), Some(glob));
        check.number(&format!("materiality[{i}].percent"), *percent, 0, MAX_PERCENT);
    }
    check.forecast(forecast);
    for pattern in shell.keys().filter(|pattern| pattern.trim().is_empty()) {
        check.found.push((KeyPath::default().key("shell").key(pattern), "names no command".into()));
    }
    let known = || Agent::ALL.map(Agent::name).into_iter().chain(["any"]);
    for table in tools.keys().filter(|table| known().all(|name| name != table.as_str())) {
        let hint = nearest(table, known()).map(|near| format!("; did you mean `{near}`?"));
        let list = known().collect::<Vec<_>>().join(", ");
        let message = format!("names no agent{}", hint.unwrap_or_else(|| format!("; known: {list}")));
        check.found.push((KeyPath::default().key("tools").key(table), message));
    }
    let Watch { active_within } = watch;
    check.span("watch.active_within", *active_within, Span(1), Span::secs(100 * 366 * 86_400));
    check.record(record);
    check.found
}

impl Check {
    fn say(&mut self, place: &str, message: impl Into<String>) {
        self.found.push((KeyPath::of_place(place), message.into()));
    }

    fn span(&mut self, place: &str, value: Span, least: Span, most: Span) {
        if value < least {
            let limit =
                if least == Span(1) { "longer than nothing".into() } else { format!("at least {}", least.short()) };
            self.say(place, format!("is {}, but must be {limit}", value.short()));
        } else if value > most {
            self.say(place, format!("is {}, but must be at most {}", value.short(), most.short()));
        }
    }

    fn number(&mut self, place: &str, value: u32, least: u32, most: u32) {
        if !(least..=most).contains(&value) {
            let limit = if most == u32::MAX { format!("at least {least}") } else { format!("from {least} to {most}") };
            self.say(place, format!("is {value}, but must be {limit}"));
        }
    }

    fn not_empty(&mut self, place: &str, value: Option<&str>) {
        if value.is_some_and(|text| text.trim().is_empty()) {
            self.say(place, "is empty, so nothing would match");
        }
    }

    fn budget(&mut self, budget: &Budget) {
        let Budget { default, declared_max, rules } = budget;
        self.span("budget.default", *default, Span(1), YEAR);
        self.span("budget.declared_max", *declared_max, Span(1), YEAR);
        for (i, rule) in rules.iter().enumerate() {
            let BudgetRule { agent: _, project, label, budget, caps, tightens: _ } = rule;
            let place = format!("budget.rules[{i}]");
            self.not_empty(&format!("{place}.project"), project.as_deref());
            self.not_empty(&format!("{place}.label"), label.as_deref());
            if let Some(budget) = budget {
                self.span(&format!("{place}.budget"), *budget, Span(1), YEAR);
            }
            self.caps(&format!("{place}.caps"), caps);
        }
    }

    fn caps(&mut self, place: &str, caps: &Caps) {
        let Caps { usd, tokens, output_tokens, turns, tools, failures, depth, fanout, wall } = *caps;
        if usd.is_some_and(|usd| !usd.is_finite() || usd <= 0.0 || usd > 1e9) {
            self.say(&format!("{place}.usd"), "must be more than 0 and at most a billion dollars");
        }
        for (name, cap) in [
            ("tokens", tokens),
            ("output_tokens", output_tokens),
            ("turns", turns),
            ("tools", tools),
            ("failures", failures),
            ("depth", depth),
            ("fanout", fanout),
        ] {
            if cap == Some(0) {
                self.say(&format!("{place}.{name}"), "is 0, which is used up before the run begins; the least is 1");
            }
        }
        if let Some(wall) = wall {
            self.span(&format!("{place}.wall"), wall, Span(1), YEAR);
        }
    }

    fn clock(&mut self, clock: &Clock) {
        let Clock { idle_after, tool_idle_after, low, at_zero: _, at_zero_hooked: _, ref warn_at } = *clock;
        self.span("clock.idle_after", idle_after, Span::secs(1), YEAR);
        self.span("clock.tool_idle_after", tool_idle_after, Span::secs(1), YEAR);
        self.span("clock.low", low, Span::ZERO, YEAR);
        if tool_idle_after < idle_after {
            let message =
                format!("is shorter than clock.idle_after ({}); a running tool is given more", idle_after.short());
            self.say("clock.tool_idle_after", message);
        }
        for (i, left) in warn_at.iter().enumerate() {
            self.span(&format!("clock.warn_at[{i}]"), *left, Span(1), YEAR);
        }
        if warn_at.len() > MAX_WARNINGS {
            self.say("clock.warn_at", format!("holds {} times; {MAX_WARNINGS} at most", warn_at.len()));
        }
    }

    fn record(&mut self, record: &Recording) {
        let Recording { watched: _, keep, keep_mb, redact } = record;
        self.span("record.keep", *keep, Span::mins(1), Span::secs(100 * 366 * 86_400));
        self.number("record.keep_mb", *keep_mb, 1, u32::MAX);
        for (name, patterns) in redact {
            let at = KeyPath::default().key("record").key("redact").key(name);
            for (i, pattern) in patterns.iter().enumerate() {
                if let Err(why) = Pattern::parse(pattern) {
                    self.found.push((at.clone().index(i), why));
                }
            }
        }
    }

    fn stop(&mut self, stop: &Stopping) {
        let Stopping { cooperative, int, term, orphans, give_up, leftovers: _ } = *stop;
        for (name, time) in [("cooperative", cooperative), ("int", int), ("term", term), ("orphans", orphans)] {
            self.span(&format!("stop.{name}"), time, Span::ZERO, Span::mins(60));
        }
        self.span("stop.give_up", give_up, Span::secs(1), Span::mins(60));
    }

    fn gate(&mut self, gate: &Gating) {
        let Gating { timeout, irreversible: _, patterns } = gate;
        self.span("gate.timeout", *timeout, Span::secs(1), Span::mins(24 * 60));
        for pattern in patterns.keys().filter(|pattern| pattern.trim().is_empty()) {
            let path = KeyPath::default().key("gate").key("patterns").key(pattern);
            self.found.push((path, "names no command".into()));
        }
    }

    fn tariff(&mut self, tariff: &Tariff) {
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
        } = *tariff;
        for (name, price) in [
            ("model_call", model_call),
            ("read", read),
            ("write", write),
            ("execute", execute),
            ("network", network),
            ("other", other),
            ("spawn", spawn),
            ("first_touch", first_touch),
            ("new_root", new_root),
            ("irreversible", irreversible),
            ("failure", failure),
            ("narrowed_bit", narrowed_bit),
            ("widened_bit", widened_bit),
        ] {
            self.span(&format!("tariff.{name}"), price, Span::ZERO, YEAR);
        }
        for (name, value, least, most) in [
            ("wall_percent", wall_percent, 0, MAX_PERCENT),
            ("output_tokens_per_second", output_tokens_per_second, 1, u32::MAX),
            ("uncached_input_tokens_per_second", uncached_input_tokens_per_second, 1, u32::MAX),
            // More would not fit a charge's factor.
            ("repeat_limit", repeat_limit, 1, 600),
            ("failure_limit", failure_limit, 1, 1_000),
            ("chain_step_percent", chain_step_percent, 0, MAX_PERCENT),
            ("chain_limit_percent", chain_limit_percent, 100, MAX_PERCENT),
        ] {
            self.number(&format!("tariff.{name}"), value, least, most);
        }
    }

    fn forecast(&mut self, forecast: &Forecast) {
        let Forecast { sample, half_life, prior_percent, prior_samples, drift_percent, interval_percent } = *forecast;
        self.span("forecast.sample", sample, Span(100), Span::mins(60));
        self.span("forecast.half_life", half_life, Span(100), YEAR);
        if half_life < sample {
            self.say("forecast.half_life", format!("is shorter than forecast.sample ({})", sample.short()));
        }
        self.number("forecast.prior_percent", prior_percent, 1, MAX_PERCENT);
        self.number("forecast.prior_samples", prior_samples, 1, 1_000);
        self.number("forecast.drift_percent", drift_percent, 0, 1_000);
        self.number("forecast.interval_percent", interval_percent, 1, MAX_PERCENT);
    }
}

/// What is allowed and probably not meant.
pub fn warnings(policy: &Policy) -> Vec<(KeyPath, String)> {
    let mut found = Vec::new();
    let mut catches_all: [Option<usize>; 2] = [None, None];
    for (i, rule) in policy.budget.rules.iter().enumerate() {
        let path = KeyPath::of_place(&format!("budget.rules[{i}]"));
        if rule.budget.is_none() && rule.caps == Caps::default() {
            found.push((path.clone(), "gives neither a budget nor a cap".into()));
        }
        // A project's rules each lower what the user's first match gives; they don't hide each other.
        let catcher = &mut catches_all[usize::from(rule.tightens)];
        if let Some(first) = catcher.filter(|_| !rule.tightens) {
            found.push((path, format!("is never asked: budget.rules[{first}] matches every run")));
        } else if rule.agent.is_none() && rule.project.is_none() && rule.label.is_none() {
            *catcher = Some(i);
        }
    }
    let shell = policy.shell.keys().map(|pattern| (KeyPath::default().key("shell"), pattern));
    let gate = policy.gate.patterns.keys().map(|pattern| (KeyPath::default().key("gate").key("patterns"), pattern));
    for (table, pattern) in shell.chain(gate) {
        // Commands are seen without the directory of their program.
        if pattern.split_whitespace().next().is_some_and(|program| program.contains('/')) {
            found.push((table.key(pattern), "matches nothing: write the program without its directory".into()));
        }
    }
    found
}
