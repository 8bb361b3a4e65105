//! PURE. Finding our hooks in a settings file, and telling those as we wrote them from those that were changed.

use super::text::{Document, Kind, Node};
use super::{Hook, Hooked, LEAST_S, MARGIN_S, Manner, command};

/// A hook that is ours, or was.
pub(super) struct Mark {
    pub event: String,
    /// Where it stands in the text.
    pub at: usize,
    /// The number of `hooks` in the root, of the event in `hooks`, of the group in the event.
    pub place: [usize; 3],
    /// As we wrote it; else what is different.
    pub hook: Result<Hook, String>,
}

/// What we write as the agent's own time limit.
pub(super) fn timeout(hook: &Hook, manner: &Manner) -> u64 {
    (u64::from(hook.within_s) + MARGIN_S).max(LEAST_S) * manner.second
}

/// All of them, in the order of the text.
pub(super) fn marks(agent: Hooked, text: &str, document: &Document) -> Vec<Mark> {
    debug_assert_eq!(text.len(), document.plain.len());
    let mut marks = Vec::new();
    let members = document.root.as_ref().and_then(Node::members).unwrap_or_default();
    for (in_root, hooks) in members.iter().enumerate().filter(|(_, member)| member.key == "hooks") {
        for (in_hooks, event) in hooks.value.members().unwrap_or_default().iter().enumerate() {
            for (in_event, group) in event.value.items().unwrap_or_default().iter().enumerate() {
                for entry in entries(group).iter().filter(|entry| is_like_ours(agent, entry)) {
                    marks.push(Mark {
                        event: event.key.clone(),
                        at: entry.start,
                        place: [in_root, in_hooks, in_event],
                        hook: as_written(agent, &event.key, group, entry),
                    });
                }
            }
        }
    }
    marks
}

fn entries(group: &Node) -> &[Node] {
    group.get("hooks").and_then(Node::items).unwrap_or_default()
}

fn is_like_ours(agent: Hooked, entry: &Node) -> bool {
    entry.get("command").and_then(Node::text).is_some_and(|text| command::resembles(text, agent))
}

/// The hook, if group and entry are in every part what we write; else the first part that isn't.
fn as_written(agent: Hooked, event: &str, group: &Node, entry: &Node) -> Result<Hook, String> {
    let manner = agent.manner();
    let text = entry.get("command").and_then(Node::text).unwrap_or_default();
    let hook = command::read(text, agent).ok_or("its command was changed")?;
    if !manner.events.contains(&event) {
        return Err("it stands under another event".into());
    }
    let keys = |node: &Node| -> Vec<String> {
        let mut keys: Vec<_> = node.members().unwrap_or_default().iter().map(|member| member.key.clone()).collect();
        keys.sort();
        keys
    };
    if keys(group) != ["hooks"] {
        return Err("its group was given more than `hooks`".into());
    }
    if entries(group).len() != 1 {
        return Err("other hooks stand in its group".into());
    }
    let expected: &[&str] = match manner.name {
        Some(_) => &["command", "name", "timeout", "type"],
        None => &["command", "timeout", "type"],
    };
    if keys(entry) != expected {
        return Err(format!("it has other keys than {}", expected.join(", ")));
    }
    if entry.get("type").and_then(Node::text) != Some("command") {
        return Err("its type was changed".into());
    }
    if entry.get("name").and_then(Node::text) != manner.name {
        return Err("its name was changed".into());
    }
    match entry.get("timeout").map(|node| &node.kind) {
        Some(Kind::Plain(number)) if *number == timeout(&hook, manner).to_string() => Ok(hook),
        _ => Err("its timeout was changed".into()),
    }
}
