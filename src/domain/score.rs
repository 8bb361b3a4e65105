//! How good is the forecast? Every so often a run's forecast is written down for a few amounts of clock time, and
//! compared with how much working time really passed until that much more was spent.

use serde::Serialize;

use super::forecast::Forecast;
use super::rules::Rules;
use super::run::Run;
use super::time::{Span, Stamp};

/// Amounts ahead for which guesses are taken, in clock time.
const AHEAD: [Span; 4] = [Span::mins(2), Span::mins(5), Span::mins(10), Span::mins(20)];
/// Working time between guesses.
const EVERY: Span = Span(20_000);
/// Guesses open at once per run.
const MAX_OPEN: usize = 4_096;

#[derive(Clone, Copy, Debug)]
struct Guess {
    horizon: usize,
    worked: Span,
    target: Span,
    forecast: Forecast,
}

/// Follows one run.
#[derive(Debug, Default)]
pub struct Scorer {
    open: Vec<Guess>,
    next: Span,
}

/// Results over any number of runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Score {
    pub runs: u64,
    /// Per amount ahead, shortest first.
    pub horizons: [Horizon; AHEAD.len()],
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Horizon {
    pub ahead_ms: Span,
    /// Guesses that came to be decided.
    pub guesses: u64,
    /// The true time fell inside p10 to p90 (80 % when the model is right).
    pub inside: u64,
    pub before_p10: u64,
    pub after_p90: u64,
    /// Runs that ended before as much was spent, undecided: the recording is shorter than p90.
    pub undecided: u64,
    /// |p50 − true| / true, one per decided guess; reported as its median.
    #[serde(skip)]
    errors: Vec<f64>,
    pub median_error_of_p50: Option<f64>,
}

impl Scorer {
    /// Call before an event at `at` is applied to `run`: settles guesses that the time passing until then decides.
    pub fn before(&mut self, run: &Run, at: Stamp, rules: &Rules, score: &mut Score) {
        let gap = run.unsettled(at, rules);
        let (worked, spent) = (run.worked, run.clock.spent);
        let wall = f64::from(rules.policy.tariff.wall_percent) / 100.0;
        let reached = spent + gap.percent(i64::from(rules.policy.tariff.wall_percent));
        self.settle(reached, score, |guess| worked + Span(((guess.target - spent).0 as f64 / wall.max(1e-9)) as i64));
    }

    /// Call after an event was applied.
    pub fn after(&mut self, run: &Run, rules: &Rules, score: &mut Score) {
        self.settle(run.clock.spent, score, |_| run.worked);
        if run.worked < self.next || self.open.len() + AHEAD.len() > MAX_OPEN {
            return;
        }
        self.next = run.worked + EVERY;
        for (horizon, ahead) in AHEAD.into_iter().enumerate() {
            if let Some(forecast) = run.clock_lasts(ahead, rules) {
                let guess = Guess { horizon, worked: run.worked, target: run.clock.spent + ahead, forecast };
                self.open.push(guess);
            }
        }
    }

    /// Call when the run's recording ends: what was not reached is late if p90 has passed, else undecided.
    pub fn end(&mut self, run: &Run, score: &mut Score) {
        score.runs += 1;
        for guess in self.open.drain(..) {
            let horizon = &mut score.horizons[guess.horizon];
            if run.worked - guess.worked > guess.forecast.p90 {
                horizon.guesses += 1;
                horizon.after_p90 += 1;
            } else {
                horizon.undecided += 1;
            }
        }
    }

    fn settle(&mut self, spent: Span, score: &mut Score, when: impl Fn(&Guess) -> Span) {
        self.open.retain(|guess| {
            if spent < guess.target {
                return true;
            }
            let truth = when(guess) - guess.worked;
            let horizon = &mut score.horizons[guess.horizon];
            horizon.guesses += 1;
            if truth < guess.forecast.p10 {
                horizon.before_p10 += 1;
            } else if truth > guess.forecast.p90 {
                horizon.after_p90 += 1;
            } else {
                horizon.inside += 1;
            }
            let truth = truth.as_secs_f64().max(1.0);
            horizon.errors.push((guess.forecast.p50.as_secs_f64() - truth).abs() / truth);
            false
        });
    }
}

impl Score {
    /// Fills in the medians.
    pub fn finish(mut self) -> Self {
        for (horizon, ahead) in self.horizons.iter_mut().zip(AHEAD) {
            horizon.ahead_ms = ahead;
            horizon.errors.sort_by(f64::total_cmp);
            horizon.median_error_of_p50 = horizon.errors.get(horizon.errors.len() / 2).copied();
        }
        self
    }
}
