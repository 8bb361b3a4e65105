//! What goes through `redkey run`: the agent's streams, as if redkey weren't there, and the question to stop.

use std::fs::{File, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::support::Home;

#[test]
fn both_streams_into_one_place_keep_their_order() {
    let home = Home::new();
    let path = home.path().join("log");
    let log = File::create(&path).expect("a file");
    let script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done; printf end";
    let mut run = home.redkey();
    run.args(["run", "--", "sh", "-c", script]).stdout(log.try_clone().expect("a second")).stderr(log);
    assert!(run.status().expect("redkey starts").success());
    let expected: String = (1..10).map(|i| format!("out {i}\nerr {i}\n")).collect();
    // Complete when redkey has ended.
    assert_eq!(std::fs::read_to_string(path).expect("the file"), expected + "end");
}

/// A program by the name of an agent, in a mode in which that is asked over its standard input.
fn agent(home: &Home, script: &str) -> String {
    let path = home.write("bin/pi", format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("a mode");
    path.to_str().expect("a path").to_owned()
}

#[test]
fn bytes_pass_an_agent_that_is_asked_over_them() {
    let home = Home::new();
    let agent = agent(&home, "cat; echo end >&2");
    for text in [&b"a\n\xff\0b\r\n\nno end"[..], b"", b"\n", &[b'x'; 100_000]] {
        let mut run = home.redkey();
        run.args(["run", "--", &agent, "--mode", "rpc"]);
        let mut child =
            run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("redkey starts");
        let mut stdin = child.stdin.take().expect("its input");
        let sent = text.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&sent));
        let output = child.wait_with_output().expect("an end");
        writer.join().expect("a thread").expect("all was taken");
        assert!(output.status.success() && output.stdout == text, "{} bytes of {}", output.stdout.len(), text.len());
        assert_eq!(output.stderr, b"end\n");
    }
}

#[test]
fn nobody_waits_for_an_agent_that_has_nothing_to_stop() {
    let home = Home::new();
    let agent = agent(&home, "echo $REDKEY_RUN; exec cat");
    let mut run = home.redkey();
    run.args(["run", "--", &agent, "--mode", "rpc"]);
    let mut child =
        run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("redkey starts");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut name = String::new();
    out.read_line(&mut name).expect("its name");
    let line = home.json(&["stop", name.trim(), "--json"]);
    assert_eq!(line["result"], "verified", "{line}");
    let rungs = line["stop"]["rungs"].as_array().expect("rungs");
    assert_eq!((&rungs[0]["rung"], &rungs[1]["rung"]), (&"cooperative".into(), &"term".into()), "{line}");
    assert!(rungs[1]["after_us"].as_u64().expect("a time") < 1_500_000, "{line}");
    assert_eq!(child.wait().expect("an end").code(), Some(124));
}
