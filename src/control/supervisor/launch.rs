//! How a run begins: pipes, forks, the agent, in the one order that is right.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use anyhow::{Result, anyhow};
use rustix::process::{Pid, Signal};

use super::agent;
use super::contain::{Contain, contain};
use super::guardian::{Guardian, code};
use super::meters::{MeterMain, Meters};
use super::pidns::{self, Init, Side};
use super::streams::{self, Ends, Helper};
use super::supervise::{Seat, Supervisor};
use super::wire::ToGuardian;
use crate::clock;
use crate::control::agents::{self, Knowledge};
use crate::control::audit::{AuditSink, Fact, Pipe, Started};
use crate::control::desk::{self, Desk};
use crate::control::dir::RunDir;
use crate::control::link::{self, Link};
use crate::control::proc::{self, Children, Fork};
use crate::control::protocol::{Metered, Status};
use crate::control::words::{AtZero, Grade, ProcId, Times};
use crate::domain::text::Text;
use crate::domain::time::Span;

/// Everything that is decided before a run starts.
pub struct Launch {
    pub command: Vec<OsString>,
    pub label: Text,
    pub contain: Contain,
    pub times: Times,
    /// End what the agent leaves behind; else wait for it.
    pub end_leftovers: bool,
    pub at_zero: AtZero,
    pub budget: Option<Span>,
    pub caps: BTreeMap<Text, f64>,
    pub expect: Option<Span>,
    pub run_dir: RunDir,
    /// Where streams that nobody else keeps are copied to.
    pub streams: PathBuf,
    /// The audit log, for what is still in the pipe when the meter is gone.
    pub audit_log: PathBuf,
    /// The meter's work, in a process of its own.
    pub meter: MeterMain,
}

/// Meters that a run may have, one after the other. One that dies so often would die again.
const METERS: usize = 4;

/// Starts the run and waits for its end: the exit code, or the signal by which the agent ended.
pub fn launch(launch: Launch) -> Result<Result<u8, i32>> {
    let run = Text::new(&run_name());
    let known = agents::of(agents::recognise(&launch.command));
    let helper = Helper::for_agent(known, &launch, &run)?;
    let (audit, audit_reader) = Pipe::pair()?;
    let (to_meters, meter_ends): (Vec<_>, Vec<_>) =
        (0..METERS).map(|_| link::pair()).collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    let (to_supervisor, supervisor_end) = link::pair()?;
    let (to_relay, relay_end) = link::pair()?;
    proc::become_subreaper()?;
    // A limit on file sizes must cost us a write and not the process; the agent gets the default action back by exec.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, std::sync::Arc::default())?;

    let supervisor = match proc::fork()? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            drop((to_supervisor, meter_ends, relay_end, audit_reader));
            let ends = Lines { guardian: supervisor_end, meters: to_meters, relay: to_relay, audit };
            std::process::exit(supervisor_main(launch, run, known, helper, ends));
        }
    };
    drop((supervisor_end, to_meters, to_relay));
    // What else there is to start comes after the agent: it waits for none of that.
    let meters = Meters {
        work: launch.meter,
        ends: meter_ends,
        audit: audit_reader,
        run: run.clone(),
        root: proc::id(number(supervisor)),
        agent: known.agent,
        command: command_line(&launch.command),
        cwd: cwd(),
    };
    let children = Children::open_self()?;
    let link = Link::new(to_supervisor)?;
    let (helper, meter, audit) = (helper.map(|helper| (helper, relay_end)), None, Some(audit));
    Guardian { run, supervisor, helper, helpers: vec![], meter, meters, link, audit, children }.guard(&launch.audit_log)
}

/// What the supervisor is left with after the fork.
struct Lines {
    guardian: UnixStream,
    /// To each meter that there may be; the first is the first to be there.
    meters: Vec<UnixStream>,
    relay: UnixStream,
    audit: Pipe,
}

/// The supervisor's whole life; its exit code is for nobody.
fn supervisor_main(
    launch: Launch,
    run: Text,
    known: &'static Knowledge,
    mut helper: Option<Helper>,
    ends: Lines,
) -> i32 {
    let guardian_pid = rustix::process::getppid();
    let init = match launch.contain {
        // Before anything is opened that the run must not hold.
        Contain::Pidns => match proc::become_subreaper().map_err(anyhow::Error::from).and_then(|()| pidns::split()) {
            Ok(Side::Outside(init)) => Ok(Some(init)),
            Ok(Side::First(first)) => {
                drop(ends);
                let socket = launch.run_dir.socket_path(run.as_str()).unwrap_or_default();
                let command = agent::command(&launch.command, &run, &socket, agent_ends(&mut helper));
                drop(helper);
                return first.run(command, !launch.end_leftovers);
            }
            Err(error) => Err((code::BROKEN, error)),
        },
        _ => Ok(None),
    };
    let Ok(mut guardian) = Link::new(ends.guardian) else { return i32::from(code::BROKEN) };
    let begun = init.and_then(|init| {
        let guardian_pid = guardian_pid.ok_or_else(|| (code::BROKEN, anyhow!("the guardian is gone")))?;
        begin(launch, run, known, helper, init, guardian_pid, ends.meters, ends.relay, ends.audit)
    });
    match begun {
        Ok(seat) => {
            guardian.send(&ToGuardian::Started(seat.status.leader.unwrap_or(ProcId { pid: 0, start: 0 })));
            match Supervisor::new(seat, guardian).and_then(Supervisor::run) {
                Ok(()) => 0,
                Err(_) => i32::from(code::BROKEN), // the guardian sees that we are gone, and ends the run
            }
        }
        Err((code, error)) => {
            guardian.send(&ToGuardian::CannotStart { code, why: Text::new(&format!("{error:#}")) });
            i32::from(code)
        }
    }
}

