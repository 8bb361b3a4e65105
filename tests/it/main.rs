//! redkey from outside: the library over recorded files, the binary as a user starts it.

mod audit;
mod fixtures;
mod headless;
mod hooks;
mod pty;
mod recordings;
mod screen;
mod support;
mod tidy;
