//! One run: everything redkey knows of it, changed by events alone ([`Run::apply`]) and read by everybody.

mod apply;
mod charge;
mod given;
mod status;
mod timeline;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use super::clock::Clock;
use super::event::{Key, Outcome, RunId};
use super::forecast::{Burn, Sampler};
use super::meter::Meter;
use super::policy::Caps;
use super::price::Prices;
use super::rules::Rules;
use super::series::Series;
use super::statement::Statement;
use super::text::Text;
use super::time::{Span, Stamp};
use super::tokens::{Seen, Tokens};

pub use given::Grant;
pub use status::State;
pub use timeline::{Entry, EntryKind, Origin, Timeline};

/// Lines of statement and timeline kept of a run that is being looked at or works.
pub const KEEP_ACTIVE: usize = 400;
/// Lines kept of a run that is quiet; the rest is read again from its source when somebody looks.
pub const KEEP_QUIET: usize = 12;

/// What a run says about itself, merged.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What a native agent calls itself.
    pub name: Text,
    pub version: Text,
    /// The model of the main branch, newest.
    pub model: Text,
    pub cwd: Text,
    pub title: Text,
    pub label: Text,
    pub contract: Vec<Text>,
    pub expect: Option<Span>,
    pub interactive: Option<bool>,
    pub forked_from: Option<Text>,
}

/// A subagent, or (index 0) the run itself.
#[derive(Clone, Debug)]
pub struct Branch {
    /// `None` for the run itself.
    pub id: Option<Arc<str>>,
    pub parent: u16,
    pub depth: u16,
    pub name: Text,
    pub started: Option<Stamp>,
    pub ended: Option<Outcome>,
    pub spent: Span,
    pub tools: u32,
    pub failures: u32,
    pub output_tokens: u64,
    /// The last thing it did.
    pub doing: Text,
    last_call: u64,
    repeats: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Known, but nothing was asked of it yet.
    New,
    Working,
    /// A person was asked something and is awaited.
    Waiting,
    /// The turn is over; a person may give it another.
    TurnOver,
    Ended,
}

/// A tool call without a result so far.
#[derive(Clone, Debug)]
struct Pending {
    key: Key,
    branch: u16,
    verifies: bool,
    asks: bool,
    what: Text,
}

/// Plain counts of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub turns: u64,
    pub tool_calls: u64,
    /// Failed by the agent's own word.
    pub failed: u64,
    /// Called a success by the agent, but the output says otherwise.
    pub failed_inferred: u64,
    pub api_errors: u64,
    pub depth: u64,
    pub spawned: u64,
    pub irreversible: u64,
    pub events: u64,
    pub unparsed: u64,
}

/// What [`Run::apply`] needs from around the run.
pub struct Context<'a> {
    pub rules: &'a Rules,
    pub prices: &'a Prices,
    pub seen: &'a mut Seen,
}

/// One execution of an agent on one task.
#[derive(Clone, Debug)]
pub struct Run {
    pub id: RunId,
    /// Stable number of the run in its model; shown nowhere, survives sorting.
    pub number: u32,
    pub facts: Facts,
    pub clock: Clock,
    pub caps: Caps,
    /// Which line of the policy gave clock and caps.
    pub because: Text,
    pub tokens: Tokens,
    pub counts: Counts,
    /// Real time spent working.
    pub worked: Span,
    pub branches: Vec<Branch>,
    pub first_at: Option<Stamp>,
    pub last_at: Option<Stamp>,
    pub outcome: Option<(Outcome, Text)>,
    pub statement: Statement,
    pub timeline: Timeline,
    /// Spent clock over real time.
    pub curve: Series,
    /// Options open after each decision, newest last.
    pub options: Vec<(Stamp, u32, u32)>,
    /// Actions since something was last verified.
    pub unverified_chain: u32,
    pub failure_streak: u32,
    api_streak: u32,
    phase: Phase,
    /// Subagents work on although the run's own turn is over.
    background: bool,
    pending: Vec<Pending>,
    /// Declared, or charged for: the policy has no say any more.
    budget_fixed: bool,
    /// A person gave it when the run was started.
    budget_given: bool,
    caps_given: bool,
    /// Sum of all grants, for a budget that is settled after them.
    grants: Span,
    proven_end: Option<(Stamp, Text)>,
    charged_tokens: Span,
    targets: HashSet<u64>,
    roots: HashSet<u64>,
    sampler: Sampler,
    burns: [Burn; Meter::COUNT],
}

impl Run {
    /// A run that is known by name alone so far.
    pub fn new(id: RunId, number: u32) -> Self {
        Self {
            id,
            number,
            facts: Facts::default(),
            clock: Clock::default(),
            caps: Caps::default(),
            because: Text::default(),
            tokens: Tokens::default(),
            counts: Counts::default(),
            worked: Span::ZERO,
            branches: vec![Branch::new(None, 0, 0, Text::default(), None)],
            first_at: None,
            last_at: None,
            outcome: None,
            statement: Statement::new(KEEP_ACTIVE),
            timeline: Timeline::new(KEEP_ACTIVE),
            curve: Series::default(),
            options: Vec::new(),
            unverified_chain: 0,
            failure_streak: 0,
            api_streak: 0,
            phase: Phase::New,
            background: false,
            pending: Vec::new(),
            budget_fixed: false,
            budget_given: false,
            caps_given: false,
            grants: Span::ZERO,
            proven_end: None,
            charged_tokens: Span::ZERO,
            targets: HashSet::new(),
            roots: HashSet::new(),
            sampler: Sampler::default(),
            burns: [Burn::default(); Meter::COUNT],
        }
    }

    /// Subagents, by what the stream shows: their own events, or the calls that spawned them.
    pub fn subagents(&self) -> u64 {
        self.counts.spawned.max(self.branches.len() as u64 - 1)
    }

    /// Forgets details of a run that nobody looks at. Numbers stay.
    pub fn shrink(&mut self) {
        self.statement.trim_to(KEEP_QUIET);
        self.timeline.trim_to(KEEP_QUIET);
        self.tokens.shrink();
        self.curve.shrink();
        self.branches.shrink_to_fit();
        self.targets.shrink_to_fit();
        self.roots.shrink_to_fit();
        self.pending.shrink_to_fit();
    }

    /// The agent's name as people know it.
    pub fn agent(&self) -> &str {
        if self.facts.name.is_empty() { self.id.agent.name() } else { self.facts.name.as_str() }
    }

    /// The directory's last part: what a person calls the project.
    pub fn project(&self) -> &str {
        let cwd = self.facts.cwd.as_str().trim_end_matches(['/', '\\']);
        cwd.rsplit(['/', '\\']).next().unwrap_or(cwd)
    }
}

impl Branch {
    fn new(id: Option<Arc<str>>, parent: u16, depth: u16, name: Text, started: Option<Stamp>) -> Self {
        Self {
            id,
            parent,
            depth,
            name,
            started,
            ended: None,
            spent: Span::ZERO,
            tools: 0,
            failures: 0,
            output_tokens: 0,
            doing: Text::default(),
            last_call: 0,
            repeats: 0,
        }
    }
}
