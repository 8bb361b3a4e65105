//! Events change a run here and nowhere else.

use std::sync::Arc;

use super::timeline::{Entry, EntryKind, Origin};
use super::{Branch, Context, Pending, Phase, Run};
use crate::domain::event::{Body, Event, Failure, Key, ModelCall, Outcome, RunInfo};
use crate::domain::meter::Meter;
use crate::domain::rules::Rules;
use crate::domain::statement::{Factors, Rule};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tokens::Counted;

/// Branches kept of one run; more share the last.
const MAX_BRANCHES: usize = 4_096;
/// How far behind the newest event one may be and still count as news: files of one run are written a little apart,
/// and a line without a time counts as of its arrival.
const LATE: Span = Span(5_000);
/// Decisions kept for the curve of open options.
const MAX_OPTIONS: usize = 256;

impl Run {
    /// Applies one event of this run. `at` is the event's own time, or that of its arrival. The same events in the
    /// same order give the same statement, however they were batched.
    pub fn apply(&mut self, event: &Event, at: Stamp, origin: Origin, cx: &mut Context<'_>) {
        if let Body::Info(info) = &event.body {
            self.learn(info, cx);
        }
        self.charge_wall(at, cx.rules);
        self.first_at = Some(self.first_at.map_or(at, |first| first.min(at)));
        let is_over = self.phase == Phase::Ended || event.branch.is_some();
        let slack = if is_over { Span::ZERO } else { LATE };
        let is_late = self.last_at.is_some_and(|last| at + slack < last);
        self.last_at = Some(self.last_at.map_or(at, |last| last.max(at)));
        self.counts.events += 1;
        let branch = self.branch_of(event.branch.as_ref(), at);
        if !is_late && self.starts_work(&event.body, cx) {
            self.start_work(branch);
        }
        let spent = match &event.body {
            Body::Info(_) => None,
            Body::ModelCall(call) => self.model_call(call, branch, event.at, at, cx),
            Body::Totals(totals) => {
                let before = self.meters();
                self.tokens.totals(totals, event.at, cx.prices);
                self.burn_since(before);
                Some((
                    self.charge_tokens(at, branch, Span::ZERO, "usage told late", cx.rules),
                    EntryKind::Model,
                    Text::default(),
                ))
                .filter(|(spent, ..)| *spent > Span::ZERO)
            }
            Body::ToolCall { key, tool, input } => {
                if cx.seen.note(self.salted(*key, 0), self.number).is_some() {
                    None
                } else {
                    self.counts.tool_calls += 1;
                    self.branches[usize::from(branch)].tools += 1;
                    self.burns[Meter::Tools as usize].burn(1.0);
                    let spent = self.charge_call(at, branch, *key, tool, input, cx.rules);
                    Some((spent, EntryKind::Tool, Text::new(&format!("{tool} {}", input.summary))))
                }
            }
            Body::ToolResult { key, failure, text } => self.tool_result(*key, *failure, text, branch, at, cx),
            Body::ApiError { text, .. } => {
                self.counts.api_errors += 1;
                self.api_streak += 1;
                let spent = self.charge_failure(at, branch, self.api_streak, text.clone(), cx.rules);
                Some((spent, EntryKind::ApiError, text.clone()))
            }
            Body::SubagentStarted { id, parent, depth, name, by_call } => {
                let spent = self.subagent(id, parent.as_ref(), *depth, name, *by_call, at, cx);
                Some((spent, EntryKind::Subagent, name.clone()))
            }
            Body::Decision { text, before, after } => {
                if self.options.len() >= MAX_OPTIONS {
                    self.options.remove(0);
                }
                self.options.push((at, *before, *after));
                let spent = self.charge_decision(at, branch, *before, *after, text.clone(), cx.rules);
                Some((spent, EntryKind::Decision, Text::new(&format!("{before} → {after} options: {text}"))))
            }
            other => self.plain(other, branch, at),
        };
        if let Some((amount, kind, what)) = spent {
            self.timeline.push(Entry { at, kind, branch, what, amount, origin });
        }
    }

