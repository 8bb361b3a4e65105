//! Wrappers: commands whose arguments are a command. Here are those that only pass on, and texts given to a shell;
//! `runners` has those that do something of their own.

use std::mem;

use super::options::is_option;
use super::split::assigns;
use super::{Redirect, Walk, runners};

/// What became of a command.
#[derive(Default)]
pub(super) struct Placed {
    /// Its standard input is a script; the value tells whether that runs elsewhere.
    pub script: Option<bool>,
    /// Where the command that reads standard input is in the output.
    pub index: Option<usize>,
}

/// How a wrapper's command line is laid out before the command begins.
#[derive(Clone, Copy, Default)]
pub(super) struct Wrap {
    /// Short and long options that take the next word as value; `|` separates long ones.
    pub short: &'static str,
    pub long: &'static str,
    /// Words between the options and the command.
    pub skip: usize,
    /// `A=b` may stand among the options.
    pub assigns: bool,
}

pub(super) const fn wrap(short: &'static str, long: &'static str, skip: usize) -> Option<Wrap> {
    Some(Wrap { short, long, skip, assigns: false })
}

/// What to do with a command.
pub(super) enum Step {
    /// It is what it is.
    Plain,
    /// Its standard input is a script (elsewhere, if so told).
    Reads(bool),
    /// Only what begins at this word counts.
    Through(usize),
    /// Itself, then what begins at this word (elsewhere, if so told).
    Both(usize, bool),
    /// Only the commands in this text.
    Text(String),
    /// Itself, then the commands in this text (elsewhere, if so told).
    BothText(String, bool),
    /// Itself, then each of these commands.
    Each(Vec<Vec<String>>),
}

/// Returns a command, or what it wraps, to the walk. `words` isn't empty.
pub(super) fn place(
    walk: &mut Walk,
    mut words: Vec<String>,
    mut redirects: Vec<Redirect>,
    mut depth: u8,
    mut remote: bool,
) -> Placed {
    loop {
        base_name(&mut words[0]);
        match step(&words) {
            Step::Through(start) if start > 0 && start < words.len() => {
                words.drain(..start);
            }
            Step::Both(start, elsewhere) if start > 0 && start < words.len() && depth < super::MAX_DEPTH => {
                depth += 1;
                walk.emit(words.clone(), mem::take(&mut redirects), remote);
                words.drain(..start);
                remote |= elsewhere;
            }
            Step::Text(text) => {
                if !redirects.is_empty() {
                    words.truncate(1);
                    walk.emit(words, redirects, remote);
                }
                walk.text(&text, depth + 1, remote);
                return Placed::default();
            }
            Step::BothText(text, elsewhere) => {
                let index = walk.emit(words, redirects, remote);
                walk.text(&text, depth + 1, remote || elsewhere);
                return Placed { script: None, index };
            }
            Step::Each(commands) => {
                let index = walk.emit(words, redirects, remote);
                for words in commands {
                    if depth < super::MAX_DEPTH && !words.is_empty() && !walk.full() {
                        place(walk, words, Vec::new(), depth + 1, remote);
                    }
                }
                return Placed { script: None, index };
            }
            Step::Reads(elsewhere) => {
                let index = walk.emit(words, redirects, remote);
                return Placed { script: Some(remote || elsewhere), index };
            }
            Step::Plain | Step::Through(_) | Step::Both(..) => {
                return Placed { script: None, index: walk.emit(words, redirects, remote) };
            }
        }
    }
}

/// Strips the directory and `.exe`.
fn base_name(program: &mut String) {
    if let Some(cut) = program.rfind(['/', '\\'])
        && cut + 1 < program.len()
    {
        program.drain(..=cut);
    }
    let stem = program.len().saturating_sub(4);
    if stem > 0 && program.get(stem..).is_some_and(|end| end.eq_ignore_ascii_case(".exe")) {
        program.truncate(stem);
    }
}

