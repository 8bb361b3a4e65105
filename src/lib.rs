//! A clock on every agent's arm, and a key that stops it.
//!
//! The map, in reading order:
//!
//! - [`domain`] — the words: events, runs, clock, tariff, meters, forecast, prices. Pure.
//! - [`adapters`] — a line of any agent's stream or transcript becomes events. Pure.
//! - [`index`] — totals of every session without charging, from a cache and from what changed.
//! - [`engine`] — the model of everything that is watched, and the one function that changes it. Pure.
//! - [`report`] — a run as plain data. Pure.
//! - [`config`] — the policy in force, put together from its layers; redkey's directories.
//! - [`control`] — the key: processes, the ladder, a socket per run, gates, the audit log.
//! - [`sources`] — where events come from: files that grow, a database, standard input. Read-only.
//! - [`backtest`] — a policy tried on sessions that are over. Pure.
//! - [`store`] — what is kept over runs: the ledger, and what people said of runs.
//! - [`record`] — what the engine was told of a run, written while it happens and read back.
//! - [`replay`] — runs seen again: the model at any moment of what was recorded. Pure.
//! - [`export`] — runs as files for others: a page, a table, a film of the screen.
//! - [`ui`] — drawing the model; keys become actions.
//! - [`runtime`] — the one loop: inputs, engine, effects, frame.
//! - [`demo`] — the small agents of `redkey demo`. Pure.
//! - [`cli`], [`cmd`] — the command line, and one file per command.
//!
//! From file to pixel: notify wakes the tail, which reads whole lines from where it stopped; the adapter makes events of
//! them; they arrive in the loop as messages; the engine charges the run's clock; the screen is stale and is drawn, at
//! most thirty times a second.
//!
//! What must hold:
//!
//! 1. Pure rooms never name tokio, ratatui, `std::fs`, `std::process` or a clock. `now` is an argument. (A test reads
//!    their source.)
//! 2. Drawing changes nothing in the model.
//! 3. Live and replay are the same path.
//! 4. Every channel is bounded; what is lost is counted where the screen shows it.
//! 5. Adapters never fail: what they can't read becomes `Unparsed`, counted.
//! 6. All text from agents is a [`domain::text::Text`], cleaned where it enters.
//! 7. Files of agents are opened read-only; no model is ever called, nothing is sent anywhere.

#![deny(unsafe_code)]
#![allow(
    rustdoc::private_intra_doc_links,
    reason = "the map of a room names what is in it, for those who read the source"
)]

pub mod adapters;
pub mod backtest;
pub mod cli;
pub mod clock;
pub mod cmd;
pub mod config;
pub mod control;
pub mod demo;
pub mod domain;
pub mod engine;
pub mod export;
pub mod index;
pub mod record;
pub mod replay;
pub mod report;
pub mod runtime;
pub mod sources;
pub mod store;
pub mod ui;
