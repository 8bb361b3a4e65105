//! `redkey gate`: the actions that wait for a person, over all runs, and a person's answer.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow};
use unicode_width::UnicodeWidthStr;

use crate::cli::{GateAnswerArgs, GateCommand};
use crate::clock;
use crate::config::Dirs;
use crate::control::client::{Client, ClientError};
use crate::control::dir::RunDir;
use crate::control::protocol::{Gate, GateAnswer, GateState, Role, code};
use crate::domain::text::{Text, clean};
use crate::domain::time::Span;

const DONE: u8 = 0;
/// This process may not: it descends from a run or an agent.
const REFUSED: u8 = 3;
/// No such gate, or it was answered already.
const UNKNOWN: u8 = 4;

/// A run that doesn't answer is left out after so long.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn run(command: &GateCommand, out: &mut dyn Write) -> Result<u8> {
    let dirs = Dirs::find().ok_or_else(|| anyhow!("no home directory is known; set HOME"))?;
    let sockets = sockets(&RunDir::open(&dirs)?);
    match command {
        GateCommand::Ls { json } => ls(&sockets, *json, out),
        GateCommand::Allow(args) => answer(&sockets, args, true, out),
        GateCommand::Deny(args) => answer(&sockets, args, false, out),
    }
}

type Sockets = [(String, PathBuf)];

fn sockets(dir: &RunDir) -> Vec<(String, PathBuf)> {
    dir.names().into_iter().filter_map(|name| dir.socket_path(&name).ok().map(|path| (name, path))).collect()
}

/// A run's gates, and runs that did not tell theirs.
struct Held {
    gates: Vec<(PathBuf, Gate)>,
    silent: Vec<(String, ClientError)>,
}

fn held(sockets: &Sockets) -> Held {
    let mut held = Held { gates: Vec::new(), silent: Vec::new() };
    for (name, path) in sockets {
        let told = Client::connect(path, Role::Watch, PATIENCE).and_then(|mut run| run.gate_list());
        match told {
            Ok(gates) => held.gates.extend(gates.into_iter().map(|gate| (path.clone(), gate))),
            Err(ClientError::NotThere) => {} // left by a run that is over
            Err(error) => held.silent.push((name.clone(), error)),
        }
    }
    held
}

fn ls(sockets: &Sockets, json: bool, out: &mut dyn Write) -> Result<u8> {
    let held = held(sockets);
    let mut waiting: Vec<&Gate> =
        held.gates.iter().map(|(_, gate)| gate).filter(|gate| gate.state == GateState::Waiting).collect();
    waiting.sort_by_key(|gate| gate.until);
    if json {
        serde_json::to_writer_pretty(&mut *out, &waiting)?;
        writeln!(out)?;
    } else if waiting.is_empty() {
        writeln!(out, "no action waits for an answer")?;
        writeln!(
            out,
            "what the policy's [gate] holds appears here, with its id: redkey gate allow ID, redkey gate deny ID"
        )?;
    } else {
        let now = clock::now();
        let rows: Vec<[String; 5]> = waiting
            .iter()
            .map(|gate| {
                let left = Span(gate.until.0.saturating_sub(now.0).max(0));
                let texts = [&gate.id, &gate.run, &gate.what, &gate.because].map(|text| text.to_string());
                let [id, run, what, because] = texts;
                [id, left.short(), run, what, because]
            })
            .collect();
        table(&rows, out)?;
    }
    for (name, error) in &held.silent {
        eprintln!("redkey: {}: {}", clean(name), clean(&error.to_string()));
    }
    Ok(DONE)
}

const HEADER: [&str; 5] = ["ID", "LEFT", "RUN", "ACTION", "HELD BY"];

fn table(rows: &[[String; 5]], out: &mut dyn Write) -> std::io::Result<()> {
    let mut widths = HEADER.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut line = |cells: [&str; 5]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()))))
            .collect();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    line(HEADER)?;
    rows.iter().try_for_each(|row| line(row.each_ref().map(String::as_str)))
}

/// The one gate with this id, or whose id begins so.
fn pick<'a>(gates: &'a [(PathBuf, Gate)], id: &str) -> std::result::Result<&'a (PathBuf, Gate), String> {
    let exact = |(_, gate): &&(PathBuf, Gate)| gate.id.as_str() == id;
    let begins = |(_, gate): &&(PathBuf, Gate)| gate.state == GateState::Waiting && gate.id.as_str().starts_with(id);
    let mut found: Vec<_> = gates.iter().filter(exact).collect();
    if found.is_empty() && !id.is_empty() {
        found = gates.iter().filter(begins).collect();
    }
    match found[..] {
        [one] => Ok(one),
        [] => Err(format!("no gate {} waits for an answer", clean(id))),
        _ => Err(format!("{} gates have an id that begins with {}", found.len(), clean(id))),
    }
}

fn answer(sockets: &Sockets, args: &GateAnswerArgs, allow: bool, out: &mut dyn Write) -> Result<u8> {
    let held = held(sockets);
    let (path, gate) = match pick(&held.gates, &args.id) {
        Ok(found) => found,
        Err(why) => {
            for (name, error) in &held.silent {
                eprintln!("redkey: {}: {}", clean(name), clean(&error.to_string()));
            }
            return tell_error(args.json, UNKNOWN, &why, out);
        }
    };
    let call = GateAnswer {
        gate: gate.id.clone(),
        allow,
        reason: Text::new(args.reason.as_deref().unwrap_or_default()),
        by: "command".into(),
    };
    let answered = Client::connect(path, Role::Operator, PATIENCE).and_then(|mut run| run.gate_answer(call));
    let wanted = if allow { GateState::Allowed } else { GateState::Denied };
    match answered {
        Ok(gate) if gate.state == wanted => {
            if args.json {
                serde_json::to_writer_pretty(&mut *out, &gate)?;
                writeln!(out)?;
            } else {
                writeln!(out, "{}: {} ({})", if allow { "allowed" } else { "denied" }, gate.what, gate.run)?;
            }
            Ok(DONE)
        }
        Ok(gate) => tell_error(args.json, UNKNOWN, &format!("{} was answered already", gate.id), out),
        Err(ClientError::Refused(message)) => tell_error(args.json, REFUSED, message.as_str(), out),
        Err(ClientError::Rpc { code: code::UNKNOWN, message }) => tell_error(args.json, UNKNOWN, message.as_str(), out),
        Err(error) => Err(anyhow!("{}: {error}", gate.run)),
    }
}

fn tell_error(json: bool, exit: u8, why: &str, out: &mut dyn Write) -> Result<u8> {
    if json {
        let kind = if exit == REFUSED { "refused" } else { "unknown" };
        writeln!(out, "{}", serde_json::json!({ "error": kind, "message": why }))?;
    } else {
        out.flush()?;
        eprintln!("redkey: {}", clean(why));
    }
    Ok(exit)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