fn step(words: &[String]) -> Step {
    match words[0].as_str() {
        "bash" | "sh" | "zsh" | "dash" | "ksh" | "ash" | "mksh" | "fish" => shell(words),
        "eval" => Step::Text(words[1..].join(" ")),
        "trap" if words.len() > 2 && !is_option(&words[1]) => Step::Text(words[1].clone()),
        "watch" | "parallel" => joined(words),
        "su" | "runuser" => su(words),
        "sg" => match flag_text(words, 'c', "--command") {
            Some(text) => Step::Text(text),
            None => Step::Through(start(words, 1, Wrap { skip: 1, ..Wrap::default() })),
        },
        "script" => match flag_text(words, 'c', "--command") {
            Some(text) => Step::Text(text),
            // Elsewhere than on Linux the command follows the file's name.
            None => Step::Through(start(words, 1, Wrap { short: "tFEoIOBmT", skip: 1, ..Wrap::default() })),
        },
        "powershell" | "pwsh" => powershell(words),
        "cmd" => match words.iter().position(|w| matches!(w.as_str(), "/c" | "/C" | "//c" | "/k" | "/K")) {
            Some(at) => Step::Text(words[at + 1..].join(" ")),
            None => Step::Plain,
        },
        "command" if words.get(1).is_some_and(|w| is_option(w) && w.contains(['v', 'V'])) => Step::Plain,
        "env" => env(words),
        "flock" => flock(words),
        name => match transparent(name) {
            Some(layout) => Step::Through(start(words, 1, layout)),
            None => runners::step(words),
        },
    }
}

/// Wrappers that add nothing to what they run.
fn transparent(name: &str) -> Option<Wrap> {
    match name {
        "sudo" => Some(Wrap {
            short: "ughpCTRrtUD",
            long: "--user|--group|--host|--prompt|--close-from|--chdir|--chroot|--role|--type|--other-user|--command-timeout",
            skip: 0,
            assigns: true,
        }),
        "doas" => wrap("uC", "", 0),
        "command" | "builtin" | "nohup" | "busybox" => wrap("", "", 0),
        "{" | "!" | "then" | "do" | "else" => Some(Wrap { assigns: true, ..Wrap::default() }),
        "exec" => wrap("a", "", 0),
        "time" | "gtime" => Some(Wrap { short: "fo", long: "--format|--output", skip: 0, assigns: true }),
        "timeout" | "gtimeout" => wrap("sk", "--signal|--kill-after", 1),
        "nice" => wrap("n", "--adjustment", 0),
        "ionice" => wrap("cnpPu", "--class|--classdata", 0),
        "chrt" | "taskset" => wrap("p", "", 1),
        "stdbuf" => wrap("ioe", "--input|--output|--error", 0),
        "xargs" | "gxargs" => wrap(
            "InPLdaEsJRS",
            "--replace|--max-args|--max-procs|--max-lines|--delimiter|--arg-file|--max-chars|--process-slot-var",
            0,
        ),
        "chroot" => wrap("", "--userspec|--groups", 1),
        "unshare" => wrap("SGRw", "--root|--wd|--setuid|--setgid|--propagation|--setgroups", 0),
        "nsenter" => wrap("tSGrw", "--target|--setuid|--setgid", 0),
        "strace" | "ltrace" => wrap("eopsSuEPaIX", "--trace|--output|--attach|--user", 0),
        "caffeinate" => wrap("tw", "", 0),
        "sshpass" => wrap("pfdP", "", 0),
        "firejail" | "xvfb-run" | "dbus-run-session" | "torsocks" | "torify" | "rlwrap" | "unbuffer" | "chronic" => {
            wrap("", "", 0)
        }
        "proxychains" | "proxychains4" => wrap("f", "", 0),
        _ => None,
    }
}

/// Index of the first word after the options that begin at `from`, and after `layout.skip` more words.
pub(super) fn start(words: &[String], from: usize, layout: Wrap) -> usize {
    let mut at = from;
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        }
        if word == "-" && layout.assigns {
            at += 1;
        } else if is_option(word) {
            at += if takes_next(word, layout) { 2 } else { 1 };
        } else if layout.assigns && assigns(word) {
            at += 1;
        } else {
            break;
        }
    }
    if layout.assigns {
        at += words.iter().skip(at).take_while(|w| assigns(w)).count();
    }
    at + layout.skip
}

fn takes_next(option: &str, layout: Wrap) -> bool {
    if option.starts_with("--") {
        return layout.long.split('|').any(|o| o == option);
    }
    let first = option.char_indices().skip(1).find(|(_, c)| layout.short.contains(*c));
    first.is_some_and(|(i, c)| i + c.len_utf8() == option.len())
}

