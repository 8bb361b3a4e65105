//! PURE. From the bytes of one file to what they say of sessions.
//!
//! Bytes come in blocks, lines are found by their ends, and of each line only its beginning is looked at until it is
//! certain that it can't change a total. A key can't be in a line without its quoted name unless the name has escapes,
//! and where a walker meets an escape (or anything unusual) it hands the line to the format's adapter. So these lines
//! cost little, but those that are passed over aren't checked: `unparsed` counts only lines that were looked at.

use std::collections::VecDeque;

use memchr::memchr_iter;

use super::claude;
use super::codex;
use super::draft::{Draft, digest};
use super::part::{Answer, FileFacts};
use crate::adapters::claude::keys_of;
use crate::adapters::codex::call_key;
use crate::adapters::{Adapter, Format, Origin, SNIFF_LINES, sniff};
use crate::domain::event::{Agent, Body, Event, Failure, Key};
use crate::domain::rules::Rules;
use crate::domain::time::Stamp;

/// Bytes asked for at once.
pub const BLOCK: usize = 1 << 19;
/// Longest line that is held, in bytes. Longer ones are skipped and counted.
pub const MAX_LINE: usize = 16 << 20;
/// Lines passed over that are read again at the end, for the time of the last thing that happened.
const KEPT_LINES: usize = 8;
/// Longer lines aren't kept for that.
const KEPT_BYTES: usize = 1 << 16;

/// What the reader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    More,
    /// The rest says nothing either.
    Enough,
    /// Read the file from its start, with [`Scanner::whole`].
    Restart,
}

/// How lines are read.
enum Mode {
    /// The format is not known yet.
    Unknown,
    /// By the adapter, every line.
    Whole,
    Claude(claude::Memory),
    Codex(codex::State),
}

#[derive(Default)]
struct Named {
    id: Vec<u8>,
    request: Vec<u8>,
    keys: (Option<Key>, Option<Key>),
}

/// One file's reader. Fill [`Self::room`], tell [`Self::took`], and in the end [`Self::finish`].
pub struct Scanner<'r> {
    origin: Origin,
    whole: bool,
    mode: Mode,
    format: Option<Format>,
    adapter: Option<Adapter>,
    draft: Draft<'r>,
    events: Vec<Event>,
    buffer: Vec<u8>,
    /// The bytes not read yet are `start..filled`; before `sought` none of them ends a line.
    start: usize,
    filled: usize,
    sought: usize,
    /// The line at `start` is too long; what comes of it is dropped.
    dropping: bool,
    skipped: u64,
    /// Bytes that are still to come, as far as is known.
    expected: u64,
    flow: Flow,
    /// When the last line was written that was looked at.
    at: Option<Stamp>,
    /// The last answer's ids, and what it is known by.
    named: Named,
    /// The last lines passed over that tell a time: in the buffer now, and in a block before.
    passed: VecDeque<(usize, usize)>,
    kept: Vec<Vec<u8>>,
}

impl<'r> Scanner<'r> {
    pub fn new(origin: Origin, rules: &'r Rules) -> Self {
        Self {
            origin,
            whole: false,
            mode: Mode::Unknown,
            format: None,
            adapter: None,
            draft: Draft::new(rules),
            events: Vec::new(),
            buffer: Vec::new(),
            start: 0,
            filled: 0,
            sought: 0,
            dropping: false,
            skipped: 0,
            expected: 0,
            flow: Flow::More,
            at: None,
            named: Named::default(),
            passed: VecDeque::new(),
            kept: Vec::new(),
        }
    }

    /// A reader that hands every line to the adapter.
    pub fn whole(origin: Origin, rules: &'r Rules) -> Self {
        Self { whole: true, ..Self::new(origin, rules) }
    }

    /// Uses `buffer`'s memory.
    pub fn with_buffer(mut self, buffer: Vec<u8>) -> Self {
        self.buffer = buffer;
        self
    }

    /// The file is probably as long as this: what is only needed of its end is not kept of its middle.
    pub fn expect(mut self, bytes: u64) -> Self {
        self.expected = bytes;
        self
    }

