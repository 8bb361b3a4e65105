//! What can still be read of JSON that `serde_json` refuses as a whole: numbers that no float holds, halves of a
//! UTF-16 pair (JavaScript writes them), values nested deeper than it follows. One odd field must not hide the others.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The fields of the object in `text` that can be read. Of an object that breaks off, those before the break.
pub fn fields(text: &str) -> Map<String, Value> {
    let mut map = Map::new();
    // What is read before an error stays read.
    let _ = Fields(&mut map).deserialize(&mut serde_json::Deserializer::from_str(text));
    map
}

/// A JSON string, decoded; what is no text in it is replaced. `None` if `raw` is no string.
pub fn string(raw: &str) -> Option<String> {
    serde_json::from_str::<Lossy>(raw).ok().filter(|_| raw.trim_start().starts_with('"')).map(|text| text.0)
}

struct Fields<'m>(&'m mut Map<String, Value>);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // A raw value is skipped over, not followed: depth and range don't matter.
        while let Some((key, raw)) = map.next_entry::<Lossy, &RawValue>()? {
            if let Some(value) = value(raw.get()) {
                self.0.insert(key.0, value);
            }
        }
        Ok(())
    }
}

fn value(raw: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(raw) {
        return Some(value);
    }
    if raw.starts_with('[') {
        let words: Vec<Lossy> = serde_json::from_str(raw).ok()?;
        return Some(Value::Array(words.into_iter().map(|word| Value::String(word.0)).collect()));
    }
    string(raw).map(Value::String)
}

/// A string of which only the bytes are asked for: those of half a pair are no UTF-8.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LossyVisitor;
        impl Visitor<'_> for LossyVisitor {
            type Value = Lossy;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        deserializer.deserialize_bytes(LossyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_odd_field_hides_no_other() {
        let deep = format!(r#"{{"a":{}1{},"command":"ls"}}"#, "{\"b\":".repeat(300), "}".repeat(300));
        for (text, want) in [
            (r#"{"command":"git push","timeout":1e400}"#, json!({"command": "git push"})),
            (r#"{"x":"\ud800","command":"ls"}"#, json!({"x": "\u{fffd}\u{fffd}\u{fffd}", "command": "ls"})),
            (
                r#"{"command":["a","\udfff"],"\ud800":1}"#,
                json!({"command": ["a", "\u{fffd}\u{fffd}\u{fffd}"], "\u{fffd}\u{fffd}\u{fffd}": 1}),
            ),
            (r#"{"command":"ls","open":"#, json!({"command": "ls"})),
            (&deep, json!({"command": "ls"})),
            ("[1]", json!({})),
            ("", json!({})),
        ] {
            assert_eq!(Value::Object(fields(text)), want, "{text}");
        }
        assert_eq!(string(r#""a\n\ud800""#).as_deref(), Some("a\n\u{fffd}\u{fffd}\u{fffd}"));
        assert_eq!(string("[1]"), None);
    }
}
