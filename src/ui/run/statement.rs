//! The statement: every charge with its reason, the newest on top.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::canvas::{Canvas, Cut};
use super::super::theme::Role;
use super::super::{Pane, Scene, format, look};
use super::{Seat, list};
use crate::domain::run::{EntryKind, KEEP_QUIET, Run};
use crate::domain::statement::{Charge, Rule};
use crate::domain::time::Span;

/// Columns of an amount: `−1:00:00.0`.
const AMOUNT: u16 = 9;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>, is_focused: bool) {
    let (rule, body) = area.top_rows(1);
    let view = &seat.scene.ui.run;
    let spent = seat.run.spent(seat.now, &seat.scene.model.rules);
    let note = format!("{} spent", spent.hms());
    if view.sums {
        canvas.rule(rule, "STATEMENT by rule", &note, is_focused);
        return sums(canvas, body, seat.run);
    }
    canvas.rule(rule, "STATEMENT", &note, is_focused);
    // Where there is room for a few lines alone, they are not for time that just passes.
    let is_tiny = body.height < 5;
    let shown: Vec<_> = list::charges(seat.run, view).filter(|h| !is_tiny || h.line.rule != Rule::Wall).collect();
    if shown.is_empty() {
        canvas.put(body.x, body.y, body.width.min(area.width), "nothing charged yet", canvas.style(Role::Muted));
        return;
    }
    let at = view.at[Pane::Statement as usize];
    let position = at.and_then(|n| shown.iter().position(|h| h.number <= n)).unwrap_or(0);
    let older = older(seat.run.statement.forgotten(), seat.run.statement.lines().len());
    let (body, foot) = if older.is_some() && body.height > 3 { body.bottom_rows(1) } else { (body, Rect::default()) };
    let first = list::first(position, shown.len(), body.height);
    for (row, (i, held)) in shown.iter().enumerate().skip(first).take(usize::from(body.height)).enumerate() {
        let area = body.row(u16::try_from(row).unwrap_or(u16::MAX));
        line(canvas, area, held.line, seat.scene, is_focused && i == position && at.is_some());
    }
    if let (Some(words), true) = (older, foot.height > 0) {
        canvas.put(foot.x, foot.y, foot.width, &words, canvas.style(Role::Muted));
    }
}

/// Says what a list no longer holds.
pub fn older(forgotten: u64, kept: usize) -> Option<String> {
    match forgotten {
        0 => None,
        n if kept <= KEEP_QUIET => Some(format!("reading {n} older lines")),
        n => Some(format!("{n} older lines: only the newest {kept} are kept while a run goes on")),
    }
}

/// One charge: amount, what, rule and factors, time.
pub fn line(canvas: &mut Canvas<'_>, area: Rect, charge: &Charge, scene: &Scene<'_>, is_selected: bool) {
    if area.height == 0 {
        return;
    }
    let (x, y) = (area.x, area.y);
    let is_wall = charge.rule == Rule::Wall;
    // Time that just passes is there to be added up, not to be read.
    let quiet = canvas.style(if is_selected { Role::Text } else { Role::Border });
    let style = if is_wall { quiet } else { canvas.style(look::charge_role(charge)) };
    let text = if is_wall { quiet } else { canvas.style(Role::Text) };
    let is_fresh = !is_wall && scene.now.since(charge.at) < Span::secs(3);
    let amount_style = if is_fresh { look::flash(style, scene.ui.options.reduced_motion) } else { style };
    let amount = format::amount(charge.amount, canvas.glyphs);
    canvas.right(x, y, AMOUNT.min(area.width), &amount, amount_style);
    let mut right = area.right();
    if area.width >= 66 {
        let (time, wide) = if area.width >= 84 {
            (format::time_of_day(charge.at, scene.ui.options.utc_offset), 8)
        } else {
            (format::age(scene.now, charge.at), 4)
        };
        right = right.saturating_sub(wide + 1);
        canvas.right(right + 1, y, wide, &time, quiet);
    }
    let start = (x + AMOUNT + 1).min(right);
    reason(canvas, Rect { x: start, width: right - start, ..area }, charge, (text, is_wall.then_some(quiet)));
    if is_selected {
        select(canvas, area);
    }
}

/// What was charged and by which rule; where there is no room for the rule, the product of its factors at least.
/// `quiet`: how a rule looks that isn't to be read.
fn reason(canvas: &mut Canvas<'_>, area: Rect, charge: &Charge, (text, quiet): (Style, Option<Style>)) {
    let Rect { x, y, width, .. } = area;
    let mark = if charge.branch > 0 { format!("{} ", canvas.glyphs.entry(EntryKind::Subagent)) } else { String::new() };
    let pieces = [(mark.as_str(), canvas.style(Role::Accent)), (look::what(charge), text)];
    let factors = look::factors(charge, canvas.glyphs);
    let warn = canvas.style(Role::Warn);
    if width >= 30 {
        let what = (width * 11 / 20).min(width - 30).max(width * 9 / 20).min(72);
        canvas.pieces(x, y, what, &pieces);
        let rule = format!("{} ", charge.rule.name());
        let rest = width.saturating_sub(what + 1);
        let style = quiet.unwrap_or(canvas.style(Role::Muted));
        canvas.pieces(x + what + 1, y, rest, &[(&rule, style), (&factors, warn)]);
        return;
    }
    let product = match factors.as_str() {
        "" => String::new(),
        _ => format!("{}{:.1}", canvas.glyphs.times, charge.factors.product()),
    };
    let tail = if product.is_empty() { 0 } else { super::columns(&product) + 1 };
    canvas.pieces(x, y, width.saturating_sub(tail), &pieces);
    canvas.right(x, y, width, &product, warn);
}

/// Marks the selected line of a list.
pub fn select(canvas: &mut Canvas<'_>, area: Rect) {
    let selected = canvas.style(Role::Selected);
    if canvas.theme.selection_keeps_colours() {
        canvas.tint(area, Style { fg: None, ..selected });
    } else {
        canvas.tint(area, Style::reset().add_modifier(Modifier::REVERSED));
    }
}

/// What each rule took, the most first.
fn sums(canvas: &mut Canvas<'_>, area: Rect, run: &Run) {
    let mut sums: Vec<(Rule, Span)> = Rule::ALL.map(|rule| (rule, run.statement.sum(rule))).to_vec();
    sums.retain(|(_, sum)| *sum != Span::ZERO);
    sums.sort_by_key(|(_, sum)| -sum.0);
    let most = sums.first().map_or(1, |(_, sum)| sum.0.max(1)) as f64;
    for (row, (rule, sum)) in sums.iter().enumerate() {
        let line = area.row(u16::try_from(row).unwrap_or(u16::MAX));
        if line.height == 0 {
            break;
        }
        let role = if *sum < Span::ZERO { Role::Refund } else { Role::Charge };
        canvas.right(
            line.x,
            line.y,
            (AMOUNT + 1).min(line.width),
            &format::amount(*sum, canvas.glyphs),
            canvas.style(role),
        );
        canvas.put(
            line.x + AMOUNT + 2,
            line.y,
            line.width.saturating_sub(AMOUNT + 2),
            rule.name(),
            canvas.style(Role::Text),
        );
        let gauge = line.x + AMOUNT + 16;
        if gauge + 6 < line.right() {
            let style = canvas.style(role);
            look::gauge(canvas, gauge, line.y, line.right() - gauge, sum.0 as f64 / most, style);
        }
    }
}
