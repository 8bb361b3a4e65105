use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::event::Agent;
use crate::domain::policy::{EMBEDDED, Policy};
use crate::domain::rules::Rules;
use crate::domain::text::Text;
use crate::domain::tool::ToolInput;

fn shipped() -> Redactor {
    let policy: Policy = toml::from_str(EMBEDDED).unwrap();
    Redactor::new(&policy.record.redact).unwrap()
}

/// Made up, and put together here so that nobody's scanner takes this file for a leak.
fn secrets() -> Vec<(&'static str, String)> {
    let long = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hJ6";
    vec![
        ("aws", format!("AKIA{}", "QYLPMN5HHHFPZAM2")),
        ("github", format!("ghp_{long}")),
        ("github", format!("github_pat_{long}_{long}")),
        ("sk", format!("sk-ant-api03-{long}-{long}")),
        ("sk", format!("sk-proj-{long}")),
        ("slack", format!("xoxb-123456789012-{long}")),
        ("google", format!("AIza{}", &long[..35])),
        ("jwt", format!("eyJ{long}.eyJ{long}.{long}")),
    ]
}

#[test]
fn the_common_shapes_are_found_wherever_they_stand() {
    let redactor = shipped();
    for (name, secret) in secrets() {
        for text in [
            secret.clone(),
            format!("export KEY={secret}; ls"),
            format!("curl 'https://x.example/?a={secret}&b=1'"),
            format!("\"{secret}\""),
            format!("é{secret}é"),
        ] {
            let out = redactor.text(&text).unwrap_or_else(|| panic!("{name}: {text}"));
            assert!(out.contains("[redacted:") && !out.contains(&secret[8..20]), "{name}: {text} -> {out}");
        }
    }
}

#[test]
fn what_stands_around_a_secret_stays() {
    let redactor = shipped();
    let pem = ["-----BEGIN RSA PRIVATE ", "KEY-----\nMIIabc+/=\n-----END RSA PRIVATE ", "KEY-----"].concat();
    for (text, wanted) in [
        ("curl -H 'Authorization: Bearer abcdefgh12345' x", "curl -H 'Authorization: Bearer [redacted:bearer]' x"),
        ("psql postgres://bob:hunter22@db/x", "psql postgres://bob:[redacted:userinfo]@db/x"),
        ("DB_PASSWORD=hunter2 make", "DB_PASSWORD=[redacted:password] make"),
        ("password: 'correct horse'", "password: '[redacted:password]'"),
        ("api_key = \"0123456789\"", "api_key = \"[redacted:password]\""),
        (&pem, "-----BEGIN RSA PRIVATE KEY-----[redacted:private-key]-----END RSA PRIVATE KEY-----"),
    ] {
        assert_eq!(redactor.text(text).as_deref(), Some(wanted));
    }
}

#[test]
fn what_is_no_secret_is_left_alone() {
    let redactor = shipped();
    for text in [
        "cargo test --lib sk-",
        "task-abcdefghijklmnopqrstuvwxyz",
        "https://example.com:8080/a@b",
        "git log --format=%H 0123456789abcdef0123456789abcdef01234567",
        "tokens: 1200 input, 30 output",
        "the password is asked for",
        "password=",
        "npm install @scope/pkg",
        "ssh git@github.com:a/b.git",
        "sed -n '1,20p' src/token.rs",
    ] {
        assert_eq!(redactor.text(text), None, "{text}");
    }
}

#[test]
fn a_secret_that_was_cut_off_is_one() {
    let redactor = shipped();
    for (name, secret) in secrets() {
        let text = Text::new(&format!("{}{secret}", "x ".repeat(112)));
        assert!(text.as_str().ends_with('…'), "{name}");
        let out = redactor.text(text.as_str()).unwrap_or_default();
        assert!(!out.contains(&secret[..12]), "{name}: {out}");
    }
}

#[test]
fn a_line_stays_the_same_json_but_for_the_secret() {
    let redactor = shipped();
    let secret = &secrets()[1].1;
    let line =
        serde_json::json!({"t": 1, "k": "event", "a": ["x \"y\" \\ \n é", {"command": format!("a\n\"{secret}\"\\")}]});
    let mut bytes = b"kept ".to_vec();
    serde_json::to_writer(&mut bytes, &line).unwrap();
    assert_eq!(redactor.line(&mut bytes, 5), 1);
    let out: serde_json::Value = serde_json::from_slice(&bytes[5..]).unwrap();
    assert_eq!(out["a"][0], line["a"][0]);
    assert_eq!(out["a"][1]["command"], "a\n\"[redacted:github]\"\\");
}

#[test]
fn a_call_counts_as_the_same_without_its_secret() {
    let rules = Rules::compile(toml::from_str(EMBEDDED).unwrap()).unwrap();
    let redactor = shipped();
    for (_, secret) in secrets() {
        for command in [
            format!("git push https://x:{secret}@github.com/a/b main"),
            format!("TOKEN={secret} npm publish"),
            format!("curl -X POST -H 'Authorization: Bearer {secret}' https://api.example.com/v1"),
            format!("echo {secret} > key.txt && rm -rf ../other"),
            format!("kubectl --token={secret} delete pod x"),
        ] {
            let clean = redactor.text(&command).unwrap();
            let class = |command: &str| {
                rules.classify(Agent::Claude, &Text::new("Bash"), &ToolInput::from_command(command), "/p")
            };
            assert_eq!(class(&command), class(&clean), "{command}\n{clean}");
        }
    }
}

#[test]
fn patterns_that_make_no_sense_are_refused() {
    for text in [
        "", "a", "[A-Z]+", "ab(", "ab)", "ab()", "(ab)(cd)", "ab|cd", "+ab", "ab{9,2}", "ab{x}", "ab[", "ab[z-a]",
        "ab\\q",
    ] {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
    let bad = BTreeMap::from([("mine".to_owned(), vec!["ok-pattern".to_owned(), "a".to_owned()])]);
    assert_eq!(Redactor::new(&bad).unwrap_err().name, "mine");
}

proptest! {
    #[test]
    fn no_pattern_and_no_text_panics(pattern in r"(\(\?i\))?[ab\[\]()*+?{},\\^.é…0-9-]{0,12}", text in "[ab0-9é…-]{0,30}") {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            for range in pattern.find_all(&text) {
                prop_assert!(!text[range].is_empty());
            }
        }
    }

    #[test]
    fn any_line_of_json_stays_one(text in any::<String>()) {
        let redactor = shipped();
        let mut line = serde_json::to_vec(&serde_json::json!({"a": text, "b": format!("password={text}")})).unwrap();
        redactor.line(&mut line, 0);
        let out: serde_json::Value = serde_json::from_slice(&line).unwrap();
        prop_assert!(out["a"].is_string());
    }
}
