//! The recording of a screen: exactly what its model was told, of all runs, from its start to its end.

use std::path::PathBuf;

use super::{Recorder, append};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Fact, Model, Msg};
use crate::record::format::{Ended, Header, RunSum, Sum, VERSION};
use crate::record::store::{Recording, pack_file};
use crate::record::tape::{Beat, Side, TapeMsg};

/// A tick changes nothing any more, so long after anything else was told: rates have fallen to nothing, and what is quiet
/// has forgotten its details.
const TICKS: Span = Span(200_000);

/// A screen's recording under way.
#[derive(Debug)]
pub struct Watched {
    recorder: Option<Recorder>,
    recording: Recording,
    path: PathBuf,
    last: Stamp,
    /// Ticks were left out since.
    left_out: bool,
    was_in_trouble: bool,
}

impl Watched {
    /// Begins the recording of a screen that starts `now`.
    pub fn begin(recording: Recording, cwd: &str, now: Stamp) -> std::io::Result<Self> {
        let name = format!("w-{:x}-{}", now.0 / 1_000, std::process::id());
        let path = recording.store.dir.join(format!("{name}.jsonl"));
        let (mut appender, found) = append::open(&path, recording.redactor.clone(), now)?;
        if found.is_old {
            return Err(std::io::Error::from(std::io::ErrorKind::AlreadyExists));
        }
        appender.begin(&Header {
            redkey: Text::new("recording"),
            v: Text::new(&VERSION.to_string()),
            run: Text::new(&name),
            command: Text::new("redkey watch").into(),
            cwd: Text::new(cwd).into(),
            started: now,
            from: Text::new("watch"),
            by: Text::new(concat!("redkey ", env!("CARGO_PKG_VERSION"))),
            ..Header::default()
        });
        appender.take(&Beat { at: now, msg: TapeMsg::Side(Side::Policy(recording.policy.clone())) });
        let recorder = Some(Recorder::start(appender)?);
        Ok(Self { recorder, recording, path, last: now, left_out: false, was_in_trouble: false })
    }

    /// What the model is about to be told.
    pub fn note(&mut self, msg: &Msg, model: &Model, now: Stamp) {
        let is_tick = matches!(msg, Msg::Tick);
        if is_tick && now.since(self.last) > TICKS {
            self.left_out = true;
            return;
        }
        let Some(beat) = Beat::of(msg, now) else { return };
        let mut beats = Vec::with_capacity(2);
        if !is_tick {
            self.last = now;
            // Of all the ticks that were left out one matters: since it events are counted for the rate that is shown.
            if std::mem::take(&mut self.left_out) {
                beats.push(Beat { at: model.counters.window_start(), msg: TapeMsg::Tick });
            }
        }
        beats.push(beat);
        if let Some(recorder) = &self.recorder {
            recorder.take(beats);
        }
    }

    /// Something that the person at the screen should read, once.
    pub fn trouble(&mut self) -> Option<Fact> {
        let why = self.recorder.as_ref()?.trouble();
        let was = std::mem::replace(&mut self.was_in_trouble, why.is_some());
        let text = match (was, why) {
            (false, Some(why)) => format!("RECORDING STOPPED: {why}"),
            (true, None) => format!("recording again; {} records are missing", self.recorder.as_ref()?.lost()),
            _ => return None,
        };
        Some(Fact::Note { run: None, text: Text::new(&text) })
    }

    /// The last sum, and the end.
    pub fn finish(&mut self, model: &Model, now: Stamp) {
        let Some(recorder) = self.recorder.take() else { return };
        let runs: Vec<RunSum> = model.runs().map(|run| RunSum::of(run, now, &model.rules)).collect();
        let (granted, spent) = runs.iter().fold((0, 0), |(g, s), run| (g + run.granted, s + run.spent));
        let sum = Side::Sum(Box::new(Sum { granted, spent, runs }));
        recorder.take(vec![Beat { at: now, msg: TapeMsg::Side(sum) }]);
        recorder.finish(Ended::default(), now);
    }

    /// Packs the recording, once the terminal has been given back; and what is too old goes.
    pub fn put_away(self, now: Stamp) {
        // What can't be packed or removed is tried again with `redkey recordings prune`.
        let _ = pack_file(&self.path);
        let Recording { store, keep, keep_mb, .. } = self.recording;
        let _ = store.prune(keep, u64::from(keep_mb) << 20, now, false);
    }
}
