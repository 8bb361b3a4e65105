//! Stopping runs and proving it; gates, grants, and the record of every press.
//!
//! - [`words`], [`ladder`], [`protocol`] — pure: what a stop is, which rung goes out when, what is said on a socket.
//! - [`audit`] — the log of what was done, which also remembers budgets and grants.

pub mod audit;
pub mod ladder;
pub mod protocol;
pub mod words;
