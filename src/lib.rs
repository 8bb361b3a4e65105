//! A clock on every agent's arm, and a key that stops it.
//!
//! The map, in reading order:
//!
//! - [`domain`] — the words: events, runs, clock, tariff, meters, forecast, prices. Pure.
//! - [`adapters`] — a line of any agent's stream or transcript becomes events. Pure.
//! - [`engine`] — the model of everything that is watched, and the one function that changes it. Pure.
//! - [`config`] — the policy in force, put together from its layers; redkey's directories.
//! - [`cmd`] — one file per command.

pub mod adapters;
pub mod cli;
pub mod cmd {
    pub mod policy;
}
pub mod config;
pub mod domain;
pub mod engine;
pub mod report;
