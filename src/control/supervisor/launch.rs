//! How a run begins: pipes, forks, the agent, in the one order that is right.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use rustix::process::{Pid, Signal};

use super::contain::{Cgroup, Contain};
use super::guardian::{self, Guardian, Verdict, code};
use super::meters::{Forked, MeterMain, Meters};
use super::pidns::{self, Init, Side};
use super::relay::Relay;
use super::supervise::{Seat, Supervisor};
use super::wire::ToGuardian;
use crate::clock;
use crate::control::agents::{self, Channel, Knowledge};
use crate::control::audit::{AuditSink, Fact, Pipe, Started};
use crate::control::coop;
use crate::control::desk::{self, Desk};
use crate::control::dir::RunDir;
use crate::control::link::{self, Link};
use crate::control::proc::{self, Children, Fork, PreExec};
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
    /// The meter's work, in a process of its own. Given: the run's name, its end of the link, the audit pipe, and whether
    /// the agent's stream is copied.
    pub meter: MeterMain,
}

/// The ends of the run's standard streams, where they are passed on.
struct Streams {
    agent_in: Option<OwnedFd>,
    relay_in: Option<OwnedFd>,
    agent_out: Option<OwnedFd>,
    relay_out: OwnedFd,
    channel: Option<Channel>,
    copy: Option<PathBuf>,
}

/// Meters that a run may have, one after the other. One that dies so often would die again.
const METERS: usize = 4;

/// After a supervisor was lost, the meter may take so long to write what it knows.
const METER_ENDS: Duration = Duration::from_secs(2);

/// Starts the run and waits for its end: the exit code, or the signal by which the agent ended.
pub fn launch(launch: Launch) -> Result<Result<u8, i32>> {
    let run = Text::new(&run_name());
    let known = agents::of(agents::recognise(&launch.command));
    let streams = Streams::for_agent(known, &launch, &run)?;
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
            let ends = Ends { guardian: supervisor_end, meters: to_meters, relay: to_relay, audit };
            std::process::exit(supervisor_main(launch, run, known, streams, ends));
        }
    };
    drop((supervisor_end, to_meters, to_relay));
    let mut helpers = vec![];
    let stream = streams.as_ref().and_then(|s| s.copy.clone());
    if let Some(streams) = streams {
        match proc::fork()? {
            Fork::Parent(pid) => helpers.push(number(pid)),
            Fork::Child => {
                drop((to_supervisor, meter_ends, audit, audit_reader));
                std::process::exit(relay_main(streams, relay_end));
            }
        }
    }
    let mut meters = Meters {
        work: launch.meter,
        ends: meter_ends,
        audit: audit_reader,
        run: run.clone(),
        root: proc::id(number(supervisor)),
        agent: known.agent,
        stream,
        command: command_line(&launch.command),
        cwd: cwd(),
    };
    let meter = match meters.start()? {
        Forked::Running(pid) => Some(pid),
        Forked::NoMore => None,
        Forked::Inside(end) => {
            drop((to_supervisor, audit));
            std::process::exit(meters.be(end));
        }
    };
    let children = Children::open_self()?;
    let link = Link::new(to_supervisor)?;
    guard(Guardian { run, supervisor, helpers, meter, meters, link, audit: Some(audit), children }, &launch.audit_log)
}

fn guard(mut guardian: Guardian, log: &std::path::Path) -> Result<Result<u8, i32>> {
    let verdict = guardian.wait()?;
    let code = guardian::exit_of(&verdict);
    say(&verdict);
    let lost = matches!(verdict, Verdict::SupervisorLost { .. });
    let reader = guardian.let_meter_finish(lost.then_some(METER_ENDS));
    if lost {
        // The meter has written what it took; this is for what nobody did.
        crate::control::audit::drain(&reader, log, Duration::from_millis(300))
            .map(drop)
            .unwrap_or_else(|error| warn(&format!("the audit log can't be written: {error}")));
    }
    Ok(code)
}

