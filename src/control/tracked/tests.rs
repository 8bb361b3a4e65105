//! The ladder on real processes that were started by somebody else, as far as it knows.

use std::io::Write;
use std::os::fd::AsFd;

use rustix::process::{Signal, WaitOptions, waitpid};

use super::super::ladder::Aim;
use super::super::proc::testkit::{Started, await_gone, sh, sh_with};
use super::super::proc::{Held, id, own_pid};
use super::super::words::{Phase, Proof, Rung, Times};
use super::*;
use crate::domain::time::Span;

/// Rungs that give way fast; KILL gets all the time it wants.
const TIMES: Times =
    Times { cooperative: Span(1), int: Span(300), term: Span(300), orphans: Span(100), give_up: Span(60_000) };

fn request(mode: Mode, first: Rung, aim: Aim, times: Times) -> Request {
    let plan = Plan { cooperative: true, first, aim, times };
    Request { plan, mode, id: "i-1".into(), by: Asker::default(), reason: "a test".into() }
}

fn tracked(run: &Started) -> Tracked {
    Tracked::open(id(run.pid()).expect("alive")).expect("tracked")
}

fn rungs(stop: &Stop) -> Vec<Rung> {
    stop.rungs.iter().map(|lit| lit.rung).collect()
}

/// Stops it and checks what every proven stop must say.
fn stop(mut tracked: Tracked, request: Request, processes: u32) -> Stop {
    let mut told = vec![];
    let stop = tracked.run(request, None, &mut |stop| told.push(stop.clone()));
    let receipt = stop.receipt.clone().expect("a receipt");
    assert_eq!((stop.phase, receipt.phase), (Phase::VerifiedDead, Phase::VerifiedDead));
    assert_eq!((receipt.grade, receipt.proof), (Grade::Tracked, Some(Proof::SetGone)));
    assert_eq!(receipt.processes, processes, "{receipt:?}");
    assert_eq!(told.last(), Some(&stop));
    assert!(tracked.members().is_empty());
    stop
}

#[test]
fn a_leader_that_obeys_leaves_orphans_that_are_asked_too() {
    let mut run = sh("sleep 300 & echo $!; sh -c 'sleep 300 & echo $!; wait' & wait");
    let below: Vec<Held> = run.pids(2).into_iter().flat_map(Held::open).collect();
    let stop = stop(tracked(&run), request(Mode::Ladder, Rung::Int, Aim::Leader, TIMES), 4);
    assert_eq!(rungs(&stop), [Rung::Int, Rung::Term]);
    assert!(below.len() == 2 && below.iter().all(Held::is_gone));
}

#[test]
fn a_child_in_its_own_session_goes_as_well() {
    let mut run = sh("setsid sleep 300 & echo $!; wait");
    let child = Held::open(run.pids(1)[0]).expect("alive");
    stop(tracked(&run), request(Mode::Ladder, Rung::Term, Aim::Group, TIMES), 2);
    assert!(child.is_gone());
}

#[test]
fn a_daemon_is_found_by_its_mark() {
    let mark = format!("{}-daemon", own_pid());
    let env = [("REDKEY_TEST_MARK", mark.as_str())];
    let mut run = sh_with("(setsid sh -c 'echo $$; exec sleep 300' &); echo done; read line", &env);
    let daemon = run.stray();
    let marks = vec![("REDKEY_TEST_MARK".to_owned(), mark.clone())];
    let mut other = sh_with("echo ready; read line", &[("REDKEY_TEST_MARK", &format!("{mark}-other"))]);
    other.line();

    assert!(!tracked(&run).members().iter().any(|member| member.pid == daemon), "not without a mark");
    stop(tracked(&run).marks(marks), request(Mode::Ladder, Rung::Int, Aim::All, TIMES), 2);
    assert!(run.others[0].is_gone());
    assert!(!Held::open(other.pid()).expect("alive").is_gone(), "another mark is another run");
}

#[test]
fn an_orphan_is_found_by_the_session_that_the_run_has_made() {
    let mut run = sh("setsid sh -c '(sleep 300 & echo $!); echo done; exec sleep 300' & wait");
    let orphan = run.stray();
    let mut set = tracked(&run);
    assert!(set.members().iter().any(|member| member.pid == orphan));
    stop(set, request(Mode::Now, Rung::Int, Aim::All, TIMES), 3);
    assert!(run.others[0].is_gone());
}

