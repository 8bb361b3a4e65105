//! Reading a run at a moment: its state, its clock, its meters, which of them binds, and for how long it lasts.

use serde::Serialize;

use super::{Phase, Run};
use crate::domain::event::Outcome;
use crate::domain::forecast::Forecast;
use crate::domain::meter::{Meter, Reading};
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Stamp};

/// What a run is doing, as a person would say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its clock or a cap has run out while it goes on.
    #[serde(rename = "at zero")]
    AtZero,
    Working,
    Waiting,
    Idle,
    Failed,
    Interrupted,
    Finished,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            State::AtZero => "at zero",
            State::Working => "working",
            State::Waiting => "waiting",
            State::Idle => "idle",
            State::Failed => "failed",
            State::Interrupted => "interrupted",
            State::Finished => "finished",
        }
    }

    /// Can its clock still run without somebody starting it again?
    pub fn is_live(self) -> bool {
        matches!(self, State::AtZero | State::Working | State::Waiting)
    }
}

impl Run {
    /// How long silence still counts as work.
    pub(super) fn patience(&self, rules: &Rules) -> Span {
        let clock = &rules.policy.clock;
        if self.pending.is_empty() { clock.idle_after } else { clock.tool_idle_after }
    }

    /// Does time pass on this run's clock right after its last event?
    pub(super) fn is_working(&self) -> bool {
        if self.background {
            return true;
        }
        self.phase == Phase::Working && (self.pending.is_empty() || !self.pending.iter().all(|p| p.asks))
    }

    /// Working time that has passed since the last event and is not charged yet.
    pub fn unsettled(&self, now: Stamp, rules: &Rules) -> Span {
        // The dead spend nothing.
        let now = self.dead().map_or(now, |(at, _)| now.min(at));
        match self.last_at {
            Some(last) if self.is_working() => now.since(last).clamp(Span::ZERO, self.patience(rules)),
            _ => Span::ZERO,
        }
    }

    /// What is left on the clock at `now`: it counts down between events.
    pub fn left(&self, now: Stamp, rules: &Rules) -> Span {
        self.clock.left() - wall_price(self.unsettled(now, rules), rules)
    }

    pub fn spent(&self, now: Stamp, rules: &Rules) -> Span {
        self.clock.granted - self.left(now, rules)
    }

    pub fn state(&self, now: Stamp, rules: &Rules) -> State {
        let quiet = self.last_at.is_none_or(|last| now.since(last) > self.patience(rules));
        let rests = quiet || !self.background;
        if self.was_cut_off() && self.dead().is_some_and(|(at, _)| at <= now) {
            return State::Interrupted;
        }
        if let (Phase::Ended, Some((outcome, _)), true) = (self.phase, &self.outcome, rests) {
            return match outcome {
                Outcome::Finished => State::Finished,
                Outcome::Failed => State::Failed,
                Outcome::Interrupted => State::Interrupted,
            };
        }
        // Where nobody is known to sit at it, a turn that is long over was the last.
        if quiet && self.phase == Phase::TurnOver && self.facts.interactive != Some(true) {
            return State::Finished;
        }
        if !self.is_working() || (quiet && matches!(self.phase, Phase::Waiting | Phase::TurnOver)) {
            // Waiting for a person has no deadline, but after a day nobody is coming.
            let forgotten = self.last_at.is_none_or(|last| now.since(last) > Span::secs(86_400));
            return if forgotten { State::Idle } else { State::Waiting };
        }
        if quiet {
            State::Idle
        } else if self.is_out(now, rules) {
            State::AtZero
        } else {
            State::Working
        }
    }

    /// It had not ended by itself when it was proven gone: what works in the background is no end.
    fn was_cut_off(&self) -> bool {
        self.dead().is_some() && (self.phase != Phase::Ended || self.background)
    }

