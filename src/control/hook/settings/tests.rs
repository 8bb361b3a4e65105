use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn hook() -> Hook {
    Hook { exe: "/usr/bin/redkey".into(), within_s: 305 }
}

fn put_in(agent: Hooked, text: Option<&str>) -> Edited {
    install(agent, text, &hook(), "settings.json").expect("installed")
}

/// In and out again.
fn round(agent: Hooked, text: Option<&str>) -> String {
    let edited = put_in(agent, text);
    let after = edited.after.clone().expect("a file");
    let again = put_in(agent, Some(&after));
    assert!(!again.changes(), "a second time changes nothing:\n{}", again.diff);
    let status = status(agent, Some(&after)).expect("readable");
    assert_eq!(status.found.len(), agent.events().len(), "{after}");
    assert_eq!((&status.missing, &status.changed), (&vec![], &vec![]));
    let back = uninstall(agent, Some(&after), "settings.json").expect("taken out");
    assert_eq!(back.after.as_deref(), text, "by way of:\n{after}");
    assert_eq!(back.left, []);
    after
}

#[test]
fn where_there_is_no_file_one_is_made_and_goes_again() {
    let after = round(Hooked::Claude, None);
    assert_eq!(
        after,
        r#"{
  "hooks": {
    "PreToolUse": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "/usr/bin/redkey hook run claude --within 305s || echo redkey: refused >&2 | false || exit 2",
            "timeout": 86400
          }
        ]
      }
    ],
    "PostToolUse": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "/usr/bin/redkey hook run claude --within 305s || echo redkey: refused >&2 | false || exit 2",
            "timeout": 86400
          }
        ]
      }
    ],
    "UserPromptSubmit": [
      {
        "hooks": [
          {
            "type": "command",
            "command": "/usr/bin/redkey hook run claude --within 305s || echo redkey: refused >&2 | false || exit 2",
            "timeout": 86400
          }
        ]
      }
    ]
  }
}
"#
    );
}

#[test]
fn each_agent_gets_what_it_understands() {
    let entry = |agent: Hooked, event: &str| -> Value {
        let text = put_in(agent, None).after.expect("a file");
        serde_json::from_str::<Value>(&text).expect("JSON")["hooks"][event][0]["hooks"][0].clone()
    };
    let codex = entry(Hooked::Codex, "PreToolUse");
    assert_eq!(codex["timeout"], 86_400);
    assert_eq!(
        codex["command"],
        "/usr/bin/redkey hook run codex --within 305s || echo redkey: refused >&2 | false || exit 2"
    );
    let gemini = entry(Hooked::Gemini, "BeforeTool");
    assert_eq!(gemini["timeout"], 86_400_000, "milliseconds");
    assert_eq!(gemini["name"], "redkey");
}

#[test]
fn layouts_survive() {
    let texts = [
        "",
        "\n",
        " \n\t\n",
        "{}",
        "{}\n",
        "{\n}\n",
        "{ }",
        "\u{feff}",
        "\u{feff}{}\r\n",
        "{\"model\":\"opus\"}",
        "{\"model\":\"opus\"}\n\n",
        "{\n\t\"model\": \"opus\"\n}\n",
        "{\r\n    \"model\": \"opus\"\r\n}\r\n",
        "{\n  \"model\": \"opus\" // the big one\n}",
        "{\n  \"model\": \"opus\" // the big one  \r\n}",
        "{\n  \"model\": \"opus\" /* a */ /* b\n */\n}",
        "{ // nothing\n}",
        "{\"hooks\": {}}",
        "{\n  \"hooks\": {\n  }\n}\n",
        "{\n  \"hooks\": { },\n  \"z\": 1\n}\n",
        "{\"hooks\": {\"PreToolUse\": [], \"BeforeTool\": [ ]}}",
        "{\n  \"hooks\": {\n    \"PreToolUse\": [\n      {\"matcher\": \"Bash\", \"hooks\": []} // mine\n    ]\n  }, \"a\": [1,\n2]\n}",
        "{\n\"hooks\": {\n\"AfterTool\": [\n{\"hooks\": []}]}}",
        "{\r\n  \"a\": 1,\r\n\r\n  \"hooks\": {\"PostToolUse\": [{\"hooks\":[{\"type\":\"command\",\"command\":\"ls\"}]}]}\r\n}",
        "    {\n        \"a\": 1\n    }",
        "{\r\"a\": 1\r}",
        "{\n  \"a\": 1 // x\n, \"b\": 2 // y /* z\n}",
    ];
    for text in texts {
        for agent in [Hooked::Claude, Hooked::Gemini] {
            round(agent, Some(text));
        }
    }
    for text in ["", "{}", "{\"hooks\": {}}", "{\n \"description\": \"mine\"\n}\n"] {
        round(Hooked::Codex, Some(text));
    }
}

