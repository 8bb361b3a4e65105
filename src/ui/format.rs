//! Numbers and names as the screen writes them.

use super::glyphs::Glyphs;
use crate::domain::forecast::Forecast;
use crate::domain::meter::{Meter, Reading};
use crate::domain::run::{Run, State};
use crate::domain::time::{Span, Stamp};
use crate::domain::usage::Usd;

/// `999`, `1.2k`, `34k`, `1.2M`.
pub fn count(n: u64) -> String {
    let scaled = |n: f64, unit: &str| if n < 9.95 { format!("{n:.1}{unit}") } else { format!("{n:.0}{unit}") };
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => scaled(n as f64 / 1e3, "k"),
        1_000_000..1_000_000_000 => scaled(n as f64 / 1e6, "M"),
        _ => scaled(n as f64 / 1e9, "G"),
    }
}

/// `1 run`, `34k calls`.
pub fn plural(n: u64, word: &str) -> String {
    format!("{} {word}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `512 kB`, `1.2 GB`.
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{} kB", n / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

/// A length of time in one unit: `45s`, `12m`, `3.3h`, `2d`.
pub fn about(span: Span) -> String {
    let s = span.0.max(0) as f64 / 1e3;
    match s {
        s if s < 99.5 => format!("{s:.0}s"),
        s if s < 99.5 * 60.0 => format!("{:.0}m", s / 60.0),
        s if s < 9.95 * 3_600.0 => format!("{:.1}h", s / 3_600.0),
        s if s < 99.5 * 3_600.0 => format!("{:.0}h", s / 3_600.0),
        s if s < 999.5 * 86_400.0 => format!("{:.0}d", s / 86_400.0),
        s => format!("{:.0}y", s / (365.25 * 86_400.0)),
    }
}

/// `9–17m`, `50s–2m`.
pub fn range(low: Span, high: Span, glyphs: &Glyphs) -> String {
    let (low, high) = (about(low), about(high));
    let (digits, unit) = low.split_at(low.len() - 1);
    if high.ends_with(unit) && low != high {
        format!("{digits}{}{high}", glyphs.dash)
    } else {
        format!("{low}{}{high}", glyphs.dash)
    }
}

/// A charge as it is told in passing: `−5:00`, `+0:20`.
pub fn drop(amount: Span, glyphs: &Glyphs) -> String {
    let sign = if amount.0 < 0 { "+" } else { glyphs.minus };
    let s = (amount.0.unsigned_abs() + 500) / 1_000;
    let (h, m, s) = (s / 3_600, s / 60 % 60, s % 60);
    if h > 0 { format!("{sign}{h}:{m:02}:{s:02}") } else { format!("{sign}{m}:{s:02}") }
}

/// A charge as the statement writes it, to the tenth of a second: `−5:00.0`.
pub fn amount(amount: Span, glyphs: &Glyphs) -> String {
    let sign = if amount.0 < 0 { "+" } else { glyphs.minus };
    let t = (amount.0.unsigned_abs() + 50) / 100;
    let (h, m, s, t) = (t / 36_000, t / 600 % 60, t / 10 % 60, t % 10);
    if h > 0 { format!("{sign}{h}:{m:02}:{s:02}.{t}") } else { format!("{sign}{m}:{s:02}.{t}") }
}

/// Time of day at `offset` from UTC.
pub fn time_of_day(at: Stamp, offset: Span) -> String {
    let s = (at + offset).0.div_euclid(1_000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

/// `×2`, `×1.3`.
pub fn factor(percent: u16, glyphs: &Glyphs) -> String {
    let times = glyphs.times;
    match percent % 100 {
        0 => format!("{times}{}", percent / 100),
        _ if percent.is_multiple_of(10) => format!("{times}{}.{}", percent / 100, percent / 10 % 10),
        _ => format!("{times}{}.{:02}", percent / 100, percent % 100),
    }
}

/// What a run cost: `≥` when a price is unknown, `~` while the figure can still change.
pub fn cost(run: &Run, state: State, glyphs: &Glyphs) -> String {
    cost_in(run, state, glyphs, false)
}

/// As [`cost`]; `short`, for a column, in at most six characters from the dollar on.
pub fn cost_in(run: &Run, state: State, glyphs: &Glyphs, short: bool) -> String {
    let cost = run.tokens.cost();
    let floor = if cost.is_floor { glyphs.at_least } else { "" };
    let open = if state.is_live() && !run.tokens.settled() && cost.usd != Usd::ZERO { "~" } else { "" };
    let usd = if short { money(cost.usd) } else { cost.usd.to_string() };
    let marks = format!("{floor}{open}");
    // A column holds eight; what is small gives way to its marks.
    if short && marks.len() > 2 && usd.len() > 5 && glyphs.is_ascii {
        return format!("{marks}${:.2}", cost.usd.as_f64());
    }
    format!("{marks}{usd}")
}

/// `$0.042`, `$1.20`, `$1234`.
pub fn money(usd: Usd) -> String {
    match usd.as_f64() {
        0.0 => "$0".into(),
        d if d.abs() < 0.9995 => format!("${d:.3}"),
        d if d.abs() < 999.995 => format!("${d:.2}"),
        d => format!("${d:.0}"),
    }
}

/// A model's name without what every model of its maker has in common.
pub fn model(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_prefix("claude-").unwrap_or(name);
    match name.rsplit_once('-') {
        Some((head, tail)) if tail.len() == 8 && tail.bytes().all(|b| b.is_ascii_digit()) => head,
        _ => name,
    }
}

/// A meter's name with spaces.
pub fn meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Usd => "cost",
        Meter::OutputTokens => "output",
        Meter::Tools => "tool calls",
        Meter::Fanout => "subagents",
        Meter::Wall => "work time",
        other => other.name(),
    }
}

/// A quantity in its meter's unit.
pub fn quantity(meter: Meter, value: f64) -> String {
    match meter {
        Meter::Clock => Span((value * 1e3) as i64).hms(),
        Meter::Wall => Span((value * 1e3) as i64).short(),
        Meter::Usd => Usd::from_f64(value).unwrap_or_default().to_string(),
        _ => count(value.max(0.0) as u64),
    }
}

/// `12m 9–17m`, with the meter's name when it isn't the clock that runs out first.
pub fn forecast(meter: Meter, forecast: Forecast, glyphs: &Glyphs) -> (String, String) {
    let name = if meter == Meter::Clock { String::new() } else { format!("{} ", short_meter(meter)) };
    let middle = format!("{name}{}", about(forecast.p50));
    if forecast.p10 == forecast.p90 {
        return (middle, String::new());
    }
    (middle, range(forecast.p10, forecast.p90, glyphs))
}

/// A meter's name where room is scarce.
pub fn short_meter(meter: Meter) -> &'static str {
    match meter {
        Meter::Usd => "usd",
        Meter::OutputTokens => "out",
        Meter::Tokens => "tok",
        Meter::Failures => "fails",
        Meter::Fanout => "agents",
        other => other.name(),
    }
}

/// The meter that is used up, if one is.
pub fn spent_up(readings: &[Reading]) -> Option<&Reading> {
    readings.iter().find(|r| r.is_out())
}

/// As [`ago`], for a column of four: `12s`, `now`.
pub fn age(now: Stamp, then: Stamp) -> String {
    match now.since(then) {
        span if span < Span::secs(1) => "now".into(),
        span => about(span),
    }
}

/// How long ago: `12s ago`, `3m ago`; `now` for what has just been.
pub fn ago(now: Stamp, then: Stamp) -> String {
    match now.since(then) {
        span if span < Span::secs(1) => "now".into(),
        span => format!("{} ago", about(span)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::glyphs::{ASCII, UNICODE};
    use super::*;

    #[test]
    fn amounts_are_signed_from_the_clocks_side() {
        assert_eq!(amount(Span::mins(5), &UNICODE), "−5:00.0");
        assert_eq!(amount(Span(-12_340), &UNICODE), "+0:12.3");
        assert_eq!(amount(Span(3_661_950), &ASCII), "-1:01:02.0");
        assert_eq!(drop(Span(39_600), &ASCII), "-0:40");
        assert_eq!(factor(130, &UNICODE), "×1.3");
        assert_eq!(factor(3_200, &ASCII), "x32");
        assert_eq!(factor(105, &ASCII), "x1.05");
    }

    #[test]
    fn times_are_told_in_one_unit() {
        for (ms, text) in [(0, "0s"), (45_400, "45s"), (720_000, "12m"), (11_880_000, "3.3h"), (172_800_000, "48h")] {
            assert_eq!(about(Span(ms)), text);
        }
        assert_eq!(range(Span::mins(9), Span::mins(17), &UNICODE), "9–17m");
        assert_eq!(range(Span::secs(50), Span::mins(2), &UNICODE), "50s–2m");
        assert_eq!(time_of_day(Stamp(-1_000), Span::ZERO), "23:59:59");
    }

    #[test]
    fn models_lose_what_they_have_in_common() {
        assert_eq!(model("claude-sonnet-4-5-20250929"), "sonnet-4-5");
        assert_eq!(model("anthropic/claude-opus-4-1"), "opus-4-1");
        assert_eq!(model("gpt-5.1-codex"), "gpt-5.1-codex");
    }
}
