//! PURE. What a line of Claude Code's transcript can change, found without decoding it.

use memchr::memmem;

use super::part::Part;
use crate::adapters::claude::{SYNTHETIC, usage_of};
use crate::adapters::walk::Walk;
use crate::domain::usage::Usage;

/// What is still asked of lines under the role `user`.
#[derive(Clone, Copy, Debug)]
pub struct Wants {
    /// Anything: neither time nor place are known yet.
    pub start: bool,
    /// What the session is about.
    pub title: bool,
    /// Ids of subagents, which stand in the results of the calls that start them.
    pub agents: bool,
}

impl Wants {
    pub const ALL: Self = Self { start: true, title: true, agents: true };

    pub fn of(part: &Part) -> Self {
        let about = &part.about;
        Self {
            start: about.first.is_none() || about.cwd.is_empty(),
            // What a subagent is told is no title.
            title: about.title.is_empty() && !part.is_branch_only(),
            agents: !part.spawns.is_empty(),
        }
    }

    /// What a line's kind alone decides.
    fn of_kind<'a>(self, kind: &[u8]) -> Option<Look<'a>> {
        match kind {
            b"assistant" | b"user" if self.start => Some(Look::Ask),
            b"user" if self.title => Some(Look::Ask),
            b"assistant" | b"user" => None,
            b"cost-state" => Some(Look::Total),
            b"summary" | b"ai-title" | b"custom-title" => Some(Look::Ask),
            b"system" | b"attachment" | b"queue-operation" => Some(Look::Timed),
            _ => Some(Look::Silent),
        }
    }
}

#[derive(Debug)]
pub enum Look<'a> {
    /// Nothing that is counted.
    Silent,
    /// Nothing but that something happened then.
    Timed,
    /// The adapter knows.
    Ask,
    /// The adapter knows, and needs the time of the line before.
    Total,
    Told(Told<'a>),
    /// A line of a subagent that doesn't name it: only all lines together tell whose they are.
    Whole,
}

/// What an answer's or a result's line says. Ids are bytes as they stand: most are never looked at.
#[derive(Debug, Default)]
pub struct Told<'a> {
    pub session: &'a [u8],
    pub timestamp: &'a [u8],
    pub agent: &'a [u8],
    pub request: &'a [u8],
    pub id: &'a [u8],
    pub model: &'a [u8],
    /// Of an answer.
    pub usage: Option<Usage>,
    /// Tool calls: id and tool.
    pub calls: Vec<(&'a [u8], &'a [u8])>,
    /// Calls that failed.
    pub failed: Vec<&'a [u8]>,
}

/// What was written before and is likely to be written again, byte for byte, with what it says.
#[derive(Debug, Default)]
pub struct Memory {
    /// An answer's usage, which each of its lines repeats.
    usage: (Vec<u8>, Usage),
    /// What follows a line's time (version, directory and so on), and where in it the session's id is.
    tail: (Vec<u8>, (usize, usize)),
}

/// `None`: the line isn't understood.
pub fn look<'a>(line: &'a [u8], wants: Wants, memory: &mut Memory) -> Option<Look<'a>> {
    if line.is_empty() {
        return Some(Look::Silent);
    }
    if line.last() != Some(&b'}') {
        return None;
    }
    let (mut walk, mut line) = (Walk::new(line), Line::default());
    walk.open()?;
    while let Some(key) = walk.key()? {
        if let Some(look) = line.field(key, &mut walk, wants, memory)? {
            return Some(look);
        }
        if line.is_dull(wants) {
            return Some(Look::Timed);
        }
        if key == b"timestamp" && line.known_tail(&mut walk, memory) {
            break;
        }
    }
    if !walk.is_over() || (line.has_message && line.told.session.is_empty()) {
        return None;
    }
    line.verdict(memory)
}

