//! The guardian: the process that the user's shell started. It waits, passes signals on, ends as the agent ended, and
//! if the supervisor is killed, ends what the supervisor held.
//!
//! It has one thread. Whatever loses its parent below it and the supervisor becomes its child.

use std::io::{self, PipeReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use super::finish;
use super::launch::number;
use super::meters::{Forked, Meters};
use super::signals::Signals;
use super::streams::Helper;
use super::wire::{End, FromGuardian, ToGuardian};
use crate::clock;
use crate::control::audit::{self, AuditSink, Fact, Lost, Pipe};
use crate::control::link::Link;
use crate::control::proc::{self, Children, Fork, Reaped};
use crate::control::words::{Phase, ProcId, Survivor};
use crate::domain::text::{Text, clean};

/// Exit codes of `redkey run` that aren't the agent's.
pub mod code {
    /// redkey stopped the run, and it is proven.
    pub const STOPPED: u8 = 124;
    /// redkey tried to stop the run, and something is left.
    pub const STOP_FAILED: u8 = 123;
    /// redkey itself failed.
    pub const BROKEN: u8 = 125;
    pub const NOT_EXECUTABLE: u8 = 126;
    pub const NOT_FOUND: u8 = 127;
}

/// Between two rounds of killing what a lost supervisor left.
const ROUND: Duration = Duration::from_millis(5);
/// So long after the supervisor was lost, what is left is named.
const GIVE_UP: Duration = Duration::from_secs(10);

/// After a supervisor was lost, the meter may take so long to write what it knows.
const METER_ENDS: Duration = Duration::from_secs(2);

/// After a stop, what was printed may take so long to reach its reader.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How the guardian's part of a run ended.
enum Verdict {
    Ended(End),
    CannotStart {
        code: u8,
        why: Text,
    },
    /// The supervisor was killed. What was left is gone, or is named.
    SupervisorLost {
        survivors: Vec<Survivor>,
    },
}

pub struct Guardian {
    pub run: Text,
    pub supervisor: Pid,
    /// The relay or the asker, if this run needs one, until it is started, and its end of the link.
    pub helper: Option<(Helper, UnixStream)>,
    /// And from then on: no part of the run.
    pub helpers: Vec<u32>,
    /// Nor is the meter that is there.
    pub meter: Option<u32>,
    pub meters: Meters,
    pub link: Link<FromGuardian, ToGuardian>,
    /// `None` in a meter, which is forked from here.
    pub audit: Option<Pipe>,
    pub children: Children,
}

impl Guardian {
    /// Waits until the run is over, and says what a person should know: the exit code, or the signal by which the agent
    /// ended.
    pub fn guard(mut self, log: &Path) -> Result<Result<u8, i32>> {
        let verdict = self.wait()?;
        let code = exit_of(&verdict);
        self.let_helpers_finish(&verdict);
        say(&verdict);
        let lost = matches!(verdict, Verdict::SupervisorLost { .. });
        let reader = self.let_meter_finish(lost.then_some(METER_ENDS));
        if lost {
            // The meter has written what it took; this is for what nobody did.
            audit::drain(&reader, log, Duration::from_millis(300))
                .map(drop)
                .unwrap_or_else(|error| warn(&format!("the audit log can't be written: {error}")));
        }
        Ok(code)
    }

    /// Waits until the run is over.
    fn wait(&mut self) -> Result<Verdict> {
        let mut signals = Signals::open(&[SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2])?;
        let mut leader = None;
        loop {
            let mut fds = [
                PollFd::from_borrowed_fd(signals.fd(), PollFlags::IN),
                PollFd::from_borrowed_fd(self.link.fd(), self.link.interest()),
            ];
            super::poll(&mut fds, None)?;
            for arrived in signals.arrived() {
                self.pass_on(arrived.signal, arrived.sender);
            }
            for message in self.link.pump() {
                match message {
                    ToGuardian::Started(id) => {
                        leader = Some(id);
                        self.start_helper()?;
                        self.start_meter()?;
                    }
                    ToGuardian::CannotStart { code, why } => return Ok(Verdict::CannotStart { code, why }),
                    // As if the terminal had stopped us all: the shell takes over, and `fg` continues the group.
                    // A key of the terminal has done that already, and by now somebody may have continued both.
                    ToGuardian::Suspended if leader.is_some_and(is_stopped) => {
                        rustix::process::kill_process(own_pid(), Signal::STOP)?;
                    }
                    ToGuardian::Suspended => {}
                    ToGuardian::MeterHangs => self.end_meter(),
                    ToGuardian::Ended(end) => return Ok(Verdict::Ended(end)),
                }
            }
            if self.link.is_gone() {
                return Ok(Verdict::SupervisorLost { survivors: self.end_orphans() });
            }
            self.reap();
            self.keep_metered()?;
        }
    }

    fn start_helper(&mut self) -> Result<()> {
        let Some((helper, end)) = self.helper.take() else { return Ok(()) };
        match proc::fork()? {
            Fork::Parent(pid) => self.helpers.push(number(pid)),
            Fork::Child => {
                self.audit = None;
                self.meters.ends.clear();
                std::process::exit(helper.be(end, number(self.supervisor)));
            }
        }
        Ok(())
    }

    /// What the agent printed comes before what we say of its end. A stop doesn't wait for a reader who doesn't read.
    fn let_helpers_finish(&mut self, verdict: &Verdict) {
        let by_itself = matches!(verdict, Verdict::Ended(end) if end.stop.is_none());
        for helper in std::mem::take(&mut self.helpers) {
            finish::wait_for(helper, (!by_itself).then_some(LAST_WORDS));
        }
    }

    /// One that hangs is as good as none; it is our own child, so its number is its own.
    fn end_meter(&self) {
        if let Some(meter) =
            self.meter.and_then(|pid| Pid::from_raw(pid as i32)).filter(|_| self.meter.is_some_and(proc::is_child))
        {
            let _ = rustix::process::kill_process(meter, Signal::KILL); // dead by now is as good
        }
    }

    /// Where the meter was killed, another takes its place: it reads what there is to read, and goes on.
    fn keep_metered(&mut self) -> Result<()> {
        if self.meter.is_none_or(proc::is_child) {
            return Ok(());
        }
        self.start_meter()
    }

    fn start_meter(&mut self) -> Result<()> {
        self.meter = match self.meters.start()? {
            Forked::Running(pid) => Some(pid),
            Forked::NoMore => None,
            Forked::Inside(end) => {
                self.audit = None;
                std::process::exit(self.meters.be(end));
            }
        };
        Ok(())
    }

    fn spared(&self) -> Vec<u32> {
        self.helpers.iter().copied().chain(self.meter).collect()
    }

    /// Closes our end of the audit pipe, by which the meter knows that everything has been said; waits at most so long
    /// until it has ended.
    fn let_meter_finish(mut self, patience: Option<Duration>) -> PipeReader {
        self.audit = None;
        let until = clock::elapsed() + patience.unwrap_or_default();
        while clock::elapsed() < until {
            self.reap();
            if !self.spared().into_iter().any(proc::is_child) {
                break;
            }
            let _ = super::poll(&mut [], Some(ROUND));
        }
        self.meters.audit
    }

    /// A key of the terminal reaches the agent by itself; what a process sent to `redkey run` is passed on.
    fn pass_on(&mut self, signal: i32, sender: Option<i32>) {
        let is_ours = sender.is_some_and(|pid| pid == self.supervisor.as_raw_nonzero().get());
        if signal != SIGCHLD && sender.is_some() && !is_ours {
            self.link.send(&FromGuardian::Signal(signal));
        }
    }

    fn reap(&mut self) {
        // Whatever it was: who is left is asked of the kernel.
        while proc::reap_all(&mut |_, _| {}).is_ok_and(Reaped::is_cut_short) {}
    }

    /// The supervisor is gone, so everything it held is our child now, or will be.
    fn end_orphans(&mut self) -> Vec<Survivor> {
        // It may be stuck rather than dead: one that closed its end is not a supervisor any more.
        let _ = rustix::process::kill_process(self.supervisor, Signal::KILL);
        let (began, spared) = (clock::elapsed(), self.spared());
        let mut number = 0;
        loop {
            number += 1;
            proc::kill_round(own_id(), &self.children, &spared, number);
            self.reap();
            let left: Vec<u32> =
                self.children.list().unwrap_or_default().into_iter().filter(|p| !spared.contains(p)).collect();
            let late = clock::elapsed() - began > GIVE_UP;
            if left.is_empty() || late {
                let mut survivors = if left.is_empty() { vec![] } else { proc::survivors(own_id()) };
                survivors.retain(|s| !spared.contains(&s.pid));
                self.record_loss(&survivors);
                return survivors;
            }
            let _ = super::poll(&mut [], Some(ROUND));
        }
    }

    fn record_loss(&self, survivors: &[Survivor]) {
        let Some(audit) = &self.audit else { return };
        audit.record(Some(&self.run), Fact::SupervisorLost { who: Lost::Supervisor });
        let last = if survivors.is_empty() {
            Fact::RunEnded { code: None, signal: None, outcome: Text::new("ended because its supervisor was killed") }
        } else {
            Fact::Orphaned { survivors: survivors.to_vec() }
        };
        audit.record(Some(&self.run), last);
    }
}

fn is_stopped(id: ProcId) -> bool {
    proc::read(id.pid).is_ok_and(|stat| stat.start == id.start && stat.state == 'T')
}

fn own_pid() -> Pid {
    rustix::process::getpid()
}

fn own_id() -> u32 {
    std::process::id()
}

/// The exit code for an end, or the signal by which the agent ended, so that we can end by it too.
fn exit_of(verdict: &Verdict) -> Result<u8, i32> {
    match verdict {
        Verdict::CannotStart { code, .. } => Ok(*code),
        Verdict::SupervisorLost { survivors } if survivors.is_empty() => Ok(code::STOPPED),
        Verdict::SupervisorLost { .. } => Ok(code::STOP_FAILED),
        Verdict::Ended(end) => match (&end.stop, end.code, end.signal) {
            (Some(stop), ..) if stop.phase == Phase::VerifiedDead => Ok(code::STOPPED),
            (Some(stop), ..) if stop.phase == Phase::Failed => Ok(code::STOP_FAILED),
            (_, Some(code), _) => Ok(code as u8),
            (_, None, Some(signal)) => Err(signal),
            _ => Ok(code::BROKEN),
        },
    }
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
    let _ = writeln!(io::stderr().lock(), "redkey: {}", clean(line));
}
