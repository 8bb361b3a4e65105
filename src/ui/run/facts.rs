//! Who, what, where; what the clock means in real time; what was counted.

use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::canvas::{Canvas, columns};
use super::super::theme::Role;
use super::super::{Scene, format, key, look};
use super::Seat;
use crate::domain::forecast::Forecast;
use crate::domain::meter::Meter;
use crate::domain::run::{Run, State};
use crate::domain::time::Span;

/// Where this is, and the run's state.
pub fn header(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>) {
    if area.height == 0 {
        return;
    }
    let run = seat.run;
    let own = || (canvas.glyphs.state(seat.state), seat.state.name().to_owned(), look::state_role(seat.state));
    let grip = key::Grip::in_scene(seat.scene, run.number);
    let (mark, word, role) = grip.and_then(|grip| key::row_state(&grip, seat.scene)).unwrap_or_else(own);
    let state = canvas.style(role);
    let word = format!("{mark} {word}");
    let position = seat
        .scene
        .listing
        .position(Some(run.number))
        .map_or(String::new(), |at| format!("{}/{}  ", at + 1, seat.scene.listing.order.len()));
    let tail = columns(&word) + if area.width >= 50 { columns(&position) } else { 0 } + 1;
    let room = area.width.saturating_sub(tail + 3);
    let muted = canvas.style(Role::Border);
    let into = format!(" {} ", canvas.glyphs.into);
    let dot = format!(" {} ", canvas.glyphs.dot);
    let agent = canvas.style(look::agent_role(run.id.agent));
    let text = canvas.style(Role::Text);
    let mut pieces: Vec<(&str, Style)> = Vec::new();
    if area.width >= 60 {
        pieces.extend([("redkey", canvas.style(Role::Title)), (into.as_str(), muted)]);
    }
    pieces.push((run.agent(), agent));
    for part in [run.project(), run.facts.title.as_str()] {
        if !part.is_empty() {
            pieces.extend([(dot.as_str(), muted), (part, text)]);
        }
    }
    canvas.pieces(area.x + 1, area.y, room, &pieces);
    let mut x = area.right().saturating_sub(tail);
    if area.width >= 50 {
        x += canvas.put(x, area.y, columns(&position), &position, canvas.style(Role::Muted));
    }
    canvas.put(x, area.y, columns(&word), &word, state);
}

/// One line: what is left means so much real work at this pace, or why the clock stands still.
pub fn meaning(canvas: &mut Canvas<'_>, area: Rect, run: &Run, scene: &Scene<'_>) {
    if area.height == 0 || area.width == 0 {
        return;
    }
    let state = run.state(scene.now, &scene.model.rules);
    let (loud, quiet) = words(run, state, scene, canvas);
    let role = match state {
        State::AtZero => Role::Error,
        State::Failed | State::Interrupted => Role::Warn,
        State::Working => Role::Title,
        _ => Role::Muted,
    };
    let used = canvas.put(area.x, area.y, area.width, &loud, canvas.style(role));
    let rest = area.width.saturating_sub(used + 2);
    // Half a word says less than none.
    let mut shown = quiet.as_str();
    while columns(shown) > rest {
        shown = shown.rfind("  ").map_or("", |end| shown[..end].trim_end());
    }
    canvas.put(area.x + used + 2, area.y, rest, shown, canvas.style(Role::Muted));
}

fn words(run: &Run, state: State, scene: &Scene<'_>, canvas: &Canvas<'_>) -> (String, String) {
    let (now, rules) = (scene.now, &scene.model.rules);
    let since = |then: Option<crate::domain::time::Stamp>| then.map_or(String::new(), |at| format::ago(now, at));
    let left = run.left(now, rules);
    match state {
        State::Waiting => (
            "stands still".into(),
            format!("waiting for a person  {}", run.last_at.map_or(String::new(), |at| format::age(now, at))),
        ),
        State::Idle => ("stands still".into(), format!("last heard of {}", since(run.last_at))),
        State::Finished => {
            (format!("finished {}", since(run.last_at)), format!("{} not used", left.max(Span::ZERO).short()))
        }
        State::Failed | State::Interrupted => {
            (format!("{} {}", state.name(), since(run.last_at)), run.outcome_reason().to_owned())
        }
        State::AtZero => {
            let readings = run.readings(now, rules);
            match format::spent_up(&readings) {
                Some(r) if r.meter != Meter::Clock => {
                    let of = format!(
                        "{} of {}",
                        format::quantity(r.meter, r.used),
                        format::quantity(r.meter, r.cap.unwrap_or(0.0))
                    );
                    (format!("{} used up", format::meter(r.meter)), of)
                }
                _ => ("out of time and still running".into(), format!("{} over", Span(-left.0).short())),
            }
        }
        State::Working => {
            let (meter, forecast) = run.binding(now, rules);
            let pace = run.pace(rules).map_or(String::new(), |p| format!("  at {p:.1} s/s"));
            match forecast {
                None => ("no forecast yet".into(), pace.trim().to_owned()),
                Some(f) => (until(meter, f, canvas), format!("{}{pace}", interval(f, canvas))),
            }
        }
    }
}

