//! The key in words: in a row of the fleet, beside the cap, and as warnings.

use super::super::theme::Role;
use super::super::{Scene, format};
use super::{Face, Grip};
use crate::control::protocol::Status;
use crate::control::words::{Grade, Key, Mode, Rung};
use crate::domain::event::Agent;
use crate::domain::policy::AtZero;
use crate::domain::run::State;
use crate::domain::text::Text;

/// The word for a key in a column of `width`.
pub fn key_word(key: Key, width: u16) -> &'static str {
    match (key, width) {
        (Key::Supervised, ..10) => "super",
        (Key::Native | Key::Hooked | Key::Signal, ..6) => &key.name()[..4],
        _ => key.name(),
    }
}

pub fn key_role(key: Key) -> Role {
    match key {
        Key::None => Role::Border,
        Key::Supervised | Key::Native => Role::Key,
        Key::Hooked | Key::Signal => Role::Text,
    }
}

/// Mark, word and look for the state column, where the key has more to say than the run's own state.
pub fn row_state(grip: &Grip<'_>, scene: &Scene<'_>) -> Option<(&'static str, String, Role)> {
    let is_ascii = scene.ui.options.ascii;
    let mark = |plain: &'static str, fine: &'static str| if is_ascii { plain } else { fine };
    let said = match grip.face {
        Face::Down | Face::Killing => {
            let rung = match grip.face {
                Face::Killing => "KILL",
                _ => grip.rung().map_or("asked", Rung::name),
            };
            (mark("v", "▼"), format!("stopping {rung}"), Role::RedKey)
        }
        Face::Asked => (mark("v", "▽"), "asked".to_owned(), Role::StateWaiting),
        Face::Gone if is_tracked(grip) => (mark("x", "✕"), "set gone".to_owned(), Role::StateFinished),
        Face::Gone => (mark("x", "✕"), "dead".to_owned(), Role::StateFinished),
        Face::Failed => ("!", "FAILED".to_owned(), Role::StateZero),
        Face::Idle => (mark("o", "◌"), "obeyed".to_owned(), Role::StateWaiting),
        Face::Up | Face::Nothing if is_held(grip) => (mark("=", "‖"), "held".to_owned(), Role::StateWaiting),
        Face::Up | Face::Nothing => return None,
    };
    Some(said)
}

pub fn is_tracked(grip: &Grip<'_>) -> bool {
    grip.stop.and_then(|stop| stop.receipt.as_ref()).is_some_and(|receipt| receipt.grade == Grade::Tracked)
}

fn status<'a>(grip: &Grip<'a>) -> Option<&'a Status> {
    grip.hold.status.as_deref()
}

/// Does it stand still until a person answers?
pub fn is_held(grip: &Grip<'_>) -> bool {
    status(grip).and_then(|s| s.metered.clock.as_ref()).is_some_and(|clock| clock.held) && grip.hold.key != Key::None
}

/// Words for the flags of a row, the gravest first.
pub fn notes(grip: &Grip<'_>, scene: &Scene<'_>) -> Vec<(String, Role)> {
    let mut words = Vec::new();
    if let Some(gate) = super::super::gates::of_run(scene.model, grip.run.number).next() {
        words.push((format!("HELD {}", gate.what), Role::Warn));
    }
    if is_held(grip) {
        words.push(("held: R releases".into(), Role::Warn));
    }
    if grip.state == State::AtZero && grip.face == Face::Up {
        let then = match status(grip).map(|s| s.at_zero) {
            Some(AtZero::Stop) => "zero: stops",
            Some(AtZero::Hold) => "zero: holds",
            _ => "zero: X stops",
        };
        words.push((then.into(), Role::Error));
    }
    if grip.hold.status.is_some() && !status(grip).is_some_and(|s| s.meter) && grip.state.is_live() {
        words.push(("meter lost".into(), Role::Error));
    }
    words
}

