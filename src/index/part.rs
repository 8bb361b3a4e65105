//! PURE. What one file says of a session, kept small: its answers one by one, since another file may hold a copy or a
//! larger figure of each, and everything else as digests to be counted without repeats.

use super::bytes::{Reader, Writer};
use crate::adapters::Format;
use crate::domain::event::{Agent, Key, RunId, Totals};
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::usage::{Usage, Usd};

/// An answer of a model, with the largest figures told of it close by.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub key: Option<Key>,
    pub message: Option<Key>,
    /// Index into the part's models; `None`: not told.
    pub model: Option<u16>,
    pub is_branch: bool,
    pub at: Option<Stamp>,
    pub usage: Usage,
    pub cost: Option<Usd>,
}

/// What changes tokens and money, in the file's order.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    Answer(Answer),
    /// The agent's own total.
    Total(Totals, Option<Stamp>),
}

/// What a run says about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    pub title: Text,
    pub cwd: Text,
    pub model: Text,
    pub forked_from: Text,
    /// What a native agent calls itself.
    pub name: Text,
    pub first: Option<Stamp>,
    pub last: Option<Stamp>,
}

/// One session's share of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub run: RunId,
    pub about: About,
    pub models: Vec<Text>,
    pub facts: Vec<Fact>,
    /// Digests of tool calls, and of those among them that start a subagent. May have repeats, as all of these.
    pub calls: Vec<u64>,
    pub spawns: Vec<u64>,
    /// Digests of results that failed.
    pub failed: Vec<u64>,
    pub inferred: Vec<u64>,
    /// Digests of subagents' ids, and of those among them that no call has announced.
    pub branches: Vec<u64>,
    pub uncalled: Vec<u64>,
    pub unparsed: u64,
}

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileFacts {
    /// `None`: no line says what it is.
    pub format: Option<Format>,
    pub parts: Vec<Part>,
    /// Lines too long to be held.
    pub skipped: u64,
}

impl Part {
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            about: About::default(),
            models: Vec::new(),
            facts: Vec::new(),
            calls: Vec::new(),
            spawns: Vec::new(),
            failed: Vec::new(),
            inferred: Vec::new(),
            branches: Vec::new(),
            uncalled: Vec::new(),
            unparsed: 0,
        }
    }

    /// Only subagents did something here: a model of its own has only the main branch.
    pub fn is_branch_only(&self) -> bool {
        !self.branches.is_empty() && self.about.model.is_empty()
    }

    fn write(&self, w: &mut Writer) {
        w.number(self.run.agent as u64);
        w.bytes(self.run.session.as_bytes());
        let about = &self.about;
        for text in [&about.title, &about.cwd, &about.model, &about.forked_from, &about.name] {
            w.text(text);
        }
        w.maybe(self.about.first.map(|at| at.0));
        w.maybe(self.about.last.map(|at| at.0));
        w.number(self.models.len() as u64);
        self.models.iter().for_each(|model| w.text(model));
        for keys in self.digests() {
            w.keys(keys);
        }
        w.number(self.unparsed);
        w.number(self.facts.len() as u64);
        let mut before = 0;
        self.facts.iter().for_each(|fact| fact.write(&mut before, w));
    }

    fn digests(&self) -> [&Vec<u64>; 6] {
        [&self.calls, &self.spawns, &self.failed, &self.inferred, &self.branches, &self.uncalled]
    }

    fn read_run(r: &mut Reader<'_>) -> Option<RunId> {
        let agent = *Agent::ALL.get(usize::try_from(r.number()?).ok()?)?;
        Some(RunId::new(agent, r.str()?))
    }

    /// Reads what [`FileFacts::encode`] wrote of a part.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader(bytes);
        Self::read(&mut r).filter(|_| r.0.is_empty())
    }

    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let run = Self::read_run(r)?;
        let [title, cwd, model, forked_from, name] = [r.text()?, r.text()?, r.text()?, r.text()?, r.text()?];
        let [first, last] = [r.maybe()?.map(Stamp), r.maybe()?.map(Stamp)];
        let models = (0..r.count(1)?).map(|_| r.text()).collect::<Option<_>>()?;
        let [calls, spawns, failed, inferred, branches, uncalled] =
            [r.keys()?, r.keys()?, r.keys()?, r.keys()?, r.keys()?, r.keys()?];
        let unparsed = r.number()?;
        let mut before = 0;
        let facts = (0..r.count(1)?).map(|_| Fact::read(&mut before, r)).collect::<Option<_>>()?;
        let about = About { title, cwd, model, forked_from, name, first, last };
        Some(Self { run, about, models, facts, calls, spawns, failed, inferred, branches, uncalled, unparsed })
    }
}