    /// Facts after which the run works, whatever it did before. What is told again is no such fact; neither is a model
    /// call alone, which may be an agent's housekeeping between turns.
    fn starts_work(&self, body: &Body, cx: &Context<'_>) -> bool {
        match body {
            Body::Prompt { .. } | Body::Message { .. } => true,
            Body::ModelCall(_) => self.phase == Phase::New,
            Body::ToolCall { key, .. } => !cx.seen.holds(self.salted(*key, 0)),
            Body::ToolResult { key, .. } => !cx.seen.holds(self.salted(*key, 1)),
            _ => false,
        }
    }

    /// Something was done: the run works, or its subagents do while its own turn is over.
    fn start_work(&mut self, branch: u16) {
        if branch == 0 {
            self.phase = Phase::Working;
            self.outcome = None;
            self.background = false;
        } else if self.phase != Phase::Working && self.branches[usize::from(branch)].ended.is_none() {
            let was_cut_off = self.outcome.as_ref().is_some_and(|(outcome, _)| *outcome != Outcome::Finished);
            self.background = !was_cut_off;
        }
    }

    /// The run's own turn is over; its subagents may be in the middle of something.
    fn rest(&mut self, phase: Phase) {
        self.pending.retain(|p| p.branch != 0);
        self.statement.close();
        self.phase = phase;
        let is_open = |p: &Pending| self.branches[usize::from(p.branch)].ended.is_none();
        self.background = self.pending.iter().any(is_open);
    }

    /// A subagent is done; when it was the last one, a run whose own turn is over rests again.
    fn end_branch(&mut self, index: usize, outcome: Outcome) -> bool {
        let first = self.branches[index].ended.replace(outcome).is_none();
        self.pending.retain(|p| usize::from(p.branch) != index);
        if self.branches.iter().skip(1).all(|branch| branch.ended.is_some()) {
            self.background = false;
        }
        first
    }

    /// Facts that charge nothing.
    fn plain(&mut self, body: &Body, branch: u16, at: Stamp) -> Option<(Span, EntryKind, Text)> {
        let entry = |kind, text: &Text| Some((Span::ZERO, kind, text.clone()));
        match body {
            Body::Prompt { text } => {
                if branch == 0 {
                    // Whatever it was doing has been given up.
                    self.pending.retain(|p| p.branch != 0);
                    if self.facts.title.is_empty() {
                        self.facts.title = text.clone();
                    }
                }
                entry(EntryKind::Prompt, text)
            }
            Body::Message { text, thinking: false } => {
                self.branches[usize::from(branch)].doing = text.clone();
                entry(EntryKind::Message, text)
            }
            Body::SubagentEnded { id, outcome } => {
                let index = self.branches.iter().position(|b| b.id.as_ref() == Some(id))?;
                if !self.end_branch(index, *outcome) {
                    return None;
                }
                let text = Text::new(&format!("{} {}", self.branches[index].name, outcome.name()));
                Some((Span::ZERO, EntryKind::Subagent, text))
            }
            Body::ApprovalAsked { text } => {
                self.phase = Phase::Waiting;
                entry(EntryKind::Approval, text)
            }
            Body::ApprovalAnswered { allowed, text } => {
                self.phase = Phase::Working;
                self.unverified_chain = 0;
                let word = if *allowed { "allowed" } else { "denied" };
                Some((Span::ZERO, EntryKind::Approval, Text::new(&format!("{word} {text}"))))
            }
            Body::Verified { text } => {
                self.unverified_chain = 0;
                entry(EntryKind::Verified, text)
            }
            Body::Granted { amount, by, reason } => {
                self.budget_fixed = true;
                let what = self.granted(at, branch, *amount, by, reason);
                Some((-*amount, EntryKind::Grant, what))
            }
            Body::Warning { text } => entry(EntryKind::Warning, text),
            Body::TurnEnded if branch == 0 => {
                self.rest(Phase::TurnOver);
                None
            }
            Body::Ended { outcome, reason } if branch == 0 => {
                self.rest(Phase::Ended);
                self.outcome = Some((*outcome, reason.clone()));
                Some((Span::ZERO, EntryKind::End, Text::new(&format!("{}: {reason}", outcome.name()))))
            }
            Body::Ended { outcome, .. } => {
                self.end_branch(usize::from(branch), *outcome);
                None
            }
            Body::Unparsed { why } => {
                self.counts.unparsed += 1;
                entry(EntryKind::Unparsed, why)
            }
            _ => None,
        }
    }

