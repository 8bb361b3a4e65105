//! Reading once, for the commands without a screen: sources to a finished model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use super::Setup;
use crate::clock;
use crate::domain::price::Prices;
use crate::domain::run::Run;
use crate::domain::text::Text;
use crate::engine::{Model, Msg, SourceState};
use crate::sources::{self, Plan, Target};

/// A plan for paths a person named, or (none named) the default places.
pub fn plan(setup: &Setup, paths: &[PathBuf], all: bool) -> Result<Plan> {
    if paths.is_empty() && setup.env.roots().is_empty() {
        bail!(
            "no home directory is known (HOME is not set), so there is nowhere to look for runs\nhint: name a file or a \
             directory (`redkey ls PATH`, `redkey watch PATH`), or set HOME"
        );
    }
    let mut targets = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            targets.push(Target::Stdin);
            continue;
        }
        std::fs::metadata(path).with_context(|| format!("cannot read {}", Text::new(&path.to_string_lossy())))?;
        targets.push(Target::Path(path.clone()));
    }
    Ok(Plan {
        targets,
        env: setup.env.clone(),
        all: all || !paths.is_empty(),
        active_within: setup.rules.policy.watch.active_within,
        now: clock::now(),
    })
}

/// An empty model under the policy in force.
pub fn model(setup: &Setup) -> Model {
    Model::new(setup.rules.clone(), Arc::new(Prices::embedded()))
}

/// What is kept of runs once they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Numbers alone: thousands of runs fit.
    Numbers,
    /// Their newest lines too.
    Lines,
}

/// Reads everything a plan names, to the end.
pub fn read(setup: &Setup, plan: Plan, keep: Keep) -> Model {
    let mut model = model(setup);
    let now = plan.now;
    sources::read_now(&plan, &mut |msg| {
        let is_read = matches!(msg, Msg::Progress(_));
        model.apply(msg, now);
        if is_read && keep == Keep::Numbers {
            model.apply(Msg::Tick, now); // quiet runs forget their lines
        }
    });
    model
}

/// Finds the one run that `name` means: a file, `-`, or (the beginning of) a run's id with or without its agent.
pub fn one_run(setup: &Setup, name: &str) -> Result<(Model, u32)> {
    let path = Path::new(name);
    if name == "-" || path.exists() {
        let model = read(setup, plan(setup, &[path.to_owned()], true)?, Keep::Lines);
        let number = only_run(&model, name)?;
        return Ok((model, number));
    }
    let model = read(setup, plan(setup, &[], true)?, Keep::Lines);
    let numbers: Vec<u32> = model.runs().filter(|run| is_named(run, name)).map(|run| run.number).collect();
    match numbers[..] {
        [number] => Ok((model, number)),
        [] => bail!(
            "no run is called {} and no such file exists\nhint: `redkey ls --all` lists every run that is found",
            Text::new(name)
        ),
        _ => {
            let names: Vec<String> =
                numbers.iter().filter_map(|n| model.run(*n)).map(|r| format!("  {}", r.id)).collect();
            bail!(
                "{} runs are called {}…:\n{}\nhint: give more of the id",
                numbers.len(),
                Text::new(name),
                names.join("\n")
            )
        }
    }
}

/// Does a person who writes `name` mean this run?
pub fn is_named(run: &Run, name: &str) -> bool {
    run.id.session.starts_with(name) || run.id.to_string().starts_with(name)
}

fn only_run(model: &Model, name: &str) -> Result<u32> {
    let name = Text::new(name);
    match model.runs().len() {
        1 => Ok(0),
        0 => match model.sources.iter().map(|s| &s.state).find(|s| !matches!(s, SourceState::Reading(_))) {
            Some(SourceState::Failed(why)) => bail!("cannot read {name}: {why}"),
            Some(SourceState::Unknown) => bail!(
                "{name}: no line of it is in a format that redkey knows\nhint: it reads streams and transcripts of Claude \
                 Code, Codex, Gemini CLI, opencode, pi and Qwen Code, and redkey's own events (`redkey schema`)"
            ),
            _ => bail!("{name} holds no events of a run yet"),
        },
        n => {
            let names: Vec<String> = model.runs().take(20).map(|r| format!("  {}", r.id)).collect();
            bail!("{name} holds {n} runs:\n{}\nhint: name one of them", names.join("\n"))
        }
    }
}
