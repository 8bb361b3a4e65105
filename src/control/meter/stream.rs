//! The stream file of a run that tells no events of its own: redkey writes down that it is there, so that every screen
//! lists it and its clock runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::adapters::native_schema::{Event, Line, RunEnded, RunStarted, Said, Time};
use crate::domain::event::Outcome;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// A run that says nothing would count as idle; so often it is told that it is still there.
pub const HEARTBEAT: Span = Span(60_000);

/// Directory of the streams, under the state directory.
pub fn dir(state: &Path) -> PathBuf {
    state.join("streams")
}

/// redkey's own events of a run.
pub fn events(state: &Path, run: &str) -> PathBuf {
    dir(state).join(format!("{run}.jsonl"))
}

/// What an agent of an unknown kind has printed.
pub fn output(state: &Path, run: &str) -> PathBuf {
    dir(state).join(format!("{run}.out.jsonl"))
}

/// What is told of a run at its start.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// What it was started as.
    pub command: Text,
    pub cwd: Text,
    pub label: Text,
    pub budget: Option<Span>,
    pub started: Stamp,
}

/// The file, opened with its first line.
#[derive(Debug)]
pub struct Stream {
    path: PathBuf,
    run: String,
    file: Option<File>,
    /// The run's start was written.
    told: bool,
    ended: bool,
    last: Stamp,
}

impl Stream {
    pub fn new(state: &Path, run: &str) -> Self {
        let path = events(state, run);
        Self { path, run: run.to_owned(), file: None, told: false, ended: false, last: Stamp::default() }
    }

    pub fn is_told(&self) -> bool {
        self.told
    }

    /// The run is there, and works.
    pub fn start(&mut self, told: &Told) -> io::Result<()> {
        if self.told {
            return Ok(());
        }
        self.told = true;
        let text = |text: &Text| (!text.is_empty()).then(|| text.as_str().to_owned());
        let program = told.command.as_str().split_whitespace().next().unwrap_or("command");
        let name = program.rsplit('/').next().unwrap_or(program);
        let started = RunStarted {
            agent: Some(name.to_owned()),
            title: text(&told.command),
            cwd: text(&told.cwd),
            label: text(&told.label),
            budget: told.budget.map(|budget| format!("{}ms", budget.0.max(0))),
            interactive: Some(false),
            ..RunStarted::default()
        };
        self.event(told.started, Event::RunStarted(started))?;
        self.event(told.started, Event::Prompt(Said { text: told.command.as_str().to_owned() }))
    }

    /// It is still there.
    pub fn beat(&mut self, now: Stamp) -> io::Result<()> {
        if self.told && !self.ended && now.since(self.last) >= HEARTBEAT {
            return self.event(now, Event::RunStarted(RunStarted::default()));
        }
        Ok(())
    }

    /// It is over.
    pub fn end(&mut self, now: Stamp, outcome: Outcome, reason: &str) -> io::Result<()> {
        if !self.told || self.ended {
            return Ok(());
        }
        self.ended = true;
        self.event(now, Event::RunEnded(RunEnded { outcome, reason: reason.to_owned() }))
    }

    fn event(&mut self, at: Stamp, event: Event) -> io::Result<()> {
        self.last = at;
        let line = Line { ts: Some(Time::Ms(at.0)), ..Line::new(&self.run, event) };
        self.append(&line.to_json())
    }

    /// A line as it is.
    pub fn append(&mut self, line: &str) -> io::Result<()> {
        if self.file.is_none() {
            if let Some(dir) = self.path.parent() {
                fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            }
            self.file = Some(OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?);
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(format!("{line}\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_command_is_told_from_its_start_to_its_end() {
        let tmp = tempfile::tempdir().unwrap();
        let mut stream = Stream::new(tmp.path(), "r-1");
        let told = Told {
            command: "/usr/bin/make all".into(),
            budget: Some(Span::mins(10)),
            started: Stamp(1_000),
            ..Told::default()
        };
        stream.beat(Stamp(500_000)).unwrap();
        assert!(!events(tmp.path(), "r-1").exists(), "nothing is written before the start");
        stream.start(&told).unwrap();
        stream.beat(Stamp(30_000)).unwrap();
        stream.beat(Stamp(61_000)).unwrap();
        stream.end(Stamp(70_000), Outcome::Failed, "exit code 2").unwrap();
        stream.end(Stamp(71_000), Outcome::Failed, "exit code 2").unwrap();
        let text = fs::read_to_string(events(tmp.path(), "r-1")).unwrap();
        let kinds: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["type"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, ["run_started", "prompt", "run_started", "run_ended"]);
        assert!(text.contains(r#""agent":"make""#) && text.contains(r#""budget":"600000ms""#), "{text}");
    }
}
