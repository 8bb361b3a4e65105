//! PURE. The Agent Client Protocol: `gemini --acp`, `qwen --acp`, `opencode acp`, and whoever else speaks it.
//!
//! The notification `session/cancel {sessionId}` has no answer. The prompt that was running is answered, with
//! `stopReason: "cancelled"`. A client that cancels owes an answer to every permission it was asked for; as the client
//! knows nothing of this cancel, that answer is given in its place.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use super::rpc::{Id, Message, name};
use super::{Coop, Heard, MAX_ASKED, MAX_KEPT, Reach, line, look};

#[derive(Debug, Default)]
pub(super) struct Acp {
    sessions: BTreeSet<String>,
    /// Prompts without an answer, and their session.
    prompts: BTreeMap<Id, String>,
    /// Permissions the agent waits for, and their session.
    permissions: BTreeMap<Id, String>,
    pressed: bool,
    /// Prompts that were running when they were cancelled, in this press.
    cancelled: BTreeSet<Id>,
    sent: usize,
    skipped: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    #[serde(borrow, default)]
    session_id: Option<Cow<'a, str>>,
}

impl Acp {
    fn learn(&mut self, session: Option<Cow<'_, str>>) -> Option<String> {
        let session = name(session)?;
        if self.sessions.len() < MAX_KEPT {
            self.sessions.insert(session.clone());
        }
        Some(session)
    }

    fn cancel(&mut self, session: &str, lines: &mut Vec<Vec<u8>>) {
        if self.sent >= MAX_ASKED {
            return;
        }
        self.sent += 1;
        lines.push(line(&json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": session}})));
        self.permissions.retain(|id, of| {
            let theirs = of == session;
            if theirs {
                let result = json!({"outcome": {"outcome": "cancelled"}});
                lines.push(line(&json!({"jsonrpc": "2.0", "id": id.json(), "result": result})));
            }
            !theirs
        });
    }

    /// Cancels the sessions that have a prompt running which was not cancelled before.
    fn due(&mut self) -> Vec<Vec<u8>> {
        let new: BTreeMap<Id, String> = self
            .prompts
            .iter()
            .filter(|(id, session)| {
                !self.cancelled.contains(id) || self.permissions.values().any(|waits| waits == *session)
            })
            .map(|(id, session)| (id.clone(), session.clone()))
            .collect();
        let sessions: BTreeSet<&String> = new.values().collect();
        let mut lines = vec![];
        for session in sessions {
            self.cancel(session, &mut lines);
        }
        self.cancelled.extend(new.into_keys());
        lines
    }
}

impl Coop for Acp {
    fn line_in(&mut self, raw: &[u8]) {
        let Some(message) = look::<Message>(raw, &mut self.skipped) else { return };
        if message.is_answer() {
            if let Some(id) = message.id() {
                self.permissions.remove(&id);
            }
            return;
        }
        let Some(session) = message.params::<Named>().and_then(|params| self.learn(params.session_id)) else { return };
        if message.method() == "session/prompt"
            && self.prompts.len() < MAX_KEPT
            && let Some(id) = message.id()
        {
            self.prompts.insert(id, session);
        }
    }

    fn line_out(&mut self, raw: &[u8]) -> Vec<Heard> {
        let Some(message) = look::<Message>(raw, &mut self.skipped) else { return vec![] };
        if !message.is_answer() {
            let asks = message.method() == "session/request_permission" && self.permissions.len() < MAX_KEPT;
            if asks
                && let Some(id) = message.id()
                && let Some(session) = message.params::<Named>().and_then(|params| name(params.session_id))
            {
                self.permissions.insert(id, session);
            }
            return vec![];
        }
        if let Some(result) = message.result::<Named>() {
            // Of `session/new`: all others name a session that the client named before.
            self.learn(result.session_id);
        }
        let Some(id) = message.id() else { return vec![] };
        if self.prompts.remove(&id).is_none() || !self.pressed {
            return vec![];
        }
        let mut heard = vec![Heard::Acknowledged];
        if self.prompts.is_empty() {
            self.pressed = false;
            heard.push(Heard::Idle);
        }
        heard
    }

    fn interrupt(&mut self) -> Vec<Vec<u8>> {
        self.pressed = true;
        self.sent = 0;
        self.cancelled.clear();
        if !self.prompts.is_empty() {
            return self.due();
        }
        let mut lines = vec![];
        for session in self.sessions.clone() {
            self.cancel(&session, &mut lines);
        }
        lines
    }

    fn follow_up(&mut self) -> Vec<Vec<u8>> {
        if self.pressed { self.due() } else { vec![] }
    }

    fn reach(&self) -> Reach {
        if self.prompts.is_empty() { Reach::Resting } else { Reach::Working }
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
