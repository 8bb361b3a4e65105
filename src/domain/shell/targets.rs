//! What a command touches: hosts and files it names. A guess from its words, for counting what is new.

use super::options::{Arg, args};
use super::{Simple, braces};

/// Most hosts, and most paths, told of one command.
const MAX: usize = 64;
/// Longest word taken for a path, in bytes.
const MAX_PATH: usize = 1_024;

/// Hosts named by commands that reach one (curl, git, ssh and the like): in URLs, as `user@host:path`, or as the
/// argument. Lower case, no user, no port, each once.
pub fn hosts(simple: &Simple) -> Vec<String> {
    let mut found = Vec::new();
    let program = simple.words.first().map_or("", String::as_str);
    let mut first = true;
    let mut value_of = "";
    for (_, arg) in args(&simple.words) {
        match (program, arg) {
            (_, Arg::Option(option)) => {
                value_of = option;
                if let Some(url) = option.strip_prefix("--url=") {
                    add(&mut found, url_host(url).or(bare_host(url)));
                }
            }
            ("curl", Arg::Value(url)) if value_of == "--url" => add(&mut found, url_host(url).or(bare_host(url))),
            ("ssh" | "mosh", Arg::Value(jumps)) if value_of == "-J" => {
                jumps.split(',').for_each(|jump| add(&mut found, url_host(jump).or(host(jump))));
            }
            (_, Arg::Value(_)) => {}
            ("curl" | "wget" | "http" | "https" | "xh" | "aria2c" | "lynx" | "httpie", Arg::Word(word)) => {
                // A method or a header of httpie is no host.
                add(&mut found, url_host(word).or(bare_host(word)));
            }
            ("git" | "pip" | "pip3" | "npm" | "pnpm" | "cargo" | "go", Arg::Word(word)) => {
                add(&mut found, url_host(word).or((program == "git").then(|| remote_host(word)).flatten()));
            }
            ("scp" | "sftp" | "rsync", Arg::Word(word)) => {
                add(&mut found, url_host(word).or(remote_host(word)));
                if program == "sftp" && first && !word.contains(':') {
                    add(&mut found, host(word));
                }
            }
            ("ssh" | "mosh" | "ssh-copy-id" | "telnet" | "nc" | "ping" | "ftp", Arg::Word(word)) if first => {
                add(&mut found, url_host(word).or(host(word)));
            }
            _ => {}
        }
        first &= !matches!(arg, Arg::Word(_));
    }
    found
}

fn add(found: &mut Vec<String>, host: Option<&str>) {
    if let Some(host) = host {
        let host = host.to_ascii_lowercase();
        if found.len() < MAX && !found.contains(&host) {
            found.push(host);
        }
    }
}

/// The host of `scheme://user@host:port/…`.
fn url_host(word: &str) -> Option<&str> {
    let (scheme, rest) = word.split_once("://")?;
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    if scheme.is_empty() || scheme == "file" || !scheme.bytes().all(fine) {
        return None;
    }
    host(rest.split(['/', '?', '#']).next().unwrap_or(""))
}

/// The host of `example.com/path`, given without a scheme.
fn bare_host(word: &str) -> Option<&str> {
    let name = host(word.split(['/', '?', '#']).next().unwrap_or(""))?;
    (name == "localhost" || (name.contains('.') && !name.starts_with('.'))).then_some(name)
}

/// The host of `user@host:path`. A single letter is a Windows drive.
fn remote_host(word: &str) -> Option<&str> {
    let (before, _) = word.split_once(':')?;
    let name = before.rsplit('@').next().unwrap_or(before);
    if before.contains('/') || (name.len() < 2 && !before.contains('@')) || word.contains("://") {
        return None;
    }
    // `HEAD:main` and `+a:b` are refspecs; a host of a git remote has a user or a dot.
    host(before).filter(|h| word.contains('@') || h.contains('.') || word.contains('/'))
}

/// `user@host:port` without user and port, if what is left can be a host.
fn host(authority: &str) -> Option<&str> {
    let name = authority.rsplit('@').next().unwrap_or(authority);
    let name = match name.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(""),
        None => name.split(':').next().unwrap_or(""),
    };
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    let letter = name.bytes().any(|b| b.is_ascii_alphanumeric());
    (letter && name.len() <= 253 && !name.starts_with('-') && name.bytes().all(fine)).then_some(name)
}

/// Words and redirections that look like paths, each once: a word with a `/`, one that starts with `.` or `~`, or an
/// argument of a command that takes files. `$HOME/x` becomes `~/x`; other variables stay. Devices (`/dev/null`) and
/// what is a URL, a pattern or a message are left out.
pub fn path_words(simple: &Simple) -> Vec<String> {
    let mut found = Vec::new();
    let program = simple.words.first().map_or("", String::as_str);
    let sub = simple.words.get(1).map_or("", String::as_str);
    if !matches!(program, "echo" | "printf" | "export" | "alias" | "test" | "[" | "[[" | "ssh" | "expr") {
        collect(&mut found, simple, program, sub);
    }
    for redirect in &simple.redirects {
        keep(&mut found, &redirect.path, true);
    }
    found
}

