//! The processes of redkey's runs, as the audit log names them: supervisors and agents. An agent that clears its
//! environment is still a child of one of them.

use std::collections::HashSet;
use std::path::Path;

use super::super::agents;
use super::super::audit::{Fact, Record, Tail};
use super::super::proc::stat;
use super::super::words::ProcId;
use crate::domain::text::Text;

/// What every line has in which a run begins.
const MARK: &[u8] = b"\"run_started\"";

/// What is known so far. Lines that were read once are not read again.
#[derive(Debug, Default)]
pub struct Known {
    log: Option<Tail>,
    boot: Text,
    /// Whatever is below one of these belongs to a run.
    supervisors: HashSet<ProcId>,
    /// Processes of which a hook said that they are an agent.
    attended: HashSet<ProcId>,
}

impl Known {
    /// By the log at `log`.
    pub fn by(log: &Path) -> Self {
        Self { log: Some(Tail::only(log, MARK)), boot: stat::boot_id(), ..Self::default() }
    }

    /// Reads what has been added. A log that can't be read tells nothing: it must not keep a person from the key.
    pub fn refresh(&mut self) {
        let added = self.log.as_mut().map(|log| log.more().unwrap_or_default());
        added.into_iter().flatten().for_each(|record| self.take(record));
    }

    fn take(&mut self, record: Record) {
        let Fact::RunStarted(started) = record.fact else { return };
        if record.boot_id != self.boot {
            return;
        }
        match started.grade {
            Some(_) => {
                self.supervisors
                    .extend([Some(started.supervisor), started.guardian, started.leader].into_iter().flatten());
            }
            None => self.attended.extend(started.leader),
        }
    }

    /// Is this process one of a run's? One that a hook has named must look like an agent: else an agent could name the
    /// shell of a person and lock them out.
    pub fn is_of_a_run(&self, id: ProcId) -> bool {
        self.supervisors.contains(&id)
            || self.attended.contains(&id) && agents::recognise(&stat::cmdline(id.pid)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;
    use crate::control::audit::{Entry, Started, write_now};
    use crate::control::words::{AtZero, Grade};
    use crate::domain::time::Stamp;

    fn started(pid: u32, grade: Option<Grade>) -> Entry {
        let id = |pid| ProcId { pid, start: 7 };
        let started = Started {
            run: "r-1".into(),
            label: Text::default(),
            command: "x".into(),
            cwd: Text::default(),
            supervisor: id(pid),
            guardian: Some(id(pid + 1)),
            leader: Some(id(pid + 2)),
            grade,
            budget_ms: None,
            caps: Default::default(),
            expect_ms: None,
            at_zero: AtZero::Stop,
        };
        Entry { at: Stamp(1), run: Some("r-1".into()), fact: Fact::RunStarted(Box::new(started)) }
    }

    #[test]
    fn the_log_names_whose_descendants_are_no_operators() {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("audit.jsonl");
        let mut known = Known::by(&log);
        known.refresh();
        let id = |pid| ProcId { pid, start: 7 };
        let add = |entry| write_now(&log, &[entry], std::time::Duration::from_secs(5)).unwrap();
        add(started(1_000_000, Some(Grade::Subreaper)));
        known.refresh();
        for pid in 1_000_000..1_000_003 {
            assert!(known.is_of_a_run(id(pid)));
        }
        assert!(!known.is_of_a_run(ProcId { pid: 1_000_000, start: 8 }), "the number is another process's now");
        // A hook's word alone, about a process that is no agent (it isn't even there).
        add(started(2_000_000, None));
        known.refresh();
        assert!(known.attended.contains(&id(2_000_002)));
        assert!((2_000_000..2_000_003).all(|pid| !known.is_of_a_run(id(pid))));
        // Half a line is read when it is whole.
        let whole = std::fs::read_to_string(&log).unwrap();
        let line = whole.lines().next().unwrap().replace("1000000", "3000000");
        let mut file = File::options().append(true).open(&log).unwrap();
        file.write_all(&line.as_bytes()[..100]).unwrap();
        known.refresh();
        file.write_all(&line.as_bytes()[100..]).unwrap();
        file.write_all(b"\n").unwrap();
        assert!(!known.is_of_a_run(id(3_000_000)));
        known.refresh();
        assert!(known.is_of_a_run(id(3_000_000)));
    }

    #[test]
    fn another_boots_processes_are_nobody() {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("audit.jsonl");
        write_now(&log, &[started(1_000_000, Some(Grade::Cgroup))], std::time::Duration::from_secs(5)).unwrap();
        let mut known = Known { boot: "another".into(), ..Known::by(&log) };
        known.refresh();
        assert!(!known.is_of_a_run(ProcId { pid: 1_000_000, start: 7 }));
    }
}
