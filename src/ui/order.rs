//! Which runs are listed, and in which order.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::domain::run::{Run, State};
use crate::domain::time::Stamp;
use crate::engine::{Model, Totals};

/// What the list is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Working runs first, the latest started on top; then the others, the latest active on top.
    #[default]
    Activity,
    Left,
    Burn,
    Cost,
    Agent,
    Project,
}

impl Sort {
    pub const ALL: [Sort; 6] = [Sort::Activity, Sort::Left, Sort::Burn, Sort::Cost, Sort::Agent, Sort::Project];

    pub fn name(self) -> &'static str {
        match self {
            Sort::Activity => "activity",
            Sort::Left => "clock",
            Sort::Burn => "burn",
            Sort::Cost => "cost",
            Sort::Agent => "agent",
            Sort::Project => "project",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|s| *s == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }
}

/// Which states are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Only {
    #[default]
    All,
    Live,
    AtZero,
    Waiting,
    Ended,
}

impl Only {
    pub const ALL: [Only; 5] = [Only::All, Only::Live, Only::AtZero, Only::Waiting, Only::Ended];

    pub fn name(self) -> &'static str {
        match self {
            Only::All => "all",
            Only::Live => "live",
            Only::AtZero => "zero",
            Only::Waiting => "waiting",
            Only::Ended => "ended",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.name() == name)
    }

    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|o| *o == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    fn admits(self, state: State) -> bool {
        match self {
            Only::All => true,
            Only::Live => state.is_live(),
            Only::AtZero => state == State::AtZero,
            Only::Waiting => state == State::Waiting,
            Only::Ended => matches!(state, State::Finished | State::Failed | State::Interrupted),
        }
    }
}

/// What a person asked to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wish {
    pub sort: Sort,
    pub reverse: bool,
    pub only: Only,
    pub filter: String,
}

/// The listed runs, by number, in order.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    pub order: Vec<u32>,
    /// Sums over all runs, and over those that are listed.
    pub all: Totals,
    pub listed: Totals,
}

impl Listing {
    pub fn of(model: &Model, wish: &Wish, now: Stamp) -> Self {
        let mut rows: Vec<(&Run, State)> = model.runs().map(|run| (run, run.state(now, &model.rules))).collect();
        let total = rows.len();
        rows.retain(|(_, state)| wish.only.admits(*state));
        if !wish.filter.trim().is_empty() {
            let mut filter = Filter::new(&wish.filter);
            rows.retain(|(run, state)| filter.matches(run, *state));
        }
        sort(&mut rows, wish, model, now);
        let order: Vec<u32> = rows.iter().map(|(run, _)| run.number).collect();
        let all = model.totals(model.runs(), now);
        let listed = if order.len() == total { all } else { model.totals(rows.iter().map(|(run, _)| *run), now) };
        Self { order, all, listed }
    }

    pub fn position(&self, number: Option<u32>) -> Option<usize> {
        number.and_then(|number| self.order.iter().position(|n| *n == number))
    }
}

fn sort(rows: &mut [(&Run, State)], wish: &Wish, model: &Model, now: Stamp) {
    let rules = &model.rules;
    let last = |run: &Run| std::cmp::Reverse(run.last_at);
    match wish.sort {
        Sort::Activity => rows.sort_by_cached_key(|(run, state)| {
            let works = matches!(state, State::Working | State::AtZero);
            // Working runs must not change places with every event.
            (!works, std::cmp::Reverse(if works { run.first_at } else { run.last_at }), run.number)
        }),
        Sort::Left => rows.sort_by_cached_key(|(run, state)| {
            let has_ended = !state.is_live() && *state != State::Idle;
            (has_ended, run.left(now, rules), run.number)
        }),
        Sort::Burn => rows.sort_by_cached_key(|(run, state)| {
            let works = matches!(state, State::Working | State::AtZero);
            let pace = if works { run.pace(rules).unwrap_or(0.0) } else { -1.0 };
            (std::cmp::Reverse((pace * 10.0) as i64), run.number)
        }),
        Sort::Cost => rows.sort_by_cached_key(|(run, _)| (std::cmp::Reverse(run.tokens.cost().usd), run.number)),
        Sort::Agent => rows.sort_by_cached_key(|(run, _)| (run.agent(), last(run), run.number)),
        Sort::Project => rows.sort_by(|(a, _), (b, _)| {
            a.project().cmp(b.project()).then_with(|| b.last_at.cmp(&a.last_at)).then(a.number.cmp(&b.number))
        }),
    }
    if wish.reverse {
        rows.reverse();
    }
}

/// A fuzzy filter: every word of it must be found within one of a run's words.
struct Filter {
    pattern: Pattern,
    matcher: Matcher,
    scratch: Vec<char>,
}

impl Filter {
    fn new(text: &str) -> Self {
        Self {
            pattern: Pattern::parse(text, CaseMatching::Smart, Normalization::Smart),
            matcher: Matcher::new(Config::DEFAULT),
            scratch: Vec::new(),
        }
    }

    fn matches(&mut self, run: &Run, state: State) -> bool {
        let fields = [
            run.agent(),
            run.facts.model.as_str(),
            run.project(),
            run.facts.title.as_str(),
            run.facts.label.as_str(),
            state.name(),
        ];
        let Self { pattern, matcher, scratch } = self;
        pattern.atoms.iter().all(|atom| {
            let mut scores = fields.iter().map(|field| atom.score(Utf32Str::new(field, scratch), matcher));
            // `!word` must be found nowhere; any other word somewhere.
            if atom.negative { scores.all(|s| s.is_some()) } else { scores.any(|s| s.is_some()) }
        })
    }
}
