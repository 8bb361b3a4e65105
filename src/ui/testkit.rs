//! Made-up models for tests of the screen: events written by hand, applied as the engine applies all events.

pub mod control;

use std::sync::Arc;

use crate::domain::event::{Agent, Body, Event, Failure, Key, ModelCall, Outcome, RunId, RunInfo, Totals};
use crate::domain::policy::{Caps, EMBEDDED, Policy};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::domain::tool::ToolInput;
use crate::domain::usage::Usage;
use crate::engine::{Model, Msg};

/// When every made-up story ends: 2026-11-23 13:56:00 UTC.
pub const NOW: Stamp = Stamp(1_795_442_160_000);

pub fn model() -> Model {
    model_with(Caps::default())
}

/// A model whose runs have these limits beside the clock.
pub fn model_with(caps: Caps) -> Model {
    let mut policy: Policy = toml::from_str(EMBEDDED).unwrap();
    policy.caps = caps;
    // The stories were made up for these: tuning what is shipped redraws no screen.
    policy.budget.default = Span::mins(30);
    (policy.tariff.spawn, policy.tariff.failure, policy.tariff.repeat_limit) = (Span::secs(60), Span::secs(20), 32);
    Model::new(Arc::new(Rules::compile(policy).unwrap()), Arc::new(Prices::embedded()))
}

/// Tells one run's story; `at` is seconds after its start.
pub struct Story {
    pub run: RunId,
    start: Stamp,
    source: u32,
    calls: u64,
    events: Vec<(Event, u64)>,
}

impl Story {
    pub fn new(agent: Agent, session: &str, source: u32, ago: i64) -> Self {
        Self { run: RunId::new(agent, session), start: NOW + Span::secs(-ago), source, calls: 0, events: Vec::new() }
    }

    /// The same story of another run.
    pub fn rename(&mut self, run: RunId) {
        self.events.iter_mut().for_each(|(event, _)| event.run = run.clone());
        self.run = run;
    }

    pub fn tell(&mut self, at: i64, body: Body) -> &mut Self {
        self.tell_in(at, None, body)
    }

    pub fn tell_in(&mut self, at: i64, branch: Option<&str>, body: Body) -> &mut Self {
        let branch = branch.map(Arc::from);
        let event = Event { run: self.run.clone(), branch, at: Some(self.start + Span::secs(at)), body };
        self.events.push((event, self.events.len() as u64 * 1_000));
        self
    }

    pub fn begin(&mut self, model: &str, cwd: &str, title: &str) -> &mut Self {
        let info = RunInfo {
            version: Some("2.1.4".into()),
            model: Some(model.into()),
            cwd: Some(cwd.into()),
            title: Some(title.into()),
            interactive: Some(true),
            ..RunInfo::default()
        };
        self.tell(0, Body::Info(info)).tell(0, Body::Prompt { text: title.into() })
    }

    pub fn answer(&mut self, at: i64, model: &str, input: u64, output: u64) -> &mut Self {
        self.calls += 1;
        let key = Key::of(&[&self.run.session, "answer", &self.calls.to_string()]);
        let usage = Usage { input, output, cache_read: input * 9, cache_write: input / 3, ..Usage::ZERO };
        let call = ModelCall { key: Some(key), message: None, model: Some(model.into()), usage, cost: None };
        self.tell(at, Body::ModelCall(call))
    }

    /// A call of `tool` and its result a second later.
    pub fn call(&mut self, at: i64, tool: &str, input: ToolInput, failure: Failure, text: &str) -> &mut Self {
        self.call_in(at, None, tool, input, failure, text)
    }

    pub fn call_in(
        &mut self,
        at: i64,
        branch: Option<&str>,
        tool: &str,
        input: ToolInput,
        failure: Failure,
        text: &str,
    ) -> &mut Self {
        self.calls += 1;
        let key = Key::of(&[&self.run.session, "call", &self.calls.to_string()]);
        self.tell_in(at, branch, Body::ToolCall { key, tool: tool.into(), input: Box::new(input) });
        self.tell_in(at + 1, branch, Body::ToolResult { key, failure, text: text.into() })
    }

