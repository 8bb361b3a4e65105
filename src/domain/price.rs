//! What tokens cost: a dated table, looked up by the model's name as agents write it.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::usage::{Usage, Usd};

/// Prices of one model in nano-dollars per token. A missing price is unknown, never 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Price {
    base: Tier,
    /// Prices above a number of input tokens (in thousands) in one request, ascending.
    above: Vec<(u64, Tier)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tier {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_1h: Option<u64>,
}

/// The table, with the date it was taken.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    pub date: String,
    models: HashMap<String, Price>,
}

#[derive(Deserialize)]
struct PriceFile {
    date: String,
    models: HashMap<String, BTreeMap<String, u64>>,
}

/// A cost, and whether it is only a floor because some price is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub usd: Usd,
    pub is_floor: bool,
}

/// Providers under whose prefix a bare model name may stand in the table.
const PREFIXES: [&str; 8] = ["openai/", "gemini/", "zai/", "moonshot/", "dashscope/", "deepseek/", "xai/", "mistral/"];

impl Prices {
    /// Reads the table's JSON form (see `assets/README.md`).
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        let file: PriceFile = serde_json::from_str(text)?;
        let models = file.models.into_iter().map(|(name, row)| (name, Price::from_row(&row))).collect();
        Ok(Self { date: file.date, models })
    }

    /// The embedded table.
    pub fn embedded() -> Self {
        Self::parse(include_str!("../../assets/prices.json")).unwrap_or_default()
    }

    /// Finds a model by its name, with or without provider prefix, date or variant suffix.
    pub fn get(&self, model: &str) -> Option<&Price> {
        let model = model.split(['[', '@']).next().unwrap_or(model);
        let bare = model.rsplit('/').next().unwrap_or(model);
        [model, bare].into_iter().find_map(|name| {
            self.models
                .get(name)
                .or_else(|| PREFIXES.iter().find_map(|prefix| self.models.get(&format!("{prefix}{name}"))))
                .or_else(|| without_date(name).and_then(|name| self.models.get(name)))
        })
    }

    /// What the sum of many requests costs. Long requests may have been dearer, which a sum doesn't tell: then it is a
    /// floor.
    pub fn cost_of_sum(&self, model: Option<&str>, usage: &Usage) -> Cost {
        match model.and_then(|m| self.get(m)) {
            Some(price) => {
                let cost = Price { base: price.base, above: Vec::new() }.cost(usage);
                let first_step = price.above.first().map_or(u64::MAX, |(step, _)| step * 1_000);
                Cost { is_floor: cost.is_floor || usage.context() > first_step, ..cost }
            }
            None => Cost { usd: Usd::ZERO, is_floor: usage.total() > 0 },
        }
    }

    /// What `usage` of one request costs; an unknown model, or an unknown price of a kind that was used, makes it a floor.
    pub fn cost(&self, model: Option<&str>, usage: &Usage) -> Cost {
        match model.and_then(|m| self.get(m)) {
            Some(price) => price.cost(usage),
            None => Cost { usd: Usd::ZERO, is_floor: usage.total() > 0 },
        }
    }
}

/// `claude-sonnet-4-5-20250929` → `claude-sonnet-4-5`.
fn without_date(name: &str) -> Option<&str> {
    let (head, tail) = name.rsplit_once('-')?;
    (tail.len() == 8 && tail.bytes().all(|b| b.is_ascii_digit())).then_some(head)
}

impl Price {
    fn from_row(row: &BTreeMap<String, u64>) -> Self {
        let tier = |suffix: &str| Tier {
            input: row.get(&format!("in{suffix}")).copied(),
            output: row.get(&format!("out{suffix}")).copied(),
            cache_read: row.get(&format!("cr{suffix}")).copied(),
            cache_write: row.get(&format!("cw{suffix}")).copied(),
            cache_write_1h: row.get(&format!("cw1h{suffix}")).copied(),
        };
        let base = tier("");
        let mut steps: Vec<u64> = row.keys().filter_map(|key| step_of(key)).collect();
        steps.sort_unstable();
        steps.dedup();
        let above = steps.into_iter().map(|step| (step, tier(&step.to_string()).or(base))).collect();
        Self { base, above }
    }

    fn cost(&self, usage: &Usage) -> Cost {
        let context = usage.context();
        let tier =
            self.above.iter().rev().find(|(step, _)| context > step * 1_000).map_or(self.base, |(_, tier)| *tier);
        let short_lived = usage.cache_write.saturating_sub(usage.cache_write_1h);
        let parts = [
            (usage.input, tier.input),
            (usage.written(), tier.output),
            (usage.cache_read, tier.cache_read),
            (short_lived, tier.cache_write),
            (usage.cache_write - short_lived, tier.cache_write_1h.or(tier.cache_write)),
        ];
        let mut cost = Cost::default();
        for (tokens, price) in parts {
            match price {
                Some(price) => {
                    let nano = i64::try_from(u128::from(tokens) * u128::from(price)).unwrap_or(i64::MAX);
                    cost.usd += Usd(nano);
                }
                None => cost.is_floor |= tokens > 0,
            }
        }
        cost
    }
}

impl Tier {
    fn or(self, base: Tier) -> Tier {
        Tier {
            input: self.input.or(base.input),
            output: self.output.or(base.output),
            cache_read: self.cache_read.or(base.cache_read),
            cache_write: self.cache_write.or(base.cache_write),
            cache_write_1h: self.cache_write_1h.or(base.cache_write_1h),
        }
    }
}

/// The threshold in a column's name: `in272` → 272. `cw1h` is no threshold.
fn step_of(key: &str) -> Option<u64> {
    let key = key.strip_prefix("cw1h").or_else(|| key.strip_prefix("in")).or_else(|| key.strip_prefix("out"));
    key.filter(|rest| !rest.is_empty()).and_then(|rest| rest.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_session_costs_what_the_agent_said() {
        let usage = Usage { input: 22, output: 127, cache_read: 66_796, cache_write: 22_333, ..Usage::ZERO };
        let cost = Prices::embedded().cost(Some("claude-sonnet-4-5"), &usage);
        assert_eq!(cost, Cost { usd: Usd(105_758_550), is_floor: false });
    }

    #[test]
    fn names_are_found_as_agents_write_them() {
        let prices = Prices::embedded();
        for name in ["claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5", "claude-sonnet-4-5[1m]", "glm-4.6"] {
            assert!(prices.get(name).is_some(), "{name}");
        }
        assert!(prices.get("mock-model").is_none());
    }

    #[test]
    fn an_unknown_model_is_a_floor_and_long_context_costs_more() {
        let prices = Prices::embedded();
        let used = Usage { input: 1, ..Usage::ZERO };
        assert_eq!(prices.cost(Some("who-knows"), &used), Cost { usd: Usd::ZERO, is_floor: true });
        assert!(!prices.cost(Some("who-knows"), &Usage::ZERO).is_floor);
        let long = Usage { input: 300_000, ..Usage::ZERO };
        assert_eq!(prices.cost(Some("gpt-5.4"), &long).usd, Usd(300_000 * 5_000));
    }
}
