//! PURE. What is said over a run's socket: JSON-RPC 2.0, one object a line, no batches.
//!
//! Unknown methods are errors, unknown fields are ignored. A connection starts with `hello`; a number after the dot of
//! [`PROTO`] changes when something is added, the one before it when something old stops working.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::words::{AtZero, Grade, Mode, ProcId, Stop};
use crate::domain::event::Agent;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// The version of this protocol.
pub const PROTO: &str = "1.1";

/// What somebody on a connection may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Stops, grants, answers gates. Refused to whatever descends from a supervised run or a known agent.
    Operator,
    /// Looks, and changes nothing.
    Watch,
    /// The agent itself: hears interrupts, acknowledges, asks, tells its events.
    Run,
    /// An agent's hook: asks before each tool call.
    Hook,
}

/// The first call on a connection, due within two seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub proto: Text,
    pub role: Role,
    /// Whom the caller means to talk to, if it knows.
    #[serde(default)]
    pub run: Option<Text>,
    #[serde(default)]
    pub capabilities: Vec<Text>,
}

/// The answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    pub proto: Text,
    pub run: Text,
    /// The kernel's id of this boot: process ids and start times of another boot mean nothing.
    pub boot_id: Text,
    pub server: Text,
    #[serde(default)]
    pub capabilities: Vec<Text>,
}

/// A call after `hello`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
pub enum Call {
    Hello(Hello),
    /// Answered with [`Status`].
    Status(Nothing),
    /// Answered with [`Snapshot`]; then `update` notifications follow, each with a [`Snapshot`].
    Subscribe(Nothing),
    /// Answered at once with [`Stop`]; `update`s tell how it goes on. Closing the connection cancels nothing.
    Stop(StopCall),
    /// Role [`Role::Run`]: answers a `interrupt` notification. Answered with `true`.
    Ack(Ack),
    /// Role [`Role::Run`]: one line of redkey events, as in a stream. Answered with `true`.
    Event(Box<Raw>),
    /// Answered with [`Clock`] after the change.
    Grant(GrantCall),
    /// Answered with [`Clock`] after the change.
    Take(GrantCall),
    /// Answered with `[Gate]`.
    GateList(Nothing),
    /// Answered with the [`Gate`]; an error if it is unknown or was answered already.
    GateAnswer(GateAnswer),
    /// Role [`Role::Run`]: asks a person. Answered with [`Gate`] when a person has, or when time is up.
    GateAsk(GateAsk),
    /// Role [`Role::Hook`]: may this go on? Answered with [`HookAnswer`], possibly much later.
    Hook(HookCall),
    /// Lets a run that is held go on. Answered with [`Clock`].
    Release(Why),
}

/// Parameters of a method that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// JSON that is passed on unread.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Raw(pub Box<RawValue>);

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopCall {
    /// Made by the caller. Repeating it returns the state of that stop.
    pub interrupt_id: Text,
    pub mode: Mode,
    #[serde(default)]
    pub reason: Text,
    /// `screen`, `command`, …
    #[serde(default)]
    pub by: Text,
}

/// What an agent answers to an interrupt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    pub interrupt_id: Text,
    /// It has stopped working and waits; without, it has merely heard.
    #[serde(default)]
    pub idle: bool,
}

/// The notification `interrupt`, to connections with role [`Role::Run`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interrupt {
    pub interrupt_id: Text,
    pub reason: Text,
    /// After so long the next rung follows, whatever was answered. For an interrupt none does.
    #[serde(deserialize_with = "ms")]
    pub deadline_ms: Span,
    #[serde(default)]
    pub mode: Wish,
}

/// What whoever asks an agent wants of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// To end: signals follow if it doesn't.
    #[default]
    Stop,
    /// To stop what it does, and to wait.
    Interrupt,
}

impl From<Mode> for Wish {
    fn from(mode: Mode) -> Self {
        if mode == Mode::Interrupt { Wish::Interrupt } else { Wish::Stop }
    }
}

