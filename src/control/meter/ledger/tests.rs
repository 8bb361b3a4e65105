use super::*;
use crate::control::audit::Started;
use crate::control::audit::chain::Seal;
use crate::control::words::{AtZero, Grade, ProcId, Receipt};

fn record(seq: u64, run: &str, fact: audit::Fact) -> Record {
    let at = Stamp(1_795_000_000_000 + seq as i64 * 1_000);
    Record { seq, at, boot_id: "b".into(), prev: Seal::NONE, run: Some(run.into()), fact }
}

fn started(run: &str, budget: Option<i64>) -> audit::Fact {
    audit::Fact::RunStarted(Box::new(Started {
        run: run.into(),
        label: "".into(),
        command: "claude".into(),
        cwd: "/w".into(),
        supervisor: ProcId { pid: 1, start: 1 },
        guardian: None,
        leader: None,
        grade: None,
        budget_ms: budget.map(Span::mins),
        caps: recorded(&Caps { usd: Some(2.5), wall: Some(Span::mins(9)), ..Caps::default() }),
        expect_ms: None,
        at_zero: AtZero::Stop,
    }))
}

fn attached(run: &str, session: &str) -> audit::Fact {
    audit::Fact::SessionAttached { run: run.into(), session: session.into() }
}

fn granted(mins: i64, sessions: &[&str]) -> audit::Fact {
    let sessions = sessions.iter().map(|name| Text::new(name)).collect();
    let by = Asker { by: "command".into(), user: "ann".into(), ..Asker::default() };
    audit::Fact::Granted { amount_ms: Span::mins(mins), by, reason: "".into(), other: None, sessions }
}

/// Facts in short: `budget a 20`, `grant a 5`, `stopped a`.
fn short(facts: Vec<Fact>) -> Vec<String> {
    let one = |fact| match fact {
        Fact::Budget { run, budget, caps, .. } => {
            assert!(caps.is_none_or(|caps| (caps.usd, caps.wall) == (Some(2.5), Some(Span::mins(9)))));
            format!("budget {} {}", run.session, budget.map_or("-".into(), Span::short))
        }
        Fact::Grant { run, amount, by, .. } => format!("grant {} {} {by}", run.session, amount.short()),
        Fact::Stopped { run, stop } => format!("stopped {} {} {}", run.session, stop.phase, stop.by.by),
        other => format!("{other:?}"),
    };
    facts.into_iter().map(one).collect()
}

#[test]
fn the_record_tells_what_runs_were_given_and_how_they_ended() {
    let receipt = Receipt {
        phase: Phase::VerifiedDead,
        grade: Grade::Subreaper,
        proof: None,
        processes: 2,
        rung: None,
        took_us: 1_000_000,
        survivors: vec![],
    };
    let asked = audit::Fact::StopRequested {
        id: "s-1".into(),
        mode: Mode::Ladder,
        by: Asker { by: "screen".into(), ..Asker::default() },
        reason: "".into(),
    };
    let table: Vec<(&str, audit::Fact, &[&str])> = vec![
        ("r-1", started("r-1", Some(20)), &[]),
        ("r-1", granted(3, &[]), &[]),
        ("r-1", attached("r-1", "claude:a"), &["grant a 3m ann (command)", "budget a 20m"]),
        ("r-1", attached("r-1", "claude:a"), &[]),
        ("r-1", attached("r-1", "claude:b"), &["grant b 3m ann (command)", "budget b 20m"]),
        ("r-1", granted(5, &["claude:b"]), &["grant b 5m ann (command)"]),
        ("r-1", granted(1, &[]), &["grant a 1m ann (command)", "grant b 1m ann (command)"]),
        ("claude:x", granted(2, &[]), &["grant x 2m ann (command)"]),
        ("r-1", attached("r-1", "nonsense"), &[]),
        // Taken up again: the first budget stays.
        ("r-2", started("r-2", Some(60)), &[]),
        ("r-2", attached("r-2", "claude:a"), &["budget a -"]),
        ("r-1", asked, &[]),
        (
            "r-1",
            audit::Fact::StopEnded { id: "s-1".into(), receipt },
            &["stopped a VERIFIED DEAD screen", "stopped b VERIFIED DEAD screen"],
        ),
    ];
    let mut ledger = Ledger::default();
    for (seq, (run, fact, wanted)) in table.into_iter().enumerate() {
        assert_eq!(short(ledger.take(&record(seq as u64 + 1, run, fact))), wanted, "record {}", seq + 1);
    }
}
