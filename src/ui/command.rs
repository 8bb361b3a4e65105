//! The command line: `:sort burn`, `:theme light`, …

use super::order::{Only, Sort};
use super::theme::Theme;
use crate::control::words::Mode;
use crate::domain::time::Span;
use crate::replay::{Ask, Kind, Moment, Speed};

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    Quit,
    Help,
    Sort(Sort),
    Filter(String),
    Only(Only),
    Theme(String),
    Mouse,
    Wall,
    /// The key of the run that was selected when the line was opened.
    Press(Mode),
    StopAll,
    Give(Span),
    /// From one run to another, each by the beginning of its session.
    Transfer(String, String, Span),
    Release,
    Answer(bool),
    Gates,
    /// In a replay.
    Replay(Ask),
}

/// Commands, what they take, and what they do.
pub const COMMANDS: [(&str, &str, &str); 22] = [
    ("allow", "", "the held action"),
    ("deny", "", "the held action"),
    ("filter", "TEXT", "runs that match TEXT; nothing lists all"),
    ("gates", "", "all held actions"),
    ("grant", "TIME", "give the run time, or (-5m) take it"),
    ("help", "", "keys and marks"),
    ("idle", "TIME", "replay: cap idle time; 0s: don't"),
    ("interrupt", "", "interrupt the run; it stays alive"),
    ("kill", "", "KILL at once"),
    ("mouse", "", "mouse on or off"),
    ("next", "KIND", "replay: to the next flag, gate, interrupt, failure"),
    ("previous", "KIND", "replay: to the one before"),
    ("quit", "", "leave"),
    ("release", "", "let a held run go on"),
    ("show", "STATES", "all, live, zero, waiting or ended runs"),
    ("sort", "COLUMN", "activity, clock, burn, cost, agent, project"),
    ("speed", "TIMES", "replay: 0.25 to 1000, or max"),
    ("stop", "", "stop the run; stop all: every run with a key"),
    ("theme", "NAME", "another theme"),
    ("to", "TIME", "replay: 12:34:56, +5m, -30s, 50%, RFC 3339"),
    ("transfer", "A B TIME", "move time from run A to run B"),
    ("wall", "", "hide or show wall time"),
];

/// What acts on a run is written out: half a word must not stop one.
pub const WHOLE: [&str; 8] = ["allow", "deny", "grant", "interrupt", "kill", "release", "stop", "transfer"];

/// Reads a command line. A command may be shortened as long as it can't be another and acts on no run.
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
    if name != word && WHOLE.contains(&name) {
        return Err(format!("`{name}` acts on a run: write it out"));
    }
    match name {
        "allow" | "deny" => bare(name, rest, Order::Answer(name == "allow")),
        "interrupt" => bare(name, rest, Order::Press(Mode::Interrupt)),
        "kill" => bare(name, rest, Order::Press(Mode::Now)),
        "stop" if rest == "all" => Ok(Order::StopAll),
        "stop" => bare(name, rest, Order::Press(Mode::Ladder)),
        "release" => bare(name, rest, Order::Release),
        "gates" => Ok(Order::Gates),
        "grant" if rest.is_empty() => Err("grant: how much? Write it like grant 10m".into()),
        "grant" => Span::parse(rest).map(Order::Give),
        "transfer" => transfer(rest),
        "idle" => Span::parse(rest).map(|cap| Order::Replay(Ask::Cap(cap))),
        "next" | "previous" => mark(rest, if name == "next" { 1 } else { -1 }),
        "speed" => Speed::parse(rest).map(|speed| Order::Replay(Ask::Speed(speed))),
        "to" => Moment::parse(rest).map(|moment| Order::Replay(Ask::To(moment))),
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

/// Of a command that takes nothing: whoever wrote more meant something else.
fn bare(name: &str, rest: &str, order: Order) -> Result<Order, String> {
    if rest.is_empty() {
        Ok(order)
    } else {
        Err(format!("{name} takes nothing, not `{rest}`: it means the selected run"))
    }
}

fn transfer(rest: &str) -> Result<Order, String> {
    match rest.split_whitespace().collect::<Vec<_>>()[..] {
        [from, to, amount] => Ok(Order::Transfer(from.to_owned(), to.to_owned(), Span::parse(amount)?)),
        _ => Err("transfer: from which run, to which, how much? Write it like transfer 6c0f 0199 5m".into()),
    }
}

fn mark(rest: &str, by: i64) -> Result<Order, String> {
    if rest.is_empty() {
        return Ok(Order::Replay(Ask::Mark(by)));
    }
    let kind = Kind::parse(rest).ok_or_else(|| one_of(if by > 0 { "next" } else { "previous" }, rest))?;
    Ok(Order::Replay(Ask::MarkOf(kind, by)))
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
        "stop" => vec!["all"],
        "next" | "previous" => Kind::ALL.map(Kind::name).to_vec(),
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
        assert_eq!(parse("a"), Err("`allow` acts on a run: write it out".into()));
        assert_eq!(parse("filter  a b "), Ok(Order::Filter("a b".into())));
        assert_eq!(parse("s"), Err("`s` could be show, sort, speed, stop".into()));
        assert_eq!(parse("kill"), Ok(Order::Press(Mode::Now)));
        assert_eq!(parse("kil"), Err("`kill` acts on a run: write it out".into()));
        assert_eq!(parse("stop all"), Ok(Order::StopAll));
        assert!(parse("stop 7").is_err() && parse("kill all").is_err() && parse("allow it").is_err());
        assert_eq!(parse("grant 10m"), Ok(Order::Give(Span::mins(10))));
        assert_eq!(parse("transfer a b 5m"), Ok(Order::Transfer("a".into(), "b".into(), Span::mins(5))));
        assert!(parse("transfer a 5m").is_err());
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