#[test]
fn the_change_is_placed_where_a_person_would_put_it() {
    let text = "{\n\t\"model\": \"opus\", // big\n\t\"hooks\": {\n\t\t\"Stop\": [] // mine\n\t}\n}\n";
    let after = round(Hooked::Codex, Some("{\n \"hooks\": {}\n}")).replace(' ', "");
    assert!(after.starts_with("{\n\"hooks\":{\"PreToolUse\":[\n{"), "{after}");
    let diff = put_in(Hooked::Claude, Some(text)).diff;
    assert!(
        diff.contains("-        \"Stop\": [] // mine\n+        \"Stop\": [], // mine\n+        \"PreToolUse\": [\n"),
        "{diff}"
    );
    assert!(!diff.contains("-    \"model\""), "{diff}");
}

#[test]
fn what_is_broken_is_told_and_left() {
    let told = |agent, text: &str| install(agent, Some(text), &hook(), "f").expect_err("refused").to_string();
    assert!(told(Hooked::Claude, "{\n  \"a\": 1,\n}").starts_with("line 3, column 1: a name in quotes"));
    assert_eq!(told(Hooked::Claude, "{\n  \"a\": \n"), "line 3, column 0: EOF while parsing a value");
    assert_eq!(told(Hooked::Claude, "[]"), "line 1, column 1: settings are an object, this is none");
    assert_eq!(told(Hooked::Claude, "{\"hooks\": []}"), "line 1, column 11: `hooks` should be an object");
    let twice = "{\"hooks\": {},\n \"hooks\": {}}";
    assert_eq!(told(Hooked::Claude, twice), "line 2, column 2: `hooks` is there a second time");
    let text = "{\"hooks\": {\"PreToolUse\": {}}}";
    assert_eq!(told(Hooked::Claude, text), "line 1, column 26: `hooks.PreToolUse` should be an array");
    assert!(told(Hooked::Claude, "// only this\n").contains("nothing but comments"));
    assert!(told(Hooked::Codex, "{} // no").starts_with("line 1, column 4:"));
    assert!(uninstall(Hooked::Claude, Some("{"), "f").is_err());
    assert!(status(Hooked::Claude, Some("{")).is_err());
}

#[test]
fn what_keeps_hooks_from_running_is_told_before() {
    for (agent, text, word) in [
        (Hooked::Claude, "{\"disableAllHooks\": true}", "disableAllHooks"),
        (Hooked::Codex, "{\"hooks\": {}, \"PreToolUse\": []}", "`PreToolUse`"),
        (Hooked::Gemini, "{\"hooksConfig\": {\"enabled\": false}}", "hooksConfig.enabled"),
        (Hooked::Gemini, "{\"hooksConfig\": {\"disabled\": [\"redkey\"]}}", "hooksConfig.disabled"),
    ] {
        let error = install(agent, Some(text), &hook(), "f").expect_err("refused").to_string();
        assert!(error.contains(word) && error.contains("change that first"), "{error}");
        let told = status(agent, Some(text)).expect("readable").obstacle.expect("told");
        assert!(told.contains(word), "{told}");
    }
    assert_eq!(status(Hooked::Claude, Some("{\"disableAllHooks\": false}")).expect("readable").obstacle, None);
}

