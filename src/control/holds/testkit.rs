//! Sockets that play a part, and what they say.

use std::path::Path;

use crate::control::mapping::Mapped;
use crate::control::protocol::{Metered, Snapshot, Status};
use crate::control::words::{AtZero, Grade, ProcId};
use crate::domain::event::{Agent, RunId};
use crate::domain::text::Text;
use crate::domain::time::Stamp;

pub fn id(text: &str) -> RunId {
    let (agent, session) = text.split_once(':').unwrap();
    RunId::new(Agent::parse(agent).unwrap(), session)
}

pub fn mapped(run: &str, pid: u32, why_not: &str) -> Mapped {
    let process = ProcId { pid, start: 1 };
    let (how, why_not) = (Text::new("how"), Text::new(why_not));
    Mapped { session: id(run), leader: process, process, how, certain: why_not.is_empty(), why_not }
}

/// What is said on the socket at `path`. The leader is process 9.
pub fn snapshot(path: &str, supervised: bool, sessions: &[&str], seq: u64) -> Snapshot {
    let process = |pid| ProcId { pid, start: 1 };
    let metered = Metered { sessions: sessions.iter().map(|text| Text::new(text)).collect(), ..Metered::default() };
    let status = Status {
        run: Text::new(Path::new(path).file_stem().unwrap().to_str().unwrap()),
        label: Text::default(),
        command: Text::new("agent"),
        cwd: Text::new("/p"),
        started: Stamp(1_000),
        leader: Some(process(9)),
        supervisor: supervised.then(|| process(8)),
        guardian: None,
        grade: supervised.then_some(Grade::Subreaper),
        grade_why: Text::default(),
        at_zero: AtZero::Stop,
        alive: 1,
        stop: None,
        meter: true,
        metered,
        audit_degraded: false,
    };
    Snapshot { seq, status }
}
