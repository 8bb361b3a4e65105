//! The grammar around words: separators, groups, keywords, redirections, here-documents.

use std::mem;

use super::redirects::Heredoc;
use super::{MAX_WORDS, Redirect, Walk, braces, unwrap};

/// A reader of one text. The cursor `at` is always between characters.
pub(super) struct Scan<'t, 'w> {
    text: &'t str,
    pub(super) at: usize,
    pub(super) walk: &'w mut Walk,
    pub(super) depth: u8,
    pub(super) remote: bool,
    /// The word being read would be a command's first, where `!` is a keyword.
    pub(super) leading: bool,
    /// Bytes looked at for the end of arithmetic that was none.
    pub(super) in_vain: usize,
    /// Here-documents announced; their bodies follow the next line end.
    pub(super) pending: Vec<Heredoc>,
}

/// What one list of commands (a text, or the inside of a substitution) has open.
#[derive(Default)]
struct Level {
    draft: Draft,
    parens: u32,
    cases: u32,
    /// Between `in` or `;;` and the `)` of a `case`.
    pattern: bool,
    /// What the command to the left of the pipe says.
    piped: Option<String>,
    /// First pending here-document of this pipeline.
    first_doc: usize,
}

/// A command being read.
#[derive(Default)]
pub(super) struct Draft {
    words: Vec<String>,
    pub(super) redirects: Vec<Redirect>,
    pub(super) input: Option<String>,
    pub(super) docs: usize,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum State {
    #[default]
    Command,
    /// `for x in …`: words that aren't a command.
    For,
    Case,
    Function,
    /// Inside `[[ … ]]`, where `&&`, `<` and parentheses are words.
    Test,
}

impl Draft {
    fn push(&mut self, word: String, plain: bool) {
        if self.words.is_empty() && word == "[[" {
            self.state = State::Test;
        } else if plain && word == "]]" {
            self.state = State::Command;
        }
        let words = if plain { braces::expand(&word) } else { vec![word] };
        let room = MAX_WORDS.saturating_sub(self.words.len());
        self.words.extend(words.into_iter().take(room));
    }
}

impl<'t, 'w> Scan<'t, 'w> {
    pub(super) fn new(text: &'t str, walk: &'w mut Walk, depth: u8, remote: bool) -> Self {
        Self { text, at: 0, walk, depth, remote, leading: false, in_vain: 0, pending: Vec::new() }
    }

