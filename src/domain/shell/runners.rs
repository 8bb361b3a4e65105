//! Wrappers that are worth a charge of their own: they reach another machine, start a container, fetch a package.

use super::options::is_option;
use super::unwrap::{Step, Wrap, flag_text, start, wrap};

const PACKAGE: Wrap = Wrap {
    short: "pwCF",
    long: "--package|--from|--with|--python|--project|--directory|--env-file|--group|--extra|--index|--spec|--filter|\
           --workspace|--prefix|--with-requirements|--name|--config",
    skip: 0,
    assigns: false,
};
const BARE: Wrap = Wrap { short: "", long: "", skip: 0, assigns: false };
const SSH: Wrap = Wrap { short: "BbcDEeFIiJLlmOopQRSWw", long: "", skip: 0, assigns: false };

pub(super) fn step(words: &[String]) -> Step {
    let sub = words.get(1).map_or("", String::as_str);
    match (words[0].as_str(), sub) {
        ("ssh", _) => ssh(words),
        ("find" | "gfind", _) => exec(words, &["-exec", "-execdir", "-ok", "-okdir"], 0),
        ("fd" | "fdfind", _) => exec(words, &["-x", "-X", "--exec", "--exec-batch"], 1),
        ("lxc" | "incus", "exec") => container_exec(words),
        ("docker" | "podman" | "nerdctl" | "docker-compose" | "podman-compose", _) => container(words),
        ("kubectl" | "oc", _) => kubectl(words),
        // They take what they start out of the tree, which is worth a word of its own.
        ("setsid", _) => both(words, 1, wrap("", "", 0)),
        ("systemd-run", _) => {
            let long = "--unit|--property|--slice|--uid|--gid|--setenv|--working-directory";
            both(words, 1, wrap("pupEtHM", long, 0))
        }
        ("tmux", _) => tmux(words),
        ("screen", _) => both(words, 1, wrap("ScesTth", "", 0)),
        ("npx" | "bunx" | "uvx" | "pnpx", _) => package(words, 1),
        ("npm", "exec" | "x") => package(words, 2),
        ("pnpm" | "yarn", "dlx" | "exec")
        | ("bun", "x")
        | ("uv" | "pipx" | "poetry" | "pipenv" | "hatch" | "pdm" | "rye", "run") => package(words, 2),
        ("uv", _) => uv(words),
        ("bundle" | "direnv" | "rbenv" | "pyenv" | "asdf", "exec") => {
            both(words, 2, wrap("", "", usize::from(words[0] == "direnv")))
        }
        ("conda" | "mamba" | "micromamba", "run") => both(words, 2, wrap("np", "--name|--prefix|--cwd", 0)),
        ("rustup", "run") => both(words, 2, wrap("", "", 1)),
        ("mise" | "rtx", "exec" | "x")
        | ("op" | "doppler" | "devbox" | "infisical" | "dotenvx", "run")
        | ("aws-vault", "exec")
        | ("dotenv", _) => after_dashes(words, false),
        ("nix-shell", _) => ["--run", "--command"]
            .iter()
            .find_map(|long| flag_text(words, '\0', long))
            .map_or(Step::Plain, |text| Step::BothText(text, false)),
        ("nix", "develop" | "shell" | "run") => {
            match words.iter().position(|w| matches!(w.as_str(), "-c" | "--command" | "--")) {
                Some(at) => Step::Both(at + 1, false),
                None => Step::Plain,
            }
        }
        ("git", _) => git(words),
        ("vagrant", "ssh") => flag_text(words, 'c', "--command").map_or(Step::Plain, |t| Step::BothText(t, true)),
        _ => Step::Plain,
    }
}

fn both(words: &[String], from: usize, layout: Option<Wrap>) -> Step {
    layout.map_or(Step::Plain, |layout| Step::Both(start(words, from, layout), false))
}

/// What stands after `--`.
fn after_dashes(words: &[String], remote: bool) -> Step {
    words.iter().position(|w| w == "--").map_or(Step::Plain, |at| Step::Both(at + 1, remote))
}

