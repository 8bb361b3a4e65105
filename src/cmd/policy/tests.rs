use std::path::Path;

use super::*;
use crate::cli::LayerArg;
use crate::config::{Flags, PROJECT_FILE};
use crate::domain::event::{Agent, Body, Event, Failure, Key, RunId, RunInfo};
use crate::domain::price::Prices;
use crate::domain::run::{Context, Origin, Run};
use crate::domain::time::{Span, Stamp};
use crate::domain::tokens::Seen;
use crate::domain::tool::ToolInput;

struct Bench {
    tmp: tempfile::TempDir,
    sources: Sources,
}

impl Bench {
    /// A user's and a project's policy, both with something to say.
    fn new() -> Self {
        let tmp = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(tmp.path().join(".git")).expect("made");
        let write = |name: &str, text: &str| std::fs::write(tmp.path().join(name), text).expect("written");
        write(
            "policy.toml",
            "[budget]\ndefault = \"2h\"\n\n[[budget.rules]]\nagent = \"codex\"\nproject = \"~/infra/**\"\n\
             budget = \"10m\"\ncaps = { usd = 2.5 }\n\n[shell]\n\"just deploy\" = \"irreversible\"\n\
             \"odd \\u202e*\" = \"read\"\n",
        );
        write(PROJECT_FILE, "[tariff]\nexecute = \"12s\"\n\n[[budget.rules]]\nbudget = \"40m\"\n");
        let sources = Sources {
            user_path: Some(tmp.path().join("policy.toml")),
            project_dir: Some(tmp.path().to_owned()),
            home: Some("/home/me".into()),
            flags: Flags { caps: vec!["tools=200".into()], ..Flags::default() },
            ..Sources::default()
        };
        Self { tmp, sources }
    }

    fn load(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|error| panic!("{error}"))
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.tmp.path().join(name)
    }
}

fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).expect("writes to memory");
    let text = String::from_utf8(out).expect("UTF-8");
    assert!(text.lines().all(|line| clean(line) == line), "unsafe to print: {text:?}");
    text
}

#[test]
fn the_merged_policy_reads_back_as_itself() {
    let loaded = Bench::new().load();
    let shown = text(|out| show(&loaded, LayerArg::Merged, false, out));
    let read: toml::Table = toml::from_str(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(&read, loaded.merged());
    let (head, rest) = shown.split_once("[forecast]").expect("a section");
    let differing: Vec<&str> = rest.lines().filter(|line| line.contains("  # ")).collect();
    insta::assert_snapshot!(format!("{head}\n…\n{}", differing.join("\n")));
}

#[test]
fn layers_are_shown_as_they_were_written() {
    let loaded = Bench::new().load();
    assert!(
        text(|out| show(&loaded, LayerArg::Embedded, false, out)).contains("# The clock of a run that no rule below")
    );
    insta::assert_snapshot!(text(|out| show(&loaded, LayerArg::User, false, out)));
    let none = load(&Sources::default()).expect("the shipped policy");
    assert!(text(|out| show(&none, LayerArg::Project, false, out)).starts_with("# There is no project policy"));
}

#[test]
fn json_tells_values_and_origins() {
    let loaded = Bench::new().load();
    let json: serde_json::Value =
        serde_json::from_str(&text(|out| show(&loaded, LayerArg::Merged, true, out))).expect("JSON");
    assert_eq!(json["policy"]["budget"]["default"], "2h");
    assert_eq!(json["policy"]["tariff"]["read"], "2s");
    insta::assert_snapshot!(serde_json::to_string_pretty(&json["origins"]).expect("JSON"));
    let json: serde_json::Value =
        serde_json::from_str(&text(|out| show(&loaded, LayerArg::Project, true, out))).expect("JSON");
    assert_eq!(json[0]["policy"]["tariff"]["execute"], "12s");
}

#[test]
fn check_says_ok_or_what_is_wrong() {
    let bench = Bench::new();
    let run = |path: Option<&Path>| {
        let mut code = 9;
        let said = text(|out| {
            code = check(&bench.sources, path, out).expect("writes to memory");
            Ok(())
        });
        (code, said)
    };
    let all = run(None);
    assert_eq!(all, (0, "ok: policy.toml (user), .redkey.toml (project)\n".into()));
    std::fs::write(bench.path("bad.toml"), "[tariff]\nraed = \"1s\"\n").expect("written");
    let (code, said) = run(Some(&bench.path("bad.toml")));
    assert!(code == 1 && said.starts_with("bad.toml:2:1: unknown key `raed`; did you mean `read`?\n"), "{said}");
    assert!(said.ends_with("\n1 problem\n"), "{said}");
    std::fs::create_dir(bench.path("sub")).expect("made");
    std::fs::write(bench.path("sub/.redkey.toml"), "[tariff]\nread = \"1s\"\n").expect("written");
    let (code, said) = run(Some(&bench.path("sub/.redkey.toml")));
    assert!(code == 1 && said.contains("tariff.read = \"1s\" would loosen your policy (2s)"), "{said}");
    let (code, said) = run(Some(&bench.path("absent/.redkey.toml")));
    assert!(code == 1 && said.ends_with("there is no such file\n"), "{said}");
}

#[test]
fn path_says_what_is_there_and_what_could_be() {
    let bench = Bench::new();
    let root = bench.tmp.path().display().to_string();
    let mut sources = bench.sources.clone();
    sources.user_path = Some(bench.path("nowhere/policy.toml"));
    insta::assert_snapshot!(text(|out| path(&sources, out)).replace(&root, "ROOT"));
}

/// A run of Codex in the user's infrastructure, with calls of several kinds.
fn run(loaded: &Loaded) -> Run {
    let id = RunId::new(Agent::Codex, "s");
    let (prices, mut seen) = (Prices::embedded(), Seen::default());
    let mut cx = Context { rules: &loaded.rules, prices: &prices, seen: &mut seen };
    let mut run = Run::new(id.clone(), 0);
    run.set_default_budget(&cx);
    let call = |name: &str, tool: &str, command: &str| Body::ToolCall {
        key: Key::of(&[name]),
        tool: tool.into(),
        input: Box::new(ToolInput::from_command(command)),
    };
    let long = format!("{} && git push", "true ".repeat(80));
    let info = RunInfo { cwd: Some("/home/me/infra/net".into()), title: Some("move it".into()), ..RunInfo::default() };
    let bodies = [
        Body::Info(info),
        Body::Prompt { text: "go".into() },
        call("1", "shell", "just deploy now"),
        Body::ToolResult { key: Key::of(&["1"]), failure: Failure::Flagged, text: "no".into() },
        call("2", "shell", "cargo test"),
        call("3", "shell", "./own-script"),
        call("4", "shell", "./own-script"),
        call("5", "mcp__x__do", "thing"),
        call("6", "unheard_of", "thing"),
        call("7", "shell", &long),
    ];
    for (i, body) in bodies.into_iter().enumerate() {
        let at = Stamp(i as i64 * 1_000);
        run.apply(&Event { run: id.clone(), branch: None, at: Some(at), body }, at, Origin::default(), &mut cx);
    }
    run
}

#[test]
fn explain_names_the_lines_that_decided() {
    let loaded = Bench::new().load();
    let run = run(&loaded);
    assert_eq!(run.clock.granted, Span::mins(10));
    insta::assert_snapshot!(text(|out| explain(&loaded, &run, out)));
}
