//! The panel: cap, lights, and what they mean; once it is over, the receipt in the cap's place.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::Scene;
use super::super::canvas::{Canvas, Cut, columns};
use super::super::theme::Role;
use super::{Face, Grip, Size, cap, lights, receipt, words};
use crate::control::words::Key;
use crate::domain::time::Stamp;

/// Survivors that are listed at most.
const SURVIVORS: u16 = 8;

/// Rows that the panel wants of `area`; it takes less where there is less. `most`: the biggest cap.
pub fn rows(grip: &Grip<'_>, area: Rect, most: Size) -> u16 {
    let width = area.width;
    let Some(size) = Size::fitting(width, area.height).map(|size| size.min(most)) else { return 0 };
    let Some(done) = receipt::of(grip) else { return size.of().1 + u16::from(size == Size::Compact) };
    let boxed = size != Size::Compact;
    let lines = if boxed { 3 } else { 1 };
    let listed = u16::try_from(done.survivors.len()).unwrap_or(u16::MAX).min(SURVIVORS);
    let table = if listed > 0 { listed + 1 } else { 0 };
    receipt::rows(done, width, boxed) + lines + table
}

/// Is this the half of a second in which what pulses is bright?
fn pulse(scene: &Scene<'_>) -> bool {
    scene.ui.options.reduced_motion || scene.now.0.rem_euclid(1_000) < 500
}

/// Draws the panel of a run.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, grip: &Grip<'_>, scene: &Scene<'_>, most: Size) {
    let Some(size) = Size::fitting(area.width, area.height).map(|size| size.min(most)) else { return };
    if receipt::of(grip).is_some() {
        return over(canvas, area, grip, scene, size != Size::Compact);
    }
    let pulse = pulse(scene);
    cap::draw(canvas, area, grip.face, size, pulse);
    let wide = size.of().0 + 2;
    let beside = Rect { x: area.x + wide, width: area.width.saturating_sub(wide), ..area };
    let tall = size.of().1.max(3);
    let beside = Rect { height: beside.height.min(tall), ..beside };
    match grip.face {
        Face::Up | Face::Nothing => facts(canvas, beside, grip, scene),
        _ => under_way(canvas, beside, grip, scene, pulse),
    }
}

/// Beside a cap that nobody has pressed: what hold there is, and what a press does; or why there is none.
fn facts(canvas: &mut Canvas<'_>, area: Rect, grip: &Grip<'_>, scene: &Scene<'_>) {
    let lines = if grip.face == Face::Up { words::hold(grip, scene, area.width) } else { words::nothing(grip) };
    let (text, muted) = (canvas.style(Role::Text), canvas.style(Role::Muted));
    let skip = u16::from(area.height >= 6);
    let mut y = area.y + skip;
    for (i, line) in lines.iter().enumerate() {
        let style = if i == 0 { text.add_modifier(Modifier::BOLD) } else { muted };
        for line in super::super::run::wrap(line, area.width) {
            if y >= area.bottom() {
                return;
            }
            canvas.put(area.x, y, area.width, line.trim_end(), style);
            y += 1;
        }
    }
}

fn under_way(canvas: &mut Canvas<'_>, area: Rect, grip: &Grip<'_>, scene: &Scene<'_>, pulse: bool) {
    let skip = u16::from(area.height >= 6);
    let (_, area) = area.top_rows(skip);
    let is_wide = area.width >= 40 && area.height > 2;
    let (top, rest) = area.top_rows(if is_wide { 2 } else { 1 });
    lights::draw(canvas, top, grip, false, pulse);
    let dot = format!(" {} ", canvas.glyphs.dot);
    let outlook = lights::outlook(grip, scene.now);
    let mut lines = vec![(outlook.join(&dot), canvas.style(Role::Title))];
    if columns(&lines[0].0) > area.width {
        lines = outlook.into_iter().map(|part| (part, canvas.style(Role::Title))).collect();
    }
    if let Some(again) = again(grip.face) {
        lines.push((again.to_owned(), canvas.style(Role::Warn)));
    }
    if let Some(stop) = grip.stop {
        lines.push((receipt::asker(stop, scene), canvas.style(Role::Muted)));
    }
    put_lines(canvas, rest, &lines);
}

