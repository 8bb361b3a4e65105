//! Parsing, and real processes. The tests' process has many threads, so that what is for a single-threaded one (fork,
//! reaping, the list of own children) is only touched here.

use std::io::Read;
use std::process::Command;

use proptest::prelude::*;
use rustix::process::{Signal, WaitOptions, waitpid};

use super::super::words::ProcId;
use super::testkit::{await_gone, sh, sh_with, start};
use super::*;

fn line(name: &str) -> String {
    format!(
        "4711 ({name}) S 17 4711 4700 34816 4711 4194304 173 0 0 0 1 2 0 0 20 0 3 0 987654321 2768896 242 184467 1 1 0 \
         0 0 0 0 0 65538 1 0 0 17 1 0 0 0 0 0\n"
    )
}

#[test]
fn stat_lines_are_read_whatever_the_name() {
    for name in ["sh", "tmux: server", "(sd-pam)", "a) R 1 2 3 (b", "", "new\nline", "ünïcode", ")"] {
        let stat = stat::parse(line(name).as_bytes()).expect(name);
        assert_eq!((stat.pid, stat.state, stat.ppid, stat.pgrp, stat.session), (4711, 'S', 17, 4711, 4700), "{name}");
        assert_eq!((stat.start, stat.threads), (987_654_321, 3), "{name}");
        assert_eq!(stat.name, crate::domain::text::Text::new(name));
    }
}

#[test]
fn what_is_no_stat_line_is_none() {
    for raw in ["", "4711", "4711 (sh", "4711 (sh)", "4711 (sh) S", "x (sh) S 1 2 3", "1 (a) S 1 1 1 0", ")("] {
        assert_eq!(stat::parse(raw.as_bytes()), None, "{raw}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken(raw in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = stat::parse(&raw);
        let _ = tree::numbers(&raw).count();
    }
}

#[test]
fn this_process_is_told_apart() {
    let me = own_pid();
    let stat = read(me).expect("own stat");
    assert_eq!(id(me), Some(stat.id()));
    assert!(stat.threads >= 1 && stat.start > 0);
    assert!(!boot_id().is_empty() && !name(me).is_empty());
    assert_eq!(exe(me), std::env::current_exe().ok());
    assert_eq!(cwd(me), std::env::current_dir().ok());
    assert_eq!(cmdline(me), std::env::args_os().collect::<Vec<_>>());
    assert_eq!(uid(me), Some(rustix::process::getuid().as_raw()));
    assert_eq!(tracer(me).is_some(), status_says_traced());
    let parents = ancestors(me);
    assert_eq!(parents.first().map(|parent| parent.pid), Some(std::os::unix::process::parent_id()));
}

fn status_says_traced() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("own status");
    !status.contains("TracerPid:\t0\n")
}

#[test]
fn the_environment_is_matched_whole() {
    let mut run = sh_with("echo ready; read line", &[("REDKEY_TEST_RUN", "r-1")]);
    run.line();
    assert!(environ_has(run.pid(), b"REDKEY_TEST_RUN=r-1"));
    for other in [&b"REDKEY_TEST_RUN=r-"[..], b"REDKEY_TEST_RUN=r-12", b"REDKEY_TEST_RUN", b"EDKEY_TEST_RUN=r-1"] {
        assert!(!environ_has(run.pid(), other));
    }
}

/// A shell with a child in its own session and a grandchild; their numbers are told in that order.
const TREE: &str = "setsid sleep 300 & echo $!; sh -c 'sleep 300 & echo $!; wait' & wait";

#[test]
fn descendants_are_found_in_any_session() {
    let mut run = sh(TREE);
    let told = run.pids(2);
    let found: Vec<u32> = descendants(run.pid()).iter().map(|stat| stat.pid).collect();
    assert_eq!(found.len(), 3);
    assert!(told.iter().all(|pid| found.contains(pid)));
    assert!(children(run.pid()).contains(&told[0]));
    assert!(children(own_pid()).contains(&run.pid()), "children of any thread");
    let table = tree::all_by_parent();
    let by_table = tree::walk(run.pid(), |pid| {
        table.get(&pid).into_iter().flatten().filter_map(|child| read(*child).ok()).collect()
    });
    assert_eq!(by_table.len(), 3, "the same without children files");
}

