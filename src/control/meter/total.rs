//! PURE. The clock of a run that may have several sessions: they share what it was given.

use super::decide::Reading;
use crate::domain::meter::{self, Meter};
use crate::domain::policy::Caps;
use crate::domain::rules::Rules;
use crate::domain::run::Run;
use crate::domain::time::{Span, Stamp};

/// All sessions together.
#[derive(Clone, Debug, PartialEq)]
pub struct Total {
    pub granted: Span,
    pub spent: Span,
    /// The meter that has run out, else the fullest.
    pub binding: Meter,
    /// Meters that have run out, the clock first.
    pub out: Vec<Meter>,
}

impl Total {
    /// `None`: there is no session. `budget`, `caps`: what was given; else what the policy (or the run itself) says for
    /// the first one. Figures add up, but the deepest nesting is the deepest of any.
    pub fn of<'a>(
        runs: impl Iterator<Item = &'a Run>,
        budget: Option<Span>,
        grants: Span,
        caps: Option<Caps>,
        now: Stamp,
        rules: &Rules,
    ) -> Option<Self> {
        let runs: Vec<&Run> = runs.collect();
        let first = runs.first()?;
        let granted = budget.unwrap_or(first.clock.granted) + grants;
        let caps = caps.unwrap_or(first.caps);
        let mut used = [0.0_f64; Meter::COUNT];
        let mut spent = Span::ZERO;
        for run in &runs {
            spent += run.spent(now, rules);
            for reading in run.readings(now, rules) {
                let sum = &mut used[reading.meter as usize];
                *sum = if reading.meter == Meter::Depth { sum.max(reading.used) } else { *sum + reading.used };
            }
        }
        let readings = Meter::ALL.map(|meter| {
            let cap = if meter == Meter::Clock { Some(granted.as_secs_f64()) } else { meter.cap(&caps) };
            let used = if meter == Meter::Clock { spent.as_secs_f64() } else { used[meter as usize] };
            meter::Reading { meter, used, cap }
        });
        let out: Vec<Meter> = readings.iter().filter(|reading| reading.is_out()).map(|r| r.meter).collect();
        let share = |reading: &&meter::Reading| reading.share().unwrap_or(0.0);
        let fullest = readings.iter().max_by(|a, b| share(a).total_cmp(&share(b)).then(b.meter.cmp(&a.meter)));
        let binding = out.first().copied().or(fullest.map(|r| r.meter)).unwrap_or(Meter::Clock);
        Some(Self { granted, spent, binding, out })
    }

    /// Of a run in which nothing was recognised so far: it works, as far as anybody can tell, since it was started.
    pub fn bare(
        started: Stamp,
        budget: Option<Span>,
        grants: Span,
        caps: Option<Caps>,
        now: Stamp,
        rules: &Rules,
    ) -> Self {
        let worked = now.since(started).max(Span::ZERO);
        let spent = worked.percent(i64::from(rules.policy.tariff.wall_percent));
        let granted = budget.unwrap_or(rules.policy.budget.default) + grants;
        let wall = caps.unwrap_or(rules.policy.caps).wall;
        let meters = [(Meter::Clock, spent, Some(granted)), (Meter::Wall, worked, wall)];
        let out: Vec<Meter> = meters
            .into_iter()
            .map(|(meter, used, cap)| meter::Reading {
                meter,
                used: used.as_secs_f64(),
                cap: cap.map(Span::as_secs_f64),
            })
            .filter(meter::Reading::is_out)
            .map(|reading| reading.meter)
            .collect();
        Self { granted, spent, binding: out.first().copied().unwrap_or(Meter::Clock), out }
    }

    pub fn reading(&self) -> Reading {
        Reading { granted: self.granted, left: self.granted - self.spent, out: self.out.clone() }
    }
}
