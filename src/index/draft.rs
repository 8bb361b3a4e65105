//! PURE. Facts of one file as they are met, from the walkers or as an adapter's events.

use std::collections::HashMap;

use super::part::{Answer, Fact, Part};
use crate::domain::event::{Agent, Body, Event, Failure, Key, ModelCall, RunId, RunInfo};
use crate::domain::rules::Rules;
use crate::domain::statement::Rule;
use crate::domain::text::Text;
use crate::domain::time::Stamp;
use crate::domain::tool::{Kind, ToolInput};

/// Answers whose later lines are merged into their first: as many as [`crate::domain::tokens`] lets be replaced.
const RECENT: usize = 32;

/// Subagents counted of one file, at most.
const MAX_BRANCHES: usize = 4_096;

/// Collects what a file says, by session.
pub struct Draft<'r> {
    rules: &'r Rules,
    pub parts: Vec<Part>,
    /// For each part, the latest answers and their places among its facts.
    recent: Vec<Recent>,
    current: usize,
    /// Tools by whether they start a subagent.
    tools: HashMap<String, bool>,
}

#[derive(Default)]
struct Recent {
    keys: [u64; RECENT],
    places: [usize; RECENT],
    /// How many were met in all.
    met: usize,
}

impl Recent {
    fn place(&self, key: Key) -> Option<usize> {
        let held = self.met.min(RECENT);
        self.keys[..held].iter().position(|known| *known == key.0).map(|i| self.places[i])
    }

    fn note(&mut self, key: Key, place: usize) {
        let slot = self.met % RECENT;
        (self.keys[slot], self.places[slot]) = (key.0, place);
        self.met += 1;
    }
}

/// Digest of an id: a subagent's, for counting.
pub fn digest(id: &str) -> u64 {
    Key::of(&[id]).0
}

impl<'r> Draft<'r> {
    pub fn new(rules: &'r Rules) -> Self {
        Self { rules, parts: Vec::new(), recent: Vec::new(), current: 0, tools: HashMap::new() }
    }

    /// The part of the session that `session` names; it is the current one from here on.
    pub fn enter(&mut self, agent: Agent, session: &str) {
        let is_same = |part: &Part| *part.run.session == *session && part.run.agent == agent;
        if self.parts.get(self.current).is_some_and(is_same) {
            return;
        }
        let run = RunId::new(agent, session);
        self.current = self.parts.iter().position(|part| part.run == run).unwrap_or_else(|| {
            self.parts.push(Part::new(run));
            self.recent.push(Recent::default());
            self.parts.len() - 1
        });
    }

    /// The current part. There is one once anything was entered.
    pub fn part(&mut self) -> Option<&mut Part> {
        self.parts.get_mut(self.current)
    }

    /// Notes when something happened.
    pub fn time(&mut self, at: Option<Stamp>) {
        let (Some(at), Some(part)) = (at, self.part()) else { return };
        part.about.first = Some(part.about.first.map_or(at, |first| first.min(at)));
        part.about.last = Some(part.about.last.map_or(at, |last| last.max(at)));
    }

    /// Notes who did it. True if that is news.
    pub fn branch(&mut self, digest: u64) -> bool {
        let Some(part) = self.part() else { return false };
        let is_new = part.branches.len() < MAX_BRANCHES && !part.branches.contains(&digest);
        if is_new {
            part.branches.push(digest);
        }
        is_new
    }

    /// The index of a model in the current part.
    pub fn model(&mut self, name: &str) -> Option<u16> {
        let part = self.part()?;
        let known = part.models.iter().rposition(|model| model.as_str() == name);
        let index = match known {
            Some(index) => index,
            None => {
                let clean = Text::new(name);
                part.models.iter().position(|model| *model == clean).unwrap_or_else(|| {
                    part.models.push(clean);
                    part.models.len() - 1
                })
            }
        };
        u16::try_from(index).ok()
    }