/// The notification `resume`, to connections with role [`Role::Run`]: a run that was held may go on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    pub reason: Text,
    /// On its clock; `None`: it is not known.
    #[serde(default, deserialize_with = "some_ms")]
    pub left_ms: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrantCall {
    #[serde(deserialize_with = "ms")]
    pub amount_ms: Span,
    #[serde(default)]
    pub reason: Text,
    #[serde(default)]
    pub by: Text,
    /// The other run of a transfer.
    #[serde(default)]
    pub other: Option<Text>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Why {
    #[serde(default)]
    pub reason: Text,
    #[serde(default)]
    pub by: Text,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateAsk {
    pub text: Text,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GateAnswer {
    pub gate: Text,
    pub allow: bool,
    #[serde(default)]
    pub reason: Text,
    #[serde(default)]
    pub by: Text,
}

/// What an agent's hook was told, as far as redkey needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HookCall {
    pub agent: Agent,
    pub session: Text,
    /// The agent's own name of the event: `PreToolUse`, `BeforeTool`, …
    pub event: Text,
    /// The tool and its input, as the agent's own JSON.
    #[serde(default)]
    pub tool: Option<Text>,
    #[serde(default)]
    pub input: Option<Raw>,
    /// The call's id, where the agent tells it.
    #[serde(default)]
    pub call: Option<Text>,
    /// The subagent that asks.
    #[serde(default)]
    pub branch: Option<Text>,
    /// The hook must have answered after so long.
    #[serde(deserialize_with = "ms")]
    pub deadline_ms: Span,
}

/// What the hook tells its agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub enum HookAnswer {
    /// redkey has nothing to say.
    Pass,
    /// A person allowed it.
    Allow { why: Text },
    /// This call is refused, the agent goes on.
    Deny { why: Text },
    /// This call is refused and the run ends, where the agent can be made to.
    End { why: Text },
}

/// A held action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    pub id: Text,
    pub run: Text,
    /// The call as a person reads it: `Bash git push origin main`.
    pub what: Text,
    /// The policy's line that holds it.
    pub because: Text,
    /// The agent's id of the call, to find it in the transcript.
    #[serde(default)]
    pub call: Option<Text>,
    pub asked: Stamp,
    /// No answer until then is a denial.
    pub until: Stamp,
    pub state: GateState,
    #[serde(default)]
    pub by: Text,
    #[serde(default)]
    pub reason: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateState {
    Waiting,
    Allowed,
    Denied,
    /// Nobody answered in time: denied.
    Expired,
    /// Whoever asked has gone.
    Withdrawn,
}

/// A run's clock as its meter reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clock {
    #[serde(deserialize_with = "ms")]
    pub granted_ms: Span,
    #[serde(deserialize_with = "ms")]
    pub spent_ms: Span,
    #[serde(deserialize_with = "ms")]
    pub left_ms: Span,
    /// The meter that has run out or will first, by its name.
    #[serde(default)]
    pub binding: Text,
    /// It, or a cap, has run out.
    #[serde(default)]
    pub out: bool,
    /// The run stands still until a person answers.
    #[serde(default)]
    pub held: bool,
}

/// What the meter of a run knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metered {
    pub agent: Option<Agent>,
    /// Runs as they are named elsewhere, `claude:0f3a…`, the first is the one that came first.
    pub sessions: Vec<Text>,
    /// `None`: nothing was recognised so far.
    pub clock: Option<Clock>,
    /// The budget given to this run at its start, where it differs from the policy's.
    #[serde(default, deserialize_with = "some_ms")]
    pub budget_ms: Option<Span>,
    pub gates: Vec<Gate>,
    /// What the person should know: warnings that have gone off, in words, newest last.
    pub notes: Vec<Text>,
}

/// A run as its socket tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The name of its socket.
    pub run: Text,
    #[serde(default)]
    pub label: Text,
    pub command: Text,
    pub cwd: Text,
    pub started: Stamp,
    /// The agent's own process.
    pub leader: Option<ProcId>,
    pub supervisor: Option<ProcId>,
    #[serde(default)]
    pub guardian: Option<ProcId>,
    /// `None`: redkey did not start it; its hook is all there is.
    pub grade: Option<Grade>,
    /// Why the grade is not a better one.
    #[serde(default)]
    pub grade_why: Text,
    pub at_zero: AtZero,
    /// Processes of the run, as last counted.
    pub alive: u32,
    pub stop: Option<Stop>,
    /// The meter is there and answers.
    pub meter: bool,
    pub metered: Metered,
    /// The audit log can't be written.
    #[serde(default)]
    pub audit_degraded: bool,
}

/// A run's status with its place in the order of updates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub seq: u64,
    pub status: Status,
}

/// Amounts of time go over the wire as whole milliseconds, while a [`Span`] by itself reads only what people write.
fn ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
    i64::deserialize(deserializer).map(Span)
}

fn some_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Span>, D::Error> {
    Ok(Option::<i64>::deserialize(deserializer)?.map(Span))
}

/// Error codes: those of JSON-RPC, and our own.
pub mod code {
    pub const PARSE: i32 = -32700;
    pub const INVALID_REQUEST: i32 = -32600;
    pub const NO_METHOD: i32 = -32601;
    pub const INVALID_PARAMS: i32 = -32602;
    pub const INTERNAL: i32 = -32603;
    /// The role may not do this.
    pub const REFUSED: i32 = -32000;
    /// No common version.
    pub const VERSION: i32 = -32001;
    /// `hello` comes first.
    pub const NO_HELLO: i32 = -32002;
    /// What is meant isn't there, or isn't any more.
    pub const UNKNOWN: i32 = -32003;
    /// The meter isn't there.
    pub const NO_METER: i32 = -32004;
    /// More than is taken: connections, bytes, time.
    pub const LIMIT: i32 = -32005;
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    pub code: i32,
    pub message: Text,
}

impl RpcError {
    /// `code` is one of [`code`]; `message` tells a person what to do.
    pub fn new(code: i32, message: &str) -> Self {
        Self { code, message: Text::new(message) }
    }
}