#[test]
fn paths_that_would_not_survive_are_refused() {
    for (agent, exe) in [(Hooked::Claude, "redkey"), (Hooked::Claude, "/a\nb"), (Hooked::Gemini, "/opt/$HOME/redkey")] {
        let hook = Hook { exe: exe.into(), within_s: 5 };
        assert!(install(agent, None, &hook, "f").is_err(), "{exe}");
    }
    assert!(install(Hooked::Claude, None, &Hook { exe: "/opt/$a b/redkey".into(), within_s: 5 }, "f").is_ok());
}

#[test]
fn a_hook_changed_by_hand_stays_and_is_told() {
    let after = put_in(Hooked::Claude, Some("{\n  \"a\": 1\n}\n")).after.expect("a file");
    let first = |from: &str, to: &str| after.replacen(from, to, 1);
    for (text, word) in [
        (first("\"timeout\": 86400", "\"timeout\": 5"), "timeout"),
        (first(" || exit 2", ""), "command"),
        (first("\"type\": \"command\",", "\"type\": \"command\", \"async\": true,"), "other keys"),
        (first("\"PreToolUse\": [\n      {", "\"PreToolUse\": [\n      { \"matcher\": \"Bash\","), "group"),
        (first("PreToolUse", "SubagentStart"), "another event"),
    ] {
        let back = uninstall(Hooked::Claude, Some(&text), "f").expect("taken out");
        assert_eq!(back.left.len(), 1, "{text}");
        assert!(back.left[0].what.contains(word), "{:?}", back.left);
        let rest = back.after.expect("a file");
        assert_eq!(rest.matches("hook run claude").count(), 1, "{rest}");
        let shown = status(Hooked::Claude, Some(&text)).expect("readable");
        assert_eq!((shown.found.len(), shown.changed.len()), (2, 1));
        assert!(install(Hooked::Claude, Some(&text), &hook(), "f").is_err());
    }
}

#[test]
fn another_path_or_time_is_replaced() {
    let original = "{\n  \"a\": 1\n}\n";
    let first = put_in(Hooked::Claude, Some(original)).after.expect("a file");
    let other = Hook { exe: "/opt/new tools/redkey".into(), within_s: 65 };
    let second = install(Hooked::Claude, Some(&first), &other, "f").expect("installed").after.expect("a file");
    let found = status(Hooked::Claude, Some(&second)).expect("readable").found;
    assert!(found.len() == 3 && found.iter().all(|f| f.hook == other), "{found:?}");
    assert_eq!(uninstall(Hooked::Claude, Some(&second), "f").expect("out").after.as_deref(), Some(original));
}

#[test]
fn an_agent_that_writes_its_settings_anew_loses_nothing() {
    let after = put_in(Hooked::Claude, Some("{\"a\": [1], \"hooks\": {\"Stop\": []}}")).after.expect("a file");
    let value: Value = serde_json::from_str(&after).expect("JSON");
    let pretty = serde_json::to_string_pretty(&value).expect("JSON");
    let back = uninstall(Hooked::Claude, Some(&pretty), "f").expect("out").after.expect("a file");
    let left: Value = serde_json::from_str(&back).expect("JSON");
    assert_eq!(left, serde_json::json!({"a": [1], "hooks": {"Stop": []}}));
}

/// Space, and now and then a comment, between two tokens.
fn gap() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(String::new()),
        3 => Just(" ".to_owned()),
        3 => Just("\n".to_owned()),
        2 => Just("\r\n   ".to_owned()),
        2 => Just("\n\t\t".to_owned()),
        1 => Just(" // it's \"so\" /* {\n".to_owned()),
        1 => Just("/* [ \n ] // */".to_owned()),
        1 => Just("\r\r\n".to_owned()),
    ]
}

