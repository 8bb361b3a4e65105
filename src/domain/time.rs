//! Points in real time and amounts of clock time, both in whole milliseconds, kept apart by type.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in real time: milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub i64);

/// An amount of time in milliseconds. On a statement a positive amount is spent, a negative one comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub i64);

impl Span {
    pub const ZERO: Self = Self(0);

    pub const fn secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    pub const fn mins(minutes: i64) -> Self {
        Self(minutes.saturating_mul(60_000))
    }

    pub const fn ms(self) -> i64 {
        self.0
    }

    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    /// `self × percent / 100`, rounded towards zero.
    pub fn percent(self, percent: i64) -> Self {
        let product = i128::from(self.0) * i128::from(percent) / 100;
        Self(i64::try_from(product).unwrap_or(if product < 0 { i64::MIN } else { i64::MAX }))
    }

    /// Parses what people write: `30m`, `1h30m`, `90s`, `1d`, `250ms`, `1.5h`; a sign and spaces are allowed, a unit
    /// twice is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not a length of time; write it like 30m, 1h30m or 90s");
        let (negative, mut rest) = match text.trim().strip_prefix('-') {
            Some(rest) => (true, rest.trim()),
            None => (false, text.trim()),
        };
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total = 0f64;
        let mut units = Vec::new();
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
            let amount: f64 = rest[..digits].parse().map_err(|_| bad())?;
            rest = rest[digits..].trim_start();
            let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = match &rest[..unit_end] {
                "ms" => 1.0,
                "s" | "sec" => 1e3,
                "m" | "min" => 60e3,
                "h" => 3_600e3,
                "d" => 86_400e3,
                "w" => 604_800e3,
                _ => return Err(bad()),
            };
            if units.contains(&unit) {
                return Err(bad());
            }
            units.push(unit);
            total += amount * unit;
            rest = rest[unit_end..].trim_start();
        }
        // A century is longer than any budget and keeps every sum far from overflow.
        if total > 3_153_600_000_000.0 {
            return Err(format!("`{text}` is longer than a century"));
        }
        let ms = total.round() as i64;
        Ok(Self(if negative { -ms } else { ms }))
    }

    /// `HH:MM:SS`, with days in front when there are any and a sign when negative.
    pub fn hms(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let s = self.0.unsigned_abs() / 1_000;
        let (d, h, m, s) = (s / 86_400, s / 3_600 % 24, s / 60 % 60, s % 60);
        if d > 0 { format!("{sign}{d}d {h:02}:{m:02}:{s:02}") } else { format!("{sign}{h:02}:{m:02}:{s:02}") }
    }

    /// Two largest units, as a person would say it: `1h30m`, `4m10s`, `2d3h`, `0s`.
    pub fn short(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let s = self.0.unsigned_abs() / 1_000;
        let pair = |a: u64, x: &str, b: u64, y: &str| {
            if b == 0 { format!("{sign}{a}{x}") } else { format!("{sign}{a}{x}{b}{y}") }
        };
        match s {
            0 if self.0 != 0 => format!("{sign}{}ms", self.0.unsigned_abs()),
            0..60 => format!("{sign}{s}s"),
            60..3_600 => pair(s / 60, "m", s % 60, "s"),
            3_600..86_400 => pair(s / 3_600, "h", s / 60 % 60, "m"),
            _ => pair(s / 86_400, "d", s / 3_600 % 24, "h"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.hms())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Span {
    /// A string as people write it; in policies and in native events.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Stamp {
    /// How long after `earlier` this is; negative when it came before.
    pub fn since(self, earlier: Stamp) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// RFC 3339, as agents write it: `2026-11-23T13:56:11.743Z`, offsets included.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        fast_rfc3339(text.as_bytes())
            .or_else(|| chrono::DateTime::parse_from_rfc3339(text).ok().map(|t| Self(t.timestamp_millis())))
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.fff…]Z` without allocating; anything else is left to the calendar library.
fn fast_rfc3339(b: &[u8]) -> Option<Stamp> {
    let num = |range: std::ops::Range<usize>| -> Option<i64> {
        b.get(range)?.iter().try_fold(0, |n, d| d.is_ascii_digit().then(|| n * 10 + i64::from(d - b'0')))
    };
    if b.len() < 20 || b[4] != b'-' || b[7] != b'-' || b[10] != b'T' || b[13] != b':' || b[16] != b':' {
        return None;
    }
    let (y, mo, d, h, mi, s) = (num(0..4)?, num(5..7)?, num(8..10)?, num(11..13)?, num(14..16)?, num(17..19)?);
    if !(1..=12).contains(&mo) || !(1..=28).contains(&d) || h > 23 || mi > 59 || s > 59 {
        return None; // ends of months and leap seconds: rare, so the library's
    }
    let ms = match (b[19], b.last()) {
        (b'Z', _) if b.len() == 20 => 0,
        (b'.', Some(b'Z')) if b.len() == 25 - 1 => num(20..23)?,
        _ => return None,
    };
    // Days from the civil calendar, counted from March so that a leap day ends the year.
    let (y2, m2) = if mo > 2 { (y, mo - 3) } else { (y - 1, mo + 9) };
    let era = y2.div_euclid(400);
    let yoe = y2.rem_euclid(400);
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * m2 + 2) / 5 + d - 1;
    let days = era * 146_097 + doe - 719_468;
    Some(Stamp(((days * 24 + h) * 60 + mi) * 60_000 + s * 1_000 + ms))
}

impl Add<Span> for Stamp {
    type Output = Stamp;
    fn add(self, span: Span) -> Stamp {
        Stamp(self.0.saturating_add(span.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Neg for Span {
    type Output = Span;
    fn neg(self) -> Span {
        Span(self.0.saturating_neg())
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Span) {
        *self = *self + other;
    }
}

impl SubAssign for Span {
    fn sub_assign(&mut self, other: Span) {
        *self = *self - other;
    }
}

impl Sum for Span {
    fn sum<I: Iterator<Item = Span>>(iter: I) -> Span {
        iter.fold(Span::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_parse_as_people_write_them() {
        for (text, ms) in [
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("90s", 90_000),
            ("1.5h", 5_400_000),
            ("250ms", 250),
            ("-10s", -10_000),
            ("1d 2h", 93_600_000),
        ] {
            assert_eq!(Span::parse(text), Ok(Span(ms)), "{text}");
        }
        for text in ["", "30", "m", "1x", "1h-3m", "9999999d", "1..5h", "1h1h", "1m2s3min"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_print_short_and_long() {
        assert_eq!(Span(5_400_000).short(), "1h30m");
        assert_eq!(Span(250).short(), "250ms");
        assert_eq!(Span(-65_000).hms(), "-00:01:05");
        assert_eq!(Span::secs(90_061).hms(), "1d 01:01:01");
    }

    proptest! {
        #[test]
        fn fast_timestamps_agree_with_the_calendar(ms in 0i64..4_102_444_800_000) {
            let text = chrono::DateTime::from_timestamp_millis(ms).unwrap()
                .to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
            prop_assert_eq!(Stamp::parse_rfc3339(&text), Some(Stamp(ms)));
        }

        #[test]
        fn any_text_is_refused_or_parsed(text in any::<String>()) {
            let _ = Span::parse(&text);
            let _ = Stamp::parse_rfc3339(&text);
        }
    }
}
