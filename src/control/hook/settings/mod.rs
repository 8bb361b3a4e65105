//! PURE. redkey's hook in the agents' settings: put in, taken out, looked for.
//!
//! Settings are people's own files. Everything else in them stays as it is, byte for byte: order, spacing, comments, line
//! ends. What was put in is what is taken out again, and nothing that somebody has changed since.

mod claude;
mod codex;
mod command;
mod diff;
mod find;
mod gemini;
mod splice;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use find::{Mark, marks};
use splice::{Layout, Out, remove, was_made_for};
use text::{Document, Node};

use crate::domain::event::Agent;

/// The agent's own time limit is so much longer than ours, and at least a day: theirs lets the call through. Something
/// that hangs in redkey's place holds the call until then, where a person sees that it hangs.
const MARGIN_S: u64 = 15;
const LEAST_S: u64 = 24 * 60 * 60;

/// The agents that have hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Hooked {
    Claude,
    Codex,
    Gemini,
}

impl Hooked {
    pub const ALL: [Hooked; 3] = [Hooked::Claude, Hooked::Codex, Hooked::Gemini];

    pub fn agent(self) -> Agent {
        match self {
            Hooked::Claude => Agent::Claude,
            Hooked::Codex => Agent::Codex,
            Hooked::Gemini => Agent::Gemini,
        }
    }

    pub fn name(self) -> &'static str {
        self.agent().name()
    }

    /// The events it is installed for.
    pub fn events(self) -> &'static [&'static str] {
        self.manner().events
    }

    fn manner(self) -> &'static Manner {
        match self {
            Hooked::Claude => &claude::MANNER,
            Hooked::Codex => &codex::MANNER,
            Hooked::Gemini => &gemini::MANNER,
        }
    }
}

/// How an agent wants its hooks.
struct Manner {
    events: &'static [&'static str],
    /// What a second is in its `timeout`.
    second: u64,
    /// Its hooks have names.
    name: Option<&'static str>,
    /// Its settings may hold comments.
    comments: bool,
    /// It replaces `$NAME` in its settings.
    expands_dollar: bool,
    /// What keeps it from running our hook, whatever we write.
    obstacle: fn(&Node) -> Option<Obstacle>,
    /// What a person has to know beside.
    notes: &'static [&'static str],
}

struct Obstacle {
    at: usize,
    what: String,
}

/// What is put in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// redkey's own path, absolute.
    pub exe: String,
    /// By then the hook has answered, in seconds: as long as a gate waits for a person, and a little.
    pub within_s: u32,
}

/// A settings file before and after. `None`: there is no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    pub before: Option<String>,
    pub after: Option<String>,
    /// For people; empty if nothing changes.
    pub diff: String,
    /// Hooks that look like ours and were changed by hand: left alone.
    pub left: Vec<Left>,
}

impl Edited {
    pub fn changes(&self) -> bool {
        self.before != self.after
    }
}

/// Something in a settings file, by its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub line: usize,
    pub event: String,
    pub what: String,
}

/// A hook of ours that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub line: usize,
    pub event: String,
    pub hook: Hook,
}

/// What there is of us in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub found: Vec<Found>,
    /// Events that have no hook of ours, though others have.
    pub missing: Vec<&'static str>,
    pub changed: Vec<Left>,
    /// What keeps the agent from running it.
    pub obstacle: Option<String>,
    pub notes: &'static [&'static str],
}

/// Why a settings file is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Broken {
    /// From 1; 0: not about a place.
    pub line: usize,
    pub column: usize,
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.what),
            line => write!(f, "line {line}, column {}: {}", self.column, self.what),
        }
    }
}

impl Broken {
    fn at_line(line: usize, column: usize, what: String) -> Self {
        Self { line, column, what }
    }