fn leaf() -> impl Strategy<Value = String> {
    let text = any::<String>().prop_map(|text| Value::from(text).to_string());
    prop_oneof![text, any::<i64>().prop_map(|n| n.to_string()), Just("true".to_owned()), Just("null".to_owned())]
}

fn bracket(open: &'static str, close: &'static str, items: Vec<(String, String, String)>, last: String) -> String {
    let items: Vec<String> = items.into_iter().map(|(before, item, after)| format!("{before}{item}{after}")).collect();
    format!("{open}{}{last}{close}", items.join(","))
}

fn array(item: impl Strategy<Value = String>, most: usize) -> impl Strategy<Value = String> {
    (prop::collection::vec((gap(), item, gap()), 0..=most), gap())
        .prop_map(|(items, last)| bracket("[", "]", items, last))
}

fn object(member: impl Strategy<Value = (String, String)>, most: usize) -> impl Strategy<Value = String> {
    (prop::collection::vec((gap(), member, gap()), 0..=most), gap()).prop_map(|(members, last)| {
        let mut seen = std::collections::HashSet::new();
        let members = members.into_iter().filter(|(_, (key, _), _)| seen.insert(key.clone()));
        let members =
            members.map(|(before, (key, value), after)| (before, format!("{}: {value}", Value::from(key)), after));
        bracket("{", "}", members.collect(), last)
    })
}

fn value() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![array(inner.clone(), 3), object(("[a-z]{1,6}".prop_map(String::from), inner), 3)]
    })
}

/// Settings with and without hooks, in every layout.
fn settings() -> impl Strategy<Value = String> {
    let entry = Just("{\"type\": \"command\", \"command\": \"ls # hook run\"}".to_owned());
    let group = object((Just("hooks".to_owned()), array(entry, 2)), 1);
    const EVENTS: [&str; 6] = ["PreToolUse", "PostToolUse", "BeforeTool", "AfterTool", "BeforeAgent", "Stop"];
    let event = (prop::sample::select(&EVENTS[..]).prop_map(String::from), array(group, 2));
    let hooks = (Just("hooks".to_owned()), object(event, 3)).boxed();
    let other = ("[a-z\\\\\"]{1,6}".prop_map(String::from), value()).boxed();
    let root = object(prop_oneof![1 => hooks, 2 => other], 4);
    (prop::sample::select(&["", "\u{feff}"][..]), gap(), root, gap())
        .prop_map(|(bom, before, root, after)| format!("{bom}{before}{root}{after}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn in_and_out_again_is_the_original(text in settings(), gemini in any::<bool>()) {
        let agent = if gemini { Hooked::Gemini } else { Hooked::Claude };
        let after = round(agent, Some(&text));
        // Nothing else was changed: without our lines the two say the same.
        let read = |text: &str| -> Value {
            serde_json::from_str(&Document::read(text, true).expect("JSON").plain).expect("JSON")
        };
        let (old, mut new) = (read(&text), read(&after));
        for event in agent.events() {
            new["hooks"][event].as_array_mut().expect("ours").pop();
        }
        for (key, value) in old.as_object().expect("an object") {
            if key != "hooks" {
                prop_assert_eq!(value, &new[key]);
            }
        }
        for (event, groups) in old["hooks"].as_object().into_iter().flatten() {
            prop_assert_eq!(groups, &new["hooks"][event]);
        }
    }

    #[test]
    fn anything_is_read_without_panic(text in "[{}\\[\\]\",:/*a \n\\\\\u{feff}]{0,40}") {
        for agent in Hooked::ALL {
            let _ = install(agent, Some(&text), &hook(), "f");
            let _ = uninstall(agent, Some(&text), "f");
        }
    }
}
