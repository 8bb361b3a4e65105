//! What a command line or the environment says about one start of redkey: `--budget 30m --cap usd=5`.
//!
//! They are the user's own, given last, and win over every file and over rules in files.

use toml::{Table, Value};

use super::key::{KeyPath, Step, value_text};
use super::layer::{Layer, Name};
use super::problem::Problem;
use super::suggest::nearest;
use crate::domain::meter::Meter;
use crate::domain::time::Span;

/// Values of one such layer, valid by themselves.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    budget: Option<String>,
    caps: Table,
}

impl Overrides {
    /// `what` names the source of the budget to people: `--budget` or `REDKEY_BUDGET`.
    pub fn new(what: &str, budget: Option<&str>, caps: &[String]) -> Result<Self, Vec<Problem>> {
        let mut out = Self::default();
        let mut problems = Vec::new();
        if let Some(text) = budget {
            match Span::parse(text) {
                Ok(span) if span > Span::ZERO => out.budget = Some(text.trim().to_owned()),
                Ok(_) => problems.push(Problem::of(what, format!("`{text}` is no time at all"))),
                Err(message) => problems.push(Problem::of(what, message)),
            }
        }
        for text in caps {
            match cap(text) {
                Ok((meter, value)) => {
                    out.caps.insert(meter.name().to_owned(), value);
                }
                Err(message) => problems.push(Problem::of(format!("--cap {text}"), message)),
            }
        }
        if problems.is_empty() { Ok(out) } else { Err(problems) }
    }

    pub fn is_empty(&self) -> bool {
        self.budget.is_none() && self.caps.is_empty()
    }

    /// The same as a policy's text, for people who ask what each layer said.
    pub fn as_layer(&self, name: Name) -> Result<Layer, Problem> {
        let path = match (name, self.budget.is_some(), self.caps.is_empty()) {
            (Name::Environment, ..) => "REDKEY_BUDGET",
            (_, true, true) => "--budget",
            (_, true, false) => "--budget, --cap",
            (_, false, _) => "--cap",
        };
        let mut text = String::new();
        if let Some(budget) = &self.budget {
            text.push_str(&format!("[budget]\ndefault = {}\n", super::key::quote(budget)));
        }
        if !self.caps.is_empty() {
            text.push_str("[caps]\n");
            for (name, value) in &self.caps {
                text.push_str(&format!("{name} = {}\n", value_text(value)));
            }
        }
        Layer::parse(name, path, &text)
    }

    /// Puts the values in, in rules too.
    pub fn apply(&self, policy: &mut Table) {
        if let Some(budget) = &self.budget {
            set(policy, "budget", "default", Value::String(budget.clone()));
            // A run may declare less for itself, not more.
            set(policy, "budget", "declared_max", Value::String(budget.clone()));
            for rule in rules_in(policy) {
                rule.insert("budget".into(), Value::String(budget.clone()));
            }
        }
        for (name, value) in &self.caps {
            set(policy, "caps", name, value.clone());
            for rule in rules_in(policy) {
                if let Some(caps) = rule.get_mut("caps").and_then(Value::as_table_mut)
                    && caps.contains_key(name)
                {
                    caps.insert(name.clone(), value.clone());
                }
            }
        }
    }

    /// Does the value at `path` come from here?
    pub fn covers(&self, path: &KeyPath) -> bool {
        let keys: Vec<&str> =
            path.0.iter().filter_map(|s| if let Step::Key(k) = s { Some(k.as_str()) } else { None }).collect();
        match keys.as_slice() {
            ["budget", "default"] | ["budget", "rules", "budget"] => self.budget.is_some(),
            ["caps", name] | ["budget", "rules", "caps", name] => self.caps.contains_key(*name),
            _ => false,
        }
    }
}

fn set(policy: &mut Table, section: &str, name: &str, value: Value) {
    if let Value::Table(table) = policy.entry(section).or_insert_with(|| Value::Table(Table::new())) {
        table.insert(name.to_owned(), value);
    }
}

fn rules_in(policy: &mut Table) -> impl Iterator<Item = &mut Table> {
    let rules = policy.get_mut("budget").and_then(|budget| budget.get_mut("rules")).and_then(Value::as_array_mut);
    rules.into_iter().flatten().filter_map(Value::as_table_mut)
}

