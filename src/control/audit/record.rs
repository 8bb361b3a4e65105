//! PURE. What the audit log holds: one [`Record`] a line, at most [`MAX_LINE`] bytes with its newline.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::chain::Seal;
use crate::control::protocol::Gate;
use crate::control::words::{Asker, AtZero, Grade, Mode, ProcId, Receipt, Rung, Survivor};
use crate::domain::event::Agent;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// Longest line, newline included: what goes out with one write.
pub const MAX_LINE: usize = 4096;

/// Longest JSON of a fact. What stands around it in a line is shorter than the rest.
const MAX_FACT: usize = 3200;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// 1, 2, 3, …
    pub seq: u64,
    pub at: Stamp,
    /// The kernel's id of the boot: process ids of another boot mean nothing. Empty where the system has none.
    #[serde(default)]
    pub boot_id: Text,
    /// Of the line before.
    pub prev: Seal,
    /// The run or session that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Text>,
    pub fact: Fact,
}

/// A fact on its way to the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Stamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Text>,
    pub fact: Fact,
}

/// What was done or has happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    RunStarted(Box<Started>),
    /// An agent's session belongs to the run.
    SessionAttached {
        run: Text,
        session: Text,
    },
    RunEnded {
        #[serde(default)]
        code: Option<i32>,
        #[serde(default)]
        signal: Option<i32>,
        #[serde(default)]
        outcome: Text,
    },
    StopRequested {
        id: Text,
        mode: Mode,
        by: Asker,
        #[serde(default)]
        reason: Text,
    },
    Rung {
        id: Text,
        rung: Rung,
        after_us: u64,
    },
    StopEnded {
        id: Text,
        receipt: Receipt,
    },
    Granted {
        /// Negative: taken.
        #[serde(deserialize_with = "ms")]
        amount_ms: Span,
        by: Asker,
        #[serde(default)]
        reason: Text,
        /// The other run of a transfer.
        #[serde(default)]
        other: Option<Text>,
        /// The sessions whose clock it is. None: all that belong to the record's run.
        #[serde(default)]
        sessions: Vec<Text>,
    },
    GateAsked {
        gate: Gate,
    },
    GateAnswered {
        gate: Gate,
    },
    /// A call that should have been held has run.
    GateBypassed {
        what: Text,
        #[serde(default)]
        call: Option<Text>,
    },
    Warned {
        what: Text,
    },
    AtZero {
        did: AtZero,
        /// The meter that ran out.
        meter: Text,
    },
    Held,
    Released {
        by: Asker,
        #[serde(default)]
        reason: Text,
    },
    PeerRefused {
        #[serde(default)]
        uid: Option<u32>,
        #[serde(default)]
        pid: Option<u32>,
        why: Text,
    },
    HookChanged {
        agent: Agent,
        file: Text,
        what: Text,
    },
    SupervisorLost {
        who: Lost,
    },
    /// Processes of a run whose supervisors are gone.
    Orphaned {
        survivors: Vec<Survivor>,
    },
    /// Bytes before this line are no record: a write that was cut off.
    Recovered {
        torn_bytes: u64,
        /// Of these bytes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        torn: Option<Seal>,
    },
    /// The log could not be written for a while.
    Degraded {
        why: Text,
        /// Facts that were dropped because memory for them is bounded.
        lost: u64,
    },
    /// What this version doesn't know, as it stands in the file.
    #[serde(untagged)]
    Other(Unknown),
}

/// A run as it was at its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Started {
    pub run: Text,
    #[serde(default)]
    pub label: Text,
    #[serde(default)]
    pub command: Text,
    #[serde(default)]
    pub cwd: Text,
    /// Of an attended run: who attends.
    pub supervisor: ProcId,
    #[serde(default)]
    pub guardian: Option<ProcId>,
    #[serde(default)]
    pub leader: Option<ProcId>,
    /// `None`: redkey did not start it.
    #[serde(default)]
    pub grade: Option<Grade>,
    /// What it may spend, whoever said so.
    #[serde(default, deserialize_with = "some_ms")]
    pub budget_ms: Option<Span>,
    /// Hard limits by the meter's name.
    #[serde(default)]
    pub caps: BTreeMap<Text, f64>,
    /// What it was expected to spend.
    #[serde(default, deserialize_with = "some_ms")]
    pub expect_ms: Option<Span>,
    pub at_zero: AtZero,
}

