use std::os::unix::net::UnixListener;
use std::thread;

use super::super::testkit::snapshot;
use super::*;

/// Answers one connection with these lines: the first after each of two calls, the rest after them.
fn serve(lines: Vec<String>) -> (tempfile::TempDir, std::path::PathBuf, thread::JoinHandle<Vec<String>>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r-1.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut out = stream.try_clone().unwrap();
        let mut calls = BufReader::new(stream).lines();
        let mut heard = vec![];
        for (n, line) in lines.iter().enumerate() {
            if n < 2 {
                heard.extend(calls.next().and_then(Result::ok));
            }
            // Whoever has heard enough hangs up.
            let _ = out.write_all((line.clone() + "\n").as_bytes());
        }
        heard
    });
    (dir, path, served)
}

fn result(id: u64, json: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{json}}}"#)
}

fn said(seq: u64) -> String {
    serde_json::to_string(&snapshot("/r/r-1.sock", true, &["claude:a"], seq)).unwrap()
}

fn update(seq: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","method":"update","params":{}}}"#, said(seq))
}

const WELCOME: &str = r#"{"proto":"1.3","run":"r-1","boot_id":"b","server":"s"}"#;

#[test]
fn every_update_is_passed_on() {
    let other = r#"{"jsonrpc":"2.0","method":"news","params":[1]}"#.to_owned();
    let lines = vec![result(1, WELCOME), result(2, &said(1)), update(2), other, update(3)];
    let (_dir, path, served) = serve(lines);
    let mut seen = vec![];
    let why = Desks.follow(&path, &mut |snapshot| {
        seen.push(snapshot.seq);
        true
    });
    assert_eq!((seen, why.as_str()), (vec![1, 2, 3], "it has closed its socket"));
    let heard = served.join().unwrap();
    assert!(heard[0].contains(r#""method":"hello","params":{"proto":"1.1","role":"watch""#), "{}", heard[0]);
    assert!(heard[1].contains(r#""id":2,"method":"subscribe","params":{}"#), "{}", heard[1]);
}

#[test]
fn once_is_enough_for_a_command() {
    let (_dir, path, served) = serve(vec![result(1, WELCOME), result(2, &said(7)), update(8)]);
    assert_eq!(Desks.once(&path).unwrap().seq, 7);
    served.join().unwrap();
}

#[test]
fn what_goes_wrong_is_told() {
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"no common version"}}"#.to_owned();
    let table = [
        (vec![error], "no common version"),
        (vec![result(1, WELCOME), "{".to_owned()], "EOF while parsing"),
        (vec![result(1, "7")], "invalid type"),
        (vec![], "it has closed its socket"),
        (vec!["x".repeat(2 << 20)], "too long"),
    ];
    for (lines, expected) in table {
        let (_dir, path, served) = serve(lines);
        let why = Desks.once(&path).unwrap_err();
        assert!(why.as_str().contains(expected), "{why}");
        served.join().unwrap();
    }
    let nobody = tempfile::tempdir().unwrap();
    assert!(Desks.once(&nobody.path().join("x.sock")).unwrap_err().as_str().contains("No such file"));
}