fn until(meter: Meter, forecast: Forecast, canvas: &Canvas<'_>) -> String {
    let about = canvas.glyphs.about;
    match meter {
        Meter::Clock => format!("{about} {} of work left", format::about(forecast.p50)),
        other => format!("{about} {} until {} runs out", format::about(forecast.p50), format::meter(other)),
    }
}

fn interval(forecast: Forecast, canvas: &Canvas<'_>) -> String {
    if forecast.p10 == forecast.p90 { String::new() } else { format::range(forecast.p10, forecast.p90, canvas.glyphs) }
}

/// Facts and counts, most wanted first, one a line.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>) {
    if area.width < 8 {
        return;
    }
    if area.width < 20 {
        return narrow(canvas, area, seat);
    }
    let is_wide = area.width >= 48;
    let lines = lines(canvas, seat, is_wide);
    let label = if is_wide { 9 } else { 0 };
    for (y, (name, text, role)) in (area.top()..area.bottom()).zip(&lines) {
        if label > 0 {
            canvas.put(area.x, y, label, name, canvas.style(Role::Border));
        }
        canvas.put(area.x + label, y, area.width - label, text, canvas.style(*role));
    }
}

/// Beside the small clock of a tiny screen.
fn narrow(canvas: &mut Canvas<'_>, area: Rect, seat: &Seat<'_>) {
    let counts = &seat.run.counts;
    let lines = [
        (format::cost(seat.run, seat.state, canvas.glyphs), Role::Text),
        (format::plural(counts.tool_calls, "call"), Role::Muted),
        (format!("{} failed", seat.run.failures()), if seat.run.failures() > 0 { Role::Warn } else { Role::Muted }),
    ];
    for (y, (text, role)) in (area.top()..area.bottom()).zip(lines) {
        canvas.put(area.x, y, area.width, &text, canvas.style(role));
    }
}

type Line = (&'static str, String, Role);

fn lines(canvas: &Canvas<'_>, seat: &Seat<'_>, is_wide: bool) -> Vec<Line> {
    let run = seat.run;
    let glyphs = canvas.glyphs;
    let dot = glyphs.dot;
    let mut lines: Vec<Line> = Vec::new();
    let join =
        |parts: &[&str]| parts.iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join(&format!(" {dot} "));
    let agent = format!("{} {}", run.agent(), run.facts.version);
    let model = run.facts.model.as_str();
    let model = if is_wide { model } else { format::model(model) };
    lines.push(("agent", join(&[agent.trim(), model]), Role::Text));
    if !run.facts.cwd.is_empty() {
        lines.push(("in", run.facts.cwd.to_string(), Role::Text));
    }
    let session: String = run.id.session.chars().take(8).collect();
    let started = run.first_at.map_or(String::new(), |at| {
        format!("since {}", &format::time_of_day(at, seat.scene.ui.options.utc_offset)[..5])
    });
    let worked = run.worked + run.unsettled(seat.now, &seat.scene.model.rules);
    let worked = if is_wide { format!("{} worked", worked.short()) } else { worked.short() };
    lines.push(("session", join(&[&session, &started, &worked]), Role::Muted));
    lines.push(("budget", join(&[&run.clock.granted.hms(), run.because.as_str()]), Role::Muted));
    let usage = run.tokens.usage();
    let still = if seat.state.is_live() && !run.tokens.settled() { " so far" } else { "" };
    let cost = format::cost(run, seat.state, glyphs);
    let calls = format::plural(run.tokens.model_calls, "answer");
    lines.push(("cost", join(&[&format!("{cost}{still}"), &calls]), Role::Text));
    let [input, output, read, written] =
        [usage.input, usage.written(), usage.cache_read, usage.cache_write].map(format::count);
    let tokens = if is_wide {
        format!("{input} in {dot} {output} out {dot} cache: {read} read, {written} written")
    } else {
        format!("{input} in {output} out {read}/{written} cache")
    };
    lines.push(("tokens", tokens, Role::Muted));
    lines.push(("calls", calls_line(run), if run.failures() > 0 { Role::Warn } else { Role::Muted }));
    if run.counts.unparsed > 0 {
        lines.push(("unparsed", format!("{} lines could not be read", run.counts.unparsed), Role::Warn));
    }
    if !run.facts.label.is_empty() {
        lines.push(("label", run.facts.label.to_string(), Role::Muted));
    }
    lines
}

/// Tool calls, and how many failed; what was only read from their output says that it was.
fn calls_line(run: &Run) -> String {
    let counts = &run.counts;
    let mut text = format::plural(counts.tool_calls, "call");
    if counts.failed + counts.failed_inferred > 0 {
        text.push_str(&format!(", {} failed", counts.failed));
    }
    if counts.failed_inferred > 0 {
        text.push_str(&format!(" +{} (heuristic)", counts.failed_inferred));
    }
    if counts.api_errors > 0 {
        text.push_str(&format!(", {} API errors", counts.api_errors));
    }
    text
}
