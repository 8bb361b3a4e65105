//! Moments of a replay as people write them: `12:34:56`, `+5m`, `-30s`, `50%`, RFC 3339.

use crate::domain::time::{Span, Stamp};

/// A moment, before it is known when the replay begins and ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moment {
    /// Milliseconds since midnight, of the day on which the replay begins or one of the following.
    OfDay(i64),
    AfterStart(Span),
    BeforeEnd(Span),
    /// Part of the recorded time, from 0 to 100.
    Percent(f64),
    At(Stamp),
}

impl Moment {
    /// Reads what people write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bad = || format!("`{text}` is no moment; write it like 12:34:56, +5m, -30s, 50% or 2026-05-01T12:34:56Z");
        if let Some(number) = text.strip_suffix('%') {
            let percent: f64 = number.trim().parse().map_err(|_| bad())?;
            return if (0.0..=100.0).contains(&percent) { Ok(Self::Percent(percent)) } else { Err(bad()) };
        }
        if let Some(after) = text.strip_prefix('+') {
            return Span::parse(after).map(Self::AfterStart).map_err(|_| bad());
        }
        if let Some(before) = text.strip_prefix('-') {
            return Span::parse(before).map(Self::BeforeEnd).map_err(|_| bad());
        }
        match text {
            "start" => return Ok(Self::Percent(0.0)),
            "end" => return Ok(Self::Percent(100.0)),
            _ => {}
        }
        let at = Stamp::parse_rfc3339(text).map(Self::At);
        at.or_else(|| of_day(text).map(Self::OfDay)).ok_or_else(bad)
    }

    /// Does it need the end, and so all of the tape?
    pub fn needs_end(self) -> bool {
        matches!(self, Self::BeforeEnd(_) | Self::Percent(_))
    }

    /// When that is in a replay from `start` to `end`; `offset` is what local time is ahead of UTC.
    pub fn resolve(self, start: Stamp, end: Stamp, offset: Span) -> Stamp {
        let at = match self {
            Self::At(at) => at,
            Self::AfterStart(span) => start + span,
            Self::BeforeEnd(span) => end + -span,
            Self::Percent(percent) => {
                let part = end.since(start).0 as f64 * percent / 100.0;
                start + Span(part.round() as i64)
            }
            Self::OfDay(ms) => {
                const DAY: i64 = 86_400_000;
                let midnight = (start + offset).0.div_euclid(DAY) * DAY;
                let at = Stamp(midnight + ms) + -offset;
                // To the second, since nobody writes more: the very second in which it begins is its start.
                if at.0 + 999 < start.0 { at + Span(DAY) } else { at }
            }
        };
        at.max(start).min(end.max(start))
    }
}

/// `12:34`, `12:34:56` as milliseconds since midnight.
fn of_day(text: &str) -> Option<i64> {
    let mut parts = text.split(':').map(|part| {
        let digits = part.len() <= 2 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<i64>().ok()).flatten()
    });
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().map_or(Some(0), |seconds| seconds)?;
    let fits = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 60;
    fits.then_some((hours * 3_600 + minutes * 60 + seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Stamp = Stamp(1_777_638_896_250); // 2026-05-01T12:34:56.250Z

    #[test]
    fn moments_are_read_as_people_write_them() {
        for (text, is) in [
            ("12:34:56", Moment::OfDay(45_296_000)),
            ("9:05", Moment::OfDay(32_700_000)),
            ("+5m", Moment::AfterStart(Span::mins(5))),
            ("-30s", Moment::BeforeEnd(Span::secs(30))),
            ("50%", Moment::Percent(50.0)),
            ("12.5 %", Moment::Percent(12.5)),
            ("end", Moment::Percent(100.0)),
            ("2026-05-01T12:34:56.250Z", Moment::At(START)),
        ] {
            assert_eq!(Moment::parse(text), Ok(is), "{text}");
        }
        for text in ["", "50", "101%", "-1%", "24:00", "12:60", "1:2:3:4", "+", "+5", "12:", "yesterday", "nan%"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_lie_within_the_replay() {
        let end = START + Span::mins(10);
        for (text, offset, is) in [
            ("12:34:56", 0, START),
            ("12:40", 0, START + Span(5 * 60_000 + 3_750)),
            ("14:40", 2, START + Span(5 * 60_000 + 3_750)),
            ("12:00", 0, end), // the next day's noon is beyond it
            ("+5m", 0, START + Span::mins(5)),
            ("-1m", 0, START + Span::mins(9)),
            ("+1h", 0, end),
            ("50%", 0, START + Span::mins(5)),
            ("start", 0, START),
            ("2020-01-01T00:00:00Z", 0, START),
        ] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.resolve(START, end, Span::mins(60 * offset)), is, "{text}");
        }
    }

    #[test]
    fn a_time_before_the_start_is_on_the_next_day() {
        let start = START + Span::secs(11 * 3_600); // 23:34:56
        let end = start + Span::secs(3_600);
        let at = Moment::parse("00:10").unwrap().resolve(start, end, Span::ZERO);
        assert_eq!(at.since(start), Span(35 * 60_000 + 3_750));
    }
}
