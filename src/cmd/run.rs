//! `redkey run`: an agent under supervision.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::Setup;
use crate::cli::RunArgs;
use crate::clock;
use crate::config::Dirs;
use crate::control::audit;
use crate::control::dir::RunDir;
use crate::control::meter::{self, MeterSetup};
use crate::control::supervisor::{Launch, launch};
use crate::domain::event::Agent;
use crate::domain::meter::Meter;
use crate::domain::policy::Leftovers;
use crate::domain::price::Prices;
use crate::domain::text::Text;
use crate::domain::time::Span;

/// Starts the agent and waits for its end: the exit code, or (`Err`) the signal by which the agent ended.
pub fn run(setup: &Setup, args: &RunArgs, no_redact: bool) -> Result<Result<u8, i32>> {
    let dirs = Dirs::find().context("no home directory is known (HOME is not set)\nhint: set HOME")?;
    let policy = &setup.rules.policy;
    let expect = args.expect.as_deref().map(Span::parse).transpose().map_err(anyhow::Error::msg)?;
    let label = Text::new(args.label.as_deref().unwrap_or_default());
    let agent = crate::control::agents::recognise(&args.agent);
    let cwd = Text::new(&std::env::current_dir().unwrap_or_default().to_string_lossy());
    let mut given = setup.rules.allowance(agent.unwrap_or(Agent::Native), cwd.as_str(), label.as_str());
    if setup.auto {
        given.clock = super::estimate::auto(setup, agent, &label, &cwd, &args.agent, &given);
    }
    let caps: BTreeMap<Text, f64> =
        Meter::ALL.iter().filter_map(|m| Some((Text::new(m.name()), m.cap(&given.caps)?))).collect();
    let (rules, env, state, log) = (setup.rules.clone(), setup.env.clone(), dirs.state.clone(), audit::path(&dirs));
    let record = setup.recording(&dirs, no_redact)?;
    let (meter_label, at_zero) = (label.clone(), policy.clock.at_zero);
    launch(Launch {
        command: args.agent.clone(),
        label,
        contain: args.contain,
        times: policy.stop.into(),
        end_leftovers: policy.stop.leftovers == Leftovers::Stop,
        at_zero: policy.clock.at_zero,
        budget: Some(given.clock),
        caps,
        expect,
        run_dir: RunDir::open(&dirs)?,
        streams: dirs.state.join("streams"),
        audit_log: audit::path(&dirs),
        meter: Box::new(move |start| {
            let log = audit::Audit::open(&log);
            let pumped = log.clone();
            let pump = std::thread::spawn(move || audit::pump(start.audit, &pumped));
            let metered = meter::run(
                start.link,
                MeterSetup {
                    rules: rules.clone(),
                    prices: Arc::new(Prices::embedded()),
                    env: env.clone(),
                    state: state.clone(),
                    run: start.run,
                    root: start.root,
                    session: None,
                    agent: start.agent,
                    command: start.command,
                    cwd: start.cwd,
                    label: meter_label.clone(),
                    budget: Some(given.clock),
                    caps: Some(given.caps),
                    at_zero,
                    started: clock::now(),
                    user: super::grant::user(),
                    log: Some(log),
                    record: Some(record.clone()),
                },
            );
            // Supervisor and guardian have the other end; when both are gone, everything has been said, and is on the disk.
            let _ = pump.join();
            metered
        }),
    })
}
