//! A clock on every agent's arm, and a key that stops it.
//!
//! The map, in reading order:
//!
//! - [`domain`] — the words: events, runs, clock, tariff, meters, forecast, prices. Pure.
//! - [`adapters`] — a line of any agent's stream or transcript becomes events. Pure.
//! - [`engine`] — the model of everything that is watched, and the one function that changes it. Pure.
//! - [`sources`] — finds the agents' files, reads and follows them.
//! - [`clock`] — the one place that asks the machine for the time.

pub mod adapters;
pub mod cli;
pub mod clock;
pub mod domain;
pub mod engine;
pub mod report;
pub mod sources;
