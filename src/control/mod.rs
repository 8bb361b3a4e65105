//! Stopping runs and proving it; gates, grants, and the record of every press.
//!
//! - [`mapping`] — which process works on which run; [`holds`] — which key there is for each.
//! - [`hook`] — what agents ask before each call, and how that comes into their settings.
//! - [`words`], [`ladder`], [`protocol`] — pure: what a stop is, which rung goes out when, what is said on a socket.
//! - [`gates`] — pure: actions that are held until a person answers.
//! - [`meter`] — a run's sessions, its clock, and what the clock decides.
//! - [`agents`], [`coop`] — what is known of each agent, and how it is asked to stop in its own words. Pure, but for
//!   one connection.
//! - [`proc`] — processes: who descends from whom, what is signalled, what proves that it is gone.
//! - [`supervisor`] — a run that redkey starts; [`stopping`] — a stop from outside.
//! - [`tracked`] — the ladder for processes that redkey did not start.
//! - [`dir`], [`desk`], [`peer`] — where the sockets are, who answers on one, and who may ask.
//! - [`client`], [`native`] — the other end: for screens and commands, and for agents written in Rust.
//! - [`link`] — the line between a run's supervisor and its meter; [`wire`] — lines in and out of a socket.
//! - [`hands`] — what a person at the screen wants, done.
//! - [`audit`] — the log of what was done, which also remembers budgets and grants.

pub mod agents;
pub mod audit;
pub mod client;
pub mod coop;
pub mod desk;
pub mod dir;
pub mod gates;
pub mod hands;
pub mod holds;
pub mod hook;
pub mod ladder;
pub mod link;
pub mod lost;
pub mod mapping;
pub mod meter;
pub mod native;
pub mod peer;
pub mod proc;
pub mod protocol;
pub mod stopping;
pub mod supervisor;
pub mod tracked;
mod wire;
pub mod words;
