//! The command line: `:sort burn`, `:theme light`, …

use super::order::{Only, Sort};
use super::theme::Theme;

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Quit,
    Help,
    Sort(Sort),
    Filter(String),
    Only(Only),
    Theme(String),
    Mouse,
    Wall,
}

/// Commands, what they take, and what they do.
pub const COMMANDS: [(&str, &str, &str); 8] = [
    ("filter", "TEXT", "runs that match TEXT; nothing lists all"),
    ("help", "", "keys and marks"),
    ("mouse", "", "mouse on or off"),
    ("quit", "", "leave"),
    ("show", "STATES", "all, live, zero, waiting or ended runs"),
    ("sort", "COLUMN", "activity, clock, burn, cost, agent, project"),
    ("theme", "NAME", "another theme"),
    ("wall", "", "hide or show wall time"),
];

/// Reads a command line. A command may be shortened as long as it can't be another.
pub fn parse(line: &str) -> Result<Order, String> {
    let (word, rest) = split(line);
    let rest = rest.trim();
    let found: Vec<&str> = names(word).collect();
    let name = match found[..] {
        [] => return Err(format!("no command `{word}`; :help lists them")),
        [name] => name,
        _ if found.contains(&word) => word,
        _ => return Err(format!("`{word}` could be {}", found.join(", "))),
    };
    match name {
        "quit" => Ok(Order::Quit),
        "help" => Ok(Order::Help),
        "mouse" => Ok(Order::Mouse),
        "wall" => Ok(Order::Wall),
        "filter" => Ok(Order::Filter(rest.to_owned())),
        "sort" => Sort::parse(rest).map(Order::Sort).ok_or_else(|| one_of("sort", rest)),
        "show" => Only::parse(rest).map(Order::Only).ok_or_else(|| one_of("show", rest)),
        _ if rest.is_empty() => Err(one_of("theme", rest)),
        _ => Ok(Order::Theme(rest.to_owned())),
    }
}

fn one_of(command: &str, given: &str) -> String {
    let words = values(command).join(", ");
    if given.is_empty() { format!("{command}: {words}") } else { format!("{command}: not `{given}` but {words}") }
}

fn split(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    line.split_once(' ').unwrap_or((line, ""))
}

fn names(prefix: &str) -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, ..)| *name).filter(move |name| !prefix.is_empty() && name.starts_with(prefix))
}

/// What may follow a command.
fn values(command: &str) -> Vec<&'static str> {
    match command {
        "sort" => Sort::ALL.map(Sort::name).to_vec(),
        "show" => Only::ALL.map(Only::name).to_vec(),
        "theme" => Theme::names().collect(),
        _ => vec![],
    }
}

/// What the line could go on as: whole lines, and words about each.
pub fn completions(line: &str) -> Vec<(String, &'static str)> {
    let (word, rest) = split(line);
    if !line.trim_start().contains(' ') {
        let fitting = COMMANDS.iter().filter(|(name, ..)| name.starts_with(word));
        return fitting.map(|(name, takes, words)| (with(name, takes), *words)).collect();
    }
    let Some(command) = names(word).next() else { return vec![] };
    let rest = rest.trim_start();
    values(command).into_iter().filter(|v| v.starts_with(rest)).map(|v| (format!("{command} {v}"), "")).collect()
}

fn with(name: &str, takes: &str) -> String {
    if takes.is_empty() { name.to_owned() } else { format!("{name} ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        assert_eq!(parse("sort burn"), Ok(Order::Sort(Sort::Burn)));
        assert_eq!(parse("q"), Ok(Order::Quit));
        assert_eq!(parse("filter  a b "), Ok(Order::Filter("a b".into())));
        assert_eq!(parse("s"), Err("`s` could be show, sort".into()));
        assert_eq!(parse("frob"), Err("no command `frob`; :help lists them".into()));
        assert_eq!(parse("sort x"), Err("sort: not `x` but activity, clock, burn, cost, agent, project".into()));
        assert!(parse("").is_err());
    }

    #[test]
    fn completions_follow_what_is_typed() {
        let all = |line: &str| completions(line).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(all("so"), ["sort "]);
        assert_eq!(all("sort c"), ["sort clock", "sort cost"]);
        assert_eq!(all("").len(), COMMANDS.len());
        assert_eq!(all("x "), Vec::<String>::new());
    }
}