/// What a person at the terminal should know; nothing, if all went as if redkey weren't there.
fn say(verdict: &Verdict) {
    match verdict {
        Verdict::CannotStart { why, .. } => warn(why.as_str()),
        Verdict::SupervisorLost { survivors } if survivors.is_empty() => {
            warn("the run's supervisor was killed, so the run was ended: nothing of it is left");
        }
        Verdict::SupervisorLost { survivors } => {
            warn(&format!("the run's supervisor was killed, and {} processes are left:", survivors.len()));
            survivors.iter().for_each(|s| warn(&format!("  {} {} {} {}", s.pid, s.name, s.state, s.why)));
        }
        Verdict::Ended(end) => {
            if let Some((stop, receipt)) = end.stop.as_ref().and_then(|s| Some((s, s.receipt.as_ref()?))) {
                let reason = if stop.reason.is_empty() { String::new() } else { format!(": {}", stop.reason) };
                warn(&format!("{} · asked by {}{reason}", receipt.words(), stop.by.by));
                receipt.survivors.iter().for_each(|s| warn(&format!("  {} {} {} {}", s.pid, s.name, s.state, s.why)));
            }
            if !end.left_behind.is_empty() {
                let names: Vec<&str> = end.left_behind.iter().map(Text::as_str).collect();
                warn(&format!("the agent left processes behind, which were ended: {}", names.join(", ")));
            }
        }
    }
}

fn warn(line: &str) {
    // Where even that can't be written, the exit code and the audit log still tell.
    let _ = writeln!(io::stderr().lock(), "redkey: {}", crate::domain::text::clean(line));
}

