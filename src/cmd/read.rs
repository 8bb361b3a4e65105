//! Reading once, for the commands without a screen: sources to a finished model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};

use super::Setup;
use crate::clock;
use crate::config::Dirs;
use crate::control::audit;
use crate::control::meter::ledger;
use crate::domain::event::{Agent, RunId};
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
        id: None,
        all: all || !paths.is_empty(),
        active_within: setup.rules.policy.watch.active_within,
        now: clock::now(),
    })
}

/// A model under the policy in force without any run, which knows what the record says that runs were given.
pub fn model(setup: &Setup) -> Model {
    let mut model = Model::new(setup.rules.clone(), Arc::new(Prices::embedded()));
    if let Some(dirs) = Dirs::find() {
        let now = clock::now();
        for fact in ledger::read(&audit::path(&dirs)) {
            model.apply(Msg::Control(fact), now);
        }
    }
    model
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

/// Finds the one run that `name` means: a file, `-`, or (the beginning of) a run's id with or without its agent. A whole
/// id means that run, even if others begin with it.
pub fn one_run(setup: &Setup, name: &str) -> Result<(Model, u32)> {
    find(setup, name).map(|(model, number, _)| (model, number))
}

/// The id of the one run that `name` means, see [`one_run`], and a plan that reads it.
pub fn one_id(setup: &Setup, name: &str) -> Result<(RunId, Plan)> {
    let (model, number, plan) = find(setup, name)?;
    let run = model.run(number).context("the run has gone")?;
    Ok((run.id.clone(), plan))
}

/// The run, everything that was read to find it, and the plan by which it was.
fn find(setup: &Setup, name: &str) -> Result<(Model, u32, Plan)> {
    let path = Path::new(name);
    if name == "-" || path.exists() {
        let plan = plan(setup, &[path.to_owned()], true)?;
        let model = read(setup, plan.clone(), Keep::Lines);
        let number = only_run(&model, name)?;
        return Ok((model, number, plan));
    }
    if name.is_empty() {
        bail!("the run's name is empty\nhint: `redkey ls --all` lists every run that is found");
    }
    let mut plan = plan(setup, &[], true)?;
    plan.id = id_part(name).map(str::to_owned);
    let mut model = read(setup, plan.clone(), Keep::Lines);
    let mut numbers = named(model.runs(), name);
    if numbers.is_empty() && plan.id.take().is_some() {
        model = read(setup, plan.clone(), Keep::Lines);
        numbers = named(model.runs(), name);
    }
    match numbers[..] {
        [number] => Ok((model, number, plan)),
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

/// Numbers of the runs that a person may mean who writes `name`: those called exactly so, else those whose ids begin so.
fn named<'a>(runs: impl Iterator<Item = &'a Run>, name: &str) -> Vec<u32> {
    let (mut exact, mut begun) = (Vec::new(), Vec::new());
    for run in runs {
        let whole = run.id.to_string();
        if *run.id.session == *name || whole == name {
            exact.push(run.number);
        } else if run.id.session.starts_with(name) || whole.starts_with(name) {
            begun.push(run.number);
        }
    }
    if exact.is_empty() { begun } else { exact }
}

/// The part of `name` that must stand in a session's id; `None` if it may be the beginning of an agent's name.
fn id_part(name: &str) -> Option<&str> {
    let mut agents = Agent::ALL.iter().map(|agent| agent.name());
    if agents.clone().any(|agent| agent.starts_with(name)) {
        return None;
    }
    agents.find_map(|agent| name.strip_prefix(agent)?.strip_prefix(':')).or(Some(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_id_wins_over_those_that_begin_with_it() {
        let run = |number, id| Run::new(RunId::new(Agent::Native, id), number);
        let runs = [run(0, "fix-42"), run(1, "fix-4"), run(2, "other")];
        let native = Agent::Native.name();
        for (name, numbers) in [("fix-4", vec![1]), ("fix-", vec![0, 1]), ("o", vec![2]), ("x", vec![])] {
            assert_eq!(named(runs.iter(), name), numbers, "{name}");
            assert_eq!(named(runs.iter(), &format!("{native}:{name}")), numbers, "{name}");
        }
    }

    #[test]
    fn an_agents_name_is_no_part_of_an_id() {
        assert_eq!(id_part("claude:ab"), Some("ab"));
        assert_eq!(id_part("ab12"), Some("ab12"));
        assert_eq!(id_part("cla"), None);
        assert_eq!(id_part("claude"), None);
        assert_eq!(id_part("claude:"), Some(""));
    }
}