    fn learn(&mut self, info: &RunInfo, cx: &Context<'_>) {
        fn fill(slot: &mut Text, new: &Option<Text>, replace: bool) {
            if let Some(new) = new.as_ref().filter(|n| !n.is_empty())
                && (replace || slot.is_empty())
            {
                *slot = new.clone();
            }
        }
        let facts = &mut self.facts;
        fill(&mut facts.name, &info.name, false);
        fill(&mut facts.version, &info.version, true);
        fill(&mut facts.model, &info.model, true);
        fill(&mut facts.cwd, &info.cwd, false);
        fill(&mut facts.title, &info.title, true);
        fill(&mut facts.label, &info.label, false);
        facts.expect = facts.expect.or(info.expect);
        facts.interactive = info.interactive.or(facts.interactive);
        if facts.forked_from.is_none() {
            facts.forked_from.clone_from(&info.forked_from);
        }
        if facts.contract.is_empty() {
            facts.contract.clone_from(&info.contract);
        }
        // A run that nobody sits at has begun by being there; at the others a person may have to type first.
        if self.phase == Phase::New && self.facts.interactive == Some(false) {
            self.phase = Phase::Working;
        }
        self.settle_budget(info.budget, cx.rules);
    }

    /// What a run of this agent gets before it says where it runs.
    pub fn set_default_budget(&mut self, cx: &Context<'_>) {
        self.settle_budget(None, cx.rules);
    }

    /// The clock is set before the first charge and from then on changes by grants alone.
    pub(super) fn settle_budget(&mut self, declared: Option<Span>, rules: &Rules) {
        if self.budget_fixed {
            return;
        }
        let allowance = rules.allowance(self.id.agent, self.facts.cwd.as_str(), self.facts.label.as_str());
        if !self.caps_given {
            self.caps = allowance.caps;
        }
        match declared {
            _ if self.budget_given => {}
            Some(declared) => {
                // Where a rule is about this run, what it gives is the most that can be declared.
                let most = rules.policy.budget.declared_max;
                let most = if allowance.is_by_rule() { most.min(allowance.clock) } else { most };
                self.clock.granted = declared.clamp(Span::ZERO, most.max(Span::ZERO)) + self.grants;
                self.because = Text::new("declared by the run");
                self.budget_fixed = true;
            }
            None => {
                self.clock.granted = allowance.clock + self.grants;
                self.because = Text::new(&allowance.because);
            }
        }
    }

    fn model_call(
        &mut self,
        call: &ModelCall,
        branch: u16,
        told_at: Option<Stamp>,
        at: Stamp,
        cx: &mut Context<'_>,
    ) -> Option<(Span, EntryKind, Text)> {
        if let (0, Some(model)) = (branch, &call.model) {
            self.facts.model = model.clone();
        }
        let before = self.meters();
        let counted = self.tokens.call(call, branch != 0, told_at, cx.prices, cx.seen, self.number);
        self.burn_since(before);
        let output = self.tokens.usage().written().saturating_sub(before.1.written());
        self.branches[usize::from(branch)].output_tokens += output;
        let model = call.model.clone().unwrap_or_default();
        match counted {
            Counted::Repeat => None,
            Counted::More => {
                let spent = self.charge_tokens(at, branch, Span::ZERO, &format!("{model} more output"), cx.rules);
                (spent > Span::ZERO).then_some((spent, EntryKind::Model, model))
            }
            Counted::New => {
                self.api_streak = 0;
                if branch == 0 {
                    self.counts.turns += 1;
                    self.burns[Meter::Turns as usize].burn(1.0);
                }
                let spent = self.charge_tokens(at, branch, cx.rules.price(Rule::ModelCall), model.as_str(), cx.rules);
                Some((spent, EntryKind::Model, model))
            }
        }
    }

