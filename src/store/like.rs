//! PURE. What will it take? The spent clock of finished runs that are like it.
//!
//! Likeness, from near to far; the first kind with enough runs answers:
//!
//! 1. a similar task in the same project,
//! 2. a similar task anywhere,
//! 3. the same project,
//! 4. the same label anywhere.
//!
//! An agent or a label that is named must fit in every case. Two tasks are similar if at least one third of all
//! the different words in both are the same.

use std::collections::HashSet;

use serde::Serialize;

use super::row::Row;
use crate::domain::event::Agent;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};

/// With fewer there is no precedent.
pub const ENOUGH: usize = 5;
/// A session whose turn is over and that nobody took up for so long counts as finished.
const FORGOTTEN: Span = Span::secs(86_400);
/// Words that say nothing about a task.
const COMMON: [&str; 24] = [
    "the", "and", "for", "with", "that", "this", "from", "into", "please", "can", "you", "not", "are", "was", "has",
    "have", "will", "should", "all", "but", "its", "our", "your", "when",
];

/// What is about to run. Empty texts say nothing.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Query {
    pub agent: Option<Agent>,
    pub label: Text,
    pub project: Text,
    pub task: Text,
}

/// What like runs took, in clock time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// How many stand behind it.
    pub runs: usize,
    /// In what they are like, in words.
    pub like: String,
    pub p50_ms: Span,
    pub p90_ms: Span,
}

/// A kind of likeness with the runs it found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kind {
    pub like: String,
    pub runs: usize,
}

/// The estimate, if there is a precedent, and every kind of likeness that was tried.
pub fn estimate(rows: &[Row], query: &Query, now: Stamp) -> (Option<Estimate>, Vec<Kind>) {
    let words = words(query.task.as_str());
    let fits: Vec<(&Row, bool, bool)> = rows
        .iter()
        .filter(|row| is_precedent(row, now))
        .filter(|row| query.agent.is_none_or(|agent| row.run.agent == agent))
        .filter(|row| query.label.is_empty() || row.label == query.label)
        .map(|row| (row, same_project(row, query), is_similar(&words, row.task.as_str())))
        .collect();
    let (task, project) = (!words.is_empty(), !query.project.is_empty());
    let kinds = [
        (task && project, "a similar task in this project", (true, true)),
        (task, "a similar task", (false, true)),
        (project, "this project", (true, false)),
        (!query.label.is_empty(), "", (false, false)),
    ];
    let mut tried = Vec::new();
    for (_, what, (in_project, similar)) in kinds.into_iter().filter(|(is_asked, ..)| *is_asked) {
        let matching = fits.iter().filter(|(_, p, s)| (*p || !in_project) && (*s || !similar));
        let spent: Vec<Span> = matching.map(|(row, ..)| row.spent_ms).collect();
        let like = words_for(what, query);
        tried.push(Kind { like: like.clone(), runs: spent.len() });
        if let Some(estimate) = of_spent(spent, like) {
            return (Some(estimate), tried);
        }
    }
    (None, tried)
}

fn words_for(what: &str, query: &Query) -> String {
    let agent = query.agent.map(|agent| agent.name().to_owned());
    let label = (!query.label.is_empty()).then(|| format!("label {}", query.label));
    let what = (!what.is_empty()).then(|| what.to_owned());
    [what, label, agent].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn of_spent(mut spent: Vec<Span>, like: String) -> Option<Estimate> {
    if spent.len() < ENOUGH {
        return None;
    }
    spent.sort_unstable();
    Some(Estimate { runs: spent.len(), like, p50_ms: quantile(&spent, 50), p90_ms: quantile(&spent, 90) })
}

/// The smallest value that at least `percent` of all are not above. `sorted` is not empty.
pub fn quantile(sorted: &[Span], percent: usize) -> Span {
    let rank = (sorted.len() * percent).div_ceil(100).clamp(1, sorted.len());
    sorted[rank - 1]
}

/// Runs to learn from: they ended by themselves, or a person called them good; never what a person called bad.
fn is_precedent(row: &Row, now: Stamp) -> bool {
    let is_over = match row.outcome.as_str() {
        "finished" => true,
        "waiting" => row.ended_at.is_some_and(|at| now.since(at) > FORGOTTEN),
        _ => false,
    };
    row.spent_ms > Span::ZERO && row.mark.as_str() != "bad" && (is_over || row.mark.as_str() == "good")
}

fn same_project(row: &Row, query: &Query) -> bool {
    let plain = |text: &str| text.trim_end_matches('/').to_owned();
    !query.project.is_empty() && plain(row.project.as_str()) == plain(query.project.as_str())
}

fn is_similar(words: &HashSet<String>, task: &str) -> bool {
    let other = self::words(task);
    let shared = words.intersection(&other).count();
    shared > 0 && shared * 3 >= words.union(&other).count()
}

/// The words of a task: three letters and more, in lower case, without the most common ones. A character of a script
/// that is written without spaces is a word.
fn words(task: &str) -> HashSet<String> {
    let mut words = HashSet::new();
    for word in task.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
        if word.chars().any(is_ideograph) {
            words.extend(word.chars().filter(|c| is_ideograph(*c)).map(String::from));
        } else if word.chars().count() >= 3 && !COMMON.contains(&word) {
            words.insert(word.to_owned());
        }
    }
    words
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{20000}'..='\u{3ffff}')
}

/// A budget that nine of ten like runs would have kept: their p90, rounded up to what a person would write, and never
/// above `most`.
pub fn suggested(estimate: &Estimate, most: Span) -> Span {
    let minute = Span::mins(1).0;
    let step = match estimate.p90_ms.0 {
        ..600_000 => minute,
        600_000..7_200_000 => 5 * minute,
        _ => 15 * minute,
    };
    let up = estimate.p90_ms.0.max(1).saturating_add(step - 1) / step * step;
    Span(up).min(most.max(Span::ZERO))
}

#[cfg(test)]
mod tests;
