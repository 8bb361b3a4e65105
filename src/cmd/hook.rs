//! `redkey hook`: puts the hook into an agent's settings and takes it out again, showing the change first; and what the
//! agent then runs.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use super::Setup;
use crate::cli::{Cli, HookCommand};
use crate::clock;
use crate::config::Dirs;
use crate::control::audit::{self, Entry, Fact};
use crate::control::hook::file::SettingsFile;
use crate::control::hook::settings::{self, Edited, Hook, Hooked, Status};
use crate::domain::text::{Text, clean};
use crate::domain::time::Span;
use crate::sources::Env;

/// Done, or nothing to do.
const DONE: u8 = 0;
/// Something that was changed by hand is still there.
const LEFT: u8 = 1;
/// Not confirmed.
const UNCONFIRMED: u8 = 3;

/// Other processes that write to the audit log are done by then.
const PATIENCE: Duration = Duration::from_secs(2);
/// The hook waits so much longer than the gate: whoever holds the gate answers first.
const LONGER: Span = Span::secs(5);

/// Everything but `run`, which is answered before anything is set up.
pub fn run(cli: &Cli, command: &HookCommand, out: &mut dyn Write) -> Result<u8> {
    let env = Env::from_process();
    match command {
        HookCommand::Run { agent, within } => Ok(crate::control::hook::run::main(*agent, *within)),
        HookCommand::Install { agent, yes } => {
            let file = settings_file(*agent, &env)?;
            let hook = Hook { exe: own_path()?, within_s: within(Setup::new(cli)?.rules.policy.gate.timeout) };
            let text = file.read()?;
            let name = file.path().display().to_string();
            let edited =
                settings::install(*agent, text.as_deref(), &hook, &name).map_err(|error| broken(&file, &error))?;
            apply(*agent, &file, &edited, Change::Install, *yes, out)
        }
        HookCommand::Uninstall { agent, yes } => {
            let file = settings_file(*agent, &env)?;
            let text = file.read()?;
            let name = file.path().display().to_string();
            let edited = settings::uninstall(*agent, text.as_deref(), &name).map_err(|error| broken(&file, &error))?;
            apply(*agent, &file, &edited, Change::Uninstall, *yes, out)
        }
        HookCommand::Status { agent, json } => {
            let agents = agent.map_or(Hooked::ALL.to_vec(), |agent| vec![agent]);
            if *json {
                let all: Vec<_> = agents.into_iter().map(|agent| status_json(agent, &env)).collect();
                serde_json::to_writer_pretty(&mut *out, &all)?;
                writeln!(out)?;
                return Ok(DONE);
            }
            for (i, agent) in agents.into_iter().enumerate() {
                if i > 0 {
                    writeln!(out)?;
                }
                status(agent, &env, out)?;
            }
            Ok(DONE)
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Change {
    Install,
    Uninstall,
}

impl Change {
    fn done(self) -> &'static str {
        match self {
            Change::Install => "installed",
            Change::Uninstall => "removed",
        }
    }

    fn undo(self) -> &'static str {
        match self {
            Change::Install => "uninstall",
            Change::Uninstall => "install",
        }
    }
}

/// Shows the change, asks, makes it.
fn apply(
    agent: Hooked,
    file: &SettingsFile,
    edited: &Edited,
    change: Change,
    yes: bool,
    out: &mut dyn Write,
) -> Result<u8> {
    write_place(file, out)?;
    let code = if edited.left.is_empty() { DONE } else { LEFT };
    for left in &edited.left {
        let (line, event, what) = (left.line, clean(&left.event), &left.what);
        writeln!(out, "left alone: line {line}, {event}: looks like redkey's hook, but {what}; take it out by hand")?;
    }
    if !edited.changes() {
        let already = if change == Change::Install { "is installed already" } else { "is not installed" };
        writeln!(out, "nothing to do: the hook {already}")?;
        return Ok(code);
    }
    writeln!(out, "\n{}", edited.diff)?;
    if !yes {
        if !std::io::stdin().is_terminal() {
            writeln!(out, "nothing was written; to make this change, say --yes")?;
            return Ok(UNCONFIRMED);
        }
        if !confirmed(out)? {
            writeln!(out, "nothing was written")?;
            return Ok(UNCONFIRMED);
        }
    }
    file.replace(edited.before.as_deref(), edited.after.as_deref())?;
    let audited = audit_change(agent, file.path(), change.done());
    let undo = change.undo();
    writeln!(out, "{}; to undo this: redkey hook {undo} {}", change.done(), agent.name())?;
    if let Err(error) = audited {
        writeln!(out, "note: the audit log could not be written: {}", clean(&error.to_string()))?;
    }
    if change == Change::Install {
        notes(settings::status(agent, edited.after.as_deref()).map_err(|error| broken(file, &error))?.notes, out)?;
    }
    Ok(code)
}

fn confirmed(out: &mut dyn Write) -> Result<bool> {
    write!(out, "Apply this change? [y/N] ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes" | "Yes"))
}

