//! One file per command: each puts together what it needs and runs it.

pub mod attend;
pub mod audit;
pub mod backtest;
pub mod demo;
pub mod estimate;
pub mod export;
pub mod forecast;
pub mod gate;
pub mod grant;
pub mod hook;
pub mod ledger;
pub mod ls;
pub mod mark;
pub mod policy;
mod read;
pub mod recordings;
pub mod replay;
pub mod run;
mod sessions;
pub mod show;
pub mod stop;
pub mod tail;
pub mod totals;
pub mod watch;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{AuditCommand, Cli, Command, ForecastCommand, HookCommand, PolicyCommand};
use crate::config::{self, Loaded};
use crate::control::meter::attend::Told;
use crate::domain::event::Agent;
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::record::redact::Redactor;
use crate::record::store::{Recording, Store};
use crate::sources::Env;

/// What every command starts from: the environment and the policy in force.
pub struct Setup {
    pub env: Env,
    pub loaded: Loaded,
    pub rules: Arc<Rules>,
    /// What stands on the command line.
    pub flags: config::Flags,
    /// `redkey run --budget auto`.
    pub auto: bool,
}

impl Setup {
    /// Reads environment and policy. `flags` come from the command line.
    pub fn new(cli: &Cli) -> Result<Self> {
        let env = Env::from_process();
        let flags = flags(cli);
        let loaded = config::load(&config::Sources::from_process(flags.clone()))?;
        let rules = loaded.rules.clone();
        Ok(Self { env, loaded, rules, flags, auto: is_auto(cli) })
    }

    /// Where and how things are recorded. `no_redact`: secrets stay in.
    pub fn recording(&self, dirs: &config::Dirs, no_redact: bool) -> Result<Recording> {
        let policy = &self.rules.policy.record;
        Ok(Recording {
            store: Store::of(dirs),
            policy: Arc::new(self.loaded.recorded()),
            redactor: if no_redact { Redactor::default() } else { Redactor::new(&policy.redact)? },
            keep: policy.keep,
            keep_mb: policy.keep_mb,
        })
    }
}

fn flags(cli: &Cli) -> config::Flags {
    let budget = cli.budget.budget.clone();
    config::Flags {
        policy: cli.budget.policy.clone(),
        // What like runs took is found out by the command itself.
        budget: budget.filter(|_| !is_auto(cli)),
        caps: cli.budget.caps.clone(),
    }
}

/// `redkey run --budget auto`.
fn is_auto(cli: &Cli) -> bool {
    cli.budget.budget.as_deref() == Some("auto") && matches!(cli.command, Some(Command::Run(_)))
}

/// Runs the command; the exit code on success.
pub fn dispatch(cli: Cli) -> Result<u8> {
    // An agent waits for this before each of its calls: nothing else is set up.
    if let Some(Command::Hook { command: HookCommand::Run { agent, within } }) = &cli.command {
        return Ok(crate::control::hook::run::main(*agent, *within));
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let code = match &cli.command {
        Some(Command::Schema) => schema(&mut out)?,
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new(); // what generates it panics when its reader has left
            clap_complete::generate(*shell, &mut Cli::command(), "redkey", &mut script);
            out.write_all(&script)?;
            0
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            out.write_all(&page)?;
            0
        }
        Some(Command::Audit { command: Some(AuditCommand::Verify { head, json }), .. }) => {
            audit::verify(head.as_deref(), *json, &mut out)?
        }
        Some(Command::Audit { run, json, command: None }) => {
            audit::run(run.as_deref(), *json, &mut out)?;
            0
        }
        Some(Command::Status { run, json }) => stop::status(run.as_deref(), *json, &mut out)?,
        Some(Command::Policy { command }) => policy_command(&cli, command, &mut out)?,
        Some(Command::Hook { command }) => hook::run(&cli, command, &mut out)?,
        Some(Command::Recordings { command }) => recordings::run(&cli, command, &mut out)?,
        Some(Command::Gate { command }) => gate::run(command, &mut out)?,
        Some(Command::Demo { demo }) if demo.agent.is_some() => {
            demo::play(demo.agent.as_deref().unwrap_or_default(), demo.speed, demo.tied, &mut out)?
        }
        _ => {
            let setup = Setup::new(&cli)?;
            match &cli.command {
                None => {
                    drop(out);
                    return watch::run(&cli, &setup, &[]);
                }
                Some(Command::Watch { paths }) => {
                    drop(out);
                    return watch::run(&cli, &setup, paths);
                }
                Some(Command::Replay(args)) if args.json => replay::run(&cli, &setup, args, &mut out)?,
                Some(Command::Replay(args)) => {
                    drop(out);
                    return replay::run(&cli, &setup, args, &mut std::io::sink());
                }
                Some(Command::Run(args)) => {
                    drop(out);
                    return Ok(match run::run(&setup, args, cli.no_redact) {
                        Ok(Ok(code)) => code,
                        Ok(Err(signal)) => end_by(signal),
                        Err(error) => {
                            crate::cmd::complain(&error);
                            crate::control::supervisor::code::BROKEN
                        }
                    });
                }
                Some(Command::Stop(args)) => {
                    drop(out);
                    return stop::stop(&setup, args, &mut std::io::stdout());
                }
                Some(Command::Demo { demo }) => {
                    drop(out);
                    return demo::run(&cli, &setup, demo);
                }
                Some(Command::Grant { which, amount, reason }) => {
                    grant::grant(&setup, which, amount, reason, &mut out)?
                }
                Some(Command::Release { which, reason }) => grant::release(&setup, which, reason, &mut out)?,
                Some(Command::Transfer { from, to, amount, reason }) => {
                    grant::transfer(&setup, from, to, amount, reason, &mut out)?
                }
                Some(Command::Attend { agent, session, transcript, pid }) => {
                    drop(out);
                    return attend(&setup, agent, session, transcript.clone(), *pid);
                }
                Some(other) => headless(&cli, &setup, other, &mut out)?,
            }
        }
    };
    out.flush()?;
    Ok(code)
}

