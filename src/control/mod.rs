//! Stopping runs and proving it; gates, grants, and the record of every press.
//!
//! - [`mapping`] — which process works on which run.
//! - [`words`], [`ladder`], [`protocol`] — pure: what a stop is, which rung goes out when, what is said on a socket.
//! - [`proc`] — processes: who descends from whom, what is signalled, what proves that it is gone.
//! - [`dir`], [`desk`], [`peer`] — where the sockets are, who answers on one, and who may ask.
//! - [`client`], [`native`] — the other end: for screens and commands, and for agents written in Rust.
//! - [`link`] — the line between a run's supervisor and its meter; [`wire`] — lines in and out of a socket.

pub mod client;
pub mod desk;
pub mod dir;
//! - [`agents`], [`coop`] — what is known of each agent, and how it is asked to stop in its own words. Pure, but for
//!   one connection.

pub mod agents;
pub mod coop;
pub mod ladder;
pub mod proc;
pub mod link;
pub mod native;
pub mod peer;
pub mod mapping;
pub mod protocol;
mod wire;
pub mod words;