/// Runners of packages; `-c` of `npx` and `npm exec` is a line for a shell.
fn package(words: &[String], from: usize) -> Step {
    let at = start(words, from, PACKAGE);
    // With the word after the options, which is what `-c` says.
    let options = &words[..words.len().min(at + 1)];
    if matches!(words[0].as_str(), "npx" | "npm" | "pnpm")
        && let Some(text) = flag_text(options, 'c', "--call")
    {
        return Step::BothText(text, false);
    }
    Step::Both(at, false)
}

/// `uv [options] run cmd`, `uv tool run cmd`.
fn uv(words: &[String]) -> Step {
    let at = start(words, 1, PACKAGE);
    let is = |at: usize, word: &str| words.get(at).is_some_and(|w| w == word);
    if is(at, "run") {
        package(words, at + 1)
    } else if is(at, "tool") && is(at + 1, "run") {
        package(words, at + 2)
    } else {
        Step::Plain
    }
}

fn ssh(words: &[String]) -> Step {
    let host = start(words, 1, SSH);
    let at = start(words, host + 1, SSH);
    match words.get(at..) {
        Some(rest) if !rest.is_empty() => Step::BothText(rest.join(" "), true),
        _ if host < words.len() => Step::Reads(true),
        _ => Step::Plain,
    }
}

/// `lxc exec NAME [--] cmd`.
fn container_exec(words: &[String]) -> Step {
    let layout = Wrap { long: "--env|--user|--group|--cwd|--mode", ..BARE };
    let name = start(words, 2, layout);
    Step::Both(start(words, name + 1, layout), true)
}

/// The commands after each of `flags`, up to `;` or `{} +`. `{}` stands for what is found, which lies in the
/// directories that stand behind `skip` other words.
fn exec(words: &[String], flags: &[&str], skip: usize) -> Step {
    let mut commands = Vec::new();
    let roots = roots(words, flags, skip);
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        if !flags.contains(&word.as_str()) {
            continue;
        }
        let rest = &words[at..];
        let ends = |i: usize| rest[i] == ";" || (rest[i] == "+" && i > 0 && rest[i - 1] == "{}");
        let stop = (0..rest.len()).find(|i| ends(*i)).unwrap_or(rest.len());
        commands.push(rest[..stop].iter().flat_map(|word| found(word, &roots)).collect());
        at += stop;
    }
    if commands.is_empty() { Step::Plain } else { Step::Each(commands) }
}

/// The directories that are searched: for `find`, all words before its expression.
fn roots<'w>(words: &'w [String], flags: &[&str], skip: usize) -> Vec<&'w str> {
    let is_word = |w: &&String| !is_option(w) && !matches!(w.as_str(), "-" | "(" | "!");
    let rest = words.iter().skip(1);
    let roots: Vec<&String> = if skip == 0 {
        let early = |w: &&String| is_option(w) && matches!(w.as_bytes()[1], b'H' | b'L' | b'P' | b'O' | b'D');
        rest.skip_while(early).take_while(is_word).collect()
    } else {
        rest.take_while(|w| !flags.contains(&w.as_str())).filter(is_word).skip(skip).collect()
    };
    roots.into_iter().map(|root| root.trim_end_matches('/')).take(16).collect()
}

/// `{}` under each of the directories. Inside a text only the first fits, and only if no quotes are needed.
fn found(word: &str, roots: &[&str]) -> Vec<String> {
    let plain = |root: &&&str| root.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-~".contains(&b));
    if word == "{}" && !roots.is_empty() {
        return roots.iter().map(|root| format!("{root}/{{}}")).collect();
    }
    match roots.iter().filter(plain).find(|root| **root != ".") {
        Some(root) if word.contains("{}") => vec![word.replace("{}", &format!("{root}/{{}}"))],
        _ => vec![word.to_owned()],
    }
}

