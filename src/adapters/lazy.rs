//! JSON values read only as far as needed: strings that borrow from the line, and beginnings of long ones.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde_json::value::RawValue;

use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// A string, borrowed where the line has no escapes in it. `null` and absent read as empty, numbers as their digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Str<'a>(pub Cow<'a, str>);

impl Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Str<'_> {
    /// `None` where nothing was said.
    pub fn text(&self) -> Option<Text> {
        Some(Text::new(self)).filter(|text| !text.is_empty())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StrVisitor;
        impl<'de> Visitor<'de> for StrVisitor {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Self::Value, E> {
                Ok(Cow::Owned(n.to_string()))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Self::Value, E> {
                Ok(Cow::Owned(n.to_string()))
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Self::Value, E> {
                Ok(Cow::Owned(n.to_string()))
            }
            fn visit_bool<E: Error>(self, b: bool) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(if b { "true" } else { "false" }))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(""))
            }
        }
        deserializer.deserialize_any(StrVisitor).map(Str)
    }
}

/// A raw value read as `T`, or nothing where it has another shape: for fields whose shape no one promises.
pub(super) fn loose<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}

/// The text of a raw value. Of a long string only the beginning is decoded: more could not be kept anyway.
pub(super) fn head(raw: Option<&RawValue>) -> Text {
    /// Even if every character is escaped (six bytes each), this decodes to more than a [`Text`] looks at.
    const ENOUGH: usize = 8_192;
    let Some(raw) = raw.map(RawValue::get) else { return Text::default() };
    if raw == "null" {
        return Text::default();
    }
    if raw.starts_with('"') && raw.len() > ENOUGH {
        // A cut through an escape doesn't parse; one a few bytes earlier does.
        for cut in (ENOUGH - 16..ENOUGH).rev().filter(|cut| raw.is_char_boundary(*cut)) {
            if let Ok(text) = serde_json::from_str::<String>(&format!("{}\"", &raw[..cut])) {
                return Text::new(&text);
            }
        }
    }
    match serde_json::from_str::<Str>(raw) {
        Ok(text) => Text::new(&text),
        Err(_) => Text::new(raw),
    }
}

/// A time: whole or broken milliseconds since the epoch, or RFC 3339.
pub(super) fn stamp(raw: Option<&RawValue>) -> Option<Stamp> {
    let raw = raw?.get();
    if raw.starts_with('"') {
        return Stamp::parse_rfc3339(&serde_json::from_str::<Str>(raw).ok()?);
    }
    let ms: f64 = raw.parse().ok()?;
    stamp_ms(ms)
}

/// Milliseconds since the epoch, if they lie in the years 1970 to 9999. Zero is what agents write for "not yet".
pub(super) fn stamp_ms(ms: f64) -> Option<Stamp> {
    (ms > 0.0 && ms < 253_402_300_800_000.0).then_some(Stamp(ms as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn strings_borrow_and_forgive() {
        let read = |json| serde_json::from_str::<Str>(json).ok().map(|s| s.0);
        assert!(matches!(read(r#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(read(r#""a\nb""#).as_deref(), Some("a\nb"));
        assert_eq!(read("null").as_deref(), Some(""));
        assert_eq!(read("12").as_deref(), Some("12"));
        assert_eq!(read("{}"), None);
    }

    #[test]
    fn times_are_milliseconds_or_rfc_3339() {
        for (json, ms) in [
            ("1795442304378", Some(1_795_442_304_378)),
            ("1795442304378.9", Some(1_795_442_304_378)),
            (r#""2026-11-23T13:59:28.686Z""#, Some(1_795_442_368_686)),
            (r#""2026-11-23T14:59:28.686+01:00""#, Some(1_795_442_368_686)),
            ("0", None),
            ("-5", None),
            ("1e300", None),
            ("null", None),
            (r#""noon""#, None),
            ("{}", None),
        ] {
            assert_eq!(stamp(Some(&raw(json))), ms.map(Stamp), "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_head_is_the_same_as_the_head_of_the_whole(text in "(\\PC|[\n\"\\\\\u{1f600}\u{1}]){0,40}", times in 1usize..200) {
            let text = text.repeat(times);
            let json = raw(&serde_json::to_string(&text).unwrap());
            prop_assert_eq!(head(Some(&json)), Text::new(&text));
        }
    }
}
