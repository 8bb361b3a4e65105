//! Stopping runs and proving it; gates, grants, and the record of every press.
//!
//! - [`words`], [`ladder`], [`protocol`] — pure: what a stop is, which rung goes out when, what is said on a socket.
//! - [`gates`] — pure: actions that are held until a person answers.
//! - [`meter`] — a run's sessions, its clock, and what the clock decides.
//! - [`mapping`] — which process works on which run.
//! - [`proc`] — processes: who descends from whom, what is signalled, what proves that it is gone.

pub mod audit;
pub mod client;
pub mod desk;
pub mod dir;
pub mod gates;
pub mod ladder;
pub mod link;
pub mod mapping;
pub mod meter;
pub mod native;
pub mod peer;
pub mod proc;
pub mod protocol;
pub mod tracked;
mod wire;
pub mod words;
