//! When will it run out? Time to zero from the burn so far, as p10, p50 and p90.
//!
//! The model. Burn is sampled over equal pieces of *working* time, so that idling neither dilutes nor ages it.
//! Samples fade with a half-life; from them come the mean burn per sample, its variance, and how much one sample
//! resembles the next (loops and tool storms come in runs, which makes sums vary more than independent samples
//! would). The time until a sum of such samples reaches what is left has, to second order,
//!
//! ```text
//! mean      R / m
//! variance  R·v / m³      the samples' own spread, v inflated by their correlation
//!         + R²·v / (n·m⁴)  not knowing m better than n samples tell
//!         + (R/m)²·d²·h    the pace itself drifting: by d per half-life, over the h half-lives until then
//! ```
//!
//! and is positive and skewed to late, so it is taken as log-normal with these moments. A prior of a few samples
//! stands in until a run has shown its own pace. For the clock the answer is never later than what is left divided
//! by the wall rate, because working time itself burns. `redkey forecast score` measures how well that holds.

use serde::Serialize;

use super::policy;
use super::time::Span;

/// z of the 90th percentile of the normal distribution.
const Z90: f64 = 1.281_551_565_545;

/// Time to zero in real working time. `p10 ≤ p50 ≤ p90`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    #[serde(rename = "p10_ms")]
    pub p10: Span,
    #[serde(rename = "p50_ms")]
    pub p50: Span,
    #[serde(rename = "p90_ms")]
    pub p90: Span,
}

/// Fading moments of one meter's burn per sample.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    /// Effective number of samples.
    weight: f64,
    mean: f64,
    variance: f64,
    /// Covariance of neighbouring samples.
    lag: f64,
    last: f64,
}

impl Moments {
    fn add(&mut self, x: f64, keep: f64) {
        let old = self.weight * keep;
        self.weight = old + 1.0;
        let step = 1.0 / self.weight;
        let before = x - self.mean;
        let last = self.last - self.mean;
        self.mean += step * before;
        self.variance += step * (before * (x - self.mean) - self.variance);
        self.lag += step * (before * last - self.lag);
        self.last = x;
    }

    /// `times` equal samples at once, in constant time once they have washed out what was before.
    fn add_many(&mut self, x: f64, keep: f64, times: u64) {
        for _ in 0..times.min(2_000) {
            self.add(x, keep);
        }
    }
}

/// The burn of one meter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Burn {
    moments: Moments,
    /// Burnt in the sample that is not full yet.
    open: f64,
}

/// Shared sampling of working time for all of a run's meters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sampler {
    /// Working time in the open sample.
    filled: Span,
}

impl Sampler {
    /// Lets `gap` of working time pass: fills the open sample and closes those that get full. `rate` is what each
    /// meter burns per second of working time by itself (the clock's wall rate), 0 for the others.
    pub fn pass(&mut self, gap: Span, burns: &mut [(&mut Burn, f64)], rules: &policy::Forecast) {
        let sample = rules.sample.max(Span(100));
        let keep = 0.5f64.powf(sample.0 as f64 / rules.half_life.max(sample).0 as f64);
        let mut rest = gap.max(Span::ZERO);
        let room = sample - self.filled;
        if rest < room {
            self.filled += rest;
            for (burn, rate) in burns {
                burn.open += *rate * rest.as_secs_f64();
            }
            return;
        }
        rest -= room;
        let whole = (rest.0 / sample.0) as u64;
        self.filled = Span(rest.0 % sample.0);
        for (burn, rate) in burns {
            let full = burn.open + *rate * room.as_secs_f64();
            burn.moments.add(full, keep);
            burn.moments.add_many(*rate * sample.as_secs_f64(), keep, whole);
            burn.open = *rate * self.filled.as_secs_f64();
        }
    }
}

impl Burn {
    /// Adds something burnt at one moment (may be negative: a refund).
    pub fn burn(&mut self, amount: f64) {
        self.open += amount;
    }

    /// Mean burn per second of working time, without the prior. `None` before the first full sample.
    pub fn per_second(&self, rules: &policy::Forecast) -> Option<f64> {
        (self.moments.weight > 0.0).then(|| self.moments.mean / rules.sample.max(Span(100)).as_secs_f64())
    }

