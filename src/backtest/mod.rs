//! PURE. A policy tried on sessions that are over: where it would have run out, what it would have stopped or held, and
//! what that would have saved and cost.
//!
//! - [`verdict`] — what a policy makes of one session;
//! - [`judge`] — the ordinary engine, watched between and after events;
//! - [`mark`] — did the run end well? A person's mark, else the agent's word, else nobody knows;
//! - [`summary`] — over all sessions: false stops, missed stops, what was saved.
//!
//! What the answer stands on: the session is taken as it was. What an agent would have done after a gate was denied, or
//! a person after a warning, nobody knows; time that people granted is left out, since it was granted on another clock.

pub mod judge;
pub mod mark;
pub mod summary;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use judge::{Judge, Known};
pub use mark::{Basis, Ended, Mark};
pub use summary::{Side, Summary};
pub use verdict::{Gate, Saved, Session, Verdict, Zero};