    fn at(text: &str, at: usize, what: impl Into<String>) -> Self {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        Self { line: line_of(text, at), column: text[line..at].chars().count() + 1, what: what.into() }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Puts the hook in. Nothing changes if it is there already; one of another path or time is replaced.
pub fn install(agent: Hooked, text: Option<&str>, hook: &Hook, name: &str) -> Result<Edited, Broken> {
    let manner = agent.manner();
    check_path(&hook.exe, manner)?;
    let original = read(agent, text.unwrap_or_default())?;
    if let Some(obstacle) = original.root.as_ref().and_then(manner.obstacle) {
        let what = format!("{}; change that first", obstacle.what);
        return Err(Broken::at(text.unwrap_or_default(), obstacle.at, what));
    }
    let there = marks(agent, text.unwrap_or_default(), &original);
    if let Some(mark) = there.iter().find(|mark| mark.hook.is_err()) {
        let what = "this hook looks like redkey's but was changed by hand; take it out, then install";
        return Err(Broken::at(text.unwrap_or_default(), mark.at, what));
    }
    let mut now = text.map(str::to_owned);
    let is_other = |mark: &Mark| mark.hook.as_ref().is_ok_and(|found| found != hook);
    if there.iter().any(is_other) {
        now = without(agent, now, &is_other)?;
    }
    for event in manner.events {
        now = with_event(agent, now, event, hook)?;
    }
    Ok(edited(text, now, name, vec![]))
}

/// Takes out every hook that is as we wrote it. Those that were changed since stay and are told.
pub fn uninstall(agent: Hooked, text: Option<&str>, name: &str) -> Result<Edited, Broken> {
    let now = without(agent, text.map(str::to_owned), &|mark| mark.hook.is_ok())?;
    let left = match &now {
        Some(now) => changed(agent, now, &read(agent, now)?),
        None => vec![],
    };
    Ok(edited(text, now, name, left))
}

/// Looks for it.
pub fn status(agent: Hooked, text: Option<&str>) -> Result<Status, Broken> {
    let (text, manner) = (text.unwrap_or_default(), agent.manner());
    let document = read(agent, text)?;
    let found: Vec<Found> = marks(agent, text, &document)
        .into_iter()
        .filter_map(|mark| Some(Found { line: line_of(text, mark.at), event: mark.event, hook: mark.hook.ok()? }))
        .collect();
    let missing = match found.is_empty() {
        true => vec![],
        false => manner.events.iter().filter(|e| !found.iter().any(|f| f.event == **e)).copied().collect(),
    };
    let obstacle = document.root.as_ref().and_then(manner.obstacle);
    Ok(Status {
        found,
        missing,
        changed: changed(agent, text, &document),
        obstacle: obstacle.map(|o| format!("line {}: {}", line_of(text, o.at), o.what)),
        notes: manner.notes,
    })
}

fn edited(before: Option<&str>, after: Option<String>, name: &str, left: Vec<Left>) -> Edited {
    let diff = diff::unified(before, after.as_deref(), name);
    Edited { before: before.map(str::to_owned), after, diff, left }
}

fn changed(agent: Hooked, text: &str, document: &Document) -> Vec<Left> {
    let told = |mark: Mark| Some(Left { line: line_of(text, mark.at), event: mark.event, what: mark.hook.err()? });
    marks(agent, text, document).into_iter().filter_map(told).collect()
}

fn read(agent: Hooked, text: &str) -> Result<Document, Broken> {
    let document = Document::read(text, agent.manner().comments)?;
    match &document.root {
        Some(root) if root.members().is_none() => {
            Err(Broken::at(text, root.start, "settings are an object, this is none"))
        }
        None if !text.trim_start_matches('\u{feff}').bytes().all(text::is_space) => {
            Err(Broken::at_line(1, 1, "there is nothing but comments; write {} below them first".into()))
        }
        _ => Ok(document),
    }
}

fn check_path(exe: &str, manner: &Manner) -> Result<(), Broken> {
    let refuse = |what: &str| Err(Broken::at_line(0, 0, format!("redkey's own path {exe:?} {what}")));
    match exe {
        _ if !exe.starts_with('/') => refuse("is not absolute"),
        _ if exe.chars().any(char::is_control) => refuse("has a control character in it"),
        _ if manner.expands_dollar && exe.contains('$') => refuse("has a $ in it, which this agent would replace"),
        _ => Ok(()),
    }
}

/// The one group of one hook that stands under an event.
fn group(agent: Hooked, hook: &Hook) -> Out {
    let manner = agent.manner();
    let quoted = |text: &str| Out::Leaf(serde_json::Value::from(text).to_string());
    let timeout = find::timeout(hook, manner);
    let mut entry = Vec::new();
    entry.extend(manner.name.map(|name| ("name", quoted(name))));
    entry.push(("type", quoted("command")));
    entry.push(("command", quoted(&command::write(hook, agent))));
    entry.push(("timeout", Out::Leaf(timeout.to_string())));
    Out::Object(vec![("hooks", Out::Array(vec![Out::Object(entry)]))])
}

/// Puts the hook under one event, unless it is there.
fn with_event(agent: Hooked, text: Option<String>, event: &'static str, hook: &Hook) -> Result<Option<String>, Broken> {
    let there = text.as_deref().unwrap_or_default();
    let document = read(agent, there)?;
    if marks(agent, there, &document).iter().any(|mark| mark.event == event && mark.hook.is_ok()) {
        return Ok(text);
    }
    let layout = Layout::of(there, document.root.as_ref());
    let append = |into: &Node, key, out: &Out| layout.append(there, &document.plain, into, key, out);
    let group = group(agent, hook);
    let Some(root) = &document.root else {
        let whole = Out::Object(vec![("hooks", Out::Object(vec![(event, Out::Array(vec![group]))]))]);
        return Ok(Some(match &text {
            None => layout.file(&whole),
            Some(blank) => layout.behind(blank, &whole),
        }));
    };
    let Some(hooks) = only(there, root, "hooks")? else {
        let hooks = Out::Object(vec![(event, Out::Array(vec![group]))]);
        return Ok(Some(append(root, Some("hooks"), &hooks)));
    };
    if hooks.members().is_none() {
        return Err(Broken::at(there, hooks.start, "`hooks` should be an object"));
    }
    let Some(groups) = only(there, hooks, event)? else {
        return Ok(Some(append(hooks, Some(event), &Out::Array(vec![group]))));
    };
    match groups.items() {
        Some(_) => Ok(Some(append(groups, None, &group))),
        None => Err(Broken::at(there, groups.start, format!("`hooks.{event}` should be an array"))),
    }
}

/// The value of a key that must not be there twice.
fn only<'a>(text: &str, object: &'a Node, key: &str) -> Result<Option<&'a Node>, Broken> {
    let mut found = object.members().unwrap_or_default().iter().filter(|member| member.key == key);
    let first = found.next();
    match found.next() {
        Some(second) => Err(Broken::at(text, second.start, format!("`{key}` is there a second time"))),
        None => Ok(first.map(|member| &member.value)),
    }
}

