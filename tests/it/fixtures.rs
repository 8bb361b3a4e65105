//! Recorded streams of the real agents: totals are what the agents themselves reported.

use serde_json::Value;

use crate::support::{Home, fixture};

fn expected() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(fixture("EXPECTED.json")).expect("EXPECTED.json");
    match serde_json::from_str(&text).expect("JSON") {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

fn number(value: &Value, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| value.get(name).and_then(Value::as_u64))
}

/// `(input without cache, output, cache read, cache write)` as the agent's own usage says.
fn usage(agent: &str, u: &Value) -> [u64; 4] {
    let get = |names: &[&str]| number(u, names).unwrap_or(0);
    match agent {
        "claude" => [
            get(&["inputTokens"]),
            get(&["outputTokens"]),
            get(&["cacheReadInputTokens"]),
            get(&["cacheCreationInputTokens"]),
        ],
        "codex" => {
            let cached = get(&["cached_input_tokens"]);
            [get(&["input_tokens"]) - cached, get(&["output_tokens"]), cached, get(&["cache_write_input_tokens"])]
        }
        "gemini" => [get(&["input_tokens"]) - get(&["cached"]), get(&["output_tokens"]), get(&["cached"]), 0],
        "qwen" => {
            let cached = get(&["cache_read_input_tokens"]);
            [get(&["input_tokens"]) - cached, get(&["output_tokens"]), cached, 0]
        }
        "opencode" => [get(&["input"]), get(&["output"]), get(&["cache_read"]), get(&["cache_write"])],
        _ => [get(&["input"]), get(&["output"]), get(&["cacheRead"]), get(&["cacheWrite"])],
    }
}

/// What the last state line means for the outcome.
fn outcome(agent: &str, want: &Value) -> Option<&'static str> {
    let last = want.get("last")?;
    let text = |name: &str| last.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match agent {
        "claude" => match text("terminal_reason") {
            "completed" => "finished",
            "hook_stopped" | "tool_deferred" | "aborted_tools" | "aborted_streaming" => "interrupted",
            _ => "failed",
        },
        "codex" if text("type") == "turn.completed" => "finished",
        "gemini" if text("status") == "success" => "finished",
        "opencode" if text("reason") == "stop" => "finished",
        "pi" if text("stopReason") == "stop" => "finished",
        "pi" if text("stopReason") == "toolUse" => "unfinished",
        "qwen" => return None, // says success whatever happened
        _ => "failed",
    })
}

#[test]
fn every_stream_adds_up_to_what_its_agent_reported() {
    let home = Home::new();
    let mut wrong = Vec::new();
    for (name, want) in expected() {
        let agent = name.split('/').next().unwrap_or_default();
        let path = fixture(&format!("{name}.jsonl"));
        let output = home.run(&["show", "--json", &path.to_string_lossy()]);
        let Ok(got) = serde_json::from_slice::<Value>(&output.stdout) else {
            wrong.push(format!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
            continue;
        };
        let mut check = |what: &str, got: &Value, want: Value| {
            let same = match (got.as_f64(), want.as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-6,
                _ => *got == want,
            };
            if !same {
                wrong.push(format!("{name}: {what} is {got}, not {want}"));
            }
        };
        if let Some(u) = want.get("usage") {
            for (kind, tokens) in ["input", "output", "cache_read", "cache_write"].iter().zip(usage(agent, u)) {
                check(kind, &got["tokens"][kind], tokens.into());
            }
        }
        if let Some(cost) = want.get("cost_usd") {
            check("cost_usd", &got["cost_usd"], cost.clone());
        }
        check("tool_calls", &got["tool_calls"], want["tool_calls"].clone());
        check("failed_tool_calls", &got["failed_tool_calls"], want["tool_errors_flagged"].clone());
        check("unparsed_lines", &got["unparsed_lines"], 0.into());
        if let Some(outcome) = outcome(agent, &want) {
            // A hook that ends the run is no success, whatever the agent calls it.
            if !name.contains("hook_before") && !name.contains("hook_userprompt") {
                check("outcome", &got["outcome"], outcome.into());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
