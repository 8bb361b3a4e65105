//! IO. A stop of a supervised run without its supervisor: it was killed together with the guardian, hangs, or somebody
//! else answers in its place.
//!
//! A guardian that is there ends what its supervisor held as soon as that is gone, and proves it to itself. What is
//! claimed here is the lower grade: everything that was found is gone.

use std::time::Duration;

use rustix::process::Signal;

use super::{Record, Request, StopError};
use crate::clock;
use crate::control::agents;
use crate::control::audit::{Fact, Lost};
use crate::control::client;
use crate::control::ladder::Plan;
use crate::control::lost::{self, Recorded};
use crate::control::proc::Held;
use crate::control::tracked::{self, Tracked};
use crate::control::words::{Asker, Mode, Stop};
use crate::domain::text::Text;

/// A guardian that has lost its supervisor may take so long to end what is left.
const GUARDIAN: Duration = Duration::from_secs(12);
/// A look at who is still there.
const LOOK: Duration = Duration::from_millis(5);

/// Ends the run; `why`: what was wrong with the supervisor.
pub fn force(
    known: &Recorded,
    request: &Request,
    record: &Record<'_>,
    why: &str,
    on_change: &mut dyn FnMut(&Stop),
) -> Result<Stop, StopError> {
    let run = &known.started.run;
    let keepers = known.keepers();
    let left = known.left();
    if left.is_empty() {
        return Err(over(known, &keepers, record));
    }
    let by = super::asker(&request.by);
    let reason =
        Text::new(&[why, request.reason.as_str()].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("; "));
    record.audit.record(
        Some(run),
        Fact::StopRequested { id: request.id.clone(), mode: Mode::Now, by: by.clone(), reason: reason.clone() },
    );
    if keepers.is_empty() {
        record.audit.record(Some(run), Fact::SupervisorLost { who: Lost::Both });
    }
    // Held before the first signal: who loses its parent is still known then.
    let tracked = Tracked::open_all(&left).map(|tracked| tracked.marks(known.marks()));
    end_keepers(known, &keepers);
    known.kill_cgroup();
    let stop = match tracked {
        Ok(mut tracked) => end_what_is_left(&mut tracked, request, by, reason, on_change),
        Err(error) => Err(StopError::Broken(format!("{why}, and what is left can't be held: {error}"))),
    }?;
    if let Some(receipt) = &stop.receipt {
        record.audit.record(Some(run), Fact::StopEnded { id: stop.id.clone(), receipt: receipt.clone() });
        if receipt.survivors.is_empty() {
            let outcome = Text::new(&receipt.words());
            record.audit.record(Some(run), Fact::RunEnded { code: None, signal: None, outcome });
            known.tidy();
        }
    }
    Ok(stop)
}

/// Nothing of the agent is left; whoever of redkey's own is still there is ending.
fn over(known: &Recorded, keepers: &[Held], record: &Record<'_>) -> StopError {
    let run = &known.started.run;
    wait_for(keepers);
    known.tidy();
    let now = Recorded::read(record.log, run.as_str()).ok().flatten();
    let end = now.and_then(|now| now.outcome).unwrap_or_else(|| {
        let end = Text::new("nothing of it is left");
        record.audit.record(Some(run), Fact::SupervisorLost { who: Lost::Both });
        record.audit.record(Some(run), Fact::RunEnded { code: None, signal: None, outcome: end.clone() });
        end
    });
    StopError::Unknown(Text::new(&format!("it is over: {end}")))
}

/// The supervisor is killed; then the guardian ends the run, and itself.
fn end_keepers(known: &Recorded, keepers: &[Held]) {
    lost::wake(keepers);
    for held in keepers.iter().filter(|held| held.id == known.started.supervisor) {
        let _ = held.signal(Signal::KILL); // gone by now is as good
    }
    wait_for(keepers);
}

fn wait_for(keepers: &[Held]) {
    let until = clock::elapsed() + GUARDIAN;
    while clock::elapsed() < until && keepers.iter().any(|held| !held.is_gone()) {
        client::pause(LOOK);
    }
}

fn end_what_is_left(
    tracked: &mut Tracked,
    request: &Request,
    by: Asker,
    reason: Text,
    on_change: &mut dyn FnMut(&Stop),
) -> Result<Stop, StopError> {
    let known = agents::of(None);
    let plan = Plan { cooperative: false, first: known.first, aim: known.aim, times: request.times };
    let request = tracked::Request { plan, mode: Mode::Now, id: request.id.clone(), by, reason };
    Ok(tracked.run(request, None, on_change))
}
