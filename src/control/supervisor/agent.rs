//! Starting the agent itself.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal};

use super::contain::Cgroup;
use super::guardian::code;
use super::launch::number;
use super::streams::Ends;
use crate::control::proc::{self, PreExec};
use crate::domain::text::Text;

/// What starts the agent, with the ends of its streams where they are passed on.
pub fn command(command: &[OsString], run: &Text, socket: &Path, ends: Ends) -> Command {
    let mut agent = Command::new(command.first().map_or_else(|| OsStr::new(""), |c| c.as_os_str()));
    agent.args(command.iter().skip(1)).env("REDKEY_RUN", run.as_str()).env("REDKEY_SOCKET", socket);
    if let Some(input) = ends.stdin {
        agent.stdin(input);
    }
    if let Some(output) = ends.stdout {
        agent.stdout(output);
    }
    if let Some(errors) = ends.stderr {
        agent.stderr(errors);
    }
    agent
}

/// Starts the agent in the user's process group.
pub fn start(agent: &mut Command, group: Option<Pid>, cgroup: Option<&Cgroup>) -> io::Result<Pid> {
    let mut pre = PreExec {
        pgid: group.map(number),
        cgroup_procs: None,
        reset: vec![Signal::INT, Signal::TERM, Signal::QUIT, Signal::TSTP],
        pdeathsig: Some(Signal::KILL),
    };
    if let Some(cgroup) = cgroup {
        if let Some(pid) = proc::spawn_into(cgroup.directory(), agent, &pre)? {
            return Ok(pid);
        }
        pre.cgroup_procs = Some(cgroup.entrance().try_clone_to_owned()?);
    }
    let child = proc::spawn(agent, pre)?;
    Pid::from_raw(child.id() as i32).ok_or_else(|| io::Error::other("the kernel told no process id"))
}

/// With the exit code that a shell would give.
pub fn cannot_start(command: &[OsString], error: io::Error) -> (u8, anyhow::Error) {
    let code = match error.kind() {
        io::ErrorKind::NotFound => code::NOT_FOUND,
        io::ErrorKind::PermissionDenied => code::NOT_EXECUTABLE,
        _ => code::BROKEN,
    };
    let name = Text::new(&command.first().map(|c| c.to_string_lossy()).unwrap_or_default());
    (code, anyhow::Error::from(error).context(format!("cannot start {name}")))
}
