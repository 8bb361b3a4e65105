//! Stopping runs and proving it; gates, grants, and the record of every press.
//!
//! - [`mapping`] — which process works on which run.
//! - [`words`], [`ladder`], [`protocol`] — pure: what a stop is, which rung goes out when, what is said on a socket.

pub mod ladder;
pub mod mapping;
pub mod protocol;
pub mod words;
