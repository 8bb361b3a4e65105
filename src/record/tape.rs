//! PURE. A run's tape: what the engine was told of it, in order, each with the `now` it was told with.

use std::sync::Arc;

use super::format::{Ended, Gap, Header, Mark, PolicyRec, Sum};
use crate::adapters::Form;
use crate::control::audit;
use crate::domain::event::Event;
use crate::domain::policy::Policy;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::engine::{Fact, Msg, SourceState};

/// One thing on a tape.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// The `now` of [`crate::engine::Model::apply`]. Along one recording it never goes backwards, except where the
    /// system's clock was set back.
    pub at: Stamp,
    pub msg: TapeMsg,
}

/// What is kept of what the engine is told, and what stands beside it.
#[derive(Clone, Debug, PartialEq)]
pub enum TapeMsg {
    Opened {
        source: u32,
        name: Text,
        form: Option<Form>,
    },
    State {
        source: u32,
        state: SourceState,
    },
    Events {
        source: u32,
        events: Vec<(Event, u64)>,
    },
    Lines {
        source: u32,
        read: u64,
        bytes: u64,
        skipped: u64,
    },
    Dropped(u64),
    Control(Fact),
    Tick,
    /// Not for the engine.
    Side(Side),
}

/// What a recording holds beside what the engine was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Side {
    /// The policy from here on.
    Policy(Arc<PolicyRec>),
    /// What the run's meter or supervisor wrote into the record of control: warnings, zero, gates, holds, stages of a
    /// stop and its receipt.
    Audit(Box<audit::Fact>),
    /// What the live clock said at this moment: a replay must say the same.
    Sum(Box<Sum>),
    /// A place that somebody or something marked: a flag of a detector, a note of a person.
    Mark(Mark),
    /// Something is missing here.
    Gap(Gap),
    /// The recording ends in order; nothing of this run follows.
    End(Ended),
}

impl Beat {
    /// The message for the engine; `None`: it is none for it.
    pub fn into_msg(self) -> Option<Msg> {
        Some(match self.msg {
            TapeMsg::Opened { source, name, form } => Msg::Opened { source, name, form },
            TapeMsg::State { source, state } => Msg::State { source, state },
            TapeMsg::Events { source, events } => Msg::Events { source, events },
            TapeMsg::Lines { source, read, bytes, skipped } => Msg::Lines { source, read, bytes, skipped },
            TapeMsg::Dropped(lost) => Msg::Dropped(lost),
            TapeMsg::Control(fact) => Msg::Control(fact),
            TapeMsg::Tick => Msg::Tick,
            TapeMsg::Side(_) => return None,
        })
    }

    /// What is kept of a message; `None`: it is about a screen, and not about a run.
    pub fn of(msg: &Msg, at: Stamp) -> Option<Self> {
        let msg = match msg {
            Msg::Opened { source, name, form } => TapeMsg::Opened { source: *source, name: name.clone(), form: *form },
            Msg::State { source, state } => TapeMsg::State { source: *source, state: state.clone() },
            Msg::Events { source, events } => TapeMsg::Events { source: *source, events: events.clone() },
            Msg::Lines { source, read, bytes, skipped } => {
                TapeMsg::Lines { source: *source, read: *read, bytes: *bytes, skipped: *skipped }
            }
            Msg::Dropped(lost) => TapeMsg::Dropped(*lost),
            Msg::Control(fact) => TapeMsg::Control(fact.clone()),
            Msg::Tick => TapeMsg::Tick,
            Msg::Looked(_)
            | Msg::Progress(_)
            | Msg::History(_)
            | Msg::Detail { .. }
            | Msg::Look(_)
            | Msg::LookAt(_)
            | Msg::Press { .. }
            | Msg::PressAll
            | Msg::Give { .. }
            | Msg::Transfer { .. }
            | Msg::Answer { .. }
            | Msg::Release { .. } => return None,
        };
        Some(Self { at, msg })
    }
}

impl PolicyRec {
    /// The policy again, ready for use; else why it can't be read: a newer redkey may know more keys.
    pub fn rules(&self) -> Result<Rules, Text> {
        let mut policy: Policy = toml::from_str(&self.toml).map_err(|error| Text::new(error.message()))?;
        policy.budget.rules.iter_mut().take(self.project_rules).for_each(|rule| rule.tightens = true);
        policy.materiality.iter_mut().take(self.project_globs).for_each(|rule| rule.tightens = true);
        Rules::compile(policy).map_err(|error| Text::new(&error.to_string()))
    }
}

/// A tape: beats in order. An error ends it, except that what is merely damaged is skipped and counted in
/// [`Tape::lost`].
pub trait Tape: Iterator<Item = Result<Beat, TapeError>> {
    /// What the recording says of itself. A transcript's is made up from its first events.
    fn header(&self) -> &Header;

    /// What could not be read so far.
    fn lost(&self) -> Lost {
        Lost::default()
    }

    /// Bytes read so far, and bytes that there are; both of the same file, so that their ratio is how far it is read.
    fn position(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// What is missing of a tape, as far as it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Lines that are no records.
    pub damaged: u64,
    /// Lines of kinds that only a newer redkey knows.
    pub unknown: u64,
    /// Bytes at the end without a line's end: a write that was cut off.
    pub torn: u64,
    /// Places where the recording itself says that something is missing, and records that it says are missing.
    pub gaps: u64,
    pub gone: u64,
    /// Bytes of a compressed recording that could not be unpacked.
    pub unpacked: u64,
    /// It doesn't say that it ended.
    pub open: bool,
}

impl Lost {
    /// Is there nothing to tell?
    pub fn is_nothing(&self) -> bool {
        *self == Self { open: self.open, unknown: self.unknown, ..Self::default() }
    }
}

/// Why a tape can't be read (any further).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TapeError {
    #[error(
        "this is a recording of version {found}; this redkey reads {} and older\nhint: a newer redkey can read it",
        super::format::VERSION
    )]
    Newer { found: Text },
    #[error("this is no recording of redkey: {0}")]
    NotOne(Text),
    #[error("cannot read the recording: {0}")]
    Read(Text),
}
