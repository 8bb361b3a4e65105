//! PURE. The small agents of `redkey demo`: what each does, step by step. [`crate::cmd::demo`] starts them as real
//! processes.

use serde_json::json;

use crate::adapters::native_schema::{
    Decision, Event, Line, Message, ModelCall, RunEnded, RunStarted, Said, SubagentEnded, SubagentStarted, ToolCall,
    ToolResult,
};
use crate::domain::event::Outcome;
use crate::domain::time::Span;
use crate::domain::tool::Kind;

/// A small agent with a character of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Character {
    /// Reads, edits, tests, and gets there.
    Steady,
    /// Tries the same failing thing again and again.
    Looping,
    /// Hands everything to helpers, who hand on.
    Spawning,
    /// Works well with very little left.
    Edge,
    /// Starts a long command and says nothing.
    Silent,
    /// Asks a person before it goes on.
    Asking,
}

impl Character {
    pub const ALL: [Character; 6] = [
        Character::Steady,
        Character::Looping,
        Character::Spawning,
        Character::Edge,
        Character::Silent,
        Character::Asking,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Character::Steady => "steady",
            Character::Looping => "looping",
            Character::Spawning => "spawning",
            Character::Edge => "edge",
            Character::Silent => "silent",
            Character::Asking => "asking",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.name() == name)
    }

    fn title(self) -> &'static str {
        match self {
            Character::Steady => "Add a retry to the upload client",
            Character::Looping => "Make the flaky build pass",
            Character::Spawning => "Survey every service for the new header",
            Character::Edge => "Rename the billing module",
            Character::Silent => "Regenerate the fixtures",
            Character::Asking => "Choose a queue and roll it out",
        }
    }

    fn budget(self) -> &'static str {
        match self {
            Character::Steady => "45m",
            Character::Looping => "30m",
            Character::Spawning => "40m",
            Character::Edge => "3m",
            Character::Silent => "20m",
            Character::Asking => "25m",
        }
    }
}

/// What an agent says, after a pause.
#[derive(Debug)]
pub struct Step {
    pub pause: Span,
    pub lines: Vec<Line>,
}

/// Plays one character. Iterates over steps until the agent is done.
#[derive(Debug)]
pub struct Script {
    character: Character,
    run: String,
    cwd: String,
    step: u32,
    calls: u32,
}

impl Script {
    /// `run` is the run's id, `cwd` the directory that the agent claims to work in.
    pub fn new(character: Character, run: &str, cwd: &str) -> Self {
        Self { character, run: run.to_owned(), cwd: cwd.to_owned(), step: 0, calls: 0 }
    }

    fn line(&self, event: Event) -> Line {
        Line::new(&self.run, event)
    }

    fn in_branch(&self, branch: &str, event: Event) -> Line {
        Line { branch: Some(branch.to_owned()), ..Line::new(&self.run, event) }
    }

    fn started(&self) -> Vec<Line> {
        vec![
            self.line(Event::RunStarted(RunStarted {
                agent: Some(self.character.name().into()),
                version: Some("1.0".into()),
                title: Some(self.character.title().into()),
                cwd: Some(self.cwd.clone()),
                model: Some("claude-sonnet-4-5".into()),
                budget: Some(self.character.budget().into()),
                interactive: Some(self.character == Character::Asking),
                ..RunStarted::default()
            })),
            self.line(Event::Prompt(Said { text: self.character.title().into() })),
        ]
    }

    fn answer(&self, output: u64, text: &str) -> Vec<Line> {
        let step = u64::from(self.step);
        vec![
            self.line(Event::ModelCall(ModelCall {
                id: Some(format!("answer-{step}")),
                model: Some("claude-sonnet-4-5".into()),
                input_tokens: 300 + 40 * step,
                output_tokens: output,
                cache_read_tokens: 18_000 + 900 * step,
                cache_write_tokens: 700,
                cost_usd: None,
            })),
            self.line(Event::Message(Message { text: text.into(), thinking: false })),
        ]
    }

    fn call(&mut self, tool: &str, kind: Kind, input: serde_json::Value) -> Line {
        self.calls += 1;
        let call = ToolCall { id: format!("call-{}", self.calls), tool: tool.into(), kind: Some(kind), input };
        self.line(Event::ToolCall(call))
    }

    fn result(&self, ok: bool, text: &str) -> Line {
        self.line(Event::ToolResult(ToolResult { id: format!("call-{}", self.calls), ok, text: text.into() }))
    }

    fn shell(&mut self, command: &str) -> Line {
        self.call("shell", Kind::Execute, json!({ "command": command }))
    }

    fn ended(&self, outcome: Outcome, reason: &str) -> Line {
        self.line(Event::RunEnded(RunEnded { outcome, reason: reason.into() }))
    }

