//! redkey's own events. The format and its rules: [`schema`], and for people `assets/EVENTS.md`.

pub mod schema;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lazy::{Str, stamp};
use super::{Format, Origin, Out, json};
use crate::domain::event::{Agent, Body, Failure, Key, ModelCall, RunId, RunInfo};
use crate::domain::text::Text;
use crate::domain::time::Span;
use crate::domain::tool::ToolInput;
use crate::domain::usage::{Usage, Usd};

/// The JSON Schema of redkey's own events, generated from the types.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(schema::Line).to_value()
}

/// What every line has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head<'a> {
    #[serde(borrow)]
    redkey: Option<&'a RawValue>,
    #[serde(borrow)]
    run: Str<'a>,
    #[serde(borrow)]
    ts: Option<&'a RawValue>,
    #[serde(borrow)]
    branch: Str<'a>,
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
}

impl Head<'_> {
    fn version(&self) -> Option<u64> {
        self.redkey.and_then(|raw| raw.get().parse().ok()).filter(|version| *version > 0)
    }
}

/// A version that can't be read is recognised all the same, so that somebody is told of it.
pub(super) fn sniff(line: &str) -> Option<Format> {
    if !line.contains("\"redkey\"") {
        return None;
    }
    serde_json::from_str::<Head>(line).ok()?.version().map(|_| Format::Native)
}

/// The run of lines that name none. Files with one name in two directories are two runs.
pub(super) fn nobody(origin: &Origin) -> RunId {
    match &origin.path {
        Some(path) => {
            let name = Text::limited(&origin.name, 100);
            RunId::new(Agent::Native, &format!("{name}-{:08x}", Key::of(&[path]).0 as u32))
        }
        None => RunId::new(Agent::Native, &origin.name),
    }
}

#[derive(Clone)]
pub(super) struct Native {
    /// Told once that the stream is of a version too new.
    too_new: bool,
}

impl Native {
    pub(super) fn new(_format: Format, _origin: &Origin) -> Self {
        Self { too_new: false }
    }

    pub(super) fn line(&mut self, line: &str, out: &mut Out) {
        if !line.starts_with('{') {
            return out.unparsed("no JSON object");
        }
        let Some(head) = json::parse::<Head>(line, out) else { return };
        if head.version().is_some() {
            out.settled = true;
            if !head.run.is_empty() && *out.run.session != *head.run {
                out.run = RunId::new(Agent::Native, &head.run);
            }
        }
        match head.version() {
            None => return out.unparsed("no redkey event: the field `redkey` with the version is missing"),
            Some(version) if version > u64::from(schema::VERSION) => {
                if !std::mem::replace(&mut self.too_new, true) {
                    out.unparsed(&format!(
                        "redkey events of version {version}; this program reads up to version {}",
                        schema::VERSION
                    ));
                }
                return;
            }
            Some(_) => {}
        }
        out.branch = (!head.branch.is_empty()).then(|| branch(&head.branch));
        out.at = stamp(head.ts);
        if out.at.is_none() && head.ts.is_some_and(|raw| raw.get() != "null") {
            out.unparsed("`ts` is no time: write milliseconds since 1970 or RFC 3339");
        }
        event(&head.kind, line, out);
    }
}

