//! PURE. A fact as a person reads it, on one line.

use super::record::{Fact, Lost, Started};
use crate::control::protocol::{Gate, GateState};
use crate::control::words::{Asker, AtZero, Mode, Survivor, format_took};
use crate::domain::text::Text;
use crate::domain::time::Span;

/// Processes that are named one by one.
const NAMED: usize = 4;

impl Fact {
    /// What, by whom, and why: `stop asked for (ladder) by screen, ann (uid 1000): "looping"`.
    pub fn words(&self) -> String {
        match self {
            Fact::RunStarted(started) => start(started),
            Fact::SessionAttached { run, session } => format!("session {session} belongs to {run}"),
            Fact::RunEnded { code, signal, outcome } => ended(*code, *signal, outcome),
            Fact::StopRequested { mode, by, reason, .. } => {
                let mode = match mode {
                    Mode::Ladder => "stop asked for",
                    Mode::Now => "stop asked for, KILL at once,",
                    Mode::Interrupt => "interrupt asked for",
                };
                format!("{mode} {}{}", who(by), why(reason))
            }
            Fact::Rung { rung, after_us, .. } => format!("{rung} sent after {}", format_took(*after_us)),
            Fact::StopEnded { receipt, .. } => format!("{}{}", receipt.words(), left(&receipt.survivors)),
            Fact::Granted { amount_ms, by, reason, other, .. } => granted(*amount_ms, by, reason, other.as_ref()),
            Fact::GateAsked { gate } => format!("gate: {}, held by {}", gate.what, gate.because),
            Fact::GateAnswered { gate } => answered(gate),
            Fact::GateBypassed { what, .. } => format!("gate bypassed: {what} has run without an answer"),
            Fact::Warned { what } => format!("warned: {what}"),
            Fact::AtZero { did, meter } => format!("{meter} is at zero: {}", at_zero(*did)),
            Fact::Held => "held until a person answers".to_owned(),
            Fact::Released { by, reason } => format!("released {}{}", who(by), why(reason)),
            Fact::PeerRefused { uid, pid, why } => {
                let number = |name, n: &Option<u32>| n.map(|n| format!(" {name} {n}")).unwrap_or_default();
                format!("connection refused:{}{} ({why})", number("uid", uid), number("pid", pid))
            }
            Fact::HookChanged { agent, file, what } => format!("hook of {}: {what} in {file}", agent.name()),
            Fact::SupervisorLost { who } => match who {
                Lost::Guardian => "the guardian was gone",
                Lost::Supervisor => "the supervisor was gone",
                Lost::Both => "guardian and supervisor were gone",
            }
            .to_owned(),
            Fact::Orphaned { survivors } => format!("{} left behind{}", processes(survivors.len()), left(survivors)),
            Fact::Recovered { torn_bytes, .. } => format!("log recovered: {torn_bytes} bytes of a write were cut off"),
            Fact::Degraded { why, lost: 0 } => format!("the log could not be written: {why}; nothing was lost"),
            Fact::Degraded { why, lost } => format!("the log could not be written: {why}; {lost} records were lost"),
            Fact::Other(unknown) => format!("a record of a type unknown to this version: {:?}", unknown.name()),
        }
    }
}

fn start(started: &Started) -> String {
    let mut text = format!("started: {}", started.command);
    if !started.label.is_empty() {
        text += &format!(" ({})", started.label);
    }
    text += &format!(", in {}", started.cwd);
    if let Some(budget) = started.budget_ms {
        text += &format!(", budget {}", budget.short());
    }
    for (meter, cap) in &started.caps {
        text += &format!(", {meter} {cap}");
    }
    let grade = started.grade.map_or("not started by redkey".to_owned(), |grade| format!("held by {grade}"));
    text + &format!(", {grade}, at zero: {}", at_zero(started.at_zero))
}

fn at_zero(did: AtZero) -> &'static str {
    match did {
        AtZero::Warn => "warn",
        AtZero::Hold => "hold",
        AtZero::Stop => "stop",
    }
}

fn ended(code: Option<i32>, signal: Option<i32>, outcome: &Text) -> String {
    let how = match (code, signal) {
        (_, Some(signal)) => format!("ended by signal {signal}"),
        (Some(code), None) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    };
    if outcome.is_empty() { how } else { format!("{how}: {outcome}") }
}

fn granted(amount: Span, by: &Asker, reason: &Text, other: Option<&Text>) -> String {
    let (verb, direction) = if amount < Span::ZERO { ("took", "for") } else { ("granted", "from") };
    let other = other.map(|run| format!(" {direction} {run}")).unwrap_or_default();
    let amount = Span(amount.0.saturating_abs()).short();
    format!("{verb} {amount}{other} {}{}", who(by), why(reason))
}

fn answered(gate: &Gate) -> String {
    let state = match gate.state {
        GateState::Waiting => "waits",
        GateState::Allowed => "allowed",
        GateState::Denied => "denied",
        GateState::Expired => "denied, nobody answered in time",
        GateState::Withdrawn => "withdrawn, whoever asked has gone",
    };
    let by = if gate.by.is_empty() { String::new() } else { format!(" by {}", gate.by) };
    format!("gate {state}{by}: {}{}", gate.what, why(&gate.reason))
}

/// `by screen, ann (uid 1000, pid 4711)`.
fn who(asker: &Asker) -> String {
    let mut text = format!("by {}", if asker.by.is_empty() { "somebody" } else { asker.by.as_str() });
    if !asker.user.is_empty() {
        text += &format!(", {}", asker.user);
    }
    let number = |name, n: Option<u32>| n.map(|n| format!("{name} {n}"));
    let numbers: Vec<String> = [number("uid", asker.uid), number("pid", asker.pid)].into_iter().flatten().collect();
    if numbers.is_empty() { text } else { format!("{text} ({})", numbers.join(", ")) }
}

fn why(reason: &Text) -> String {
    if reason.is_empty() { String::new() } else { format!(": \"{reason}\"") }
}

fn left(survivors: &[Survivor]) -> String {
    let mut text: String =
        survivors.iter().take(NAMED).map(|s| format!("; {} {} ({}) {}", s.pid, s.name, s.state, s.why)).collect();
    if survivors.len() > NAMED {
        text += &format!("; and {} more", survivors.len() - NAMED);
    }
    text
}

fn processes(count: usize) -> String {
    if count == 1 { "1 process".to_owned() } else { format!("{count} processes") }
}