fn collect(found: &mut Vec<String>, simple: &Simple, program: &str, sub: &str) {
    let files = takes_files(program, &simple.words);
    let mut texts = leading_texts(program, &simple.words);
    let mut value_of = "";
    for (_, arg) in args(&simple.words) {
        match arg {
            Arg::Option(option) => {
                value_of = option;
                if let Some((name, value)) = option.split_once('=')
                    && !is_text(program, sub, name)
                {
                    keep(found, value, false);
                }
            }
            Arg::Value(value) if !is_text(program, sub, value_of) => keep(found, value, false),
            Arg::Value(_) => {}
            Arg::Word(_) if texts > 0 => texts -= 1,
            Arg::Word(word) if program == "dd" => {
                if let Some(path) = word.strip_prefix("if=").or(word.strip_prefix("of=")) {
                    keep(found, path, true);
                }
            }
            Arg::Word(word) => {
                let remote = matches!(program, "scp" | "rsync" | "git" | "sftp") && remote_host(word).is_some();
                if !remote {
                    keep(found, word, files);
                }
            }
        }
    }
}

/// Whether every argument is a file.
fn takes_files(program: &str, words: &[String]) -> bool {
    match program {
        "rm" | "mv" | "cp" | "touch" | "mkdir" | "rmdir" | "cat" | "tee" | "ln" | "chmod" | "chown" | "chgrp"
        | "install" | "truncate" | "shred" | "unlink" | "head" | "tail" | "less" | "more" | "wc" | "nl" | "cd"
        | "pushd" | "source" | "." | "stat" | "ls" | "nano" | "vi" | "vim" => true,
        "sed" | "gsed" => words.iter().any(|w| w.starts_with("-i") || w.starts_with("--in-place")),
        _ => false,
    }
}

/// How many words before the files are patterns, scripts, modes or owners.
fn leading_texts(program: &str, words: &[String]) -> usize {
    let given = |flags: &[&str]| words.iter().any(|w| flags.iter().any(|f| w.starts_with(f)));
    match program {
        "sed" | "gsed" => usize::from(!given(&["-e", "-f", "--expression", "--file"])),
        "grep" | "egrep" | "fgrep" | "rg" | "ag" | "ack" => usize::from(!given(&["-e", "-f", "--regexp", "--files"])),
        "awk" | "gawk" | "mawk" | "jq" | "yq" => usize::from(!given(&["-f", "--file", "--from-file"])),
        "chmod" => usize::from(!given(&["--reference", "-x", "-w", "-r"])),
        "chown" | "chgrp" => usize::from(!given(&["--reference"])),
        _ => 0,
    }
}

/// Whether the value of `option` is text: a message, a script, a header, what is to be sent.
fn is_text(program: &str, sub: &str, option: &str) -> bool {
    match program {
        "git" | "gh" | "glab" => {
            matches!(
                option,
                "--message" | "--author" | "--grep" | "--body" | "--title" | "--notes" | "-b" | "-t" | "--date"
            ) || (option.starts_with('-') && !option.starts_with("--") && option.ends_with('m'))
                || (program == "git" && option == "-c" && sub != "clone")
                || (program != "git" && matches!(option, "-R" | "--repo" | "-H" | "--jq" | "-q" | "--template"))
        }
        "curl" | "wget" | "xh" => !matches!(
            option,
            "-o" | "-O"
                | "-T"
                | "-K"
                | "-D"
                | "-P"
                | "-E"
                | "--output"
                | "--upload-file"
                | "--config"
                | "--cert"
                | "--key"
                | "--cacert"
                | "--dump-header"
                | "--output-dir"
                | "--output-document"
                | "--directory-prefix"
                | "--cookie-jar"
        ),
        "python" | "python3" | "node" | "deno" | "ruby" | "perl" => true,
        "sed" | "gsed" | "awk" | "gawk" => !matches!(option, "-f" | "--file"),
        "psql" | "mysql" | "mariadb" | "sqlite3" => matches!(option, "-c" | "--command" | "-e" | "--execute" | "-cmd"),
        "find" | "gfind" => true,
        _ => false,
    }
}

fn keep(found: &mut Vec<String>, word: &str, file: bool) {
    let words = braces::expand(word);
    words.iter().for_each(|word| keep_one(found, word, file));
}

fn keep_one(found: &mut Vec<String>, word: &str, file: bool) {
    let shaped = word.contains('/') || word.starts_with(['.', '~']);
    let odd = word.is_empty()
        || word.len() > MAX_PATH
        || word.contains("://")
        || word.contains("$()")
        || word.chars().any(char::is_control);
    if !(shaped || file) || odd || word == "/dev/null" || is_device(word) || found.len() >= MAX {
        return;
    }
    let path = ["$HOME", "${HOME}"]
        .iter()
        .find_map(|home| word.strip_prefix(home).filter(|rest| rest.is_empty() || rest.starts_with('/')))
        .map_or_else(|| word.to_owned(), |rest| format!("~{rest}"));
    if !found.contains(&path) {
        found.push(path);
    }
}

fn is_device(word: &str) -> bool {
    word.strip_prefix("/dev/").is_some_and(|name| {
        matches!(name, "stdin" | "stdout" | "stderr" | "tty" | "zero" | "random" | "urandom") || name.starts_with("fd/")
    })
}