    pub fn bash(&mut self, at: i64, command: &str) -> &mut Self {
        self.call(at, "Bash", ToolInput::from_command(command), Failure::No, "")
    }

    pub fn edit(&mut self, at: i64, path: &str) -> &mut Self {
        let input = ToolInput::from_value(&serde_json::json!({ "file_path": path }));
        self.call(at, "Edit", input, Failure::No, "")
    }

    pub fn end(&mut self, at: i64, outcome: Outcome, reason: &str) -> &mut Self {
        self.tell(at, Body::Ended { outcome, reason: reason.into() })
    }

    /// Applies the story to a model, each event at its own time.
    pub fn apply_to(&mut self, model: &mut Model) {
        model.apply(
            Msg::Opened {
                source: self.source,
                name: Text::new(&format!("/runs/{}.jsonl", self.run.session)),
                form: None,
            },
            NOW,
        );
        for (event, offset) in std::mem::take(&mut self.events) {
            let at = event.at.unwrap_or(NOW);
            model.apply(Msg::Events { source: self.source, events: vec![(event, offset)] }, at);
        }
    }
}

const SONNET: &str = "claude-sonnet-4-5-20250929";

/// A run that works, spawns, repeats itself and pushes: something of everything.
pub fn busy(source: u32) -> Story {
    let mut s = Story::new(Agent::Claude, "6c0f2a7b-41d2-4a5e-9f2d-7d1f0e3b9c11", source, 420);
    s.begin(SONNET, "/home/ada/work/redkey", "Add the tariff and charge shell commands");
    for i in 0..14 {
        let at = 8 + i * 22;
        s.answer(at, SONNET, 1_900 + 130 * i as u64, 420 + 35 * i as u64);
        match i % 5 {
            0 => s.edit(at + 2, &format!("src/domain/part{i}.rs")),
            1 => s.bash(at + 2, "cargo build --workspace"),
            2 => s.bash(at + 2, "rg -n tariff src"),
            3 => s.call(
                at + 2,
                "Bash",
                ToolInput::from_command("cargo test"),
                Failure::Flagged,
                "exit 101: 2 tests failed",
            ),
            _ => s.edit(at + 2, "src/domain/tariff.rs"),
        };
    }
    branches(&mut s);
    s.answer(380, SONNET, 8_200, 2_100);
    s.tell(381, Body::Message { text: "The tariff is in place; pushing the branch now.".into(), thinking: false });
    s.bash(417, "git push origin main");
    s
}

/// Subagents of a run, one of them with a subagent of its own.
fn branches(s: &mut Story) {
    let spawn = |id: &str, name: &str| Body::SubagentStarted {
        id: id.into(),
        parent: None,
        depth: 1,
        name: name.into(),
        by_call: false,
    };
    s.tell(330, spawn("a1", "explore the parsers"));
    s.tell(331, spawn("a2", "review tests"));
    s.tell_in(
        340,
        Some("a1"),
        Body::SubagentStarted {
            id: "b1".into(),
            parent: Some("a1".into()),
            depth: 2,
            name: "grep".into(),
            by_call: false,
        },
    );
    for i in 0..4 {
        s.call_in(
            341 + 6 * i,
            Some("a1"),
            "Read",
            ToolInput::from_value(&serde_json::json!({"file_path": format!("src/p{i}.rs")})),
            Failure::No,
            "",
        );
        s.call_in(
            343 + 6 * i,
            Some("a2"),
            "Bash",
            ToolInput::from_command("cargo nextest run"),
            if i == 2 { Failure::Inferred } else { Failure::No },
            "error: no such command: nextest",
        );
    }
    s.tell(372, Body::SubagentEnded { id: "a2".into(), outcome: Outcome::Finished });
}

