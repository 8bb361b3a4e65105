use super::super::testkit::told;
use super::*;
use proptest::prelude::*;

fn owner(pid: u32, start: i64) -> Owner {
    let process = ProcId { pid, start: start as u64 };
    Owner { process, leader: process, start: Stamp(start), directory: Some("/p".into()), argv: vec![] }
}

fn session(id: &str, created: i64, updated: i64) -> Written {
    let (id, directory) = (id.to_owned(), "/p".to_owned());
    Written { id, directory, created: Some(Stamp(created)), updated: Stamp(updated), place: "f".into() }
}

fn joined(owners: &[Owner], sessions: &[Written]) -> Vec<String> {
    told(&join(Agent::Pi, owners, sessions))
}

#[test]
fn one_process_and_one_session_written_since_it_began() {
    let one = [owner(1, 10_000)];
    let table: &[(Written, bool)] = &[
        (session("new", 10_050, 10_050), true),
        (session("taken up", 5, 10_100), true),
        // What its predecessor wrote last, as it began.
        (session("before", 5, 10_050), false),
        (session("before", 5, 9_999), false),
        (Written { directory: "/q".into(), ..session("elsewhere", 11_000, 12_000) }, false),
        (Written { created: None, ..session("unknown", 0, 10_050) }, false),
        (Written { created: None, ..session("unknown", 0, 10_500) }, true),
    ];
    for (session, is_its) in table {
        let expected = if *is_its { vec![format!("pi:{} 1/1", session.id)] } else { vec![] };
        assert_eq!(joined(&one, std::slice::from_ref(session)), expected, "{session:?}");
    }
    assert!(joined(&[], &[session("new", 1, 2)]).is_empty());
}

#[test]
fn whatever_could_be_another_is_not_certain() {
    let two = [owner(1, 10_000), owner(2, 20_000)];
    assert_eq!(joined(&two, &[session("a", 10_500, 30_000)]), ["pi:a ? processes 1 and 2 of pi may be writing it"]);
    // The first may have left `a` and gone on with `b`; or it waits in `a`.
    assert_eq!(
        joined(&two, &[session("a", 10_500, 15_000), session("b", 20_500, 30_000)]),
        [
            "pi:a ? 2 sessions were written here since process 1 began; which one it is in can't be told",
            "pi:b ? processes 1 and 2 of pi may be writing it",
        ]
    );
    // Somebody else may have been here and left.
    assert_eq!(
        joined(&two[..1], &[session("a", 10_500, 15_000), session("b", 20_500, 30_000)]),
        ["a", "b"].map(|id| format!(
            "pi:{id} ? 2 sessions were written here since process 1 began; which one it is in can't be told"
        ))
    );
}

#[test]
fn a_session_that_was_named_is_the_one() {
    let mut two = [owner(1, 10_000), owner(2, 20_000)];
    two[0].argv = ["pi", "--session", "a"].map(str::to_owned).into();
    let sessions = [session("a", 5, 30_000), session("b", 20_500, 30_000)];
    assert_eq!(joined(&two, &sessions), ["pi:a 1/1", "pi:b ? processes 1 and 2 of pi may be writing it"]);
    two[1].argv = ["pi", "--session=b"].map(str::to_owned).into();
    assert_eq!(joined(&two, &sessions), ["pi:a 1/1", "pi:b 2/2"]);
    two[1].argv = ["pi", "--session=a"].map(str::to_owned).into();
    assert!(joined(&two, &sessions).iter().all(|one| one.contains('?')));
    // The program's own name says nothing.
    two[1].argv = ["b"].map(str::to_owned).into();
    assert_eq!(joined(&two, &sessions)[1], "pi:b ? processes 1 and 2 of pi may be writing it");
}

#[test]
fn the_likeliest_is_told_even_where_nothing_is_certain() {
    let likely = |owners: &[Owner], sessions: &[Written]| -> Vec<(String, u32)> {
        let mapped = join(Agent::Pi, owners, sessions);
        assert!(mapped.iter().all(|one| !one.certain));
        mapped.iter().map(|one| (one.session.session.to_string(), one.process.pid)).collect()
    };
    let told = |pairs: &[(&str, u32)]| -> Vec<(String, u32)> {
        pairs.iter().map(|(id, pid)| ((*id).to_owned(), *pid)).collect()
    };
    let two = [owner(1, 10_000), owner(2, 20_000)];
    let each = [session("b", 23_000, 90_000), session("a", 13_000, 90_000)];
    assert_eq!(likely(&two, &each), told(&[("a", 1), ("b", 2)]));
    // Started at once: each has one.
    let at_once = [owner(1, 10_000), owner(2, 10_100)];
    let both = [session("a", 13_000, 90_000), session("b", 13_100, 90_000)];
    assert_eq!(likely(&at_once, &both), told(&[("a", 2), ("b", 1)]));
    // One process, two sessions: both are its.
    assert_eq!(likely(&two[..1], &each), told(&[("a", 1), ("b", 1)]));
}

#[test]
fn who_serves_every_directory_may_own_any_session() {
    let server = Owner { directory: None, ..owner(1, 10_000) };
    let here = Written { directory: "/q".into(), ..session("a", 11_000, 12_000) };
    assert_eq!(joined(std::slice::from_ref(&server), std::slice::from_ref(&here)), ["pi:a 1/1"]);
    let both = [server, owner(2, 10_000)];
    assert_eq!(joined(&both, &[here, session("b", 11_000, 12_000)]).iter().filter(|one| one.contains('?')).count(), 2);
}

#[test]
fn processes_are_listed_as_people_do() {
    let table: [(&[u32], &str); 4] = [
        (&[], "no process"),
        (&[1], "process 1"),
        (&[1, 2], "processes 1 and 2"),
        (&[1, 2, 3], "processes 1, 2 and 3"),
    ];
    for (list, words) in table {
        assert_eq!(pids(list), words);
    }
}

proptest! {
    /// No process is certain of two sessions, no session of two processes, and all of it is possible.
    #[test]
    fn what_is_certain_is_one_to_one(starts in prop::collection::vec(0i64..1_000, 0..5), times in prop::collection::vec((0i64..1_000, 0i64..1_000), 0..5)) {
        let owners: Vec<Owner> = starts.iter().enumerate().map(|(n, start)| owner(n as u32, *start)).collect();
        let sessions: Vec<Written> =
            times.iter().enumerate().map(|(n, (at, long))| session(&n.to_string(), *at, at + long)).collect();
        let certain: Vec<_> = join(Agent::Pi, &owners, &sessions).into_iter().filter(|one| one.certain).collect();
        for one in &certain {
            prop_assert_eq!(certain.iter().filter(|other| other.process == one.process).count(), 1);
            prop_assert_eq!(certain.iter().filter(|other| other.session == one.session).count(), 1);
            let session = &sessions[one.session.session.parse::<usize>().unwrap()];
            prop_assert!(session.updated.0 >= starts[one.process.pid as usize]);
        }
    }
}
