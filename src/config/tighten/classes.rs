//! Which change of a class is tighter: what commands and tools count as.

use std::collections::BTreeMap;

use globset::{Glob, GlobMatcher};

use super::Loosening;
use crate::config::key::KeyPath;
use crate::domain::policy::{ShellClass, ToolClass};

type ShellTable = BTreeMap<String, ShellClass>;
type ToolTables = BTreeMap<String, BTreeMap<String, ToolClass>>;

/// A project's shell lines.
pub fn shell(found: &mut Vec<Loosening>, was: &ShellTable, own: &ShellTable) {
    for (pattern, now) in own {
        let was = was.get(pattern).copied();
        if !shell_may_become(was, *now) {
            let path = KeyPath::default().key("shell").key(pattern);
            found.push(Loosening {
                path,
                was: was.map_or("no line, so an execution".into(), |class| shell_name(class).into()),
            });
        }
    }
}

/// Of several lines that match a command the gravest counts, and a command without a line is an execution. So a new
/// line is tighter unless it calls something harmless, or a proof of the work so far.
fn shell_may_become(was: Option<ShellClass>, now: ShellClass) -> bool {
    use ShellClass::{Execute, Irreversible, IrreversibleOutside, Network, Off, Read, Verify};
    match (was, now) {
        (Some(was), now) if was == now => true,
        (_, Off | Read | Verify) => false,
        (Some(Irreversible), _) => false,
        (_, Irreversible) => true,
        // Neither of these two is graver everywhere: inside the project the second is an ordinary execution.
        (Some(Network), _) | (Some(IrreversibleOutside), _) => false,
        (None | Some(Off | Read | Execute | Verify), Execute | Network | IrreversibleOutside) => true,
    }
}

fn shell_name(class: ShellClass) -> &'static str {
    match class {
        ShellClass::Off => "off",
        ShellClass::Read => "read",
        ShellClass::Execute => "execute",
        ShellClass::Verify => "verify",
        ShellClass::Network => "network",
        ShellClass::IrreversibleOutside => "irreversible-outside",
        ShellClass::Irreversible => "irreversible",
    }
}

/// A project's tool lines.
pub fn tools(found: &mut Vec<Loosening>, was: &ToolTables, own: &ToolTables) {
    for (table, lines) in own {
        for (tool, now) in lines {
            let rivals = rivals(was, table, tool);
            if let Some((name, class)) = rivals.into_iter().find(|(_, class)| !tool_may_become(*class, *now)) {
                let path = KeyPath::default().key("tools").key(table).key(tool);
                let was = match name {
                    Some(name) if name != *tool => format!("{}, by `{name}`", tool_name(class)),
                    Some(_) => tool_name(class).to_owned(),
                    None => format!("{}, as for every tool without a line", tool_name(class)),
                };
                found.push(Loosening { path, was });
            }
        }
    }
}

/// What could decide for a tool before the project's line does: the exact line, or all that the line would hide.
fn rivals<'a>(was: &'a ToolTables, table: &str, tool: &str) -> Vec<(Option<&'a str>, ToolClass)> {
    let lines = |name: &str| was.get(name).into_iter().flatten().map(|(name, class)| (Some(name.as_str()), *class));
    if let Some((name, class)) = was.get(table).and_then(|lines| lines.get_key_value(tool)) {
        return vec![(Some(name.as_str()), *class)];
    }
    let is_pattern = |name: &str| name.contains('*');
    let pattern = matcher(tool);
    let could_be_same = |name: Option<&str>| {
        let name = name.unwrap_or_default();
        match (is_pattern(tool), is_pattern(name)) {
            // Two patterns: whether any name matches both is not looked into.
            (true, true) => true,
            (true, false) => pattern.as_ref().is_none_or(|p| p.is_match(name)),
            (false, true) => matcher(name).is_none_or(|p| p.is_match(tool)),
            (false, false) => tool == name,
        }
    };
    // A line for one tool goes before patterns of its own table, and an agent's own table goes before `any`.
    let own = lines(table).filter(|(name, _)| name.is_none_or(is_pattern));
    let any = lines("any").filter(|_| table != "any");
    let hidden: Vec<_> = own.chain(any).filter(|(name, _)| could_be_same(*name)).collect();
    if hidden.is_empty() || is_pattern(tool) {
        return hidden.into_iter().chain([(None, ToolClass::Other)]).collect();
    }
    hidden
}

