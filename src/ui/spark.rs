//! How fast a run burns, as a row of little bars that can be compared between runs.

use crate::domain::rules::Rules;
use crate::domain::run::Run;
use crate::domain::time::{Span, Stamp};

/// Real time that a sparkline covers.
pub const WINDOW: Span = Span(300_000);

/// Spent clock of a run as a function of real time.
pub struct Spent<'a> {
    start: Stamp,
    step: Span,
    points: &'a [i64],
    /// Up to when its clock has run, and where it stands since.
    end: Stamp,
    total: i64,
}

impl<'a> Spent<'a> {
    pub fn of(run: &'a Run, now: Stamp, rules: &Rules) -> Self {
        let (start, step, points) = run.curve.points();
        let end = run.last_at.map_or(now, |last| last + run.unsettled(now, rules));
        Self { start, step, points, end, total: run.spent(now, rules).0 }
    }

    /// Spent by `at`, in milliseconds: straight between known points.
    pub fn at(&self, at: Stamp) -> i64 {
        let Some(last) = self.points.len().checked_sub(1) else { return 0 };
        let since = at.since(self.start).0;
        if since <= 0 {
            return 0;
        }
        let step = self.step.0.max(1);
        let index = usize::try_from(since / step).unwrap_or(usize::MAX);
        if index >= last {
            // From the newest point the clock runs on by itself.
            let from = self.start + Span(step.saturating_mul(last as i64));
            let before = last.checked_sub(1).map_or(0, |i| self.points[i]);
            return between(from, before, self.end.max(from), self.total, at);
        }
        let before = index.checked_sub(1).map_or(0, |i| self.points[i]);
        let from = self.start + Span(step.saturating_mul(index as i64));
        between(from, before, from + Span(step), self.points[index], at)
    }
}

fn between(from: Stamp, low: i64, to: Stamp, high: i64, at: Stamp) -> i64 {
    let width = to.since(from).0;
    if width <= 0 || at >= to {
        return high;
    }
    let share = at.since(from).0.max(0) as f64 / width as f64;
    low + ((high - low) as f64 * share) as i64
}

/// Heights 0 to 8 of `columns` bars, the newest last. One scale for all runs: each bar is a factor of two or so in
/// clock time per second, from a whisper at 1 s/s to full at 100 s/s and more.
pub fn bars(run: &Run, columns: u16, now: Stamp, rules: &Rules) -> Vec<usize> {
    let spent = Spent::of(run, now, rules);
    let is_still = run.unsettled(now, rules) == Span::ZERO;
    let end = if is_still { run.last_at.map_or(now, |last| last.min(now)) } else { now };
    let columns = i64::from(columns);
    let piece = Span(WINDOW.0 / columns.max(1));
    (0..columns)
        .map(|i| {
            let to = end + Span(-piece.0 * (columns - 1 - i));
            let burnt = spent.at(to) - spent.at(to + Span(-piece.0));
            height(burnt as f64 / piece.0.max(1) as f64)
        })
        .collect()
}

fn height(per_second: f64) -> usize {
    if per_second < 0.05 {
        return 0;
    }
    let bar = 1.0 + 7.0 * (per_second.max(1.0).ln() / 100f64.ln());
    (bar.round() as usize).clamp(1, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_share_one_scale() {
        for (rate, bar) in [(0.0, 0), (0.5, 1), (1.0, 1), (3.2, 3), (10.0, 5), (100.0, 8), (1e9, 8)] {
            assert_eq!(height(rate), bar, "{rate}");
        }
    }
}
