//! PURE. The unified diff of two small texts, made to be looked at: control characters are not passed on.

use std::fmt::Write;

use crate::domain::text::clean;

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;
/// Most pairs of lines compared; beyond, the middle counts as replaced whole.
const MOST: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    New(&'a str),
}

type Is = fn(&Line) -> bool;

/// `--- name`, `+++ name` and hunks; empty if both are the same. A missing text is `/dev/null`.
pub(super) fn unified(before: Option<&str>, after: Option<&str>, name: &str) -> String {
    if before == after {
        return String::new();
    }
    let title = |text: Option<&str>| if text.is_some() { clean(name).into_owned() } else { "/dev/null".to_owned() };
    let mut out = format!("--- {}\n+++ {}\n", title(before), title(after));
    let old: Vec<&str> = before.unwrap_or_default().split_inclusive('\n').collect();
    let new: Vec<&str> = after.unwrap_or_default().split_inclusive('\n').collect();
    let lines = compare(&old, &new);
    for hunk in hunks(&lines) {
        write_hunk(&lines, hunk, &mut out);
    }
    out
}

fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (rest_old, rest_new) = (&old[head..], &new[head..]);
    let tail = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (middle_old, end) = rest_old.split_at(rest_old.len() - tail);
    let middle_new = &rest_new[..rest_new.len() - tail];
    let mut lines: Vec<Line> = old[..head].iter().map(|line| Line::Same(line)).collect();
    lines.extend(middle(middle_old, middle_new));
    lines.extend(end.iter().map(|line| Line::Same(line)));
    lines
}

/// By the longest common subsequence.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    if old.len().saturating_mul(new.len()) > MOST {
        return old.iter().map(|l| Line::Gone(l)).chain(new.iter().map(|l| Line::New(l))).collect();
    }
    let wide = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * wide];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * wide + j] = match old[i] == new[j] {
                true => common[(i + 1) * wide + j + 1] + 1,
                false => common[(i + 1) * wide + j].max(common[i * wide + j + 1]),
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[(i + 1) * wide + j] >= common[i * wide + j + 1]) {
            lines.push(Line::Gone(old[i]));
            i += 1;
        } else {
            lines.push(Line::New(new[j]));
            j += 1;
        }
    }
    lines
}

/// Ranges of lines that are shown together.
fn hunks(lines: &[Line]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if matches!(line, Line::Same(_)) {
            continue;
        }
        let (from, to) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(lines.len()));
        match hunks.last_mut() {
            Some(last) if from <= last.end => last.end = to,
            _ => hunks.push(from..to),
        }
    }
    hunks
}

fn write_hunk(lines: &[Line], hunk: std::ops::Range<usize>, out: &mut String) {
    // Lines of one side: all but those that only the other has.
    let side = |mark: char, is_others: Is| {
        let count = |lines: &[Line]| lines.iter().filter(|line| !is_others(line)).count();
        let (before, length) = (count(&lines[..hunk.start]), count(&lines[hunk.clone()]));
        format!("{mark}{},{length}", if length == 0 { before } else { before + 1 })
    };
    let is_new: Is = |line| matches!(line, Line::New(_));
    let is_gone: Is = |line| matches!(line, Line::Gone(_));
    let _ = writeln!(out, "@@ {} {} @@", side('-', is_new), side('+', is_gone));
    for line in &lines[hunk.clone()] {
        let (mark, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Gone(text) => ('-', text),
            Line::New(text) => ('+', text),
        };
        let shown = text.strip_suffix('\n').unwrap_or(text).trim_end_matches('\r').replace('\t', "    ");
        let _ = writeln!(out, "{mark}{}", clean(&shown));
        if !text.ends_with('\n') {
            let _ = writeln!(out, "\\ No newline at end of file");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_their_surroundings() {
        let old: String = (1..=20).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 3\n", "").replace("line 18\n", "line 18\nmore\x1b[31m\n");
        assert_eq!(
            unified(Some(&old), Some(&new), "a"),
            "--- a\n+++ a\n@@ -1,6 +1,5 @@\n line 1\n line 2\n-line 3\n line 4\n line 5\n line 6\n\
             @@ -16,5 +15,6 @@\n line 16\n line 17\n line 18\n+more[31m\n line 19\n line 20\n"
        );
        assert_eq!(unified(Some(&old), Some(&old), "a"), "");
    }

    #[test]
    fn files_that_come_and_go() {
        assert_eq!(unified(None, Some("x\n"), "a"), "--- /dev/null\n+++ a\n@@ -0,0 +1,1 @@\n+x\n");
        let gone = unified(Some("x"), None, "a");
        assert_eq!(gone, "--- a\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n\\ No newline at end of file\n");
    }
}