fn matcher(pattern: &str) -> Option<GlobMatcher> {
    Glob::new(pattern).ok().map(|glob| glob.compile_matcher())
}

/// Dearer, never a proof, never a pause; and an execution stays one, because only then is its command line looked at.
fn tool_may_become(was: ToolClass, now: ToolClass) -> bool {
    use ToolClass::{Ask, Execute, Irreversible, Network, Other, Read, Spawn, Verify, Write};
    match (was, now) {
        (was, now) if was == now => true,
        (_, Irreversible) => true,
        (_, Ask | Verify | Read) | (Irreversible | Execute | Spawn, _) => false,
        (Ask | Read | Other, _) => true,
        // Written work lengthens the unverified chain, which what merely reaches out does not.
        (Write, now) => now == Execute,
        (Network, now) => now == Spawn,
        (Verify, now) => matches!(now, Execute | Network | Spawn),
    }
}

fn tool_name(class: ToolClass) -> &'static str {
    match class {
        ToolClass::Read => "read",
        ToolClass::Write => "write",
        ToolClass::Execute => "execute",
        ToolClass::Network => "network",
        ToolClass::Spawn => "spawn",
        ToolClass::Verify => "verify",
        ToolClass::Irreversible => "irreversible",
        ToolClass::Ask => "ask",
        ToolClass::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: [ShellClass; 7] = [
        ShellClass::Off,
        ShellClass::Read,
        ShellClass::Execute,
        ShellClass::Verify,
        ShellClass::Network,
        ShellClass::IrreversibleOutside,
        ShellClass::Irreversible,
    ];
    const TOOLS: [ToolClass; 9] = [
        ToolClass::Read,
        ToolClass::Write,
        ToolClass::Execute,
        ToolClass::Network,
        ToolClass::Spawn,
        ToolClass::Verify,
        ToolClass::Irreversible,
        ToolClass::Ask,
        ToolClass::Other,
    ];

    #[test]
    fn no_class_can_be_lowered_by_going_round() {
        for a in SHELL {
            for b in SHELL.into_iter().filter(|b| *b != a && shell_may_become(Some(a), *b)) {
                assert!(!shell_may_become(Some(b), a), "{a:?} and {b:?} may each become the other");
            }
        }
        for a in TOOLS {
            for b in TOOLS.into_iter().filter(|b| *b != a && tool_may_become(a, *b)) {
                assert!(!tool_may_become(b, a), "{a:?} and {b:?} may each become the other");
            }
        }
    }

    #[test]
    fn new_shell_lines_are_never_harmless_or_a_proof() {
        let allowed: Vec<_> = SHELL.into_iter().filter(|class| shell_may_become(None, *class)).collect();
        assert_eq!(
            allowed,
            [ShellClass::Execute, ShellClass::Network, ShellClass::IrreversibleOutside, ShellClass::Irreversible]
        );
    }

    #[test]
    fn tools_keep_what_hidden_lines_said() {
        let table = |lines: &[(&str, ToolClass)]| lines.iter().map(|(n, c)| ((*n).to_owned(), *c)).collect();
        let was: ToolTables = [
            ("any".to_owned(), table(&[("mcp__*", ToolClass::Other), ("mcp__pay__*", ToolClass::Irreversible)])),
            ("claude".to_owned(), table(&[("Bash", ToolClass::Execute), ("WebFetch", ToolClass::Network)])),
        ]
        .into();
        for (agent, tool, class, ok) in [
            ("claude", "Bash", ToolClass::Irreversible, true),
            ("claude", "Bash", ToolClass::Network, false),
            ("claude", "WebFetch", ToolClass::Other, false),
            ("claude", "Deploy", ToolClass::Irreversible, true),
            ("claude", "Deploy", ToolClass::Other, true),
            ("claude", "Deploy", ToolClass::Ask, false),
            ("claude", "mcp__x__y", ToolClass::Network, true),
            ("claude", "mcp__pay__now", ToolClass::Network, false),
            ("claude", "mcp__*", ToolClass::Network, false),
            ("claude", "Web*", ToolClass::Irreversible, true),
            ("any", "mcp__pay__now", ToolClass::Other, false),
            ("codex", "*", ToolClass::Read, false),
        ] {
            let own: ToolTables = [(agent.to_owned(), table(&[(tool, class)]))].into();
            let mut found = Vec::new();
            tools(&mut found, &was, &own);
            assert_eq!(found.is_empty(), ok, "{agent} {tool} {class:?}: {found:?}");
        }
    }
}
