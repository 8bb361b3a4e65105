//! Where a value stands in a policy: `tariff.model_call`, `budget.rules[0].caps.usd`, `shell."git push"`.

use std::fmt;

use crate::domain::text::clean;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// A path of keys and indices from the root of a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(pub Vec<Step>);

impl KeyPath {
    /// Reads what [`crate::domain::rules`] calls a place. Keys in quotes stand as they are, without escapes.
    pub fn of_place(place: &str) -> Self {
        if let Some(pattern) = place.strip_prefix("shell.") {
            return Self::default().key("shell").key(unquoted(pattern));
        }
        if let Some(pattern) = place.strip_prefix("gate.patterns.") {
            return Self::default().key("gate").key("patterns").key(unquoted(pattern));
        }
        if let Some((table, name)) = place.strip_prefix("tools.").and_then(|rest| rest.split_once('.')) {
            return Self::default().key("tools").key(table).key(unquoted(name));
        }
        place.split('.').fold(Self::default(), |path, part| match part.split_once('[') {
            Some((name, index)) => path.key(name).index(index.trim_end_matches(']').parse().unwrap_or(usize::MAX)),
            None => path.key(part),
        })
    }

    #[must_use]
    pub fn key(mut self, name: &str) -> Self {
        self.0.push(Step::Key(name.to_owned()));
        self
    }

    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text)
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(name) if i == 0 => write!(f, "{}", key_text(name))?,
                Step::Key(name) => write!(f, ".{}", key_text(name))?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A key as TOML writes it: bare where that is allowed, else in quotes.
pub fn key_text(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if is_bare { name.to_owned() } else { quote(name) }
}

/// A string as TOML writes it, on one line. What a terminal could act on is escaped, so that the text stays safe to
/// print and still means the same.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut buffer = [0; 4];
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if *clean(c.encode_utf8(&mut buffer)) == *c.encode_utf8(&mut [0; 4]) => out.push(c),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// A value as TOML writes it, on one line.
pub fn value_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => quote(text),
        toml::Value::Array(items) => format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(", ")),
        toml::Value::Table(table) if table.is_empty() => "{}".into(),
        toml::Value::Table(table) => {
            let pairs: Vec<String> =
                table.iter().map(|(k, v)| format!("{} = {}", key_text(k), value_text(v))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_are_read_and_printed() {
        for (place, shown) in [
            ("budget.rules[3].project", "budget.rules[3].project"),
            ("materiality[0].glob", "materiality[0].glob"),
            ("shell.\"git push. \"x\"\"", "shell.\"git push. \\\"x\\\"\""),
            ("tools.any.\"mcp__*\"", "tools.any.\"mcp__*\""),
            ("tools.codex.functions.shell", "tools.codex.\"functions.shell\""),
        ] {
            assert_eq!(KeyPath::of_place(place).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn quoted_text_means_the_same_and_is_safe(text in any::<String>()) {
            let quoted = quote(&text);
            prop_assert_eq!(clean(&quoted), quoted.as_str());
            let read: toml::Table = toml::from_str(&format!("a = {quoted}")).expect("valid TOML");
            prop_assert_eq!(read["a"].as_str(), Some(text.as_str()));
        }
    }
}
