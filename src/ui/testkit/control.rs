//! Holds, stops and held actions, as control would tell them.

use super::{NOW, fleet};
use crate::control::protocol::{Clock, Gate, GateState, Metered, Status};
use crate::control::words::{
    Asker, AtZero, Grade, Key, Lit, Mode, Phase, ProcId, Proof, Receipt, Rung, Stop, Survivor,
};
use crate::domain::event::RunId;
use crate::domain::text::Text;
use crate::domain::time::{Span, Stamp};
use crate::engine::{Fact, Hold, Model, Msg};

pub fn status(run: &str) -> Status {
    Status {
        run: run.into(),
        label: "".into(),
        command: "claude -p".into(),
        cwd: "/home/ada/work/redkey".into(),
        started: NOW + Span::secs(-420),
        leader: Some(ProcId { pid: 4711, start: 1 }),
        supervisor: None,
        grade: Some(Grade::Subreaper),
        grade_why: "no cgroup was delegated to this user".into(),
        at_zero: AtZero::Stop,
        alive: 7,
        stop: None,
        meter: true,
        metered: Metered { clock: Some(Clock::default()), ..Metered::default() },
        audit_degraded: false,
    }
}

pub fn hold(run: &RunId, key: Key, status: Option<Status>) -> Hold {
    Hold {
        run: run.clone(),
        key,
        why: "".into(),
        leader: Some(ProcId { pid: 4711, start: 1 }),
        socket: status.as_ref().map(|s| Text::new(&format!("/run/user/1000/redkey/{}.sock", s.run))),
        grade: status.as_ref().and_then(|s| s.grade),
        status: status.map(Box::new),
    }
}

/// A stop that was asked for `ago` milliseconds before now; each rung with its milliseconds.
pub fn stop(mode: Mode, ago: i64, rungs: &[(Rung, u64)]) -> Stop {
    Stop {
        id: "s-1".into(),
        mode,
        phase: if rungs.len() > 1 { Phase::Escalating } else { Phase::Delivered },
        by: Asker { by: "screen".into(), user: "ada".into(), uid: Some(1000), pid: Some(99) },
        reason: "".into(),
        at: NOW + Span(-ago),
        rungs: rungs.iter().map(|(rung, ms)| Lit { rung: *rung, after_us: ms * 1_000 }).collect(),
        alive: 3,
        receipt: None,
    }
}

pub fn over(mut stop: Stop, phase: Phase, ms: u64, survivors: Vec<Survivor>) -> Stop {
    stop.phase = phase;
    stop.alive = survivors.len() as u32;
    stop.receipt = Some(Receipt {
        phase,
        grade: Grade::Subreaper,
        proof: (phase == Phase::VerifiedDead).then_some(Proof::NoChildren),
        processes: 7,
        rung: stop.rungs.last().map(|lit| lit.rung),
        took_us: ms * 1_000,
        survivors,
    });
    stop
}

pub fn survivors() -> Vec<Survivor> {
    let one = |pid, name: &str, state, why: &str| Survivor { pid, name: name.into(), state, why: why.into() };
    vec![
        one(4733, "rsync", 'D', "waits in nfs_wait_bit_killable; can't be killed before the server answers"),
        one(4740, "pkexec", 'S', "EPERM: runs as root"),
    ]
}

pub fn gate(id: &str, run: &str, what: &str, left: i64) -> Gate {
    Gate {
        id: id.into(),
        run: run.into(),
        what: what.into(),
        because: "gate.ask `git push`".into(),
        call: None,
        asked: NOW + Span::secs(left - 300),
        until: NOW + Span::secs(left),
        state: GateState::Waiting,
        by: "".into(),
        reason: "".into(),
    }
}

pub fn tell(model: &mut Model, fact: Fact, now: Stamp) {
    model.apply(Msg::Control(fact), now);
}

pub fn id_of(model: &Model, number: u32) -> RunId {
    model.run(number).unwrap().id.clone()
}

/// The made-up fleet with a supervised run 0, a hooked run 1 and a signalled run 4; the others have no key.
pub fn held_fleet() -> Model {
    let mut model = fleet();
    for (number, key, name) in
        [(0, Key::Supervised, Some("r-1")), (1, Key::Hooked, Some("h-1")), (4, Key::Signal, None)]
    {
        let run = id_of(&model, number);
        tell(&mut model, Fact::Hold(hold(&run, key, name.map(status))), NOW);
    }
    model
}

/// The same with a stop of run 0.
pub fn stopped_fleet(stop: Stop) -> Model {
    let mut model = held_fleet();
    let run = id_of(&model, 0);
    tell(&mut model, Fact::Stopped { run, stop: Box::new(stop) }, NOW);
    model
}

/// Actions of run 0 and run 1 that are held.
pub fn gates() -> Vec<Gate> {
    vec![
        gate("g-1", "r-1", "Bash git push origin main", 271),
        gate("g-2", "h-1", "shell npm publish --access public", 290),
    ]
}