    fn steady(&mut self) -> Option<Step> {
        let files = ["src/upload.rs", "src/client.rs", "src/retry.rs", "tests/upload.rs", "src/backoff.rs"];
        let file = files[(self.step as usize / 5) % files.len()];
        let mut lines = Vec::new();
        let pause = match self.step % 5 {
            1 => {
                lines.extend(self.answer(240, &format!("Reading {file} first.")));
                lines.push(self.call("read", Kind::Read, json!({ "path": file })));
                1_400
            }
            2 => {
                lines.push(self.result(true, "ok"));
                lines.extend(self.answer(620, "The retry belongs around the send."));
                2_600
            }
            3 => {
                lines.push(self.call("edit", Kind::Write, json!({ "path": file, "step": self.step })));
                lines.push(self.result(true, "1 file changed"));
                1_800
            }
            4 => {
                lines.push(self.shell("cargo test --quiet"));
                1_500
            }
            _ => {
                lines.push(self.result(true, "test result: ok. 48 passed"));
                lines.push(self.line(Event::Verified(Said { text: "48 tests passed".into() })));
                3_200
            }
        };
        if self.step > 120 {
            lines.push(self.ended(Outcome::Finished, "done"));
        }
        Some(Step { pause: Span(pause), lines })
    }

    fn looping(&mut self) -> Option<Step> {
        let mut lines = Vec::new();
        if self.step % 2 == 1 {
            lines.extend(self.answer(90, "That should have worked. Running it again."));
            lines.push(self.shell("make -C build all"));
            return Some(Step { pause: Span(2_400), lines });
        }
        lines.push(self.result(false, "make: *** [Makefile:12: all] Error 2"));
        Some(Step { pause: Span(1_600), lines })
    }

    fn spawning(&mut self) -> Option<Step> {
        let n = self.step;
        let mut lines = Vec::new();
        let helper = format!("helper-{}", n.div_ceil(3));
        match n % 3 {
            1 => {
                let (depth, parent) =
                    if n > 9 && n.is_multiple_of(2) { (2, Some("helper-1".to_owned())) } else { (1, None) };
                lines.extend(self.answer(180, "One helper for each service."));
                lines.push(self.line(Event::SubagentStarted(SubagentStarted {
                    id: helper.clone(),
                    parent,
                    depth,
                    name: format!("survey {}", ["billing", "search", "mail", "auth", "media"][n as usize / 3 % 5]),
                    by_call: false,
                })));
            }
            2 => {
                self.calls += 1;
                let id = format!("call-{}", self.calls);
                let input = json!({ "pattern": "X-Request-Id", "path": format!("services/{n}") });
                let call = ToolCall { id: id.clone(), tool: "grep".into(), kind: Some(Kind::Read), input };
                lines.push(self.in_branch(&helper, Event::ToolCall(call)));
                let result = ToolResult { id, ok: true, text: "3 matches".into() };
                lines.push(self.in_branch(&helper, Event::ToolResult(result)));
            }
            _ => lines.push(self.line(Event::SubagentEnded(SubagentEnded { id: helper, outcome: Outcome::Finished }))),
        }
        if n > 90 {
            lines.push(self.ended(Outcome::Finished, "every service surveyed"));
        }
        Some(Step { pause: Span(2_700), lines })
    }

    fn edge(&mut self) -> Option<Step> {
        let mut lines = Vec::new();
        match self.step {
            n @ 1..=12 if n % 2 == 1 => {
                lines.extend(self.answer(300, "Small, careful steps."));
                lines.push(self.call("read", Kind::Read, json!({ "path": format!("billing/part{n}.rs") })));
            }
            13 => lines.push(self.shell("cd /srv/billing && git push origin main")),
            14 => lines.push(self.result(true, "main -> main")),
            40 => lines.push(self.ended(Outcome::Finished, "renamed")),
            _ => lines.push(self.result(true, "ok")),
        }
        Some(Step { pause: Span(4_000), lines })
    }

    fn silent(&mut self) -> Option<Step> {
        let mut lines = Vec::new();
        if self.step == 1 {
            lines.extend(self.answer(60, "This takes a while."));
            lines.push(self.shell("./regenerate --all"));
        }
        Some(Step { pause: Span(if self.step == 1 { 1_200 } else { 20_000 }), lines })
    }

    fn asking(&mut self) -> Option<Step> {
        let mut lines = Vec::new();
        match self.step {
            1 => lines.extend(self.answer(900, "Eight queues would do. Comparing them.")),
            2 => {
                let text = "which queue".into();
                lines.push(self.line(Event::Decision(Decision { text, before: 8, after: 2 })));
            }
            3 => {
                lines.push(self.call("fetch", Kind::Network, json!({ "url": "https://example.org/queue/limits" })));
                lines.push(self.result(true, "200"));
            }
            4 => lines.push(self.line(Event::ApprovalAsked(Said { text: "Roll out to staging?".into() }))),
            _ => {}
        }
        Some(Step { pause: Span(if self.step < 5 { 3_000 } else { 30_000 }), lines })
    }
}

impl Iterator for Script {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let first = self.step == 0;
        if first {
            self.step = 1;
            return Some(Step { pause: Span(300), lines: self.started() });
        }
        // Nobody watches a demo for an hour; a forgotten one ends by itself.
        if self.step > 400 {
            return None;
        }
        let step = match self.character {
            Character::Steady => self.steady(),
            Character::Looping => self.looping(),
            Character::Spawning => self.spawning(),
            Character::Edge => self.edge(),
            Character::Silent => self.silent(),
            Character::Asking => self.asking(),
        };
        self.step += 1;
        let has_ended = |s: &Step| s.lines.iter().any(|l| matches!(l.event, Event::RunEnded(_)));
        if step.as_ref().is_some_and(has_ended) {
            self.step = u32::MAX;
        }
        step
    }
}