    fn meters(&self) -> (f64, crate::domain::usage::Usage) {
        (self.tokens.cost().usd.as_f64(), self.tokens.usage())
    }

    fn burn_since(&mut self, (usd, usage): (f64, crate::domain::usage::Usage)) {
        let (usd_now, usage_now) = self.meters();
        self.burns[Meter::Usd as usize].burn(usd_now - usd);
        self.burns[Meter::Tokens as usize].burn(usage_now.total() as f64 - usage.total() as f64);
        self.burns[Meter::OutputTokens as usize].burn(usage_now.written() as f64 - usage.written() as f64);
    }

    fn tool_result(
        &mut self,
        key: Key,
        failure: Failure,
        text: &Text,
        branch: u16,
        at: Stamp,
        cx: &mut Context<'_>,
    ) -> Option<(Span, EntryKind, Text)> {
        if cx.seen.note(self.salted(key, 1), self.number).is_some() {
            return None;
        }
        let call = self.pending.iter().position(|p| p.key == key).map(|i| self.pending.remove(i));
        match failure {
            Failure::No => {
                self.failure_streak = 0;
                if call.as_ref().is_some_and(|c| c.verifies) {
                    self.unverified_chain = 0;
                    let what = call.map(|c| c.what).unwrap_or_default();
                    return Some((Span::ZERO, EntryKind::Verified, what));
                }
                Some((Span::ZERO, EntryKind::Result, text.clone()))
            }
            failed => {
                match failed {
                    Failure::Inferred => self.counts.failed_inferred += 1,
                    _ => self.counts.failed += 1,
                }
                self.failure_streak += 1;
                self.branches[usize::from(branch)].failures += 1;
                let what = match call {
                    Some(call) if !text.is_empty() => Text::new(&format!("{}: {text}", call.what)),
                    Some(call) => call.what,
                    None => text.clone(),
                };
                let spent = self.charge_failure(at, branch, self.failure_streak, what.clone(), cx.rules);
                Some((spent, EntryKind::Failure, what))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call site; the fields of one event")]
    fn subagent(
        &mut self,
        id: &Arc<str>,
        parent: Option<&Arc<str>>,
        depth: u16,
        name: &Text,
        by_call: bool,
        at: Stamp,
        cx: &Context<'_>,
    ) -> Span {
        let known = self.branches.iter().any(|b| b.id.as_ref() == Some(id));
        let parent = self.branch_of(parent, at);
        let index = usize::from(self.branch_of(Some(id), at));
        let branch = &mut self.branches[index];
        branch.depth = depth.max(1);
        branch.parent = parent;
        if !name.is_empty() {
            branch.name = name.clone();
        }
        self.counts.depth = self.counts.depth.max(u64::from(depth.max(1)));
        if by_call || known {
            return Span::ZERO;
        }
        self.counts.spawned += 1;
        let base = Span(cx.rules.price(Rule::Spawn).0.saturating_mul(i64::from(depth.max(1))));
        self.charge(at, parent, Rule::Spawn, base, Factors::NONE, name.clone())
    }

    /// Index of a branch, made when first met.
    fn branch_of(&mut self, id: Option<&Arc<str>>, at: Stamp) -> u16 {
        let Some(id) = id else { return 0 };
        let found = self.branches.iter().position(|b| b.id.as_ref() == Some(id));
        let index = found.unwrap_or_else(|| {
            if self.branches.len() < MAX_BRANCHES {
                self.branches.push(Branch::new(Some(id.clone()), 0, 1, Text::new(id), Some(at)));
                self.counts.depth = self.counts.depth.max(1);
            }
            self.branches.len() - 1
        });
        u16::try_from(index).unwrap_or(0)
    }

    /// A key that is this run's own: a copy of it in another run is another key.
    fn salted(&self, key: Key, salt: u64) -> Key {
        let own = (u64::from(self.number) << 1 | salt).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Key(key.0 ^ own)
    }
}
