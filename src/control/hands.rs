//! The screen's hands: what a person wants is done here, and what is known of holds comes in here. Nothing waits on the
//! screen's own thread, and nothing that is done depends on the screen staying alive: a supervised run stops by itself
//! once it is told to, and for other runs a process of its own goes up the ladder.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::audit::{Audit, Fact as Recorded};
use super::client::{Client, ClientError};
use super::holds::{self, Desks, HoldMsg, Holds, Places};
use super::protocol::{GateAnswer, GrantCall, Role, Why};
use super::stopping::{self, Record, Request, Target};
use super::words::{Asker, Key, Mode, ProcId, Stop, Times};
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::domain::time::Span;
use crate::engine::{Effect, Fact, Hold, Msg, Press};

/// An answer over a socket must come in so long.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Hands {
    tx: Sender<Vec<Msg>>,
    audit: Audit,
    /// Where the audit log is.
    log: PathBuf,
    /// Stops of processes under way: where a second press goes.
    presses: Arc<Mutex<HashMap<RunId, ChildStdin>>>,
}

impl Hands {
    /// `tx`: where the screen's messages go.
    pub fn new(tx: Sender<Vec<Msg>>, log: PathBuf) -> Self {
        Self { tx, audit: Audit::open(&log), log, presses: Arc::default() }
    }

    /// Begins to look for holds, and tells each. It ends when what is returned is dropped.
    pub fn look(&self, places: Places) -> std::io::Result<Holds> {
        let tx = self.tx.clone();
        let mut known = Known::default();
        holds::spawn(places, Desks, move |msg| {
            let facts: Vec<Msg> = known.facts(msg).into_iter().map(Msg::Control).collect();
            facts.is_empty() || tx.blocking_send(facts).is_ok()
        })
    }

    /// Does what is this module's to do; `false` if it is somebody else's.
    pub fn perform(&self, effect: &Effect) -> bool {
        match effect.clone() {
            Effect::Stop { run, leader, socket, mode, id } => self.press(Press { run, leader, socket, mode, id }),
            Effect::StopAll(presses) => presses.into_iter().for_each(|press| self.press(press)),
            Effect::Grant { run, socket, amount } => self.go(move |hands| hands.grant(&run, socket, amount, None)),
            Effect::Transfer { from, from_socket, to, to_socket, amount } => self.go(move |hands| {
                hands.grant(&from, from_socket, -amount, Some(&to))?;
                hands.grant(&to, to_socket, amount, Some(&from))
            }),
            Effect::Answer { run: _, socket, gate, allow } => self.go(move |_| {
                let by = Text::new("screen");
                connect(&socket)?.gate_answer(GateAnswer { gate, allow, reason: Text::default(), by }).map(drop)
            }),
            Effect::Release { run: _, socket } => self.go(move |_| {
                connect(&socket)?.release(Why { reason: Text::default(), by: Text::new("screen") }).map(drop)
            }),
            _ => return false,
        }
        true
    }

    fn go(&self, work: impl FnOnce(&Self) -> Result<(), ClientError> + Send + 'static) {
        let hands = self.clone();
        thread::spawn(move || {
            if let Err(error) = work(&hands) {
                hands.note(None, error.to_string());
            }
        });
    }

    fn note(&self, run: Option<RunId>, text: String) {
        // Nobody is left to read it if this fails.
        let _ = self.tx.blocking_send(vec![Msg::Control(Fact::Note { run, text: Text::new(&text) })]);
    }

    fn press(&self, press: Press) {
        let hands = self.clone();
        thread::spawn(move || match (&press.socket, press.leader) {
            (Some(socket), _) => hands.press_socket(Path::new(socket.as_str()), &press),
            (None, Some(leader)) => hands.press_process(leader, &press),
            (None, None) => hands.note(Some(press.run.clone()), "there is nothing to signal".into()),
        });
    }

    fn press_socket(&self, socket: &Path, press: &Press) {
        let name = Text::new(&socket.file_stem().unwrap_or_default().to_string_lossy());
        let target = Target::Socket { name, path: socket.to_owned() };
        let request = Request {
            id: press.id.clone(),
            mode: press.mode,
            by: Text::new("screen"),
            reason: Text::default(),
            times: Times::default(),
        };
        let record = Record { log: &self.log, audit: &self.audit };
        if let Err(error) =
            stopping::stop(&target, &request, &record, None, &mut |stop| self.tell(&press.run, stop.clone()))
        {
            self.note(Some(press.run.clone()), format!("not stopped: {error}"));
        }
    }

    fn tell(&self, run: &RunId, stop: Stop) {
        let fact = Fact::Stopped { run: run.clone(), stop: Box::new(stop) };
        let _ = self.tx.blocking_send(vec![Msg::Control(fact)]); // as in `note`
    }

