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
            // A tool that nobody knows and that is given a command is taken to run it: agents rename their tools.
            ToolClass::Other if because.is_some() || input.command.is_none() => None,
            ToolClass::Execute | ToolClass::Other => match &input.command {
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
        let fit = self.gates.iter().filter(|(pattern, _)| pattern.matches(command));
        let decides = fit.max_by_key(|(pattern, held)| (pattern.length(), *held));
        if let Some((pattern, true)) = decides {
            return Some(format!("gate.patterns.\"{}\"", pattern.as_str()));
        }
        let (class, pattern, _) = self.classify_command(command, here, cwd);
        if class != ShellClass::Irreversible || !self.policy.gate.irreversible || decides.is_some() {
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
            ("[gate.patterns]\n\"git push\" = true\n\"git push * wip/*\" = false", "git push origin wip/x", None),
            ("[gate.patterns]\n\"make a\" = true\n\"make *\" = false", "make a", Some("gate.patterns.\"make a\"")),
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
    fn a_tool_by_any_other_name_is_held() {
        let push = ToolInput::from_command("git push");
        for (agent, tool, held) in [
            (Agent::Codex, "Bash", true),
            (Agent::Codex, "exec_command", true),
            (Agent::Claude, "Bash", true),
            (Agent::Gemini, "run_shell_command", true),
            (Agent::Gemini, "run_anything", true),
            (Agent::Claude, "Read", false),
            (Agent::Claude, "mcp__x__run", false),
        ] {
            assert_eq!(rules("").gate(agent, &tool.into(), &push, "/w").is_some(), held, "{agent:?} {tool}");
        }
    }

    /// What the recorded agents call their shell when they ask is what the policy calls it.
    #[test]
    fn the_tools_that_hooks_name_are_known() {
        let rules = Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap();
        for agent in [Agent::Claude, Agent::Codex, Agent::Gemini] {
            let path = format!("{}/tests/fixtures/{}/hook_inputs.jsonl", env!("CARGO_MANIFEST_DIR"), agent.name());
            for line in std::fs::read_to_string(path).unwrap().lines() {
                let call: serde_json::Value = serde_json::from_str(line).unwrap();
                let Some(tool) = call["tool_name"].as_str() else { continue };
                let (_, because) = rules.tool_class(agent, tool, &ToolInput::default());
                assert!(because.is_some(), "{agent:?} {tool}");
            }
        }
    }

    #[test]
    fn ways_out_of_the_run_are_held_and_ordinary_work_is_not() {
        let rules = Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap();
        let held = |line: &str| rules.gate(Agent::Claude, &"Bash".into(), &ToolInput::from_command(line), "/work/app");
        for line in [
            "tmux new-session -d -s x 'npm start'",
            "tmux new -d top",
            "tmux -L own new -d top",
            "tmux send-keys -t x 'make' Enter",
            "tmux -L own send-keys -t x make",
            "screen -dmS x make",
            "screen -S x -X stuff make",
            "systemd-run --user make",
            "sudo systemd-run -p X=1 make",
            "echo make | at now",
            "at now + 1 minute < x",
            "batch < x",
            "crontab x",
            "crontab -",
            "(crontab -l; echo '* * * * * x') | crontab -",
            "ssh host make",
            "ssh -p 22 user@host",
            "nohup setsid make &",
            "setsid -f make",
            "(setsid make >/dev/null 2>&1 &)",
            "docker run -d nginx",
            "docker run --rm -itd nginx",
            "podman run --detach nginx",
            "docker compose up -d",
            "docker compose -f x.yml up --detach",
            "docker-compose up -d",
            "start-stop-daemon --start --exec x",
            "bash -c 'ssh host make'",
        ] {
            let because = held(line);
            assert!(because.as_ref().is_some_and(|why| why.starts_with("gate.patterns")), "{line}: {because:?}");
        }
        for line in [
            "tmux ls",
            "tmux capture-pane -p -t x",
            "tmux kill-session -t x",
            "screen -ls",
            "at -l",
            "crontab -l",
            "ssh -V",
            "ssh -T git@github.com",
            "git clone git@github.com:a/b.git",
            "scp a host:b",
            "ssh-keygen -l -f x",
            "nohup npm start &",
            "npm start > log 2>&1 & disown",
            "docker run --rm -it nginx nginx -V",
            "docker ps",
            "docker compose up db",
            "docker compose logs -f",
            "cat batch.txt",
            "grep -rn ssh .",
        ] {
            assert_eq!(held(line), None, "{line}");
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
