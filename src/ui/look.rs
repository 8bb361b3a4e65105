//! How things that appear on both screens look: states, agents, clocks, gauges, charges.

use ratatui::style::{Modifier, Style};

use super::canvas::Canvas;
use super::format;
use super::glyphs::Glyphs;
use super::theme::Role;
use crate::domain::event::Agent;
use crate::domain::meter::Meter;
use crate::domain::rules::Rules;
use crate::domain::run::{Run, State};
use crate::domain::statement::{Charge, Rule};
use crate::domain::time::{Span, Stamp};

/// For so long a charge that has landed stands out.
const FRESH: Span = Span(5_000);
/// Charges from here on are big.
const BIG: Span = Span(60_000);

pub fn state_role(state: State) -> Role {
    match state {
        State::AtZero => Role::StateZero,
        State::Working => Role::StateWorking,
        State::Waiting => Role::StateWaiting,
        State::Idle => Role::StateIdle,
        State::Failed | State::Interrupted => Role::StateFailed,
        State::Finished => Role::StateFinished,
    }
}

pub fn agent_role(agent: Agent) -> Role {
    match agent {
        Agent::Claude => Role::AgentClaude,
        Agent::Codex => Role::AgentCodex,
        Agent::Gemini => Role::AgentGemini,
        Agent::Opencode => Role::AgentOpencode,
        Agent::Pi => Role::AgentPi,
        Agent::Qwen => Role::AgentQwen,
        Agent::Native => Role::AgentNative,
    }
}

/// A clock at zero is at zero whatever the run does; one that stands still steps back.
pub fn clock_role(state: State, left: Span, rules: &Rules) -> Role {
    match state {
        _ if left <= Span::ZERO && state.is_live() => Role::ClockZero,
        State::Finished | State::Failed | State::Interrupted | State::Idle => Role::Muted,
        _ if left < rules.policy.clock.low => Role::ClockLow,
        _ => Role::ClockOk,
    }
}

/// A gauge of `share` (0 to 1).
pub fn gauge(canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, share: f64, fill: Style) {
    let glyphs = canvas.glyphs;
    let halves = (share.clamp(0.0, 1.0) * f64::from(width) * 2.0).round() as u16;
    // A sliver of what is left, or is used, is not nothing.
    let halves = if share > 0.0 { halves.max(1) } else { halves };
    let full = halves / 2;
    let half = halves % 2;
    let empty = canvas.style(Role::GaugeEmpty);
    canvas.repeat(x, y, full, glyphs.gauge_full, fill);
    canvas.repeat(x + full, y, half, glyphs.gauge_half, fill);
    canvas.repeat(x + full + half, y, width - full - half, glyphs.gauge_empty, empty);
}

/// A sparkline.
pub fn spark(canvas: &mut Canvas<'_>, x: u16, y: u16, bars: &[usize], style: Style) {
    for (x, bar) in (x..).zip(bars) {
        if *bar > 0 {
            let mark = canvas.glyphs.spark[(*bar).min(8)];
            canvas.put(x, y, 1, mark, style);
        }
    }
}

pub fn charge_role(charge: &Charge) -> Role {
    match charge.amount {
        amount if amount < Span::ZERO => Role::Refund,
        _ if charge.rule == Rule::Wall => Role::Muted,
        amount if amount >= BIG => Role::ChargeBig,
        _ => Role::Charge,
    }
}

/// The biggest charge that has just landed, wall time left out: why the clock has dropped.
pub fn fresh(run: &Run, now: Stamp) -> Option<&Charge> {
    run.statement
        .lines()
        .rev()
        .take_while(|charge| now.since(charge.at) < FRESH)
        .filter(|charge| charge.rule != Rule::Wall)
        .max_by_key(|charge| charge.amount.0.abs())
}

/// What a charge was for: its own words, else its rule's. A command stands for itself: which tool ran it is beside
/// the point.
pub fn what(charge: &Charge) -> &str {
    let runs = matches!(charge.rule, Rule::Execute | Rule::Irreversible);
    match charge.what.as_str() {
        "" if charge.rule == Rule::Wall => "working",
        "" => charge.rule.name(),
        model if charge.rule == Rule::ModelCall => format::model(model),
        what if runs => what.split_once(' ').map_or(what, |(_, command)| command),
        what => what,
    }
}

/// `×8 repeat ×1.3 chain ×2 materiality`.
pub fn factors(charge: &Charge, glyphs: &Glyphs) -> String {
    let mut text = String::new();
    for (name, percent) in charge.factors.named() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&format::factor(percent, glyphs));
        text.push(' ');
        text.push_str(name);
    }
    text
}

/// Style of something that must stand out for a moment.
pub fn flash(style: Style, reduced_motion: bool) -> Style {
    if reduced_motion {
        style.add_modifier(Modifier::BOLD)
    } else {
        style.add_modifier(Modifier::BOLD | Modifier::REVERSED)
    }
}

/// What the clock means in real time: the words of the forecast column.
pub fn outlook(run: &Run, state: State, now: Stamp, rules: &Rules, glyphs: &Glyphs) -> (String, String) {
    match state {
        State::Finished | State::Failed | State::Interrupted => (glyphs.none.into(), String::new()),
        State::Idle | State::Waiting => ("still".into(), String::new()),
        State::AtZero => {
            let readings = run.readings(now, rules);
            let meter = format::spent_up(&readings).map_or(Meter::Clock, |r| r.meter);
            (format!("{} out", format::short_meter(meter)), String::new())
        }
        State::Working => match run.binding(now, rules) {
            (meter, Some(forecast)) => format::forecast(meter, forecast, glyphs),
            _ => (glyphs.none.into(), String::new()),
        },
    }
}

/// The state that a branch which has ended is in.
pub fn ended(outcome: crate::domain::event::Outcome) -> State {
    use crate::domain::event::Outcome;
    match outcome {
        Outcome::Finished => State::Finished,
        Outcome::Failed => State::Failed,
        Outcome::Interrupted => State::Interrupted,
    }
}