/// Who was found gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lost {
    Guardian,
    Supervisor,
    Both,
}

/// A fact of a type that isn't known here. Its strings are as clean as a [`Text`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Unknown(Value);

impl Unknown {
    /// Its type's name, if it has one.
    pub fn name(&self) -> Text {
        Text::new(self.0.get("type").and_then(Value::as_str).unwrap_or_default())
    }

    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Unknown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self(shrunk(value, Limits::NONE)))
    }
}

impl Fact {
    /// Must be on the disk before anything else is taken to be safe: what was stopped, given, or allowed.
    pub fn is_durable(&self) -> bool {
        !matches!(self, Fact::Warned { .. } | Fact::PeerRefused { .. } | Fact::Other(_))
    }

    /// JSON of at most [`MAX_FACT`] bytes: lists and texts are cut until it fits.
    fn json(&self) -> serde_json::Result<String> {
        let whole = serde_json::to_string(self)?;
        if whole.len() <= MAX_FACT {
            return Ok(whole);
        }
        let value = serde_json::to_value(self)?;
        for limits in Limits::STEPS {
            let text = serde_json::to_string(&shrunk(value.clone(), limits))?;
            if text.len() <= MAX_FACT {
                return Ok(text);
            }
        }
        serde_json::to_string(&serde_json::json!({ "type": value.get("type"), "cut": true }))
    }
}

impl Entry {
    /// One line without its newline.
    pub fn line(&self) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Line<'a> {
            at: Stamp,
            #[serde(skip_serializing_if = "Option::is_none")]
            run: &'a Option<Text>,
            fact: Box<serde_json::value::RawValue>,
        }
        let fact = serde_json::value::RawValue::from_string(self.fact.json()?)?;
        serde_json::to_vec(&Line { at: self.at, run: &self.run, fact })
    }

    /// The line that stands in the log, without its newline; shorter than [`MAX_LINE`].
    pub fn sealed(&self, seq: u64, boot_id: &Text, prev: Seal) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Line<'a> {
            seq: u64,
            at: Stamp,
            boot_id: Text,
            prev: Seal,
            #[serde(skip_serializing_if = "Option::is_none")]
            run: &'a Option<Text>,
            fact: Box<serde_json::value::RawValue>,
        }
        let fact = serde_json::value::RawValue::from_string(self.fact.json()?)?;
        let boot_id = Text::limited(boot_id.as_str(), 40);
        serde_json::to_vec(&Line { seq, at: self.at, boot_id, prev, run: &self.run, fact })
    }
}

/// How much of a value is kept.
#[derive(Clone, Copy)]
struct Limits {
    /// Bytes of a string.
    text: usize,
    /// Items of a list or an object.
    items: usize,
}

impl Limits {
    const NONE: Self = Self { text: crate::domain::text::MAX_TEXT, items: usize::MAX };
    const STEPS: [Self; 4] = [
        Self { text: 240, items: 16 },
        Self { text: 120, items: 16 },
        Self { text: 60, items: 12 },
        Self { text: 32, items: 12 },
    ];
}

/// The value within `limits`, its strings clean. Words of enumerations are short enough to stay as they are.
fn shrunk(value: Value, limits: Limits) -> Value {
    match value {
        Value::String(text) => Value::String(Text::limited(&text, limits.text).as_str().to_owned()),
        Value::Array(items) => items.into_iter().take(limits.items).map(|item| shrunk(item, limits)).collect(),
        Value::Object(map) => map
            .into_iter()
            // Fields of a fact stay; lists of whatever length are what takes the room.
            .take(limits.items.max(16))
            .map(|(key, item)| (Text::limited(&key, limits.text).as_str().to_owned(), shrunk(item, limits)))
            .collect(),
        other => other,
    }
}

/// Amounts stand in the log as whole milliseconds, while a [`Span`] by itself reads only what people write.
fn ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    i64::deserialize(deserializer).map(Span)
}

fn some_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.map(Span))
}
