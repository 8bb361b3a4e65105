//! The way to the supervisor is cut: its socket is removed or answered by somebody else, or it is suspended.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::faults::{Result, usually};
use crate::look;
use crate::place;
use crate::shapes::Shape;
use crate::sys;
use crate::trial::{Bench, End, Outcome, Run, broken};

fn socket(run: &Run) -> PathBuf {
    run.place.path(&format!("rt/redkey/{}.sock", run.name))
}

/// The stop ends the run whatever stands in its way, and says so: 0, and nothing is left.
pub fn ends(bench: &mut Bench, run: &Run, args: &[&str]) -> Result {
    let (code, _) = bench.stop(run, args)?;
    let living = run.members.iter().filter(|seen| look::lives(seen)).count();
    if code == 0 && living > 0 {
        return Err(End::False(format!("{living} live, and {}", run.place.printed("stop"))));
    }
    if code != 0 {
        return Err(broken(format!("redkey stop ended with {code}: {}", run.place.printed("stop"))));
    }
    bench.check(run)?;
    let (took, _) = run.receipt("stop")?;
    Ok(Outcome { end: End::Verified, took_us: Some(took) })
}

/// Also `redkey run` ends, and with the code that a stop has.
fn ends_with_its_guardian(bench: &mut Bench, run: &Run, args: &[&str]) -> Result {
    let outcome = ends(bench, run, args)?;
    match place::code(bench.check_end(run)?) {
        124 => Ok(outcome),
        code => Err(broken(format!("redkey run ended with {code}, not with 124"))),
    }
}

pub fn removed(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        std::fs::remove_file(socket(run)).map_err(|e| broken(format!("no socket to remove: {e}")))?;
        ends_with_its_guardian(bench, run, &[])
    })
}

/// Somebody with the same user listens in its place and says what redkey would like to hear.
pub fn impostor(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        let status = true_status(run)?;
        std::fs::remove_file(socket(run)).map_err(|e| broken(format!("no socket to remove: {e}")))?;
        let listener = UnixListener::bind(socket(run)).map_err(|e| broken(format!("no impostor: {e}")))?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = status.clone();
                std::thread::spawn(move || lie(stream, &status));
            }
        });
        ends_with_its_guardian(bench, run, &[])
    })
}

fn true_status(run: &Run) -> Result<Value> {
    let failed = |what: &str| broken(format!("no status: {what}"));
    let stream = UnixStream::connect(socket(run)).map_err(|e| failed(&e.to_string()))?;
    let mut reader = BufReader::new(stream.try_clone().map_err(|e| failed(&e.to_string()))?);
    let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "hello", "params": {"proto": "1.0", "role": "watch"}});
    let status = json!({"jsonrpc": "2.0", "id": 1, "method": "status", "params": {}});
    (&stream).write_all(format!("{hello}\n{status}\n").as_bytes()).map_err(|e| failed(&e.to_string()))?;
    let mut line = String::new();
    for _ in 0..2 {
        line.clear();
        reader.read_line(&mut line).map_err(|e| failed(&e.to_string()))?;
    }
    let answer: Value = serde_json::from_str(&line).map_err(|e| failed(&e.to_string()))?;
    Ok(answer["result"].clone())
}

fn lie(stream: UnixStream, status: &Value) {
    let Ok(copy) = stream.try_clone() else { return };
    for line in BufReader::new(copy).lines().map_while(|line| line.ok()) {
        let Ok(asked) = serde_json::from_str::<Value>(&line) else { return };
        let receipt = json!({"phase": "verified-dead", "grade": "subreaper", "proof": "no-children", "processes": 5,
            "rung": "kill", "took_us": 900, "survivors": []});
        let stop = json!({"id": asked["params"]["interrupt_id"], "mode": "ladder", "phase": "verified-dead",
            "by": {"by": "command"}, "reason": "", "at": 0, "rungs": [], "alive": 0, "receipt": receipt});
        let result = match asked["method"].as_str() {
            Some("hello") => json!({"proto": "1.0", "run": "", "server": "redkey", "boot_id": "", "capabilities": []}),
            Some("subscribe") => json!({"seq": 1, "status": status}),
            Some("stop") => stop,
            _ => status.clone(),
        };
        let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result});
        if (&stream).write_all(format!("{answer}\n").as_bytes()).is_err() {
            return;
        }
    }
}

pub fn suspended(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        sys::kill(run.supervisor, libc::SIGSTOP);
        ends_with_its_guardian(bench, run, &[])
    })
}