    /// A process of its own goes up the ladder, and goes on if this one dies.
    fn press_process(&self, leader: ProcId, press: &Press) {
        if press.mode == Mode::Now && self.press_again(&press.run) {
            return;
        }
        if let Err(error) = self.climb(leader, press) {
            self.note(Some(press.run.clone()), format!("not stopped: {error}"));
        }
        self.presses().remove(&press.run);
    }

    fn presses(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, ChildStdin>> {
        self.presses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The second press on a stop under way. `false`: there is none.
    fn press_again(&self, run: &RunId) -> bool {
        self.presses().get_mut(run).is_some_and(|stdin| stdin.write_all(b"!").is_ok())
    }

    fn climb(&self, leader: ProcId, press: &Press) -> std::io::Result<()> {
        if press.mode == Mode::Ladder && self.presses().contains_key(&press.run) {
            return Ok(());
        }
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("stop").arg(press.run.to_string());
        command.arg("--leader").arg(format!("{}:{}", leader.pid, leader.start)).arg("--id").arg(press.id.as_str());
        match press.mode {
            Mode::Now => drop(command.arg("--now")),
            Mode::Interrupt => drop(command.arg("--interrupt")),
            Mode::Ladder => {}
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        if let Some(stdin) = child.stdin.take() {
            self.presses().insert(press.run.clone(), stdin);
        }
        let mut why = None;
        for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            let line = line?;
            match serde_json::from_str::<Stop>(&line) {
                Ok(stop) => self.tell(&press.run, stop),
                Err(_) => why = Some(line),
            }
        }
        let status = child.wait()?;
        match why.filter(|_| !status.success()) {
            Some(why) => Err(std::io::Error::other(why)),
            None => Ok(()),
        }
    }

    /// Over the run's socket, else into the record, which every meter reads.
    fn grant(&self, run: &RunId, socket: Option<Text>, amount: Span, other: Option<&RunId>) -> Result<(), ClientError> {
        let other = other.map(|other| Text::new(&other.to_string()));
        let by = Text::new("screen");
        let Some(socket) = socket else {
            let name = Text::new(&run.to_string());
            let by = Asker { by, pid: Some(std::process::id()), ..Asker::default() };
            let (reason, sessions) = (Text::default(), vec![name.clone()]);
            self.audit.record(Some(&name), Recorded::Granted { amount_ms: amount, by, reason, other, sessions });
            return Ok(());
        };
        let mut client = connect(&socket)?;
        let call = GrantCall { amount_ms: Span(amount.0.abs()), reason: Text::default(), by, other };
        let done = if amount < Span::ZERO { client.take(call) } else { client.grant(call) };
        done.map(drop)
    }
}

fn connect(socket: &Text) -> Result<Client, ClientError> {
    Client::connect(Path::new(socket.as_str()), Role::Operator, PATIENCE)
}

/// What was told of each socket, so that an update can be put to its runs.
#[derive(Default)]
struct Known(HashMap<PathBuf, HashMap<RunId, holds::Hold>>);

impl Known {
    fn facts(&mut self, msg: HoldMsg) -> Vec<Fact> {
        match msg {
            HoldMsg::Hold(hold) => {
                for runs in self.0.values_mut() {
                    runs.remove(&hold.run);
                }
                if let Some(socket) = &hold.socket {
                    self.0.entry(socket.clone()).or_default().insert(hold.run.clone(), (*hold).clone());
                }
                match hold.key {
                    Key::None if hold.leader.is_none() && hold.why.as_str() == holds::ENDED => {
                        vec![Fact::Lost { run: hold.run.clone() }]
                    }
                    _ => vec![Fact::Hold(told(&hold))],
                }
            }
            HoldMsg::Snapshot { socket, snapshot, .. } => {
                let runs = self.0.entry(socket).or_default();
                let tell = |hold: &mut holds::Hold| {
                    hold.status = Some(snapshot.status.clone());
                    Fact::Hold(told(hold))
                };
                runs.values_mut().map(tell).collect()
            }
            HoldMsg::Lost { socket, .. } => {
                self.0.remove(&socket).into_iter().flatten().map(|(run, _)| Fact::Lost { run }).collect()
            }
        }
    }
}

fn told(hold: &holds::Hold) -> Hold {
    Hold {
        run: hold.run.clone(),
        key: hold.key,
        why: hold.why.clone(),
        leader: hold.leader,
        socket: hold.socket.as_ref().map(|path| Text::new(&path.to_string_lossy())),
        grade: hold.status.as_ref().and_then(|status| status.grade),
        status: hold.status.clone().map(Box::new),
    }
}
