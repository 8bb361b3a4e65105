//! PURE. From a line of any agent's stream or transcript to events.
//!
//! A format is recognised from content ([`sniff`]), never from a file's name. An adapter keeps what it must
//! remember between lines of one source (ids, cumulative counters), never fails, and reports what it can't read
//! as [`Body::Unparsed`]. Lines of kinds it doesn't know are normal: newer versions add some.

pub(crate) mod claude;
pub(crate) mod codex;
mod gemini;
#[cfg(test)]
mod harness;
mod json;
mod lax;
mod lazy;
mod native;
mod opencode;
mod pi;
mod qwen;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;
pub(crate) mod walk;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use crate::domain::event::{Agent, Body, Event, Key, RunId};
use crate::domain::text::Text;
use crate::domain::time::Stamp;

pub use native::schema as native_schema;

/// A recognised format: whose it is, and whether it is the live stream or what the agent keeps on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    ClaudeStream,
    ClaudeTranscript,
    CodexExec,
    CodexRollout,
    GeminiStream,
    GeminiChat,
    OpencodeStream,
    /// Rows of opencode's database, one JSON object a line with the table's name in `table`.
    OpencodeRows,
    PiStream,
    PiSession,
    QwenStream,
    QwenChat,
    Native,
}

/// Which of its two faces a run shows: what the agent prints, or what it keeps on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    Stream,
    Disk,
}

impl Format {
    pub fn form(self) -> Form {
        match self {
            Format::ClaudeTranscript
            | Format::CodexRollout
            | Format::GeminiChat
            | Format::OpencodeRows
            | Format::PiSession
            | Format::QwenChat => Form::Disk,
            _ => Form::Stream,
        }
    }

    pub fn agent(self) -> Agent {
        match self {
            Format::ClaudeStream | Format::ClaudeTranscript => Agent::Claude,
            Format::CodexExec | Format::CodexRollout => Agent::Codex,
            Format::GeminiStream | Format::GeminiChat => Agent::Gemini,
            Format::OpencodeStream | Format::OpencodeRows => Agent::Opencode,
            Format::PiStream | Format::PiSession => Agent::Pi,
            Format::QwenStream | Format::QwenChat => Agent::Qwen,
            Format::Native => Agent::Native,
        }
    }
}

/// Recognises a format from one line, or says that this line doesn't tell. Callers try the first lines in order
/// (at most [`SNIFF_LINES`]) and then give up.
pub fn sniff(line: &[u8]) -> Option<Format> {
    let line = String::from_utf8_lossy(trim(line));
    let line = line.as_ref();
    if !line.starts_with('{') {
        return None;
    }
    // Order matters only where one format's lines look like another's: Qwen before Claude.
    native::sniff(line)
        .or_else(|| qwen::sniff(line))
        .or_else(|| claude::sniff(line))
        .or_else(|| codex::sniff(line))
        .or_else(|| opencode::sniff(line))
        .or_else(|| pi::sniff(line))
        .or_else(|| gemini::sniff(line))
}

/// Lines looked at before a source is called unknown.
pub const SNIFF_LINES: usize = 40;

/// Where lines come from, as far as an adapter may know.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// A name that stands in for a session id until the stream tells one: the file's stem, or `stdin`.
    pub name: String,
    /// The path, for the formats whose folder says which session a file belongs to.
    pub path: Option<String>,
    /// The working directory, where a file beside the source tells it (Gemini CLI).
    pub cwd: Option<String>,
}

/// Events of one source, collected in order. Adapters write here.
#[derive(Clone, Debug)]
pub struct Out {
    pub events: Vec<Event>,
    /// Whose lines these are; set by the adapter as soon as the stream says.
    pub run: RunId,
    /// Branch and time given to what is pushed next.
    pub branch: Option<Arc<str>>,
    pub at: Option<Stamp>,
    /// `run` is right, though no event has said so: what can't be read may be told under it.
    pub settled: bool,
    /// Where the lines come from: keeps the calls without an id of two sources apart.
    source: String,
    /// Calls without an id so far, and those of them that wait for a result.
    nameless: u64,
    unanswered: VecDeque<Key>,
}

/// Most calls without an id that wait for their result.
const MAX_UNANSWERED: usize = 64;

impl Out {
    /// `source`: a name that no other source of the run has.
    pub fn new(run: RunId, source: &str) -> Self {
        Self {
            events: Vec::new(),
            run,
            branch: None,
            at: None,
            settled: false,
            source: source.to_owned(),
            nameless: 0,
            unanswered: VecDeque::new(),
        }
    }

    /// Adds one fact at the current time and branch.
    pub fn push(&mut self, body: Body) {
        let partial = matches!(&body, Body::ToolCall { input, .. } if input.partial);
        self.events.push(Event { run: self.run.clone(), branch: self.branch.clone(), at: self.at, body });
        if partial {
            self.unparsed("part of a tool's input could not be read");
        }
    }

