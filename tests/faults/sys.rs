//! The system calls that shapes are made of. Each process has one thread unless its shape says otherwise, so that a fork
//! may be followed by anything.

use std::ffi::{CString, c_int, c_void};
use std::io;

/// Nothing of a trial lives longer, in seconds, whatever breaks.
const LIFE: i64 = 60;

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The kernel kills this process when its time is up, stopped or not: a timer whose signal is KILL.
pub fn arm(seconds: i64) {
    // SAFETY: plain data, filled before use; the timer belongs to this process alone and is never touched again.
    unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGKILL;
        let mut timer: libc::timer_t = std::mem::zeroed();
        let mut time: libc::itimerspec = std::mem::zeroed();
        time.it_value.tv_sec = seconds;
        let made = libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) == 0;
        if !made || libc::timer_settime(timer, 0, &time, std::ptr::null_mut()) != 0 {
            libc::_exit(3);
        }
    }
}

/// A child that does `work` and then waits for its end. It has a timer of its own.
pub fn child(work: impl FnOnce()) -> i32 {
    // SAFETY: one thread (or, from a shape's thread, a child that only makes system calls).
    match unsafe { libc::fork() } {
        0 => {
            arm(LIFE);
            work();
            wait_for_the_end()
        }
        -1 => quit(4),
        pid => pid,
    }
}

/// Splits: `true` in a new child, which has a timer of its own, `false` in its parent.
pub fn fork_on() -> bool {
    // SAFETY: one thread.
    match unsafe { libc::fork() } {
        0 => {
            arm(LIFE);
            true
        }
        -1 => quit(4),
        _ => false,
    }
}

/// A child whose parent is our own parent, with the shape of `fork` otherwise.
pub fn sibling(work: impl FnOnce()) -> i32 {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: without a stack of its own and without shared memory this is a fork.
    match unsafe { libc::syscall(libc::SYS_clone, flags as libc::c_ulong, 0, 0, 0, 0) } {
        0 => {
            arm(LIFE);
            work();
            wait_for_the_end()
        }
        -1 => quit(4),
        pid => pid as i32,
    }
}

/// A child for whose end (or exec) the kernel makes us wait, in our own memory: `vfork`. Doesn't come back as long as
/// it lives.
pub fn borrowing_child(work: extern "C" fn(*mut c_void) -> c_int) {
    const STACK: usize = 256 << 10;
    let stack = Box::leak(vec![0u8; STACK].into_boxed_slice());
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is the child's alone and is never freed; we don't run while the child does.
    unsafe {
        libc::clone(work, stack.as_mut_ptr().add(STACK).cast(), flags, std::ptr::null_mut());
    }
}

pub fn arm_child() {
    arm(LIFE);
}

pub fn wait_for_the_end() -> ! {
    loop {
        // SAFETY: no memory is involved.
        unsafe { libc::pause() };
    }
}

pub fn quit(code: i32) -> ! {
    // SAFETY: ends the process without running anything of ours.
    unsafe { libc::_exit(code) }
}

/// Ends the calling thread, which may be the main one, and leaves the others.
pub fn end_thread() -> ! {
    // SAFETY: as above, for the thread.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    quit(5)
}

pub fn sleep_us(us: u64) {
    let time = libc::timespec { tv_sec: (us / 1_000_000) as i64, tv_nsec: (us % 1_000_000 * 1_000) as i64 };
    // SAFETY: `time` lives through the call.
    unsafe { libc::nanosleep(&time, std::ptr::null_mut()) };
}

pub fn ignore(signals: &[c_int]) {
    for signal in signals {
        // SAFETY: no handler.
        unsafe { libc::signal(*signal, libc::SIG_IGN) };
    }
}

/// `handler` may do what a signal handler may.
pub fn handle(signals: &[c_int], handler: extern "C" fn(c_int)) {
    for signal in signals {
        // SAFETY: the handler keeps to what is allowed in one.
        unsafe { libc::signal(*signal, handler as *const () as libc::sighandler_t) };
    }
}

pub fn own_group() {
    // SAFETY: no memory is involved.
    unsafe { libc::setpgid(0, 0) };
}

