//! `opencode run --format json`.

use super::super::Out;
use super::super::lazy::head;
use super::wire::{Data, Head, Line, usd};
use super::{ending, message_key, set_run, tool};
use crate::domain::event::{Body, Key, ModelCall, Outcome, RunInfo};
use crate::domain::text::Text;

/// The lines that are known; others are left alone.
pub(super) const KINDS: [&str; 6] = ["step_start", "text", "reasoning", "tool_use", "step_finish", "error"];

#[derive(Clone, Default)]
pub(super) struct Stream {
    /// The session spoken of, once told.
    session: Option<Box<str>>,
    /// The run was told as ended; a step that starts after that begins anew.
    ended: bool,
    /// Message and part of the last step.
    step: Option<(Key, Box<str>)>,
}

impl Stream {
    pub fn line(&mut self, text: &str, out: &mut Out) {
        let line = match serde_json::from_str::<Line>(text) {
            Ok(line) => line,
            Err(error) => {
                // Of kinds that aren't known no shape is expected.
                let foreign = serde_json::from_str::<Head>(text).is_ok_and(|head| !KINDS.contains(&&*head.kind));
                if !foreign {
                    out.unparsed(&error.to_string());
                }
                return;
            }
        };
        if line.session.is_empty() || !KINDS.contains(&&*line.kind) {
            return;
        }
        self.place(&line, out);
        let empty = Data::default();
        let part = line.part.as_ref().unwrap_or(&empty);
        match &*line.kind {
            "step_start" if self.ended => {
                // A prompt isn't printed, but there was one.
                out.push(Body::Prompt { text: Text::new("continues") });
                self.ended = false;
            }
            "text" => out.push(Body::Message { text: head(part.text), thinking: false }),
            "reasoning" => out.push(Body::Message { text: head(part.text), thinking: true }),
            "tool_use" => tool(&part.id, part, true, out),
            "step_finish" => self.step_finish(part, out),
            "error" => self.error(&line, out),
            _ => {}
        }
    }

    fn place(&mut self, line: &Line, out: &mut Out) {
        out.at = line.timestamp.stamp().or(out.at);
        set_run(out, &line.session);
        if self.session.as_deref() != Some(&*line.session) {
            *self = Self { session: Some(Box::from(&*line.session)), ..Self::default() };
            out.push(Body::Info(RunInfo { interactive: Some(false), ..RunInfo::default() }));
        }
    }

    fn step_finish(&mut self, part: &Data, out: &mut Out) {
        let mut key = message_key(&part.message_id);
        match &self.step {
            // A second step of one message, which older versions have, is an answer of its own.
            Some((message, first)) if *message == key && **first != *part.id => {
                key = Key::of(&["opencode", "step", &part.id]);
            }
            _ => self.step = Some((key, Box::from(&*part.id))),
        }
        if let Some(tokens) = &part.tokens {
            let (usage, cost) = (tokens.usage(), usd(part.cost));
            out.push(Body::ModelCall(ModelCall { key: Some(key), message: None, model: None, usage, cost }));
        }
        if let Some((outcome, reason)) = ending(&part.reason) {
            self.end(outcome, reason, out);
        }
    }

    fn error(&mut self, line: &Line, out: &mut Out) {
        let Some(problem) = &line.error else { return };
        let text = problem.text();
        if problem.is_providers() {
            out.push(Body::ApiError { text: text.clone(), retrying: false });
        }
        self.end(problem.outcome(), text, out);
    }

    fn end(&mut self, outcome: Outcome, reason: Text, out: &mut Out) {
        self.ended = true;
        out.push(Body::Ended { outcome, reason });
    }
}
