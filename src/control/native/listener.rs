//! A socket of its own for an agent that redkey didn't start.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::super::audit;
use super::super::desk::{self, ConnId, Desk, DeskError, Id, Inbound, To};
use super::super::dir::RunDir;
use super::super::peer::Peer;
use super::super::proc;
use super::super::protocol::{Ack, Call, Interrupt, Metered, RpcError, Snapshot, Status, StopCall, code};
use super::super::wire;
use super::super::words::{Asker, AtZero, Lit, Mode, Phase, Receipt, Rung, Stop};
use crate::clock;
use crate::config::Dirs;
use crate::domain::text::Text;
use crate::domain::time::Span;

/// Interrupts that the agent hasn't taken. There is one stop at a time, and two ways to press it.
const UNTAKEN: usize = 8;
/// What an agent is given to put things in order, before whoever asked for the stop may use signals.
const TIME: Span = Span::secs(2);

/// The socket of an agent that listens by itself. Screens and commands find it like any run's; a stop that comes in is
/// an [`Interrupt`] for the agent. It can't be made to obey from here: whoever asked sees the socket vanish when the
/// agent ends, and has signals for when it doesn't.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
    interrupts: Receiver<Interrupt>,
    acks: Sender<Ack>,
    /// A byte wakes the thread, closing it ends it.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens as `name` on a thread of its own until this is dropped. `label` is what people call the run.
    pub fn open(dir: &RunDir, name: &str, label: &str) -> Result<Self, DeskError> {
        Self::with(Desk::open(dir, name, desk::welcome(name))?, name, label)
    }

    /// The same on a desk that was opened and set up by the caller.
    pub fn with(mut desk: Desk, name: &str, label: &str) -> Result<Self, DeskError> {
        // What the agent starts can't stop it.
        desk.keep_out(&[std::process::id()]);
        if let Some(dirs) = Dirs::find() {
            desk.keep_out_runs(&audit::path(&dirs));
        }
        Self::serve(desk, name, label)
    }

    fn serve(desk: Desk, name: &str, label: &str) -> Result<Self, DeskError> {
        let path = desk.path().to_owned();
        let failed = |error| DeskError::Io { what: "serve", path: path.clone(), error };
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        woken.set_nonblocking(true).map_err(failed)?;
        let (to_agent, interrupts) = mpsc::sync_channel(UNTAKEN);
        let (acks, from_agent) = mpsc::channel();
        let mut served =
            Served { desk, status: status(name, label), seq: 0, began: Duration::ZERO, to_agent, from_agent };
        let work = move || while served.round(&woken) {};
        let thread = std::thread::Builder::new().name("redkey".into()).spawn(work).map_err(failed)?;
        Ok(Self { path, interrupts, acks, wake: Some(wake), thread: Some(thread) })
    }

    /// For tests, in which the agent and its operator are one process.
    #[cfg(test)]
    pub(super) fn for_everybody(desk: Desk, name: &str, label: &str) -> Self {
        Self::serve(desk, name, label).expect("a thread")
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Has somebody asked this agent to stop? Doesn't wait.
    pub fn interrupted(&self) -> Option<Interrupt> {
        self.interrupts.try_recv().ok()
    }

    /// Waits for an interrupt, at most so long.
    pub fn wait(&self, timeout: Duration) -> Option<Interrupt> {
        self.interrupts.recv_timeout(timeout).ok()
    }

    /// Answers an interrupt: it was heard; with `idle`, the agent has stopped working and waits.
    pub fn ack(&self, interrupt: &Interrupt, idle: bool) -> io::Result<()> {
        let ack = Ack { interrupt_id: interrupt.interrupt_id.clone(), idle };
        self.acks.send(ack).map_err(|_| io::ErrorKind::BrokenPipe)?;
        self.wake.as_ref().map_or(Ok(()), |wake| wire::send_all(wake, b"\n"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // Its panic would be a bug of ours and is printed already; the agent goes on.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Served {
    desk: Desk,
    status: Status,
    seq: u64,
    /// When the stop was asked for.
    began: Duration,
    to_agent: SyncSender<Interrupt>,
    from_agent: Receiver<Ack>,
}

impl Served {
    /// Waits and serves once; false: the agent is done with it.
    fn round(&mut self, woken: &UnixStream) -> bool {
        let mut fds = self.desk.poll_fds();
        fds.push(PollFd::from_borrowed_fd(woken.as_fd(), PollFlags::IN));
        let wait = self.desk.deadline().map(|at| at.saturating_sub(clock::elapsed()));
        let wait = wait.and_then(|wait| wait.try_into().ok());
        if !matches!(poll(&mut fds, wait.as_ref()), Ok(_) | Err(rustix::io::Errno::INTR)) {
            return false;
        }
        drop(fds);
        let ended = wire::receive(woken, &mut wire::Frames::new(wire::CHUNK)) == wire::Read::End;
        while let Ok(ack) = self.from_agent.try_recv() {
            self.acknowledged(&ack);
        }
        if ended {
            return false;
        }
        for inbound in self.desk.serve(clock::elapsed()) {
            if let Inbound::Call { conn, id, call, peer, .. } = inbound {
                self.answer(conn, id, call, &peer);
            }
        }
        true
    }

    fn answer(&mut self, conn: ConnId, id: Id, call: Call, peer: &Peer) {
        match call {
            Call::Status(_) => self.desk.reply(conn, id, Ok(&self.status)),
            Call::Subscribe(_) => self.desk.reply(conn, id, Ok(self.snapshot())),
            Call::Stop(call) => {
                let stop = self.stop(&call, peer);
                self.desk.reply(conn, id, Ok(stop));
                self.tell();
            }
            Call::GateList(_) => self.desk.reply(conn, id, Ok(&self.status.metered.gates)),
            _ => {
                let error = RpcError::new(code::NO_METER, "this agent listens by itself: it has a stop, and no meter");
                self.desk.reply::<()>(conn, id, Err(error));
            }
        }
    }

    /// Asks the agent, unless that was done; returns how far it is.
    fn stop(&mut self, call: &StopCall, peer: &Peer) -> Stop {
        let same = |stop: &Stop| stop.id == call.interrupt_id || stop.phase != Phase::IdleAfterInterrupt;
        let stop = match self.status.stop.take().filter(same) {
            Some(mut stop) => {
                if call.mode == Mode::Now && stop.mode != Mode::Now {
                    stop.mode = Mode::Now;
                    self.interrupt(&stop);
                }
                stop
            }
            None => self.begin(call, peer),
        };
        self.status.stop = Some(stop.clone());
        stop
    }

    fn begin(&mut self, call: &StopCall, peer: &Peer) -> Stop {
        self.began = clock::elapsed();
        let mut stop = Stop {
            id: call.interrupt_id.clone(),
            mode: call.mode,
            phase: Phase::Requested,
            by: Asker { by: call.by.clone(), user: Text::default(), uid: Some(peer.uid), pid: Some(peer.pid) },
            reason: call.reason.clone(),
            at: clock::now(),
            rungs: vec![],
            alive: 1,
            receipt: None,
        };
        if self.interrupt(&stop) {
            stop.phase = Phase::Delivered;
            stop.rungs.push(Lit { rung: Rung::Cooperative, after_us: 0 });
        }
        stop
    }

    /// False: the agent has not even taken the last ones.
    fn interrupt(&self, stop: &Stop) -> bool {
        let deadline_ms = if stop.mode == Mode::Now { Span::ZERO } else { TIME };
        let interrupt = Interrupt {
            interrupt_id: stop.id.clone(),
            reason: stop.reason.clone(),
            deadline_ms,
            mode: stop.mode.into(),
        };
        self.to_agent.try_send(interrupt).is_ok()
    }

    fn acknowledged(&mut self, ack: &Ack) {
        let took_us = u64::try_from(clock::elapsed().saturating_sub(self.began).as_micros()).unwrap_or(u64::MAX);
        let Some(stop) = self.status.stop.as_mut().filter(|stop| stop.id == ack.interrupt_id) else { return };
        stop.phase = if ack.idle { Phase::IdleAfterInterrupt } else { Phase::Acknowledged };
        stop.receipt = ack.idle.then(|| Receipt::idle(took_us));
        self.tell();
    }

    fn tell(&mut self) {
        self.seq += 1;
        let snapshot = self.snapshot();
        self.desk.notify_all(To::Subscribed, "update", &snapshot);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { seq: self.seq, status: self.status.clone() }
    }
}

/// This process as a run.
fn status(name: &str, label: &str) -> Status {
    let args: Vec<_> = std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect();
    let cwd = std::env::current_dir().unwrap_or_default();
    Status {
        run: Text::new(name),
        label: Text::new(label),
        command: Text::new(&args.join(" ")),
        cwd: Text::new(&cwd.to_string_lossy()),
        started: clock::now(),
        leader: proc::stat::id(std::process::id()),
        supervisor: None,
        guardian: None,
        grade: None,
        grade_why: Text::new("the agent listens by itself"),
        at_zero: AtZero::Warn,
        alive: 1,
        stop: None,
        meter: false,
        metered: Metered::default(),
        audit_degraded: false,
    }
}