#[test]
fn what_ignores_int_and_term_is_killed_in_time() {
    let mut run = sh("trap '' INT TERM; echo ready; exec sleep 300");
    run.line();
    let stop = stop(tracked(&run), request(Mode::Ladder, Rung::Int, Aim::Leader, TIMES), 1);
    assert_eq!(rungs(&stop), [Rung::Int, Rung::Term, Rung::Kill]);
    for (lit, at) in stop.rungs.iter().zip([0, 300_000, 600_000]) {
        assert!(lit.after_us >= at, "{lit:?} before its time");
    }
}

#[test]
fn a_second_press_kills_at_once() {
    let mut run = sh("trap '' INT TERM; echo ready; exec sleep 300");
    run.line();
    let hours = Times { int: Span::mins(600), term: Span::mins(600), ..TIMES };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"!").expect("pressed");
    let stop = tracked(&run).run(request(Mode::Ladder, Rung::Int, Aim::All, hours), Some(reader.as_fd()), &mut |_| {});
    assert_eq!((stop.phase, stop.mode, rungs(&stop)), (Phase::VerifiedDead, Mode::Now, vec![Rung::Int, Rung::Kill]));
}

#[test]
fn whoever_could_press_may_go_away() {
    let mut run = sh("echo ready; read line");
    run.line();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(writer);
    let request = request(Mode::Ladder, Rung::Int, Aim::All, TIMES);
    let stop = tracked(&run).run(request, Some(reader.as_fd()), &mut |_| {});
    assert_eq!(stop.phase, Phase::VerifiedDead);
}

#[test]
fn a_stopped_leader_hears_the_signal_after_all() {
    let mut run = sh("trap 'exit 0' INT; echo ready; while :; do read line; done");
    run.line();
    let held = Held::open(run.pid()).expect("alive");
    held.signal(Signal::STOP).expect("sent");
    waitpid(crate::control::proc::pid_of(run.pid()), WaitOptions::UNTRACED).expect("stopped");
    let patient = Times { int: Span::mins(10), ..TIMES };
    let stop = stop(tracked(&run), request(Mode::Ladder, Rung::Int, Aim::Leader, patient), 1);
    assert_eq!(rungs(&stop), [Rung::Int]);
    assert_eq!(run.child.wait().expect("reaped").code(), Some(0));
}

#[test]
fn an_interrupt_leaves_it_alive() {
    let mut run = sh("trap '' INT; echo ready; read line");
    run.line();
    let mut set = tracked(&run);
    let short = Times { int: Span(20), ..TIMES };
    let stop = set.run(request(Mode::Interrupt, Rung::Int, Aim::Leader, short), None, &mut |_| {});
    assert_eq!((stop.phase, rungs(&stop)), (Phase::Failed, vec![Rung::Int]));
    assert_eq!(set.members().len(), 1);
}

#[test]
fn what_cannot_be_held_all_at_once_is_opened_one_by_one() {
    let mut run = sh("for i in 1 2 3 4 5 6; do sleep 300 & done; echo ready; wait");
    run.line();
    let mut set = tracked(&run);
    set.set.members.values_mut().for_each(|member| member.held = None);
    set.set.most_held = 0;
    assert!(set.set.has_unheld());
    let stop = stop(set, request(Mode::Ladder, Rung::Term, Aim::All, TIMES), 7);
    assert_eq!(rungs(&stop), [Rung::Term]);
}

#[test]
fn a_tree_that_was_dead_already_is_told_so() {
    let mut run = sh("echo ready; read line");
    run.line();
    let set = tracked(&run);
    let held = Held::open(run.pid()).expect("alive");
    drop(run.child.stdin.take());
    await_gone(&held);
    stop(set, request(Mode::Ladder, Rung::Int, Aim::All, TIMES), 1);
    let again = Tracked::open(held.id).map(|_| ()).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::NotFound, "a zombie is gone");
    run.child.wait().expect("reaped");
    assert_eq!(Tracked::open(held.id).map(|_| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn only_the_process_that_is_meant_is_tracked() {
    let mut run = sh("echo ready; read line");
    run.line();
    let right = id(run.pid()).expect("alive");
    let wrong = ProcId { start: right.start + 1, ..right };
    assert_eq!(Tracked::open(wrong).map(|_| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
    for refused in [1, own_pid()] {
        assert!(Tracked::open(id(refused).expect("alive")).is_err());
    }
}

#[test]
fn the_spared_are_not_touched() {
    let mut run = sh("sleep 300 & echo $!; sleep 300 & echo $!; wait");
    let below = run.pids(2);
    let spared = Held::open(below[1]).expect("alive");
    stop(tracked(&run).sparing(&[below[1]]), request(Mode::Now, Rung::Int, Aim::All, TIMES), 2);
    assert!(!spared.is_gone());
    run.others.push(spared);
}
