//! Redirections and here-documents.

use std::mem;

use super::split::{Draft, Scan};
use super::{MAX_DEPTH, MAX_INPUT, MAX_WORDS, Redirect, head};

/// A here-document announced; its body follows the next line end.
pub(super) struct Heredoc {
    pub end: String,
    /// Leading tabs don't count (`<<-`).
    pub tabs: bool,
    /// Its delimiter was quoted: nothing in the body is expanded.
    pub literal: bool,
    /// A shell reads it; the value tells whether elsewhere.
    pub script: Option<bool>,
    /// The command that reads it as data.
    pub reader: Option<usize>,
}

impl<'t> Scan<'t, '_> {
    /// A redirection, the cursor at its `<` or `>`.
    pub(super) fn redirect(&mut self, draft: &mut Draft) {
        let rest = self.rest().as_bytes();
        let (len, write) = match rest {
            [b'<', b'<', b'<', ..] => {
                self.at += 3;
                draft.input = self.target().map(|(word, _)| word);
                return;
            }
            [b'<', b'<', b'-', ..] => return self.heredoc(draft, 3, true),
            [b'<', b'<', ..] => return self.heredoc(draft, 2, false),
            [b'<', b'>', ..] | [b'>', b'>' | b'|' | b'&', ..] => (2, true),
            [b'<', b'&', ..] => (2, false),
            [b'>', ..] => (1, true),
            _ => (1, false),
        };
        let copy = len == 2 && rest.get(1) == Some(&b'&');
        self.at += len;
        if let Some((path, _)) = self.target()
            && !path.is_empty()
            && !(copy && path.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
            && draft.redirects.len() < MAX_WORDS
        {
            draft.redirects.push(Redirect { path, write });
        }
    }

    /// The word after a redirection sign, if there is one.
    fn target(&mut self) -> Option<(String, bool)> {
        match self.blank()? {
            b'\n' | b';' | b'&' | b'|' | b'(' | b')' => None,
            b'<' | b'>' if self.peek(1) != Some(b'(') => None,
            _ => Some(self.word()),
        }
    }

    fn heredoc(&mut self, draft: &mut Draft, len: usize, tabs: bool) {
        self.at += len;
        if let Some((end, plain)) = self.target() {
            self.pending.push(Heredoc { end, tabs, literal: !plain, script: None, reader: None });
            draft.docs += 1;
        }
    }

    pub(super) fn give(&mut self, index: usize, text: &str) {
        if let Some(command) = self.walk.out.get_mut(index)
            && command.input.is_empty()
        {
            head(text, MAX_INPUT).clone_into(&mut command.input);
        }
    }

    /// Reads the bodies of the here-documents announced on the line that just ended.
    pub(super) fn bodies(&mut self) {
        for doc in mem::take(&mut self.pending) {
            let body = self.body(&doc);
            if let Some(elsewhere) = doc.script {
                self.walk.text(body, self.depth + 1, elsewhere);
                continue;
            }
            if let Some(index) = doc.reader {
                self.give(index, body);
            }
            if !doc.literal && self.depth < MAX_DEPTH && body.len() <= self.walk.fuel {
                self.walk.fuel -= body.len();
                Scan::new(body, self.walk, self.depth, self.remote).expansions();
            }
        }
    }

    /// The lines up to the one that ends `doc`; all that is left if none does.
    fn body(&mut self, doc: &Heredoc) -> &'t str {
        let from = self.at;
        while self.at < self.end() {
            let start = self.at;
            let stop = self.find(b'\n', start);
            self.at = self.end().min(stop + 1);
            let line = self.slice(start, stop);
            let line = if doc.tabs { line.trim_start_matches('\t') } else { line };
            if line.strip_suffix('\r').unwrap_or(line) == doc.end {
                return self.slice(from, start);
            }
        }
        self.slice(from, self.end())
    }

    /// Follows the substitutions in a text that is otherwise data.
    pub(super) fn expansions(&mut self) {
        let mut unused = String::new();
        while let Some(byte) = self.peek(0) {
            match byte {
                b'\\' => {
                    self.at += 1;
                    self.at += self.rest().chars().next().map_or(0, char::len_utf8);
                }
                b'$' if self.peek(1) == Some(b'(') => {
                    self.at += 2;
                    if !(self.peek(0) == Some(b'(') && self.arithmetic()) {
                        self.substitution();
                    }
                }
                b'`' => self.backtick(&mut unused),
                _ => self.at += 1,
            }
            if self.walk.full() {
                return;
            }
        }
    }
}
