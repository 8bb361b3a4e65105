//! What the lists of the run view hold, newest first, and which of it is shown.

use super::super::{Pane, RunView};
use crate::domain::run::{Entry, EntryKind, Run};
use crate::domain::statement::{Charge, Rule};

/// A line with its number: numbers count from the run's first line on and never change.
pub struct Held<T> {
    pub number: u64,
    pub line: T,
}

/// Charges that are shown, the newest first.
pub fn charges<'a>(run: &'a Run, view: &RunView) -> impl Iterator<Item = Held<&'a Charge>> {
    let hide = view.hide_wall;
    let written = run.statement.written();
    (0..written)
        .rev()
        .zip(run.statement.lines().rev())
        .filter(move |(_, charge)| !(hide && charge.rule == Rule::Wall))
        .map(|(number, line)| Held { number, line })
}

/// Events that are shown, the newest first.
pub fn entries<'a>(run: &'a Run, view: &RunView) -> impl Iterator<Item = Held<&'a Entry>> {
    let hide = view.hide_wall;
    let written = run.timeline.written();
    (0..written)
        .rev()
        .zip(run.timeline.entries().rev())
        .filter(move |(_, entry)| !(hide && matches!(entry.kind, EntryKind::Result | EntryKind::Model)))
        .filter(|(_, entry)| !(entry.kind == EntryKind::Result && entry.what.is_empty()))
        .map(|(number, line)| Held { number, line })
}

/// Branches in the order of their tree: index, and for each level whether more follows on it.
pub fn tree(run: &Run) -> Vec<(usize, Vec<bool>)> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); run.branches.len()];
    for (i, branch) in run.branches.iter().enumerate().skip(1) {
        // A parent that comes later, or is itself, would make a circle: then it hangs on the run.
        let parent = usize::from(branch.parent);
        children[if parent < i { parent } else { 0 }].push(i);
    }
    let mut rows = Vec::with_capacity(run.branches.len());
    let mut stack = vec![(0, Vec::new())];
    while let Some((index, levels)) = stack.pop() {
        let last = children[index].len();
        for (n, child) in children[index].iter().enumerate().rev() {
            let mut levels: Vec<bool> = levels.clone();
            levels.push(n + 1 < last);
            stack.push((*child, levels));
        }
        rows.push((index, levels));
    }
    rows
}

/// Numbers of the lines that a pane shows, in order.
pub fn lines(run: &Run, view: &RunView, pane: Pane) -> Vec<u64> {
    match pane {
        Pane::Statement if view.sums => vec![],
        Pane::Statement => charges(run, view).map(|h| h.number).collect(),
        Pane::Events => entries(run, view).map(|h| h.number).collect(),
        Pane::Branches => tree(run).into_iter().map(|(index, _)| index as u64).collect(),
    }
}

/// The first line shown, so that line `at` of `total` is in the middle of `rows` wherever that is possible.
pub fn first(at: usize, total: usize, rows: u16) -> usize {
    let rows = usize::from(rows);
    at.saturating_sub(rows / 2).min(total.saturating_sub(rows))
}
