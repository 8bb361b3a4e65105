//! redkey from outside: the library over recorded files, the binary as a user starts it.

mod audit;
mod backtest;
mod export;
mod fixtures;
mod headless;
mod hooks;
mod pty;
mod recordings;
mod replay;
mod screen;
mod streams;
mod support;
mod tidy;
