//! One normalised fact on a run's stream. Adapters make events, everything downstream reads only these.
//!
//! All text in an event is already [`Text`], except [`ToolInput::command`], which exists to be parsed by
//! [`super::shell`] and is never printed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::text::Text;
use super::time::{Span, Stamp};
use super::tool::ToolInput;
use super::usage::{Usage, Usd};

/// Which program a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Agent {
    Claude,
    Codex,
    Gemini,
    Opencode,
    Pi,
    Qwen,
    Native,
}

impl Agent {
    pub const ALL: [Agent; 7] =
        [Agent::Claude, Agent::Codex, Agent::Gemini, Agent::Opencode, Agent::Pi, Agent::Qwen, Agent::Native];

    pub fn name(self) -> &'static str {
        match self {
            Agent::Claude => "claude",
            Agent::Codex => "codex",
            Agent::Gemini => "gemini",
            Agent::Opencode => "opencode",
            Agent::Pi => "pi",
            Agent::Qwen => "qwen",
            Agent::Native => "native",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.name() == name)
    }
}

/// A run: the agent and its own id for the session (Claude's session, Codex's root thread, …). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RunId {
    pub agent: Agent,
    pub session: Arc<str>,
}

impl RunId {
    /// `session` is cleaned; ids are printed.
    pub fn new(agent: Agent, session: &str) -> Self {
        Self { agent, session: Arc::from(Text::limited(session, 120).as_str()) }
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.agent.name(), self.session)
    }
}

/// One fact.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub run: RunId,
    /// The subagent that did it; `None` is the run itself.
    pub branch: Option<Arc<str>>,
    /// When it happened, if the stream says so. The engine falls back to the time of arrival.
    pub at: Option<Stamp>,
    pub body: Body,
}

/// A stable 64-bit digest of an id. Two facts with one key are one fact, told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(pub u64);

impl Key {
    /// Digest of `parts`, in order; parts can't run into each other.
    pub fn of(parts: &[&str]) -> Self {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// What a run declares about itself. Every field is optional; later facts fill gaps, a new model or title replaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunInfo {
    /// What a native agent calls itself.
    pub name: Option<Text>,
    pub version: Option<Text>,
    pub model: Option<Text>,
    /// Working directory, as the agent wrote it.
    pub cwd: Option<Text>,
    /// What the run is about: a title, else the first prompt.
    pub title: Option<Text>,
    pub label: Option<Text>,
    /// The clock this run declared for itself (native runs).
    pub budget: Option<Span>,
    /// What it expected to need (native runs).
    pub expect: Option<Span>,
    /// What it promised to leave behind (native runs), in words.
    pub contract: Vec<Text>,
    /// A person sits at this run: the end of a turn means waiting, not finished.
    pub interactive: Option<bool>,
    /// The session that this one was forked from.
    pub forked_from: Option<Text>,
}

/// One answer of a model. The same `key` again replaces what was known of that answer; it is never added.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelCall {
    /// `None`: the stream gives answers no id; each event is an answer of its own.
    pub key: Option<Key>,
    /// The answer's id without the request that it came in, where streams tell both (Claude Code). Copies of one
    /// answer share it: records without a request id, and what a subagent repeats of its parent under new requests.
    /// A call on the main branch is also known by this key to the calls on other branches.
    pub message: Option<Key>,
    pub model: Option<Text>,
    pub usage: Usage,
    /// What the agent itself says it cost.
    pub cost: Option<Usd>,
}

/// The agent's own running total for its session; replaces everything counted up to then.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    pub usage: Option<Usage>,
    pub cost: Option<Usd>,
    /// Subagents are included in these figures; if not, only the main branch is replaced.
    pub with_subagents: bool,
    /// Models with what each took, where the agent says so.
    pub models: Vec<(Text, Usage)>,
}

/// How a tool call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    No,
    /// The agent says that it failed.
    Flagged,
    /// The agent calls it a success, but its output says otherwise. A heuristic, shown as one.
    Inferred,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    #[default]
    Finished,
    Failed,
    /// Somebody or something stopped it: a person, a signal, a hook.
    Interrupted,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Finished => "finished",
            Outcome::Failed => "failed",
            Outcome::Interrupted => "interrupted",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    Info(RunInfo),
    /// A person, or a parent run, gave it something to do: it works from here on.
    Prompt {
        text: Text,
    },
    /// The agent said something. `thinking` texts are not an answer.
    Message {
        text: Text,
        thinking: bool,
    },
    ModelCall(ModelCall),
    Totals(Totals),
    /// `key` joins call and result, and makes a call that is told twice count once.
    ToolCall {
        key: Key,
        tool: Text,
        input: Box<ToolInput>,
    },
    ToolResult {
        key: Key,
        failure: Failure,
        text: Text,
    },
    /// The provider refused or dropped a request. `retrying`: the agent goes on by itself.
    ApiError {
        text: Text,
        retrying: bool,
    },
    /// `by_call`: a tool call of this stream has announced (and paid for) it.
    SubagentStarted {
        id: Arc<str>,
        parent: Option<Arc<str>>,
        depth: u16,
        name: Text,
        by_call: bool,
    },
    SubagentEnded {
        id: Arc<str>,
        outcome: Outcome,
    },
    /// Options open before and after a decision.
    Decision {
        text: Text,
        before: u32,
        after: u32,
    },
    /// The run asks a person and stands still until answered.
    ApprovalAsked {
        text: Text,
    },
    ApprovalAnswered {
        allowed: bool,
        text: Text,
    },
    /// Something proved the work so far: tests passed, a contract held, a person looked.
    Verified {
        text: Text,
    },
    /// Time given to (or, negative, taken from) the run, by whom and why.
    Granted {
        amount: Span,
        by: Text,
        reason: Text,
    },
    Warning {
        text: Text,
    },
    /// The agent's turn is over. An interactive run waits for a person now.
    TurnEnded,
    Ended {
        outcome: Outcome,
        reason: Text,
    },
    /// A line that could not be read as what it claims to be. Counted, shown, never fatal.
    Unparsed {
        why: Text,
    },
}
