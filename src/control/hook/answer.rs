//! PURE. What is said back to the agent: a line on standard output, one on standard error, an exit code.
//!
//! Every combination here was tried with the agent; those that let a call through are not in use:
//!
//! | agent | what fails open |
//! | --- | --- |
//! | Claude Code | `continue: false` without a denial (the call still runs); any exit code but 0 and 2; a late answer |
//! | Codex | `continue: false` on PreToolUse, even with a denial: the answer counts as invalid, the call runs; any exit code but 0 and 2, and 2 without a word on standard error; a late answer |
//! | Gemini CLI | the same, but for `continue: false` |
//!
//! `Allow` says nothing: a person's yes opens redkey's gate, not the agent's own question to its user.

use serde_json::{Value, json};

use super::settings::Hooked;
use crate::control::protocol::HookAnswer;
use crate::domain::text::Text;

/// When in the agent's work it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before a tool call: it can be refused.
    Before,
    /// After a call: nothing is left to refuse, but the run can end.
    After,
    /// Before what a person wrote is worked on.
    Prompt,
    /// At the end of a turn: refusing this would make the agent go on.
    Finish,
    /// An event that redkey does not install itself for.
    Other,
}

impl Moment {
    pub fn of(event: &str) -> Self {
        match event {
            "PreToolUse" | "BeforeTool" => Moment::Before,
            "PostToolUse" | "PostToolUseFailure" | "AfterTool" => Moment::After,
            "UserPromptSubmit" | "BeforeAgent" => Moment::Prompt,
            "Stop" | "SubagentStop" | "AfterAgent" | "SessionEnd" => Moment::Finish,
            _ => Moment::Other,
        }
    }
}

/// What the hook's process leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// One whole line with its end, or nothing.
    pub stdout: String,
    /// Likewise.
    pub stderr: String,
    /// 0 or 2.
    pub code: u8,
}

impl Said {
    fn json(value: &Value) -> Self {
        Self { stdout: format!("{value}\n"), ..Self::default() }
    }

    /// Exit code 2: the agent refuses and shows its model what stands on standard error.
    fn refuse(why: &str) -> Self {
        Self { stderr: format!("{why}\n"), code: 2, ..Self::default() }
    }
}

/// The answer in the agent's own way.
pub fn say(agent: Hooked, event: &str, answer: &HookAnswer) -> Said {
    let moment = Moment::of(event);
    match answer {
        HookAnswer::Pass | HookAnswer::Allow { .. } => Said::default(),
        HookAnswer::Deny { why } => deny(agent, event, moment, &reason(why, "this call was refused")),
        HookAnswer::End { why } => end(agent, event, moment, &reason(why, "this run was stopped")),
    }
}

fn reason(why: &Text, otherwise: &str) -> String {
    format!("redkey: {}", if why.is_empty() { otherwise } else { why.as_str() })
}

/// redkey itself could not answer: refused, wherever there is something to refuse. `agent`, `moment`: as far as known.
pub fn failed(moment: Moment, agent: Hooked, why: &str) -> Said {
    let why = format!(
        "redkey: no answer to this hook ({}), so it is refused; to go on without redkey: redkey hook uninstall {}",
        Text::new(why),
        agent.name()
    );
    match moment {
        // Code 2 would make the agent go on, or it would hear of a failure that changes nothing.
        Moment::Finish | Moment::After => Said { stderr: format!("{why}\n"), ..Said::default() },
        _ => Said::refuse(&why),
    }
}

fn deny(agent: Hooked, event: &str, moment: Moment, why: &str) -> Said {
    match (moment, agent) {
        (Moment::Before, Hooked::Claude) => Said::json(&json!({ "hookSpecificOutput": denial(event, why) })),
        (Moment::Before, Hooked::Gemini) => Said::json(&json!({ "decision": "deny", "reason": why })),
        (Moment::Prompt, Hooked::Codex | Hooked::Gemini) => Said::json(&halt(why)),
        // The next call is asked about again.
        (Moment::After | Moment::Finish, _) => Said::default(),
        _ => Said::refuse(why),
    }
}

fn end(agent: Hooked, event: &str, moment: Moment, why: &str) -> Said {
    match (moment, agent) {
        (Moment::Before, Hooked::Claude) => {
            let mut both = halt(why);
            both["hookSpecificOutput"] = denial(event, why);
            Said::json(&both)
        }
        (Moment::Before | Moment::After, Hooked::Gemini) => Said::json(&halt(why)),
        (Moment::After | Moment::Finish, Hooked::Claude) => Said::json(&halt(why)),
        (Moment::Prompt, _) => Said::json(&halt(why)),
        (Moment::After | Moment::Finish, _) => Said::default(),
        _ => Said::refuse(why),
    }
}

fn halt(why: &str) -> Value {
    json!({ "continue": false, "stopReason": why })
}

