//! The screen, started as a user starts it.

use std::io::Write;

use crate::pty::Screen;
use crate::support::{Home, fixture};

fn append(path: &std::path::Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).expect("the file");
    file.write_all(text.as_bytes()).expect("an append");
}

fn native(run: &str, rest: &str) -> String {
    format!("{{\"redkey\":1,\"run\":\"{run}\",{rest}}}\n")
}

#[test]
fn an_empty_screen_says_where_it_looked_and_leaves_on_q() {
    let home = Home::new();
    let mut screen = Screen::open(home.path(), &[], 120, 36, &[]);
    screen.wait("where it looked", |t| t.contains(".claude") && t.contains("redkey demo"));
    screen.press("q");
    assert_eq!(screen.end(), 0);
}

#[test]
fn a_run_appears_while_watching_and_a_charge_drops_the_clock_with_its_reason() {
    let home = Home::new();
    let folder = home.path().join("streams");
    std::fs::create_dir(&folder).expect("a folder");
    let mut screen = Screen::open(home.path(), &["watch", "streams"], 120, 36, &[]);
    screen.wait("an empty screen", |t| !t.trim().is_empty());
    let start = native("r1", r#""type":"run_started","title":"paint the fence","budget":"30m","cwd":"/p/fence""#);
    let path = home.write("streams/r1.jsonl", start + &native("r1", r#""type":"prompt","text":"go""#));
    screen.wait("the run", |t| t.contains("paint the fence") || t.contains("fence"));
    append(
        &path,
        &native("r1", r#""type":"tool_call","id":"1","tool":"shell","kind":"execute","input":{"command":"git push"}"#),
    );
    screen.wait("the charge", |t| t.contains("git push"));
    screen.press("\r");
    screen.wait("the statement", |t| t.contains("irreversible"));
    screen.press("?");
    screen.wait("help", |t| t.to_lowercase().contains("quit"));
    screen.press("\x1b");
    screen.press("q");
}

#[test]
fn keys_typed_into_the_filter_command_nothing() {
    let home = Home::new();
    let path = fixture("claude/success.jsonl");
    let mut screen = Screen::open(home.path(), &["watch", &path.to_string_lossy()], 100, 30, &[]);
    screen.wait("the run", |t| t.contains("claude"));
    screen.press("/qq");
    screen.wait("the filter", |t| t.contains("qq"));
    screen.press("\x1b[200~q\x1b[201~");
    screen.press("\x1b");
    screen.wait("the run again", |t| t.contains("claude") && !t.contains("qqq"));
    screen.press("\x03");
    assert_eq!(screen.end(), 130);
}

#[test]
fn every_size_from_tiny_to_large_is_drawn() {
    let home = Home::new();
    let path = fixture("claude/subagents.jsonl");
    let mut screen = Screen::open(home.path(), &["watch", &path.to_string_lossy()], 120, 40, &[]);
    screen.wait("the run", |t| t.contains("claude"));
    screen.press("\r");
    for (columns, rows) in [(80, 24), (40, 10), (10, 3), (1, 1), (200, 60)] {
        screen.resize(columns, rows);
    }
    screen.wait("the run, large", |t| t.contains("claude"));
    screen.press("\x03");
    assert_eq!(screen.end(), 130);
}

#[test]
fn a_path_that_does_not_exist_is_an_error_not_a_screen() {
    let home = Home::new();
    let mut screen = Screen::open(home.path(), &["watch", "stream.jsonl"], 100, 30, &[("NO_COLOR", "1")]);
    screen.wait("an error", |t| t.contains("stream.jsonl") && t.contains("cannot read"));
    assert_eq!(screen.end(), 1);
}

#[test]
fn escape_sequences_in_every_field_reach_no_terminal() {
    let home = Home::new();
    let evil = "\\u001b]52;c;ZXZpbA==\\u0007\\u001b[31mEVIL\\u009b2J\\u202e\\u200b\\ue0041\\u001bc";
    let raw_c1 = "\u{9b}31m";
    let mut text = native(
        "r1",
        &format!(
            r#""type":"run_started","title":"t{evil}{raw_c1}","cwd":"/p/{evil}","model":"m{evil}","agent":"a{evil}","label":"l{evil}","budget":"30m""#
        ),
    );
    for event in [
        format!(r#""type":"prompt","text":"p{evil}""#),
        format!(r#""type":"model_call","id":"{evil}","model":"m{evil}","output_tokens":5"#),
        format!(
            r#""type":"tool_call","id":"1{evil}","tool":"shell{evil}","kind":"execute","input":{{"command":"ls {evil}","path":"/x/{evil}"}}"#
        ),
        format!(r#""type":"tool_result","id":"1{evil}","ok":false,"text":"boom {evil}""#),
        format!(r#""type":"subagent_started","id":"s{evil}","name":"n{evil}""#),
        format!(r#""type":"decision","text":"d{evil}","before":8,"after":2"#),
        format!(r#""type":"api_error","text":"e{evil}""#),
        format!(r#""type":"warning","text":"w{evil}""#),
        format!(r#""type":"message","text":"m{evil}""#),
        format!(r#""type":"run_ended","outcome":"failed","reason":"r{evil}""#),
    ] {
        text.push_str(&native("r1", &event));
    }
    text.push_str("{\"redkey\":1,\"run\":\"r1\",\"type\":\u{1b}]0;x\u{7}\n");
    let path = home.write("evil.jsonl", &text);
    let mut screen = Screen::open(home.path(), &["watch", &path.to_string_lossy()], 120, 40, &[]);
    screen.wait("the run", |t| t.contains("EVIL"));
    for key in ["\r", "\t", "\t", "j", "\r", "?", "\x1b"] {
        screen.press(key);
    }
    screen.press("\x03");
    screen.wait("the end", |t| t.trim().is_empty() || !t.contains("EVIL"));
    let bytes = String::from_utf8_lossy(&screen.raw).into_owned();
    for payload in ["\x1b]52", "\x1b]0;x", "\u{9b}", "\x1bc", "\u{202e}", "\u{200b}", "\u{e0041}"] {
        assert!(!bytes.contains(payload), "{payload:?} reached the terminal");
    }
    for args in [
        vec!["show"],
        vec!["show", "--json"],
        vec!["show", "--charges"],
        vec!["tail"],
        vec!["ls"],
        vec!["ls", "--json"],
    ] {
        let args: Vec<&str> = args.into_iter().chain([path.to_str().expect("a path")]).collect();
        let printed = home.ok(&args);
        assert!(!printed.chars().any(|c| c.is_control() && c != '\n'), "{args:?} prints control characters");
        assert!(!printed.contains(['\u{202e}', '\u{200b}']), "{args:?} prints hidden characters");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_screen_that_was_stopped_comes_back_whole() {
    let (enter, leave) = ("\x1b[?1049h", "\x1b[?1049l");
    let home = Home::new();
    let mut screen = Screen::open(home.path(), &[], 100, 30, &[]);
    screen.wait("the screen", |t| t.contains("redkey demo"));
    screen.signal_until("TSTP", leave);
    screen.make_cooked();
    screen.signal_until("CONT", enter);
    screen.wait("the screen again", |t| t.contains("redkey demo"));
    screen.signal("STOP");
    screen.make_cooked();
    screen.signal_until("CONT", enter);
    screen.wait("the screen once more", |t| t.contains("redkey demo"));
    screen.press("\x0c"); // wiped and drawn anew, without an answer from the terminal
    screen.press("q");
    assert_eq!(screen.end(), 0);
}

#[test]
fn a_terminal_that_cannot_draw_gets_no_screen() {
    let home = Home::new();
    let mut screen = Screen::open(home.path(), &[], 100, 30, &[("TERM", "dumb")]);
    screen.wait("an error", |t| t.contains("TERM=dumb") && t.contains("redkey ls"));
    assert_eq!(screen.end(), 1);
}

#[test]
fn a_theme_that_cannot_be_read_says_why() {
    let home = Home::new();
    home.write("th.toml", b"# caf\xe9\n");
    let mut screen = Screen::open(home.path(), &["--theme", "th.toml"], 100, 30, &[]);
    screen.wait("why", |t| t.contains("cannot read the theme th.toml: stream did not contain valid UTF-8"));
    assert_eq!(screen.end(), 1);
    let mut screen = Screen::open(home.path(), &["--theme", "no.toml"], 100, 30, &[]);
    screen.wait("a hint", |t| t.contains("there is no theme no.toml") && t.contains("hint: "));
    assert_eq!(screen.end(), 1);
}
