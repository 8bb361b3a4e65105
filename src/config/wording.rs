//! What the TOML reader says, in words for a person who edits a policy, with the nearest right word.

use super::suggest::nearest;
use crate::domain::meter::Meter;
use crate::domain::policy::EMBEDDED;

/// Rewords a reader's message.
pub fn of(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return unknown_key(rest);
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        let mut words = in_backticks(rest);
        let word = words.next().unwrap_or_default();
        let known: Vec<&str> = words.collect();
        let hint = nearest(word, known.iter().copied()).map(|near| format!("did you mean \"{near}\"? "));
        return format!(
            "\"{word}\" is none of what can stand here; {}known: {}",
            hint.unwrap_or_default(),
            known.join(", ")
        );
    }
    let found = ["invalid type: ", "invalid value: "].iter().find_map(|prefix| message.strip_prefix(prefix));
    match found.and_then(|rest| rest.split_once(", expected ")) {
        Some((found, expected)) => wrong_type(found, expected),
        None => message.to_owned(),
    }
}

fn unknown_key(rest: &str) -> String {
    let mut words = in_backticks(rest);
    let word = words.next().unwrap_or_default();
    let known: Vec<&str> = words.collect();
    if let Some(near) = nearest(word, known.iter().copied()) {
        return format!("unknown key `{word}`; did you mean `{near}`?");
    }
    match home_of(word) {
        Some(section) => format!("unknown key `{word}` here; it belongs under [{section}]"),
        None => format!("unknown key `{word}`; known here: {}", known.join(", ")),
    }
}

/// The section that a key belongs to, if it is one of the policy's.
fn home_of(word: &str) -> Option<String> {
    if Meter::ALL.iter().any(|m| *m != Meter::Clock && m.name() == word) {
        return Some("caps".into());
    }
    let embedded: toml::Table = toml::from_str(EMBEDDED).ok()?;
    let sections = embedded.iter().filter_map(|(name, value)| Some((name, value.as_table()?)));
    sections.into_iter().find(|(_, keys)| keys.contains_key(word)).map(|(name, _)| name.clone())
}

fn wrong_type(found: &str, expected: &str) -> String {
    let found = found.replace("floating point", "number").replace('`', "");
    match expected {
        "a string" if found.starts_with("integer") => {
            format!("expected text in quotes (a length of time is written \"30m\" or \"90s\"), found {found}")
        }
        "a string" => format!("expected text in quotes, found {found}"),
        "u32" | "u64" => format!("expected a whole number, 0 or more, found {found}"),
        "f64" => format!("expected a number, found {found}"),
        "a map" => format!("expected a table, found {found}"),
        "a sequence" => format!("expected a list, found {found}"),
        other if other.starts_with("struct ") => format!("expected a table, found {found}"),
        other => format!("expected {other}, found {found}"),
    }
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn messages_are_for_people() {
        for (raw, want) in [
            (
                "unknown field `defualt`, expected one of `default`, `rules`",
                "unknown key `defualt`; did you mean `default`?",
            ),
            ("unknown field `usd`, expected `default` or `rules`", "unknown key `usd` here; it belongs under [caps]"),
            ("unknown field `spawn`, expected `default`", "unknown key `spawn` here; it belongs under [tariff]"),
            ("unknown field `zzz`, expected `a` or `b`", "unknown key `zzz`; known here: a, b"),
            (
                "unknown variant `raed`, expected one of `read`, `write`",
                "\"raed\" is none of what can stand here; did you mean \"read\"? known: read, write",
            ),
            (
                "invalid type: floating point `1.5`, expected u32",
                "expected a whole number, 0 or more, found number 1.5",
            ),
            ("invalid type: string \"x\", expected struct Caps", "expected a table, found string \"x\""),
            ("`x` is not a length of time", "`x` is not a length of time"),
        ] {
            assert_eq!(of(raw), want);
        }
    }
}