    /// Notes an answer, or more of one.
    pub fn answer(&mut self, answer: Answer) {
        let (Some(part), Some(recent)) = (self.parts.get_mut(self.current), self.recent.get_mut(self.current)) else {
            return;
        };
        let told = answer.model.and_then(|model| part.models.get(usize::from(model)));
        if let (false, Some(model)) = (answer.is_branch, told)
            && part.about.model != *model
        {
            part.about.model = model.clone();
        }
        if let Some(key) = answer.key {
            if let Some(Fact::Answer(known)) = recent.place(key).and_then(|place| part.facts.get_mut(place)) {
                known.usage = known.usage.max(answer.usage);
                known.cost = answer.cost;
                known.model = answer.model.or(known.model);
                return;
            }
            recent.note(key, part.facts.len());
        }
        part.facts.push(Fact::Answer(answer));
    }

    /// Notes a tool call.
    pub fn call(&mut self, key: Key, agent: Agent, tool: &str, kind: Option<Kind>) {
        let spawns = self.spawns(agent, tool, kind);
        let Some(part) = self.part() else { return };
        part.calls.push(key.0);
        if spawns {
            part.spawns.push(key.0);
        }
    }

    /// Does this tool start a subagent?
    pub fn spawns(&mut self, agent: Agent, tool: &str, kind: Option<Kind>) -> bool {
        let ask = |rules: &Rules| {
            let input = ToolInput { kind, ..ToolInput::default() };
            rules.classify(agent, &Text::new(tool), &input, "").rule == Rule::Spawn
        };
        if kind.is_some() {
            return ask(self.rules);
        }
        match self.tools.get(tool) {
            Some(spawns) => *spawns,
            None => {
                let spawns = ask(self.rules);
                if self.tools.len() < 256 {
                    self.tools.insert(tool.to_owned(), spawns);
                }
                spawns
            }
        }
    }

    /// Notes a failed result.
    pub fn failed(&mut self, key: Key, failure: Failure) {
        let Some(part) = self.part() else { return };
        match failure {
            Failure::No => {}
            Failure::Flagged => part.failed.push(key.0),
            Failure::Inferred => part.inferred.push(key.0),
        }
    }

    /// Takes what an adapter says, as [`crate::domain::run::Run::apply`] does.
    pub fn event(&mut self, event: &Event) {
        self.enter(event.run.agent, &event.run.session);
        self.time(event.at);
        if let Some(branch) = &event.branch {
            self.branch(digest(branch));
        }
        match &event.body {
            Body::Info(info) => self.info(info),
            Body::Prompt { text } => {
                if let Some(part) = self.part().filter(|part| part.about.title.is_empty())
                    && event.branch.is_none()
                {
                    part.about.title = text.clone();
                }
            }
            Body::ModelCall(call) => self.model_call(call, event),
            Body::Totals(totals) => {
                if let Some(part) = self.part() {
                    part.facts.push(Fact::Total(totals.clone(), event.at));
                }
            }
            Body::ToolCall { key, tool, input } => self.call(*key, event.run.agent, tool.as_str(), input.kind),
            Body::ToolResult { key, failure, .. } => self.failed(*key, *failure),
            Body::SubagentStarted { id, parent, by_call, .. } => {
                if let Some(parent) = parent {
                    self.branch(digest(parent));
                }
                let id = digest(id);
                if self.branch(id)
                    && !by_call
                    && let Some(part) = self.part()
                {
                    part.uncalled.push(id);
                }
            }
            Body::Unparsed { .. } => {
                if let Some(part) = self.part() {
                    part.unparsed += 1;
                }
            }
            _ => {}
        }
    }

    fn info(&mut self, info: &RunInfo) {
        fn fill(slot: &mut Text, new: &Option<Text>, replace: bool) {
            if let Some(new) = new.as_ref().filter(|new| !new.is_empty())
                && (replace || slot.is_empty())
            {
                *slot = new.clone();
            }
        }
        let Some(part) = self.part() else { return };
        let about = &mut part.about;
        fill(&mut about.title, &info.title, true);
        fill(&mut about.cwd, &info.cwd, false);
        fill(&mut about.model, &info.model, true);
        fill(&mut about.forked_from, &info.forked_from, false);
        fill(&mut about.name, &info.name, false);
    }

    fn model_call(&mut self, call: &ModelCall, event: &Event) {
        let model = call.model.as_ref().and_then(|model| self.model(model.as_str()));
        self.answer(Answer {
            key: call.key,
            message: call.message,
            model,
            is_branch: event.branch.is_some(),
            at: event.at,
            usage: call.usage,
            cost: call.cost,
        });
    }
}
