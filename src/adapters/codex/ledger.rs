//! Each answer of a model once, though a rollout tells of it in two ways.
//!
//! Every version writes `token_count` events: a running total of the thread and the last answer's share, written again
//! whenever something else in them changes. Newer ones also write one `token_usage_record` per answer, usually first.
//! One file can hold both kinds, one kind, or first the one and then both (a thread resumed by a newer version), and a
//! copied history keeps only the `token_count`s. So neither kind is trusted to be there: what counts is whether the
//! running total moved, whoever says so.

use super::Tokens;

#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// The thread's total after the last answer counted.
    total: Option<Tokens>,
    /// The total in the last `token_count`.
    told: Option<Tokens>,
    /// The last answer told by a record, until a `token_count` has repeated it.
    unconfirmed: Option<Tokens>,
}

/// An answer not counted before, and the thread's total after it, which identifies it within its thread.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub usage: Tokens,
    pub total: Tokens,
}

impl Ledger {
    /// A `token_usage_record`; `total` is the thread's, where it says so.
    pub(super) fn record(&mut self, usage: Tokens, total: Option<Tokens>) -> Option<Answer> {
        let total = total.unwrap_or_else(|| self.total.unwrap_or_default().plus(usage));
        if usage == Tokens::default() || self.total == Some(total) {
            return None;
        }
        self.total = Some(total);
        self.unconfirmed = Some(usage);
        Some(Answer { usage, total })
    }

    /// A `token_count`; `last` is the last answer's share, where it says so.
    pub(super) fn count(&mut self, last: Option<Tokens>, total: Tokens) -> Option<Answer> {
        let again = self.told.replace(total) == Some(total);
        if again || self.total == Some(total) {
            self.unconfirmed = if again { self.unconfirmed } else { None };
            return None;
        }
        // The two totals may count from different beginnings; the share is the same.
        if self.unconfirmed.take().is_some_and(|usage| last == Some(usage)) {
            return None;
        }
        let usage = last.unwrap_or_else(|| total.minus(self.total.unwrap_or_default()));
        self.total = Some(total);
        (usage != Tokens::default()).then_some(Answer { usage, total })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Count;
    use super::*;

    fn tokens(input: u64, output: u64) -> Tokens {
        Tokens { input_tokens: Count(input), output_tokens: Count(output), ..Tokens::default() }
    }

    /// `R usage total` is a record, `C last total` a count; both count input only. 0 is "doesn't say".
    fn read(lines: &[(char, u64, u64)]) -> Vec<u64> {
        let mut ledger = Ledger::default();
        let some = |n: u64| (n > 0).then(|| tokens(n, 0));
        let each = lines.iter().filter_map(|(kind, usage, total)| match kind {
            'R' => ledger.record(tokens(*usage, 0), some(*total)),
            _ => ledger.count(some(*usage), tokens(*total, 0)),
        });
        each.map(|answer| answer.usage.input_tokens.0).collect()
    }

    #[test]
    fn every_answer_counts_once() {
        type Case = (&'static str, &'static [(char, u64, u64)], &'static [u64]);
        let table: &[Case] = &[
            ("counts only", &[('C', 5, 5), ('C', 7, 12)], &[5, 7]),
            ("counts repeated", &[('C', 5, 5), ('C', 5, 5), ('C', 7, 12), ('C', 7, 12)], &[5, 7]),
            ("the same share twice", &[('C', 5, 5), ('C', 5, 10)], &[5, 5]),
            ("no share", &[('C', 0, 5), ('C', 0, 12)], &[5, 7]),
            ("records only", &[('R', 5, 5), ('R', 5, 10)], &[5, 5]),
            ("records without totals", &[('R', 5, 0), ('C', 5, 5), ('R', 5, 0), ('C', 5, 10)], &[5, 5]),
            ("record, then count", &[('R', 5, 5), ('C', 5, 5), ('R', 7, 12), ('C', 7, 12), ('C', 7, 12)], &[5, 7]),
            ("count, then record", &[('C', 5, 5), ('R', 5, 5), ('C', 7, 12), ('R', 7, 12)], &[5, 7]),
            ("two records, one count", &[('R', 5, 5), ('R', 7, 12), ('C', 7, 12)], &[5, 7]),
            ("an old count between", &[('C', 4, 4), ('R', 5, 9), ('C', 4, 4), ('C', 5, 9)], &[4, 5]),
            ("resumed by a newer version", &[('C', 5, 5), ('R', 5, 10), ('C', 5, 10)], &[5, 5]),
            ("resumed by an older version", &[('R', 5, 5), ('C', 5, 5), ('C', 5, 10)], &[5, 5]),
            ("totals from different beginnings", &[('R', 5, 5), ('C', 5, 105), ('R', 7, 12), ('C', 7, 112)], &[5, 7]),
            ("a total that starts anew", &[('C', 9, 9), ('C', 3, 3), ('C', 2, 5)], &[9, 3, 2]),
            ("a total that moves without an answer", &[('C', 5, 5), ('C', 0, 5)], &[5]),
        ];
        for (what, lines, expected) in table {
            assert_eq!(&read(lines), expected, "{what}");
        }
    }
}
