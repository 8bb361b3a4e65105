//! One page with everything in it. It loads nothing, runs nothing, and follows the reader's light or dark.

mod chart;
mod gather;
mod page;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::control::words::{Phase, Receipt, format_took};
use crate::domain::statement::{Charge, Rule};
use crate::domain::time::{Span, Stamp};
use crate::export::walk::Whole;

pub use gather::{Gathered, LINES};
use gather::{Sheet, Stopped};
use page::Page;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>";
const TH: &str = "<th scope=\"col\">";

/// The page of a tape that was told to `gathered`. `name`: what it was made of.
pub fn write(name: &str, whole: &Whole, mut gathered: Gathered) -> String {
    let sheets = gathered.sheets(whole);
    let mut page = Page::default();
    page.raw(HEAD).text("redkey: ").text(name).raw("</title><style>").raw(include_str!("style.css"));
    page.raw("</style></head><body>\n");
    if let Some(trouble) = &whole.trouble {
        page.raw("<p class=\"bad\">Not everything could be read: ").text(trouble.as_str()).raw("</p>");
    }
    for sheet in &sheets {
        header(&mut page, sheet);
        chart::draw(&mut page, sheet);
        sums(&mut page, sheet);
        if sheets.len() > 1 {
            statement(&mut page, sheet);
        }
    }
    stops(&mut page, &gathered.stops);
    flags(&mut page, &gathered, sheets.len() > 1);
    if let [sheet] = &sheets[..] {
        statement(&mut page, sheet);
    }
    page.raw("<p class=\"dim\">Times are UTC. From ").text(&time(whole.start)).raw(" to ").text(&time(whole.end));
    page.raw(". Made by redkey ").text(env!("CARGO_PKG_VERSION")).raw(".</p>\n</body></html>\n");
    page.end()
}

/// `2026-05-01 12:34:56`, UTC.
fn time(at: Stamp) -> String {
    let time = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn header(page: &mut Page, sheet: &Sheet) {
    let report = &sheet.report;
    let title = [report.project.as_str(), report.title.as_str()].into_iter().filter(|part| !part.is_empty());
    page.raw("<h1>").text(sheet.agent.as_str());
    title.for_each(|part| {
        page.raw(" · ").text(part);
    });
    page.raw("</h1><p class=\"dim\">").text(&report.run).raw("</p>\n");
    let left = report.clock.left_ms;
    page.raw(if left <= Span::ZERO { "<p class=\"clock bad\">" } else { "<p class=\"clock\">" });
    page.text(&left.hms()).raw("</p><p>left of ").text(&report.clock.granted_ms.hms());
    page.raw(" <span class=\"dim\">(").text(report.clock.because.as_str()).raw(")</span>, ");
    page.text(&report.clock.spent_ms.hms()).raw(" spent</p><table>\n");
    for (name, text) in facts(sheet).iter().filter(|(_, text)| !text.is_empty()) {
        page.raw("<tr><th scope=\"row\">").text(name).raw("</th>").cell("<td>", text).raw("</tr>\n");
    }
    page.raw("</table>\n");
}

fn facts(sheet: &Sheet) -> Vec<(&'static str, String)> {
    let r = &sheet.report;
    let models = r.models.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let reason = if r.outcome_reason.is_empty() { String::new() } else { format!(": {}", r.outcome_reason) };
    let inferred = match r.failed_tool_calls_inferred {
        0 => String::new(),
        more => format!(", {more} more by their output (heuristic)"),
    };
    let tokens = &r.tokens;
    let counted = |count: u64, text: String| if count == 0 { String::new() } else { text };
    let caps = |(name, cap): (&&str, &f64)| {
        format!("{name} {} of {}", rounded(r.used.get(name).copied().unwrap_or_default()), rounded(*cap))
    };
    vec![
        ("state", format!("{} ({}{reason})", r.state.name(), r.outcome)),
        ("agent", format!("{} {}", sheet.agent, r.version).trim_end().to_owned()),
        ("models", models),
        ("directory", r.cwd.to_string()),
        ("label", r.label.to_string()),
        ("worked", format!("{} from {} to {}", r.worked_ms.short(), when(r.started_at), when(r.last_event_at))),
        ("cost", format!("{}{}", if r.cost_is_floor { "at least " } else { "" }, r.cost_usd)),
        (
            "tokens",
            format!(
                "{} in, {} out, {} cache read, {} cache write",
                tokens.input, tokens.output, tokens.cache_read, tokens.cache_write
            ),
        ),
        ("turns", format!("{} ({} model calls)", r.turns, r.model_calls)),
        ("tool calls", format!("{}, {} failed{inferred}", r.tool_calls, r.failed_tool_calls)),
        ("irreversible", counted(r.irreversible_actions, r.irreversible_actions.to_string())),
        ("API errors", counted(r.api_errors, r.api_errors.to_string())),
        ("subagents", counted(r.subagents, r.subagents.to_string())),
        ("unreadable", counted(r.unparsed_lines, format!("{} lines", r.unparsed_lines))),
        ("caps", r.caps.iter().filter(|(name, _)| **name != "clock").map(caps).collect::<Vec<_>>().join(", ")),
    ]
}

fn when(at: Option<Stamp>) -> String {
    at.map_or_else(|| "?".to_owned(), time)
}

/// Two digits where there is a fraction.
fn rounded(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.0}") } else { format!("{number:.2}") }
}

