//! Events, both ways.

use super::run_id;
use crate::domain::event::{Body, Event, Failure, Key, ModelCall, RunInfo, Totals};
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tool::ToolInput;
use crate::domain::usage::{Usage, Usd};
use crate::record::format::event::{
    BodyRec, CallRec, EventRec, FailureRec, InfoRec, Said, ToolRec, TotalsRec, UsageRec,
};
use crate::record::format::{Hex, Words};

pub(super) fn record(event: &Event, source: u32, offset: u64) -> EventRec {
    EventRec {
        s: source,
        o: offset,
        r: event.run.to_string().into(),
        b: event.branch.clone(),
        at: event.at.map(|at| at.0),
        e: body_record(&event.body),
    }
}

pub(super) fn live(record: EventRec) -> Option<(Event, u64)> {
    let run = run_id(&record.r)?;
    let event = Event { run, branch: record.b, at: record.at.map(Stamp), body: body_live(record.e) };
    Some((event, record.o))
}

fn words(text: &Text) -> Words {
    Words(text.clone())
}

fn said(text: &Text) -> Said {
    Said { text: words(text) }
}

fn body_record(body: &Body) -> BodyRec {
    match body {
        Body::Info(info) => BodyRec::Info(Box::new(info_record(info))),
        Body::Prompt { text } => BodyRec::Prompt(said(text)),
        Body::Message { text, thinking: false } => BodyRec::Message(said(text)),
        Body::Message { text, thinking: true } => BodyRec::Thought(said(text)),
        Body::ModelCall(call) => BodyRec::ModelCall(Box::new(call_record(call))),
        Body::Totals(totals) => BodyRec::Totals(Box::new(totals_record(totals))),
        Body::ToolCall { key, tool, input } => BodyRec::ToolCall(Box::new(tool_record(*key, tool, input))),
        Body::ToolResult { key, failure, text } => {
            BodyRec::ToolResult { key: Hex(key.0), failed: failure_record(*failure), text: words(text) }
        }
        Body::ApiError { text, retrying } => BodyRec::ApiError { text: words(text), retrying: *retrying },
        Body::SubagentStarted { id, parent, depth, name, by_call } => BodyRec::SubagentStarted {
            id: id.clone(),
            parent: parent.clone(),
            depth: *depth,
            name: words(name),
            by_call: *by_call,
        },
        Body::SubagentEnded { id, outcome } => BodyRec::SubagentEnded { id: id.clone(), outcome: *outcome },
        Body::Decision { text, before, after } => {
            BodyRec::Decision { text: words(text), before: *before, after: *after }
        }
        Body::ApprovalAsked { text } => BodyRec::ApprovalAsked(said(text)),
        Body::ApprovalAnswered { allowed, text } => BodyRec::ApprovalAnswered { allowed: *allowed, text: words(text) },
        Body::Verified { text } => BodyRec::Verified(said(text)),
        Body::Granted { amount, by, reason } => BodyRec::Granted { ms: amount.0, by: words(by), reason: words(reason) },
        Body::Warning { text } => BodyRec::Warning(said(text)),
        Body::TurnEnded => BodyRec::TurnEnded {},
        Body::Ended { outcome, reason } => BodyRec::Ended { outcome: *outcome, reason: words(reason) },
        Body::Unparsed { why } => BodyRec::Unparsed(said(why)),
    }
}

fn body_live(body: BodyRec) -> Body {
    match body {
        BodyRec::Info(info) => Body::Info(info_live(*info)),
        BodyRec::Prompt(said) => Body::Prompt { text: said.text.0 },
        BodyRec::Message(said) => Body::Message { text: said.text.0, thinking: false },
        BodyRec::Thought(said) => Body::Message { text: said.text.0, thinking: true },
        BodyRec::ModelCall(call) => Body::ModelCall(call_live(*call)),
        BodyRec::Totals(totals) => Body::Totals(totals_live(*totals)),
        BodyRec::ToolCall(tool) => tool_live(*tool),
        BodyRec::ToolResult { key, failed, text } => {
            Body::ToolResult { key: Key(key.0), failure: failure_live(failed), text: text.0 }
        }
        BodyRec::ApiError { text, retrying } => Body::ApiError { text: text.0, retrying },
        BodyRec::SubagentStarted { id, parent, depth, name, by_call } => {
            Body::SubagentStarted { id, parent, depth, name: name.0, by_call }
        }
        BodyRec::SubagentEnded { id, outcome } => Body::SubagentEnded { id, outcome },
        BodyRec::Decision { text, before, after } => Body::Decision { text: text.0, before, after },
        BodyRec::ApprovalAsked(said) => Body::ApprovalAsked { text: said.text.0 },
        BodyRec::ApprovalAnswered { allowed, text } => Body::ApprovalAnswered { allowed, text: text.0 },
        BodyRec::Verified(said) => Body::Verified { text: said.text.0 },
        BodyRec::Granted { ms, by, reason } => Body::Granted { amount: Span(ms), by: by.0, reason: reason.0 },
        BodyRec::Warning(said) => Body::Warning { text: said.text.0 },
        BodyRec::TurnEnded {} => Body::TurnEnded,
        BodyRec::Ended { outcome, reason } => Body::Ended { outcome, reason: reason.0 },
        BodyRec::Unparsed(said) => Body::Unparsed { why: said.text.0 },
    }
}

