//! Something has run out: room on the disk, descriptors, processes, readers.

use std::fs;
use std::process::{Command, Stdio};

use crate::cells::verified;
use crate::faults::{Result, usual, usually, with};
use crate::place::{limited, until};
use crate::shapes::Shape;
use crate::sys;
use crate::trial::{Bench, End, Run, broken};

fn says_degraded(bench: &mut Bench, run: &Run) -> Result<()> {
    let told = until(3_000, || {
        let pid = run.place.start("status", &["status", "--json"]).ok()?;
        bench.children.wait(pid, 3_000)?;
        (run.place.json("status")[0]["audit_degraded"] == true).then_some(())
    });
    told.ok_or_else(|| broken(format!("it doesn't say that the log can't be written: {}", run.place.printed("status"))))
}

/// redkey and the run may not make any file longer: the audit log can't be written.
pub fn no_file_size(bench: &mut Bench, shape: &Shape) -> Result {
    let limit = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        limited(command, libc::RLIMIT_FSIZE, 0);
    };
    with(bench, shape, &usual(), limit, |bench, run| {
        let told = says_degraded(bench, run);
        let outcome = verified(bench, run, &["--now"])?;
        told.map(|()| outcome)
    })
}

/// The log's disk is full: a file system of its own, which takes root.
pub fn full_disk(bench: &mut Bench, shape: &Shape) -> Result {
    let Some(state) = std::env::var_os("FAULTS_FULL").filter(|path| !path.is_empty()) else {
        return Err(End::Skipped("needs root to set up: FAULTS_FULL names a writable directory on a full disk".into()));
    };
    let change = |command: &mut Command| _ = command.env("XDG_STATE_HOME", &state);
    with(bench, shape, &usual(), change, |bench, run| {
        let told = says_degraded(bench, run);
        let outcome = verified(bench, run, &["--now"])?;
        told.map(|()| outcome)
    })
}

/// The supervisor may not open anything any more: what it needs for a stop it has.
pub fn no_descriptors(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        let open = fs::read_dir(format!("/proc/{}/fd", run.supervisor)).map_or(0, Iterator::count) as u64;
        // As many as are open: the next one is refused.
        sys::limit_of(run.supervisor, libc::RLIMIT_NOFILE, open, open).map_err(|e| broken(format!("no limit: {e}")))?;
        verified(bench, run, &["--now"])
    })
}

pub fn no_forks(bench: &mut Bench, shape: &Shape) -> Result {
    usually(bench, shape, |bench, run| {
        for pid in [run.supervisor, run.guardian] {
            sys::limit_of(pid, libc::RLIMIT_NPROC, 0, 0).map_err(|e| broken(format!("no limit: {e}")))?;
        }
        verified(bench, run, &["--now"])
    })
}

/// Nobody reads what `redkey run` and the agent print.
pub fn run_output_closed(bench: &mut Bench, shape: &Shape) -> Result {
    let (reader, writer) = std::io::pipe().map_err(|e| broken(e.to_string()))?;
    let change = |command: &mut Command| {
        let errors = writer.try_clone().map_or_else(|_| Stdio::null(), Stdio::from);
        command.stdout(writer).stderr(errors);
    };
    with(bench, shape, &usual(), change, |bench, run| {
        drop(reader);
        verified(bench, run, &["--now"])
    })
}
