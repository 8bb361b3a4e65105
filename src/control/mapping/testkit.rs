//! A tree like `/proc`, and homes of agents beside it, in a directory that goes away.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::scan::Proc;
use super::{Mapped, map_all};
use crate::control::words::ProcId;
use crate::domain::time::{Span, Stamp};
use crate::sources::Env;

/// Now, in all of these tests; the machine has been up for a day.
pub const NOW: Stamp = Stamp(1_800_000_000_000);
pub const UP: i64 = 86_400;

pub struct Fake {
    dir: tempfile::TempDir,
}

/// A process to be put there.
pub struct Process<'a> {
    pub pid: u32,
    pub parent: u32,
    pub comm: &'a str,
    /// Program, where it matters.
    pub exe: &'a str,
    pub argv: &'a [&'a str],
    pub vars: &'a [(&'a str, &'a str)],
    pub cwd: &'a str,
    /// So long ago it started.
    pub age: Span,
}

impl Default for Process<'_> {
    fn default() -> Self {
        Self { pid: 100, parent: 1, comm: "sh", exe: "", argv: &[], vars: &[], cwd: "/p", age: Span::secs(60) }
    }
}

impl Fake {
    pub fn new() -> Self {
        let fake = Self { dir: tempfile::tempdir().unwrap() };
        fake.write("proc/uptime", &format!("{UP}.00 1.00\n"));
        fs::create_dir_all(fake.path("home")).unwrap();
        fake
    }

    pub fn path(&self, rest: &str) -> PathBuf {
        self.dir.path().join(rest)
    }

    pub fn home(&self) -> String {
        self.path("home").to_string_lossy().into_owned()
    }

    pub fn proc(&self) -> Proc {
        Proc::at(self.path("proc"))
    }

    pub fn write(&self, rest: &str, text: &str) -> PathBuf {
        let path = self.path(rest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A file that was written so long ago.
    pub fn old(&self, rest: &str, text: &str, ago: Span) -> PathBuf {
        let path = self.write(rest, text);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis((NOW.0 - ago.0) as u64);
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    }

    pub fn add(&self, one: &Process<'_>) -> ProcId {
        let ticks = (UP * 1_000 - one.age.0) / 10;
        let dir = format!("proc/{}", one.pid);
        let zeros = "0 ".repeat(15);
        let (pid, comm, parent) = (one.pid, one.comm, one.parent);
        self.write(&format!("{dir}/stat"), &format!("{pid} ({comm}) S {parent} {pid} {pid} {zeros}{ticks} 0 0\n"));
        let nul = |parts: Vec<String>| parts.into_iter().map(|part| part + "\0").collect::<String>();
        self.write(&format!("{dir}/cmdline"), &nul(one.argv.iter().map(|arg| (*arg).to_owned()).collect()));
        let mut vars: Vec<String> = one.vars.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !one.vars.iter().any(|(name, _)| *name == "HOME") {
            vars.push(format!("HOME={}", self.home()));
        }
        self.write(&format!("{dir}/environ"), &nul(vars));
        self.write(&format!("{dir}/status"), &format!("Name:\t{comm}\nNSpid:\t{pid}\n"));
        fs::create_dir_all(self.path(&format!("{dir}/fd"))).unwrap();
        self.link(&format!("{dir}/cwd"), Path::new(one.cwd));
        if !one.exe.is_empty() {
            self.link(&format!("{dir}/exe"), Path::new(one.exe));
        }
        ProcId { pid, start: ticks as u64 }
    }

    pub fn hold_open(&self, pid: u32, path: &Path) {
        let dir = self.path(&format!("proc/{pid}/fd"));
        let number = fs::read_dir(&dir).unwrap().count() + 3;
        self.link(&format!("proc/{pid}/fd/{number}"), path);
    }

    pub fn link(&self, rest: &str, to: &Path) {
        let path = self.path(rest);
        let _ = fs::remove_file(&path);
        symlink(to, path).unwrap();
    }

    pub fn remove(&self, pid: u32) {
        fs::remove_dir_all(self.path(&format!("proc/{pid}"))).unwrap();
    }

    pub fn map(&self) -> Vec<Mapped> {
        map_all(&self.proc(), &Env::default(), NOW)
    }

    /// `claude:abc 12/10` if certain (process/leader), else `claude:abc ?` with the reason.
    pub fn told(&self) -> Vec<String> {
        told(&self.map())
    }
}

pub fn told(mapped: &[Mapped]) -> Vec<String> {
    let one = |one: &Mapped| match one.certain {
        true => format!("{} {}/{}", one.session, one.process.pid, one.leader.pid),
        false => format!("{} ? {}", one.session, one.why_not),
    };
    mapped.iter().map(one).collect()
}

/// A time as agents write it, so long ago.
pub fn rfc3339(ago: Span) -> String {
    chrono::DateTime::from_timestamp_millis(NOW.0 - ago.0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