    /// The word for how it ended. Where nobody is known to sit at it, a turn that ended well is an end; else it is
    /// `waiting`. A stream that breaks off says `unfinished`.
    pub fn outcome_name(&self) -> &'static str {
        match (&self.outcome, self.phase) {
            _ if self.was_cut_off() && self.background => Outcome::Interrupted.name(),
            (Some((outcome, _)), _) => outcome.name(),
            _ if self.dead().is_some() => Outcome::Interrupted.name(),
            (None, Phase::TurnOver) if self.facts.interactive != Some(true) => Outcome::Finished.name(),
            (None, Phase::TurnOver | Phase::Waiting) => "waiting",
            (None, _) => "unfinished",
        }
    }

    /// Why it ended, in the agent's words.
    pub fn outcome_reason(&self) -> &str {
        match &self.outcome {
            Some((_, reason)) => reason.as_str(),
            None if self.dead().is_some() => self.dead().map_or("", |(_, reason)| reason.as_str()),
            None if self.phase == Phase::TurnOver => "turn over",
            None => "",
        }
    }

    /// Has the clock or a cap run out?
    pub fn is_out(&self, now: Stamp, rules: &Rules) -> bool {
        self.readings(now, rules).iter().any(Reading::is_out)
    }

    /// Every meter, the clock first. Clock and wall are in seconds, money in dollars.
    pub fn readings(&self, now: Stamp, rules: &Rules) -> [Reading; Meter::COUNT] {
        Meter::ALL.map(|meter| Reading { meter, used: self.used(meter, now, rules), cap: self.cap(meter) })
    }

    fn cap(&self, meter: Meter) -> Option<f64> {
        match meter {
            Meter::Clock => Some(self.clock.granted.as_secs_f64()),
            other => other.cap(&self.caps),
        }
    }

    fn used(&self, meter: Meter, now: Stamp, rules: &Rules) -> f64 {
        let usage = self.tokens.usage();
        match meter {
            Meter::Clock => self.spent(now, rules).as_secs_f64(),
            Meter::Usd => self.tokens.cost().usd.as_f64(),
            Meter::Tokens => usage.total() as f64,
            Meter::OutputTokens => usage.written() as f64,
            Meter::Turns => self.counts.turns as f64,
            Meter::Tools => self.counts.tool_calls as f64,
            Meter::Failures => self.failures() as f64,
            Meter::Depth => self.counts.depth as f64,
            Meter::Fanout => self.subagents() as f64,
            Meter::Wall => (self.worked + self.unsettled(now, rules)).as_secs_f64(),
        }
    }

    /// Everything that failed: calls by the agent's word, by their output, and requests to the provider.
    pub fn failures(&self) -> u64 {
        self.counts.failed + self.counts.failed_inferred + self.counts.api_errors
    }

    /// The meter that will run out first and when; one that has run out already comes before all others.
    pub fn binding(&self, now: Stamp, rules: &Rules) -> (Meter, Option<Forecast>) {
        let readings = self.readings(now, rules);
        if let Some(out) = readings.iter().find(|r| r.is_out()) {
            return (out.meter, self.forecast(out, rules));
        }
        readings
            .iter()
            .filter(|r| r.cap.is_some())
            .map(|r| (r, self.forecast(r, rules)))
            // No forecast: later than any that has one; then the fuller meter first.
            .min_by(|(a, fa), (b, fb)| {
                let time = |f: &Option<Forecast>| f.map_or(i64::MAX, |f| f.p50.0);
                time(fa).cmp(&time(fb)).then_with(|| b.share().unwrap_or(0.0).total_cmp(&a.share().unwrap_or(0.0)))
            })
            .map_or((Meter::Clock, None), |(r, forecast)| (r.meter, forecast))
    }

    /// Real working time until this meter is used up.
    pub fn forecast(&self, reading: &Reading, rules: &Rules) -> Option<Forecast> {
        let left = reading.left()?;
        match reading.meter {
            Meter::Clock => self.clock_lasts(Span((left * 1_000.0) as i64), rules),
            Meter::Wall => {
                let span = Span((left.max(0.0) * 1_000.0) as i64);
                Some(Forecast { p10: span, p50: span, p90: span })
            }
            // These jump; nothing burns towards them.
            Meter::Depth | Meter::Fanout => None,
            other => self.burns[other as usize].time_to(left, 0.0, &rules.policy.forecast),
        }
    }

    /// Real working time until `amount` more of clock time is spent, at the present pace.
    pub fn clock_lasts(&self, amount: Span, rules: &Rules) -> Option<Forecast> {
        let rule = &rules.policy.forecast;
        let wall = f64::from(rules.policy.tariff.wall_percent) / 100.0;
        let prior = wall * f64::from(rule.prior_percent) / 100.0;
        let amount = amount.as_secs_f64();
        let forecast = self.burns[Meter::Clock as usize].time_to(amount, prior, rule)?;
        if wall <= 0.0 {
            return Some(forecast);
        }
        // Working time itself burns: it can't last longer than this.
        Some(forecast.at_most(Span((amount.max(0.0) / wall * 1_000.0) as i64)))
    }

    /// Does its clock move between events, or turn idle by time alone?
    pub fn ticks(&self, now: Stamp, rules: &Rules) -> bool {
        // One second more, so that the change to idle is drawn too.
        self.dead().is_none()
            && self.is_working()
            && self.last_at.is_some_and(|last| now.since(last) <= self.patience(rules) + Span::secs(2))
    }

    /// Clock time burnt per second of working time, lately.
    pub fn pace(&self, rules: &Rules) -> Option<f64> {
        self.burns[Meter::Clock as usize].per_second(&rules.policy.forecast)
    }
}

/// Clock time that `span` of work costs by itself.
pub(super) fn wall_price(span: Span, rules: &Rules) -> Span {
    span.percent(i64::from(rules.policy.tariff.wall_percent))
}