pub fn own_session() {
    // SAFETY: no memory is involved.
    unsafe { libc::setsid() };
}

pub fn become_subreaper() {
    // SAFETY: no memory is involved.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

pub fn stop_self() {
    // SAFETY: no memory is involved.
    unsafe { libc::raise(libc::SIGSTOP) };
}

/// Waits until a child has stopped.
pub fn until_stopped(pid: i32) {
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    unsafe { libc::waitpid(pid, &mut status, libc::WUNTRACED) };
}

/// Waits for a child's end.
pub fn until_ended(pid: i32) {
    let mut status = 0;
    // SAFETY: `status` lives through the call.
    unsafe { libc::waitpid(pid, &mut status, 0) };
}

pub fn parent() -> i32 {
    // SAFETY: no memory is involved.
    unsafe { libc::getppid() }
}

/// Lets our parent trace us.
pub fn be_traced() {
    // SAFETY: no memory is involved.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) };
}

/// A user namespace and, for children, a pid namespace.
pub fn new_pid_namespace() -> io::Result<()> {
    // SAFETY: no memory is involved.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) }).map(drop)
}

/// Becomes for good whom the set-user-id bit of our file names.
pub fn become_owner() -> io::Result<()> {
    // SAFETY: no memory is involved.
    let (uid, own) = unsafe { (libc::geteuid(), libc::getuid()) };
    if uid == own {
        return Err(io::Error::other("the file has no set-user-id bit, or its owner is ourselves"));
    }
    // SAFETY: no memory is involved.
    check(unsafe { libc::setresuid(uid, uid, uid) }).map(drop)
}

/// Replaces this process, with an environment that is empty.
pub fn exec_bare(program: &str, args: &[&str]) -> ! {
    let text = |word: &str| CString::new(word).unwrap_or_default();
    let words: Vec<CString> = std::iter::once(program).chain(args.iter().copied()).map(text).collect();
    let mut argv: Vec<*const libc::c_char> = words.iter().map(|word| word.as_ptr()).collect();
    argv.push(std::ptr::null());
    let empty = [std::ptr::null()];
    // SAFETY: both lists end in null and live through the call.
    unsafe { libc::execve(argv[0], argv.as_ptr(), empty.as_ptr()) };
    quit(6)
}

/// Written with one call, so that words of several processes don't mix.
pub fn write_fd(fd: c_int, bytes: &[u8]) {
    // SAFETY: the bytes live through the call.
    unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
}

pub fn open_write(path: &str) -> c_int {
    let path = CString::new(path).unwrap_or_default();
    // SAFETY: the path ends in null and lives through the call.
    unsafe { libc::open(path.as_ptr(), libc::O_WRONLY) }
}

/// Microseconds of a clock that never jumps, the same for every process.
pub fn now_us() -> u64 {
    // SAFETY: plain data, filled by the call.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time);
        time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
    }
}

/// A limit of another process, soft and hard.
pub fn limit_of(pid: u32, what: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: `limit` lives through the call.
    check(unsafe { libc::prlimit(pid as i32, what, &limit, std::ptr::null_mut()) }).map(drop)
}

pub fn kill(pid: u32, signal: c_int) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(pid as i32, signal) };
}

/// Takes every child that has ended. `true`: there is no child at all.
pub fn reap(mut ended: impl FnMut(u32, c_int)) -> bool {
    loop {
        let mut status = 0;
        // SAFETY: `status` lives through the call.
        match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
            0 => return false,
            -1 => return true,
            pid => ended(pid as u32, status),
        }
    }
}

/// Both ends of a new terminal: ours, and the one for a program.
pub fn terminal() -> io::Result<(std::os::fd::OwnedFd, std::os::fd::OwnedFd)> {
    use std::os::fd::{FromRawFd, OwnedFd};
    let (mut ours, mut theirs) = (-1, -1);
    let size = libc::winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: both descriptors are new and owned by nobody else.
    unsafe {
        check(libc::openpty(
            &mut ours,
            &mut theirs,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            (&raw const size).cast_mut(),
        ))?;
        Ok((OwnedFd::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)))
    }
}

pub fn uid() -> u32 {
    // SAFETY: no memory is involved.
    unsafe { libc::getuid() }
}
