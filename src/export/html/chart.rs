//! The burn: what was left on the clock over real time, as SVG within the page.

use super::gather::Sheet;
use super::page::Page;
use crate::domain::run::Run;
use crate::domain::time::{Span, Stamp};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 240.0;
/// Room for labels at the left and below.
const LEFT: f64 = 70.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 10.0;

/// What was left at moments, in order of time. `grants`: when, and how much.
pub fn curve(run: &Run, grants: &[(Stamp, Span)], left: Span) -> Vec<(Stamp, Span)> {
    let (Some(first), Some(last)) = (run.first_at, run.last_at) else { return vec![] };
    let later = |at: Stamp| grants.iter().filter(|(when, _)| *when > at).map(|(_, amount)| *amount).sum::<Span>();
    let left_at = |at: Stamp, spent: i64| run.clock.granted - later(at) - Span(spent);
    let (start, step, points) = run.curve.points();
    let mut curve = vec![(first, left_at(first, 0))];
    for (number, spent) in (1i64..).zip(points) {
        let at = start + Span(step.0.saturating_mul(number));
        if at >= last {
            break;
        }
        if at > first {
            curve.push((at, left_at(at, *spent)));
        }
    }
    curve.push((last.max(first), left));
    curve
}

pub fn draw(page: &mut Page, sheet: &Sheet) {
    let (Some((start, _)), Some((end, _))) = (sheet.curve.first(), sheet.curve.last()) else { return };
    let amounts = || sheet.curve.iter().map(|(_, left)| left.0 as f64);
    let high = amounts().fold(1.0, f64::max);
    let low = amounts().fold(0.0, f64::min);
    let length = end.since(*start).0.max(1) as f64;
    let x = |at: Stamp| LEFT + (WIDTH - LEFT - 10.0) * at.since(*start).0 as f64 / length;
    let y = |left: f64| ABOVE + (HEIGHT - ABOVE - BELOW) * (high - left) / (high - low);
    page.raw("<h2>Burn</h2><svg viewBox=\"0 0 960 240\" role=\"img\" aria-label=\"what was left over real time\">");
    line(page, "<line class=\"axis\" x1=\"", (LEFT, ABOVE), (LEFT, HEIGHT - BELOW));
    line(page, "<line class=\"zero\" x1=\"", (LEFT, y(0.0)), (WIDTH - 10.0, y(0.0)));
    page.raw("<polyline class=\"left\" points=\"");
    for (at, left) in &sheet.curve {
        page.number(x(*at)).raw(",").number(y(left.0 as f64)).raw(" ");
    }
    page.raw("\"/>");
    label(page, "<text text-anchor=\"end\" x=\"", (LEFT - 8.0, y(high) + 6.0), &Span(high as i64).short());
    label(page, "<text text-anchor=\"end\" x=\"", (LEFT - 8.0, y(0.0) + 4.0), "0");
    let time = |at: &Stamp| super::time(*at);
    label(page, "<text x=\"", (LEFT, HEIGHT - 6.0), &time(start));
    label(page, "<text text-anchor=\"end\" x=\"", (WIDTH - 10.0, HEIGHT - 6.0), &time(end));
    page.raw("</svg>");
}

fn line(page: &mut Page, open: &'static str, from: (f64, f64), to: (f64, f64)) {
    page.raw(open).number(from.0).raw("\" y1=\"").number(from.1);
    page.raw("\" x2=\"").number(to.0).raw("\" y2=\"").number(to.1).raw("\"/>");
}

fn label(page: &mut Page, open: &'static str, at: (f64, f64), text: &str) {
    page.raw(open).number(at.0).raw("\" y=\"").number(at.1).raw("\">").text(text).raw("</text>");
}
