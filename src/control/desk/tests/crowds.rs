//! Many at once, and a stop among them.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::testkit::answering;
use super::*;
use crate::clock;
use crate::control::client;
use crate::control::protocol::StopCall;
use crate::control::words::{Asker, Mode, Phase, Stop};
use crate::domain::time::Stamp;

/// What a stop may take, whatever else is going on.
const PROMPT: Duration = Duration::from_millis(100);

fn stop_call() -> StopCall {
    StopCall { interrupt_id: Text::new("i"), mode: Mode::Ladder, reason: Text::default(), by: Text::new("test") }
}

fn stop() -> Stop {
    Stop {
        id: Text::new("i"),
        mode: Mode::Ladder,
        phase: Phase::Requested,
        by: Asker::default(),
        reason: Text::default(),
        at: Stamp(0),
        rungs: vec![],
        alive: 1,
        receipt: None,
    }
}

fn answer(desk: &mut Desk, inbound: &Inbound) {
    match inbound {
        Inbound::Call { conn, id, call: Call::Stop(_), .. } => desk.reply(*conn, id.clone(), Ok(stop())),
        Inbound::Call { conn, id, .. } => desk.reply(*conn, id.clone(), Ok(true)),
        _ => {}
    }
}

/// Half of them take no longer: the machine may be busy for a moment, the desk may not.
fn takes(room: &Room) -> Duration {
    let path = room.dir.socket_path("r-1").expect("fits");
    let once = |_| {
        let began = clock::elapsed();
        client::stop(&path, &stop_call(), patience()).expect("a stop");
        clock::elapsed() - began
    };
    let mut times: Vec<_> = (0..21).map(once).collect();
    times.sort();
    times[10]
}

#[test]
fn the_last_slot_is_for_a_stop() {
    let mut scene = scene();
    let full: Vec<_> = (0..limits::CONNECTIONS)
        .map(|_| {
            let stream = scene.saying(&hello("watch"));
            scene.settle();
            stream
        })
        .collect();
    assert_eq!(scene.desk.connections(), limits::CONNECTIONS);
    let watch = scene.saying(&format!("{}{STATUS}", hello("watch")));
    assert_eq!(scene.settle(), []);
    assert_eq!(error(&watch), (Some(code::LIMIT), true));

    let operator = scene.saying(&format!("{HELLO}{STATUS}{}{STOP}", STATUS.replace("status", "gate_list")));
    let inbound = scene.settle();
    assert_eq!(scene.answer(inbound), ["stop", "status"]);
    assert_eq!(error(&operator), (Some(code::LIMIT), false), "for the list of gates");
    // It had its say: the next stop takes its place.
    let next = scene.saying(&format!("{HELLO}{STOP}"));
    let inbound = scene.settle();
    assert_eq!(scene.answer(inbound), ["stop"]);
    assert!(heard(&operator).1 && !heard(&next).1);
    // But not before it is answered, unless that takes too long.
    (&next).write_all(STATUS.as_bytes()).expect("sent");
    let unanswered = scene.settle();
    let third = scene.saying(&format!("{HELLO}{STOP}"));
    scene.settle();
    assert_eq!(error(&third).0, Some(code::LIMIT));
    drop(unanswered);
    scene.pass(limits::RESERVED);
    let fourth = scene.saying(&format!("{HELLO}{STOP}"));
    let inbound = scene.settle();
    assert_eq!(scene.answer(inbound), ["stop"]);
    // Somebody leaves: what was the last slot's is now like any other.
    drop(full);
    scene.settle();
    (&fourth).write_all(STATUS.replace("status", "gate_list").as_bytes()).expect("sent");
    let inbound = scene.settle();
    assert_eq!(scene.answer(inbound), ["other"]);
}

#[test]
fn whoever_has_been_silent_longest_gives_way() {
    let mut scene = scene();
    let silent: Vec<_> = (0..limits::PENDING).map(|_| scene.connect()).collect();
    scene.settle();
    // The first has spoken in the meantime, and is heard before it would have to leave.
    (&silent[0]).write_all(HELLO.as_bytes()).expect("sent");
    let newcomer = scene.connect();
    scene.settle();
    assert!(!heard(&silent[0]).1 && !heard(&newcomer).1);
    let newest = scene.connect();
    scene.settle();
    assert!(heard(&silent[1]).1 && !heard(&silent[2]).1 && !heard(&newest).1);
    assert_eq!(scene.desk.connections(), 1);
}

