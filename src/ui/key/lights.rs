//! The lights of the ladder: which rungs have gone out and when, which one stands, what comes next and how soon.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::super::canvas::{Canvas, columns};
use super::super::format;
use super::super::theme::Role;
use super::Grip;
use crate::control::words::{Mode, Rung, Stop, format_took};
use crate::domain::time::Stamp;

/// How one light stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// Went out at this time after the request, in microseconds.
    Lit(u64),
    /// The one that stands: nothing higher has gone out.
    Now(u64),
    /// Not yet.
    Dark,
    /// Passed over: it is no part of this stop.
    Skipped,
}

const RUNGS: [Rung; 4] = [Rung::Cooperative, Rung::Int, Rung::Term, Rung::Kill];

/// The rungs of a stop. What is below the one that stands and hasn't gone out won't any more.
pub fn lights(stop: Option<&Stop>, is_over: bool) -> Vec<(Rung, Light)> {
    let rungs = stop.map_or(&[][..], |stop| &stop.rungs);
    let last = rungs.last().map(|lit| lit.rung);
    let interrupts = stop.is_some_and(|stop| stop.mode == Mode::Interrupt);
    let kills = stop.is_some_and(|stop| stop.mode == Mode::Now);
    let light = |rung: Rung| match rungs.iter().find(|lit| lit.rung == rung) {
        Some(lit) if Some(rung) == last && !is_over => Light::Now(lit.after_us),
        Some(lit) => Light::Lit(lit.after_us),
        None if last.is_some_and(|last| rung < last) => Light::Skipped,
        None if interrupts && (rung > Rung::Int || last.is_some()) => Light::Skipped,
        None if kills && rung != Rung::Kill => Light::Skipped,
        None if is_over => Light::Skipped,
        None => Light::Dark,
    };
    RUNGS.map(|rung| (rung, light(rung))).to_vec()
}

/// Draws the lights from the left of `area`: a row of names and, if there is a second row, one of times.
pub fn draw(canvas: &mut Canvas<'_>, area: Rect, grip: &Grip<'_>, is_over: bool, pulse: bool) {
    let lights = lights(grip.stop, is_over);
    let is_wide = area.width >= 40;
    let mut x = area.x;
    for (i, (rung, light)) in lights.iter().enumerate() {
        let (mark, style) = look(canvas, *light, pulse);
        let word = rung.name();
        let text = if is_wide { format!(" {mark} {word} ") } else { word.to_owned() };
        let wide = if is_wide { 10 } else { columns(word) + 1 };
        let right = area.right();
        canvas.put(x, area.y, right.saturating_sub(x), &text, style);
        if area.height > 1 && is_wide {
            let time = match light {
                Light::Lit(us) | Light::Now(us) if *us < 1_000 => "at once".to_owned(),
                Light::Lit(us) | Light::Now(us) => format_took(*us),
                Light::Dark => String::new(),
                Light::Skipped => canvas.glyphs.none.to_owned(),
            };
            let muted = canvas.style(Role::Muted);
            canvas.put(x + 1, area.y + 1, right.saturating_sub(x + 1), &time, muted);
        }
        x += wide;
        if is_wide && i + 1 < lights.len() {
            let gap = wide.saturating_sub(columns(&text));
            canvas.repeat(x - gap, area.y, gap, canvas.glyphs.rule, canvas.style(Role::Border));
        }
    }
}

fn look(canvas: &Canvas<'_>, light: Light, pulse: bool) -> (&'static str, Style) {
    let is_ascii = canvas.glyphs.is_ascii;
    let lit = canvas.style(Role::ClockLow);
    match light {
        Light::Lit(_) => (if is_ascii { "*" } else { "●" }, lit),
        Light::Now(_) if pulse => (if is_ascii { "*" } else { "●" }, lit.add_modifier(Modifier::REVERSED)),
        Light::Now(_) => (if is_ascii { "*" } else { "●" }, lit.add_modifier(Modifier::UNDERLINED)),
        Light::Dark => (if is_ascii { "o" } else { "○" }, canvas.style(Role::Muted)),
        Light::Skipped => (if is_ascii { "-" } else { "·" }, canvas.style(Role::Border)),
    }
}

/// What comes next and how soon: `TERM within 3s`, `3 alive`.
pub fn outlook(grip: &Grip<'_>, now: Stamp) -> Vec<String> {
    let mut parts = Vec::new();
    let Some(stop) = grip.stop else {
        return match grip.asked {
            Some(asked) => vec![format!("asked {}", format::ago(now, asked.at)), "no answer yet".into()],
            None => parts,
        };
    };
    parts.push(format!("{} alive", stop.alive));
    let next = match (stop.mode, grip.rung()) {
        (Mode::Interrupt, _) => Some("answer"),
        (_, Some(Rung::Cooperative)) => Some("INT"),
        (_, Some(Rung::Int)) => Some("TERM"),
        (_, Some(Rung::Term)) => Some("KILL"),
        (_, Some(Rung::Kill)) => Some("given up"),
        (_, None) => None,
    };
    if let (Some(next), Some(at)) = (next, grip.gives_way()) {
        let left = at.since(now).0.max(0).saturating_add(999) / 1_000;
        // What ends sooner goes on sooner: this is a bound.
        parts.push(format!("{next} within {left}s"));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::words::{Lit, Phase};

    fn stop(mode: Mode, rungs: &[Rung]) -> Stop {
        let rungs = rungs.iter().zip(0..).map(|(rung, i)| Lit { rung: *rung, after_us: i * 1_000_000 }).collect();
        Stop {
            id: "s".into(),
            mode,
            phase: Phase::Escalating,
            by: Default::default(),
            reason: "".into(),
            at: Stamp(0),
            rungs,
            alive: 1,
            receipt: None,
        }
    }

    #[test]
    fn lights_follow_the_rungs() {
        use Light::{Dark, Lit as Out, Now, Skipped};
        let of = |mode, rungs: &[Rung], over| {
            lights(Some(&stop(mode, rungs)), over).into_iter().map(|l| l.1).collect::<Vec<_>>()
        };
        assert_eq!(lights(None, false).len(), 4);
        assert_eq!(of(Mode::Ladder, &[], false), [Dark, Dark, Dark, Dark]);
        assert_eq!(of(Mode::Ladder, &[Rung::Int], false), [Skipped, Now(0), Dark, Dark]);
        assert_eq!(
            of(Mode::Ladder, &[Rung::Cooperative, Rung::Int, Rung::Term], false),
            [Out(0), Out(1_000_000), Now(2_000_000), Dark]
        );
        assert_eq!(of(Mode::Ladder, &[Rung::Int], true), [Skipped, Out(0), Skipped, Skipped]);
        assert_eq!(of(Mode::Now, &[], false), [Skipped, Skipped, Skipped, Dark]);
        assert_eq!(of(Mode::Now, &[Rung::Int, Rung::Kill], false), [Skipped, Out(0), Skipped, Now(1_000_000)]);
        assert_eq!(of(Mode::Interrupt, &[Rung::Cooperative], false), [Now(0), Skipped, Skipped, Skipped]);
    }
}