const IS_TOTAL: u8 = 1;
const HAS_KEY: u8 = 2;
const HAS_MESSAGE: u8 = 4;
const IS_BRANCH: u8 = 8;
const HAS_TIME: u8 = 16;
const HAS_COST: u8 = 32;
const HAS_USAGE: u8 = 64;
const WITH_SUBAGENTS: u8 = 128;

impl Fact {
    /// `before` is the time of the fact before, in ms; only the difference is written.
    fn write(&self, before: &mut i64, w: &mut Writer) {
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let (at, cost) = match self {
            Fact::Answer(a) => (a.at, a.cost),
            Fact::Total(t, at) => (*at, t.cost),
        };
        let mut flags = flag(at.is_some(), HAS_TIME) | flag(cost.is_some(), HAS_COST);
        flags |= match self {
            Fact::Answer(a) => {
                flag(a.key.is_some(), HAS_KEY) | flag(a.message.is_some(), HAS_MESSAGE) | flag(a.is_branch, IS_BRANCH)
            }
            Fact::Total(t, _) => IS_TOTAL | flag(t.usage.is_some(), HAS_USAGE) | flag(t.with_subagents, WITH_SUBAGENTS),
        };
        w.0.push(flags);
        if let Some(at) = at {
            w.signed(at.0.wrapping_sub(*before));
            *before = at.0;
        }
        if let Some(cost) = cost {
            w.signed(cost.0);
        }
        match self {
            Fact::Answer(a) => {
                a.key.iter().chain(&a.message).for_each(|key| w.fixed(key.0));
                w.number(a.model.map_or(0, |model| u64::from(model) + 1));
                write_usage(&a.usage, w);
            }
            Fact::Total(t, _) => {
                t.usage.iter().for_each(|usage| write_usage(usage, w));
                w.number(t.models.len() as u64);
                for (model, usage) in &t.models {
                    w.text(model);
                    write_usage(usage, w);
                }
            }
        }
    }

    fn read(before: &mut i64, r: &mut Reader<'_>) -> Option<Self> {
        let flags = r.byte()?;
        let has = |bit: u8| flags & bit != 0;
        let at = if has(HAS_TIME) {
            *before = before.wrapping_add(r.signed()?);
            Some(Stamp(*before))
        } else {
            None
        };
        let cost = if has(HAS_COST) { Some(Usd(r.signed()?)) } else { None };
        if has(IS_TOTAL) {
            let usage = if has(HAS_USAGE) { Some(read_usage(r)?) } else { None };
            let models = (0..r.count(7)?).map(|_| Some((r.text()?, read_usage(r)?))).collect::<Option<_>>()?;
            return Some(Fact::Total(Totals { usage, cost, with_subagents: has(WITH_SUBAGENTS), models }, at));
        }
        let key = if has(HAS_KEY) { Some(Key(r.fixed()?)) } else { None };
        let message = if has(HAS_MESSAGE) { Some(Key(r.fixed()?)) } else { None };
        let model = r.number()?.checked_sub(1).and_then(|model| u16::try_from(model).ok());
        let usage = read_usage(r)?;
        Some(Fact::Answer(Answer { key, message, model, is_branch: has(IS_BRANCH), at, usage, cost }))
    }

    pub fn at(&self) -> Option<Stamp> {
        match self {
            Fact::Answer(answer) => answer.at,
            Fact::Total(_, at) => *at,
        }
    }
}

pub fn write_usage(u: &Usage, w: &mut Writer) {
    let all = [u.input, u.output, u.reasoning, u.cache_read, u.cache_write, u.cache_write_1h];
    all.into_iter().for_each(|n| w.number(n));
}

