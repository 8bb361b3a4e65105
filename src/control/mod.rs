//! Stopping runs and proving it; gates, grants, and the record of every press.
//!
//! - [`words`], [`ladder`], [`protocol`] — pure: what a stop is, which rung goes out when, what is said on a socket.
//! - [`proc`] — processes: who descends from whom, what is signalled, what proves that it is gone.

pub mod ladder;
pub mod proc;
pub mod protocol;
pub mod words;
