//! The shapes that a run's processes can have. A shape is this program started as `shape NAME FIFO`: it tells over the
//! FIFO how many processes it has (`n 5`) and each says that it is up (`u PID`), or that it can't be had here (`skip …`).
//!
//! Every fork is counted, and every process is killed by a timer of its own.

mod work;

use std::ffi::c_int;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use crate::sys;
use work::*;

static FIFO: AtomicI32 = AtomicI32::new(-1);
static PATH: OnceLock<String> = OnceLock::new();

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