/// Records the change in the audit log.
fn audit_change(agent: Hooked, file: &Path, what: &str) -> std::io::Result<()> {
    let dirs = Dirs::find().ok_or_else(|| std::io::Error::other("no home directory is known"))?;
    let file = Text::new(&file.to_string_lossy());
    let fact = Fact::HookChanged { agent: agent.agent(), file, what: Text::new(what) };
    audit::write_now(&audit::path(&dirs), &[Entry { at: clock::now(), run: None, fact }], PATIENCE)
}

/// In whole seconds, rounded up.
fn within(gate: Span) -> u32 {
    let ms = gate.ms().saturating_add(LONGER.ms()).max(LONGER.ms());
    u32::try_from(ms.saturating_add(999) / 1_000).unwrap_or(u32::MAX)
}

fn broken(file: &SettingsFile, error: &settings::Broken) -> anyhow::Error {
    anyhow!("{}: {error}\nnothing was written", file.path().display())
}

fn own_path() -> Result<String> {
    let path = std::env::current_exe().context("redkey's own path is not known")?;
    path.into_os_string().into_string().map_err(|path| anyhow!("redkey's own path {path:?} is not UTF-8 text"))
}

fn settings_file(agent: Hooked, env: &Env) -> Result<SettingsFile> {
    SettingsFile::at(&settings_path(agent, env).context("no home directory is known; set HOME")?)
}

/// Where the agent keeps its settings, by its own rules.
fn settings_path(agent: Hooked, env: &Env) -> Option<PathBuf> {
    let home = |rest: &str| env.home.as_ref().map(|home| home.join(rest));
    match agent {
        Hooked::Claude => Some(env.claude_config_dir.clone().or_else(|| home(".claude"))?.join("settings.json")),
        Hooked::Codex => Some(env.codex_home.clone().or_else(|| home(".codex"))?.join("hooks.json")),
        Hooked::Gemini => Some(env.gemini_cli_home.as_ref().or(env.home.as_ref())?.join(".gemini/settings.json")),
    }
}

fn write_place(file: &SettingsFile, out: &mut dyn Write) -> Result<()> {
    write!(out, "{}", clean(&file.path().to_string_lossy()))?;
    if let Some(target) = file.target() {
        write!(out, " -> {}", clean(&target.to_string_lossy()))?;
    }
    Ok(writeln!(out)?)
}

fn status(agent: Hooked, env: &Env, out: &mut dyn Write) -> Result<()> {
    let (file, status) = match read_status(agent, env) {
        Ok(read) => read,
        Err(error) => {
            writeln!(out, "{}: can't be read: {}", agent.name(), clean(&format!("{error:#}")))?;
            return Ok(());
        }
    };
    let missing = match state(&status) {
        PART => format!("; missing: {}", status.missing.join(", ")),
        _ => String::new(),
    };
    writeln!(out, "{}: {}{missing}", agent.name(), state(&status))?;
    write!(out, "  file    ")?;
    write_place(&file, out)?;
    write_binaries(&status, out)?;
    for left in &status.changed {
        let event = clean(&left.event);
        writeln!(out, "  changed line {}, {event}: looks like redkey's hook, but {}", left.line, left.what)?;
    }
    if let Some(obstacle) = &status.obstacle {
        writeln!(out, "  off     {}", clean(obstacle))?;
    }
    if !status.found.is_empty() {
        notes(status.notes, out)?;
    }
    Ok(())
}

const PART: &str = "installed in part";

fn state(status: &Status) -> &'static str {
    match (status.found.is_empty(), status.missing.is_empty()) {
        (true, _) => "not installed",
        (false, true) => "installed",
        (false, false) => PART,
    }
}

