//! Marks and lines, for terminals with and without Unicode.

use crate::domain::run::{EntryKind, State};

/// One set of marks, one column wide each; those of branches take two.
#[derive(Debug)]
pub struct Glyphs {
    pub is_ascii: bool,
    pub full: &'static str,
    pub gauge_full: &'static str,
    pub gauge_half: &'static str,
    pub gauge_empty: &'static str,
    /// From nothing to full.
    pub spark: [&'static str; 9],
    pub rule: &'static str,
    pub marker: &'static str,
    pub minus: &'static str,
    pub times: &'static str,
    pub dash: &'static str,
    pub dot: &'static str,
    pub about: &'static str,
    pub at_least: &'static str,
    pub into: &'static str,
    pub ellipsis: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub branch: &'static str,
    pub last_branch: &'static str,
    pub trunk: &'static str,
    pub none: &'static str,
}

pub static UNICODE: Glyphs = Glyphs {
    is_ascii: false,
    full: "█",
    gauge_full: "━",
    gauge_half: "╸",
    gauge_empty: "─",
    spark: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    rule: "─",
    marker: "▌",
    minus: "−",
    times: "×",
    dash: "–",
    dot: "·",
    about: "≈",
    at_least: "≥",
    into: "›",
    ellipsis: "…",
    up: "↑",
    down: "↓",
    branch: "├─",
    last_branch: "└─",
    trunk: "│ ",
    none: "—",
};

pub static ASCII: Glyphs = Glyphs {
    is_ascii: true,
    full: "#",
    gauge_full: "=",
    gauge_half: "-",
    gauge_empty: ".",
    spark: [" ", "_", "_", ".", "-", "-", "=", "=", "#"],
    rule: "-",
    marker: ">",
    minus: "-",
    times: "x",
    dash: "-",
    dot: "-",
    about: "~",
    at_least: ">=",
    into: ">",
    ellipsis: "..",
    up: "^",
    down: "v",
    branch: "|-",
    last_branch: "`-",
    trunk: "| ",
    none: "-",
};

impl Glyphs {
    pub fn of(is_ascii: bool) -> &'static Glyphs {
        if is_ascii { &ASCII } else { &UNICODE }
    }

    /// A mark of its own for every state: states differ without colour and without words.
    pub fn state(&self, state: State) -> &'static str {
        match (state, self.is_ascii) {
            (State::AtZero, false) => "■",
            (State::Working, false) => "●",
            (State::Waiting, false) => "◐",
            (State::Idle, false) => "○",
            (State::Failed, false) => "✗",
            (State::Interrupted, false) => "⊘",
            (State::Finished, false) => "✓",
            (State::AtZero, true) => "#",
            (State::Working, true) => "*",
            (State::Waiting, true) => "?",
            (State::Idle, true) => "-",
            (State::Failed, true) => "x",
            (State::Interrupted, true) => "/",
            (State::Finished, true) => "+",
        }
    }

    pub fn entry(&self, kind: EntryKind) -> &'static str {
        match (kind, self.is_ascii) {
            (EntryKind::Prompt, false) => "›",
            (EntryKind::Message, false) => "»",
            (EntryKind::Model, false) => "◇",
            (EntryKind::Tool, false) => "▸",
            (EntryKind::Result, false) => "·",
            (EntryKind::Failure, false) => "✗",
            (EntryKind::Subagent, false) => "↳",
            (EntryKind::Decision, false) => "◆",
            (EntryKind::Verified, false) => "✓",
            (EntryKind::End, false) => "■",
            (EntryKind::Prompt, true) => ">",
            (EntryKind::Message, true) => "\"",
            (EntryKind::Model, true) => "o",
            (EntryKind::Tool, true) => "*",
            (EntryKind::Result, true) => ".",
            (EntryKind::Failure, true) => "x",
            (EntryKind::Subagent, true) => "\\",
            (EntryKind::Decision, true) => "%",
            (EntryKind::Verified, true) => "v",
            (EntryKind::End, true) => "#",
            (EntryKind::ApiError | EntryKind::Warning, _) => "!",
            (EntryKind::Approval, _) => "?",
            (EntryKind::Grant, _) => "+",
            (EntryKind::Unparsed, _) => "~",
        }
    }

    /// The nearest ASCII character, for a terminal that shows nothing else.
    pub fn plain(c: char) -> char {
        match c {
            ' '..='~' => c,
            '–' | '—' | '−' | '‐' | '‑' | '─' | '━' => '-',
            '‘' | '’' | 'ʼ' => '\'',
            '“' | '”' | '„' => '"',
            '×' => 'x',
            '·' | '•' | '∙' => '.',
            '…' | '≈' | '∼' => '~',
            '→' | '›' | '»' | '▸' | '❯' => '>',
            '←' | '‹' | '«' => '<',
            '│' | '┃' => '|',
            '✓' | '✔' => 'v',
            '✗' | '✘' => 'x',
            '\u{a0}' => ' ',
            _ => '?',
        }
    }
}

/// A word for each kind of event.
pub fn entry_word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Prompt => "prompt",
        EntryKind::Message => "message",
        EntryKind::Model => "model",
        EntryKind::Tool => "tool",
        EntryKind::Result => "result",
        EntryKind::Failure => "failure",
        EntryKind::ApiError => "api error",
        EntryKind::Subagent => "subagent",
        EntryKind::Decision => "decision",
        EntryKind::Approval => "approval",
        EntryKind::Verified => "verified",
        EntryKind::Grant => "grant",
        EntryKind::Warning => "warning",
        EntryKind::End => "end",
        EntryKind::Unparsed => "unparsed",
    }
}
