//! PURE. The cross-check: a call that should have been held, of a session whose hook is installed, and that has run
//! without any gate.
//!
//! Hooks fail open. So what the transcript says has run is compared with what was asked; a call is looked up when its
//! result is there, because the hook is asked after the call was written down.

use std::collections::HashMap;

use super::core::Caller;
use crate::control::gates::Book;
use crate::domain::event::{Body, Event, Failure, Key};
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::Stamp;

/// Calls that are remembered until their result comes.
const MAX_PENDING: usize = 256;

/// Calls that should have been held.
#[derive(Debug, Default)]
pub struct Suspects {
    /// From when on every session's hook is known to be asked.
    always: Option<Stamp>,
    /// From when on a session's hook has been asked.
    since: HashMap<Text, Stamp>,
    pending: Vec<(Key, Text)>,
    ran: Vec<(Key, Text)>,
}

impl Suspects {
    pub fn new(always: Option<Stamp>) -> Self {
        Self { always, ..Self::default() }
    }

    /// The hook of this session has asked: it is installed, and works.
    pub fn hooked(&mut self, session: &Text, now: Stamp) {
        self.since.entry(session.clone()).or_insert(now);
    }

    pub fn event(&mut self, event: &Event, rules: &Rules, cwd: &Text, now: Stamp) {
        match &event.body {
            Body::ToolCall { key, tool, input } => {
                let since = self.since.get(&Text::new(&event.run.session)).copied().or(self.always);
                let at = event.at.unwrap_or(now);
                let is_meant = since.is_some_and(|since| at >= since);
                if is_meant && rules.gate(event.run.agent, tool, input, cwd.as_str()).is_some() {
                    if self.pending.len() >= MAX_PENDING {
                        self.pending.remove(0);
                    }
                    self.pending.push((*key, Text::new(&format!("{tool} {}", input.summary))));
                }
            }
            Body::ToolResult { key, failure, .. } => {
                if let Some(at) = self.pending.iter().position(|(pending, _)| pending == key) {
                    let suspect = self.pending.remove(at);
                    // A call that failed by the agent's own word may never have begun: refused, or given up.
                    if *failure != Failure::Flagged {
                        self.ran.push(suspect);
                    }
                }
            }
            _ => {}
        }
    }

    /// Those that have run and that no gate knows, by the call's id or else by what it is.
    pub fn take(&mut self, gates: &Book<Caller>) -> Vec<(Text, Option<Text>)> {
        let ran = std::mem::take(&mut self.ran);
        let is_known = |key: &Key, what: &Text| {
            gates.any(|gate| {
                is_alike(&gate.what, what) || gate.call.as_ref().is_some_and(|call| Key::of(&[call.as_str()]) == *key)
            })
        };
        ran.into_iter().filter(|(key, what)| !is_known(key, what)).map(|(_, what)| (what, None)).collect()
    }
}

/// The same call, whatever its tool is called: some agents have one name for their hook and another for their transcript.
fn is_alike(one: &Text, other: &Text) -> bool {
    let call = |text: &Text| text.as_str().split_once(' ').map(|(_, call)| call.to_owned());
    one == other || call(one).is_some_and(|one| Some(one) == call(other))
}
