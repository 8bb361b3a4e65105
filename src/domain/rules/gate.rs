//! Which calls are held until a person answers.

use super::here::Here;
use super::{BadPattern, Rules};
use crate::domain::event::Agent;
use crate::domain::policy::{Policy, ShellClass, ToolClass};
use crate::domain::shell::{self, Pattern, Simple};
use crate::domain::text::Text;
use crate::domain::tool::{MAX_COMMAND, ToolInput};

pub(super) fn compile(policy: &Policy) -> Result<Vec<(Pattern, bool)>, BadPattern> {
    let one = |(text, held): (&String, &bool)| {
        let place = format!("gate.patterns.\"{text}\"");
        Pattern::parse(text).map(|pattern| (pattern, *held)).map_err(|why| BadPattern { place, why })
    };
    policy.gate.patterns.iter().map(one).collect()
}

impl Rules {
    /// The policy's line by which a call is held; `None`: it is not. What can't be looked through is held.
    pub fn gate(&self, agent: Agent, tool: &Text, input: &ToolInput, cwd: &str) -> Option<String> {
        let (class, because) = self.tool_class(agent, tool.as_str(), input);
        match class {
            ToolClass::Irreversible if self.policy.gate.irreversible => because.or(Some("irreversible".into())),
            ToolClass::Execute => match &input.command {
                // Characters are not cut apart, so what was cut may be a little shorter.
                Some(command) if command.len() + 4 > MAX_COMMAND => Some("too long to be looked through".into()),
                Some(command) => self.gate_shell(command, cwd),
                None => input.partial.then(|| "its command can't be read".into()),
            },
            _ => None,
        }
    }

    /// The first command of a line that is held. Each is judged by itself: an exempt one excuses none beside it.
    fn gate_shell(&self, line: &str, cwd: &str) -> Option<String> {
        let mut here = Here::new(cwd);
        shell::commands(line).iter().find_map(|command| {
            if here.follow(command) {
                return None;
            }
            self.gate_command(command, &here, cwd)
        })
    }

    fn gate_command(&self, command: &Simple, here: &Here, cwd: &str) -> Option<String> {
        let matching = |wanted: bool| self.gates.iter().find(|(p, held)| *held == wanted && p.matches(command));
        if let Some((pattern, _)) = matching(true) {
            return Some(format!("gate.patterns.\"{}\"", pattern.as_str()));
        }
        let (class, pattern, _) = self.classify_command(command, here, cwd);
        if class != ShellClass::Irreversible || !self.policy.gate.irreversible || matching(false).is_some() {
            return None;
        }
        let line = pattern.map(|i| format!("shell.\"{}\"", self.shell.patterns[i].0.as_str()));
        line.or(Some("irreversible".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::EMBEDDED;

    fn rules(more: &str) -> Rules {
        let mut policy: Policy = toml::from_str(EMBEDDED).unwrap();
        let own: Policy = toml::from_str(more).unwrap();
        policy.gate.patterns = own.gate.patterns;
        policy.gate.irreversible = !more.contains("irreversible = false");
        Rules::compile(policy).unwrap()
    }

    #[test]
    fn what_cannot_be_taken_back_is_held_and_each_command_counts() {
        let own = "[gate.patterns]\n\"git push origin wip/*\" = false\n\"make deploy\" = true\n\"make|cp\" = false\n";
        for (more, line, held) in [
            ("", "git push origin main", Some("shell.\"git push\"")),
            ("", "cargo test && cd /x && git push", Some("shell.\"git push\"")),
            ("", "cargo test", None),
            ("", "rm -rf build", None),
            ("", "rm -rf /etc", Some("shell.\"rm -r|-R|--recursive\"")),
            ("", "bash -c 'git push'", Some("shell.\"git push\"")),
            (own, "git push origin wip/x", None),
            (own, "git push origin wip/x; git push origin main", Some("shell.\"git push\"")),
            (own, "make deploy", Some("gate.patterns.\"make deploy\"")),
            (own, "make test", None),
            ("[gate]\nirreversible = false\n[gate.patterns]\n\"ls\" = true", "git push", None),
            ("[gate]\nirreversible = false\n[gate.patterns]\n\"ls\" = true", "ls", Some("gate.patterns.\"ls\"")),
        ] {
            let input = ToolInput::from_command(line);
            let found = rules(more).gate(Agent::Claude, &"Bash".into(), &input, "/work/app");
            assert_eq!(found.as_deref(), held, "{line} under {more}");
        }
    }

    #[test]
    fn what_cannot_be_looked_through_is_held() {
        let long = ToolInput::from_command(&format!("echo {}; true", "a".repeat(MAX_COMMAND)));
        let torn = ToolInput { partial: true, ..ToolInput::default() };
        for (tool, input, held) in [("Bash", &long, true), ("Bash", &torn, true), ("Read", &torn, false)] {
            assert_eq!(rules("").gate(Agent::Claude, &tool.into(), input, "/w").is_some(), held, "{tool}");
        }
    }
}
