//! An empty list says why it is empty and what to do.

use ratatui::layout::Rect;

use super::super::Scene;
use super::super::canvas::{Canvas, columns};
use super::super::format;
use super::super::theme::Role;
use crate::engine::Place;

/// What a person can do next.
const NEXT: [(&str, &str); 4] = [
    ("start an agent", "its run appears here within a second"),
    ("redkey watch PATH", "a file, a directory, or - for standard input"),
    ("redkey --all", "runs of any age"),
    ("redkey demo", "small agents to look at"),
];

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let lines = if scene.listing.all.runs > 0 { no_hits(scene) } else { no_runs(scene) };
    let tall = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let left = (area.width.saturating_sub(76) / 2).clamp(1, 24).min(area.width);
    let top = area.height.saturating_sub(tall).min(area.height / 5);
    for (y, (label, words, role)) in (area.y + top..area.bottom()).zip(&lines) {
        let x = area.x + left;
        let width = area.width.saturating_sub(left);
        match label {
            None => {
                canvas.put(x, y, width, words, canvas.style(*role));
            }
            Some(label) => {
                let is_place = *role == Role::Text;
                let column = if width <= 60 {
                    columns(label) + 2
                } else if is_place {
                    11
                } else {
                    20
                };
                canvas.put(x + 2, y, width.saturating_sub(2), label, canvas.style(*role));
                let rest = width.saturating_sub(column + 2);
                canvas.put(x + 2 + column, y, rest, words, canvas.style(Role::Muted));
            }
        }
    }
}

type Line = (Option<String>, String, Role);

fn plain(words: impl Into<String>, role: Role) -> Line {
    (None, words.into(), role)
}

fn no_hits(scene: &Scene<'_>) -> Vec<Line> {
    let ui = scene.ui;
    let mut lines = vec![plain("No run is listed.", Role::Title), plain("", Role::Text)];
    if !ui.wish.filter.is_empty() {
        lines.push((
            Some("filter".into()),
            format!("`{}` matches none of {} runs", ui.wish.filter, scene.listing.all.runs),
            Role::Accent,
        ));
    }
    if ui.wish.only != super::super::order::Only::All {
        lines.push((Some("states".into()), format!("only `{}` runs are listed", ui.wish.only.name()), Role::Accent));
    }
    lines.push(plain("", Role::Text));
    lines.push(plain("Esc lists all runs again.", Role::Muted));
    lines
}

fn no_runs(scene: &Scene<'_>) -> Vec<Line> {
    let model = scene.model;
    let mut lines = Vec::new();
    if model.progress.is_done() {
        lines.push(plain("No run found.", Role::Title));
    } else {
        lines.push(plain("Reading history; no run so far.", Role::Title));
    }
    lines.push(plain("", Role::Text));
    lines.push(plain(if model.places.is_empty() { "Nothing was looked at yet." } else { "Looked in" }, Role::Muted));
    for place in &model.places {
        let agent = place.agent.map_or("given", |a| a.name());
        lines.push((Some(agent.into()), format!("{}  {}", place.path, found(place, scene)), Role::Text));
    }
    lines.push(plain("", Role::Text));
    lines.push(plain("What to do", Role::Muted));
    lines.extend(NEXT.iter().map(|(what, then)| (Some((*what).into()), (*then).into(), Role::Accent)));
    lines
}

fn found(place: &Place, scene: &Scene<'_>) -> String {
    let within = format::about(scene.model.rules.policy.watch.active_within);
    match (&place.trouble, place.exists, place.found, place.recent) {
        (Some(trouble), ..) => trouble.to_string(),
        (None, false, ..) => "isn't there".into(),
        (None, true, 0, _) => "is empty".into(),
        (None, true, found, 0) => format!("{found} found, none in the last {within}"),
        (None, true, found, recent) => format!("{found} found, {recent} in the last {within}"),
    }
}