fn attend(setup: &Setup, agent: &str, session: &str, transcript: Option<PathBuf>, pid: u32) -> Result<u8> {
    let Some(agent) = Agent::parse(agent) else { anyhow::bail!("no agent is called {}", Text::new(agent)) };
    attend::run(setup, &Told { agent, session: Text::limited(session, 120), transcript, pid })
}

fn headless(cli: &Cli, setup: &Setup, command: &Command, out: &mut dyn Write) -> Result<u8> {
    match command {
        Command::Ls { paths, json, totals: true, no_cache } => totals::run(setup, paths, *json, !no_cache, out)?,
        Command::Ls { paths, json, .. } => ls::run(setup, paths, cli.all, *json, out)?,
        Command::Show { run, json, charges } => show::run(setup, run, *json, *charges, out)?,
        Command::Tail { run, follow, json } => tail::run(setup, run, *follow, *json, out)?,
        Command::Forecast { command: ForecastCommand::Score { paths, json } } => {
            forecast::score(setup, paths, *json, out)?;
        }
        Command::Export(args) => export::run(cli, setup, args, out)?,
        Command::Backtest(args) => backtest::run(setup, args, out)?,
        Command::Estimate(args) => estimate::run(setup, args, out)?,
        Command::Mark(args) => mark::run(setup, args, out)?,
        Command::Ledger { command } => ledger::run(setup, command, out)?,
        _ => {}
    }
    Ok(0)
}

fn policy_command(cli: &Cli, command: &PolicyCommand, out: &mut dyn Write) -> Result<u8> {
    match command {
        PolicyCommand::Check { path } => {
            let path: Option<PathBuf> = path.clone().or_else(|| cli.budget.policy.clone());
            return policy::check(&config::Sources::from_process(flags(cli)), path.as_deref(), out);
        }
        PolicyCommand::Path => policy::path(&config::Sources::from_process(flags(cli)), out)?,
        PolicyCommand::Show { layer, json } => policy::show(&Setup::new(cli)?.loaded, *layer, *json, out)?,
        PolicyCommand::Explain { run } => {
            let setup = Setup::new(cli)?;
            let (model, number) = read::one_run(&setup, run)?;
            if let Some(run) = model.run(number) {
                policy::explain(&setup.loaded, run, out)?;
            }
        }
    }
    Ok(0)
}

fn schema(out: &mut dyn Write) -> Result<u8> {
    serde_json::to_writer_pretty(&mut *out, &crate::adapters::native_schema())?;
    writeln!(out)?;
    Ok(0)
}

/// An error, for a person, on standard error.
pub fn complain(error: &anyhow::Error) {
    let mut err = std::io::stderr().lock();
    for (i, line) in format!("{error:#}").lines().enumerate() {
        // Where even that can't be written, the exit code still tells.
        let _ = writeln!(err, "{}{}", if i == 0 { "redkey: " } else { "" }, crate::domain::text::clean(line));
    }
}

/// Ends this process by `signal`, as what it ran has ended; the exit code, should that not end it.
fn end_by(signal: i32) -> u8 {
    // A core was written by whoever crashed, if at all.
    let no_core = rustix::process::Rlimit { current: Some(0), maximum: None };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Core, no_core);
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    128u8.saturating_add(u8::try_from(signal).unwrap_or(0))
}

/// A screen needs a terminal that can draw one; without, the plain way is named.
fn needs_terminal(plain: &str) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        anyhow::bail!("standard output is not a terminal, so there is no screen to draw\nhint: {plain}");
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        anyhow::bail!("this terminal cannot draw a screen (TERM=dumb)\nhint: {plain}");
    }
    Ok(())
}
