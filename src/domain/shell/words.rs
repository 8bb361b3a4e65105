//! Reading one word: quotes, escapes, expansions. Substitutions inside a word are followed as they are met.

use super::split::Scan;

/// Bytes that end a run of ordinary ones; a `#` counts only at a word's start, where the script's loop sees it.
const fn special(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\t'
            | b'\r'
            | b'\n'
            | b';'
            | b'&'
            | b'|'
            | b'('
            | b')'
            | b'<'
            | b'>'
            | b'\''
            | b'"'
            | b'\\'
            | b'$'
            | b'`'
    )
}

impl Scan<'_, '_> {
    /// The word at the cursor and whether it is free of quotes and escapes. Empty if there is no word here.
    pub(super) fn word(&mut self) -> (String, bool) {
        let mut text = String::new();
        let mut plain = true;
        loop {
            self.run(&mut text);
            let Some(byte) = self.peek(0) else { break };
            match byte {
                b'\'' => {
                    plain = false;
                    self.single(&mut text);
                }
                b'"' => {
                    plain = false;
                    self.double(&mut text);
                }
                b'\\' => {
                    plain &= self.peek(1) == Some(b'\n');
                    self.escape(&mut text);
                }
                b'$' => plain &= self.dollar(&mut text, false),
                b'`' => self.backtick(&mut text),
                b'<' | b'>' if self.peek(1) == Some(b'(') => {
                    self.at += 2;
                    self.substitution();
                    text.push_str("$()");
                }
                // `@(a|b)`, `!(x)`: a pattern of file names, not a subshell.
                b'(' if !(self.leading && text == "!") && text.ends_with(['@', '+', '?', '*', '!']) => {
                    let from = self.at;
                    self.at += 1;
                    self.skip_parens(1);
                    text.push_str(self.slice(from, self.at));
                }
                _ => break,
            }
        }
        (text, plain)
    }

    /// Copies ordinary bytes.
    fn run(&mut self, text: &mut String) {
        let from = self.at;
        while self.peek(0).is_some_and(|b| !special(b)) {
            self.at += 1;
        }
        text.push_str(self.slice(from, self.at));
    }

    /// `'…'`, the cursor at the opening quote. An open end takes the rest.
    fn single(&mut self, text: &mut String) {
        let from = self.at + 1;
        let end = self.find(b'\'', from);
        text.push_str(self.slice(from, end));
        self.at = self.end().min(end + 1);
    }

    /// `"…"`, the cursor at the opening quote.
    fn double(&mut self, text: &mut String) {
        self.at += 1;
        loop {
            let from = self.at;
            while self.peek(0).is_some_and(|b| !matches!(b, b'"' | b'\\' | b'$' | b'`')) {
                self.at += 1;
            }
            text.push_str(self.slice(from, self.at));
            match self.peek(0) {
                Some(b'"') => {
                    self.at += 1;
                    return;
                }
                Some(b'$') => {
                    self.dollar(text, true);
                }
                Some(b'`') => self.backtick(text),
                Some(_) if matches!(self.peek(1), Some(b'"' | b'\\' | b'$' | b'`' | b'\n')) => self.escape(text),
                Some(_) => {
                    text.push('\\');
                    self.at += 1;
                }
                None => return,
            }
        }
    }