pub fn read_usage(r: &mut Reader<'_>) -> Option<Usage> {
    Some(Usage {
        input: r.number()?,
        output: r.number()?,
        reasoning: r.number()?,
        cache_read: r.number()?,
        cache_write: r.number()?,
        cache_write_1h: r.number()?,
    })
}

/// A part still encoded, and whose it is.
pub type EncodedPart<'a> = (RunId, &'a [u8]);

/// Formats by the number they have in a cache.
const FORMATS: [Format; 13] = [
    Format::ClaudeStream,
    Format::ClaudeTranscript,
    Format::CodexExec,
    Format::CodexRollout,
    Format::GeminiStream,
    Format::GeminiChat,
    Format::OpencodeStream,
    Format::OpencodeRows,
    Format::PiStream,
    Format::PiSession,
    Format::QwenStream,
    Format::QwenChat,
    Format::Native,
];

impl FileFacts {
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.number(self.format.and_then(|f| FORMATS.iter().position(|g| *g == f)).map_or(0, |i| i as u64 + 1));
        w.number(self.skipped);
        w.number(self.parts.len() as u64);
        for part in &self.parts {
            let mut inner = Writer::default();
            part.write(&mut inner);
            w.bytes(&inner.0);
        }
        w.0.shrink_to_fit();
        w.0
    }

    /// The parts of an encoded file, each still encoded, with what says whose they are.
    pub fn parts(bytes: &[u8]) -> Option<(Format, Vec<EncodedPart<'_>>)> {
        let mut r = Reader(bytes);
        let format = FORMATS.get(usize::try_from(r.number()?.checked_sub(1)?).ok()?)?;
        r.number()?;
        let part = |r: &mut Reader<'_>| Part::read_run(r);
        let parts = (0..r.count(2)?).map(|_| r.bytes().and_then(|bytes| Some((part(&mut Reader(bytes))?, bytes))));
        Some((*format, parts.collect::<Option<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_survive_being_written() {
        let usage =
            Usage { input: 1, output: u64::MAX, reasoning: 2, cache_read: 300, cache_write: 0, cache_write_1h: 5 };
        let answer = Answer {
            key: Some(Key(u64::MAX)),
            message: None,
            model: Some(0),
            is_branch: true,
            at: Some(Stamp(-5)),
            usage,
            cost: Some(Usd(-1)),
        };
        let bare = Answer { key: None, message: Some(Key(1)), model: None, at: None, cost: None, ..answer.clone() };
        let total = Totals { usage: Some(usage), cost: None, with_subagents: true, models: vec![("m".into(), usage)] };
        let mut part = Part::new(RunId::new(Agent::Native, "s"));
        part.about = About { title: "t".into(), last: Some(Stamp(i64::MAX)), ..About::default() };
        part.models = vec!["m".into(), "n".into()];
        part.facts = vec![Fact::Answer(answer), Fact::Answer(bare), Fact::Total(total, Some(Stamp(9)))];
        (part.calls, part.branches, part.unparsed) = (vec![7, 7], vec![1], 3);
        let facts = FileFacts { format: Some(Format::Native), parts: vec![part.clone()], skipped: 2 };
        let bytes = facts.encode();
        let (format, parts) = FileFacts::parts(&bytes).unwrap();
        assert_eq!((format, &parts[0].0), (Format::Native, &part.run));
        assert_eq!(Part::decode(parts[0].1), Some(part));
        for cut in 0..bytes.len() {
            assert_eq!(FileFacts::parts(&bytes[..cut]), None);
        }
        for cut in 0..parts[0].1.len() {
            assert_eq!(Part::decode(&parts[0].1[..cut]), None);
        }
        assert_eq!(FileFacts::parts(&FileFacts::default().encode()), None);
    }

    #[test]
    fn every_agent_and_format_has_a_number() {
        for (i, agent) in Agent::ALL.into_iter().enumerate() {
            assert_eq!(agent as usize, i);
        }
        assert_eq!(FORMATS.map(|f| f as usize), std::array::from_fn(|i| i));
    }
}
