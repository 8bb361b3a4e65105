//! What a stop came to: the receipt in the key's place, who asked, what was proven, and who is left.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::canvas::{Canvas, Cut, columns};
use super::super::theme::Role;
use super::super::{Scene, format};
use super::{Face, Grip, cap};
use crate::control::words::{Grade, Proof, Receipt, Stop, Survivor};

/// The receipt in lines of at most `width` columns, broken between its parts.
pub fn lines(receipt: &Receipt, width: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in receipt.words().split(" · ") {
        match lines.last_mut() {
            Some(line) if columns(line) + columns(part) + 3 <= width => {
                line.push_str(" · ");
                line.push_str(part);
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

/// Rows of the box, border included where `boxed`.
pub fn rows(receipt: &Receipt, width: u16, boxed: bool) -> u16 {
    let inner = width.saturating_sub(if boxed { 4 } else { 2 });
    let lines = u16::try_from(lines(receipt, inner).len()).unwrap_or(u16::MAX);
    lines + if boxed { 2 } else { 0 }
}

/// Draws the box; returns the rows used.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, receipt: &Receipt, face: Face, boxed: bool) -> u16 {
    let pad = if boxed { 2 } else { 1 };
    let lines = lines(receipt, area.width.saturating_sub(2 * pad));
    let wide = lines.iter().map(|l| columns(l)).max().unwrap_or(0) + 2 * pad;
    let tall = rows(receipt, area.width, boxed).min(area.height);
    let body = Rect::new(area.x, area.y, wide.min(area.width), tall);
    let (ground, border) = style(canvas, face, receipt.grade);
    let blank = " ".repeat(usize::from(body.width));
    for y in body.top()..body.bottom() {
        canvas.put(body.x, y, body.width, &blank, ground);
    }
    if boxed {
        cap::border(canvas, body, border);
    }
    for (y, line) in (body.y + u16::from(boxed)..body.bottom()).zip(&lines) {
        canvas.put(body.x + pad, y, body.width.saturating_sub(2 * pad - 1), line, ground.add_modifier(Modifier::BOLD));
    }
    tall
}

/// Proven and done is calm; failed is loud; alive after an interrupt is neither.
fn style(canvas: &Canvas<'_>, face: Face, grade: Grade) -> (Style, Style) {
    match face {
        Face::Failed => {
            let loud = canvas.style(Role::StateZero);
            (loud, loud)
        }
        Face::Idle => (canvas.style(Role::StateWaiting), canvas.style(Role::StateWaiting)),
        // What is only tracked may have lost something before: a lesser proof looks like one.
        _ if grade == Grade::Tracked => (canvas.style(Role::StateFinished), canvas.style(Role::Border)),
        _ => (canvas.style(Role::StateWorking), canvas.style(Role::StateWorking)),
    }
}

/// Who asked, when, and why.
pub fn asker(stop: &Stop, scene: &Scene<'_>) -> String {
    let by = &stop.by;
    let who = match (by.by.as_str(), by.user.as_str()) {
        ("", "") => "somebody",
        (by, "") => by,
        ("", user) => user,
        (by, user) => return asked(&format!("{by} {user}"), stop, scene),
    };
    asked(who, stop, scene)
}

fn asked(who: &str, stop: &Stop, scene: &Scene<'_>) -> String {
    let at = format::time_of_day(stop.at, scene.ui.options.utc_offset);
    let why = if stop.reason.is_empty() { String::new() } else { format!(": {}", stop.reason) };
    format!("asked by {who} at {at}{why}")
}

/// What the end was proven by, or that it wasn't.
pub fn proof(receipt: &Receipt, face: Face) -> String {
    match (face, receipt.proof) {
        (Face::Idle, _) => "it obeyed and is alive: that is not stopped".into(),
        (Face::Failed, _) => "it goes on being tried".into(),
        (_, Some(proof)) => format!("proof: {} ({})", proof_words(proof), receipt.grade),
        (_, None) => format!("no proof ({})", receipt.grade),
    }
}

fn proof_words(proof: Proof) -> &'static str {
    match proof {
        Proof::NoChildren => "the supervisor has no child left",
        Proof::CgroupEmpty => "its cgroup is empty",
        Proof::NamespaceGone => "its pid namespace is gone",
        Proof::SetGone => "every process that was found is gone; what had left before is not known",
    }
}

/// The processes that are still there. A last line says how many more there are.
pub fn survivors(canvas: &mut Canvas<'_>, area: Rect, survivors: &[Survivor]) {
    if area.height == 0 || survivors.is_empty() {
        return;
    }
    let name = survivors.iter().map(|s| columns(s.name.as_str())).max().unwrap_or(0).clamp(4, 18);
    let (head, body) = area.top_rows(u16::from(area.height > 1));
    let row = |canvas: &mut Canvas<'_>, y: u16, cells: [&str; 4], styles: [Style; 4]| {
        let mut x = area.x + 1;
        for ((text, style), wide) in cells.iter().zip(styles).zip([8, name + 1, 3, u16::MAX]) {
            let room = area.right().saturating_sub(x);
            canvas.put(x, y, room.min(wide.saturating_sub(1)), text, style);
            x = x.saturating_add(wide);
        }
    };
    let header = canvas.style(Role::Header);
    if head.height > 0 {
        row(canvas, head.y, ["PID", "NAME", "S", "WHY"], [header; 4]);
    }
    if let (1, Some(first), more @ 1..) = (body.height, survivors.first(), survivors.len() - 1) {
        // Room for one row: nobody is left out without a word.
        let text = format!("{} {}, and {more} more", first.pid, first.name);
        canvas.put(area.x + 1, body.y, area.width.saturating_sub(1), &text, canvas.style(Role::Error));
        return;
    }
    let fits = usize::from(body.height);
    let shown = if survivors.len() > fits { fits.saturating_sub(1).max(1) } else { survivors.len() };
    let (error, text, muted) = (canvas.style(Role::Error), canvas.style(Role::Text), canvas.style(Role::Muted));
    for (y, s) in (body.top()..body.bottom()).zip(survivors.iter().take(shown)) {
        // A letter of the kernel's; whatever else came instead is not one.
        let state = if s.state.is_ascii_alphabetic() { s.state } else { '?' };
        let cells = [&s.pid.to_string(), s.name.as_str(), &state.to_string(), s.why.as_str()];
        row(canvas, y, cells, [error, text, error, muted]);
    }
    if shown < survivors.len() && fits > 1 {
        let more = format!("and {} more", survivors.len() - shown);
        canvas.put(area.x + 1, body.y + u16::try_from(shown).unwrap_or(0), area.width, &more, error);
    }
}

/// The receipt of a grip, where there is one to show.
pub fn of<'a>(grip: &Grip<'a>) -> Option<&'a Receipt> {
    let has_end = matches!(grip.face, Face::Gone | Face::Failed | Face::Idle);
    grip.stop.and_then(|stop| stop.receipt.as_ref()).filter(|_| has_end)
}
