//! A tape told step by step. A model keeps its newest lines alone; who writes all of them must take them as they come.

use crate::control::words::Stop;
use crate::domain::rules::Rules;
use crate::domain::run::{Entry, Run};
use crate::domain::statement::Charge;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Fact, Model};
use crate::record::tape::{Side, TapeMsg};
use crate::replay::cursor::{Cursor, Reader};
use crate::replay::track::{Step, Steps, What};

/// Something that was new after a step.
pub enum News<'a> {
    /// A line of the statement that grows no more.
    Charge(&'a Run, &'a Charge),
    Entry(&'a Run, &'a Entry),
    /// The clock or a cap has run out, now.
    Out(&'a Run, Stamp, &'a Rules),
    /// A stop, as far as it has come.
    Stop(&'a Stop),
    /// What stands beside a recording.
    Side(Stamp, &'a Side),
}

/// The end of a tape.
pub struct Whole {
    pub model: Model,
    pub start: Stamp,
    pub end: Stamp,
    /// Why it isn't all there.
    pub trouble: Option<Text>,
}

/// What was told of a run so far.
#[derive(Clone, Copy, Default)]
struct Told {
    lines: u64,
    entries: u64,
    is_out: bool,
}

/// Tells all of a tape, in order of time. `None`: there is no step in it; `Err`: and why.
pub fn walk(steps: Steps, model: Model, reader: Reader, tell: &mut dyn FnMut(News<'_>)) -> Result<Option<Whole>, Text> {
    let (mut cursor, mut made) = (None::<Cursor>, Some((model, reader)));
    let (mut told, mut start, mut trouble) = (Vec::new(), Stamp::default(), None);
    for step in steps {
        let step = match step {
            Ok(step) => step,
            Err(error) => {
                trouble.get_or_insert(Text::limited(&error.to_string(), 400));
                continue;
            }
        };
        if let Some((model, reader)) = made.take() {
            start = step.at;
            cursor = Some(Cursor::new(model, start, reader));
        }
        if let Some(cursor) = &mut cursor {
            cursor.take(&step);
            news(cursor, &step, &mut told, tell);
        }
    }
    let Some(cursor) = cursor else { return trouble.map_or(Ok(None), Err) };
    for run in cursor.model.runs() {
        lines(run, run.statement.written(), seen(&mut told, run), tell);
    }
    Ok(Some(Whole { start, end: cursor.now(), model: cursor.model, trouble }))
}

fn news(cursor: &Cursor, step: &Step, told: &mut Vec<Told>, tell: &mut dyn FnMut(News<'_>)) {
    let model = &cursor.model;
    match &step.what {
        What::Event { event, .. } => {
            if let Some(run) = model.find(&event.run) {
                of_run(cursor, run, seen(told, run), tell);
            }
        }
        What::Other(msg) => match &**msg {
            TapeMsg::Control(fact) => {
                for run in model.runs() {
                    of_run(cursor, run, seen(told, run), tell);
                    if let (Fact::Hold(_) | Fact::Stopped { .. }, Some(stop)) = (fact, model.stop_of(run.number)) {
                        tell(News::Stop(stop));
                    }
                }
            }
            TapeMsg::Side(side) => tell(News::Side(step.at, side)),
            _ => {}
        },
    }
}

fn of_run(cursor: &Cursor, run: &Run, told: &mut Told, tell: &mut dyn FnMut(News<'_>)) {
    let new = usize::try_from(run.timeline.written() - told.entries).unwrap_or(usize::MAX);
    told.entries = run.timeline.written();
    let entries = run.timeline.entries();
    let old = entries.len().saturating_sub(new);
    entries.skip(old).for_each(|entry| tell(News::Entry(run, entry)));
    lines(run, run.statement.settled(), told, tell);
    let rules = &cursor.model.rules;
    let is_out = run.is_out(cursor.now(), rules);
    if is_out && !told.is_out {
        tell(News::Out(run, cursor.now(), rules));
    }
    told.is_out = is_out;
}

fn lines(run: &Run, ready: u64, told: &mut Told, tell: &mut dyn FnMut(News<'_>)) {
    let new = usize::try_from(ready.saturating_sub(told.lines)).unwrap_or(usize::MAX);
    run.statement.since(told.lines).take(new).for_each(|charge| tell(News::Charge(run, charge)));
    told.lines = told.lines.max(ready);
}

fn seen<'a>(told: &'a mut Vec<Told>, run: &Run) -> &'a mut Told {
    let number = run.number as usize;
    if told.len() <= number {
        told.resize(number + 1, Told::default());
    }
    &mut told[number]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::statement::Rule;
    use crate::domain::time::Span;
    use crate::replay::cursor::own_policy;
    use crate::replay::testkit::{beats, in_memory, model};

    #[test]
    fn every_line_is_told_once_however_many_are_kept() {
        let mut sums: BTreeMap<&str, Span> = BTreeMap::new();
        let (mut count, mut entries) = (0u64, 0u64);
        let steps = Steps::new(in_memory(beats("one", 3, 2_000)));
        let whole = walk(steps, model(), own_policy(), &mut |news| match news {
            News::Charge(_, charge) => {
                *sums.entry(charge.rule.name()).or_default() += charge.amount;
                count += 1;
            }
            News::Entry(..) => entries += 1,
            _ => {}
        });
        let whole = whole.unwrap().unwrap();
        let run = whole.model.runs().next().unwrap();
        assert!(run.statement.forgotten() > 0, "the model has forgotten some");
        assert_eq!((count, entries), (run.statement.written(), run.timeline.written()));
        for rule in Rule::ALL {
            assert_eq!(sums.get(rule.name()).copied().unwrap_or_default(), run.statement.sum(rule), "{}", rule.name());
        }
    }

    #[test]
    fn an_empty_tape_is_no_error_of_its_own() {
        let whole = walk(Steps::new(in_memory(vec![])), model(), own_policy(), &mut |_| {});
        assert!(whole.is_ok_and(|whole| whole.is_none()));
    }
}
