//! PURE. What the clock does by itself: warnings, and what happens at zero. Each goes off once, at the edge.

use std::collections::BTreeSet;

use crate::domain::meter::Meter;
use crate::domain::policy::AtZero;
use crate::domain::time::Span;

/// What the policy says.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    pub at_zero: AtZero,
    /// Time left at which a warning goes off.
    pub warn_at: &'a [Span],
}

/// The clock as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub granted: Span,
    pub left: Span,
    /// Meters that have run out, the clock first.
    pub out: Vec<Meter>,
}

/// What has gone off already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// `None`: nothing was read so far.
    granted: Option<Span>,
    armed: BTreeSet<Span>,
    out: BTreeSet<Meter>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Less than this is left for the first time.
    Warn { under: Span, left: Span },
    /// A meter has run out.
    Zero { meter: Meter, did: AtZero },
    /// Nothing is out any more: somebody gave more.
    Back,
}

/// What this reading brings. A warning is armed by the first reading and again by a grant that lifts the clock above
/// it; of several that go off at once the last alone is told. A meter acts once until it is no longer out.
pub fn decide(rule: Rule<'_>, memory: &mut Memory, reading: &Reading) -> Vec<Decision> {
    let mut decisions = Vec::new();
    arm(rule, memory, reading);
    let due: Vec<Span> = memory.armed.iter().copied().filter(|under| reading.left <= *under).collect();
    due.iter().for_each(|under| {
        memory.armed.remove(under);
    });
    if let Some(under) = due.first().filter(|_| reading.left > Span::ZERO) {
        decisions.push(Decision::Warn { under: *under, left: reading.left });
    }
    let out: BTreeSet<Meter> = reading.out.iter().copied().collect();
    if let Some(meter) = reading.out.iter().find(|meter| !memory.out.contains(meter)) {
        decisions.push(Decision::Zero { meter: *meter, did: rule.at_zero });
    } else if out.is_empty() && !memory.out.is_empty() {
        decisions.push(Decision::Back);
    }
    memory.out = out;
    decisions
}

fn arm(rule: Rule<'_>, memory: &mut Memory, reading: &Reading) {
    let points = rule.warn_at.iter().copied();
    match memory.granted {
        // Whoever was given less than that needs no warning of it.
        None => memory.armed.extend(points.filter(|under| *under < reading.granted)),
        Some(before) if reading.granted > before => {
            memory.armed.extend(points.filter(|under| *under < reading.left));
        }
        Some(_) => {}
    }
    memory.granted = Some(reading.granted);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WARN: [Span; 2] = [Span::mins(5), Span::mins(1)];

    /// Readings as (granted, left) in minutes, with the meters that are out, and what each brings.
    fn check(at_zero: AtZero, readings: &[(i64, f64, &[Meter], &[Decision])]) {
        let mut memory = Memory::default();
        let rule = Rule { at_zero, warn_at: &WARN };
        for (step, (granted, left, out, wanted)) in readings.iter().enumerate() {
            let left = Span((left * 60_000.0) as i64);
            let mut out = out.to_vec();
            if left <= Span::ZERO {
                out.insert(0, Meter::Clock);
            }
            let reading = Reading { granted: Span::mins(*granted), left, out };
            assert_eq!(decide(rule, &mut memory, &reading), *wanted, "step {step}");
        }
    }

    fn warn(under: i64, left: f64) -> Decision {
        Decision::Warn { under: Span::mins(under), left: Span((left * 60_000.0) as i64) }
    }

    fn zero(meter: Meter, did: AtZero) -> Decision {
        Decision::Zero { meter, did }
    }

    #[test]
    fn warnings_go_off_once_and_zero_acts_once() {
        check(
            AtZero::Stop,
            &[
                (30, 30.0, &[], &[]),
                (30, 5.1, &[], &[]),
                (30, 5.0, &[], &[warn(5, 5.0)]),
                (30, 4.0, &[], &[]),
                (30, 0.5, &[], &[warn(1, 0.5)]),
                (30, 0.0, &[], &[zero(Meter::Clock, AtZero::Stop)]),
                (30, -3.0, &[], &[]),
            ],
        );
    }

    #[test]
    fn several_at_once_are_one_and_zero_needs_no_warning() {
        check(AtZero::Hold, &[(30, 20.0, &[], &[]), (30, 0.2, &[], &[warn(1, 0.2)])]);
        check(AtZero::Hold, &[(30, 20.0, &[], &[]), (30, -1.0, &[], &[zero(Meter::Clock, AtZero::Hold)])]);
        // Taken up again with little left: that is worth a word.
        check(AtZero::Hold, &[(30, 0.2, &[], &[warn(1, 0.2)])]);
        // Begun with less than the warning's time: it isn't.
        check(AtZero::Hold, &[(3, 3.0, &[], &[]), (3, 0.9, &[], &[warn(1, 0.9)])]);
    }

    #[test]
    fn a_grant_arms_again_and_what_is_lifted_acts_again() {
        check(
            AtZero::Hold,
            &[
                (30, 4.0, &[], &[warn(5, 4.0)]),
                (33, 7.0, &[], &[]),
                (33, 4.9, &[], &[warn(5, 4.9)]),
                // Time that a decision gave back is no grant.
                (33, 5.5, &[], &[]),
                (33, 4.5, &[], &[]),
                (33, 0.0, &[], &[zero(Meter::Clock, AtZero::Hold)]),
                (34, 1.0, &[], &[Decision::Back]),
                (34, 0.0, &[], &[zero(Meter::Clock, AtZero::Hold)]),
                (64, 30.0, &[], &[Decision::Back]),
                (64, 1.0, &[], &[warn(1, 1.0)]),
            ],
        );
    }

    #[test]
    fn caps_act_like_the_clock() {
        check(
            AtZero::Warn,
            &[
                (30, 30.0, &[Meter::Tools], &[zero(Meter::Tools, AtZero::Warn)]),
                (30, 29.0, &[Meter::Tools], &[]),
                (30, 28.0, &[Meter::Usd, Meter::Tools], &[zero(Meter::Usd, AtZero::Warn)]),
                (30, 27.0, &[Meter::Usd], &[]),
                (30, 26.0, &[], &[Decision::Back]),
            ],
        );
    }
}
