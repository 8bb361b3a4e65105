//! PURE. Which agent a process is, by what it is called.

use crate::domain::event::Agent;

/// Programs that run scripts, as the kernel names them.
pub fn is_runtime(name: &str) -> bool {
    name == "MainThread"
        || ["node", "bun", "deno"].iter().any(|runtime| {
            name.strip_prefix(runtime).is_some_and(|rest| {
                rest.is_empty() || rest.starts_with(['-', '.']) || rest.starts_with(|c: char| c.is_ascii_digit())
            })
        })
}

/// Worth a second look, by the kernel's short name alone.
pub fn may_be_agent(comm: &str) -> bool {
    is_runtime(comm) || by_name(comm).is_some()
}

/// Which agent a process is, if any: by the kernel's short name, the name of its program, and its arguments.
pub fn recognise(comm: &str, exe: Option<&str>, argv: &[String]) -> Option<Agent> {
    let exe_runs_scripts = exe.is_none_or(is_runtime);
    if let Some(agent) = by_name(comm) {
        // Any program may be called so; ours is that program itself, or a script under that title.
        let is_itself = exe.is_none_or(|exe| by_name(exe) == Some(agent))
            || argv.first().is_some_and(|arg| by_path(arg) == Some(agent));
        return (is_itself || exe_runs_scripts).then_some(agent);
    }
    if !is_runtime(comm) || !exe_runs_scripts {
        return None;
    }
    script(argv).and_then(by_path)
}

/// What a runtime runs: its first argument that is no option.
fn script(argv: &[String]) -> Option<&str> {
    let mut args = argv.iter().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-r" | "--require" | "--import" | "--loader" | "--experimental-loader" => {
                args.next();
            }
            "-e" | "-p" | "--eval" | "--print" => return None,
            "run" => {}
            option if option.starts_with('-') => {}
            path => return Some(path),
        }
    }
    None
}

fn by_name(name: &str) -> Option<Agent> {
    let agent = Agent::parse(name.strip_suffix(".js").unwrap_or(name))?;
    (agent != Agent::Native).then_some(agent)
}

/// A script is told by its own name, or by the package it belongs to.
fn by_path(path: &str) -> Option<Agent> {
    let name = path.rsplit('/').next().unwrap_or(path);
    by_name(name).or_else(|| {
        let is_start = matches!(name, "cli.js" | "index.js" | "main.js" | "cli.mjs" | "index.mjs");
        let packages = [
            ("claude-code", Agent::Claude),
            ("gemini-cli", Agent::Gemini),
            ("pi-coding-agent", Agent::Pi),
            ("qwen-code", Agent::Qwen),
        ];
        let part = |package: &str| path.split('/').any(|part| part == package);
        packages.into_iter().find(|(package, _)| is_start && part(package)).map(|(_, agent)| agent)
    })
}

#[cfg(test)]
mod tests;