#[test]
fn every_connection_gets_a_few_lines_a_round() {
    let mut scene = scene();
    let chatty = scene.saying(HELLO);
    scene.settle();
    (&chatty).write_all(STATUS.repeat(50).as_bytes()).expect("sent");
    let first = scene.serve();
    assert_eq!(first.len(), limits::LINES);
    assert_eq!(scene.desk.deadline(), Some(Duration::ZERO), "the others are due at once");
    let stop = scene.saying(&format!("{HELLO}{STOP}"));
    let second = scene.serve();
    assert!(matches!(second[0], Inbound::Call { call: Call::Stop(_), .. }), "first of {}", second.len());
    let rest = scene.settle();
    let count = [first, second, rest].into_iter().map(|inbound| scene.answer(inbound).len()).sum::<usize>();
    assert_eq!(count, 51);
    drop(stop);
}

/// Connections that say nothing, as many as the system gives us at once; some are crowded out by others.
fn silent(path: &Path, count: usize) -> Vec<UnixStream> {
    (0..count).map_while(|_| UnixStream::connect(path).ok()).collect()
}

#[test]
fn a_stop_comes_through_thousands_of_connections() {
    let room = room();
    let path = room.dir.socket_path("r-1").expect("fits");
    let soft = getrlimit(Resource::Nofile).current.unwrap_or(1_024);
    let (_calls, served) = answering(room.desk("r-1"), answer);
    for count in [50, 10_000] {
        let count = count.min(usize::try_from(soft / 2).unwrap_or(500));
        let crowd = silent(&path, count);
        let took = takes(&room);
        assert!(took < PROMPT, "{took:?} with {} connections", crowd.len());
    }
    served.end();
}

#[test]
fn a_stop_comes_through_a_flood_that_goes_on() {
    let room = room();
    let path = room.dir.socket_path("r-1").expect("fits");
    let (_calls, served) = answering(room.desk("r-1"), answer);
    let on = Arc::new(AtomicBool::new(true));
    let flood = |text: String| {
        let (path, on) = (path.clone(), on.clone());
        std::thread::spawn(move || {
            while on.load(Ordering::Relaxed) {
                for mut stream in silent(&path, 40) {
                    let _ = stream.write_all(text.as_bytes());
                }
            }
        })
    };
    let floods = [flood(String::new()), flood(format!("{HELLO}{STATUS}{STATUS}"))];
    let took = takes(&room);
    on.store(false, Ordering::Relaxed);
    floods.into_iter().for_each(|flood| flood.join().expect("no panic"));
    assert!(took < PROMPT, "{took:?}");
    served.end();
}

/// Runs in a process of its own, started by the test below: it uses up every descriptor.
#[test]
#[ignore = "started by another test"]
fn without_a_free_descriptor() {
    let mut scene = scene();
    let path = scene.desk.path().to_owned();
    // The callers' ends come first: they take descriptors too.
    let callers: Vec<_> = (0..6).map(|_| scene.saying("")).collect();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(100), maximum: limit.maximum }).expect("lowered");
    let mut hog = vec![];
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hog.push(file);
    }
    assert!(hog.len() > 10);
    // One silent one gets in on the descriptor that was kept back; the next takes its place, each in turn.
    scene.serve();
    (&callers[5]).write_all(format!("{HELLO}{STOP}").as_bytes()).expect("sent");
    let mut stops = 0;
    for _ in 0..20 {
        let inbound = scene.serve();
        stops += scene.answer(inbound).iter().filter(|name| **name == "stop").count();
        scene.pass(limits::BREATH);
    }
    assert_eq!(stops, 1);
    assert_eq!(error(&callers[5]), (None, false));
    // It is there for others when descriptors are free again.
    drop(hog);
    scene.settle();
    assert!(scene.desk.spare.restore() || !scene.desk.spare.is_spent());
    let mut late = UnixStream::connect(&path).expect("connected");
    late.write_all(format!("{}{STATUS}", hello("watch")).as_bytes()).expect("sent");
    let inbound = scene.settle();
    assert_eq!(scene.answer(inbound), ["status"]);
}

#[test]
fn a_stop_comes_through_without_a_free_descriptor() {
    let own = std::env::current_exe().expect("this program");
    let name = "control::desk::tests::crowds::without_a_free_descriptor";
    let done = Command::new(own).args(["--exact", name, "--ignored", "--test-threads=1"]).output().expect("started");
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && told.contains("1 passed"), "{told}");
}