/// Beside a cap that stands: what hold there is and what a press does.
pub fn hold(grip: &Grip<'_>, scene: &Scene<'_>, width: u16) -> Vec<String> {
    let hold = grip.hold;
    let dot = if scene.ui.options.ascii { "-" } else { "·" };
    let grade = hold.grade.map_or(String::new(), |grade| format!(" {dot} {grade}"));
    let mut lines = vec![format!("{}{grade}", hold.key)];
    let mut second = Vec::new();
    if let Some(status) = status(grip) {
        second.push(format::plural(u64::from(status.alive), "process").replace("processs", "processes"));
    }
    if let Some(leader) = hold.leader {
        second.push(format!("pid {}", leader.pid));
    }
    if !second.is_empty() {
        lines.push(second.join(&format!(" {dot} ")));
    }
    if grip.stop.is_some() {
        lines.push("the interrupt was not answered; it goes on".into());
    }
    lines.push(match hold.key {
        _ if width < 36 => "X stops, again kills".into(),
        Key::Hooked => "X stops, again kills; i refuses a call".into(),
        Key::Signal => "X signals it, again kills; i sends INT".into(),
        _ => "X stops, again kills; i interrupts".into(),
    });
    let why = status(grip).map_or("", |s| s.grade_why.as_str());
    let why = if hold.why.is_empty() { why } else { hold.why.as_str() };
    if !why.is_empty() {
        lines.push(why.to_owned());
    }
    lines
}

/// What X does, in a word or two.
pub fn press_word(grip: &Grip<'_>) -> Option<&'static str> {
    match (grip.face, grip.face.press()?) {
        (Face::Failed, _) => Some("KILL again"),
        (_, Mode::Now) => Some("KILL now"),
        _ => Some("stop"),
    }
}

/// Why there is nothing to press, and what would give a key.
pub fn nothing(grip: &Grip<'_>) -> Vec<String> {
    let is_over = matches!(grip.state, State::Finished | State::Failed | State::Interrupted);
    if grip.stop.is_some() {
        return vec!["no receipt".into(), format!("a stop was under way: {}", why(grip))];
    }
    if is_over {
        return vec!["it has ended".into(), "there is nothing to stop".into()];
    }
    let mut lines = vec![format!("none: {}", why(grip))];
    let agent = grip.run.id.agent;
    lines.push(match agent {
        Agent::Native => "give it one: redkey run -- COMMAND".into(),
        _ => format!("start it with: redkey run -- {}", agent.name()),
    });
    if matches!(agent, Agent::Claude | Agent::Codex | Agent::Gemini) {
        lines.push(format!("or once: redkey hook install {}", agent.name()));
    }
    lines
}

fn why<'a>(grip: &Grip<'a>) -> &'a str {
    match grip.hold.why.as_str() {
        "" => "nothing of it was found",
        why => why,
    }
}

/// What a press does not do, for the person who pressed.
pub fn refusal(grip: &Grip<'_>) -> String {
    let of = format!("{} {}", grip.run.agent(), grip.run.project());
    match grip.face {
        Face::Gone => format!("{of}: nothing of it is left"),
        Face::Killing => format!("{of}: KILL has gone out already"),
        _ => format!("{of}: {}", nothing(grip).join("; ")),
    }
}

/// What a person should know of control before anything else: over all runs, or over one.
pub fn alerts(scene: &Scene<'_>, run: Option<u32>) -> Vec<(Text, Role)> {
    let mut alerts = Vec::new();
    if let Some(why) = scene.model.audit_trouble() {
        alerts.push((Text::new(&format!("AUDIT DEGRADED: presses and answers are not recorded: {why}")), Role::RedKey));
    }
    let Some(grip) = run.and_then(|number| Grip::in_scene(scene, number)) else { return alerts };
    let Some(status) = grip.hold.status.as_deref().filter(|_| grip.hold.key != Key::None) else { return alerts };
    if !status.meter {
        alerts.push((Text::new("METER LOST: its clock no longer acts; X and commands still stop it"), Role::Error));
    }
    if is_held(&grip) {
        alerts.push((
            Text::new("HELD: it stands still until you answer: R releases it, + gives time, X stops it"),
            Role::Warn,
        ));
    }
    if grip.state == State::AtZero && grip.face == Face::Up {
        let then = match status.at_zero {
            AtZero::Warn => "it goes on until somebody stops it: X",
            AtZero::Hold => "it will be held at its next call; + gives time",
            AtZero::Stop => "it is being stopped; + gives time",
        };
        alerts.push((Text::new(&format!("AT ZERO: {then}")), Role::Error));
    }
    alerts.extend(status.metered.notes.iter().rev().map(|note| (note.clone(), Role::Warn)));
    alerts
}