fn read_status(agent: Hooked, env: &Env) -> Result<(SettingsFile, Status)> {
    let file = settings_file(agent, env)?;
    let status = settings::status(agent, file.read()?.as_deref()).map_err(|error| anyhow!("{error}"))?;
    Ok((file, status))
}

/// The same for programs. `runs`: the binaries that the hooks start, each with whether it is there and is this one.
fn status_json(agent: Hooked, env: &Env) -> Value {
    let (file, status) = match read_status(agent, env) {
        Ok(read) => read,
        Err(error) => {
            return json!({ "agent": agent.name(), "state": "unreadable", "why": clean(&format!("{error:#}")) });
        }
    };
    let runs: Vec<Value> = hooks(&status)
        .into_iter()
        .map(|hook| {
            let binary = binary(&hook.exe);
            let (is_there, is_this) = (binary != Binary::Gone, binary == Binary::This);
            json!({ "path": clean(&hook.exe), "is_there": is_there, "is_this": is_this, "waits_s": hook.within_s })
        })
        .collect();
    let changed: Vec<Value> = status
        .changed
        .iter()
        .map(|left| json!({ "line": left.line, "event": clean(&left.event), "why": left.what.to_string() }))
        .collect();
    json!({
        "agent": agent.name(),
        "state": state(&status),
        "file": clean(&file.path().to_string_lossy()),
        "target": file.target().map(|target| clean(&target.to_string_lossy()).to_string()),
        "missing": if status.found.is_empty() { vec![] } else { status.missing.clone() },
        "runs": runs,
        "changed": changed,
        "off": status.obstacle.as_ref().map(|why| clean(why).to_string()),
        "notes": status.notes,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Binary {
    Gone,
    This,
    Other,
}

fn binary(exe: &str) -> Binary {
    let own = std::env::current_exe().ok().and_then(|path| path.canonicalize().ok());
    match Path::new(exe).canonicalize() {
        Err(_) => Binary::Gone,
        Ok(path) if Some(&path) == own.as_ref() => Binary::This,
        Ok(_) => Binary::Other,
    }
}

/// What the hooks run, each once.
fn hooks(status: &Status) -> Vec<&Hook> {
    let mut shown: Vec<&Hook> = Vec::new();
    for hook in status.found.iter().map(|found| &found.hook) {
        if !shown.contains(&hook) {
            shown.push(hook);
        }
    }
    shown
}

/// Which binary the hooks start, and whether that is this one.
fn write_binaries(status: &Status, out: &mut dyn Write) -> Result<()> {
    for hook in hooks(status) {
        let what = match binary(&hook.exe) {
            Binary::Gone => "is not there, so every call is refused; install again",
            Binary::This => "this one",
            Binary::Other => "not this one; install again to use this one",
        };
        writeln!(out, "  runs    {} ({what})", clean(&hook.exe))?;
        writeln!(out, "  waits   {} for a person at a gate", Span::secs(i64::from(hook.within_s)).short())?;
    }
    Ok(())
}

fn notes(notes: &[&str], out: &mut dyn Write) -> Result<()> {
    for note in notes {
        writeln!(out, "  note    {note}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_where_the_agents_look() {
        let env = |vars: &'static [(&str, &str)]| {
            Env::from_lookup(move |name| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
        };
        let paths = |env: Env| Hooked::ALL.map(|agent| settings_path(agent, &env).expect("a place"));
        let home = paths(env(&[("HOME", "/h")]));
        assert_eq!(
            home,
            ["/h/.claude/settings.json", "/h/.codex/hooks.json", "/h/.gemini/settings.json"].map(PathBuf::from)
        );
        let own = paths(env(&[("CLAUDE_CONFIG_DIR", "/c"), ("CODEX_HOME", "/x"), ("GEMINI_CLI_HOME", "/g")]));
        assert_eq!(own, ["/c/settings.json", "/x/hooks.json", "/g/.gemini/settings.json"].map(PathBuf::from));
        assert_eq!(settings_path(Hooked::Claude, &env(&[])), None);
    }

    #[test]
    fn the_hook_waits_longer_than_the_gate() {
        assert_eq!(within(Span::mins(5)), 305);
        assert_eq!(within(Span(1)), 6);
        assert_eq!(within(Span(i64::MAX)), u32::MAX);
    }
}
