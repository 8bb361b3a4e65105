//! Where the commands of a line run.

use crate::domain::shell::Simple;
use crate::domain::target;

/// The working directory as `cd`, `pushd` and `popd` move it.
pub(super) struct Here {
    pub dir: String,
    stack: Vec<String>,
}

/// A directory that can't be told: paths with a variable count as outside the project.
const UNKNOWN: &str = "$OLDPWD";

impl Here {
    pub fn new(cwd: &str) -> Self {
        Self { dir: cwd.to_owned(), stack: Vec::new() }
    }

    /// Follows a command that moves to another directory; false for any other. One that runs elsewhere moves nothing.
    pub fn follow(&mut self, command: &Simple) -> bool {
        let program = command.words.first().map_or("", String::as_str);
        let mut words = command.words.iter().skip(1).filter(|word| word.len() < 2 || !word.starts_with('-'));
        let to = words.next().map(String::as_str);
        let to = match (program, to) {
            ("cd", None) => "~",
            ("cd" | "pushd", Some("-")) | ("pushd", None) => UNKNOWN,
            ("pushd", Some(turned)) if turned.starts_with('+') => UNKNOWN,
            ("cd" | "pushd", Some(dir)) => dir,
            ("popd", _) if command.remote => return true,
            ("popd", _) => {
                self.dir = self.stack.pop().unwrap_or_else(|| UNKNOWN.to_owned());
                return true;
            }
            _ => return false,
        };
        if !command.remote {
            let there = target::normalise(to, &self.dir);
            let before = std::mem::replace(&mut self.dir, there);
            if program == "pushd" {
                self.stack.push(before);
            }
        }
        true
    }
}