/// One that does the same again and again.
pub fn looping(source: u32) -> Story {
    let mut s = Story::new(Agent::Codex, "0199f3-loop", source, 190);
    s.begin("gpt-5.1-codex", "/home/ada/work/shop", "Fix the flaky checkout test");
    for i in 0..5 {
        s.answer(30 * i + 5, "gpt-5.1-codex", 3_000, 300);
        s.call(
            30 * i + 9,
            "shell",
            ToolInput::from_command("npm test -- checkout"),
            Failure::Flagged,
            "1 failing: checkout total",
        );
    }
    s
}

/// A model with a run in every state.
pub fn fleet() -> Model {
    fleet_in(model())
}

/// The same runs in a model with limits of its own.
pub fn fleet_in(mut model: Model) -> Model {
    busy(0).apply_to(&mut model);
    looping(1).apply_to(&mut model);
    let mut s = Story::new(Agent::Gemini, "g-waits", 2, 1_500);
    s.begin("gemini-2.5-pro", "/home/ada/work/atlas", "Plan the migration of the map tiles");
    s.answer(20, "gemini-2.5-pro", 9_000, 1_800).tell(700, Body::ApprovalAsked { text: "run the migration?".into() });
    s.apply_to(&mut model);
    let mut s = Story::new(Agent::Opencode, "ses_idle", 3, 4_000);
    s.begin("anthropic/claude-opus-4-1", "/home/ada/work/blog", "Rewrite the about page");
    s.answer(30, "anthropic/claude-opus-4-1", 4_000, 900).edit(44, "about.md");
    s.apply_to(&mut model);
    let mut s = Story::new(Agent::Native, "zero-1", 4, 1_300);
    s.begin("in-house-7b", "/srv/jobs/etl", "Nightly import");
    for i in 0..26 {
        s.answer(10 + 46 * i, "in-house-7b", 2_000, 700);
        s.call(
            12 + 46 * i,
            "fetch",
            ToolInput::from_value(&serde_json::json!({"url": format!("https://h{}.example/x", i % 9)})),
            Failure::No,
            "",
        );
        s.bash(20 + 46 * i, "kubectl get pods");
    }
    s.tell(1_290, Body::Unparsed { why: "not JSON".into() });
    s.apply_to(&mut model);
    ended(&mut model);
    model.apply(Msg::Tick, NOW);
    model
}

/// Runs that are over: well, badly, cut off.
fn ended(model: &mut Model) {
    let mut s = Story::new(Agent::Pi, "pi-done", 5, 900);
    s.begin("claude-haiku-4-5", "/home/ada/work/notes", "Sort last week's notes");
    s.answer(5, "claude-haiku-4-5", 1_200, 300).edit(9, "notes.md").bash(15, "ls");
    let totals = Totals {
        usage: Some(Usage { input: 1_200, output: 300, cache_read: 9_000, ..Usage::ZERO }),
        cost: None,
        with_subagents: true,
        models: vec![],
    };
    s.tell(40, Body::Totals(totals)).end(41, Outcome::Finished, "done");
    s.apply_to(model);
    let mut s = Story::new(Agent::Qwen, "qwen-bad", 6, 2_200);
    s.begin("qwen3-coder-plus", "/home/ada/work/shop", "Upgrade the payment library");
    for i in 0..3 {
        s.call(
            10 + 8 * i,
            "run_shell_command",
            ToolInput::from_command("npm i pay@latest"),
            Failure::Flagged,
            "ERESOLVE",
        );
    }
    s.tell(60, Body::ApiError { text: "429 rate limited".into(), retrying: false });
    s.end(70, Outcome::Failed, "429 rate limited");
    s.apply_to(model);
    let mut s = Story::new(Agent::Claude, "int-1", 7, 3_000);
    s.begin(SONNET, "/home/ada/work/redkey", "Try another chart");
    s.answer(5, SONNET, 2_000, 200).end(30, Outcome::Interrupted, "stopped by the user");
    s.apply_to(model);
}
