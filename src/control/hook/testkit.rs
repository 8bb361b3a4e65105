//! A run's socket for tests: it says what it is told to say.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

/// Listens until the test is over; every connection has a thread of its own.
pub struct Server {
    dir: TempDir,
    path: PathBuf,
    heard: Arc<Mutex<Vec<Value>>>,
}

/// Said in place of an answer.
pub const NOTHING: &str = "(nothing)";
pub const GONE: &str = "(gone)";
pub const HALF: &str = "(half)";
pub const GARBAGE: &str = "(garbage)";

impl Server {
    /// `answers`: by method (`hello ROLE` for hello) what follows the id, `"result":…`, or one of the words above.
    pub fn start(name: &str, answers: Vec<(&'static str, String)>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).expect("mode");
        let path = dir.path().join(format!("{name}.sock"));
        let listener = UnixListener::bind(&path).expect("bound");
        let (answers, heard) = (Arc::new(answers), Arc::new(Mutex::new(Vec::new())));
        let log = heard.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (answers, log) = (answers.clone(), log.clone());
                std::thread::spawn(move || serve(stream, &answers, &log));
            }
        });
        Self { dir, path, heard }
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every call so far.
    pub fn heard(&self) -> Vec<Value> {
        self.heard.lock().expect("whole").clone()
    }
}

const WELCOME: &str = r#""result":{"proto":"1.0","run":"r-1","boot_id":"b","server":"test"}"#;

fn serve(stream: UnixStream, answers: &[(&'static str, String)], log: &Mutex<Vec<Value>>) {
    let mut writer = stream.try_clone().expect("a second handle");
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let call: Value = serde_json::from_str(&line).expect("one JSON object a line");
        log.lock().expect("whole").push(call.clone());
        let method = call["method"].as_str().expect("a method");
        let key = match method {
            "hello" => format!("hello {}", call["params"]["role"].as_str().expect("a role")),
            other => other.to_owned(),
        };
        let answer = answers.iter().find(|(name, _)| *name == key).map(|(_, answer)| answer.as_str());
        let id = &call["id"];
        let sent = match answer.unwrap_or(if method == "hello" { WELCOME } else { GONE }) {
            NOTHING => Ok(()),
            GONE => return,
            HALF => {
                let _ = write!(writer, "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"res");
                return;
            }
            GARBAGE => writeln!(writer, "HTTP/1.1 400 Bad Request"),
            text => write!(
                writer,
                "{{\"jsonrpc\":\"2.0\",\"method\":\"update\",\"params\":{{}}}}\n\n{{\"jsonrpc\":\"2.0\",\"id\":{id},{text}}}\n"
            ),
        };
        if sent.is_err() {
            return;
        }
    }
}
