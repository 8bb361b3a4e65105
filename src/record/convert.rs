//! PURE. Between what the engine is told and the lines of a file.
//!
//! Whatever is written reads back equal; a test does it with every event and every fact there is. An `Events` message of
//! several events becomes as many lines: the engine makes no difference between one message and several of one moment.

mod event;
mod fact;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::format::{
    Dropped, EventRec, FactLine, FormRec, FormatRec, Head, Header, Lines, Opened, RunSum, StateLine, StateRec, VERSION,
    Version,
};
use super::tape::{Beat, Side, TapeError, TapeMsg};
use crate::adapters::{Form, Format};
use crate::control::audit;
use crate::domain::event::{Agent, Event, RunId};
use crate::domain::rules::Rules;
use crate::domain::run::Run;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::SourceState;

/// Why a line is no beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is no JSON, or not what its kind should be.
    Damaged,
    /// A newer redkey knows what it is.
    Unknown,
}

/// `record` of the kind `audit`.
#[derive(serde::Serialize, serde::Deserialize)]
struct AuditLine {
    f: Box<audit::Fact>,
}

/// Appends the lines of a beat, each with its newline; how many.
pub fn write(beat: &Beat, out: &mut Vec<u8>) -> usize {
    let at = beat.at;
    match &beat.msg {
        TapeMsg::Events { source, events } => {
            events.iter().for_each(|(event, offset)| line(at, "event", &event::record(event, *source, *offset), out));
            return events.len();
        }
        TapeMsg::Opened { source, name, form } => {
            let form = form.map(|form| match form {
                Form::Stream => FormRec::Stream,
                Form::Disk => FormRec::Disk,
            });
            line(at, "opened", &Opened { s: *source, name: name.clone().into(), form }, out);
        }
        TapeMsg::State { source, state } => {
            line(at, "state", &StateLine { s: *source, state: state_record(state) }, out);
        }
        TapeMsg::Lines { source, read, bytes, skipped } => {
            line(at, "lines", &Lines { s: *source, read: *read, bytes: *bytes, skipped: *skipped }, out);
        }
        TapeMsg::Dropped(n) => line(at, "dropped", &Dropped { n: *n }, out),
        TapeMsg::Control(fact) => line(at, "fact", &FactLine { f: fact::record(fact) }, out),
        TapeMsg::Tick => line(at, "tick", &Nothing {}, out),
        TapeMsg::Side(side) => match side {
            Side::Policy(policy) => line(at, "policy", policy, out),
            Side::Audit(fact) => line(at, "audit", &AuditLine { f: fact.clone() }, out),
            Side::Sum(sum) => line(at, "sum", sum, out),
            Side::Mark(mark) => line(at, "mark", mark, out),
            Side::Gap(gap) => line(at, "gap", gap, out),
            Side::End(end) => line(at, "end", end, out),
        },
    }
    1
}

/// What an event is, whenever it was read: a line that says no time gets one that depends on its reader.
pub fn write_timeless(event: &Event, offset: u64, out: &mut Vec<u8>) {
    let record = EventRec { at: None, ..event::record(event, 0, offset) };
    // A struct of strings and numbers: it can't fail.
    let _ = serde_json::to_writer(out, &record);
}

/// The line of a header.
pub fn write_header(header: &Header, out: &mut Vec<u8>) {
    // A struct of strings and numbers: it can't fail.
    let _ = serde_json::to_writer(&mut *out, header);
    out.push(b'\n');
}

#[derive(Serialize, serde::Deserialize)]
struct Nothing {}

fn line<T: Serialize>(at: Stamp, kind: &str, of: &T, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(format!("{{\"t\":{},\"k\":\"{kind}\",", at.0).as_bytes());
    let body = out.len();
    if serde_json::to_writer(&mut *out, of).is_err() {
        out.truncate(start);
        return;
    }
    // The fields follow the head: without their own opening brace, and without a comma where there are none.
    if out.get(body..) == Some(b"{}") {
        out.truncate(body - 1);
        out.push(b'}');
    } else {
        out.remove(body);
    }
    out.push(b'\n');
}

/// Reads the first line.
pub fn read_header(line: &[u8]) -> Result<Header, TapeError> {
    let not_one = |why: &str| TapeError::NotOne(Text::new(why));
    let value: serde_json::Value =
        serde_json::from_slice(line).map_err(|_| not_one("its first line is not a header"))?;
    if value.get("redkey").and_then(serde_json::Value::as_str) != Some("recording") {
        return Err(not_one("its first line doesn't say that it is one"));
    }
    let said = value.get("v").and_then(serde_json::Value::as_str).unwrap_or_default();
    let version = Version::parse(said).ok_or_else(|| not_one("it doesn't say its version"))?;
    if version.major > VERSION.major {
        return Err(TapeError::Newer { found: Text::new(said) });
    }
    serde_json::from_value(value).map_err(|error| not_one(&error.to_string()))
}

