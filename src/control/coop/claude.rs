//! PURE. Claude Code with `--input-format stream-json`.
//!
//! `{"type":"control_request","request_id":…,"request":{"subtype":"interrupt"}}` ends the turn, and with no turn running
//! the subagents in the background; a shell command in the background hears nothing of it and needs
//! `{"subtype":"stop_task","task_id":…}`. Each is answered by a `control_response`; the turn ends with a `result`.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::ids::Ids;
use super::rpc::name;
use super::{Coop, Heard, MAX_ASKED, MAX_KEPT, Reach, line, look};

#[derive(Debug, Default)]
pub(super) struct Claude {
    ids: Ids<Asked>,
    /// A turn is running, or a message has gone out that will start one.
    running: bool,
    /// Tasks in the background.
    tasks: BTreeSet<String>,
    /// Those that were asked to stop, in this press.
    told: BTreeSet<String>,
    /// The key was pressed, and the agent is not idle yet.
    pressed: bool,
    /// The turn that is running was interrupted.
    interrupted: bool,
    /// Messages wait behind the turn that was interrupted; the next turn begins by itself.
    queued: bool,
    sent: usize,
    skipped: u64,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Interrupt,
    Task,
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    subtype: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    parent_tool_use_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    response: Outcome<'a>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow, default)]
    subtype: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    request_id: Option<Cow<'a, str>>,
    #[serde(default)]
    response: Option<Detail>,
}

#[derive(Default, Deserialize)]
struct Detail {
    #[serde(default)]
    still_queued: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
struct Tasks<'a> {
    #[serde(borrow)]
    tasks: Vec<Task<'a>>,
}

#[derive(Deserialize)]
struct Task<'a> {
    #[serde(borrow, default)]
    task_id: Option<Cow<'a, str>>,
}

impl Claude {
    fn keep(&mut self, task: Option<Cow<'_, str>>) {
        if let Some(task) = name(task)
            && self.tasks.len() < MAX_KEPT
        {
            self.tasks.insert(task);
        }
    }

    fn system(&mut self, subtype: &str, raw: &[u8]) {
        match subtype {
            "init" => self.begin(),
            "background_tasks_changed" => {
                if let Some(now) = look::<Tasks>(raw, &mut 0) {
                    self.tasks.clear();
                    now.tasks.into_iter().for_each(|task| self.keep(task.task_id));
                }
            }
            // Older versions don't tell the whole list.
            "task_started" => {
                if let Some(task) = look::<Task>(raw, &mut 0) {
                    self.keep(task.task_id);
                }
            }
            "task_notification" => {
                if let Some(task) = look::<Task>(raw, &mut 0).and_then(|task| task.task_id) {
                    self.tasks.remove(task.as_ref());
                }
            }
            _ => {}
        }
    }

    /// A turn is running. If it is a new one, it has not been interrupted.
    fn begin(&mut self) {
        if !self.running {
            self.running = true;
            self.interrupted = false;
        }
        self.queued = false;
    }

    fn response(&mut self, raw: &[u8]) -> Vec<Heard> {
        let Some(answer) = look::<Response>(raw, &mut 0).map(|read| read.response) else { return vec![] };
        let Some(asked) = answer.request_id.and_then(|id| self.ids.answered(&id)) else { return vec![] };
        let mut heard = vec![Heard::Answer];
        if matches!(asked, Asked::Interrupt) && answer.subtype.as_deref() == Some("success") {
            heard.push(Heard::Acknowledged);
            self.queued = answer.response.and_then(|detail| detail.still_queued).is_some_and(|list| !list.is_empty());
        }
        heard
    }

    /// What has not been asked yet, of all that runs.
    fn due(&mut self, first: bool) -> Vec<Vec<u8>> {
        let mut lines = vec![];
        if first || (self.running && !self.interrupted) {
            self.interrupted = true;
            let id = self.ids.next(Asked::Interrupt);
            lines.push(request(&id, json!({"subtype": "interrupt"})));
        }
        for task in self.tasks.difference(&self.told.clone()) {
            self.told.insert(task.clone());
            let id = self.ids.next(Asked::Task);
            lines.push(request(&id, json!({"subtype": "stop_task", "task_id": task})));
        }
        lines.truncate(MAX_ASKED.saturating_sub(self.sent));
        self.sent += lines.len();
        lines
    }

    fn is_idle(&self) -> bool {
        !self.running && !self.queued && self.tasks.is_empty() && !self.ids.is_waiting()
    }
}

fn request(id: &str, request: serde_json::Value) -> Vec<u8> {
    line(&json!({"type": "control_request", "request_id": id, "request": request}))
}

impl Coop for Claude {
    fn line_in(&mut self, raw: &[u8]) {
        let Some(head) = look::<Head>(raw, &mut self.skipped) else { return };
        match head.kind.as_ref() {
            "user" => self.begin(),
            "control_request" => {
                if let Some(id) = head.request_id {
                    self.ids.theirs(&id);
                }
            }
            _ => {}
        }
    }

    fn line_out(&mut self, raw: &[u8]) -> Vec<Heard> {
        let Some(head) = look::<Head>(raw, &mut self.skipped) else { return vec![] };
        let mut heard = vec![];
        match head.kind.as_ref() {
            "assistant" | "stream_event" if head.parent_tool_use_id.is_none() => self.begin(),
            "system" => self.system(head.subtype.as_deref().unwrap_or_default(), raw),
            "result" => self.running = false,
            "control_response" => heard = self.response(raw),
            _ => {}
        }
        if self.pressed && self.is_idle() {
            self.pressed = false;
            heard.push(Heard::Idle);
        }
        heard
    }

    fn interrupt(&mut self) -> Vec<Vec<u8>> {
        self.pressed = true;
        self.sent = 0;
        self.told.clear();
        self.due(true)
    }

    fn follow_up(&mut self) -> Vec<Vec<u8>> {
        if self.pressed { self.due(false) } else { vec![] }
    }

    fn reach(&self) -> Reach {
        if self.running || !self.tasks.is_empty() { Reach::Working } else { Reach::Resting }
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
