//! For tests: homes made of recorded runs, and models of what is read there.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Env, Plan, Target};
use crate::domain::price::Prices;
use crate::domain::rules::Rules;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Model, Msg};

pub const PROJECT: &str = ".claude/projects/-home-dev-project";

/// A recorded file.
pub fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A home directory of a test.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub fn write(&self, path: &str, text: &[u8]) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn append(&self, path: &str, text: &[u8]) {
        fs::OpenOptions::new().append(true).open(self.at(path)).unwrap().write_all(text).unwrap();
    }

    /// How long ago a file was written.
    pub fn age(&self, path: &str, seconds: u64) {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(self.now().0 as u64 - seconds * 1_000);
        fs::File::options().write(true).open(self.at(path)).unwrap().set_modified(time).unwrap();
    }

    pub fn now(&self) -> Stamp {
        crate::clock::now()
    }

    pub fn plan(&self, targets: &[PathBuf]) -> Plan {
        Plan {
            targets: targets.iter().cloned().map(Target::Path).collect(),
            env: Env { home: Some(self.path().to_owned()), ..Env::default() },
            id: None,
            all: false,
            active_within: Span::mins(60),
            now: self.now(),
        }
    }

    /// A Claude session with two subagents, in three files.
    pub fn claude_with_subagents(&self, order: [usize; 3]) -> Vec<PathBuf> {
        let session = "4a2cbbe5-7267-4707-b959-4b86db164e5d";
        let files = [
            (format!("{PROJECT}/{session}.jsonl"), "claude/subagents.transcript.jsonl"),
            (format!("{PROJECT}/{session}/subagents/agent-1.jsonl"), "claude/subagents.subagent-1.transcript.jsonl"),
            (format!("{PROJECT}/{session}/subagents/agent-2.jsonl"), "claude/subagents.subagent-2.transcript.jsonl"),
        ];
        order.iter().map(|at| self.write(&files[*at].0, &fixture(files[*at].1))).collect()
    }
}

pub fn rules() -> Arc<Rules> {
    let policy = toml::from_str(crate::domain::policy::EMBEDDED).unwrap();
    Arc::new(Rules::compile(policy).unwrap())
}

pub fn prices() -> Arc<Prices> {
    Arc::new(Prices::embedded())
}

/// A model of what `msgs` say.
pub fn model(msgs: Vec<Msg>, now: Stamp) -> Model {
    let mut model = Model::new(rules(), prices());
    apply(&mut model, msgs, now);
    model
}

pub fn apply(model: &mut Model, msgs: Vec<Msg>, now: Stamp) {
    for msg in msgs {
        model.apply(msg, now);
    }
}

/// What must not depend on how a run was read.
pub fn figures(model: &Model) -> BTreeMap<String, String> {
    let figures = |run: &crate::domain::run::Run| {
        let counts = (run.counts.turns, run.counts.tool_calls, run.counts.failed, run.subagents());
        let statement: Vec<_> = run.statement.lines().collect();
        format!("{counts:?} {:?} {:?} {statement:?}", run.tokens.own(), run.clock)
    };
    model.runs().map(|run| (run.id.to_string(), figures(run))).collect()
}

/// Just what was counted.
pub fn counted(model: &Model) -> BTreeMap<String, String> {
    let figures = |run: &crate::domain::run::Run| {
        format!("{:?} {:?}", (run.counts.tool_calls, run.counts.failed, run.subagents()), run.tokens.own())
    };
    model.runs().map(|run| (run.id.to_string(), figures(run))).collect()
}
