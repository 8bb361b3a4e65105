//! The fleet: a row per run, what all of them come to, and a closer look at the selected one.

mod columns;
mod empty;
mod head;
mod preview;
mod row;

use ratatui::layout::Rect;

use super::canvas::{Canvas, Cut};
use super::theme::Role;
use super::{Scene, gates, key};
use columns::Placed;
use row::Row;

/// Where everything is. Depends on sizes and on how much there is to show, never on what was drawn before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub header: Rect,
    /// What is held and waits for an answer.
    pub gate: Rect,
    pub progress: Rect,
    pub warnings: Rect,
    pub titles: Rect,
    pub rows: Rect,
    pub totals: Rect,
    pub preview: Rect,
    pub footer: Rect,
}

/// Least rows of the closer look.
const PREVIEW: u16 = 6;

impl Layout {
    /// `runs` to list, and rows wanted for a held action, progress and warnings.
    pub fn of(area: Rect, runs: usize, gate: u16, progress: bool, warnings: usize) -> Self {
        let mut layout = Self::default();
        let mut rest = area;
        let height = area.height;
        if height >= 4 {
            (layout.header, rest) = rest.top_rows(1);
            (rest, layout.footer) = rest.bottom_rows(1);
        }
        if height >= 5 {
            (layout.gate, rest) = rest.top_rows(gate);
        }
        if progress && height >= 6 {
            (layout.progress, rest) = rest.top_rows(1);
        }
        let warnings = u16::try_from(warnings).unwrap_or(u16::MAX).min(height / 8);
        (layout.warnings, rest) = rest.top_rows(warnings);
        if height >= 16 {
            rest = rest.top_rows(1).1;
        }
        if height >= 5 {
            (layout.titles, rest) = rest.top_rows(1);
        }
        let runs = u16::try_from(runs).unwrap_or(u16::MAX).max(1);
        if height >= 20 {
            // The list keeps two thirds when it needs them.
            let spare = rest.height.saturating_sub(runs.saturating_add(2)).max(rest.height / 3);
            if spare >= PREVIEW {
                (rest, layout.preview) = rest.bottom_rows(spare);
            }
        }
        if height >= 8 {
            let (rows, below) = rest.top_rows(runs.min(rest.height.saturating_sub(1)));
            layout.rows = rows;
            layout.totals = below.row(0);
        } else {
            layout.rows = rest;
        }
        layout
    }
}

/// The first listed row that is shown: the selected one is kept in the middle of a long list.
fn first_row(selected: Option<usize>, listed: usize, shown: u16) -> usize {
    let shown = usize::from(shown);
    selected.unwrap_or(0).saturating_sub(shown / 2).min(listed.saturating_sub(shown))
}

fn layout(area: Rect, scene: &Scene<'_>) -> Layout {
    let model = scene.model;
    let warnings = scene.ui.options.warnings.len() + key::alerts(scene, None).len();
    Layout::of(area, scene.listing.order.len(), gates::rows(model), !model.progress.is_done(), warnings)
}

/// The run at a place on the screen.
pub fn run_at(area: Rect, scene: &Scene<'_>, x: u16, y: u16) -> Option<u32> {
    let rows = layout(area, scene).rows;
    if !rows.contains((x, y).into()) {
        return None;
    }
    let order = &scene.listing.order;
    let first = first_row(scene.listing.position(scene.ui.selected), order.len(), rows.height);
    order.get(first + usize::from(y - rows.y)).copied()
}

/// Rows of the list that are shown at once.
pub fn page(area: Rect, scene: &Scene<'_>) -> usize {
    usize::from(layout(area, scene).rows.height.max(1))
}

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, scene: &Scene<'_>) {
    let layout = layout(area, scene);
    head::header(canvas, layout.header, scene);
    gates::banner(canvas, layout.gate, scene);
    head::progress(canvas, layout.progress, scene);
    head::warnings(canvas, layout.warnings, scene);
    if scene.listing.order.is_empty() {
        let body = Rect { y: layout.titles.y.min(layout.rows.y), ..layout.rows };
        let bottom = layout.footer.y.max(area.bottom().saturating_sub(1)).max(body.y);
        let body = Rect { height: bottom - body.y, ..body };
        empty::draw(canvas, if layout.titles.height > 0 { Rect { y: layout.titles.y, ..body } } else { body }, scene);
    } else {
        let placed = columns::place(area.width);
        head::titles(canvas, layout.titles, &placed, scene);
        rows(canvas, layout.rows, &placed, scene);
        head::totals(canvas, layout.totals, &placed, scene);
        preview::draw(canvas, layout.preview, scene);
    }
    let has_panel = preview::has_panel(layout.preview, scene, canvas.glyphs.is_ascii);
    super::help::footer_with_key(canvas, layout.footer, scene, scene.ui.selected.filter(|_| !has_panel));
}

fn rows(canvas: &mut Canvas<'_>, area: Rect, placed: &[Placed], scene: &Scene<'_>) {
    let order = &scene.listing.order;
    let first = first_row(scene.listing.position(scene.ui.selected), order.len(), area.height);
    let shown = order.iter().skip(first).take(usize::from(area.height));
    for (y, number) in (area.y..).zip(shown) {
        if let Some(run) = scene.model.run(*number) {
            Row::of(run, scene).draw(canvas, (area.x, y), area.width, placed, scene);
        }
    }
    // More above or below the edge is said at the edge.
    let style = canvas.style(Role::Accent);
    if first > 0 {
        canvas.put(area.x + 1, area.y, 1, canvas.glyphs.up, style);
    }
    if first + usize::from(area.height) < order.len() {
        canvas.put(area.x + 1, area.bottom().saturating_sub(1), 1, canvas.glyphs.down, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_shown() {
        for listed in 0..60 {
            for shown in 1..20u16 {
                for selected in 0..listed {
                    let first = first_row(Some(selected), listed, shown);
                    assert!((first..first + usize::from(shown)).contains(&selected), "{listed} {shown} {selected}");
                    assert!(listed <= usize::from(shown) || first + usize::from(shown) <= listed);
                }
            }
        }
    }

    #[test]
    fn areas_never_overlap() {
        for height in 0..60 {
            for runs in [0, 1, 7, 1_000] {
                let l = Layout::of(Rect::new(0, 0, 80, height), runs, 1, true, 2);
                let areas = [l.header, l.gate, l.progress, l.warnings, l.titles, l.rows, l.totals, l.preview, l.footer];
                let sum: u16 = areas.iter().map(|a| a.height).sum();
                assert!(sum <= height, "{height} {runs}: {l:?}");
                for (i, a) in areas.iter().enumerate() {
                    for b in &areas[i + 1..] {
                        assert!(a.is_empty() || b.is_empty() || !a.intersects(*b), "{height} {runs}: {l:?}");
                    }
                }
            }
        }
    }
}
