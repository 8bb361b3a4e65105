//! The language in which a policy names commands.
//!
//! `git push`: program and subcommands, in order; the program's own options may stand between them.
//! `git push --force|-f`: and one of these options anywhere, `-f` also inside `-uf`.
//! `curl -X PUT|POST`: an option with one of these values, attached or not. A word right after an option is its
//! value, so subcommands come first.
//! `psql *drop*`, `dd of=*`: and any argument, or the text it is given to read, that fits. Words that begin with a
//! `*` or hold a `=` have no place in the order; in a word alone, `*` stands for one or more words.
//! `apt|pacman install|-S`: where options and words are mixed, either.
//! `* --force-with-lease`: any program. Words with a `*` take no notice of case. Blanks inside a word are written
//! in quotes or after a backslash.

use std::fmt;

use super::Simple;
use super::options::{Arg, Options, args, is_option};

/// Most words of a pattern.
const MAX: usize = 32;

/// Recognises commands. Equal if written alike.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    length: usize,
    program: Alternatives,
    /// One of these must fit; more than one where options and words are mixed.
    shapes: Vec<Shape>,
}

/// What must follow the program.
#[derive(Clone, Default)]
struct Shape {
    words: Vec<Alternatives>,
    anywhere: Vec<Alternatives>,
    options: Vec<OptionWord>,
    after_option: bool,
}

/// Texts and globs of which one must fit.
type Alternatives = Vec<Alternative>;

#[derive(Clone)]
struct Alternative {
    text: String,
    glob: bool,
}

#[derive(Clone)]
struct OptionWord {
    names: Alternatives,
    value: Option<Alternatives>,
}

impl Pattern {
    /// Reads a pattern; the error is a sentence for the author of the policy.
    pub fn parse(source: &str) -> Result<Self, String> {
        let texts = split(source)?;
        let length = texts.len();
        let mut texts = texts.into_iter();
        let program = texts.next().ok_or("a pattern names a program; this one is empty")?;
        if is_option(&program) {
            return Err(format!("`{program}` is an option; a pattern begins with a program, or with `*` for any"));
        }
        let program = alternatives(&program)?;
        let mut shapes = vec![Shape::default()];
        for text in texts {
            let (options, words): (Vec<_>, Vec<_>) = alternatives(&text)?.into_iter().partition(|a| is_option(&a.text));
            if !options.is_empty() && !words.is_empty() && shapes.len() > 1 {
                return Err(format!("`{text}` is the second to mix options and words; write two patterns"));
            }
            let mut next = Vec::new();
            for shape in shapes {
                next.extend([&options, &words].into_iter().filter(|a| !a.is_empty()).map(|a| shape.clone().with(a)));
            }
            shapes = next;
        }
        Ok(Self { source: source.trim().to_owned(), length, program, shapes })
    }

    pub fn matches(&self, command: &Simple) -> bool {
        let program = command.words.first().map_or("", String::as_str);
        fits(&self.program, program) && self.shapes.iter().any(|shape| shape.matches(command))
    }

    /// How many words it has: the more, the closer it describes a command.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl Shape {
    /// Adds the next word of the pattern: all options, or none.
    fn with(mut self, alternatives: &[Alternative]) -> Self {
        let own = alternatives.to_vec();
        let option = own.iter().all(|a| is_option(&a.text));
        let loose = own.iter().all(|a| (a.text.len() > 1 && a.text.starts_with('*')) || a.text.contains('='));
        match self.options.last_mut() {
            _ if option => self.options.push(OptionWord { names: own, value: None }),
            Some(last) if self.after_option && !own.iter().all(|a| a.text.starts_with('*')) => last.value = Some(own),
            _ if loose => self.anywhere.push(own),
            _ => self.words.push(own),
        }
        self.after_option = option;
        self
    }

    fn matches(&self, command: &Simple) -> bool {
        let rest = command.words.get(1..).unwrap_or(&[]);
        self.in_order(command)
            && self.anywhere.iter().all(|a| rest.iter().any(|w| fits(a, w)) || fits(a, &command.input))
            && self.options.iter().all(|option| option.among(&command.words))
    }