/// An error, and the exit code that a shell would give.
type Failed = (u8, anyhow::Error);

fn broken(error: impl Into<anyhow::Error>) -> Failed {
    (code::BROKEN, error.into())
}

#[expect(clippy::too_many_arguments, reason = "everything that a supervisor is left with after its fork")]
fn begin(
    launch: Launch,
    run: Text,
    known: &'static Knowledge,
    mut helper: Option<Helper>,
    mut init: Option<Init>,
    guardian_pid: Pid,
    meters: Vec<UnixStream>,
    relay: UnixStream,
    audit: Pipe,
) -> Result<Seat, Failed> {
    let user_group = proc::own_group();
    proc::become_subreaper().map_err(broken)?;
    proc::die_with_parent(Signal::TERM, number(guardian_pid)).map_err(broken)?;
    let mut desk = Desk::open(&launch.run_dir, run.as_str(), desk::welcome(run.as_str())).map_err(broken)?;
    let (cgroup, grade, grade_why) = contain(launch.contain, run.as_str()).map_err(broken)?;
    let children = Children::open_self().map_err(broken)?;
    let asks_by_relay = helper.as_ref().is_some_and(Helper::asks);
    let relay = helper.is_some().then(|| Link::new(relay)).transpose().map_err(broken)?;
    let leader = match &mut init {
        Some(init) => init.start(user_group).map(|()| init.pid),
        None => {
            let mut command = agent::command(&launch.command, &run, desk.path(), agent_ends(&mut helper));
            agent::start(&mut command, user_group, cgroup.as_ref())
        }
    };
    let leader = leader.map_err(|error| agent::cannot_start(&launch.command, error))?;
    drop(helper);
    // Not before: the agent would inherit both.
    step_aside(user_group);
    proc::raise_open_files();
    desk.keep_out(&[std::process::id()]);
    desk.keep_out_runs(&launch.audit_log);
    let started = started(&launch, &run, number(guardian_pid), proc::id(number(leader)), grade);
    let status = status_of(&started, known, grade_why);
    audit.record(Some(&run), Fact::RunStarted(Box::new(started)));
    streams::let_go_of_streams().map_err(broken)?;
    Ok(Seat {
        run,
        agent: known,
        times: launch.times,
        end_leftovers: launch.end_leftovers,
        guardian_pid,
        desk,
        meters: meters.into_iter().map(Link::new).collect::<io::Result<_>>().map_err(broken)?,
        relay,
        asks_by_relay,
        cgroup,
        audit,
        children,
        status,
        leader,
    })
}

/// Out of the terminal's foreground: its keys are for the agent. A session of our own also gives us a fair share of the
/// processor where the kernel shares it by session, however many processes the agent makes. (In a pid namespace whose
/// outside the group belongs to, nobody could come back into it, so everybody stays.)
fn step_aside(user_group: Option<Pid>) {
    if user_group.is_some() && rustix::process::setsid().is_err() {
        let _ = rustix::process::setpgid(None, None); // refused: then the keys reach us too, and are passed on once
    }
}

fn agent_ends(helper: &mut Option<Helper>) -> Ends {
    helper.as_mut().map_or_else(Ends::default, Helper::agent_ends)
}

fn started(launch: &Launch, run: &Text, guardian: u32, leader: Option<ProcId>, grade: Grade) -> Started {
    let me = std::process::id();
    Started {
        run: run.clone(),
        label: launch.label.clone(),
        command: command_line(&launch.command),
        cwd: cwd(),
        supervisor: proc::id(me).unwrap_or(ProcId { pid: me, start: 0 }),
        guardian: proc::id(guardian),
        leader,
        grade: Some(grade),
        budget_ms: launch.budget,
        caps: launch.caps.clone(),
        expect_ms: launch.expect,
        at_zero: launch.at_zero,
    }
}

fn status_of(started: &Started, known: &Knowledge, grade_why: Text) -> Status {
    Status {
        run: started.run.clone(),
        label: started.label.clone(),
        command: started.command.clone(),
        cwd: started.cwd.clone(),
        started: clock::now(),
        leader: started.leader,
        supervisor: Some(started.supervisor),
        guardian: started.guardian,
        grade: started.grade,
        grade_why,
        at_zero: started.at_zero,
        alive: 1,
        stop: None,
        meter: true,
        metered: Metered { agent: known.agent, budget_ms: started.budget_ms, ..Metered::default() },
        audit_degraded: false,
    }
}

pub(super) fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// `r-` and a number that no other run has: the time and our process id, short.
fn run_name() -> String {
    let unique = (clock::now().0 as u64 / 100) << 22 | u64::from(std::process::id()) & 0x3f_ffff;
    let mut digits = vec![];
    let mut rest = unique;
    while rest > 0 {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(rest % 36) as usize] as char);
        rest /= 36;
    }
    // The fast-changing digits first: a few of them name the run.
    format!("r-{}", digits.into_iter().collect::<String>())
}

/// The command as a person would type it, near enough.
fn command_line(command: &[OsString]) -> Text {
    let words: Vec<String> = command.iter().map(|w| w.to_string_lossy().into_owned()).collect();
    Text::limited(&words.join(" "), 400)
}

fn cwd() -> Text {
    Text::new(&std::env::current_dir().unwrap_or_default().to_string_lossy())
}
