//! PURE. From a command line to the agent it starts and that agent's own arguments.

use std::ffi::OsStr;

use super::{by_name, by_package};
use crate::domain::event::Agent;
use crate::domain::shell;

/// Wrappers within wrappers that are followed.
const MAX_DEPTH: usize = 8;

/// An agent as it is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    pub agent: Agent,
    /// Without the program itself.
    pub args: Vec<String>,
}

impl Invocation {
    pub fn read<S: AsRef<OsStr>>(argv: &[S]) -> Option<Self> {
        let words: Vec<String> = argv.iter().map(|word| word.as_ref().to_string_lossy().into_owned()).collect();
        find(&words, MAX_DEPTH)
    }

    /// Is this flag among the arguments? What follows `--` is no flag.
    pub fn is_set(&self, flag: &str) -> bool {
        self.flags().any(|word| word == flag || word.strip_prefix(flag) == Some("=true"))
    }

    /// The value of an option, `--name value` or `--name=value`; the last one counts.
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut found = None;
        for (at, word) in self.flags().enumerate() {
            if word == name {
                found = self.args.get(at + 1).map(String::as_str);
            } else if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
                found = Some(value);
            }
        }
        found
    }

    /// Where the arguments after a subcommand begin, if it is this one. `valued`: options whose value is the next word.
    pub fn subcommand(&self, name: &str, valued: &[&str]) -> Option<usize> {
        (self.word(valued) == Some(name)).then(|| skip_options(&self.args, valued) + 1)
    }

    /// The first word that is neither an option nor the value of one.
    pub fn word(&self, valued: &[&str]) -> Option<&str> {
        self.args.get(skip_options(&self.args, valued)).map(String::as_str)
    }

    fn flags(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(String::as_str).take_while(|word| *word != "--")
    }
}

fn find(words: &[String], depth: usize) -> Option<Invocation> {
    let program = base_name(words.first()?);
    let rest = &words[1..];
    if depth == 0 {
        return None;
    }
    if let Some(agent) = by_name(program) {
        return Some(Invocation { agent, args: rest.to_vec() });
    }
    match program {
        "env" => find(&rest[skip_env(rest)..], depth - 1),
        "nice" => find(after(rest, &["-n", "--adjustment"], 0)?, depth - 1),
        "timeout" | "gtimeout" => find(after(rest, &["-k", "--kill-after", "-s", "--signal"], 1)?, depth - 1),
        "ionice" => find(after(rest, &["-c", "--class", "-n", "--classdata"], 0)?, depth - 1),
        "stdbuf" => find(after(rest, &["-i", "-o", "-e", "--input", "--output", "--error"], 0)?, depth - 1),
        "nohup" | "setsid" | "exec" | "command" | "time" | "caffeinate" | "unbuffer" => {
            find(after(rest, &[], 0)?, depth - 1)
        }
        "npx" | "bunx" | "pnpx" => runner(rest),
        "npm" | "pnpm" | "yarn" | "bun" if rest.first().is_some_and(|word| is_runner(word)) => runner(&rest[1..]),
        "node" | "nodejs" | "bun" | "deno" | "tsx" => script(rest),
        "sh" | "bash" | "dash" | "zsh" => shell_text(rest, depth),
        _ => None,
    }
}

fn is_runner(word: &str) -> bool {
    matches!(word, "exec" | "x" | "dlx")
}

/// The file's name, without `.exe` and the like.
fn base_name(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    [".exe", ".cmd", ".mjs", ".cjs", ".js"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// The first word that is neither an option nor the value of one.
fn skip_options(words: &[String], valued: &[&str]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            return at + 1;
        }
        if !word.starts_with('-') || word.len() == 1 {
            return at;
        }
        at += if valued.contains(&word.as_str()) { 2 } else { 1 };
    }
    words.len()
}

/// What begins after the options and `more` further words.
fn after<'a>(words: &'a [String], valued: &[&str], more: usize) -> Option<&'a [String]> {
    words.get(skip_options(words, valued) + more..)
}

fn skip_env(words: &[String]) -> usize {
    let valued = ["-u", "--unset", "-C", "--chdir"];
    let mut at = 0;
    while at < words.len() {
        let skipped = skip_options(&words[at..], &valued);
        let assigns = words.get(at + skipped).is_some_and(|word| word.contains('='));
        at = (at + skipped + usize::from(assigns)).min(words.len());
        if !assigns {
            break;
        }
    }
    at
}

/// `npx -y @scope/name@1.2 arguments`, `npx -p @scope/name program arguments`.
fn runner(words: &[String]) -> Option<Invocation> {
    let at = skip_options(words, &["-p", "--package", "-c", "--call", "-w", "--workspace"]);
    let word = words.get(at)?;
    let named = by_package(without_version(word)).or_else(|| by_name(word));
    // Some take `--` between the package and its arguments.
    let rest = &words[at + 1..];
    let args = rest.strip_prefix(&["--".to_owned()]).unwrap_or(rest).to_vec();
    named.map(|agent| Invocation { agent, args })
}

fn without_version(spec: &str) -> &str {
    match spec.rfind('@') {
        Some(at) if at > 0 => &spec[..at],
        _ => spec,
    }
}

/// `node [options] …/node_modules/@scope/name/cli.js arguments`, `node /usr/local/bin/gemini arguments`.
fn script(words: &[String]) -> Option<Invocation> {
    let valued =
        ["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file"];
    let mut at = skip_options(words, &valued);
    if words.get(at).is_some_and(|word| word == "run") {
        at += 1 + skip_options(&words[at + 1..], &valued);
    }
    let path = words.get(at)?;
    let agent = by_path(path).or_else(|| by_name(base_name(path)))?;
    Some(Invocation { agent, args: words[at + 1..].to_vec() })
}

/// The package that a file is in: the innermost directory below `node_modules`.
fn by_path(path: &str) -> Option<Agent> {
    let inside = &path[path.rfind("node_modules/")? + "node_modules/".len()..];
    let mut parts = inside.split('/');
    let first = parts.next()?;
    if !first.starts_with('@') {
        return by_package(first);
    }
    by_package(&format!("{first}/{}", parts.next()?))
}

/// `sh -c 'one command'`. With more than one, there is no telling whom standard input belongs to.
fn shell_text(words: &[String], depth: usize) -> Option<Invocation> {
    let at = words.iter().position(|word| word.starts_with('-') && !word.starts_with("--") && word.ends_with('c'))?;
    let commands = shell::commands(words.get(at + 1)?);
    let [only] = commands.as_slice() else { return None };
    if only.remote {
        return None;
    }
    find(&only.words, depth - 1)
}
