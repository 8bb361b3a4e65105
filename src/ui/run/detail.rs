//! The whole of one line: why a charge is what it is, or all that its source says of an event.

use ratatui::layout::Rect;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::super::canvas::{Canvas, Cut};
use super::super::glyphs::entry_word;
use super::super::theme::Role;
use super::super::{Detail, format, look};
use super::Seat;
use crate::domain::run::{Entry, Run};
use crate::domain::statement::{Charge, Rule};
use crate::domain::time::Span;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>) {
    let (rule, body) = area.top_rows(1);
    let view = &seat.scene.ui.run;
    let Some(detail) = view.detail else { return };
    canvas.clear(area);
    canvas.tint(area, canvas.style(Role::Text));
    canvas.rule(rule, "DETAILS", "Esc closes, PgUp PgDn scroll", true);
    let lines = match detail {
        Detail::Charge(number) => match charge(seat.run, number) {
            Some(charge) => of_charge(canvas, charge, seat),
            None => vec![("This line is no longer kept.".to_owned(), Role::Muted)],
        },
        Detail::Event(number) => match entry(seat.run, number) {
            Some(entry) => of_event(entry, seat),
            None => vec![("This event is no longer kept.".to_owned(), Role::Muted)],
        },
    };
    let wrapped: Vec<(String, Role)> = lines
        .into_iter()
        .flat_map(|(text, role)| wrap(&text, body.width).into_iter().map(move |l| (l, role)))
        .collect();
    let scroll = usize::from(view.scroll).min(wrapped.len().saturating_sub(usize::from(body.height.max(1))));
    for (y, (text, role)) in (body.top()..body.bottom()).zip(wrapped.iter().skip(scroll)) {
        canvas.put(body.x, y, body.width, text, canvas.style(*role));
    }
}

/// The charge with this number, while it is kept.
pub fn charge(run: &Run, number: u64) -> Option<&Charge> {
    let index = number.checked_sub(run.statement.forgotten())?;
    run.statement.lines().nth(usize::try_from(index).ok()?)
}

/// The event with this number, while it is kept.
pub fn entry(run: &Run, number: u64) -> Option<&Entry> {
    let index = number.checked_sub(run.timeline.forgotten())?;
    run.timeline.entries().nth(usize::try_from(index).ok()?)
}

type Lines = Vec<(String, Role)>;

fn of_charge(canvas: &Canvas<'_>, charge: &Charge, seat: &Seat<'_>) -> Lines {
    let glyphs = canvas.glyphs;
    let mut lines: Lines = vec![
        (format!("{}  {}", format::amount(charge.amount, glyphs), charge.rule.name()), look::charge_role(charge)),
        (look::what(charge).to_owned(), Role::Text),
        (String::new(), Role::Text),
    ];
    let base = charge.amount.as_secs_f64() / charge.factors.product().max(1e-9);
    lines.push((format!("{} by itself: {}", Span((base * 1e3) as i64).short(), why(charge.rule)), Role::Text));
    let factors = charge.factors;
    for (percent, words) in [
        (factors.repeat, "the same call as before, again: each further time doubles it"),
        (factors.chain, "more actions since something was last verified"),
        (factors.materiality, "what it touches matters more (materiality)"),
    ] {
        if percent != 100 {
            lines.push((format!("{}  {words}", format::factor(percent, glyphs)), Role::Warn));
        }
    }
    if let Some(branch) = seat.run.branches.get(usize::from(charge.branch)).filter(|_| charge.branch > 0) {
        lines.push((format!("by subagent {}", branch.name), Role::Accent));
    }
    let time = format::time_of_day(charge.at, seat.scene.ui.options.utc_offset);
    lines.push((format!("at {time}, {}", format::ago(seat.now, charge.at)), Role::Muted));
    lines
}

/// The tariff in words.
fn why(rule: Rule) -> &'static str {
    match rule {
        Rule::Wall => "time passes while the run works",
        Rule::ModelCall => "an answer of the model, more for more tokens",
        Rule::Read => "reading or searching",
        Rule::Write => "writing or editing",
        Rule::Execute => "running a command",
        Rule::Network => "reaching the network",
        Rule::Other => "another tool",
        Rule::Spawn => "a subagent, dearer the deeper it is",
        Rule::FirstTouch => "files touched for the first time",
        Rule::NewRoot => "a repository, directory tree or host that is new to this run",
        Rule::Irreversible => "it can't be taken back",
        Rule::Failure => "a failure, dearer with each in a row",
        Rule::Narrowing => "a decision closed options: time comes back",
        Rule::Widening => "a decision opened options",
        Rule::Grant => "time that somebody gave",
    }
}

fn of_event(entry: &Entry, seat: &Seat<'_>) -> Lines {
    let time = format::time_of_day(entry.at, seat.scene.ui.options.utc_offset);
    let mut lines: Lines = vec![
        (
            format!("{}  {time}, {}", entry_word(entry.kind), format::ago(seat.now, entry.at)),
            super::events::role(entry.kind),
        ),
        (entry.what.to_string(), Role::Text),
        (String::new(), Role::Text),
    ];
    let model = seat.scene.model;
    if let Some(source) = model.source(entry.origin.source) {
        lines.push((format!("{} at byte {}", source.name, entry.origin.offset), Role::Border));
    }
    match &model.detail {
        Some((origin, text)) if *origin == entry.origin => {
            lines.extend(text.iter().map(|line| (line.to_string(), Role::Muted)));
        }
        _ => lines.push(("reading its source".into(), Role::Muted)),
    }
    lines
}

/// Lines of at most `width` columns, broken at spaces where that is possible.
pub fn wrap(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(1));
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_word_bounds() {
        let wide = word.width();
        if used + wide > width && used > 0 {
            lines.push(String::new());
            used = 0;
            if word.trim().is_empty() {
                continue;
            }
        }
        for grapheme in word.graphemes(true) {
            let wide = grapheme.width();
            if used + wide > width && used > 0 {
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push_str(grapheme);
            }
            used += wide;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_wraps_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
    }
}