    /// `\x` is x; a backslash before a line end joins the lines.
    fn escape(&mut self, text: &mut String) {
        self.at += 1;
        if let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                '\n' => {}
                '\r' if self.peek(0) == Some(b'\n') => self.at += 1,
                c => text.push(c),
            }
        }
    }

    /// Something that starts with `$`. False if it was a quoted string.
    fn dollar(&mut self, text: &mut String, quoted: bool) -> bool {
        match self.peek(1) {
            Some(b'(') => {
                self.at += 2;
                if !(self.peek(0) == Some(b'(') && self.arithmetic()) {
                    self.substitution();
                }
                text.push_str("$()");
            }
            Some(b'{') => self.parameter(text, quoted),
            Some(b'\'') if !quoted => {
                self.at += 2;
                self.ansi(text);
                return false;
            }
            Some(b'"') if !quoted => self.at += 1,
            _ => {
                text.push('$');
                self.at += 1;
            }
        }
        true
    }

    /// `${…}` as it stands, but for substitutions in it. Quotes are followed only as far as a `}` needs it.
    fn parameter(&mut self, text: &mut String, quoted: bool) {
        text.push_str("${");
        self.at += 2;
        let mut open = 1_u32;
        loop {
            let from = self.at;
            while self.peek(0).is_some_and(|b| !matches!(b, b'{' | b'}' | b'\\' | b'\'' | b'$' | b'`')) {
                self.at += 1;
            }
            text.push_str(self.slice(from, self.at));
            match self.peek(0) {
                Some(b'\\') => self.escape(text),
                Some(b'\'') if !quoted => self.single(text),
                Some(b'`') => self.backtick(text),
                Some(b'$') if self.peek(1) == Some(b'(') => {
                    self.dollar(text, true);
                }
                Some(byte) => {
                    text.push(char::from(byte));
                    self.at += 1;
                    match byte {
                        b'{' => open += 1,
                        b'}' => open -= 1,
                        _ => {}
                    }
                    if open == 0 {
                        return;
                    }
                }
                None => return,
            }
        }
    }

    /// `$'…'` with its escapes, the cursor behind the opening quote.
    fn ansi(&mut self, text: &mut String) {
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            match c {
                '\'' => return,
                '\\' => self.ansi_escape(text),
                c => text.push(c),
            }
        }
    }

    fn ansi_escape(&mut self, text: &mut String) {
        let Some(c) = self.rest().chars().next() else { return };
        self.at += c.len_utf8();
        let code = match c {
            'n' => 10,
            't' => 9,
            'r' => 13,
            'a' => 7,
            'b' => 8,
            'e' | 'E' => 27,
            'f' => 12,
            'v' => 11,
            'x' => self.digits(16, 2),
            'u' => self.digits(16, 4),
            'U' => self.digits(16, 8),
            '0'..='7' => {
                self.at -= 1;
                self.digits(8, 3)
            }
            other => {
                text.push(other);
                return;
            }
        };
        text.extend(char::from_u32(code).filter(|c| *c != '\0'));
    }

    /// Up to `most` digits at the cursor, as a number.
    fn digits(&mut self, radix: u32, most: usize) -> u32 {
        let mut value = 0_u32;
        for _ in 0..most {
            let Some(digit) = self.peek(0).and_then(|b| char::from(b).to_digit(radix)) else { break };
            value = value.wrapping_mul(radix).wrapping_add(digit);
            self.at += 1;
        }
        value
    }

    /// `` `…` ``, the cursor at the opening one. One level of backslashes goes before the inside is read.
    pub(super) fn backtick(&mut self, text: &mut String) {
        self.at += 1;
        let mut inner = String::new();
        loop {
            let from = self.at;
            while self.peek(0).is_some_and(|b| !matches!(b, b'`' | b'\\')) {
                self.at += 1;
            }
            inner.push_str(self.slice(from, self.at));
            match (self.peek(0), self.peek(1)) {
                (Some(b'\\'), Some(byte @ (b'`' | b'\\' | b'$'))) => {
                    inner.push(char::from(byte));
                    self.at += 2;
                }
                (Some(b'\\'), _) => {
                    inner.push('\\');
                    self.at += 1;
                }
                (Some(_), _) => {
                    self.at += 1;
                    break;
                }
                (None, _) => break,
            }
        }
        self.walk.text(&inner, self.depth + 1, self.remote);
        text.push_str("$()");
    }

    /// The inside of `$(…)`, `<(…)` or `>(…)`, the cursor behind the parenthesis; past the closing one after.
    pub(super) fn substitution(&mut self) {
        if self.depth >= super::MAX_DEPTH {
            self.skip_parens(1);
            return;
        }
        self.depth += 1;
        self.script(true);
        self.depth -= 1;
    }

    /// Follows the substitutions in what was skipped since `from`.
    fn inside(&mut self, from: usize) {
        let text = self.slice(from, self.at);
        if self.depth < super::MAX_DEPTH && text.len() <= self.walk.fuel && text.contains(['$', '`']) {
            self.walk.fuel -= text.len();
            Scan::new(text, self.walk, self.depth + 1, self.remote).expansions();
        }
    }

    /// Skips `(…))` if what the cursor is at is arithmetic, one parenthesis already read. Looks ahead for its end, but
    /// not again and again: what is looked at in vain is counted.
    pub(super) fn arithmetic(&mut self) -> bool {
        let from = self.at;
        if self.in_vain > self.end().saturating_mul(8) {
            return false;
        }
        self.at += 1;
        self.skip_parens(1);
        if self.peek(0) == Some(b')') {
            self.at += 1;
            self.inside(from);
            return true;
        }
        self.in_vain += self.at - from;
        self.at = from;
        false
    }

    /// Goes behind the parenthesis that closes `open` open ones.
    pub(super) fn skip_parens(&mut self, mut open: u32) {
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            match byte {
                b'(' => open += 1,
                b')' => open -= 1,
                b'\\' => self.at = self.end().min(self.at + 1),
                b'\'' => self.at = self.end().min(self.find(b'\'', self.at) + 1),
                b'"' => {
                    while let Some(byte) = self.peek(0) {
                        self.at += if byte == b'\\' { 2 } else { 1 };
                        if byte == b'"' {
                            break;
                        }
                    }
                    self.at = self.at.min(self.end());
                }
                _ => {}
            }
            if open == 0 {
                return;
            }
        }
    }
}
