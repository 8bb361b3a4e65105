//! What stands above and below the list.

use ratatui::layout::Rect;

use super::super::Scene;
use super::super::canvas::{Canvas, columns, fit};
use super::super::order::Sort;
use super::super::theme::Role;
use super::super::{digits, format, look};
use super::columns::{Column, Placed};

/// A piece of the header: what it says, how, and how early it goes when room is scarce (0 stays longest).
struct Piece {
    text: String,
    role: Role,
    rank: u8,
}

/// The name, and counters that say what redkey itself sees and misses.
pub fn header(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    if area.height == 0 {
        return;
    }
    let name = canvas.style(Role::Title);
    let used = canvas.put(area.x + 1, area.y, area.width.saturating_sub(1), "redkey", name) + 1;
    let mut pieces = pieces(scene, canvas.glyphs.dot);
    let room = area.width.saturating_sub(used + 3);
    let width = |pieces: &[Piece]| pieces.iter().map(|p| columns(&p.text) + 2).sum::<u16>();
    while width(&pieces) > room {
        let Some(last) = (0..pieces.len()).max_by_key(|i| pieces[*i].rank) else { break };
        pieces.remove(last);
    }
    let mut x = area.right().saturating_sub(width(&pieces).saturating_sub(1));
    if used + 40 < x.saturating_sub(area.x) {
        canvas.put(area.x + used + 2, area.y, 40, "a clock on every agent's arm", canvas.style(Role::Border));
    }
    for piece in &pieces {
        x += canvas.put(x, area.y, columns(&piece.text), &piece.text, canvas.style(piece.role)) + 2;
    }
}

fn pieces(scene: &Scene<'_>, dot: &str) -> Vec<Piece> {
    let (all, listed) = (&scene.listing.all, &scene.listing.listed);
    let counters = &scene.model.counters;
    let mut pieces = Vec::new();
    let mut add = |text: String, role: Role, rank: u8| pieces.push(Piece { text, role, rank });
    if listed.runs == all.runs {
        add(format::plural(all.runs as u64, "run"), Role::Text, 1);
    } else {
        add(format!("{} of {}", listed.runs, format::plural(all.runs as u64, "run")), Role::Accent, 1);
    }
    add(format!("{} working", all.working), if all.working > 0 { Role::StateWorking } else { Role::Muted }, 2);
    add(format!("{} waiting", all.waiting), if all.waiting > 0 { Role::StateWaiting } else { Role::Muted }, 5);
    if all.at_zero > 0 {
        add(format!(" {} at zero ", all.at_zero), Role::StateZero, 0);
    } else {
        add("0 at zero".into(), Role::Muted, 6);
    }
    add(dot.into(), Role::Border, 9);
    add(format!("{:.1} events/s", counters.rate()), Role::Muted, 4);
    for (n, word, rank) in [(counters.unparsed, "unparsed", 7), (counters.dropped, "dropped", 8)] {
        let is_bad = n > 0;
        add(
            format!("{} {word}", format::count(n)),
            if is_bad { Role::Warn } else { Role::Muted },
            if is_bad { 3 } else { rank },
        );
    }
    if counters.skipped > 0 {
        add(format!("{} too long", format::count(counters.skipped)), Role::Warn, 3);
    }
    pieces
}

/// How far the reading of history has come.
pub fn progress(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    if area.height == 0 {
        return;
    }
    let p = scene.model.progress;
    let share = if p.total_bytes > 0 {
        p.done_bytes as f64 / p.total_bytes as f64
    } else {
        p.done_files as f64 / p.total_files.max(1) as f64
    };
    let muted = canvas.style(Role::Muted);
    let mut x = area.x + 1;
    x += canvas.put(x, area.y, area.right().saturating_sub(x), "reading history", muted) + 1;
    let gauge = (area.width / 4).min(30);
    if x + gauge < area.right() {
        look::gauge(canvas, x, area.y, gauge, share, canvas.style(Role::Accent));
        x += gauge + 1;
    }
    let text = format!(
        "{:.0} %  {} of {}  {} of {} files",
        share * 100.0,
        format::bytes(p.done_bytes),
        format::bytes(p.total_bytes),
        p.done_files,
        p.total_files
    );
    canvas.put(x, area.y, area.right().saturating_sub(x), &text, muted);
}

/// What is wrong with what redkey was given; one line each.
pub fn warnings(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    let alerts = super::super::key::alerts(scene, None);
    let own = scene.ui.options.warnings.iter().map(|warning| (warning.clone(), Role::Warn));
    for (y, (warning, role)) in (area.top()..area.bottom()).zip(alerts.into_iter().chain(own)) {
        let style = canvas.style(role);
        canvas.put(area.x + 1, y, area.width.saturating_sub(1), &format!("! {warning}"), style);
    }
}

/// Titles of the columns; the one that sorts is marked.
pub fn titles(canvas: &mut Canvas<'_>, area: Rect, placed: &[Placed], scene: &Scene<'_>) {
    if area.height == 0 {
        return;
    }
    let wish = &scene.ui.wish;
    let sorted = match wish.sort {
        Sort::Activity => Column::State,
        Sort::Left => Column::Clock,
        Sort::Burn => Column::Burn,
        Sort::Cost => Column::Cost,
        Sort::Agent => Column::Agent,
        Sort::Project => Column::Project,
    };
    let style = canvas.style(Role::Header);
    for cell in placed.iter().filter(|p| p.width > 1) {
        let is_sorted = cell.column == sorted;
        let mark = match (is_sorted, wish.reverse) {
            (false, _) => "",
            (true, false) => canvas.glyphs.down,
            (true, true) => canvas.glyphs.up,
        };
        let text = format!("{}{mark}", cell.column.title());
        let style = if is_sorted { canvas.style(Role::Accent) } else { style };
        let x = area.x + cell.x;
        if cell.column.is_right() {
            canvas.right(x, area.y, cell.width, &fit(&text, cell.width, ""), style);
        } else {
            canvas.put(x, area.y, cell.width, &fit(&text, cell.width, ""), style);
        }
    }
}

/// What the listed runs come to, each answer counted once however many runs hold a copy of it.
pub fn totals(canvas: &mut Canvas<'_>, area: Rect, placed: &[Placed], scene: &Scene<'_>) {
    if area.height == 0 {
        return;
    }
    let totals = &scene.listing.listed;
    let muted = canvas.style(Role::Muted);
    let bold = canvas.style(Role::Title);
    let floor = if totals.is_floor { canvas.glyphs.at_least } else { "" };
    let usd = format!("{floor}{}", format::money(totals.usd));
    let tokens = format!("{} tokens", format::count(totals.usage.total()));
    let first = placed.iter().map(|p| p.column).find(|c| matches!(c, Column::State | Column::Agent));
    for cell in placed {
        let (x, y, width) = (area.x + cell.x, area.y, cell.width);
        match cell.column {
            Column::State if width > 4 => {
                canvas.put(x, y, width, "total", bold);
            }
            Column::Agent if first == Some(Column::Agent) || placed[0].width < 4 => {
                canvas.put(x, y, width, "all", muted);
            }
            Column::Task => {
                let text = format!("{} spent, left of live runs", totals.spent.short());
                let text = if columns(&text) > width { "left, live runs" } else { &text };
                canvas.right(x, y, width, text, muted);
            }
            Column::Clock => canvas.right(x, y, width, &digits::text(totals.left), bold),
            Column::Cost => canvas.right(x, y, width, &usd, bold),
            Column::Flags => {
                canvas.put(x, y, width, &tokens, muted);
            }
            _ => {}
        }
    }
}
