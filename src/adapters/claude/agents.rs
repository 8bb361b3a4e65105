//! Which subagents a source has shown, so that each one's start and end is told once.

use std::collections::HashMap;
use std::sync::Arc;

use crate::adapters::Out;
use crate::domain::event::{Body, Outcome};
use crate::domain::text::Text;

#[derive(Clone, Default)]
pub(super) struct Agents {
    /// By the id as written: an agent's own, or that of the tool call that started it.
    known: HashMap<String, Agent>,
}

#[derive(Clone)]
struct Agent {
    id: Arc<str>,
    depth: u16,
    /// Holds in the entry under `id` alone, whatever other names the agent has.
    open: bool,
}

impl Agents {
    /// The branch that `id` names, if it is known.
    pub(super) fn branch(&self, id: &str) -> Option<Arc<str>> {
        self.known.get(id).map(|agent| agent.id.clone())
    }

    /// Depth of what a line on `branch` starts: 1 below the run itself.
    fn depth_below(&self, branch: Option<&Arc<str>>) -> u16 {
        branch.map_or(1, |id| self.known.get(&**id).map_or(2, |agent| agent.depth.saturating_add(1)))
    }

    /// A subagent is at work. `call` is the tool call that started it, which older lines name instead of the id.
    /// The line that says so stands on the branch of whoever started it.
    pub(super) fn started(&mut self, id: &str, call: &str, depth: Option<u16>, name: &str, out: &mut Out) -> Arc<str> {
        if let Some(agent) = self.known.get(id).or_else(|| self.known.get(call).filter(|_| !call.is_empty())) {
            let agent = agent.clone();
            self.known.entry(id.to_owned()).or_insert_with(|| agent.clone());
            return agent.id;
        }
        let depth = depth.unwrap_or_else(|| self.depth_below(out.branch.as_ref()));
        let agent = Agent { id: Arc::from(Text::limited(id, 120).as_str()), depth, open: true };
        out.push(Body::SubagentStarted {
            id: agent.id.clone(),
            parent: out.branch.clone(),
            depth,
            name: Text::new(name),
            by_call: true,
        });
        if !call.is_empty() {
            self.known.insert(call.to_owned(), agent.clone());
        }
        self.known.insert(id.to_owned(), agent.clone());
        self.known.insert(agent.id.to_string(), agent.clone());
        agent.id
    }

    /// A line of this subagent: it works, or works again.
    pub(super) fn works(&mut self, id: &str) {
        if let Some(agent) = self.branch(id).and_then(|branch| self.known.get_mut(&*branch)) {
            agent.open = true;
        }
    }

    /// A subagent is done. Unknown ids are other background work, such as a shell's.
    pub(super) fn ended(&mut self, id: &str, outcome: Outcome, out: &mut Out) {
        let Some(branch) = self.branch(id) else { return };
        let Some(agent) = self.known.get_mut(&*branch) else { return };
        if agent.open {
            agent.open = false;
            out.push(Body::SubagentEnded { id: branch, outcome });
        }
    }
}

/// What a task's status says about its end; `None` while it goes on.
pub(super) fn outcome(status: &str) -> Option<Outcome> {
    match status {
        "completed" => Some(Outcome::Finished),
        "failed" | "error" => Some(Outcome::Failed),
        "stopped" | "killed" | "cancelled" | "interrupted" => Some(Outcome::Interrupted),
        _ => None,
    }
}