/// What the supervisor is left with after the fork.
struct Ends {
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
    mut streams: Option<Streams>,
    ends: Ends,
) -> i32 {
    let guardian_pid = rustix::process::getppid();
    let init = match launch.contain {
        // Before anything is opened that the run must not hold.
        Contain::Pidns => match proc::become_subreaper().map_err(anyhow::Error::from).and_then(|()| pidns::split()) {
            Ok(Side::Outside(init)) => Ok(Some(init)),
            Ok(Side::First(first)) => {
                drop(ends);
                let socket = launch.run_dir.socket_path(run.as_str()).unwrap_or_default();
                let command = agent_command(&launch.command, &run, &socket, streams_of(&mut streams));
                drop(streams);
                return first.run(command, !launch.end_leftovers);
            }
            Err(error) => Err((code::BROKEN, error)),
        },
        _ => Ok(None),
    };
    let Ok(mut guardian) = Link::new(ends.guardian) else { return i32::from(code::BROKEN) };
    let begun = init.and_then(|init| {
        let guardian_pid = guardian_pid.ok_or_else(|| (code::BROKEN, anyhow!("the guardian is gone")))?;
        begin(launch, run, known, streams, init, guardian_pid, ends.meters, ends.relay, ends.audit)
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
    mut streams: Option<Streams>,
    mut init: Option<Init>,
    guardian_pid: Pid,
    meters: Vec<UnixStream>,
    relay: UnixStream,
    audit: Pipe,
) -> Result<Seat, Failed> {
    let user_group = proc::own_group();
    // Out of the terminal's foreground: its keys are for the agent. (In a pid namespace whose outside the group belongs to,
    // nobody could come back into it, so everybody stays.)
    if user_group.is_some() {
        rustix::process::setpgid(None, None).map_err(broken)?;
    }
    proc::become_subreaper().map_err(broken)?;
    proc::die_with_parent(Signal::TERM, number(guardian_pid)).map_err(broken)?;
    let mut desk = Desk::open(&launch.run_dir, run.as_str(), desk::welcome(run.as_str())).map_err(broken)?;
    let (cgroup, grade, grade_why) = contain(launch.contain, run.as_str()).map_err(broken)?;
    let children = Children::open_self().map_err(broken)?;
    let asks_by_relay = streams.as_ref().is_some_and(|s| s.channel.is_some());
    let relay = streams.is_some().then(|| Link::new(relay)).transpose().map_err(broken)?;
    let leader = match &mut init {
        Some(init) => init.start(user_group).map(|()| init.pid),
        None => {
            let mut command = agent_command(&launch.command, &run, desk.path(), streams_of(&mut streams));
            start(&mut command, user_group, cgroup.as_ref())
        }
    };
    let leader = leader.map_err(|error| cannot_start(&launch.command, error))?;
    drop(streams);
    // Not before: the agent would inherit it.
    proc::raise_open_files();
    desk.keep_out(&[std::process::id()]);
    let started = started(&launch, &run, number(guardian_pid), proc::id(number(leader)), grade);
    let status = status_of(&started, known, grade_why);
    audit.record(Some(&run), Fact::RunStarted(Box::new(started)));
    let_go_of_streams().map_err(broken)?;
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

fn contain(wanted: Contain, run: &str) -> Result<(Option<Cgroup>, Grade, Text)> {
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

/// What starts the agent, with the ends of its streams where they are passed on.
fn agent_command(
    command: &[OsString],
    run: &Text,
    socket: &std::path::Path,
    ends: (Option<OwnedFd>, Option<OwnedFd>),
) -> Command {
    let mut agent = Command::new(command.first().map_or_else(|| std::ffi::OsStr::new(""), |c| c.as_os_str()));
    agent.args(command.iter().skip(1)).env("REDKEY_RUN", run.as_str()).env("REDKEY_SOCKET", socket);
    if let Some(input) = ends.0 {
        agent.stdin(input);
    }
    if let Some(output) = ends.1 {
        agent.stdout(output);
    }
    agent
}

/// The agent's ends; they are the command's from now on.
fn streams_of(streams: &mut Option<Streams>) -> (Option<OwnedFd>, Option<OwnedFd>) {
    streams.as_mut().map_or((None, None), |s| (s.agent_in.take(), s.agent_out.take()))
}

/// Starts the agent in the user's process group.
fn start(agent: &mut Command, group: Option<Pid>, cgroup: Option<&Cgroup>) -> io::Result<Pid> {
    let pre = PreExec {
        pgid: group.map(number),
        cgroup_procs: cgroup.map(|c| c.entrance().try_clone_to_owned()).transpose()?,
        reset: vec![Signal::INT, Signal::TERM, Signal::QUIT, Signal::TSTP],
        pdeathsig: Some(Signal::KILL),
    };
    let child = proc::spawn(agent, pre)?;
    Pid::from_raw(child.id() as i32).ok_or_else(|| io::Error::other("the kernel told no process id"))
}

/// With the exit code that a shell would give.
fn cannot_start(command: &[OsString], error: io::Error) -> (u8, anyhow::Error) {
    let code = match error.kind() {
        io::ErrorKind::NotFound => code::NOT_FOUND,
        io::ErrorKind::PermissionDenied => code::NOT_EXECUTABLE,
        _ => code::BROKEN,
    };
    let name = Text::new(&command.first().map(|c| c.to_string_lossy()).unwrap_or_default());
    (code, anyhow::Error::from(error).context(format!("cannot start {name}")))
}

impl Streams {
    /// Pipes, if this agent's streams must be passed on; `None`: it gets the user's own.
    fn for_agent(known: &Knowledge, launch: &Launch, run: &Text) -> Result<Option<Self>> {
        let channel = known.agent.and_then(|agent| agents::channel(agent, &launch.command)).filter(|c| c.is_piped());
        let on_disk = known.agent.is_some_and(|agent| agents::writes_transcript(agent, &launch.command));
        // On a terminal a person reads, and what is drawn there is no stream.
        let copies = !on_disk && !io::stdout().is_terminal();
        if channel.is_none() && !copies {
            return Ok(None);
        }
        let (relay_out, agent_out) = io::pipe().context("cannot make a pipe")?;
        let (agent_in, relay_in) = match channel {
            Some(_) => {
                let (read, write) = io::pipe().context("cannot make a pipe")?;
                (Some(read.into()), Some(write.into()))
            }
            None => (None, None),
        };
        let copy = copies.then(|| launch.streams.join(format!("{run}.out.jsonl")));
        let (agent_out, relay_out) = (Some(agent_out.into()), relay_out.into());
        Ok(Some(Self { agent_in, relay_in, agent_out, relay_out, channel, copy }))
    }
}

fn relay_main(streams: Streams, link: UnixStream) -> i32 {
    let Streams { agent_in, relay_in, agent_out, relay_out, channel, copy } = streams;
    drop((agent_in, agent_out));
    let work = || -> io::Result<()> {
        rustix::process::setpgid(None, None)?;
        let copy = copy.as_ref().and_then(|path| copy_at(path).ok());
        let coop = channel.and_then(coop::machine);
        Relay { link: Link::new(link)?, input: relay_in, coop, output: relay_out, copy }.run()
    };
    work().map_or(1, |()| 0)
}

/// Only its user may read what an agent printed.
fn copy_at(path: &std::path::Path) -> io::Result<File> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    File::options().create_new(true).append(true).mode(0o600).open(path)
}

/// The agent's streams are the agent's: whoever reads them must see their end when the agent closes them.
pub(super) fn let_go_of_streams() -> io::Result<()> {
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(nothing.as_fd())?;
    Ok(())
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