/// What a further press does.
fn again(face: Face) -> Option<&'static str> {
    match face {
        Face::Down => Some("X again: KILL now"),
        Face::Asked => Some("X: the whole ladder"),
        Face::Killing => Some("KILL has gone out; proving the end"),
        _ => None,
    }
}

fn over(canvas: &mut Canvas<'_>, area: Rect, grip: &Grip<'_>, scene: &Scene<'_>, boxed: bool) {
    let Some((done, stop)) = receipt::of(grip).zip(grip.stop) else { return };
    let used = receipt::draw(canvas, area, done, grip.face, boxed);
    let (_, rest) = area.top_rows(used);
    if !boxed {
        let line = match grip.face {
            Face::Failed => "X: KILL again".to_owned(),
            Face::Idle => "alive: not stopped; X stops it".to_owned(),
            _ => receipt::asker(stop, scene),
        };
        put_lines(canvas, rest, &[(line, canvas.style(Role::Muted))]);
        return receipt::survivors(canvas, rest.top_rows(1).1, &done.survivors);
    }
    let muted = canvas.style(Role::Muted);
    let (top, rest) = rest.top_rows(3);
    let next = match grip.face {
        Face::Failed => "   X: KILL again",
        Face::Idle => "   X stops it",
        _ => "",
    };
    let proof = format!("{}{next}", receipt::proof(done, grip.face));
    let proof_style = if grip.face == Face::Failed { canvas.style(Role::Error) } else { canvas.style(Role::Text) };
    put_lines(canvas, top, &[(receipt::asker(stop, scene), muted), (proof, proof_style)]);
    lights::draw(canvas, top.bottom_rows(1).1, grip, true, true);
    if !done.survivors.is_empty() {
        receipt::survivors(canvas, rest, &done.survivors);
    }
}

fn put_lines(canvas: &mut Canvas<'_>, area: Rect, lines: &[(String, Style)]) {
    for (y, (line, style)) in (area.top()..area.bottom()).zip(lines) {
        canvas.put(area.x, y, area.width, line, *style);
    }
}

/// One word at the right end of `area`, where there is no room for more: what the key is, or how far it has come.
/// Returns the columns used.
pub fn chip(canvas: &mut Canvas<'_>, area: Rect, grip: &Grip<'_>, now: Stamp) -> u16 {
    let red = canvas.style(Role::RedKey);
    let (text, style) = match grip.face {
        Face::Up => (" X STOP ".to_owned(), red),
        Face::Asked => (" ASKED ".to_owned(), red),
        Face::Down => {
            let rung = grip.rung().map_or("", |rung| rung.name());
            let left = grip.gives_way().map_or(0, |at| at.since(now).0.max(0).saturating_add(999) / 1_000);
            (if rung.is_empty() { " STOP… ".into() } else { format!(" {rung} {left}s ") }, red)
        }
        Face::Killing => (" KILL ".to_owned(), red),
        Face::Nothing => ("no key".to_owned(), canvas.style(Role::Border)),
        Face::Gone if words::is_tracked(grip) => ("SET GONE".to_owned(), canvas.style(Role::StateFinished)),
        Face::Gone => ("DEAD".to_owned(), canvas.style(Role::StateWorking)),
        Face::Failed => (" FAILED ".to_owned(), canvas.style(Role::StateZero)),
        Face::Idle => ("IDLE".to_owned(), canvas.style(Role::StateWaiting)),
    };
    let used = columns(&text);
    if area.height == 0 || used + 1 >= area.width || (grip.face == Face::Nothing && grip.hold.key != Key::None) {
        return 0;
    }
    canvas.right(area.x, area.y, area.width - 1, &text, style);
    used + 1
}
