//! What a shell command line would run, and patterns that recognise it.
//!
//! [`commands`] finds the simple commands inside a line: in pipelines, substitutions, loops, here-documents fed to
//! a shell, and behind wrappers such as `sudo`, `xargs` or `bash -c`. It reads leniently: it never fails, and where
//! a line is no valid shell it makes the best of it. It expands nothing, so what a variable, an alias or a script
//! file hides stays hidden: this prices and explains actions, it is not a sandbox.
//!
//! Work and output are bounded: texts nested in texts to [`MAX_DEPTH`], [`MAX_COMMANDS`] commands, [`MAX_WORDS`]
//! words in each. Everything returned is raw text from an agent: clean it with `Text` before it is shown or kept.

mod braces;
mod options;
mod pattern;
mod programs;
mod redirects;
mod runners;
mod split;
mod targets;
#[cfg(test)]
mod tests;
mod unwrap;
mod words;

pub use pattern::Pattern;
pub use programs::may_act;
pub use targets::{hosts, path_words};

/// How deep texts are followed into texts (`$(…)`, `sh -c '…'`, here-documents).
pub const MAX_DEPTH: u8 = 8;
/// Most commands returned for one line.
pub const MAX_COMMANDS: usize = 256;
/// Most words kept of one command.
pub const MAX_WORDS: usize = 1_024;
/// Most bytes kept of the text that a command is given on its standard input.
const MAX_INPUT: usize = 4_096;

/// A command with its arguments, quotes removed, nothing expanded. A command substitution leaves `$()` in its word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simple {
    /// Never empty. The first is the program's base name (no directory, no `.exe`); a redirection without a
    /// command has `:` there, the shell's word for "do nothing".
    pub words: Vec<String>,
    pub redirects: Vec<Redirect>,
    /// Runs on another machine or in a container (`ssh`, `docker exec`, `kubectl exec`): its paths aren't ours.
    pub remote: bool,
    /// Text the line itself gives it to read (here-document, here-string, `echo … |`), unless that is a script:
    /// a script's commands are returned instead. Shortened, and empty for most.
    pub input: String,
}

/// A file opened by `<`, `>`, `>>`, `&>` and the like. Copies of descriptors (`2>&1`) are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    pub path: String,
    pub write: bool,
}

/// The simple commands of a command line, about in the order in which they would start. A wrapper that only passes
/// on (`sudo`, `env`, `timeout`, `bash -c`) is replaced by what it runs; one that does something of its own (`ssh`,
/// `docker`, `npx`, `find`) is returned, followed by what it runs.
pub fn commands(line: &str) -> Vec<Simple> {
    let mut walk = Walk { out: Vec::new(), fuel: line.len().saturating_mul(16) };
    walk.text(line, 0, false);
    walk.out
}

/// What all texts of one line share: the commands found, and how many bytes of text may still be read.
struct Walk {
    out: Vec<Simple>,
    fuel: usize,
}

impl Walk {
    /// Reads `text` as a script, `depth` texts inside the line.
    fn text(&mut self, text: &str, depth: u8, remote: bool) {
        if depth > MAX_DEPTH || text.len() > self.fuel || self.full() {
            return;
        }
        self.fuel -= text.len();
        split::Scan::new(text, self, depth, remote).script(false);
    }

    fn full(&self) -> bool {
        self.out.len() >= MAX_COMMANDS
    }

    /// Keeps a command and tells where, unless there are enough.
    fn emit(&mut self, words: Vec<String>, redirects: Vec<Redirect>, remote: bool) -> Option<usize> {
        if self.full() {
            return None;
        }
        self.out.push(Simple { words, redirects, remote, input: String::new() });
        Some(self.out.len() - 1)
    }
}

/// At most `max` bytes of `text`, cut between characters.
fn head(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}