/// Claude Code's refusal of a call.
fn denial(event: &str, why: &str) -> Value {
    json!({ "hookEventName": event, "permissionDecision": "deny", "permissionDecisionReason": why })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [(&str, Moment); 12] = [
        ("PreToolUse", Moment::Before),
        ("BeforeTool", Moment::Before),
        ("PostToolUse", Moment::After),
        ("PostToolUseFailure", Moment::After),
        ("AfterTool", Moment::After),
        ("UserPromptSubmit", Moment::Prompt),
        ("BeforeAgent", Moment::Prompt),
        ("Stop", Moment::Finish),
        ("SubagentStop", Moment::Finish),
        ("AfterAgent", Moment::Finish),
        ("SessionStart", Moment::Other),
        ("", Moment::Other),
    ];

    fn why() -> Text {
        Text::new("the clock is at \"zero\"\n{}")
    }

    fn answers() -> [HookAnswer; 4] {
        [
            HookAnswer::Pass,
            HookAnswer::Allow { why: why() },
            HookAnswer::Deny { why: why() },
            HookAnswer::End { why: why() },
        ]
    }

    /// What the recorded agents do with what was said, for a call: does it run?
    fn call_runs(agent: Hooked, said: &Said) -> bool {
        if said.code == 2 {
            return false;
        }
        assert_eq!(said.code, 0, "anything else lets the call through");
        if said.stdout.is_empty() {
            return true;
        }
        let json: Value = serde_json::from_str(&said.stdout).expect("one JSON object");
        let halts = json["continue"] == false;
        match agent {
            Hooked::Claude => json["hookSpecificOutput"]["permissionDecision"] != "deny",
            Hooked::Codex => halts || json["hookSpecificOutput"]["permissionDecision"] != "deny",
            Hooked::Gemini => !halts && json["decision"] != "deny",
        }
    }

    #[test]
    fn no_refusal_lets_a_call_through() {
        for agent in Hooked::ALL {
            for (event, moment) in EVENTS {
                assert_eq!(Moment::of(event), moment);
                for answer in answers() {
                    let said = say(agent, event, &answer);
                    assert!(
                        said.stdout.is_empty() || (said.stdout.ends_with('\n') && said.stdout.lines().count() == 1)
                    );
                    assert!(
                        said.code == 0 || said.stdout.is_empty(),
                        "{agent:?} {event}: JSON with code 2 is not read"
                    );
                    let refuses = matches!(answer, HookAnswer::Deny { .. } | HookAnswer::End { .. });
                    match (moment, refuses) {
                        (_, false) => assert_eq!(said, Said::default()),
                        (Moment::Before | Moment::Other, true) => {
                            assert!(!call_runs(agent, &said), "{agent:?} {event}")
                        }
                        (Moment::Finish | Moment::After, true) => assert_eq!(said.code, 0, "{agent:?} {event}"),
                        (Moment::Prompt, true) => {
                            assert!(said.code == 2 || said.stdout.contains("\"continue\":false"), "{agent:?} {event}")
                        }
                    }
                }
                let said = failed(moment, agent, "the meter\x1b[2J is gone");
                assert_eq!(said.code == 2, !matches!(moment, Moment::Finish | Moment::After));
                assert!(said.stdout.is_empty() && said.stderr.lines().count() == 1 && !said.stderr.contains('\x1b'));
            }
        }
    }

    #[test]
    fn the_table() {
        let end = HookAnswer::End { why: "at zero".into() };
        let deny = HookAnswer::Deny { why: "no".into() };
        let denied = |why: &str| {
            format!(
                r#""hookSpecificOutput":{{"hookEventName":"PreToolUse","permissionDecision":"deny","permissionDecisionReason":"{why}"}}"#
            )
        };
        let halt = r#""continue":false,"stopReason":"redkey: at zero""#;
        let table: [(Hooked, &str, &HookAnswer, String, u8); 17] = [
            (Hooked::Claude, "PreToolUse", &deny, format!("{{{}}}", denied("redkey: no")), 0),
            (Hooked::Claude, "PreToolUse", &end, format!("{{{halt},{}}}", denied("redkey: at zero")), 0),
            (Hooked::Claude, "PostToolUse", &deny, String::new(), 0),
            (Hooked::Claude, "PostToolUse", &end, format!("{{{halt}}}"), 0),
            (Hooked::Claude, "UserPromptSubmit", &deny, String::new(), 2),
            (Hooked::Claude, "UserPromptSubmit", &end, format!("{{{halt}}}"), 0),
            (Hooked::Claude, "Stop", &end, format!("{{{halt}}}"), 0),
            (Hooked::Claude, "SessionStart", &end, String::new(), 2),
            (Hooked::Codex, "PreToolUse", &deny, String::new(), 2),
            (Hooked::Codex, "PreToolUse", &end, String::new(), 2),
            (Hooked::Codex, "PostToolUse", &end, String::new(), 0),
            (Hooked::Codex, "UserPromptSubmit", &end, format!("{{{halt}}}"), 0),
            (Hooked::Gemini, "BeforeTool", &deny, r#"{"decision":"deny","reason":"redkey: no"}"#.into(), 0),
            (Hooked::Gemini, "BeforeTool", &end, format!("{{{halt}}}"), 0),
            (Hooked::Gemini, "AfterTool", &end, format!("{{{halt}}}"), 0),
            (Hooked::Gemini, "BeforeAgent", &end, format!("{{{halt}}}"), 0),
            (Hooked::Gemini, "AfterAgent", &end, String::new(), 0),
        ];
        for (agent, event, answer, stdout, code) in table {
            let said = say(agent, event, answer);
            let sort = |text: &str| serde_json::from_str::<Value>(text).ok();
            assert_eq!((sort(&said.stdout), said.code), (sort(&stdout), code), "{agent:?} {event} {answer:?}");
            assert_eq!(!said.stderr.is_empty(), code == 2);
        }
    }
}
