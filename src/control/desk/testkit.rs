//! A desk that answers on a thread, for tests of what talks to one.

use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::{Desk, Inbound, welcome};
use crate::clock;
use crate::control::client::Client;
use crate::control::dir::RunDir;
use crate::control::protocol::Role;

/// Longer than anything here takes on the slowest machine.
pub fn patience() -> Duration {
    Duration::from_secs(20)
}

/// A directory of sockets that is removed at the end.
pub struct Room {
    _root: tempfile::TempDir,
    pub dir: RunDir,
}

pub fn room() -> Room {
    let root = tempfile::tempdir().expect("a directory");
    let dir = RunDir::at(&root.path().join("r")).expect("a directory of sockets");
    Room { _root: root, dir }
}

impl Room {
    /// A desk to which tests may be operators, whoever runs them.
    pub fn desk(&self, name: &str) -> Desk {
        let mut desk = Desk::open(&self.dir, name, welcome(name)).expect("a desk");
        desk.set_marks(&[]);
        desk
    }

    /// Connects to a desk that is served by somebody else.
    pub fn client(&self, name: &str, role: Role) -> Client {
        Client::connect(&self.dir.socket_path(name).expect("fits"), role, patience()).expect("connected")
    }
}

/// A desk served on a thread, until this is ended or dropped.
pub struct Served {
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

/// Serves on a thread; `answer` gets all that comes in, and the receiver gets every call, as it prints.
pub fn answering(
    mut desk: Desk,
    mut answer: impl FnMut(&mut Desk, &Inbound) + Send + 'static,
) -> (Receiver<String>, Served) {
    let (tell, calls) = mpsc::channel();
    let (wake, woken) = UnixStream::pair().expect("sockets");
    let work = move || {
        loop {
            let mut fds = desk.poll_fds();
            fds.push(PollFd::new(&woken, PollFlags::IN));
            let wait = desk.deadline().map(|at| at.saturating_sub(clock::elapsed()));
            poll(&mut fds, wait.and_then(|wait| wait.try_into().ok()).as_ref()).expect("poll");
            if fds.last().is_some_and(|fd| !fd.revents().is_empty()) {
                return;
            }
            drop(fds);
            for inbound in desk.serve(clock::elapsed()) {
                if let Inbound::Call { call, .. } = &inbound {
                    let _ = tell.send(format!("{call:?}"));
                }
                answer(&mut desk, &inbound);
            }
        }
    };
    let thread = std::thread::Builder::new().spawn(work).expect("a thread");
    (calls, Served { wake: Some(wake), thread: Some(thread) })
}

impl Served {
    pub fn end(self) {}
}

impl Drop for Served {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic");
        }
    }
}
