//! Fork, what a child does before exec, and the one question to a pidfd that has no safe wrapper. The only unsafe code
//! of redkey; every call sits in a small safe function.
#![allow(unsafe_code, reason = "fork, pre_exec and raw system calls have no safe form")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal};

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The number of the child.
    Parent(Pid),
    Child,
}

/// Makes a copy of this process. An error if it has more than one thread: the copy would have one alone, with the
/// others' locks held for ever.
pub fn fork() -> io::Result<Fork> {
    if threads()? != 1 {
        return Err(io::Error::other("a process with several threads can't be forked safely"));
    }
    // SAFETY: there is one thread, this one, so no lock or allocator state can be held by a thread that the child
    // doesn't have; the child is as whole as the parent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        pid => Pid::from_raw(pid).map(Fork::Parent).ok_or_else(|| io::Error::other("fork told no number")),
    }
}

#[cfg(target_os = "linux")]
fn threads() -> io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

#[cfg(not(target_os = "linux"))]
fn threads() -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What a child does between fork and exec, in this order.
#[derive(Debug, Default)]
pub struct PreExec {
    /// Joins this process group; 0: one of its own.
    pub pgid: Option<u32>,
    /// An open `cgroup.procs`: the child enters that cgroup.
    pub cgroup_procs: Option<OwnedFd>,
    /// Signals set to their default action. What is ignored stays ignored over exec: a program started with INT
    /// ignored would never hear it. (Rust's own start clears the mask of blocked signals.)
    pub reset: Vec<Signal>,
    /// Sent to the child when the thread that started it ends. If that has happened already, the child ends instead.
    /// The kernel forgets it when the program is setuid.
    pub pdeathsig: Option<Signal>,
}

/// Starts `command` with these preparations. Fails if any of them fails; nothing is running then.
pub fn spawn(command: &mut Command, pre: PreExec) -> io::Result<Child> {
    let parent = rustix::process::getpid();
    let prepare = move || prepare(&pre, parent);
    // SAFETY: `prepare` makes system calls only (setpgid, write, signal, prctl, getppid, _exit). It takes no lock and
    // neither allocates nor frees: what it reads was made before the fork, and its errors are bare numbers.
    unsafe { command.pre_exec(prepare) };
    command.spawn()
}