/// Takes out what `which` picks, the last put in first.
fn without(agent: Hooked, mut text: Option<String>, which: &dyn Fn(&Mark) -> bool) -> Result<Option<String>, Broken> {
    while let Some(now) = text.as_deref() {
        let document = read(agent, now)?;
        let there = marks(agent, now, &document);
        let order = |mark: &&Mark| agent.events().iter().position(|event| **event == mark.event);
        let (Some(mark), Some(root)) = (there.iter().filter(|mark| which(mark)).max_by_key(order), &document.root)
        else {
            break;
        };
        text = take_out(now, &document.plain, root, mark);
    }
    Ok(text)
}

/// Takes out one hook and, from the inside, every bracket that was made for it.
fn take_out(text: &str, plain: &str, root: &Node, mark: &Mark) -> Option<String> {
    let step = |node: &Node, number: usize| (!was_made_for(text, node)).then(|| remove(text, plain, node, number));
    let [in_root, in_hooks, in_event] = mark.place;
    let hooks = &root.members()?[in_root].value;
    let groups = &hooks.members()?[in_hooks].value;
    if let Some(text) = step(groups, in_event).or_else(|| step(hooks, in_hooks)).or_else(|| step(root, in_root)) {
        return Some(text);
    }
    let (before, behind) = (&text[..root.start], &text[root.end..]);
    match (before, behind) {
        ("", "\n" | "\r\n") => None,
        (_, "") => Some(before.to_owned()),
        _ => Some(format!("{before}{{}}{behind}")),
    }
}
