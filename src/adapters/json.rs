//! Small helpers for reading agents' JSON: typed, borrowed, forgiving where real files are sloppy.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Out;
use crate::domain::text::Text;

/// Parses a line, or counts it as unparsed with the reason.
pub(super) fn parse<'a, T: Deserialize<'a>>(line: &'a str, out: &mut Out) -> Option<T> {
    match serde_json::from_str(line) {
        Ok(value) => Some(value),
        Err(error) => {
            out.unparsed(&error.to_string());
            None
        }
    }
}

/// Parses a line that is one object with a `type`, all in one pass. What can't be read as `T` is counted as unparsed,
/// unless it is well-formed and of a kind that isn't in `kinds`: other kinds may look any way they like.
pub(super) fn read_line<'a, T: Deserialize<'a>>(line: &'a str, kinds: &[&str], out: &mut Out) -> Option<T> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Word<'a>,
    }
    // Structs can be read from lists, too.
    if !line.starts_with('{') {
        out.unparsed("no JSON object");
        return None;
    }
    match serde_json::from_str(line) {
        Ok(value) => Some(value),
        Err(error) => {
            let other = serde_json::from_str::<Kind<'_>>(line).is_ok_and(|line| !kinds.contains(&&*line.kind));
            if !other {
                out.unparsed(&error.to_string());
            }
            None
        }
    }
}

/// More than this can't be counted in earnest, and would spoil every sum that it goes into.
const MOST: u64 = 1_000_000_000_000_000;

/// A count. `null`, absent and negative read as 0; whole floats are taken; what can't be true is an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count(pub u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl Visitor<'_> for CountVisitor {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count")
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Count, E> {
                if n <= MOST { Ok(Count(n)) } else { Err(E::custom(format_args!("count {n} is out of range"))) }
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Count, E> {
                Ok(Count(n.max(0) as u64))
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Count, E> {
                if n.is_finite() && n <= MOST as f64 {
                    Ok(Count(n.max(0.0) as u64))
                } else {
                    Err(E::custom(format_args!("count {n} is out of range")))
                }
            }
            fn visit_unit<E: Error>(self) -> Result<Count, E> {
                Ok(Count(0))
            }
            fn visit_none<E: Error>(self) -> Result<Count, E> {
                Ok(Count(0))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

/// A string, borrowed from the line unless it has escapes. Absent, `null` and anything that is no string, lists and
/// objects included, read as empty: for fields that other kinds of lines use for something else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word<'a>(pub Cow<'a, str>);

impl Word<'_> {
    /// `None` where nothing was said.
    pub fn text(&self) -> Option<Text> {
        Some(Text::new(self)).filter(|text| !text.is_empty())
    }

    /// `self`, or `other` where nothing was said.
    pub fn or<'s>(&'s self, other: &'s str) -> &'s str {
        if self.is_empty() { other } else { self }
    }
}

impl<'a> From<&'a str> for Word<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Word<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl Deref for Word<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Word<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor<'a>(PhantomData<&'a str>);
        impl<'de: 'a, 'a> Visitor<'de> for WordVisitor<'a> {
            type Value = Word<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Word<'a>, E> {
                Ok(Word(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Word<'a>, E> {
                Ok(Word(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E: Error>(self) -> Result<Word<'a>, E> {
                Ok(Word::default())
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Word<'a>, E> {
                Ok(Word::default())
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Word<'a>, E> {
                Ok(Word::default())
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Word<'a>, E> {
                Ok(Word::default())
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Word<'a>, E> {
                Ok(Word::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Word<'a>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Word::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Word<'a>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Word::default())
            }
        }
        deserializer.deserialize_any(WordVisitor(PhantomData))
    }
}

/// A field that is an object where it says something, and text, a list or nothing at all elsewhere: those read as
/// `None`. An object must be readable as `T`.
#[derive(Clone, Debug)]
pub(super) struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|value| Object(Some(value)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Object<T>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Object(None))
            }
            fn visit_str<E: Error>(self, _: &str) -> Result<Object<T>, E> {
                Ok(Object(None))
            }
            fn visit_unit<E: Error>(self) -> Result<Object<T>, E> {
                Ok(Object(None))
            }
            fn visit_bool<E: Error>(self, _: bool) -> Result<Object<T>, E> {
                Ok(Object(None))
            }
            fn visit_i64<E: Error>(self, _: i64) -> Result<Object<T>, E> {
                Ok(Object(None))
            }
            fn visit_u64<E: Error>(self, _: u64) -> Result<Object<T>, E> {
                Ok(Object(None))
            }
            fn visit_f64<E: Error>(self, _: f64) -> Result<Object<T>, E> {
                Ok(Object(None))
            }
        }
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_forgive_what_real_files_contain_and_refuse_what_does_not_fit() {
        let read = |text: &str| serde_json::from_str::<Count>(text).ok().map(|c| c.0);
        assert_eq!(read("12"), Some(12));
        assert_eq!(read("12.0"), Some(12));
        assert_eq!(read("-3"), Some(0));
        assert_eq!(read("null"), Some(0));
        assert_eq!(read("99999999999999999999999"), None);
        assert_eq!(read("1e400"), None);
        assert_eq!(read("1000000000000000"), Some(MOST));
        for more in ["1000000000000001", "18446744073709551615", "1e16"] {
            assert_eq!(read(more), None, "{more}");
        }
        assert_eq!(read("\"12\""), None);
    }

    #[test]
    fn strings_and_objects_forgive_other_types() {
        for text in ["null", "1", "-1", "1.5", "true", "[\"a\",{}]", "{\"a\":[1]}"] {
            assert_eq!(&*serde_json::from_str::<Word<'_>>(text).unwrap(), "", "{text}");
        }
        assert_eq!(&*serde_json::from_str::<Word<'_>>(r#""a\nb""#).unwrap(), "a\nb");
        for text in ["null", "1", "-1", "1.5", "true", "[1]", "\"x\""] {
            assert!(serde_json::from_str::<Object<Count>>(text).unwrap().0.is_none(), "{text}");
        }
        assert!(serde_json::from_str::<Object<Count>>("{}").is_err());
    }
}
