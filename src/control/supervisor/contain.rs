//! What holds a run's processes together beside the supervisor: a cgroup, where one may be made.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::control::words::Grade;
use crate::domain::text::Text;

/// How a run is to be contained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Contain {
    /// A cgroup where one can be made, else the supervisor alone
    #[default]
    Auto,
    /// The supervisor alone: it inherits whatever loses its parent
    Subreaper,
    /// A cgroup of its own; an error where none can be made
    Cgroup,
    /// A pid namespace of its own: nothing inside can see, signal or outlive what is outside
    Pidns,
}

/// A cgroup (version 2) made for one run. Its files are opened before the run starts, so that killing needs no more.
pub struct Cgroup {
    path: PathBuf,
    directory: File,
    procs: File,
    kill: File,
    events: File,
}

impl Cgroup {
    /// Makes one below our own. The error says, for a person, why there is none.
    pub fn make(name: &str) -> Result<Self, Text> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let parent = own_directory(&mounts, &own).ok_or_else(|| Text::new("no cgroup v2 is mounted"))?;
        let path = parent.join(format!("redkey-{name}"));
        let why = |what: &str, error: io::Error| Text::new(&format!("{what} {}: {error}", path.display()));
        fs::create_dir(&path).map_err(|e| why("cannot make", e))?;
        Self::open(&path).map_err(|e| {
            let _ = fs::remove_dir(&path); // the reason for which it can't be used is told
            why("cannot use", e)
        })
    }

    fn open(path: &Path) -> io::Result<Self> {
        let write = |name: &str| File::options().write(true).open(path.join(name));
        Ok(Self {
            path: path.to_owned(),
            directory: File::open(path)?,
            procs: write("cgroup.procs")?,
            kill: write("cgroup.kill")?,
            events: File::open(path.join("cgroup.events"))?,
        })
    }

    /// What a process can be born in.
    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Where a process writes `0` to enter.
    pub fn entrance(&self) -> BorrowedFd<'_> {
        self.procs.as_fd()
    }

    /// Kills everything in it at once, forks in flight included.
    pub fn kill(&self) -> io::Result<()> {
        (&self.kill).write_all(b"1")
    }

    /// Is anything in it alive?
    pub fn is_populated(&self) -> io::Result<bool> {
        let mut text = String::new();
        (&self.events).rewind()?;
        (&self.events).read_to_string(&mut text)?;
        Ok(!text.lines().any(|line| line.trim() == "populated 0"))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A survivor keeps it; the receipt names that.
        let _ = fs::remove_dir(&self.path);
    }
}

/// What holds the run as it is wanted: the cgroup, if there is one, the grade, and why it isn't a better one.
pub fn contain(wanted: Contain, run: &str) -> Result<(Option<Cgroup>, Grade, Text)> {
    match wanted {
        Contain::Subreaper => Ok((None, Grade::Subreaper, Text::new("asked for"))),
        Contain::Auto => Ok(match Cgroup::make(run) {
            Ok(cgroup) => (Some(cgroup), Grade::Cgroup, Text::default()),
            Err(why) => (None, Grade::Subreaper, why),
        }),
        Contain::Cgroup => match Cgroup::make(run) {
            Ok(cgroup) => Ok((Some(cgroup), Grade::Cgroup, Text::default())),
            Err(why) => bail!(
                "no cgroup for this run: {why}\nhint: `--contain auto` does without, or start redkey where cgroups are \
                 delegated (`systemd-run --user --scope -p Delegate=yes redkey run …`)"
            ),
        },
        Contain::Pidns => Ok((None, Grade::Pidns, Text::default())),
    }
}

/// Deepest directory of cgroups that is looked into.
const DEEPEST: usize = 12;

/// The cgroup of a run that its supervisor has left behind.
fn left_behind(run: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    find(&mount_point(&mounts)?, &format!("redkey-{run}"), DEEPEST)
}

fn find(below: &Path, name: &str, depth: usize) -> Option<PathBuf> {
    let entries = fs::read_dir(below).ok()?.flatten();
    let directories: Vec<PathBuf> =
        entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
    let named = directories.iter().find(|path| path.file_name().is_some_and(|own| own == name));
    let deeper = || directories.iter().filter(|_| depth > 0).find_map(|path| find(path, name, depth - 1));
    named.cloned().or_else(deeper)
}

/// Processes in the cgroup that a run's supervisor has left behind.
pub fn members(run: &str) -> Vec<u32> {
    let listed = left_behind(run).and_then(|path| fs::read_to_string(path.join("cgroup.procs")).ok());
    listed.unwrap_or_default().lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid > 0).collect()
}

/// KILL to all of them at once. Where that can't be done, nothing happens: what lives is found by those who count.
pub fn kill(run: &str) {
    if let Some(path) = left_behind(run) {
        let _ = fs::write(path.join("cgroup.kill"), "1");
    }
}

/// Removes that cgroup, if nothing is in it.
pub fn tidy(run: &str) {
    if let Some(path) = left_behind(run) {
        let _ = fs::remove_dir(path); // one that holds a process stays
    }
}

/// Where cgroups of version 2 are mounted, from `/proc/self/mountinfo`.
fn mount_point(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut fields = before.split(' ');
        let (root, point) = (fields.nth(3)?, fields.next()?);
        (after.starts_with("cgroup2 ") && root == "/").then(|| point.into())
    })
}

/// The directory of our own cgroup, from `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn own_directory(mounts: &str, own: &str) -> Option<PathBuf> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(mount_point(mounts)?.join(path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_directory_is_found_below_the_mount() {
        let mounts =
            "24 30 0:22 / /proc rw - proc proc rw\n35 30 0:31 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw";
        assert_eq!(own_directory(mounts, "0::/user.slice/a\n"), Some("/sys/fs/cgroup/user.slice/a".into()));
        assert_eq!(own_directory(mounts, "4:memory:/x\n"), None);
        assert_eq!(own_directory("24 30 0:22 / /proc rw - proc proc rw", "0::/a"), None);
    }
}
