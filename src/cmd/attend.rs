//! `redkey attend`: stands by a run that redkey did not start, for its hook. Started by the hook, not by people.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::Setup;
use crate::clock;
use crate::config::Dirs;
use crate::control::audit::{self, Audit};
use crate::control::dir::{self, RunDir};
use crate::control::meter::MeterSetup;
use crate::control::meter::attend::{Attendant, Told, open};
use crate::control::proc;
use crate::domain::price::Prices;
use crate::domain::text::Text;

/// Says `ready` once it listens, and goes on until the agent's process is gone. Where somebody attends the run already
/// there is nothing to do, and nothing is said.
pub fn run(setup: &Setup, told: &Told) -> Result<u8> {
    // It outlives the hook that started it, and what is typed in the agent's terminal isn't meant for it.
    let _ = rustix::process::setsid();
    let dirs = Dirs::find().context("no home directory is known (HOME is not set)")?;
    let name = dir::attended(told.agent, told.session.as_str());
    let Some(desk) = open(&RunDir::open(&dirs)?, &name)? else { return Ok(0) };
    let agent = proc::id(told.pid).context("there is no such process")?;
    let command = proc::cmdline(told.pid);
    let command = command.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
    let cwd = proc::cwd(told.pid).map(|cwd| cwd.to_string_lossy().into_owned()).unwrap_or_default();
    let policy = &setup.rules.policy;
    let meter = MeterSetup {
        rules: setup.rules.clone(),
        prices: Arc::new(Prices::embedded()),
        env: setup.env.clone(),
        state: dirs.state.clone(),
        run: Text::new(&name),
        root: None,
        session: Some((told.agent, told.session.clone(), told.transcript.clone())),
        agent: Some(told.agent),
        command: Text::new(&command),
        cwd: Text::new(&cwd),
        label: Text::default(),
        budget: None,
        caps: None,
        at_zero: policy.clock.at_zero_hooked,
        started: clock::now(),
        user: super::grant::user(),
        log: None,
        // What redkey did not start is recorded by a screen that is asked to.
        record: None,
    };
    let attendant = Attendant::new(desk, Audit::open(&audit::path(&dirs)), agent, meter)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    drop(out);
    attendant.run()?;
    Ok(0)
}
