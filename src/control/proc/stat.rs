//! Reads what `/proc/PID/…` tells of one process. Everything may vanish between two reads; that is no error worth words.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;

use super::super::words::ProcId;
use crate::domain::text::Text;

/// Most of a file in `/proc` that is read: an environment or a command line can't usefully be larger.
const MAX_FILE: u64 = 4 << 20;
/// Longer chains of parents than this aren't real.
const MAX_DEPTH: usize = 4_096;

/// The part of `/proc/PID/stat` that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    /// The kernel's short name of it, at most 15 bytes.
    pub name: Text,
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X`, `I`.
    pub state: char,
    /// 0: it has none, or one outside of this pid namespace.
    pub ppid: u32,
    pub pgrp: u32,
    pub session: u32,
    /// Clock ticks since boot.
    pub start: u64,
    /// Threads that haven't ended yet, the main one counted while it is there as a zombie.
    pub threads: u32,
}

impl Stat {
    pub fn id(&self) -> ProcId {
        ProcId { pid: self.pid, start: self.start }
    }
}

/// Parses a line of `/proc/PID/stat`. The name is whatever its process likes, spaces, parentheses and line breaks
/// included: it ends at the last `)`.
pub fn parse(raw: &[u8]) -> Option<Stat> {
    let open = memchr::memchr(b'(', raw)?;
    let close = memchr::memrchr(b')', raw)?;
    let name = raw.get(open + 1..close)?;
    let pid = std::str::from_utf8(&raw[..open]).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(&raw[close + 1..]).ok()?;
    // From here on: field 3 of proc(5) comes first.
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let mut number = |skip: usize| fields.nth(skip)?.parse::<i64>().ok();
    let ppid = number(0)?;
    let pgrp = number(0)?;
    let session = number(0)?;
    let threads = number(13)?;
    let start = number(1)?;
    let small = |n: i64| u32::try_from(n).unwrap_or(0);
    Some(Stat {
        pid,
        name: Text::new(&String::from_utf8_lossy(name)),
        state,
        ppid: small(ppid),
        pgrp: small(pgrp),
        session: small(session),
        start: u64::try_from(start).ok()?,
        threads: small(threads),
    })
}

/// What the kernel tells of `pid` now. A zombie is told of too.
pub fn read(pid: u32) -> io::Result<Stat> {
    let raw = file(pid, "stat")?;
    parse(&raw).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an unreadable /proc/PID/stat"))
}

/// Which process has the number now.
pub fn id(pid: u32) -> Option<ProcId> {
    read(pid).ok().map(|stat| stat.id())
}

/// Which boot this is. Process ids and start times of another one mean nothing. Empty if the system doesn't say.
pub fn boot_id() -> Text {
    if cfg!(target_os = "linux") {
        Text::new(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default())
    } else {
        Text::default()
    }
}

/// The kernel's short name of a process; empty if it is gone.
pub fn name(pid: u32) -> Text {
    file(pid, "comm").map(|raw| Text::new(&String::from_utf8_lossy(&raw))).unwrap_or_default()
}

/// Has the process been started with this variable, `NAME=value`, in its environment? False if it can't be read.
pub fn environ_has(pid: u32, variable: &[u8]) -> bool {
    file(pid, "environ").is_ok_and(|raw| raw.split(|b| *b == 0).any(|entry| entry == variable))
}

/// The value of a variable as the process was started with it.
pub fn environ(pid: u32, name: &str) -> Option<String> {
    let raw = file(pid, "environ").ok()?;
    let value = |entry: &[u8]| Some(entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?.to_vec());
    String::from_utf8(raw.split(|b| *b == 0).find_map(value)?).ok()
}

/// The arguments, the command first. Empty for kernel threads, zombies, and what can't be read.
pub fn cmdline(pid: u32) -> Vec<OsString> {
    use std::os::unix::ffi::OsStringExt;
    let Ok(mut raw) = file(pid, "cmdline") else { return vec![] };
    if raw.last() == Some(&0) {
        raw.pop();
    }
    if raw.is_empty() {
        return vec![];
    }
    raw.split(|b| *b == 0).map(|arg| OsString::from_vec(arg.to_vec())).collect()
}

pub fn cwd(pid: u32) -> Option<PathBuf> {
    link(pid, "cwd")
}

/// The file that runs; its path ends in ` (deleted)` if it has been replaced since.
pub fn exe(pid: u32) -> Option<PathBuf> {
    link(pid, "exe")
}

/// The real user of a process.
pub fn uid(pid: u32) -> Option<u32> {
    status_field(pid, "Uid:")?.split_ascii_whitespace().next()?.parse().ok()
}

/// Who traces it with ptrace.
pub fn tracer(pid: u32) -> Option<u32> {
    status_field(pid, "TracerPid:")?.trim().parse().ok().filter(|pid| *pid != 0)
}

/// Where in the kernel it sleeps; empty if the kernel doesn't say.
pub fn wchan(pid: u32) -> Text {
    let raw = file(pid, "wchan").unwrap_or_default();
    if raw == b"0" { Text::default() } else { Text::new(&String::from_utf8_lossy(&raw)) }
}

/// The parents, the nearest first, up to process 1.
pub fn ancestors(pid: u32) -> Vec<ProcId> {
    let mut found: Vec<ProcId> = vec![];
    let mut next = read(pid).map_or(0, |stat| stat.ppid);
    while next != 0 && found.len() < MAX_DEPTH {
        let Ok(stat) = read(next) else { break };
        if found.iter().any(|known| known.pid == stat.pid) {
            break;
        }
        found.push(stat.id());
        next = stat.ppid;
    }
    found
}

/// Numbers of all processes that can be seen.
pub fn all() -> Vec<u32> {
    if !cfg!(target_os = "linux") {
        return vec![];
    }
    let Ok(entries) = std::fs::read_dir("/proc") else { return vec![] };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn status_field(pid: u32, field: &str) -> Option<String> {
    let raw = file(pid, "status").ok()?;
    String::from_utf8_lossy(&raw).lines().find_map(|line| line.strip_prefix(field).map(str::to_owned))
}

fn link(pid: u32, name: &str) -> Option<PathBuf> {
    if cfg!(target_os = "linux") { std::fs::read_link(format!("/proc/{pid}/{name}")).ok() } else { None }
}

fn file(pid: u32, name: &str) -> io::Result<Vec<u8>> {
    if !cfg!(target_os = "linux") {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let mut raw = vec![];
    std::fs::File::open(format!("/proc/{pid}/{name}"))?.take(MAX_FILE).read_to_end(&mut raw)?;
    Ok(raw)
}

/// Does this process run the same program file as this one? Where that can't be read: no.
pub fn same_program(pid: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = |who: &str| std::fs::metadata(format!("/proc/{who}/exe")).ok().map(|found| (found.dev(), found.ino()));
    file("self").is_some_and(|own| file(&pid.to_string()) == Some(own))
}

/// The name of this user in the system's list of users; empty if it isn't there.
pub fn user_name(uid: u32) -> Text {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    });
    Text::new(name.unwrap_or_default())
}
