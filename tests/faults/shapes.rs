//! The shapes that a run's processes can have. A shape is this program started as `shape NAME FIFO`: it tells over the
//! FIFO how many processes it has (`n 5`) and each says that it is up (`u PID`), or that it can't be had here (`skip …`).
//!
//! Every fork is counted, and every process is killed by a timer of its own.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use super::sys;

static FIFO: AtomicI32 = AtomicI32::new(-1);
static PATH: OnceLock<String> = OnceLock::new();

/// Steps of a fork chain. It takes longer than any trial.
const STEPS: u32 = 400_000;
/// Restarts by the watchdogs.
const RESTARTS: u32 = 20_000;

const DEAF: [c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// What is known of a shape.
#[derive(Clone, Copy)]
pub struct Shape {
    pub name: &'static str,
    /// Processes that must be alive when it is ready.
    pub alive: usize,
    /// It changes while it is looked at: what was seen is not what is there.
    pub moving: bool,
    work: fn(),
}

const fn still(name: &'static str, alive: usize, work: fn()) -> Shape {
    Shape { name, alive, moving: false, work }
}

pub const ALL: [Shape; 26] = [
    still("plain", 5, || tree(|| {})),
    still("ignores", 5, || {
        sys::ignore(&DEAF);
        tree(|| {});
    }),
    still("setpgid", 5, || tree(sys::own_group)),
    still("setsid", 5, || tree(sys::own_session)),
    still("daemon", 5, || daemons(|| {})),
    still("daemon-clean", 5, || daemons(become_bare)),
    still("leader-first", 4, leader_first),
    still("nested-subreaper", 8, nested_subreaper),
    still("stopped-child", 3, stopped_child),
    still("stopped-leader", 3, stopped_leader),
    still("clone-parent", 5, clone_parent),
    still("vfork", 4, vfork),
    still("thread-forks", 13, thread_forks),
    still("zombies-100", 3, zombies),
    Shape { name: "fork-chain", alive: 1, moving: true, work: || chains(1) },
    Shape { name: "fork-chains-20", alive: 10, moving: true, work: || chains(20) },
    still("pidns", 6, pid_namespace),
    still("ptraced", 3, ptraced),
    still("children-300", 301, || children(300)),
    still("children-1000", 1_001, || children(1_000)),
    still("children-3000", 3_001, || children(3_000)),
    Shape { name: "watchdog-pair", alive: 3, moving: true, work: watchdogs },
    still("zombie-leader", 3, zombie_leader),
    still("all-at-once", 12, all_at_once),
    still("deaf", 1, deaf),
    still("eperm", 2, another_user),
];

pub fn find(name: &str) -> Option<&'static Shape> {
    ALL.iter().find(|shape| shape.name == name)
}

/// Becomes the shape. Doesn't come back.
pub fn become_shape(name: &str, fifo: &str) -> ! {
    sys::arm(60);
    FIFO.store(sys::open_write(fifo), Ordering::Relaxed);
    let _ = PATH.set(fifo.to_owned());
    match name {
        "leaf" => up(),
        "other-user" => match sys::become_owner() {
            Ok(()) => {
                sys::arm(5);
                up();
            }
            Err(error) => say(&format!("skip {error}\n")),
        },
        _ => match find(name) {
            Some(shape) => (shape.work)(),
            None => sys::quit(2),
        },
    }
    sys::wait_for_the_end()
}

fn say(text: &str) {
    sys::write_fd(FIFO.load(Ordering::Relaxed), text.as_bytes());
}

/// So many processes will say that they are up.
fn expect(processes: usize) {
    say(&format!("n {processes}\n"));
}

/// With our number, where it is the number by which others know us.
fn up() {
    say(&format!("u {}\n", std::process::id()));
}

/// Root, two children, a grandchild each; `change` is done by the children, before theirs.
fn tree(change: fn()) {
    expect(5);
    for _ in 0..2 {
        sys::child(|| {
            change();
            sys::child(up);
            up();
        });
    }
    up();
}

/// Two daemons with a child each.
fn daemons(then: fn()) {
    expect(5);
    for _ in 0..2 {
        let between = sys::child(|| {
            sys::own_session();
            sys::child(move || {
                sys::child(up);
                then();
                up();
            });
            sys::quit(0)
        });
        sys::until_ended(between);
    }
    up();
}

/// The same program anew, with nothing in its environment.
fn become_bare() {
    let program = std::env::current_exe().unwrap_or_default();
    let fifo = PATH.get().map(String::as_str).unwrap_or_default();
    sys::exec_bare(&program.to_string_lossy(), &["shape", "leaf", fifo]);
}

fn leader_first() {
    expect(4);
    for _ in 0..2 {
        sys::child(|| {
            sys::child(up);
            up();
        });
    }
    sys::quit(0)
}

/// A child that inherits what loses its parent, as redkey's own processes do, and waits for none of it.
fn nested_subreaper() {
    expect(8);
    sys::child(|| {
        sys::become_subreaper();
        for _ in 0..3 {
            let between = sys::child(|| {
                sys::child(|| {
                    sys::own_session();
                    sys::child(up);
                    up();
                });
                sys::quit(0)
            });
            sys::until_ended(between);
        }
        up();
    });
    up();
}

fn stopped_child() {
    expect(3);
    let stopped = sys::child(|| {
        sys::child(up);
        sys::stop_self();
    });
    sys::until_stopped(stopped);
    up();
    up();
}

fn stopped_leader() {
    expect(3);
    for _ in 0..2 {
        sys::child(up);
    }
    up();
    sys::stop_self();
}

fn clone_parent() {
    expect(5);
    sys::sibling(|| {
        sys::sibling(up);
        up();
    });
    sys::child(|| {
        sys::sibling(up);
        up();
    });
    up();
}

