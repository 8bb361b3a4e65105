//! The hook: what an agent runs before each of its tool calls, and how it comes into the agent's settings.
//!
//! - [`settings`] — pure: the agents' settings files, edited so that nothing else in them changes;
//! - [`call`] — pure: what the agent tells its hook, and what of that goes to the run's socket;
//! - [`answer`] — pure: what is said back, in each agent's own way. Agents' hooks fail open: a crash, a slow answer or
//!   half an answer lets the call through, so every way out of here that isn't an answer is a refusal;
//! - [`mod@file`] — IO: a settings file, replaced whole or not at all;
//! - [`attend`], [`run`] — IO: the process that is started if nobody attends the run yet, and all of it together.

pub mod answer;
mod attend;
pub mod call;
pub mod file;
pub mod run;
pub mod settings;
#[cfg(test)]
pub(crate) mod testkit;