    /// Time until `left` more is burnt. `prior` is the burn per second assumed before the run has shown its own; 0
    /// means no prior: then there is no forecast before there is a burn.
    pub fn time_to(&self, left: f64, prior: f64, rules: &policy::Forecast) -> Option<Forecast> {
        if left <= 0.0 {
            return Some(Forecast { p10: Span::ZERO, p50: Span::ZERO, p90: Span::ZERO });
        }
        let sample = rules.sample.max(Span(100)).as_secs_f64();
        let m = &self.moments;
        let n0 = if prior > 0.0 { f64::from(rules.prior_samples.max(1)) } else { 0.0 };
        let prior = prior * sample;
        let n = m.weight + n0;
        if n <= 0.0 {
            return None;
        }
        let mean = (m.mean * m.weight + prior * n0) / n;
        if mean <= 1e-9 {
            return None;
        }
        // The prior's own spread is as wide as its mean.
        let between = (m.mean - mean).powi(2) * m.weight / n + (prior - mean).powi(2) * n0 / n;
        let spread = (m.variance * m.weight + prior * prior * n0) / n + between;
        let rho = if m.variance > 1e-12 { (m.lag / m.variance).clamp(0.0, 0.9) } else { 0.0 };
        let spread = spread * (1.0 + rho) / (1.0 - rho);
        let expected = left / mean;
        let half_lives = expected * sample / rules.half_life.max(Span(100)).as_secs_f64();
        let drift = (f64::from(rules.drift_percent) / 100.0).powi(2) * half_lives;
        let variance =
            left * spread / mean.powi(3) + left * left * spread / (n * mean.powi(4)) + expected * expected * drift;
        let s2 = (1.0 + variance / (expected * expected)).ln();
        let centre = (expected * (-s2 / 2.0).exp()).max(1e-6);
        let width = (Z90 * s2.sqrt() * f64::from(rules.interval_percent) / 100.0).min(20.0);
        let span = |samples: f64| Span((samples * sample * 1_000.0).clamp(0.0, 3.15e13) as i64);
        Some(Forecast { p10: span(centre * (-width).exp()), p50: span(centre), p90: span(centre * width.exp()) })
    }
}

impl Forecast {
    /// No later than `limit`.
    pub fn at_most(self, limit: Span) -> Self {
        Self { p10: self.p10.min(limit), p50: self.p50.min(limit), p90: self.p90.min(limit) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rules() -> policy::Forecast {
        policy::Forecast {
            sample: Span::secs(5),
            half_life: Span::mins(3),
            prior_percent: 250,
            prior_samples: 6,
            drift_percent: 0,
            interval_percent: 100,
        }
    }

    fn steady(per_second: f64, seconds: i64) -> Burn {
        let (mut sampler, mut burn) = (Sampler::default(), Burn::default());
        for _ in 0..seconds {
            sampler.pass(Span::secs(1), &mut [(&mut burn, per_second)], &rules());
        }
        burn
    }

    #[test]
    fn a_steady_burn_is_forecast_to_the_second() {
        let forecast = steady(2.0, 3_600).time_to(600.0, 0.0, &rules()).expect("burns");
        assert!((forecast.p50.0 - 300_000).abs() < 2_000, "{forecast:?}");
        assert!((forecast.p90 - forecast.p10).0 < 3_000, "{forecast:?}");
    }

    #[test]
    fn without_burn_or_prior_there_is_no_forecast() {
        assert_eq!(steady(0.0, 60).time_to(600.0, 0.0, &rules()), None);
        assert!(Burn::default().time_to(600.0, 2.5, &rules()).is_some());
        assert_eq!(Burn::default().time_to(0.0, 0.0, &rules()).map(|f| f.p90), Some(Span::ZERO));
    }

    #[test]
    fn an_uneven_burn_has_a_wider_interval() {
        let (mut sampler, mut burn) = (Sampler::default(), Burn::default());
        for i in 0..720 {
            sampler.pass(Span::secs(5), &mut [(&mut burn, 1.0)], &rules());
            if i % 7 == 0 {
                burn.burn(30.0);
            }
        }
        let uneven = burn.time_to(600.0, 0.0, &rules()).expect("burns");
        let even = steady(1.0 + 30.0 / 35.0, 3_600).time_to(600.0, 0.0, &rules()).expect("burns");
        assert!((uneven.p90 - uneven.p10) > (even.p90 - even.p10));
        assert!(uneven.p10 < even.p50 && even.p50 < uneven.p90, "{uneven:?} {even:?}");
    }

    proptest! {
        #[test]
        fn the_interval_is_ordered(gaps in proptest::collection::vec((0i64..40_000, 0.0f64..400.0), 1..60), left in 0.1f64..1e6) {
            let (mut sampler, mut burn) = (Sampler::default(), Burn::default());
            for (gap, amount) in gaps {
                sampler.pass(Span(gap), &mut [(&mut burn, 1.0)], &rules());
                burn.burn(amount);
            }
            if let Some(f) = burn.time_to(left, 2.5, &rules()) {
                prop_assert!(Span::ZERO <= f.p10 && f.p10 <= f.p50 && f.p50 <= f.p90);
            }
        }

        #[test]
        fn splitting_a_gap_changes_nothing(parts in proptest::collection::vec(1i64..20_000, 1..30)) {
            let (mut sa, mut a) = (Sampler::default(), Burn::default());
            let (mut sb, mut b) = (Sampler::default(), Burn::default());
            for part in &parts {
                sa.pass(Span(*part), &mut [(&mut a, 1.0)], &rules());
            }
            sb.pass(Span(parts.iter().sum()), &mut [(&mut b, 1.0)], &rules());
            prop_assert_eq!(sa.filled, sb.filled);
            prop_assert!((a.moments.mean - b.moments.mean).abs() < 1e-6);
        }
    }
}
