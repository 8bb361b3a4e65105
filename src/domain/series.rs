//! A curve over real time in bounded memory: as it grows, neighbouring points merge and the step doubles.

use super::time::{Span, Stamp};

/// Points kept at most; always a power of two.
const MAX_POINTS: usize = 128;
const FIRST_STEP: Span = Span(1_000);

/// A running total sampled at the end of equal steps of real time. Independent of how its input was batched.
#[derive(Clone, Debug)]
pub struct Series {
    start: Stamp,
    step: Span,
    points: Vec<i64>,
}

impl Default for Series {
    fn default() -> Self {
        Self { start: Stamp(0), step: FIRST_STEP, points: Vec::new() }
    }
}

impl Series {
    /// Notes that the total was `value` at `at`. Times before the start or before the newest step fall into that step.
    pub fn note(&mut self, at: Stamp, value: i64) {
        if self.points.is_empty() {
            self.start = at;
        }
        let mut index = self.index(at);
        while index >= MAX_POINTS {
            self.halve();
            index = self.index(at);
        }
        let last = self.points.last().copied().unwrap_or(value);
        if index >= self.points.len() {
            self.points.resize(index, last);
            self.points.push(value);
        } else if let Some(end) = self.points.last_mut() {
            *end = value;
        }
    }

    /// The total grew evenly from `low` at `from` to `high` at `to`: time that passed, not a charge that landed.
    pub fn ramp(&mut self, from: Stamp, low: i64, to: Stamp, high: i64) {
        let width = to.since(from).0.max(1) as f64;
        let mut at = from;
        while at < to {
            self.note(at, low + ((high - low) as f64 * (at.since(from).0 as f64 / width)) as i64);
            at = at + self.step;
        }
        self.note(to, high);
    }

    fn index(&self, at: Stamp) -> usize {
        usize::try_from(at.since(self.start).0.max(0) / self.step.0).unwrap_or(usize::MAX)
    }

    fn halve(&mut self) {
        self.step = Span(self.step.0.saturating_mul(2));
        self.points = self.points.chunks(2).filter_map(|pair| pair.last().copied()).collect();
    }

    pub fn shrink(&mut self) {
        self.points.shrink_to_fit();
    }

    /// Time of the first note, width of a step, totals at the end of each step.
    pub fn points(&self) -> (Stamp, Span, &[i64]) {
        (self.start, self.step, &self.points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_long_run_fits() {
        let mut series = Series::default();
        for i in 0..100_000 {
            series.note(Stamp(i * 700), i);
        }
        let (_, step, points) = series.points();
        assert!(points.len() <= MAX_POINTS && points.len() > MAX_POINTS / 2, "{} of {step:?}", points.len());
        assert_eq!(points.last(), Some(&99_999));
        assert!(points.is_sorted());
    }

    #[test]
    fn passing_time_is_a_slope() {
        let mut series = Series::default();
        series.note(Stamp(0), 100);
        series.ramp(Stamp(0), 100, Stamp(10_000), 1_100);
        let (.., points) = series.points();
        assert_eq!(points[..4], [100, 200, 300, 400]);
        series.ramp(Stamp(10_000), 1_100, Stamp(10_000_000), 9_000);
        let (.., points) = series.points();
        assert!(points.len() <= MAX_POINTS && points.is_sorted());
        assert_eq!(points.last(), Some(&9_000));
    }

    proptest! {
        #[test]
        fn any_times_are_taken(times in proptest::collection::vec(any::<i64>(), 0..40)) {
            let mut series = Series::default();
            for (i, t) in times.iter().enumerate() {
                series.note(Stamp(*t), i as i64);
            }
            prop_assert!(series.points().2.len() <= MAX_POINTS);
        }
    }
}