/// Reads any other line, without its newline.
pub fn read(line: &[u8]) -> Result<Beat, Unread> {
    let head: Head<'_> = serde_json::from_slice(line).map_err(|_| Unread::Damaged)?;
    let at = Stamp(head.t);
    let msg = match head.k.as_ref() {
        "event" => {
            let record: EventRec = body(line)?;
            let source = record.s;
            TapeMsg::Events { source, events: vec![event::live(record).ok_or(Unread::Unknown)?] }
        }
        "opened" => {
            let Opened { s, name, form } = body(line)?;
            let form = form.map(|form| match form {
                FormRec::Stream => Form::Stream,
                FormRec::Disk => Form::Disk,
            });
            TapeMsg::Opened { source: s, name: name.into(), form }
        }
        "state" => {
            let StateLine { s, state } = body(line)?;
            TapeMsg::State { source: s, state: state_live(state) }
        }
        "lines" => {
            let Lines { s, read, bytes, skipped } = body(line)?;
            TapeMsg::Lines { source: s, read, bytes, skipped }
        }
        "dropped" => TapeMsg::Dropped(body::<Dropped>(line)?.n),
        "fact" => TapeMsg::Control(fact::live(body::<FactLine>(line)?.f).ok_or(Unread::Unknown)?),
        "tick" => TapeMsg::Tick,
        "policy" => TapeMsg::Side(Side::Policy(Arc::new(body(line)?))),
        "audit" => TapeMsg::Side(Side::Audit(body::<AuditLine>(line)?.f)),
        "sum" => TapeMsg::Side(Side::Sum(body(line)?)),
        "mark" => TapeMsg::Side(Side::Mark(body(line)?)),
        "gap" => TapeMsg::Side(Side::Gap(body(line)?)),
        "end" => TapeMsg::Side(Side::End(body(line)?)),
        _ => return Err(Unread::Unknown),
    };
    Ok(Beat { at, msg })
}

/// What a kind holds. JSON that doesn't fit is of a newer redkey, everything else is damage.
fn body<T: DeserializeOwned>(line: &[u8]) -> Result<T, Unread> {
    serde_json::from_slice(line).map_err(|error| match error.is_data() {
        true => Unread::Unknown,
        false => Unread::Damaged,
    })
}

impl RunSum {
    /// What the run's own clock says at `now`.
    pub fn of(run: &Run, now: Stamp, rules: &Rules) -> Self {
        Self {
            run: Text::new(&run.id.to_string()),
            granted: run.clock.granted.0,
            spent: run.spent(now, rules).0,
            tokens: run.tokens.usage().total(),
            usd: run.tokens.cost().usd.0,
            tools: run.counts.tool_calls,
            events: run.counts.events,
        }
    }
}

/// `claude:0f3a…` as a run.
fn run_id(name: &str) -> Option<RunId> {
    let (agent, session) = name.split_once(':')?;
    Some(RunId::new(Agent::parse(agent)?, session))
}

fn state_record(state: &SourceState) -> StateRec {
    match state {
        SourceState::Pending => StateRec::Pending,
        SourceState::Reading(format) => StateRec::Reading(format_record(*format)),
        SourceState::Unknown => StateRec::Unknown,
        SourceState::Failed(why) => StateRec::Failed(why.clone().into()),
        SourceState::Closed => StateRec::Closed,
    }
}

fn state_live(state: StateRec) -> SourceState {
    match state {
        StateRec::Pending => SourceState::Pending,
        StateRec::Reading(format) => SourceState::Reading(format_live(format)),
        StateRec::Unknown => SourceState::Unknown,
        StateRec::Failed(why) => SourceState::Failed(why.into()),
        StateRec::Closed => SourceState::Closed,
    }
}

macro_rules! both_ways {
    ($($name:ident),* $(,)?) => {
        fn format_record(format: Format) -> FormatRec {
            match format { $(Format::$name => FormatRec::$name),* }
        }
        fn format_live(format: FormatRec) -> Format {
            match format { $(FormatRec::$name => Format::$name),* }
        }
    };
}

both_ways!(
    ClaudeStream,
    ClaudeTranscript,
    CodexExec,
    CodexRollout,
    GeminiStream,
    GeminiChat,
    OpencodeStream,
    OpencodeRows,
    PiStream,
    PiSession,
    QwenStream,
    QwenChat,
    Native,
);