fn event(kind: &str, line: &str, out: &mut Out) {
    let body = match kind {
        "run_started" => run_started(line, out),
        "prompt" => said(line, out, |text| Body::Prompt { text }),
        "message" => json::parse(line, out)
            .map(|m: schema::Message| Body::Message { text: Text::new(&m.text), thinking: m.thinking }),
        "model_call" => json::parse(line, out).map(|call: schema::ModelCall| model_call(&call, out)),
        "tool_call" => json::parse(line, out).map(|call: schema::ToolCall| tool_call(&call, out)),
        "tool_result" => json::parse(line, out).map(|result: schema::ToolResult| Body::ToolResult {
            key: key("tool", &result.id, out),
            failure: if result.ok { Failure::No } else { Failure::Flagged },
            text: Text::new(&result.text),
        }),
        "subagent_started" => json::parse(line, out).map(|s: schema::SubagentStarted| Body::SubagentStarted {
            id: branch(&s.id),
            parent: s.parent.as_deref().map(branch),
            depth: s.depth,
            name: Text::new(&s.name),
            by_call: s.by_call,
        }),
        "subagent_ended" => json::parse(line, out)
            .map(|s: schema::SubagentEnded| Body::SubagentEnded { id: branch(&s.id), outcome: s.outcome }),
        "decision" => json::parse(line, out).map(|d: schema::Decision| Body::Decision {
            text: Text::new(&d.text),
            before: d.before,
            after: d.after,
        }),
        "approval_asked" => said(line, out, |text| Body::ApprovalAsked { text }),
        "approval_answered" => json::parse(line, out)
            .map(|a: schema::ApprovalAnswered| Body::ApprovalAnswered { allowed: a.allowed, text: Text::new(&a.text) }),
        "verified" => said(line, out, |text| Body::Verified { text }),
        "api_error" => json::parse(line, out)
            .map(|e: schema::ApiError| Body::ApiError { text: Text::new(&e.text), retrying: e.retrying }),
        "warning" => said(line, out, |text| Body::Warning { text }),
        "turn_ended" => Some(Body::TurnEnded),
        "run_ended" => json::parse(line, out)
            .map(|end: schema::RunEnded| Body::Ended { outcome: end.outcome, reason: Text::new(&end.reason) }),
        _ => None,
    };
    if let Some(body) = body {
        out.push(body);
    }
}

fn said(line: &str, out: &mut Out, body: impl FnOnce(Text) -> Body) -> Option<Body> {
    json::parse(line, out).map(|said: schema::Said| body(Text::new(&said.text)))
}

fn run_started(line: &str, out: &mut Out) -> Option<Body> {
    let run: schema::RunStarted = json::parse(line, out)?;
    let words = |text: &Option<String>| text.as_deref().map(Text::new).filter(|text| !text.is_empty());
    Some(Body::Info(RunInfo {
        name: words(&run.agent),
        version: words(&run.version),
        model: words(&run.model),
        cwd: words(&run.cwd),
        title: words(&run.title),
        label: words(&run.label).or_else(|| words(&run.agent)),
        budget: span("budget", run.budget.as_deref(), out),
        expect: span("expect", run.expect.as_deref(), out),
        contract: run.contract.iter().map(|text| Text::new(text)).collect(),
        interactive: run.interactive,
        forked_from: None,
    }))
}

/// A length of time. One that can't be read is told and left out: the rest of the event still holds.
fn span(field: &str, text: Option<&str>, out: &mut Out) -> Option<Span> {
    let span = Span::parse(text?).and_then(|span| {
        if span > Span::ZERO {
            Ok(span)
        } else {
            Err(format!("`{}` is no time to work with", text.unwrap_or_default()))
        }
    });
    match span {
        Ok(span) => Some(span),
        Err(why) => {
            out.unparsed(&format!("{field}: {why}"));
            None
        }
    }
}

fn model_call(call: &schema::ModelCall, out: &Out) -> Body {
    Body::ModelCall(ModelCall {
        key: call.id.as_deref().map(|id| key("model", id, out)),
        message: None,
        model: call.model.as_deref().map(Text::new).filter(|model| !model.is_empty()),
        usage: Usage {
            input: call.input_tokens,
            output: call.output_tokens,
            cache_read: call.cache_read_tokens,
            cache_write: call.cache_write_tokens,
            ..Usage::ZERO
        },
        cost: call.cost_usd.and_then(Usd::from_f64),
    })
}

fn tool_call(call: &schema::ToolCall, out: &Out) -> Body {
    let input = ToolInput { kind: call.kind, ..ToolInput::from_value(&call.input) };
    Body::ToolCall { key: key("tool", &call.id, out), tool: Text::new(&call.tool), input: Box::new(input) }
}

/// An agent's ids hold within its run.
fn key(what: &str, id: &str, out: &Out) -> Key {
    Key::of(&["native", &out.run.session, what, id])
}

/// A branch's id is printed, so it is cleaned as run ids are.
fn branch(id: &str) -> Arc<str> {
    Arc::from(Text::limited(id, 120).as_str())
}