    /// Whether the command's first words are the pattern's. A `*` takes as few words as it can: what follows it
    /// needs no more than to be found, so the first place where it is will do.
    fn in_order(&self, command: &Simple) -> bool {
        let mut found = args(&command.words).filter_map(|(_, arg)| match arg {
            Arg::Word(word) => Some(word),
            Arg::Option(_) | Arg::Value(_) => None,
        });
        let mut at = 0;
        // Where to go on, in pattern and command, when what follows the last `*` doesn't fit.
        let mut retry = None;
        while let Some(wanted) = self.words.get(at) {
            let Some(word) = found.next() else { return false };
            if wanted.len() == 1 && wanted[0].text == "*" {
                at += 1;
                retry = Some((at, found.clone()));
            } else if fits(wanted, word) {
                at += 1;
            } else {
                let Some((star, mut from)) = retry.take() else { return false };
                if from.next().is_none() {
                    return false;
                }
                at = star;
                found = from.clone();
                retry = Some((star, from));
            }
        }
        true
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.source)
    }
}

impl OptionWord {
    fn among(&self, words: &[String]) -> bool {
        let mut found = args(words);
        while let Some((index, arg)) = found.next() {
            if let Arg::Option(word) = arg
                && self.names.iter().any(|name| self.hit(name, word, words.get(index + 1), found.options))
            {
                return true;
            }
        }
        false
    }

    /// Whether `word` is the option `name`, with the value if one is wanted; `next` is the word after it.
    fn hit(&self, name: &Alternative, word: &str, next: Option<&String>, options: Options) -> bool {
        let next = next.map(String::as_str);
        if name.glob {
            return name.fits(word) && self.value_fits(None, next);
        }
        if let Some(rest) = word.strip_prefix(name.text.as_str()) {
            if rest.is_empty() {
                return self.value_fits(None, next);
            }
            if let Some(value) = rest.strip_prefix('=') {
                return self.value_fits(Some(value), None);
            }
        }
        let mut letter = name.text.chars().skip(1);
        let (Some(letter), None) = (letter.next(), letter.next()) else { return false };
        if options.single || word.starts_with("--") {
            return false;
        }
        let mut letters = options.letters(word);
        letters.any(|(found, attached)| found == letter && self.value_fits(Some(attached), next))
    }

    /// Whether the value wanted, if any, is the one attached or the next word.
    fn value_fits(&self, attached: Option<&str>, next: Option<&str>) -> bool {
        self.value.as_ref().is_none_or(|value| [attached, next].into_iter().flatten().any(|text| fits(value, text)))
    }
}

impl Alternative {
    fn fits(&self, text: &str) -> bool {
        if self.glob { glob(self.text.as_bytes(), text.as_bytes()) } else { self.text == text }
    }
}

fn fits(alternatives: &[Alternative], text: &str) -> bool {
    alternatives.iter().any(|a| a.fits(text))
}

/// The words of a pattern. Quotes keep blanks together.
fn split(source: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c == '\\' && chars.peek() == Some(&' ') => word.get_or_insert_default().extend(chars.next()),
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    words.extend(word);
    if words.len() > MAX {
        return Err(format!("more than {MAX} words"));
    }
    Ok(words)
}

fn alternatives(word: &str) -> Result<Alternatives, String> {
    let each = |text: &str| {
        if text.is_empty() {
            return Err(format!("an alternative of `{word}` is empty"));
        }
        Ok(Alternative { text: text.to_owned(), glob: text.contains('*') })
    };
    word.split('|').map(each).collect()
}

/// Whether `text` fits `pattern`, in which `*` stands for anything; ASCII case doesn't count. No recursion: a later
/// star makes an earlier one final.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
            }
            Some(byte) if byte.eq_ignore_ascii_case(&text[t]) => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((after, from)) => {
                    *from += 1;
                    (p, t) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}