/// What is known of a line so far.
#[derive(Default)]
struct Line<'a> {
    told: Told<'a>,
    kind: &'a [u8],
    has_message: bool,
    is_side: Option<bool>,
    /// What follows the time, as long as nothing but the session was found in it.
    tail: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// Reads the value of one of the line's own keys; it may decide about the line.
    #[inline(always)]
    fn field(
        &mut self,
        key: &[u8],
        walk: &mut Walk<'a>,
        wants: Wants,
        memory: &mut Memory,
    ) -> Option<Option<Look<'a>>> {
        let told = &mut self.told;
        match key {
            b"sessionId" => told.session = walk.word()?,
            b"timestamp" => told.timestamp = walk.word()?,
            b"type" | b"message" | b"agentId" | b"requestId" | b"isSidechain" | b"isApiErrorMessage"
            | b"toolUseResult" => {
                self.tail = None;
                return self.telling(key, walk, wants, memory);
            }
            _ => walk.skip()?,
        }
        Some(None)
    }

    #[inline(always)]
    fn telling(
        &mut self,
        key: &[u8],
        walk: &mut Walk<'a>,
        wants: Wants,
        memory: &mut Memory,
    ) -> Option<Option<Look<'a>>> {
        let told = &mut self.told;
        match key {
            b"type" => {
                self.kind = walk.plain_bytes()?;
                return Some(wants.of_kind(self.kind));
            }
            b"message" => {
                message(walk, told, memory)?;
                self.has_message = true;
            }
            b"agentId" => told.agent = walk.word()?,
            b"requestId" => told.request = walk.word()?,
            b"isSidechain" => self.is_side = Some(walk.flag()?),
            b"isApiErrorMessage" if walk.flag()? => return Some(Some(Look::Ask)),
            b"isApiErrorMessage" => {}
            _ => {
                let result = walk.span()?;
                if wants.agents && memmem::find(result, b"\"agentId\"").is_some() {
                    return Some(Some(Look::Ask));
                }
            }
        }
        Some(None)
    }

    /// The rest of a user's line is the longest of all, and seldom says anything.
    #[inline(always)]
    fn is_dull(&self, wants: Wants) -> bool {
        let is_placed = self.is_side == Some(false) || (self.is_side == Some(true) && !self.told.agent.is_empty());
        self.kind == b"user" && self.has_message && is_placed && self.told.failed.is_empty() && !wants.agents
    }

    /// After the time, many lines go on as the one before.
    fn known_tail(&mut self, walk: &mut Walk<'a>, memory: &Memory) -> bool {
        let rest = walk.rest();
        let is_known = !memory.tail.0.is_empty() && memory.tail.0 == rest;
        if is_known {
            let (start, end) = memory.tail.1;
            self.told.session = &rest[start..end];
            walk.pass(rest.len());
        } else {
            self.tail = Some(rest);
        }
        is_known
    }

    /// Decides when everything is read.
    fn verdict(self, memory: &mut Memory) -> Option<Look<'a>> {
        let told = self.told;
        if self.is_side == Some(true) && told.agent.is_empty() {
            return Some(Look::Whole);
        }
        if let Some(tail) = self.tail {
            memory.keep_tail(tail, told.session);
        }
        match self.kind {
            b"assistant" if told.usage.is_none() || told.model == SYNTHETIC.as_bytes() => None,
            b"assistant" => Some(Look::Told(told)),
            b"user" if !self.has_message => None,
            b"user" if told.failed.is_empty() => Some(Look::Timed),
            b"user" => Some(Look::Told(Told { usage: None, calls: Vec::new(), ..told })),
            _ => Some(Look::Silent),
        }
    }
}

impl Memory {
    fn keep_tail(&mut self, tail: &[u8], session: &[u8]) {
        // Two slices of one line: where the one is in the other.
        let place = (session.as_ptr() as usize).checked_sub(tail.as_ptr() as usize);
        if let Some(start) = place.filter(|start| start + session.len() <= tail.len()) {
            self.tail.0.clear();
            self.tail.0.extend_from_slice(tail);
            self.tail.1 = (start, start + session.len());
        }
    }
}

fn message<'a>(walk: &mut Walk<'a>, told: &mut Told<'a>, memory: &mut Memory) -> Option<()> {
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"id" => told.id = walk.word()?,
            b"model" => told.model = walk.word()?,
            b"usage" if walk.peek()? == b'{' => told.usage = Some(memory.usage(walk)?),
            b"content" if walk.peek()? == b'[' => {
                walk.open_list()?;
                while walk.more()? {
                    block(walk, told)?;
                }
            }
            _ => walk.skip()?,
        }
    }
    Some(())
}

impl Memory {
    fn usage(&mut self, walk: &mut Walk<'_>) -> Option<Usage> {
        let rest = walk.rest();
        // An object is over with its last bracket, whatever follows.
        if !self.usage.0.is_empty() && rest.starts_with(&self.usage.0) {
            walk.pass(self.usage.0.len());
            return Some(self.usage.1);
        }
        let usage = usage(walk)?;
        self.usage.0.clear();
        self.usage.0.extend_from_slice(&rest[..rest.len() - walk.rest().len()]);
        self.usage.1 = usage;
        Some(usage)
    }
}

fn usage(walk: &mut Walk<'_>) -> Option<Usage> {
    let [mut input, mut output, mut read, mut written, mut short, mut long] = [0; 6];
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"input_tokens" => input = walk.count()?,
            b"output_tokens" => output = walk.count()?,
            b"cache_read_input_tokens" => read = walk.count()?,
            b"cache_creation_input_tokens" => written = walk.count()?,
            b"cache_creation" if walk.peek()? == b'{' => {
                walk.open()?;
                while let Some(key) = walk.key()? {
                    match key {
                        b"ephemeral_5m_input_tokens" => short = walk.count()?,
                        b"ephemeral_1h_input_tokens" => long = walk.count()?,
                        _ => walk.skip()?,
                    }
                }
            }
            _ => walk.skip()?,
        }
    }
    Some(usage_of(input, output, read, written, (short, long)))
}

fn block<'a>(walk: &mut Walk<'a>, told: &mut Told<'a>) -> Option<()> {
    if walk.peek()? != b'{' {
        return walk.skip();
    }
    let [mut kind, mut id, mut name, mut call] = [&b""[..]; 4];
    let mut failed = false;
    walk.open()?;
    while let Some(key) = walk.key()? {
        match key {
            b"type" => kind = walk.word()?,
            b"id" => id = walk.word()?,
            b"name" => name = walk.word()?,
            b"tool_use_id" => call = walk.word()?,
            b"is_error" => failed = walk.flag()?,
            _ => walk.skip()?,
        }
    }
    // Calls without an id are told apart by the adapter.
    if matches!(kind, b"tool_use" | b"server_tool_use" | b"mcp_tool_use") {
        told.calls.push((id, name));
        return (!id.is_empty()).then_some(());
    }
    if failed && kind.ends_with(b"tool_result") {
        told.failed.push(call);
        return (!call.is_empty()).then_some(());
    }
    Some(())
}