fn container(words: &[String]) -> Step {
    let global = Wrap {
        short: "Hclfp",
        long: "--host|--context|--config|--log-level|--file|--project-name|--profile|--env-file|--project-directory|--url|--connection",
        ..BARE
    };
    let mut at = start(words, 1, global);
    if words.get(at).is_some_and(|w| w == "compose" || w == "container") {
        at = start(words, at + 1, global);
    }
    let exec =
        Wrap { short: "euw", long: "--env|--user|--workdir|--env-file|--detach-keys|--index", skip: 1, assigns: false };
    let run = Wrap {
        short: "aceHhlmpuvw",
        long: "--add-host|--annotation|--attach|--cap-add|--cap-drop|--cidfile|--cpus|--cpu-shares|--cpuset-cpus|--device|\
               --dns|--entrypoint|--env|--env-file|--expose|--gpus|--group-add|--health-cmd|--hostname|--ip|--ipc|--label|\
               --link|--log-driver|--log-opt|--mac-address|--memory|--memory-swap|--mount|--name|--net|--network|\
               --network-alias|--pid|--pids-limit|--platform|--publish|--pull|--restart|--runtime|--security-opt|\
               --shm-size|--stop-signal|--stop-timeout|--sysctl|--tmpfs|--ulimit|--user|--userns|--volume|--volumes-from|\
               --workdir",
        skip: 1,
        assigns: false,
    };
    match words.get(at).map(String::as_str) {
        Some("exec") => Step::Both(start(words, at + 1, exec), true),
        Some("run") => Step::Both(start(words, at + 1, run), true),
        _ => Step::Plain,
    }
}

fn kubectl(words: &[String]) -> Step {
    if words.iter().any(|w| matches!(w.as_str(), "exec" | "run" | "debug")) {
        after_dashes(words, true)
    } else {
        Step::Plain
    }
}

/// Commands typed into, or started in, a terminal of tmux.
fn tmux(words: &[String]) -> Step {
    const LAYOUT: Wrap = Wrap { short: "LSfctsnxyeFlNTbdhw", long: "", skip: 0, assigns: false };
    const STARTS: [&str; 14] = [
        "new-session",
        "new",
        "new-window",
        "neww",
        "split-window",
        "splitw",
        "respawn-pane",
        "respawnp",
        "respawn-window",
        "run-shell",
        "run",
        "display-popup",
        "popup",
        "if-shell",
    ];
    let mut text = String::new();
    let first = start(words, 1, Wrap { short: "LSfc", ..LAYOUT });
    for part in words.get(first..).unwrap_or(&[]).split(|w| w == ";") {
        let Some(name) = part.first().map(String::as_str) else { continue };
        // Without `-d` and `-b`, which take no value in most of these.
        let layout = Wrap { short: if name.starts_with("send") { "tN" } else { "ctsnxyeFlT" }, ..LAYOUT };
        let rest = part.get(start(part, 1, layout)..).unwrap_or(&[]);
        let typed = matches!(name, "send-keys" | "send");
        if typed || STARTS.contains(&name) {
            for word in rest.iter().filter(|w| !(typed && is_key(w))) {
                text.push_str(word);
                text.push(' ');
            }
            text.push('\n');
        }
    }
    if text.trim().is_empty() { Step::Plain } else { Step::BothText(text, false) }
}

/// A key's name in `tmux send-keys`, not text to type.
fn is_key(word: &str) -> bool {
    matches!(word, "Enter" | "Space" | "Escape" | "Tab" | "BSpace" | "Up" | "Down" | "Left" | "Right" | "KPEnter")
        || (word.len() == 3 && (word.starts_with("C-") || word.starts_with("M-")))
}

/// Git's subcommands that run a command.
fn git(words: &[String]) -> Step {
    let layout = Wrap { short: "Cc", long: "--git-dir|--work-tree|--namespace", ..BARE };
    let at = start(words, 1, layout);
    let word = |i: usize| words.get(i).map_or("", String::as_str);
    match (word(at), word(at + 1)) {
        ("bisect", "run") => Step::Both(at + 2, false),
        ("submodule", "foreach") => {
            let from = start(words, at + 2, BARE);
            let rest = words.get(from..).unwrap_or(&[]).join(" ");
            if rest.is_empty() { Step::Plain } else { Step::BothText(rest, false) }
        }
        ("rebase", _) => {
            let rest = words.get(at..).unwrap_or(&[]);
            flag_text(rest, 'x', "--exec").map_or(Step::Plain, |text| Step::BothText(text, false))
        }
        ("filter-branch", _) if word(at + 1).ends_with("-filter") && !is_option(word(at + 2)) => {
            Step::BothText(word(at + 2).to_owned(), false)
        }
        _ => Step::Plain,
    }
}