#[test]
fn own_children_are_told_by_the_kernel_too() {
    let mut run = sh("echo ready; sleep 300 & echo $!; wait");
    run.line();
    let below = run.pids(1)[0];
    let list = Children::open_proc().expect("/proc");
    for _ in 0..2 {
        let own = list.list().expect("a list");
        assert!(own.contains(&run.pid()));
        assert!(!own.contains(&below) && !own.contains(&own_pid()));
    }
    assert!(Children::open_self().expect("opens").list().is_ok());
}

#[test]
fn a_held_process_is_signalled_and_seen_to_go() {
    let mut run = sh("echo ready; read line");
    run.line();
    let held = Held::open(run.pid()).expect("held");
    assert!(!held.is_gone() && held.is_unreaped());
    assert!(Held::open_id(held.id).is_ok());
    let other = ProcId { start: held.id.start + 1, ..held.id };
    assert_eq!(Held::open_id(other).unwrap_err().raw_os_error(), Some(libc::ESRCH));

    held.signal(Signal::TERM).expect("sent");
    await_gone(&held);
    // A zombie: dead, and its number still its own.
    assert!(held.is_gone() && held.is_unreaped());
    assert_eq!(held.stat().map(|stat| stat.state).ok(), Some('Z'));
    assert!(survivor_in(own_pid(), run.pid()).is_none(), "the dead are no survivors");
    run.child.wait().expect("reaped");
    assert!(!held.is_unreaped());
    assert_eq!(held.signal(Signal::KILL).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    assert!(held.stat().is_err());
}

fn survivor_in(root: u32, pid: u32) -> Option<super::super::words::Survivor> {
    survivors(root).into_iter().find(|survivor| survivor.pid == pid)
}

#[test]
fn descent_is_checked_while_held() {
    let mut run = sh(TREE);
    let told = run.pids(2);
    let root = id(run.pid()).expect("alive");
    let me = id(own_pid()).expect("alive");
    for pid in told {
        let held = Held::open(pid).expect("alive");
        assert!(held.is_descendant_of(&root) && held.is_descendant_of(&me));
        assert!(!held.is_descendant_of(&ProcId { start: root.start + 1, ..root }));
        assert!(!held.is_descendant_of(&held.id));
    }
}

#[test]
fn a_round_kills_what_is_below_and_spares_what_it_must() {
    let mut run = sh("sh -c 'sleep 300 & echo $!; wait' & echo $!; sleep 300 & echo $!; read line");
    let mut told = run.pids(3);
    told.sort_unstable();
    let spared = *children(run.pid()).iter().find(|pid| !children(**pid).is_empty()).expect("the one with a child");
    let kept: Vec<Held> = [vec![spared], children(spared)].concat().into_iter().flat_map(Held::open).collect();
    let doomed = told.iter().find(|pid| kept.iter().all(|held| held.id.pid != **pid)).copied().expect("the other");
    let doomed = Held::open(doomed).expect("alive");

    let own = Children::open_proc().expect("/proc");
    let round = kill_round(run.pid(), &own, &[spared], 1);
    assert_eq!(round, Round { sent: 1, refused: vec![], narrow: false });
    await_gone(&doomed);
    assert!(kept.len() == 2 && kept.iter().all(|held| !held.is_gone()));

    assert!(kill_round(run.pid(), &own, &[], 2).sent >= 2);
    kept.iter().for_each(await_gone);
    assert!(read(run.pid()).is_ok_and(|stat| stat.state != 'Z'), "the root itself isn't touched");
}

#[test]
fn survivors_are_named() {
    let mut run = sh("sleep 300 & echo $!; wait");
    let pid = run.pids(1)[0];
    let survivor = survivor_in(run.pid(), pid).expect("alive");
    assert_eq!((survivor.pid, survivor.why.as_str()), (pid, "alive"));
}

/// Not a test: a process whose main thread ends while another goes on. Started by the next one.
#[test]
#[ignore = "helper"]
fn helper_without_main_thread() {
    if std::env::var_os("REDKEY_TEST_HELPER").is_none() {
        return;
    }
    sys::leader_ends_alone();
    while read(own_pid()).is_ok_and(|stat| stat.state != 'Z') {
        std::thread::yield_now();
    }
    println!("\nzombie");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn a_zombie_with_a_live_thread_is_not_gone() {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", "control::proc::tests::helper_without_main_thread", "--ignored", "--nocapture"]);
    let mut run = start(command.env("REDKEY_TEST_HELPER", "1"));
    let held = Held::open(run.pid()).expect("alive");
    while run.line() != "zombie" {
        assert!(!held.is_gone(), "the helper ended early");
    }
    assert_eq!(held.stat().map(|stat| stat.state).ok(), Some('Z'));
    assert!(!held.is_gone(), "its other threads run");
    let survivor = survivor_in(own_pid(), run.pid()).expect("a survivor");
    assert!(survivor.why.as_str().starts_with("its main thread has ended, "), "{survivor:?}");
    held.signal(Signal::KILL).expect("sent");
    await_gone(&held);
}

#[test]
fn a_child_dies_with_the_thread_that_started_it() {
    let start = || {
        let pre = PreExec { pdeathsig: Some(Signal::KILL), ..PreExec::default() };
        spawn(Command::new("sleep").arg("300"), pre).expect("started")
    };
    let mut child = std::thread::spawn(start).join().expect("a child");
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(child.wait().expect("reaped").signal(), Some(libc::SIGKILL));
}

#[test]
fn a_child_joins_its_group_and_its_cgroup_before_it_runs() {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let pre = PreExec { pgid: Some(0), cgroup_procs: Some(writer.into()), ..PreExec::default() };
    let mut command = Command::new("true");
    let mut child = spawn(&mut command, pre).expect("started");
    // The command keeps the descriptor for a second start.
    drop(command);
    assert_eq!(read(child.id()).map(|stat| stat.pgrp).ok(), Some(child.id()));
    let mut told = String::new();
    reader.read_to_string(&mut told).expect("read");
    assert_eq!(told, "0");
    child.wait().expect("reaped");

    let pre = PreExec { pgid: Some(1), ..PreExec::default() };
    assert!(spawn(&mut Command::new("true"), pre).is_err(), "nothing runs where a preparation fails");
}

#[test]
fn a_process_with_threads_is_not_forked() {
    // The tests' own threads may all have ended but this one and the main one.
    assert!(fork().is_err());
}

#[test]
fn children_are_known_without_taking_their_end() {
    let mut run = sh("exit 7");
    let held = Held::open(run.pid()).expect("a child, ended or not");
    await_gone(&held);
    assert!(reap::is_child(run.pid()));
    assert!(!reap::is_child(own_pid()) && !reap::is_child(0));
    assert_eq!(run.child.wait().expect("its status is still there").code(), Some(7));
    assert!(!reap::is_child(run.pid()));
}

#[test]
fn statuses_read_as_a_shell_tells_them() {
    assert_eq!(Status::Exited(3).code(), Some(3));
    assert_eq!(Status::Killed(libc::SIGTERM).code(), Some(143));
    assert_eq!(Status::Stopped(libc::SIGSTOP).code(), None);
    assert!(Status::Exited(0).is_end() && Status::Killed(9).is_end());
    assert!(!Status::Continued.is_end() && !Status::Stopped(19).is_end());
}

#[test]
fn a_stopped_process_is_not_gone_and_dies_of_kill() {
    let mut run = sh("echo ready; read line");
    run.line();
    let held = Held::open(run.pid()).expect("held");
    held.signal(Signal::STOP).expect("sent");
    waitpid(pid_of(run.pid()), WaitOptions::UNTRACED).expect("stopped");
    assert_eq!(held.stat().map(|stat| stat.state).ok(), Some('T'));
    held.signal(Signal::TERM).expect("sent");
    assert!(!held.is_gone());
    held.signal(Signal::KILL).expect("sent");
    await_gone(&held);
}
