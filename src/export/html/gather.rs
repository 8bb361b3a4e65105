//! What a page shows, gathered while a tape is told.

use std::collections::VecDeque;

use super::chart;
use crate::control::audit;
use crate::control::words::{Asker, Receipt};
use crate::domain::event::Outcome;
use crate::domain::meter::Meter;
use crate::domain::run::{Entry, EntryKind, Run};
use crate::domain::statement::{Charge, Rule};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::export::walk::{News, Whole};
use crate::record::tape::Side;
use crate::report::Report;

/// Lines of a statement, and flags, that a page has; browsers grow slow with more. The newest stay.
pub const LINES: usize = 20_000;
const FLAGS: usize = 2_000;

/// One run.
pub struct Sheet {
    pub report: Report,
    pub agent: Text,
    /// What was left over real time.
    pub curve: Vec<(Stamp, Span)>,
    pub lines: VecDeque<Charge>,
    /// Lines that aren't here.
    pub older: u64,
}

/// Something that wants a person's judgement.
pub struct Flag {
    pub at: Stamp,
    pub kind: &'static str,
    pub what: Text,
    pub run: Text,
}

/// A stop that was asked for.
pub struct Stopped {
    pub id: Text,
    pub at: Stamp,
    pub by: Asker,
    pub reason: Text,
    pub receipt: Option<Receipt>,
}

#[derive(Default)]
struct Lines {
    kept: VecDeque<Charge>,
    written: u64,
    grants: Vec<(Stamp, Span)>,
}

#[derive(Default)]
pub struct Gathered {
    runs: Vec<Lines>,
    pub flags: VecDeque<Flag>,
    pub more_flags: u64,
    pub stops: Vec<Stopped>,
}

impl Gathered {
    pub fn take(&mut self, news: News<'_>) {
        match news {
            News::Charge(run, charge) => self.charge(run.number as usize, charge),
            News::Entry(run, entry) => {
                if let Some(kind) = kind(run, entry) {
                    self.flag(entry.at, kind, entry.what.clone(), Text::new(&run.id.to_string()));
                }
            }
            News::Out(run, at, rules) => {
                let out = run.readings(at, rules).into_iter().find(|reading| reading.is_out());
                let what = match out.map(|reading| reading.meter) {
                    None | Some(Meter::Clock) => Text::new("the clock ran out"),
                    Some(meter) => Text::new(&format!("the cap on {} ran out", meter.name())),
                };
                self.flag(at, "at zero", what, Text::new(&run.id.to_string()));
            }
            News::Stop(stop) => {
                let known = self.stop(&stop.id, stop.at);
                (known.at, known.by, known.reason) = (stop.at, stop.by.clone(), stop.reason.clone());
                known.receipt = stop.receipt.clone().or(known.receipt.take());
            }
            News::Side(at, side) => self.beside(at, side),
        }
    }

    fn charge(&mut self, number: usize, charge: &Charge) {
        if self.runs.len() <= number {
            self.runs.resize_with(number + 1, Lines::default);
        }
        let lines = &mut self.runs[number];
        lines.written += 1;
        if charge.rule == Rule::Grant {
            lines.grants.push((charge.at, -charge.amount));
        }
        if lines.kept.len() >= LINES {
            lines.kept.pop_front();
        }
        lines.kept.push_back(charge.clone());
    }

    fn flag(&mut self, at: Stamp, kind: &'static str, what: Text, run: Text) {
        if self.flags.len() >= FLAGS {
            self.flags.pop_front();
            self.more_flags += 1;
        }
        self.flags.push_back(Flag { at, kind, what, run });
    }

    fn stop(&mut self, id: &Text, at: Stamp) -> &mut Stopped {
        let place = self.stops.iter().position(|stop| stop.id == *id).unwrap_or(self.stops.len());
        if place == self.stops.len() {
            let (by, reason) = (Asker::default(), Text::default());
            self.stops.push(Stopped { id: id.clone(), at, by, reason, receipt: None });
        }
        &mut self.stops[place]
    }

    fn beside(&mut self, at: Stamp, side: &Side) {
        let run = Text::default();
        match side {
            Side::Mark(mark) if mark.what.as_str() == "flag" => {
                self.flag(at, "flag", mark.text.0.clone(), mark.run.clone().unwrap_or_default());
            }
            Side::Audit(fact) => match &**fact {
                audit::Fact::Warned { what } => self.flag(at, "warning", what.clone(), run),
                audit::Fact::AtZero { did, meter } => {
                    self.flag(at, "at zero", Text::new(&format!("{meter}: {did:?}").to_lowercase()), run);
                }
                audit::Fact::GateAsked { gate } => self.flag(at, "gate", gate.what.clone(), run),
                audit::Fact::GateBypassed { what, .. } => self.flag(at, "gate bypassed", what.clone(), run),
                audit::Fact::StopRequested { id, by, reason, .. } => {
                    let known = self.stop(id, at);
                    (known.at, known.by, known.reason) = (at, by.clone(), reason.clone());
                }
                audit::Fact::StopEnded { id, receipt } => self.stop(id, at).receipt = Some(receipt.clone()),
                _ => {}
            },
            Side::Gap(_) => self.flag(at, "gap", Text::new("something is missing in the recording here"), run),
            _ => {}
        }
    }

    /// The sheets of all runs, in order of appearance.
    pub fn sheets(&mut self, whole: &Whole) -> Vec<Sheet> {
        let mut runs = std::mem::take(&mut self.runs).into_iter();
        whole.model.runs().map(|run| sheet(run, runs.next().unwrap_or_default(), whole)).collect()
    }
}

fn sheet(run: &Run, lines: Lines, whole: &Whole) -> Sheet {
    let report = Report::of(run, whole.end, &whole.model.rules, false);
    let curve = chart::curve(run, &lines.grants, report.clock.left_ms);
    let older = lines.written - lines.kept.len() as u64;
    Sheet { report, agent: Text::new(run.agent()), curve, lines: lines.kept, older }
}

/// The kind of flag that an event is; most are none.
fn kind(run: &Run, entry: &Entry) -> Option<&'static str> {
    Some(match entry.kind {
        EntryKind::Warning => "warning",
        EntryKind::Failure => "failure",
        EntryKind::ApiError => "API error",
        EntryKind::Approval => "approval",
        EntryKind::Unparsed => "unreadable",
        EntryKind::End => match run.outcome.as_ref()?.0 {
            Outcome::Finished => return None,
            other => other.name(),
        },
        _ => return None,
    })
}