    pub(super) fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn end(&self) -> usize {
        self.text.len()
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or("")
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// Where `byte` is next, from `from`; the end of the text if nowhere.
    pub(super) fn find(&self, byte: u8, from: usize) -> usize {
        let bytes = self.text.as_bytes().get(from..).unwrap_or(&[]);
        memchr::memchr(byte, bytes).map_or(self.end(), |i| from + i)
    }

    /// Reads commands to the end of the text, or behind the parenthesis that closes a substitution.
    pub(super) fn script(&mut self, nested: bool) {
        let mut level = Level { first_doc: self.pending.len(), ..Level::default() };
        while let Some(byte) = self.blank() {
            if self.walk.full() {
                return;
            }
            if level.draft.state == State::Test && b"&|()<>;".contains(&byte) {
                self.at += 1;
                continue;
            }
            match byte {
                b'\n' => {
                    self.at += 1;
                    self.finish(&mut level, false);
                    self.bodies();
                    level.first_doc = self.pending.len();
                }
                b';' => self.semicolon(&mut level),
                b'&' => self.ampersand(&mut level),
                b'|' => self.bar(&mut level),
                b'(' => self.open(&mut level),
                b')' if self.close(&mut level, nested) => return,
                b')' => {}
                b'<' | b'>' if self.peek(1) != Some(b'(') => self.redirect(&mut level.draft),
                _ => self.take_word(&mut level),
            }
        }
        self.finish(&mut level, false);
    }

    /// Skips blanks, joined lines and comments; the byte it stops at.
    pub(super) fn blank(&mut self) -> Option<u8> {
        loop {
            match self.peek(0)? {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if self.peek(1) == Some(b'\n') => self.at += 2,
                b'\\' if self.peek(1) == Some(b'\r') && self.peek(2) == Some(b'\n') => self.at += 3,
                b'#' => self.at = self.find(b'\n', self.at),
                byte => return Some(byte),
            }
        }
    }

    fn semicolon(&mut self, level: &mut Level) {
        self.at += 1;
        if level.cases > 0 && matches!(self.peek(0), Some(b';' | b'&')) {
            level.pattern = true;
            while matches!(self.peek(0), Some(b';' | b'&')) {
                self.at += 1;
            }
        }
        self.finish(level, false);
    }

    fn ampersand(&mut self, level: &mut Level) {
        self.at += 1;
        match self.peek(0) {
            Some(b'>') => {
                self.redirect(&mut level.draft);
                return;
            }
            Some(b'&') => self.at += 1,
            _ => {}
        }
        self.finish(level, false);
    }

    fn bar(&mut self, level: &mut Level) {
        self.at += 1;
        if level.pattern {
            return;
        }
        let pipe = self.peek(0) != Some(b'|');
        if matches!(self.peek(0), Some(b'|' | b'&')) {
            self.at += 1;
        }
        self.finish(level, pipe);
    }

    fn open(&mut self, level: &mut Level) {
        let adjacent = self.at > 0 && self.text.as_bytes()[self.at - 1] == b'=';
        self.at += 1;
        if level.pattern {
            return;
        }
        let bare = level.draft.words.is_empty();
        if adjacent {
            self.array();
        } else if bare && self.peek(0) == Some(b'(') && self.arithmetic() {
            level.draft.state = State::Command;
        } else if level.draft.words.len() <= 1 && self.rest().trim_start_matches([' ', '\t']).starts_with(')') {
            // `name()`: a function; its body is read as if it ran.
            self.at = self.find(b')', self.at) + 1;
            level.draft = Draft::default();
        } else {
            self.finish(level, false);
            level.parens += 1;
        }
    }

    /// True if this closes the substitution being read.
    fn close(&mut self, level: &mut Level, nested: bool) -> bool {
        self.at += 1;
        if level.pattern {
            level.pattern = false;
            return false;
        }
        self.finish(level, false);
        if level.parens > 0 {
            level.parens -= 1;
            return false;
        }
        nested
    }

    /// `(a b c)` of an array, the cursor behind the parenthesis.
    fn array(&mut self) {
        while let Some(byte) = self.blank() {
            let from = self.at;
            if byte != b')' {
                self.word();
            }
            if self.at == from {
                self.at += 1;
            }
            if byte == b')' {
                return;
            }
        }
    }

    fn take_word(&mut self, level: &mut Level) {
        let start = self.at;
        let draft = &mut level.draft;
        if draft.words.is_empty() && draft.state == State::Command && !level.pattern && assigns(self.rest()) {
            self.word();
            return;
        }
        self.leading = draft.words.is_empty();
        let (word, plain) = self.word();
        if self.at == start {
            self.at += self.rest().chars().next().map_or(1, char::len_utf8);
            return;
        }
        if plain && matches!(self.peek(0), Some(b'<' | b'>')) && word.bytes().all(|b| b.is_ascii_digit()) {
            return; // the number of a descriptor
        }
        if level.pattern {
            if plain && word == "esac" {
                esac(level);
            }
            return;
        }
        if plain && draft.state == State::Command && draft.words.is_empty() && keyword(level, &word) {
            return;
        }
        let draft = &mut level.draft;
        match draft.state {
            State::Command | State::Test => draft.push(word, plain),
            State::For if plain && word == "do" => draft.state = State::Command,
            State::For => {}
            State::Function => draft.state = State::Command,
            State::Case if plain && word == "in" => {
                level.draft = Draft::default();
                level.cases += 1;
                level.pattern = true;
            }
            State::Case => {}
        }
    }

    /// Ends the command being read. `pipe`: what it writes goes to the next one.
    fn finish(&mut self, level: &mut Level, pipe: bool) {
        let draft = mem::take(&mut level.draft);
        let input = draft.input.or(level.piped.take());
        if draft.words.is_empty() {
            if !draft.redirects.is_empty() {
                self.walk.emit(vec![":".to_owned()], draft.redirects, self.remote);
            }
        } else {
            let placed = unwrap::place(self.walk, draft.words, draft.redirects, self.depth, self.remote);
            if let Some(elsewhere) = placed.script {
                for doc in self.pending.iter_mut().skip(level.first_doc) {
                    doc.script = Some(elsewhere);
                }
                if let Some(text) = input {
                    self.walk.text(&text, self.depth + 1, elsewhere);
                }
            } else if let Some(index) = placed.index {
                let first = self.pending.len().saturating_sub(draft.docs);
                for doc in self.pending.iter_mut().skip(first) {
                    doc.reader = Some(index);
                }
                if let Some(text) = &input {
                    self.give(index, text);
                }
                if pipe {
                    let command = self.walk.out.get(index);
                    level.piped = command.and_then(|command| said(&command.words, input));
                }
            }
        }
        if !pipe {
            level.first_doc = self.pending.len();
        }
    }
}

/// Acts on a reserved word in command position; false for any other word.
fn keyword(level: &mut Level, word: &str) -> bool {
    match word {
        "if" | "then" | "else" | "elif" | "fi" | "while" | "until" | "do" | "done" | "{" | "}" | "!" | "coproc" => {}
        "for" | "select" => level.draft.state = State::For,
        "case" => level.draft.state = State::Case,
        "function" => level.draft.state = State::Function,
        "esac" => esac(level),
        _ => return false,
    }
    true
}

fn esac(level: &mut Level) {
    level.cases = level.cases.saturating_sub(1);
    level.pattern = false;
}

/// Whether a word starts like an assignment: `A=`, `A+=`, `A[0]=`.
pub(super) fn assigns(word: &str) -> bool {
    let bytes = word.as_bytes();
    let name = bytes.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    if name == 0 || bytes[0].is_ascii_digit() {
        return false;
    }
    let mut rest = &bytes[name..];
    if rest.first() == Some(&b'[') {
        let index = rest.iter().take(64).position(|b| *b == b']').unwrap_or(0);
        rest = &rest[index + 1..];
    }
    matches!(rest, [b'=', ..] | [b'+', b'=', ..])
}

/// What a command writes into a pipe, if that can be told: what `echo` says, and what others pass on.
fn said(words: &[String], input: Option<String>) -> Option<String> {
    let (program, rest) = words.split_first()?;
    match program.as_str() {
        "echo" | "printf" => {}
        "tee" | "cat" | "head" | "tail" | "sort" | "uniq" | "grep" | "pv" | "sponge" => return input,
        _ => return None,
    }
    let said: Vec<&str> = rest.iter().map(String::as_str).skip_while(|w| w.starts_with('-')).collect();
    Some(said.join(" ").replace("\\n", "\n"))
}