/// A shell: its `-c` text, its script file, or its standard input.
fn shell(words: &[String]) -> Step {
    let (mut text, mut stdin) = (false, false);
    let mut at = 1;
    while let Some(word) = words.get(at).filter(|w| is_option(w) || (w.len() > 1 && w.starts_with('+'))) {
        at += 1;
        if word == "--" {
            break;
        }
        if word.starts_with("--") {
            text |= word == "--command";
            at += usize::from(word == "--rcfile" || word == "--init-file");
        } else {
            text |= word.contains('c') && word.starts_with('-');
            stdin |= word.contains('s');
            at += usize::from(word.ends_with(['o', 'O']));
        }
    }
    match words.get(at) {
        Some(script) if text => Step::Text(script.clone()),
        Some(_) if !stdin => Step::Plain,
        _ => Step::Reads(false),
    }
}

/// Words that the wrapper hands to a shell as one line.
fn joined(words: &[String]) -> Step {
    const LAYOUT: Wrap = Wrap {
        short: "njaISPN",
        long: "--interval|--jobs|--arg-file|--delay|--joblog|--results|--colsep|--max-args",
        skip: 0,
        assigns: false,
    };
    let rest = words.get(start(words, 1, LAYOUT)..).unwrap_or(&[]);
    let stop = rest.iter().position(|w| w.starts_with(":::")).unwrap_or(rest.len());
    if stop == 0 { Step::Plain } else { Step::Text(rest[..stop].join(" ")) }
}

fn su(words: &[String]) -> Step {
    if let Some(text) = flag_text(words, 'c', "--command") {
        return Step::Text(text);
    }
    let layout = Wrap { short: "ugGsw", long: "--user|--group|--shell", skip: 0, assigns: false };
    match words[0].as_str() {
        "runuser" if words.iter().any(|w| w == "-u" || w == "--user") => Step::Through(start(words, 1, layout)),
        _ => Step::Reads(false),
    }
}

/// The text given with `-c` (alone, at the end of a cluster, or attached) or with its long form.
pub(super) fn flag_text(words: &[String], letter: char, long: &str) -> Option<String> {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        if let Some(rest) = word.strip_prefix(long) {
            match rest.strip_prefix('=') {
                Some(text) => return Some(text.to_owned()),
                None if rest.is_empty() => return words.next().cloned(),
                None => {}
            }
        } else if is_option(word) && !word.starts_with("--") {
            if word.ends_with(letter) {
                return words.next().cloned();
            }
            if let Some(text) = word[1..].strip_prefix(letter) {
                return Some(text.to_owned());
            }
        }
    }
    None
}

fn powershell(words: &[String]) -> Step {
    let is = |w: &String, name: &str| w.eq_ignore_ascii_case(name);
    let command = words.iter().position(|w| is(w, "-command") || is(w, "-c") || is(w, "/c") || is(w, "/command"));
    match command {
        Some(at) => Step::Text(words[at + 1..].join(" ")),
        None if words.iter().any(|w| is(w, "-file") || is(w, "-f")) => Step::Plain,
        None => Step::Reads(false),
    }
}

fn env(words: &[String]) -> Step {
    let layout = Wrap { short: "uCa", long: "--unset|--chdir|--argv0", skip: 0, assigns: true };
    // `-S` splits its value into words, and what follows is added to them.
    for (at, word) in words.iter().enumerate().skip(1).take_while(|(_, w)| is_option(w) || assigns(w)) {
        let value = word.strip_prefix("--split-string=").or(word.strip_prefix("-S"));
        let Some(value) = value.or((word == "--split-string").then_some("")) else { continue };
        let rest = words[at + 1..].join(" ");
        return Step::Text(format!("env {value} {rest}"));
    }
    Step::Through(start(words, 1, layout))
}

fn flock(words: &[String]) -> Step {
    let layout = Wrap { short: "wE", long: "--timeout|--wait|--conflict-exit-code", skip: 1, assigns: false };
    let at = start(words, 1, layout);
    match words.get(at) {
        Some(word) if word == "-c" || word == "--command" => words.get(at + 1).cloned().map_or(Step::Plain, Step::Text),
        _ => Step::Through(at),
    }
}
