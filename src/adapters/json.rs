//! Small helpers for reading agents' JSON: typed, borrowed, forgiving where real files are sloppy.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::Out;

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

/// A count. `null`, absent and negative read as 0; whole floats are taken; what doesn't fit is an error.
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
                Ok(Count(n))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Count, E> {
                Ok(Count(n.max(0) as u64))
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Count, E> {
                // Past 2^53 a float no longer says which whole number was meant.
                if n.is_finite() && n <= 9_007_199_254_740_992.0 {
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
        assert_eq!(read("\"12\""), None);
    }
}
