//! `redkey policy show|check|path|explain`: what the policy says, where it comes from, and what it did to a run.

mod explain;
mod show;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::Path;

use crate::config::{ConfigError, Loaded, Name, PROJECT_FILE, Sources, load};
use crate::domain::text::clean;

pub use explain::explain;
pub use show::show;

/// Writes one line, without anything a terminal could act on.
fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", clean(text).trim_end())
}

/// `redkey policy check [PATH]`: checks what is in force here, or `path` as if it were. The exit code: 0 when all is
/// well, else 1.
///
/// A file named `.redkey.toml` is checked as a project's, over the user's own policy; any other as the user's.
pub fn check(sources: &Sources, path: Option<&Path>, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut sources = sources.clone();
    if let Some(path) = path {
        let shown = sources.shown(path);
        sources.shown_from = sources.shown_from.or_else(|| sources.project_dir.clone());
        if path.file_name().is_some_and(|name| name == PROJECT_FILE) {
            if !path.exists() {
                line(out, &format!("{shown}: there is no such file"))?;
                return Ok(1);
            }
            sources.project_dir =
                path.parent().map(|dir| if dir.as_os_str().is_empty() { ".".into() } else { dir.into() });
        } else {
            sources.project_dir = None;
            sources.flags.policy = Some(path.to_owned());
        }
    }
    match load(&sources) {
        Ok(loaded) => {
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            line(out, &format!("ok: {}", read_files(&loaded)))?;
            Ok(0)
        }
        Err(error) => {
            complain(&error, out)?;
            Ok(1)
        }
    }
}

/// Every problem, and how many there are.
pub fn complain(error: &ConfigError, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{error}")?;
    match error.problems.len() {
        1 => line(out, "1 problem"),
        n => line(out, &format!("{n} problems")),
    }
}

fn read_files(loaded: &Loaded) -> String {
    let files: Vec<String> = loaded
        .layers
        .iter()
        .filter(|layer| matches!(layer.name, Name::User | Name::Project))
        .map(|layer| format!("{} ({})", layer.path, layer.name.name()))
        .collect();
    if files.is_empty() { "no files; the policy that redkey ships is in force".into() } else { files.join(", ") }
}

/// `redkey policy path`: which files are looked at, which exist, where to put one's own.
pub fn path(sources: &Sources, out: &mut dyn Write) -> io::Result<()> {
    match sources.user_file() {
        Some((path, named)) => {
            let is_there = if named { path.exists() && !path.is_dir() } else { path.is_file() };
            let state = match (is_there, named) {
                (true, _) => "read",
                (false, true) => "named by --policy or REDKEY_POLICY, but not there",
                (false, false) => "not there; put your own lines here",
            };
            line(out, &format!("user     {}  ({state})", path.display()))?;
        }
        None => line(out, "user     no home directory is known; name a file with --policy or REDKEY_POLICY")?,
    }
    let files = sources.project_files();
    for (i, file) in files.iter().enumerate() {
        let state = match file.is_file() {
            true => "read; may only tighten",
            false if i + 1 == files.len() => "not there; a project's own lines go here, and may only tighten",
            false => "not there",
        };
        line(out, &format!("project  {}  ({state})", file.display()))?;
    }
    if let Some(budget) = &sources.env.budget {
        line(out, &format!("environment  REDKEY_BUDGET={budget}"))?;
    }
    line(out, "Without any of them the policy that redkey ships is in force: `redkey policy show --layer embedded`.")
}
