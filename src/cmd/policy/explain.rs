//! `redkey policy explain RUN`: which lines of the policy gave a run its clock, priced what it did, and judged its
//! calls.

use std::io::{self, Write};

use globset::Glob;

use super::line;
use crate::config::key::{KeyPath, Step};
use crate::config::{Loaded, Name};
use crate::domain::meter::Meter;
use crate::domain::policy::{BudgetRule, ToolClass};
use crate::domain::run::Run;
use crate::domain::statement::{Charge, Rule};
use crate::domain::text::Text;
use crate::domain::time::Span;
use crate::domain::tool::ToolInput;

/// Calls that are explained, newest first.
const NEWEST: usize = 20;

/// Explains `run`.
pub fn explain(loaded: &Loaded, run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let facts = &run.facts;
    let id = run.id.to_string();
    let head = [id.as_str(), facts.model.as_str(), facts.cwd.as_str()];
    line(out, &head.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  "))?;
    if !facts.title.is_empty() {
        line(out, &format!("{}", facts.title))?;
    }
    budget(loaded, run, out)?;
    caps(loaded, run, out)?;
    prices(loaded, run, out)?;
    calls(loaded, run, out)
}

/// ` (user, policy.toml:12)`, ` (shipped, line 12)`.
fn whence(loaded: &Loaded, path: &KeyPath) -> String {
    match loaded.origin(path) {
        Some(origin) => match origin.line {
            Some(line) if origin.layer == Name::Embedded => format!(" (shipped, line {line})"),
            Some(line) => format!(" ({}, {}:{line})", origin.layer.name(), origin.path),
            None => format!(" ({}, {})", origin.layer.name(), origin.path),
        },
        None => String::new(),
    }
}

fn budget(loaded: &Loaded, run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let rules = &loaded.rules;
    let because = run.because.as_str();
    let from = if because.starts_with("budget.") {
        format!("{because}{}", whence(loaded, &KeyPath::of_place(because)))
    } else {
        because.to_owned()
    };
    line(out, "")?;
    line(out, "CLOCK")?;
    let (granted, spent) = (run.clock.granted, run.clock.spent);
    line(out, &format!("  {granted} granted, {spent} spent by the last event; from {from}"))?;
    if because == "declared by the run" {
        let max = rules.policy.budget.declared_max.short();
        let path = KeyPath::of_place("budget.declared_max");
        line(out, &format!("  a run may declare up to {max}: budget.declared_max{}", whence(loaded, &path)))?;
    }
    let (agent, cwd, label) = (run.id.agent, run.facts.cwd.as_str(), run.facts.label.as_str());
    for (i, rule) in rules.policy.budget.rules.iter().enumerate() {
        let place = format!("budget.rules[{i}]");
        let verdict = match rules.mismatch(i, agent, cwd, label) {
            Some(field) => format!("does not match: {}", why_not(field, rule, run)),
            None if rule.tightens => format!("matches, and allows at most this{}", what_it_gives(rule)),
            None if because == place => format!("matches, and decides{}", what_it_gives(rule)),
            None => "matches, but an earlier one decides".into(),
        };
        line(out, &format!("  {place}{}  {verdict}", whence(loaded, &KeyPath::of_place(&place))))?;
    }
    let path = KeyPath::of_place("budget.default");
    line(out, &format!("  budget.default = {}{}", rules.policy.budget.default.short(), whence(loaded, &path)))
}

fn why_not(field: &str, rule: &BudgetRule, run: &Run) -> String {
    let facts = &run.facts;
    let (wanted, is) = match field {
        "agent" => (rule.agent.map_or("", |agent| agent.name()), run.id.agent.name()),
        "label" => (rule.label.as_deref().unwrap_or(""), facts.label.as_str()),
        _ => (rule.project.as_deref().unwrap_or(""), facts.cwd.as_str()),
    };
    let is = if is.is_empty() { "(none)" } else { is };
    format!("{field} is {is}, wanted {wanted}")
}

fn what_it_gives(rule: &BudgetRule) -> String {
    let clock = rule.budget.map(|budget| format!("clock {}", budget.short()));
    let caps = Meter::ALL.into_iter().filter_map(|m| m.cap(&rule.caps).map(|cap| cap_text(m, cap)));
    let all: Vec<String> = clock.into_iter().chain(caps).collect();
    if all.is_empty() { String::new() } else { format!(": {}", all.join(", ")) }
}

fn cap_text(meter: Meter, cap: f64) -> String {
    match meter {
        Meter::Usd => format!("usd {cap:.2}"),
        Meter::Wall | Meter::Clock => format!("{} {}", meter.name(), Span((cap * 1_000.0) as i64).short()),
        _ => format!("{} {cap:.0}", meter.name()),
    }
}

fn caps(loaded: &Loaded, run: &Run, out: &mut dyn Write) -> io::Result<()> {
    line(out, "")?;
    line(out, "CAPS")?;
    let mut any = false;
    for meter in Meter::ALL {
        let Some(cap) = meter.cap(&run.caps) else { continue };
        any = true;
        line(out, &format!("  {}{}", cap_text(meter, cap), cap_whence(loaded, run, meter, cap)))?;
    }
    if any { Ok(()) } else { line(out, "  none") }
}

/// The line that set a cap: that of a rule which matches and says just this, else that of `[caps]`.
fn cap_whence(loaded: &Loaded, run: &Run, meter: Meter, cap: f64) -> String {
    let policy = &loaded.rules.policy;
    let (agent, cwd, label) = (run.id.agent, run.facts.cwd.as_str(), run.facts.label.as_str());
    let says = |i: &usize| {
        let rule = &policy.budget.rules[*i];
        meter.cap(&rule.caps) == Some(cap) && loaded.rules.mismatch(*i, agent, cwd, label).is_none()
    };
    let place = match (0..policy.budget.rules.len()).find(says) {
        Some(i) => format!("budget.rules[{i}].caps.{}", meter.name()),
        None => format!("caps.{}", meter.name()),
    };
    format!("  {place}{}", whence(loaded, &KeyPath::of_place(&place)))
}

fn prices(loaded: &Loaded, run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let statement = &run.statement;
    line(out, "")?;
    line(out, "PRICES")?;
    let at_least = if statement.forgotten() > 0 { "≥" } else { "" };
    for rule in Rule::ALL {
        let sum = statement.sum(rule);
        let lines = statement.lines().filter(|charge| charge.rule == rule).count();
        if sum == Span::ZERO && lines == 0 {
            continue;
        }
        let count = format!("{at_least}{lines}");
        let (price, key) = price(loaded, rule);
        let from = key.map(|key| format!("  {key}{}", whence(loaded, &KeyPath::of_place(&key)))).unwrap_or_default();
        line(out, &format!("  {:<13} {count:>6} {sum:>14}  {price}{from}", rule.name()))?;
    }
    if statement.forgotten() > 0 {
        line(
            out,
            &format!("  Sums are of the whole run; {} older lines are not counted here.", statement.forgotten()),
        )?;
    }
    Ok(())
}

/// A rule's price in words, and the key that sets it.
fn price(loaded: &Loaded, rule: Rule) -> (String, Option<String>) {
    let tariff = &loaded.rules.policy.tariff;
    let key = match rule {
        Rule::Wall => {
            return (format!("{} % of working time", tariff.wall_percent), Some("tariff.wall_percent".into()));
        }
        Rule::Grant => return ("given, not charged".into(), None),
        Rule::ModelCall => "model_call",
        Rule::Read => "read",
        Rule::Write => "write",
        Rule::Execute => "execute",
        Rule::Network => "network",
        Rule::Other => "other",
        Rule::Spawn => "spawn",
        Rule::FirstTouch => "first_touch",
        Rule::NewRoot => "new_root",
        Rule::Irreversible => "irreversible",
        Rule::Failure => "failure",
        Rule::Narrowing => "narrowed_bit",
        Rule::Widening => "widened_bit",
    };
    let each = loaded.rules.price(rule).short();
    let words = match rule {
        Rule::ModelCall => format!(
            "{each} + 1s per {} output and per {} uncached input tokens",
            tariff.output_tokens_per_second, tariff.uncached_input_tokens_per_second
        ),
        Rule::Spawn => format!("{each} × depth"),
        Rule::Failure => format!("{each} × failures in a row, at most × {}", tariff.failure_limit),
        Rule::Narrowing | Rule::Widening => format!("{each} per bit"),
        _ => format!("{each} each"),
    };
    (words, Some(format!("tariff.{key}")))
}

fn calls(loaded: &Loaded, run: &Run, out: &mut dyn Write) -> io::Result<()> {
    let is_call = |charge: &&Charge| {
        matches!(
            charge.rule,
            Rule::Read | Rule::Write | Rule::Execute | Rule::Network | Rule::Other | Rule::Spawn | Rule::Irreversible
        )
    };
    line(out, "")?;
    line(out, "NEWEST CALLS")?;
    let mut any = false;
    for charge in run.statement.lines().rev().filter(is_call).take(NEWEST) {
        any = true;
        line(
            out,
            &format!("  {:>9}  {:<12} {}{}", (-charge.amount).hms(), charge.rule.name(), charge.what, factors(charge)),
        )?;
        line(out, &format!("             by {}", judge(loaded, run, charge)))?;
    }
    if any { Ok(()) } else { line(out, "  none on the statement") }
}

fn factors(charge: &Charge) -> String {
    let word = |(name, percent)| format!("{name} ×{}", f64::from(percent) / 100.0);
    let parts: Vec<String> = charge.factors.named().map(word).collect();
    if parts.is_empty() { String::new() } else { format!("  [{}]", parts.join(", ")) }
}

/// Which line of the policy made a call what it was charged as. The statement keeps a call's text, shortened, so it is
/// judged again from that; where this gives another answer, the words say so.
fn judge(loaded: &Loaded, run: &Run, charge: &Charge) -> String {
    let what = charge.what.as_str();
    let (tool, rest) = what.split_once(' ').unwrap_or((what, ""));
    let (agent, cwd) = (run.id.agent, run.facts.cwd.as_str());
    let mut class = loaded.rules.classify(agent, &Text::new(tool), &ToolInput::default(), cwd);
    let by_tool = class.because.clone();
    if class.rule == Rule::Execute && !class.verifies {
        class = loaded.rules.classify(agent, &Text::new(tool), &ToolInput::from_command(rest), cwd);
    }
    let Some(because) = class.because.or_else(|| by_tool.clone()) else {
        return match charge.rule {
            Rule::Other => "no line: an unknown tool".into(),
            Rule::Spawn => "the start of a subagent".into(),
            _ => "the agent's own word: no line names this tool".into(),
        };
    };
    if class.rule != charge.rule {
        let line = place(loaded, by_tool.as_deref().unwrap_or(&because));
        return format!("{line}; its text is kept shortened, so which command decided can't be told");
    }
    match by_tool {
        Some(tool) if tool != because => format!("{}, seen in {}", place(loaded, &because), place(loaded, &tool)),
        _ if class.rule == Rule::Execute && !class.verifies && !rest.is_empty() => {
            format!("{}; the gravest of its commands has no shell line", place(loaded, &because))
        }
        _ => place(loaded, &because),
    }
}

/// A place's name and origin. Tools may be named by a pattern, which stands in the policy in place of their name.
fn place(loaded: &Loaded, because: &str) -> String {
    let mut path = KeyPath::of_place(because);
    if let [Step::Key(tools), Step::Key(table), Step::Key(tool)] = path.0.as_slice()
        && tools == "tools"
        && let Some(lines) = loaded.rules.policy.tools.get(table)
        && !lines.contains_key(tool)
        && let Some(pattern) = pattern_for(lines, tool)
    {
        path = KeyPath::default().key("tools").key(table).key(pattern);
    }
    format!("{path}{}", whence(loaded, &path))
}

fn pattern_for<'a>(lines: &'a std::collections::BTreeMap<String, ToolClass>, tool: &str) -> Option<&'a str> {
    let matches = |name: &str| Glob::new(name).is_ok_and(|glob| glob.compile_matcher().is_match(tool));
    lines.keys().map(String::as_str).filter(|name| name.contains('*')).find(|name| matches(name))
}
