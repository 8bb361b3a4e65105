//! What `qwen -p --output-format stream-json` prints.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{api_error, failure, is_shell, place, usage};
use crate::adapters::Out;
use crate::adapters::json::{Count, Object, Word, read_line};
use crate::domain::event::{Body, Failure, Key, ModelCall, Outcome, RunInfo, Totals};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;

/// Kinds that are read.
const READ: [&str; 4] = ["assistant", "user", "system", "result"];

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    subtype: Word<'a>,
    session_id: Word<'a>,
    parent_tool_use_id: Word<'a>,
    message: Object<Message<'a>>,
    cwd: Word<'a>,
    model: Word<'a>,
    qwen_code_version: Word<'a>,
    is_error: Option<bool>,
    result: Word<'a>,
    usage: Object<Tokens>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    id: Word<'a>,
    model: Word<'a>,
    usage: Object<Tokens>,
    content: Blocks<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
}

impl Tokens {
    fn usage(&self) -> Usage {
        usage(self.input_tokens.0, self.output_tokens.0, self.cache_read_input_tokens.0)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
    text: Word<'a>,
    thinking: Word<'a>,
    id: Word<'a>,
    name: Word<'a>,
    input: Option<&'a RawValue>,
    tool_use_id: Word<'a>,
    content: Word<'a>,
    is_error: Option<bool>,
}

/// A list of blocks; a text is one block of text.
#[derive(Default)]
struct Blocks<'a>(Vec<Block<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Blocks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlocksVisitor<'a>(std::marker::PhantomData<&'a str>);
        impl<'de: 'a, 'a> Visitor<'de> for BlocksVisitor<'a> {
            type Value = Blocks<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of blocks")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Blocks<'a>, E> {
                let (kind, text) = (Word::from("text"), Word::from(text.to_owned()));
                Ok(Blocks(vec![Block { kind, text, ..Block::default() }]))
            }
            fn visit_unit<E: Error>(self) -> Result<Blocks<'a>, E> {
                Ok(Blocks::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Blocks<'a>, A::Error> {
                let mut blocks = Blocks::default();
                while let Some(block) = seq.next_element::<Object<Block<'a>>>()? {
                    blocks.0.extend(block.0);
                }
                Ok(blocks)
            }
        }
        deserializer.deserialize_any(BlocksVisitor(std::marker::PhantomData))
    }
}

#[derive(Clone, Default)]
pub(super) struct Stream {
    /// Open subagents, by the tool call that started them.
    agents: HashMap<String, Arc<str>>,
    /// What subagents are called, by that call.
    names: HashMap<String, Text>,
    /// Calls of the shell that have no result yet.
    shells: HashSet<Key>,
    /// The last thing said on the main branch was an API error.
    refused: bool,
}

impl Stream {
    pub(super) fn line(&mut self, text: &str, out: &mut Out) {
        let Some(line) = read_line::<Line<'_>>(text, &READ, out) else { return };
        if !READ.contains(&&*line.kind) {
            return;
        }
        out.branch = None;
        place(&line.session_id, "", out);
        out.branch = self.branch(&line.parent_tool_use_id, out);
        match &*line.kind {
            "assistant" => self.assistant(&line, out),
            "user" => self.user(&line, out),
            "system" if &*line.subtype == "init" => {
                let some = |text: &str| (!text.is_empty()).then(|| Text::new(text));
                out.push(Body::Info(RunInfo {
                    cwd: some(&line.cwd),
                    model: some(&line.model),
                    version: some(&line.qwen_code_version),
                    interactive: Some(false),
                    ..RunInfo::default()
                }));
            }
            "result" => self.result(&line, out),
            _ => {}
        }
    }

    fn branch(&mut self, call: &str, out: &mut Out) -> Option<Arc<str>> {
        if call.is_empty() {
            return None;
        }
        if let Some(id) = self.agents.get(call) {
            return Some(id.clone());
        }
        let id: Arc<str> = Arc::from(Text::limited(call, 120).as_str());
        let name = self.names.get(call).cloned().unwrap_or_default();
        out.push(Body::SubagentStarted { id: id.clone(), parent: None, depth: 1, name, by_call: true });
        self.agents.insert(call.to_owned(), id.clone());
        Some(id)
    }