    /// Where the next bytes go.
    pub fn room(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.sought -= self.start;
            self.start = 0;
        }
        if self.buffer.len() < self.filled + BLOCK {
            // At least half as much again: a long line isn't copied for every block of it.
            self.buffer.resize((self.filled + BLOCK).max(self.buffer.len() * 3 / 2), 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// The first `n` bytes of [`Self::room`] are the file's next.
    pub fn took(&mut self, n: usize) -> Flow {
        self.filled += n;
        self.expected = self.expected.saturating_sub(n as u64);
        if self.is_recognised(false) {
            self.lines();
        } else if self.filled - self.start > MAX_LINE {
            self.flow = Flow::Enough;
        }
        self.flow
    }

    /// The file has no more bytes: what it says, and the buffer for the next file. The last line may lack its end; it
    /// counts if it is whole.
    pub fn finish(mut self) -> (FileFacts, Vec<u8>) {
        if self.is_recognised(true) {
            self.lines();
            let buffer = std::mem::take(&mut self.buffer);
            let tail = &buffer[self.start..self.filled];
            if self.dropping {
                self.skipped += 1;
            } else if serde_json::from_slice::<serde::de::IgnoredAny>(tail).is_ok() {
                self.line(&buffer, self.start, self.filled);
            }
            self.catch_up(&buffer);
            self.buffer = buffer;
            if let Some(adapter) = &mut self.adapter {
                adapter.finish(&mut self.events);
            }
            self.take_events();
        }
        let facts = FileFacts { format: self.format, parts: self.draft.parts, skipped: self.skipped };
        (facts, self.buffer)
    }

    /// Finds out what the file is from its first lines.
    fn is_recognised(&mut self, is_end: bool) -> bool {
        if self.format.is_some() {
            return true;
        }
        let bytes = &self.buffer[self.start..self.filled];
        let whole = match memchr::memrchr(b'\n', bytes) {
            _ if is_end => bytes,
            Some(end) => &bytes[..end],
            None => return false,
        };
        let first = |lines: usize| whole.split(|b| *b == b'\n').take(lines);
        let Some(format) = first(SNIFF_LINES).find_map(sniff) else {
            if first(SNIFF_LINES + 1).count() > SNIFF_LINES {
                self.flow = Flow::Enough;
            }
            return false;
        };
        self.format = Some(format);
        self.adapter = Some(Adapter::new(format, &self.origin));
        self.mode = match format {
            _ if self.whole => Mode::Whole,
            Format::ClaudeTranscript => Mode::Claude(claude::Memory::default()),
            Format::CodexRollout => Mode::Codex(codex::State::default()),
            _ => Mode::Whole,
        };
        true
    }

    /// Reads every line that is whole.
    fn lines(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let from = self.sought;
        for end in memchr_iter(b'\n', &buffer[from..self.filled]) {
            let (start, end) = (self.start, from + end);
            self.start = end + 1;
            if self.dropping || end - start > MAX_LINE {
                self.dropping = false;
                self.skipped += 1;
                continue;
            }
            self.line(&buffer, start, end);
            if self.flow != Flow::More {
                break;
            }
        }
        self.sought = self.filled;
        if self.dropping || self.filled - self.start > MAX_LINE {
            self.dropping = true;
            self.start = self.filled;
        }
        self.keep(&buffer);
        self.buffer = buffer;
    }

    fn line(&mut self, buffer: &[u8], start: usize, end: usize) {
        let line = buffer[start..end].trim_ascii();
        match &mut self.mode {
            Mode::Unknown => {}
            Mode::Whole => {
                self.ask(line);
            }
            Mode::Claude(memory) => {
                let wants = self.draft.part().map_or(claude::Wants::ALL, |part| claude::Wants::of(part));
                match claude::look(line, wants, memory) {
                    Some(look) => self.claude(look, line, buffer, (start, end)),
                    None => {
                        self.ask(line);
                    }
                }
            }
            Mode::Codex(state) => {
                let wants_title = self.draft.part().is_none_or(|p| p.about.title.is_empty() && p.branches.is_empty());
                match codex::look(line, state, wants_title) {
                    codex::Look::Silent => {}
                    codex::Look::Timed => self.passed((start, end)),
                    codex::Look::Call(call) => codex_call(&call, &mut self.at, &mut self.draft),
                    codex::Look::Ask => self.ask_codex(line),
                }
            }
        }
    }

    fn claude(&mut self, look: claude::Look<'_>, line: &[u8], buffer: &[u8], place: (usize, usize)) {
        match look {
            claude::Look::Silent => {}
            claude::Look::Timed => self.passed(place),
            claude::Look::Ask => {
                self.ask(line);
            }
            claude::Look::Total => {
                self.catch_up(buffer);
                self.ask(line);
            }
            claude::Look::Told(told) => {
                // Told twice, a fact counts once.
                if self.claude_told(&told).is_none() {
                    self.ask(line);
                }
            }
            claude::Look::Whole => self.flow = Flow::Restart,
        }
    }

    /// What an assistant's or a user's line says. `None`: some of its ids aren't text.
    fn claude_told(&mut self, told: &claude::Told<'_>) -> Option<()> {
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let draft = &mut self.draft;
        draft.enter(Agent::Claude, text(told.session)?);
        let at = Stamp::parse_rfc3339(text(told.timestamp)?).or(self.at);
        self.at = at;
        draft.time(at);
        let is_branch = !told.agent.is_empty();
        if is_branch {
            draft.branch(digest(text(told.agent)?));
        }
        if let Some(usage) = told.usage {
            let model = if told.model.is_empty() { None } else { draft.model(text(told.model)?) };
            // An answer's lines come close together.
            let named = &mut self.named;
            if named.id != told.id || named.request != told.request {
                let keys = keys_of(text(told.id)?, text(told.request)?);
                *named = Named { id: told.id.to_vec(), request: told.request.to_vec(), keys };
            }
            let (key, message) = named.keys;
            draft.answer(Answer { key, message, model, is_branch, at, usage, cost: None });
        }
        for (id, name) in &told.calls {
            draft.call(Key::of(&[text(id)?]), Agent::Claude, text(name)?, None);
        }
        for id in &told.failed {
            draft.failed(Key::of(&[text(id)?]), Failure::Flagged);
        }
        Some(())
    }

    fn ask_codex(&mut self, line: &[u8]) {
        self.ask(line);
        if let (Mode::Codex(state), Some(adapter)) = (&mut self.mode, &self.adapter) {
            state.asked(line, &adapter.run().session);
        }
    }

    /// Has a line read by the adapter. True if it said something.
    fn ask(&mut self, line: &[u8]) -> bool {
        let Some(adapter) = &mut self.adapter else { return false };
        adapter.line(line, &mut self.events);
        self.take_events()
    }

    /// Notes what the adapter said. True if it said something.
    fn take_events(&mut self) -> bool {
        let is_partial = matches!(self.mode, Mode::Claude(_));
        for event in &mut self.events {
            // The adapter doesn't see every line; a total without a time of its own was written after the last one.
            if is_partial && matches!(event.body, Body::Totals(_)) {
                event.at = event.at.max(self.at);
            }
            self.at = event.at.max(self.at);
            self.draft.event(event);
        }
        let spoke = !self.events.is_empty();
        self.events.clear();
        spoke
    }

    /// Notes a line that was passed over although something happened then.
    fn passed(&mut self, place: (usize, usize)) {
        if self.passed.len() == KEPT_LINES {
            self.passed.pop_front();
        }
        self.passed.push_back(place);
    }

    /// Reads the last line that was passed over and tells something, for its time.
    fn catch_up(&mut self, buffer: &[u8]) {
        let (passed, kept) = (std::mem::take(&mut self.passed), std::mem::take(&mut self.kept));
        let here = passed.iter().rev().map(|(start, end)| buffer[*start..*end].trim_ascii());
        for line in here.chain(kept.iter().rev().map(Vec::as_slice)) {
            if self.ask(line) {
                break;
            }
        }
    }

    /// Saves the last lines that were passed over from being overwritten by the next block.
    fn keep(&mut self, buffer: &[u8]) {
        if self.expected > BLOCK as u64 {
            self.passed.clear();
        } else if !self.passed.is_empty() {
            let short = self.passed.drain(..).filter(|(start, end)| end - start <= KEPT_BYTES);
            self.kept = short.map(|(start, end)| buffer[start..end].to_vec()).collect();
        }
    }
}

fn codex_call(call: &codex::Call<'_>, at: &mut Option<Stamp>, draft: &mut Draft<'_>) {
    *at = Stamp::parse_rfc3339(call.timestamp).or(*at);
    draft.time(*at);
    draft.call(call_key(call.thread, call.id), Agent::Codex, call.name, None);
}
