//! The hook as agents and people start it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};

use crate::support::{Home, fixture};

/// How the command in the settings ends.
const REFUSE: &str = " || echo redkey: refused >&2 | false || exit 2";

/// What an agent does: the command from its settings, in a shell, with the call on standard input.
fn as_agent(home: &Home, command: &str, input: &str) -> Output {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin");
    shell.env("REDKEY_SOCKET", home.path().join("run.sock"));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().expect("a shell");
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes()); // nobody need read it
    child.wait_with_output().expect("an end")
}

fn call() -> String {
    let inputs = std::fs::read_to_string(fixture("claude/hook_inputs.jsonl")).expect("recorded");
    inputs.lines().find(|line| line.contains("\"PreToolUse\"")).expect("a call").to_owned()
}

#[test]
fn whatever_goes_wrong_the_call_is_refused() {
    let home = Home::new();
    let exe = env!("CARGO_BIN_EXE_redkey");
    for (command, why) in [
        ("/nowhere/redkey hook run claude --within 5s".to_owned(), "not there: 127"),
        ("sh -c 'exit 101'".to_owned(), "a panic that nobody caught: 101"),
        ("sh -c 'kill -9 $$'".to_owned(), "killed: 137"),
        (format!("{exe} hook run claude --no-such-flag"), "an older redkey"),
        (format!("{exe} hook run claude --within 5s"), "its supervisor is gone"),
    ] {
        let output = as_agent(&home, &format!("{command}{REFUSE}"), &call());
        assert_eq!(output.status.code(), Some(2), "{why}: {output:?}");
        assert!(output.stdout.is_empty(), "{why}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.ends_with("redkey: refused\n"), "{why}: without a word it would go through: {said}");
    }
    let said = as_agent(&home, &format!("{exe} hook run claude --within 5s{REFUSE}"), &call());
    let line = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(line.starts_with("redkey: no answer to this hook") && line.lines().count() == 2, "{line}");
}

/// Answers every hook at `home`'s socket with a denial.
fn deny_everything(home: &Home) {
    let listener = UnixListener::bind(home.path().join("run.sock")).expect("bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            for line in BufReader::new(stream.try_clone().expect("a second handle")).lines() {
                let call: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
                let result = match call["method"].as_str() {
                    Some("hello") => r#"{"proto":"1.0","run":"r-1","boot_id":"b","server":"test"}"#,
                    _ => r#"{"answer":"deny","why":"not now"}"#,
                };
                writeln!(stream, "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", call["id"]).expect("sent");
            }
        }
    });
}

#[test]
fn an_answer_that_cannot_be_said_is_a_refusal() {
    let home = Home::new();
    deny_everything(&home);
    let hook = format!("{} hook run claude --within 5s", env!("CARGO_BIN_EXE_redkey"));
    let said = as_agent(&home, &format!("{hook}{REFUSE}"), &call());
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success() && text.contains("\"permissionDecision\":\"deny\""), "{said:?}");
    let lost = as_agent(&home, &format!("{hook} >/dev/full{REFUSE}"), &call());
    assert_eq!(lost.status.code(), Some(2), "{lost:?}");
}

#[test]
fn the_change_is_shown_and_made_only_with_a_yes() {
    let home = Home::new();
    let path = home.write(".claude/settings.json", "{\n  \"model\": \"opus\" // big\n}\n");
    let before = std::fs::read(&path).expect("there");
    let shown = home.run(&["hook", "install", "claude"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert_eq!(shown.status.code(), Some(3), "{text}");
    assert!(text.contains("+    \"PreToolUse\": [") && text.contains("--yes"), "{text}");
    assert_eq!(std::fs::read(&path).expect("there"), before);
    assert!(home.ok(&["hook", "status", "claude"]).contains("claude: not installed"));

    let done = home.ok(&["hook", "install", "claude", "--yes"]);
    assert!(done.contains("to undo this: redkey hook uninstall claude"), "{done}");
    assert!(home.ok(&["hook", "install", "claude", "--yes"]).contains("nothing to do"));
    let status = home.ok(&["hook", "status"]);
    assert!(status.contains("claude: installed") && status.contains("(this one)"), "{status}");
    assert!(status.contains("codex: not installed") && status.contains("gemini: not installed"), "{status}");

    home.ok(&["hook", "uninstall", "claude", "-y"]);
    assert_eq!(std::fs::read(&path).expect("there"), before);
    let log = std::fs::read_to_string(home.path().join(".local/state/redkey/audit.jsonl")).expect("an audit log");
    assert!(log.contains("\"installed\"") && log.contains("\"removed\""), "{log}");
}

#[test]
fn the_installed_command_is_one_that_a_shell_runs() {
    let home = Home::new();
    for agent in ["claude", "codex", "gemini"] {
        home.ok(&["hook", "install", agent, "--yes"]);
    }
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(home.path().join(name)).expect("made")).expect("JSON")
    };
    for (file, event) in [
        (".claude/settings.json", "PreToolUse"),
        (".codex/hooks.json", "PreToolUse"),
        (".gemini/settings.json", "BeforeTool"),
    ] {
        let command = read(file)["hooks"][event][0]["hooks"][0]["command"].as_str().expect("a command").to_owned();
        let output = as_agent(&home, &format!("{command}{REFUSE}"), &call());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains("the supervisor of this run"), "{command}: {said}");
    }
    assert!(home.ok(&["hook", "status", "codex"]).contains("trusted"), "what can't be seen is said");
}

#[test]
fn a_broken_file_is_left_as_it_is() {
    let home = Home::new();
    let path = home.write(".claude/settings.json", "{\n  \"model\": ,\n}");
    let output = home.run(&["hook", "install", "claude", "--yes"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("line 2, column 12"), "{said}");
    assert_eq!(std::fs::read_to_string(path).expect("there"), "{\n  \"model\": ,\n}");
}

#[test]
fn no_gate_waits_where_nothing_runs() {
    let home = Home::new();
    assert!(home.ok(&["gate", "ls"]).contains("no action waits"));
    assert_eq!(home.ok(&["gate", "ls", "--json"]), "[]\n");
    assert_eq!(home.run(&["gate", "allow", "g-1"]).status.code(), Some(4));
}
