//! Stopping runs and proving it; gates, grants, and the record of every press.
//!
//! - [`words`], [`ladder`], [`protocol`] — pure: what a stop is, which rung goes out when, what is said on a socket.
//! - [`agents`], [`coop`] — what is known of each agent, and how it is asked to stop in its own words. Pure, but for
//!   one connection.

pub mod agents;
pub mod coop;
pub mod ladder;
pub mod protocol;
pub mod words;