/// Like [`spawn`], and the child is born in the cgroup with this directory. To enter one later makes the kernel wait until
/// every processor has been idle once, which is many milliseconds. `None`: this kernel can't, and nothing was started.
#[cfg(target_os = "linux")]
pub fn spawn_into(cgroup: BorrowedFd<'_>, command: &mut Command, pre: &PreExec) -> io::Result<Option<Pid>> {
    use std::io::{Read, Write};
    if threads()? != 1 {
        return Ok(None);
    }
    let parent = rustix::process::getpid();
    let (mut told, mut tell) = io::pipe()?;
    match clone_into(cgroup) {
        -1 => Ok(None),
        0 => {
            let error = match prepare(pre, parent) {
                Ok(()) => command.exec(),
                Err(error) => error,
            };
            let _ = tell.write_all(&error.raw_os_error().unwrap_or(libc::EINVAL).to_ne_bytes());
            exit_now(libc::EXIT_FAILURE)
        }
        pid => {
            drop(tell);
            let mut error = [0; 4];
            let pid = super::pid_of(pid as u32).ok_or_else(|| io::Error::other("the kernel told no process id"))?;
            // The end of the pipe without a word: exec has closed it.
            match told.read_exact(&mut error) {
                Err(_) => Ok(Some(pid)),
                Ok(()) => {
                    let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
                    Err(io::Error::from_raw_os_error(i32::from_ne_bytes(error)))
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub fn spawn_into(_cgroup: BorrowedFd<'_>, _command: &mut Command, _pre: &PreExec) -> io::Result<Option<Pid>> {
    Ok(None)
}

/// A fork whose child begins in a cgroup. To be called with one thread only. The child must do no more than exec, or end:
/// the C library hasn't heard of the fork.
#[cfg(target_os = "linux")]
fn clone_into(cgroup: BorrowedFd<'_>) -> libc::c_long {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    // The kernel's `struct clone_args`: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
    // set_tid_size, cgroup.
    let mut args = [0u64; 11];
    args[0] = CLONE_INTO_CGROUP;
    args[4] = libc::SIGCHLD as u64;
    args[10] = cgroup.as_raw_fd() as u64;
    // SAFETY: the structure has the size that is told, and asks for a plain fork: nothing is shared, no stack is given
    // and no memory of ours is written. There is one thread, so the child holds no lock that nobody would open.
    unsafe { libc::syscall(libc::SYS_clone3, args.as_ptr(), size_of_val(&args)) }
}

/// Runs in the child, where only async-signal-safe calls are allowed.
fn prepare(pre: &PreExec, parent: Pid) -> io::Result<()> {
    if let Some(pgid) = pre.pgid {
        rustix::process::setpgid(None, super::pid_of(pgid)).map_err(raw)?;
    }
    if let Some(procs) = &pre.cgroup_procs {
        rustix::io::write(procs, b"0").map_err(raw)?;
    }
    for signal in &pre.reset {
        reset(*signal)?;
    }
    if let Some(signal) = pre.pdeathsig {
        die_with(signal, parent)?;
    }
    Ok(())
}

fn raw(error: rustix::io::Errno) -> io::Error {
    io::Error::from_raw_os_error(error.raw_os_error())
}

fn reset(signal: Signal) -> io::Result<()> {
    // SAFETY: SIG_DFL is a valid disposition for any signal; one that can't be changed is an error.
    match unsafe { libc::signal(signal.as_raw(), libc::SIG_DFL) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn die_with(signal: Signal, parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(signal)).map_err(raw)?;
    if rustix::process::getppid() != Some(parent) {
        exit_now(libc::EXIT_FAILURE);
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn die_with(_signal: Signal, _parent: Pid) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::ENOTSUP))
}

/// From now on this process is in a user namespace of its own, and its next child is the first of a pid namespace. An
/// error if it has more than one thread.
#[cfg(target_os = "linux")]
pub fn unshare_pids() -> io::Result<()> {
    unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID)
}

/// From now on what this process mounts is seen by itself and its children alone.
#[cfg(target_os = "linux")]
pub fn unshare_mounts() -> io::Result<()> {
    unshare(libc::CLONE_NEWNS)
}

#[cfg(target_os = "linux")]
fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes flags alone. No descriptor table is unshared, which is what makes the call unsafe.
    match unsafe { libc::unshare(flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn unshare_pids() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub fn unshare_mounts() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The process group of this process; `None` if it can't be named here, since it is outside our pid namespace.
pub fn own_group() -> Option<Pid> {
    // SAFETY: takes nothing and can't fail.
    Pid::from_raw(unsafe { libc::getpgrp() })
}

/// Ends this process at once: no destructors, no exit handlers. For a forked child that must not run its parent's.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` takes any number and doesn't return.
    unsafe { libc::_exit(code) }
}

/// Does the process of this pidfd still have its number? True for a zombie, and for one that may not be signalled.
#[cfg(target_os = "linux")]
pub fn pidfd_is_unreaped(pidfd: BorrowedFd<'_>) -> bool {
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open for as long as it is borrowed; signal 0 is sent to nobody; no siginfo is given,
    // and no flags.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), 0, nothing, 0) };
    result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// For tests: at SIGUSR1 the thread that gets it ends, and not the process with it. Sent to the main thread it makes a
/// zombie whose other threads run on.
#[cfg(all(test, target_os = "linux"))]
pub(crate) fn leader_ends_alone() {
    extern "C" fn end(_signal: libc::c_int) {
        // SAFETY: ends the calling thread alone; what is on its stack is never used again.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    let handler = end as extern "C" fn(libc::c_int);
    // SAFETY: the handler makes one system call; `tgkill` is told this process's main thread.
    unsafe {
        libc::signal(libc::SIGUSR1, handler as libc::sighandler_t);
        libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::getpid(), libc::SIGUSR1);
    }
}
