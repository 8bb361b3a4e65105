//! What the log must stand: torn writes, two writers, a disk that fails, a file that is changed.

mod chained;
mod facts;
mod followed;
mod piped;
mod stubborn;
mod written;

use std::path::Path;
use std::time::Duration;

use super::chain::{Report, verify};
use super::record::{Entry, Fact, Started};
use crate::control::words::{Asker, AtZero, ProcId};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Longer than any disk here takes; nothing waits for it unless a test fails.
const LONG: Duration = Duration::from_secs(60);

fn warned(what: &str) -> Fact {
    Fact::Warned { what: Text::new(what) }
}

fn entry(run: &str, fact: Fact) -> Entry {
    Entry { at: Stamp(1_700_000_000_000), run: Some(Text::new(run)), fact }
}

fn by(name: &str) -> Asker {
    Asker { by: Text::new(name), ..Asker::default() }
}

fn grant(ms: i64, sessions: &[&str]) -> Fact {
    let sessions = sessions.iter().map(|name| Text::new(name)).collect();
    Fact::Granted { amount_ms: Span(ms), by: by("screen"), reason: Text::default(), other: None, sessions }
}

fn started(run: &str, budget: Option<i64>) -> Fact {
    Fact::RunStarted(Box::new(Started {
        run: Text::new(run),
        label: Text::default(),
        command: Text::new("claude -p hello"),
        cwd: Text::new("/w"),
        supervisor: ProcId { pid: 10, start: 100 },
        guardian: None,
        leader: None,
        grade: None,
        budget_ms: budget.map(Span),
        caps: [(Text::new("usd"), 2.5)].into(),
        expect_ms: None,
        at_zero: AtZero::Stop,
    }))
}

/// A log of `count` records, as bytes.
fn log(count: u64) -> Vec<u8> {
    let (mut bytes, mut prev) = (Vec::new(), super::chain::Seal::NONE);
    for seq in 1..=count {
        let line = entry("r-1", warned(&format!("number {seq} \"é\""))).sealed(seq, &Text::new("boot"), prev).unwrap();
        prev = super::chain::Seal::of(&line);
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
    }
    bytes
}

/// As a reader of files would see it.
fn report(bytes: &[u8]) -> Report {
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    verify(lines)
}

fn report_of(path: &Path) -> Report {
    super::reader::verify(path, None).unwrap().unwrap()
}