    fn assistant(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("an assistant line without a message") };
        // Lines without the answer's usage have zeros.
        let usage = message.usage.0.as_ref().map(Tokens::usage).unwrap_or_default();
        if usage != Usage::ZERO {
            out.push(Body::ModelCall(ModelCall {
                key: (!message.id.is_empty()).then(|| Key::of(&[&message.id])),
                message: None,
                model: (!message.model.is_empty()).then(|| Text::new(&message.model)),
                usage,
                cost: None,
            }));
        }
        for block in &message.content.0 {
            match &*block.kind {
                "text" => self.said(&block.text, out),
                "thinking" => say(&block.thinking, true, out),
                "tool_use" => self.tool_call(block, out),
                _ => {}
            }
        }
    }

    fn said(&mut self, text: &str, out: &mut Out) {
        let error = api_error(text);
        if out.branch.is_none() && !text.trim().is_empty() {
            self.refused = error.is_some();
        }
        match error {
            Some(error) => out.push(Body::ApiError { text: Text::new(error), retrying: false }),
            None => say(text, false, out),
        }
    }

    fn tool_call(&mut self, block: &Block<'_>, out: &mut Out) {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Task<'a> {
            #[serde(borrow)]
            description: Word<'a>,
        }
        let key = out.call_key(&block.id, |id| Key::of(&[id]));
        let raw = block.input.map_or("null", RawValue::get);
        match &*block.name {
            tool if is_shell(tool) => {
                self.shells.insert(key);
            }
            "agent" | "task" => {
                let task = serde_json::from_str::<Task<'_>>(raw).unwrap_or_default();
                self.names.insert(block.id.to_string(), Text::new(&task.description));
            }
            _ => {}
        }
        let input = Box::new(ToolInput::from_text(raw));
        out.push(Body::ToolCall { key, tool: Text::new(&block.name), input });
    }

    fn user(&mut self, line: &Line<'_>, out: &mut Out) {
        let Some(message) = &line.message.0 else { return out.unparsed("a user line without a message") };
        for block in &message.content.0 {
            match &*block.kind {
                "text" if !block.text.trim().is_empty() => out.push(Body::Prompt { text: Text::new(&block.text) }),
                "tool_result" => self.tool_result(block, out),
                _ => {}
            }
        }
    }

    fn tool_result(&mut self, block: &Block<'_>, out: &mut Out) {
        let key = out.result_key(&block.tool_use_id, |id| Key::of(&[id]));
        let failure = failure(block.is_error == Some(true), self.shells.remove(&key), &block.content);
        out.push(Body::ToolResult { key, failure, text: Text::new(&block.content) });
        self.names.remove(&*block.tool_use_id);
        if let Some(id) = self.agents.remove(&*block.tool_use_id) {
            let outcome = if failure == Failure::No { Outcome::Finished } else { Outcome::Failed };
            out.push(Body::SubagentEnded { id, outcome });
        }
        // A signal ends the run with nothing but this.
        if failure == Failure::Flagged && block.content.starts_with("[Operation Cancelled]") && out.branch.is_none() {
            out.push(Body::Ended { outcome: Outcome::Interrupted, reason: Text::new("cancelled") });
        }
    }

    /// Its usage includes subagents. It calls a run that ended with an API error a success.
    fn result(&mut self, line: &Line<'_>, out: &mut Out) {
        let usage = line.usage.0.as_ref().map(Tokens::usage);
        out.push(Body::Totals(Totals { usage, cost: None, with_subagents: true, models: Vec::new() }));
        let refused = self.refused || api_error(&line.result).is_some();
        let (outcome, reason) = if refused {
            (Outcome::Failed, "api_error")
        } else if line.is_error == Some(true) || line.subtype.starts_with("error") {
            (Outcome::Failed, &*line.subtype)
        } else {
            (Outcome::Finished, "completed")
        };
        self.refused = false;
        out.push(Body::Ended { outcome, reason: Text::new(reason) });
    }
}

pub(super) fn say(text: &str, thinking: bool, out: &mut Out) {
    let text = Text::new(text);
    if !text.is_empty() {
        out.push(Body::Message { text, thinking });
    }
}