/// Reads `METER=LIMIT`: `usd=5`, `tools=200`, `wall=1h`, `tokens=2M`.
fn cap(text: &str) -> Result<(Meter, Value), String> {
    let (name, limit) = text.split_once('=').ok_or("write it METER=LIMIT, as in usd=5 or tools=200")?;
    let (name, limit) = (name.trim().to_ascii_lowercase().replace('-', "_"), limit.trim());
    let meter = match Meter::parse(&name) {
        Some(Meter::Clock) => return Err("the clock's limit is set with --budget".into()),
        Some(meter) => meter,
        None => return Err(unknown_meter(&name)),
    };
    let value = match meter {
        Meter::Usd => match limit.trim_start_matches('$').parse::<f64>() {
            Ok(usd) if usd > 0.0 && usd <= 1e9 => Value::Float(usd),
            _ => return Err(format!("`{limit}` is not an amount of dollars, like 5 or 0.50")),
        },
        Meter::Wall => match Span::parse(limit)? {
            span if span > Span::ZERO => Value::String(limit.to_owned()),
            _ => return Err(format!("`{limit}` is no time at all")),
        },
        _ => Value::Integer(count(limit)?),
    };
    Ok((meter, value))
}

fn unknown_meter(name: &str) -> String {
    let known = || Meter::ALL.into_iter().filter(|m| *m != Meter::Clock).map(Meter::name);
    let hint = nearest(name, known()).map(|near| format!("did you mean {near}? "));
    format!(
        "there is no meter `{name}`; {}meters: {}",
        hint.unwrap_or_default(),
        known().collect::<Vec<_>>().join(", ")
    )
}

/// A whole number above 0: `200`, `2M`, `1.5k`, `10_000`.
fn count(text: &str) -> Result<i64, String> {
    let bad = || format!("`{text}` is not a whole number above 0, like 200, 50k or 2M");
    let plain = text.replace('_', "");
    let (digits, times) = match plain.char_indices().last() {
        Some((i, 'k' | 'K')) => (&plain[..i], 1_000),
        Some((i, 'm' | 'M')) => (&plain[..i], 1_000_000),
        Some((i, 'g' | 'G')) => (&plain[..i], 1_000_000_000),
        _ => (plain.as_str(), 1),
    };
    if !digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(bad());
    }
    let exact = digits.parse::<i64>().ok().and_then(|n| n.checked_mul(times));
    let scaled = || {
        let amount = digits.parse::<f64>().ok()? * times as f64;
        (amount.fract() == 0.0 && amount < 1e18).then_some(amount as i64)
    };
    exact.or_else(scaled).filter(|n| *n > 0).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_read_as_people_write_them() {
        for (text, name, want) in [
            ("usd=5", "usd", "5.0"),
            ("usd=$0.50", "usd", "0.5"),
            ("tools=200", "tools", "200"),
            ("tokens=2M", "tokens", "2000000"),
            ("tokens = 1.5k", "tokens", "1500"),
            ("output-tokens=10_000", "output_tokens", "10000"),
            ("wall=1h", "wall", "\"1h\""),
            ("Depth=2", "depth", "2"),
        ] {
            let (meter, value) = cap(text).expect(text);
            assert_eq!((meter.name(), value_text(&value).as_str()), (name, want), "{text}");
        }
    }

    #[test]
    fn caps_that_mean_nothing_are_refused() {
        for (text, want) in [
            ("usd", "METER=LIMIT"),
            ("dollars=5", "meters: usd, tokens, output_tokens, turns, tools, failures, depth, fanout, wall"),
            ("tool=5", "did you mean tools?"),
            ("clock=5m", "--budget"),
            ("usd=-1", "amount of dollars"),
            ("usd=inf", "amount of dollars"),
            ("tools=0", "whole number above 0"),
            ("tools=-3", "whole number above 0"),
            ("tools=1.5", "whole number above 0"),
            ("tools=", "whole number above 0"),
            ("tools=é", "whole number above 0"),
            ("tools=99999999999999999999", "whole number above 0"),
            ("wall=5", "30m"),
            ("wall=0s", "no time at all"),
        ] {
            let message = cap(text).expect_err(text);
            assert!(message.contains(want), "{text}: {message}");
        }
    }
}
