//! A throw-away place for one trial: homes, policy, a copy of our program under a name that nobody else has, the pipe
//! that shapes talk over. And the children of this harness.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use redkey::clock;

use crate::sys;

pub struct Place {
    dir: tempfile::TempDir,
    /// Whoever runs this file belongs to the trial.
    pub program: PathBuf,
    pub fifo: PathBuf,
    talk: File,
    heard: String,
}

impl Place {
    /// `original`: our own program, on the same file system as temporary files if possible.
    pub fn new(original: &Path, number: usize, policy: &str) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("rk").tempdir()?;
        // Another user's process must reach the pipe.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
        let program = dir.path().join(format!("f{:x}x{number:x}", std::process::id()));
        if fs::hard_link(original, &program).is_err() {
            fs::copy(original, &program)?;
        }
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o666.into(), 0)?;
        fs::set_permissions(&fifo, fs::Permissions::from_mode(0o666))?;
        let talk = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&fifo)?;
        fs::DirBuilder::new().mode(0o700).create(dir.path().join("rt"))?;
        let config = dir.path().join("config/redkey");
        fs::create_dir_all(&config)?;
        fs::write(config.join("policy.toml"), policy)?;
        Ok(Self { dir, program, fifo, talk, heard: String::new() })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the shape has said so far.
    pub fn heard(&mut self) -> &str {
        let mut part = [0; 4096];
        while let Ok(n @ 1..) = self.talk.read(&mut part) {
            self.heard.push_str(&String::from_utf8_lossy(&part[..n]));
        }
        &self.heard
    }

    /// redkey with these homes and nothing else of the environment.
    pub fn redkey(&self, args: &[&OsStr]) -> Command {
        let mut command = Command::new(redkey());
        command.args(args).env_clear().current_dir(self.dir.path()).env("PATH", "/usr/bin:/bin").env("TERM", "xterm");
        let homes = [
            ("HOME", "home"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_RUNTIME_DIR", "rt"),
        ];
        homes.iter().for_each(|(name, path)| _ = command.env(name, self.path(path)));
        if let Some(other) = std::env::var_os("FAULTS_SETUID") {
            command.env("FAULTS_SETUID", other);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts redkey, what it prints in files `NAME.out` and `NAME.err`.
    pub fn start(&self, name: &str, args: &[&str]) -> io::Result<u32> {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        let mut command = self.redkey(&args);
        command.stdout(File::create(self.path(&format!("{name}.out")))?);
        command.stderr(File::create(self.path(&format!("{name}.err")))?);
        Ok(command.spawn()?.id())
    }

    /// What a command that was started by [`Place::start`] has printed.
    pub fn printed(&self, name: &str) -> String {
        let read = |end: &str| fs::read_to_string(self.path(&format!("{name}.{end}"))).unwrap_or_default();
        let (out, err) = (read("out"), read("err"));
        if err.is_empty() { out } else { format!("{out}\n{err}") }
    }

    /// The first line that a command printed, as JSON.
    pub fn json(&self, name: &str) -> serde_json::Value {
        let text = fs::read_to_string(self.path(&format!("{name}.out"))).unwrap_or_default();
        text.lines().next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
    }

    /// The name of the one run here.
    pub fn run_name(&self) -> Option<String> {
        let entries = fs::read_dir(self.path("rt/redkey")).ok()?.flatten();
        entries.map(|entry| entry.path()).find_map(|path| {
            let is_socket = path.extension().is_some_and(|end| end == "sock");
            is_socket.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
        })
    }
}

/// The binary that is tested.
pub fn redkey() -> PathBuf {
    std::env::var_os("FAULTS_REDKEY").map_or_else(|| env!("CARGO_BIN_EXE_redkey").into(), PathBuf::from)
}

/// A command that stays in the background with its limits set before it starts.
pub fn limited(command: &mut Command, what: libc::__rlimit_resource_t, to: u64) -> &mut Command {
    let set = move || sys::limit_of(0, what, to, to);
    // SAFETY: one system call, nothing that allocates.
    unsafe { command.pre_exec(set) }
}

/// Everything that is, or becomes, a child of this process.
#[derive(Default)]
pub struct Children {
    ended: HashMap<u32, i32>,
}

impl Children {
    /// Takes notice of those that ended. `true`: there is no child at all.
    pub fn poll(&mut self) -> bool {
        sys::reap(|pid, status| _ = self.ended.insert(pid, status))
    }

    /// The wait status of a child, once it has ended.
    pub fn ended(&mut self, pid: u32) -> Option<i32> {
        self.poll();
        self.ended.get(&pid).copied()
    }

    /// Waits for a child; `None`: it goes on.
    pub fn wait(&mut self, pid: u32, for_ms: u64) -> Option<i32> {
        until(for_ms, || self.ended(pid))
    }

    pub fn forget(&mut self) {
        self.ended.clear();
    }
}

/// Looks again and again, for so long.
pub fn until<T>(for_ms: u64, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = clock::elapsed() + Duration::from_millis(for_ms);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if clock::elapsed() >= end {
            return None;
        }
        sys::sleep_us(500);
    }
}

/// The exit code in a wait status; -1 for a signal.
pub fn code(status: i32) -> i32 {
    if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 }
}
