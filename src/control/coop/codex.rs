//! PURE. `codex app-server`.
//!
//! `turn/interrupt {threadId, turnId}` ends the turn and leaves its commands running, which `turn/completed` doesn't
//! say. They are ended by `thread/backgroundTerminals/clean {threadId}`, which is there only for clients that asked for
//! `experimentalApi` when they introduced themselves.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::json;

use super::ids::Ids;
use super::rpc::{Id, Message, name};
use super::{Coop, Heard, MAX_ASKED, MAX_KEPT, Reach, line, look};

#[derive(Debug, Default)]
pub(super) struct Codex {
    ids: Ids<Asked>,
    /// The client asked for it when it introduced itself.
    experimental: bool,
    threads: BTreeMap<String, Thread>,
    /// Turns that were asked for and have not begun.
    starting: BTreeSet<Id>,
    pressed: bool,
    sent: usize,
    skipped: u64,
}

#[derive(Debug, Default)]
struct Thread {
    turn: Option<String>,
    /// The turn that was asked to end, and that it was answered.
    interrupted: Option<String>,
    answered: bool,
    /// Commands that have begun and not ended.
    commands: BTreeSet<String>,
    /// Commands may be running that nobody has ended.
    unclean: bool,
    cleaning: bool,
}

#[derive(Clone, Debug)]
enum Asked {
    Interrupt { thread: String },
    Clean { thread: String },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    #[serde(borrow, default)]
    thread_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    turn: Option<Part<'a>>,
    #[serde(borrow, default)]
    item: Option<Part<'a>>,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Initialize {
    #[serde(default)]
    capabilities: Option<Capabilities>,
}

#[derive(Deserialize)]
struct Capabilities {
    #[serde(default, rename = "experimentalApi")]
    experimental_api: Option<bool>,
}

impl Thread {
    fn is_at_rest(&self) -> bool {
        self.turn.is_none() && self.commands.is_empty() && !self.unclean && !self.cleaning
    }

    /// The turn that runs has not been asked to end.
    fn runs_on(&self) -> bool {
        self.turn.is_some() && self.turn != self.interrupted
    }
}

impl Codex {
    fn thread(&mut self, id: Option<Cow<'_, str>>) -> Option<&mut Thread> {
        let id = name(id)?;
        if self.threads.len() >= MAX_KEPT && !self.threads.contains_key(&id) {
            self.threads.retain(|_, thread| !thread.is_at_rest());
        }
        (self.threads.len() < MAX_KEPT || self.threads.contains_key(&id)).then(|| self.threads.entry(id).or_default())
    }

    fn notified(&mut self, method: &str, message: &Message) {
        if !matches!(method, "turn/started" | "turn/completed" | "item/started" | "item/completed" | "thread/closed") {
            return;
        }
        let Some(params) = message.params::<Params>() else { return };
        if method == "thread/closed" {
            if let Some(id) = params.thread_id {
                self.threads.remove(id.as_ref());
            }
            return;
        }
        let Some(thread) = self.thread(params.thread_id) else { return };
        let is_command = params.item.as_ref().and_then(|item| item.kind.as_deref()) == Some("commandExecution");
        match (method, params.turn.and_then(|turn| name(turn.id)), params.item.and_then(|item| name(item.id))) {
            ("turn/started", Some(turn), _) => thread.turn = Some(turn),
            ("turn/completed", Some(turn), _) if thread.turn.as_ref() == Some(&turn) => thread.turn = None,
            ("item/started", _, Some(item)) if is_command && thread.commands.len() < MAX_KEPT => {
                thread.commands.insert(item);
                thread.unclean = true;
            }
            ("item/completed", _, Some(item)) => {
                thread.commands.remove(&item);
                thread.unclean &= !thread.commands.is_empty();
            }
            _ => {}
        }
    }

    fn answer(&mut self, id: &Id, failed: bool) -> Vec<Heard> {
        let Some(asked) = self.ids.answered(id.text()) else {
            self.starting.remove(id);
            return vec![];
        };
        match asked {
            Asked::Interrupt { thread } => {
                if let Some(thread) = self.threads.get_mut(&thread) {
                    thread.answered = true;
                    thread.unclean |= self.experimental;
                    if failed {
                        // It had ended by then: its end was told, or is about to be.
                        return vec![Heard::Answer];
                    }
                }
                vec![Heard::Answer, Heard::Acknowledged]
            }
            Asked::Clean { thread } => {
                if let Some(thread) = self.threads.get_mut(&thread) {
                    thread.cleaning = false;
                    if !failed {
                        thread.unclean = false;
                        thread.commands.clear();
                    }
                }
                if failed { vec![Heard::Answer] } else { vec![Heard::Answer, Heard::Acknowledged] }
            }
        }
    }

    /// What has not been asked yet, of all that runs.
    fn due(&mut self) -> Vec<Vec<u8>> {
        let mut lines = vec![];
        for (id, thread) in &mut self.threads {
            if self.sent >= MAX_ASKED {
                break;
            }
            if thread.runs_on() {
                thread.interrupted.clone_from(&thread.turn);
                thread.answered = false;
                let ours = self.ids.next(Asked::Interrupt { thread: id.clone() });
                lines.push(request(&ours, "turn/interrupt", json!({"threadId": id, "turnId": thread.turn})));
                self.sent += 1;
            } else if self.experimental
                && thread.unclean
                && !thread.cleaning
                && (thread.turn.is_none() || thread.answered)
            {
                thread.cleaning = true;
                let ours = self.ids.next(Asked::Clean { thread: id.clone() });
                lines.push(request(&ours, "thread/backgroundTerminals/clean", json!({"threadId": id})));
                self.sent += 1;
            }
        }
        lines
    }

    fn is_idle(&self) -> bool {
        self.starting.is_empty() && self.threads.values().all(Thread::is_at_rest)
    }
}

fn request(id: &str, method: &str, params: serde_json::Value) -> Vec<u8> {
    line(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
}

impl Coop for Codex {
    fn line_in(&mut self, raw: &[u8]) {
        let Some(message) = look::<Message>(raw, &mut self.skipped) else { return };
        let Some(id) = message.id() else { return };
        if message.method.is_none() {
            return;
        }
        self.ids.theirs(id.text());
        match message.method() {
            "initialize" => {
                let wants = message.params::<Initialize>().and_then(|params| params.capabilities);
                self.experimental = wants.and_then(|wants| wants.experimental_api).unwrap_or(false);
            }
            "turn/start" if self.starting.len() < MAX_KEPT => {
                self.starting.insert(id);
            }
            _ => {}
        }
    }

    fn line_out(&mut self, raw: &[u8]) -> Vec<Heard> {
        let Some(message) = look::<Message>(raw, &mut self.skipped) else { return vec![] };
        let mut heard = vec![];
        if message.is_answer() {
            if let Some(id) = message.id() {
                // The answer to `turn/start` names the turn, but not its thread; `turn/started` follows with both.
                heard = self.answer(&id, message.failed());
            }
        } else {
            self.notified(message.method(), &message);
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
        self.threads.values_mut().for_each(|thread| thread.interrupted = None);
        self.due()
    }

    fn follow_up(&mut self) -> Vec<Vec<u8>> {
        if self.pressed { self.due() } else { vec![] }
    }

    fn reach(&self) -> Reach {
        if self.is_idle() {
            return Reach::Resting;
        }
        if !self.experimental && self.threads.values().any(|thread| !thread.commands.is_empty()) {
            return Reach::Unreachable("its client did not ask for experimentalApi, without which commands run on");
        }
        Reach::Working
    }

    fn skipped(&self) -> u64 {
        self.skipped
    }
}
