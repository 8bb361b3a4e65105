//! API messages, alike in stream and transcript: blocks, usage, and what they say.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::adapters::Out;
use crate::adapters::json::{Count, Object, Word};
use crate::adapters::lazy::head;
use crate::domain::event::{Body, Failure, Key, ModelCall};
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;

/// The model of messages that Claude Code made up itself.
pub(crate) const SYNTHETIC: &str = "<synthetic>";

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub id: Word<'a>,
    pub model: Word<'a>,
    pub stop_reason: Word<'a>,
    pub usage: Object<ApiUsage>,
    pub content: Content<'a>,
}

impl Message<'_> {
    /// The error that stands in place of an answer. `flagged`: the line says that it is one; older lines don't.
    pub(super) fn api_error(&self, flagged: Option<bool>) -> Option<Text> {
        let text = self.content.first_text().unwrap_or_default();
        let error = flagged == Some(true) || (*self.model == *SYNTHETIC && text.starts_with("API Error"));
        error.then(|| Text::new(text))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ApiUsage {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Object<CacheCreation>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

impl ApiUsage {
    pub(super) fn usage(&self) -> Usage {
        let parts = match &self.cache_creation.0 {
            Some(parts) => (parts.ephemeral_5m_input_tokens.0, parts.ephemeral_1h_input_tokens.0),
            None => (0, 0),
        };
        let [input, output] = [self.input_tokens.0, self.output_tokens.0];
        usage_of(input, output, self.cache_read_input_tokens.0, self.cache_creation_input_tokens.0, parts)
    }
}

/// What the API's counts mean. `parts` are the cache writes for five minutes and for an hour.
pub(crate) fn usage_of(input: u64, output: u64, cache_read: u64, cache_write: u64, parts: (u64, u64)) -> Usage {
    let cache_write = cache_write.max(parts.0.saturating_add(parts.1));
    Usage { input, output, cache_read, cache_write, cache_write_1h: parts.1, ..Usage::ZERO }
}

/// A message's content: text, or a list of blocks.
#[derive(Default)]
pub(super) enum Content<'a> {
    #[default]
    Nothing,
    Text(Word<'a>),
    Blocks(Vec<Block<'a>>),
}

impl Content<'_> {
    pub(super) fn first_text(&self) -> Option<&str> {
        match self {
            Content::Nothing => None,
            Content::Text(text) => Some(text),
            Content::Blocks(blocks) => blocks.iter().find(|block| &*block.kind == "text").map(|block| &*block.text),
        }
    }

    /// The tool calls that this content answers, and whether they failed.
    pub(super) fn results(&self) -> impl Iterator<Item = (&str, bool)> {
        let blocks = if let Content::Blocks(blocks) = self { blocks.as_slice() } else { &[] };
        let results = blocks.iter().filter(|block| &*block.kind == "tool_result");
        results.map(|block| (&*block.tool_use_id, block.is_error == Some(true)))
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Word<'a>,
    pub text: Word<'a>,
    pub thinking: Word<'a>,
    pub id: Word<'a>,
    pub name: Word<'a>,
    pub input: Option<&'a RawValue>,
    pub tool_use_id: Word<'a>,
    pub content: Option<&'a RawValue>,
    pub is_error: Option<bool>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor<'a>(PhantomData<&'a str>);
        impl<'de: 'a, 'a> Visitor<'de> for ContentVisitor<'a> {
            type Value = Content<'a>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of blocks")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Content<'a>, E> {
                Ok(Content::Text(Word::from(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Content<'a>, E> {
                Ok(Content::Text(Word::from(text.to_owned())))
            }
            fn visit_unit<E: Error>(self) -> Result<Content<'a>, E> {
                Ok(Content::Nothing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content<'a>, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = seq.next_element::<Object<Block<'a>>>()? {
                    blocks.extend(block.0);
                }
                Ok(Content::Blocks(blocks))
            }
        }
        deserializer.deserialize_any(ContentVisitor(PhantomData))
    }
}

/// What an answer is known by: `key` and `message`. `request` is empty where the line doesn't name it.
///
/// `key` is message and request, since proxies hand out one message id twice; the message alone where no request is
/// named. `message` tells copies: a subagent may begin with its parent's conversation under request ids of its own.
pub(crate) fn keys_of(id: &str, request: &str) -> (Option<Key>, Option<Key>) {
    let message = (!id.is_empty()).then(|| Key::of(&[id]));
    let key = if request.is_empty() { message } else { message.map(|_| Key::of(&[id, request])) };
    (key, message)
}

/// One answer, on whatever branch `out` stands.
pub(super) fn model_call(id: &str, request: &str, model: &str, usage: Usage) -> Option<Body> {
    if model == SYNTHETIC {
        return None;
    }
    let (key, message) = keys_of(id, request);
    Some(Body::ModelCall(ModelCall {
        key,
        message,
        model: (!model.is_empty()).then(|| Text::new(model)),
        usage,
        cost: None,
    }))
}

/// Tells what an assistant's line says. Returns whether it says it in text that a person would read as the answer.
pub(super) fn assistant(message: &Message<'_>, request: &str, out: &mut Out) -> bool {
    if let Some(usage) = &message.usage.0
        && let Some(call) = model_call(&message.id, request, &message.model, usage.usage())
    {
        out.push(call);
    }
    match &message.content {
        Content::Nothing => false,
        Content::Text(text) => say(text, false, out),
        Content::Blocks(blocks) => {
            let mut spoke = false;
            for block in blocks {
                match &*block.kind {
                    "text" => spoke |= say(&block.text, false, out),
                    "thinking" => {
                        say(&block.thinking, true, out);
                    }
                    "tool_use" | "server_tool_use" | "mcp_tool_use" => tool_call(block, out),
                    _ => tool_result(block, out),
                }
            }
            spoke
        }
    }
}

fn say(text: &str, thinking: bool, out: &mut Out) -> bool {
    let text = Text::new(text);
    let spoke = !text.is_empty();
    if spoke {
        out.push(Body::Message { text, thinking });
    }
    spoke
}

fn tool_call(block: &Block<'_>, out: &mut Out) {
    let input = block.input.map(|raw| ToolInput::from_text(raw.get())).unwrap_or_default();
    let key = out.call_key(&block.id, |id| Key::of(&[id]));
    out.push(Body::ToolCall { key, tool: Text::new(&block.name), input: Box::new(input) });
}

/// A tool's result; blocks of other kinds say nothing.
pub(super) fn tool_result(block: &Block<'_>, out: &mut Out) {
    if !block.kind.ends_with("tool_result") {
        return;
    }
    let failure = if block.is_error == Some(true) { Failure::Flagged } else { Failure::No };
    let text = block.content.map(text_of).unwrap_or_default();
    let key = out.result_key(&block.tool_use_id, |id| Key::of(&[id]));
    out.push(Body::ToolResult { key, failure, text });
}

/// The text of a result's content, which is a string or a list of blocks; of a list, the first that is text.
fn text_of(raw: &RawValue) -> Text {
    if !raw.get().starts_with('[') {
        return if raw.get().starts_with('"') { head(Some(raw)) } else { Text::default() };
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Part<'a> {
        #[serde(borrow)]
        text: Option<&'a RawValue>,
    }
    let parts: Vec<Object<Part<'_>>> = serde_json::from_str(raw.get()).unwrap_or_default();
    head(parts.iter().find_map(|part| part.0.as_ref().and_then(|part| part.text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_blocks_gives_its_first_text() {
        let cases = [
            (r#"[{"type":"image"},{"type":"text","text":"a\nb"}]"#, "a b"),
            (r#""a\nb""#, "a b"),
            ("{}", ""),
            ("null", ""),
            (r#"["x"]"#, ""),
        ];
        for (raw, text) in cases {
            assert_eq!(text_of(serde_json::from_str(raw).unwrap()).as_str(), text, "{raw}");
        }
    }
}
