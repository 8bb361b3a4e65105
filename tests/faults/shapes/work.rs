//! How the processes of each shape come about.

use std::ffi::{c_int, c_void};

use super::{DEAF, PATH, expect, say, up};
use crate::sys;

/// Steps of a fork chain. It takes longer than any trial.
const STEPS: u32 = 400_000;
/// Restarts by the watchdogs.
const RESTARTS: u32 = 20_000;

/// Root, two children, a grandchild each; `change` is done by the children, before theirs.
pub(super) fn tree(change: fn()) {
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
pub(super) fn daemons(then: fn()) {
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
pub(super) fn become_bare() {
    let program = std::env::current_exe().unwrap_or_default();
    let fifo = PATH.get().map(String::as_str).unwrap_or_default();
    sys::exec_bare(&program.to_string_lossy(), &["shape", "leaf", fifo]);
}

pub(super) fn leader_first() {
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
pub(super) fn nested_subreaper() {
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

pub(super) fn stopped_child() {
    expect(3);
    let stopped = sys::child(|| {
        sys::child(up);
        sys::stop_self();
    });
    sys::until_stopped(stopped);
    up();
    up();
}

pub(super) fn stopped_leader() {
    expect(3);
    for _ in 0..2 {
        sys::child(up);
    }
    up();
    sys::stop_self();
}

pub(super) fn clone_parent() {
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
pub(super) fn vfork() {
    expect(4);
    sys::child(|| {
        sys::child(up);
        up();
        sys::borrowing_child(borrowing);
    });
    up();
}

pub(super) fn thread_forks() {
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

pub(super) fn zombies() {
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
pub(super) fn chains(count: usize) {
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

pub(super) fn pid_namespace() {
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
pub(super) fn ptraced() {
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

pub(super) fn children(count: usize) {
    expect(count + 1);
    for _ in 0..count {
        sys::child(up);
    }
    up();
}

/// A and B: when B ends A starts another, when A ends B does.
pub(super) fn watchdogs() {
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
pub(super) fn zombie_leader() {
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
pub(super) fn all_at_once() {
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