fn failure_record(failure: Failure) -> FailureRec {
    match failure {
        Failure::No => FailureRec::No,
        Failure::Flagged => FailureRec::Flagged,
        Failure::Inferred => FailureRec::Inferred,
    }
}

fn failure_live(failure: FailureRec) -> Failure {
    match failure {
        FailureRec::No => Failure::No,
        FailureRec::Flagged => Failure::Flagged,
        FailureRec::Inferred => Failure::Inferred,
    }
}

fn info_record(info: &RunInfo) -> InfoRec {
    let some = |text: &Option<Text>| text.as_ref().map(words);
    InfoRec {
        name: some(&info.name),
        version: some(&info.version),
        model: some(&info.model),
        cwd: some(&info.cwd),
        title: some(&info.title),
        label: some(&info.label),
        budget: info.budget.map(|span| span.0),
        expect: info.expect.map(|span| span.0),
        contract: info.contract.iter().map(words).collect(),
        interactive: info.interactive,
        forked_from: some(&info.forked_from),
    }
}

fn info_live(info: InfoRec) -> RunInfo {
    let some = |text: Option<Words>| text.map(|words| words.0);
    RunInfo {
        name: some(info.name),
        version: some(info.version),
        model: some(info.model),
        cwd: some(info.cwd),
        title: some(info.title),
        label: some(info.label),
        budget: info.budget.map(Span),
        expect: info.expect.map(Span),
        contract: info.contract.into_iter().map(|words| words.0).collect(),
        interactive: info.interactive,
        forked_from: some(info.forked_from),
    }
}

fn usage_record(usage: &Usage) -> UsageRec {
    let Usage { input, output, reasoning, cache_read, cache_write, cache_write_1h } = *usage;
    UsageRec { input, output, reasoning, cache_read, cache_write, cache_write_1h }
}

fn usage_live(usage: UsageRec) -> Usage {
    let UsageRec { input, output, reasoning, cache_read, cache_write, cache_write_1h } = usage;
    Usage { input, output, reasoning, cache_read, cache_write, cache_write_1h }
}

fn call_record(call: &ModelCall) -> CallRec {
    CallRec {
        key: call.key.map(|key| Hex(key.0)),
        message: call.message.map(|key| Hex(key.0)),
        model: call.model.as_ref().map(words),
        usage: usage_record(&call.usage),
        cost: call.cost.map(|usd| usd.0),
    }
}

fn call_live(call: CallRec) -> ModelCall {
    ModelCall {
        key: call.key.map(|key| Key(key.0)),
        message: call.message.map(|key| Key(key.0)),
        model: call.model.map(|words| words.0),
        usage: usage_live(call.usage),
        cost: call.cost.map(Usd),
    }
}

fn totals_record(totals: &Totals) -> TotalsRec {
    TotalsRec {
        usage: totals.usage.as_ref().map(usage_record),
        cost: totals.cost.map(|usd| usd.0),
        with_subagents: totals.with_subagents,
        models: totals.models.iter().map(|(model, usage)| (words(model), usage_record(usage))).collect(),
    }
}

fn totals_live(totals: TotalsRec) -> Totals {
    Totals {
        usage: totals.usage.map(usage_live),
        cost: totals.cost.map(Usd),
        with_subagents: totals.with_subagents,
        models: totals.models.into_iter().map(|(model, usage)| (model.0, usage_live(usage))).collect(),
    }
}

fn tool_record(key: Key, tool: &Text, input: &ToolInput) -> ToolRec {
    ToolRec {
        key: Hex(key.0),
        tool: words(tool),
        digest: Hex(input.digest),
        summary: words(&input.summary),
        command: input.command.clone(),
        paths: input.paths.clone(),
        urls: input.urls.clone(),
        kind: input.kind,
        partial: input.partial,
    }
}

fn tool_live(tool: ToolRec) -> Body {
    let input = ToolInput {
        command: tool.command,
        paths: tool.paths,
        urls: tool.urls,
        digest: tool.digest.0,
        kind: tool.kind,
        summary: tool.summary.0,
        partial: tool.partial,
    };
    Body::ToolCall { key: Key(tool.key.0), tool: tool.tool.0, input: Box::new(input) }
}
