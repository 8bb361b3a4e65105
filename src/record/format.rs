//! PURE. A recording as it stands in its file: one JSON object a line, only ever added to.
//!
//! The first line is the [`Header`]. Every other one has `t`, milliseconds since the epoch, and `k`, its kind; what else
//! it has is up to its kind. A number after the dot of [`VERSION`] changes when something is added: readers skip and
//! count kinds they don't know, and ignore fields they don't know. The number before it changes when an old reader would
//! read something wrong. These types are the file's own; [`super::convert`] makes live ones of them.

pub mod event;
pub mod fact;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::event::Agent;
use crate::domain::text::Text;
use crate::domain::time::Stamp;

pub use event::{BodyRec, EventRec};
pub use fact::{FactLine, FactRec};

/// The version that is written.
pub const VERSION: Version = Version { major: 1, minor: 0 };

/// Longest text that is read back; what an adapter keeps is shorter.
const MAX_WORDS: usize = 4_096;

/// `1.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The first line: what this is, and of what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Header {
    /// Always `recording`.
    pub redkey: Text,
    /// [`VERSION`] of whoever began the file.
    pub v: Text,
    /// The run as it is called here: the name of its socket, or of the recorded screen.
    pub run: Text,
    pub agent: Option<Agent>,
    pub label: Words,
    pub command: Words,
    pub cwd: Words,
    pub started: Stamp,
    /// `run`: the run's own meter wrote it; `watch`: a screen; `import`: made of something else; `transcript`: it is
    /// none, but an agent's own file read like one.
    pub from: Text,
    /// The redkey that began it.
    pub by: Text,
    /// Secrets were looked for and replaced before anything was written.
    pub redacted: bool,
}

/// What every line but the first begins with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Head<'a> {
    pub t: i64,
    #[serde(borrow)]
    pub k: std::borrow::Cow<'a, str>,
}

/// `opened`: a source, by its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    pub s: u32,
    pub name: Words,
    /// `stream` or `disk`; none: not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<FormRec>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FormRec {
    Stream,
    Disk,
}

/// `state`: what became of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateLine {
    pub s: u32,
    pub state: StateRec,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateRec {
    Pending,
    Reading(FormatRec),
    Unknown,
    Failed(Words),
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FormatRec {
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
}

/// `lines`: read since the last such line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    pub s: u32,
    pub read: u64,
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
}

/// `dropped`: events lost before they were charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    pub n: u64,
}

/// `policy`: what is in force from here on, as TOML, all layers in one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyRec {
    pub toml: Arc<str>,
    /// So many of `budget.rules` and of `materiality`, the first ones, come from a project and only tighten.
    #[serde(default)]
    pub project_rules: usize,
    #[serde(default)]
    pub project_globs: usize,
}

/// `sum`: what the live clock said. Milliseconds of clock time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sum {
    pub granted: i64,
    pub spent: i64,
    /// Each session by itself.
    pub runs: Vec<RunSum>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunSum {
    /// `claude:0f3a…`.
    pub run: Text,
    pub granted: i64,
    pub spent: i64,
    pub tokens: u64,
    /// Nano-dollars.
    pub usd: i64,
    pub tools: u64,
    pub events: u64,
}

/// `mark`: a place worth finding again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// `flag`, `note`, `good`, `bad`, …
    pub what: Text,
    pub text: Words,
    /// The session that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Text>,
    pub by: Text,
}

/// `gap`: something is missing here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gap {
    /// `torn`: the last write was cut off; `full`: it couldn't be written; `restart`: the recorder began anew.
    pub why: Text,
    /// Records that are known to be missing.
    pub records: u64,
    /// Bytes of a torn line that stand before this one.
    pub bytes: u64,
}

/// `end`: nothing follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ended {
    /// `finished`, `failed`, `interrupted`, or empty.
    pub outcome: Text,
    pub reason: Words,
    /// Records that stand before this one, as far as its writer knows.
    pub records: u64,
    /// Records that couldn't be written.
    pub lost: u64,
}

/// A text that may be longer than most; cleaned like any other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(pub Text);

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Ok(Self(Text::limited(&raw, MAX_WORDS)))
    }
}

impl From<Text> for Words {
    fn from(text: Text) -> Self {
        Self(text)
    }
}

impl From<Words> for Text {
    fn from(words: Words) -> Self {
        words.0
    }
}

/// A 64-bit digest: sixteen hexadecimal digits, since many readers of JSON keep only 53 bits of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hex(pub u64);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

pub(super) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
