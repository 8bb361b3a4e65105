//! Reads again what was read before: a run with all its details, or the text behind one event.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::lines::MAX_LINE;
use super::merge::Merge;
use super::opencode;
use super::pretty::pretty;
use super::source::{Cx, Kept, Registry, Source};
use super::tail::{CHUNK, Kind, why};
use crate::clock;
use crate::domain::event::{Event, RunId};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::run::{Context, Origin, Run, Timeline};
use crate::domain::statement::Statement;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tokens::Seen;
use crate::engine::Msg;

/// Lines of statement and timeline kept of a run that was read again.
const KEEP: usize = 50_000;
/// As the engine does: an event's own time is believed so far ahead of the clock.
const AHEAD: Span = Span(60_000);

/// Events of one run with the place each was read at, in the order in which the run's files are read at first.
/// `false`: given up, because `is_wanted` said so.
pub fn read_events(
    id: &RunId,
    sources: &[(u32, Kept)],
    is_wanted: impl Fn() -> bool,
    each: &mut dyn FnMut(Event, Origin),
) -> bool {
    let mut files = Vec::new();
    for (number, kept) in sources {
        match kept {
            Kept::Database(path) => {
                let events = opencode::read_run(path, &id.session).unwrap_or_default();
                for (event, offset) in events.into_iter().filter(|(event, _)| event.run == *id) {
                    each(event, Origin { source: *number, offset });
                }
            }
            Kept::Pipe => return false,
            Kept::File(..) => files.push((*number, kept.clone())),
        }
    }
    files.is_empty() || read_files(id, &files, is_wanted, each)
}

fn read_files(
    id: &RunId,
    files: &[(u32, Kept)],
    is_wanted: impl Fn() -> bool,
    each: &mut dyn FnMut(Event, Origin),
) -> bool {
    let mut merge = Merge::of(files.iter().filter_map(|(_, kept)| Source::again(kept)));
    let (mut registry, mut buffer) = (Registry::default(), vec![0; CHUNK]);
    loop {
        let mut msgs = Vec::new();
        let mut sink = |msg| msgs.push(msg);
        let (now, cutoff) = (clock::now(), Stamp(i64::MIN));
        let mut cx = Cx { registry: &mut registry, sink: &mut sink, buffer: &mut buffer, now, cutoff };
        let is_done = merge.step(&mut cx, false);
        for msg in msgs {
            let Msg::Events { source, events } = msg else { continue };
            // Numbers of this reading differ from those that the engine knows.
            let kept = registry.get(source);
            let Some((source, _)) = files.iter().find(|(_, known)| kept == Some(known)) else { continue };
            for (event, offset) in events.into_iter().filter(|(event, _)| event.run == *id) {
                each(event, Origin { source: *source, offset });
            }
        }
        if !is_wanted() {
            return false;
        }
        if is_done {
            return true;
        }
    }
}

/// The whole of a run. `None` if it can't be read again, or isn't wanted any more.
pub fn read_run(
    number: u32,
    id: &RunId,
    sources: &[(u32, Kept)],
    rules: &Rules,
    prices: &Prices,
    is_wanted: impl Fn() -> bool,
) -> Option<Run> {
    let mut run = Run::new(id.clone(), number);
    run.statement = Statement::new(KEEP);
    run.timeline = Timeline::new(KEEP);
    let mut seen = Seen::default();
    let mut cx = Context { rules, prices, seen: &mut seen };
    run.set_default_budget(&cx);
    let now = clock::now();
    let is_whole = read_events(id, sources, is_wanted, &mut |event, origin| {
        let at = event.at.map_or(now, |at| at.min(now + AHEAD));
        run.apply(&event, at, origin, &mut cx);
    });
    is_whole.then_some(run)
}

/// The text behind an event, made readable; or why there is none.
pub fn read_detail(kept: Option<&Kept>, offset: u64) -> Vec<Text> {
    let text = match kept {
        Some(Kept::File(path, kind)) => line_at(path, *kind, offset).map_err(|error| why(path, &error)),
        Some(Kept::Database(path)) => match opencode::read_row(path, offset) {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(Text::new("this row is no longer there")),
            Err(why) => Err(why),
        },
        Some(Kept::Pipe) => Err(Text::new("what came through standard input or a pipe can't be read again")),
        None => Err(Text::new("this source is not known")),
    };
    match text {
        Ok(text) => pretty(&text),
        Err(why) => vec![why],
    }
}

/// The line at `offset`, without its end.
fn line_at(path: &Path, kind: Kind, offset: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut line = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    while line.len() < MAX_LINE {
        let got = file.read_at(&mut chunk, offset + line.len() as u64)?;
        let end = match kind {
            Kind::Lines => memchr::memchr(b'\n', &chunk[..got]),
            Kind::Document => None,
        };
        line.extend_from_slice(&chunk[..end.unwrap_or(got)]);
        if got == 0 || end.is_some() {
            break;
        }
    }
    Ok(line)
}

#[cfg(test)]
mod tests;