    /// The key of a tool call that the agent calls `id`. Calls without an id each have a key of their own.
    pub fn call_key(&mut self, id: &str, of: impl FnOnce(&str) -> Key) -> Key {
        if !id.is_empty() {
            return of(id);
        }
        let key = self.own_key();
        if self.unanswered.len() == MAX_UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(key);
        key
    }

    /// The key of the call that a result answers; a result without an id answers the oldest call without one.
    pub fn result_key(&mut self, id: &str, of: impl FnOnce(&str) -> Key) -> Key {
        if !id.is_empty() {
            return of(id);
        }
        self.unanswered.pop_front().unwrap_or_else(|| self.own_key())
    }

    /// A key that no other call has.
    pub fn own_key(&mut self) -> Key {
        self.nameless += 1;
        Key::of(&["nameless", &self.source, &self.nameless.to_string()])
    }

    pub fn unparsed(&mut self, why: &str) {
        self.push(Body::Unparsed { why: Text::new(why) });
    }
}

/// One source's reader of lines.
#[derive(Clone)]
pub struct Adapter {
    format: Format,
    out: Out,
    parser: Parser,
    /// The run that lines belong to until one says whose they are; `None` since one has.
    nobody: Option<RunId>,
    /// What could not be read until then.
    held: Vec<Event>,
}

/// Most events held back; after that many, the source's own name will do for a run.
const MAX_HELD: usize = 64;

#[derive(Clone)]
enum Parser {
    Claude(claude::Claude),
    Codex(codex::Codex),
    Gemini(gemini::Gemini),
    Opencode(opencode::Opencode),
    Pi(pi::Pi),
    Qwen(qwen::Qwen),
    Native(native::Native),
}

impl Adapter {
    pub fn new(format: Format, origin: &Origin) -> Self {
        let parser = match format {
            Format::ClaudeStream | Format::ClaudeTranscript => Parser::Claude(claude::Claude::new(format, origin)),
            Format::CodexExec | Format::CodexRollout => Parser::Codex(codex::Codex::new(format, origin)),
            Format::GeminiStream | Format::GeminiChat => Parser::Gemini(gemini::Gemini::new(format, origin)),
            Format::OpencodeStream | Format::OpencodeRows => Parser::Opencode(opencode::Opencode::new(format, origin)),
            Format::PiStream | Format::PiSession => Parser::Pi(pi::Pi::new(format, origin)),
            Format::QwenStream | Format::QwenChat => Parser::Qwen(qwen::Qwen::new(format, origin)),
            Format::Native => Parser::Native(native::Native::new(format, origin)),
        };
        let run = match format {
            Format::Native => native::nobody(origin),
            _ => RunId::new(format.agent(), &origin.name),
        };
        let out = Out::new(run.clone(), origin.path.as_deref().unwrap_or(&origin.name));
        Self { format, out, parser, nobody: Some(run), held: Vec::new() }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The run that the last line belonged to.
    pub fn run(&self) -> &RunId {
        &self.out.run
    }

    /// Reads one line (without its line end) and appends what it says to `events`. An empty line says nothing.
    /// A UTF-8 byte order mark and a carriage return at the end are ignored.
    pub fn line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let line = trim(line);
        if line.is_empty() {
            return;
        }
        // The plain check is several times faster than the replacing one, and nearly every line passes it.
        let line = match std::str::from_utf8(line) {
            Ok(line) => Cow::Borrowed(line),
            Err(_) => {
                self.out.unparsed("bytes that are no UTF-8 were replaced");
                String::from_utf8_lossy(line)
            }
        };
        let line = line.as_ref();
        match &mut self.parser {
            Parser::Claude(p) => p.line(line, &mut self.out),
            Parser::Codex(p) => p.line(line, &mut self.out),
            Parser::Gemini(p) => p.line(line, &mut self.out),
            Parser::Opencode(p) => p.line(line, &mut self.out),
            Parser::Pi(p) => p.line(line, &mut self.out),
            Parser::Qwen(p) => p.line(line, &mut self.out),
            Parser::Native(p) => p.line(line, &mut self.out),
        }
        self.hand_over(events);
    }

    /// The source has ended: what could not be read of it is told, even if nothing said whose it is.
    pub fn finish(&mut self, events: &mut Vec<Event>) {
        self.nobody = None;
        events.append(&mut self.held);
    }

    /// What can't be read before a line has said whose the source is makes no run: it is told with that line.
    fn hand_over(&mut self, events: &mut Vec<Event>) {
        if let Some(nobody) = &self.nobody {
            let mut found = self.out.events.iter();
            let first = found.find(|event| !matches!(event.body, Body::Unparsed { .. })).map(|event| &event.run);
            let crowded = self.held.len() + self.out.events.len() > MAX_HELD;
            let Some(run) = first.or((self.out.settled || crowded).then_some(&self.out.run)).cloned() else {
                self.held.append(&mut self.out.events);
                return;
            };
            for event in self.held.iter_mut().chain(&mut self.out.events).filter(|event| event.run == *nobody) {
                event.run = run.clone();
            }
            self.finish(events);
        }
        events.append(&mut self.out.events);
    }
}

fn trim(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii()
}