/// As a statement shows it: what was spent has a minus, what came back a plus.
fn amount(amount: Span) -> String {
    let (sign, size) = (if amount > Span::ZERO { "−" } else { "+" }, Span(amount.0.saturating_abs()));
    let part = if size.0 % 1_000 == 0 { String::new() } else { format!(".{:03}", size.0 % 1_000) };
    format!("{sign}{}{part}", size.hms())
}

fn amount_cell(page: &mut Page, of: Span) {
    let is_back = of < Span::ZERO;
    page.cell(if is_back { "<td class=\"num right good\">" } else { "<td class=\"num right\">" }, &amount(of));
}

/// What each rule took, the most first.
fn sums(page: &mut Page, sheet: &Sheet) {
    let by_rule: &BTreeMap<&str, Span> = &sheet.report.spent_by_rule;
    let mut sums: Vec<_> = by_rule.iter().collect();
    sums.sort_by_key(|(_, sum)| -sum.0);
    page.raw("<h2>Spent on</h2><table>\n");
    for (rule, sum) in sums {
        page.raw("<tr>");
        amount_cell(page, *sum);
        page.cell("<td>", rule).raw("</tr>\n");
    }
    page.raw("</table>\n");
}

fn statement(page: &mut Page, sheet: &Sheet) {
    page.raw("<h2>Statement</h2>");
    if sheet.older > 0 {
        page.raw("<p class=\"dim\">").text(&sheet.older.to_string());
        page.raw(" older lines are not on this page; <code>redkey export --csv</code> writes them all.</p>");
    }
    page.raw("<table><thead><tr>").raw(TH).raw("time</th><th scope=\"col\" class=\"right\">amount</th>");
    page.raw(TH).raw("rule</th>").raw(TH).raw("what</th>").raw(TH).raw("multiplied by</th></tr></thead><tbody>\n");
    sheet.lines.iter().for_each(|charge| line(page, sheet, charge));
    page.raw("</tbody></table>\n");
}

fn line(page: &mut Page, sheet: &Sheet, charge: &Charge) {
    page.raw(if charge.rule == Rule::Wall { "<tr class=\"dim\">" } else { "<tr>" });
    page.cell("<td class=\"num\">", &time(charge.at));
    amount_cell(page, charge.amount);
    page.cell("<td>", charge.rule.name()).raw("<td>");
    if let Some(branch) = sheet.report.branches.get(usize::from(charge.branch)).filter(|_| charge.branch > 0) {
        page.raw("<span class=\"dim\">[").text(branch.name.as_str()).raw("]</span> ");
    }
    let factors = charge.factors.named().map(|(name, percent)| format!("×{} {name}", f64::from(percent) / 100.0));
    page.text(charge.what.as_str()).raw("</td>").cell("<td>", &factors.collect::<Vec<_>>().join(" "));
    page.raw("</tr>\n");
}

/// Receipts of stops.
fn stops(page: &mut Page, stops: &[Stopped]) {
    if stops.is_empty() {
        return;
    }
    page.raw("<h2>Stops</h2>\n");
    for stop in stops {
        let who = [stop.by.by.as_str(), stop.by.user.as_str()].into_iter().filter(|part| !part.is_empty());
        let who = who.collect::<Vec<_>>().join(" ");
        page.raw("<p>Asked by ").text(if who.is_empty() { "somebody" } else { &who }).raw(" at ").text(&time(stop.at));
        if !stop.reason.is_empty() {
            page.raw(": ").text(stop.reason.as_str());
        }
        page.raw("<br>");
        match &stop.receipt {
            Some(receipt) => proof(page, receipt),
            None => {
                page.raw("<strong>no receipt</strong>");
            }
        }
        page.raw("</p>\n");
    }
}

fn proof(page: &mut Page, receipt: &Receipt) {
    let is_bad = receipt.phase == Phase::Failed;
    page.raw(if is_bad { "<strong class=\"bad\">" } else { "<strong>" }).text(&receipt.words()).raw("</strong>");
    page.raw(" <span class=\"dim\">(held by ").text(receipt.grade.name()).raw(", took ");
    page.text(&format_took(receipt.took_us)).raw(")</span>");
    for left in &receipt.survivors {
        page.raw("<br><span class=\"bad\">").text(&format!("{} {} {}: {}", left.pid, left.name, left.state, left.why));
        page.raw("</span>");
    }
}

fn flags(page: &mut Page, gathered: &Gathered, with_run: bool) {
    if gathered.flags.is_empty() {
        return;
    }
    page.raw("<h2>Flags and warnings</h2>");
    if gathered.more_flags > 0 {
        page.raw("<p class=\"dim\">").text(&gathered.more_flags.to_string()).raw(" older ones are left out.</p>");
    }
    page.raw("<table>\n");
    for flag in &gathered.flags {
        page.raw("<tr>").cell("<td class=\"num\">", &time(flag.at)).cell("<td class=\"bad\">", flag.kind);
        page.cell("<td>", flag.what.as_str());
        if with_run {
            page.cell("<td class=\"dim\">", flag.run.as_str());
        }
        page.raw("</tr>\n");
    }
    page.raw("</table>\n");
}
