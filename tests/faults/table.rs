//! Runs the cells and prints what they came to.

use crate::cells::{self, Cell};
use crate::sys;
use crate::trial::{Bench, End, Outcome};

/// Fewer trials than this say nothing about the slowest of a hundred; a machine that does something else must not fail
/// a test.
const ENOUGH: usize = 20;
/// By how much a bound is stretched where there are too few.
const STRETCH: u64 = 8;

struct Options {
    trials: usize,
    only: Vec<String>,
    keep: bool,
    heavy: bool,
}

/// What cargo passes to every test is borne: a word is part of a cell's name, flags that are not ours say nothing.
fn options(words: &[String]) -> Option<Options> {
    let mut options = Options { trials: 1, only: vec![], keep: false, heavy: false };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--trials" => (options.trials, options.heavy) = (words.next()?.parse().ok()?, true),
            "--only" => options.only.push(words.next()?.clone()),
            "--keep" => options.keep = true,
            "--list" => return None,
            "--test-threads" | "--format" | "--skip" => _ = words.next(),
            word if word.starts_with('-') => {}
            word => options.only.push(word.to_owned()),
        }
    }
    Some(options)
}

#[derive(Default)]
struct Row {
    verified: usize,
    failed: usize,
    wrong: usize,
    broken: usize,
    skipped: Option<String>,
    took: Vec<u64>,
}

impl Row {
    fn add(&mut self, outcome: Outcome) -> Option<String> {
        self.took.extend(outcome.took_us);
        match outcome.end {
            End::Verified => self.verified += 1,
            End::Failed => self.failed += 1,
            End::Skipped(why) => self.skipped = Some(why),
            End::False(why) => {
                self.wrong += 1;
                return Some(format!("FALSE: {why}"));
            }
            End::Broken(why) => {
                self.broken += 1;
                return Some(why);
            }
        }
        None
    }

    /// The value that so many in a hundred don't exceed, in milliseconds.
    fn rank(&self, percent: usize) -> f64 {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = (took.len() * percent).div_ceil(100).max(1) - 1;
        took.get(at).map_or(0.0, |us| *us as f64 / 1e3)
    }
}

/// The exit code.
pub fn run(words: &[String]) -> i32 {
    let Some(options) = options(words) else { return 0 };
    let mut bench = match Bench::new() {
        Ok(bench) => bench,
        Err(error) => {
            eprintln!("can't begin: {error}");
            return 1;
        }
    };
    bench.keep = options.keep;
    limit_processes();
    let wanted = |cell: &Cell| {
        let named = options.only.iter().any(|word| cell.name.contains(word.as_str()));
        (options.only.is_empty() && (options.heavy || !cell.heavy)) || named
    };
    println!(
        "{:<34} {:>6} {:>8} {:>6} {:>5} {:>6} {:>9} {:>9} {:>9}  {:>7}",
        "cell", "trials", "verified", "failed", "FALSE", "broken", "p50 ms", "p99 ms", "max ms", "bound"
    );
    let mut bad = false;
    for cell in cells::all().into_iter().filter(wanted) {
        bad |= row(&cell, &mut bench, options.trials);
    }
    i32::from(bad)
}

/// Tries a cell and prints its row. `true`: something is wrong.
fn row(cell: &Cell, bench: &mut Bench, trials: usize) -> bool {
    let mut row = Row::default();
    let mut notes = vec![];
    for _ in 0..trials {
        let mut outcome = cell.trial(bench);
        // A single trial on a machine that does something else: once more. What is false stays false.
        if trials == 1 && matches!(outcome.end, End::Broken(_)) {
            notes.push("tried twice".into());
            outcome = cell.trial(bench);
        }
        notes.extend(row.add(outcome));
        if row.skipped.is_some() {
            break;
        }
    }
    if let Some(why) = &row.skipped {
        println!("{:<34} skipped: {why}", cell.name);
        return false;
    }
    let bound = cell.bound_ms * if trials < ENOUGH { STRETCH } else { 1 };
    let late = !row.took.is_empty() && row.rank(99) > bound as f64;
    println!(
        "{:<34} {trials:>6} {:>8} {:>6} {:>5} {:>6} {:>9.1} {:>9.1} {:>9.1}  {:>7}{}",
        cell.name,
        row.verified,
        row.failed,
        row.wrong,
        row.broken,
        row.rank(50),
        row.rank(99),
        row.rank(100),
        bound,
        if late { "  LATE" } else { "" }
    );
    notes.dedup();
    for note in notes.iter().take(if bench.keep { 3 } else { 1 }) {
        println!("    {}", note.chars().take(600).collect::<String>().trim_end());
    }
    row.wrong + row.broken > 0 || late
}

/// A shape that gets out of hand hits a limit. Root has none.
fn limit_processes() {
    const MOST: u64 = 8_000;
    if sys::uid() != 0 {
        let _ = sys::limit_of(0, libc::RLIMIT_NPROC, MOST, MOST); // already lower, then
    }
}
