//! PURE. `pi --mode rpc`.
//!
//! `{"id":…,"type":"abort"}` is answered when the agent is idle, `abort_bash` when the command that the other side
//! itself started by `bash` has ended.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;

use super::ids::Ids;
use super::rpc::name;
use super::{Coop, Heard, MAX_KEPT, Reach, line, look};

#[derive(Debug, Default)]
pub(super) struct Pi {
    ids: Ids<()>,
    running: bool,
    /// Prompts without an answer: a turn may be about to begin.
    prompts: BTreeSet<String>,
    /// Commands of the other side's own, by the ids of their requests; without an id they are all one.
    commands: BTreeSet<String>,
    pressed: bool,
    skipped: u64,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    command: Option<Cow<'a, str>>,
}

/// Repeats the whole message for each chunk; nothing in it concerns a stop.
const LONG: &[u8] = br#"{"type":"message_update""#;

impl Coop for Pi {
    fn line_in(&mut self, raw: &[u8]) {
        let Some(read) = look::<Line>(raw, &mut self.skipped) else { return };
        if let Some(id) = &read.id {
            self.ids.theirs(id);
        }
        let kept = match read.kind.as_ref() {
            "prompt" => &mut self.prompts,
            "bash" => &mut self.commands,
            _ => return,
        };
        if kept.len() < MAX_KEPT {
            kept.insert(name(read.id).unwrap_or_default());
        }
    }

    fn line_out(&mut self, raw: &[u8]) -> Vec<Heard> {
        if raw.starts_with(LONG) {
            return vec![];
        }
        let Some(read) = look::<Line>(raw, &mut self.skipped) else { return vec![] };
        let id = read.id.as_deref().unwrap_or_default();
        let mut heard = vec![];
        match read.kind.as_ref() {
            "agent_start" => self.running = true,
            "agent_end" => self.running = false,
            "response" if self.ids.answered(id).is_some() => heard.extend([Heard::Answer, Heard::Acknowledged]),
            "response" => match read.command.as_deref() {
                Some("prompt") => _ = self.prompts.remove(id),
                Some("bash") => _ = self.commands.remove(id),
                _ => {}
            },
            _ => {}
        }
        if self.pressed && !self.ids.is_waiting() && self.reach() == Reach::Resting {
            self.pressed = false;
            heard.push(Heard::Idle);
        }
        heard
    }

    fn interrupt(&mut self) -> Vec<Vec<u8>> {
        self.pressed = true;
        let mut lines = vec![line(&json!({"id": self.ids.next(()), "type": "abort"}))];
        if !self.commands.is_empty() {
            lines.push(line(&json!({"id": self.ids.next(()), "type": "abort_bash"})));
        }
        lines
    }

    fn follow_up(&mut self) -> Vec<Vec<u8>> {
        vec![]
    }

    fn reach(&self) -> Reach {
        let working = self.running || !self.prompts.is_empty() || !self.commands.is_empty();
        if working { Reach::Working } else { Reach::Resting }
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