extern "C" fn borrowing(_: *mut c_void) -> c_int {
    sys::arm_child();
    up();
    sys::wait_for_the_end()
}

/// A process that the kernel holds until its child is gone: no signal but KILL reaches it.
fn vfork() {
    expect(4);
    sys::child(|| {
        sys::child(up);
        up();
        sys::borrowing_child(borrowing);
    });
    up();
}

fn thread_forks() {
    expect(13);
    for _ in 0..4 {
        std::thread::spawn(|| {
            for _ in 0..3 {
                sys::child(up);
                sys::sleep_us(200);
            }
            sys::wait_for_the_end()
        });
    }
    up();
}

fn zombies() {
    expect(3);
    for _ in 0..100 {
        sys::child(|| sys::quit(0));
    }
    sys::child(|| {
        sys::own_session();
        up();
    });
    sys::child(up);
    up();
}

/// Each process starts the next and ends: whoever is looked at is gone.
fn chains(count: usize) {
    expect(count + 1);
    for _ in 0..count {
        sys::child(|| {
            for step in 0..STEPS {
                if step == 20 {
                    up();
                }
                // The parent ends; the child goes round.
                if !sys::fork_on() {
                    sys::quit(0);
                }
            }
        });
    }
    up();
}

fn pid_namespace() {
    let refused = sys::child(|| match sys::new_pid_namespace() {
        Err(error) => say(&format!("skip no pid namespace: {error}\n")),
        Ok(()) => {
            expect(6);
            // The first child is process 1 of the namespace.
            sys::child(|| {
                sys::child(|| {
                    sys::own_session();
                    sys::child(up);
                    up();
                });
                sys::child(up);
                up();
            });
            up();
        }
    });
    let _ = refused;
    up();
}

/// A child that its parent traces and has stopped.
fn ptraced() {
    expect(3);
    sys::child(|| {
        let traced = sys::child(|| {
            sys::be_traced();
            sys::stop_self();
        });
        sys::until_stopped(traced);
        up();
        up();
    });
    up();
}

fn children(count: usize) {
    expect(count + 1);
    for _ in 0..count {
        sys::child(up);
    }
    up();
}

/// A and B: when B ends A starts another, when A ends B does.
fn watchdogs() {
    expect(3);
    sys::child(|| watch(0));
    up();
}

fn watch(mut restarts: u32) {
    if restarts == 0 {
        up();
    }
    let me = std::process::id() as i32;
    loop {
        restarts += 1;
        if restarts > RESTARTS {
            return;
        }
        let other = sys::child(move || {
            if restarts == 1 {
                up();
            }
            while sys::parent() == me {
                sys::sleep_us(200);
            }
            // It is gone. Our child takes its place.
            sys::child(move || watch(restarts));
            sys::quit(0)
        });
        sys::until_ended(other);
    }
}

/// Processes whose main thread has ended: they look dead and are not. The agent itself is one.
fn zombie_leader() {
    expect(3);
    for _ in 0..2 {
        sys::child(half_dead);
    }
    half_dead();
}

fn half_dead() {
    std::thread::spawn(|| {
        up();
        sys::wait_for_the_end()
    });
    sys::end_thread()
}

/// What an agent's tools may look like on a bad day.
fn all_at_once() {
    expect(12);
    sys::ignore(&DEAF);
    let between = sys::child(|| {
        sys::own_session();
        sys::child(|| {
            sys::child(up);
            become_bare();
        });
        sys::quit(0)
    });
    sys::until_ended(between);
    let stopped = sys::child(sys::stop_self);
    sys::until_stopped(stopped);
    up();
    sys::child(|| {
        sys::become_subreaper();
        sys::own_group();
        let between = sys::child(|| {
            sys::child(up);
            sys::quit(0)
        });
        sys::until_ended(between);
        up();
    });
    sys::child(|| {
        sys::own_session();
        half_dead()
    });
    for _ in 0..20 {
        sys::child(|| sys::quit(0));
    }
    sys::sibling(up);
    sys::child(|| children_below(4));
    up();
}

fn children_below(count: usize) {
    for _ in 1..count {
        sys::child(up);
    }
    up();
}

/// Tells when it hears what, and lives on.
fn deaf() {
    expect(1);
    sys::handle(&DEAF, heard);
    up();
}

extern "C" fn heard(signal: c_int) {
    // `s 15 123456789\n`, without anything that allocates.
    let mut text = [0u8; 48];
    text[..2].copy_from_slice(b"s ");
    let mut at = 2;
    for (number, end) in [(signal as u64, b' '), (sys::now_us(), b'\n')] {
        let mut digits = [0u8; 20];
        let (mut rest, mut count) = (number, 0);
        loop {
            digits[count] = b'0' + (rest % 10) as u8;
            (rest, count) = (rest / 10, count + 1);
            if rest == 0 {
                break;
            }
        }
        for digit in digits[..count].iter().rev() {
            text[at] = *digit;
            at += 1;
        }
        text[at] = end;
        at += 1;
    }
    sys::write_fd(FIFO.load(Ordering::Relaxed), &text[..at]);
}

/// A child that is somebody else's by the time it is looked at, and may not be signalled.
fn another_user() {
    let Some(program) = std::env::var("FAULTS_SETUID").ok().filter(|path| !path.is_empty()) else {
        return say(
            "skip needs root to set up: FAULTS_SETUID names a copy of this program with another owner and u+s\n",
        );
    };
    expect(2);
    sys::child(move || {
        let fifo = PATH.get().map(String::as_str).unwrap_or_default();
        sys::exec_bare(&program, &["shape", "other-user", fifo]);
    });
    up();
}
