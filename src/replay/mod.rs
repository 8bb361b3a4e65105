//! PURE. Runs seen again: the engine's model at any moment of a tape, and a player that moves through it.
//!
//! - [`track`] — what is replayed: beats that can be read again from any place; several on one time axis;
//! - [`facts`] — what the record of control knows of runs, put in at its time;
//! - [`cursor`] — the model at a place, moved forwards beat by beat with the ticks that fall between;
//! - [`index`] — reads a track once, cuts it into blocks, keeps the model at the start of each, notes what happened;
//! - [`marks`] — where something happened;
//! - [`reel`] — the blocks that are there so far: any moment, forwards and backwards; [`past`] — a run's older lines;
//! - [`player`], [`moment`] — play, pause, speed, steps and jumps; moments as people write them.
//!
//! Memory is bounded by [`reel::BEATS`] for beats in memory (what is over is read again from its source, a block at a
//! time) and by [`reel::SAVED`] for models; both are estimates. What can't be read twice (a database) is all kept.

pub mod cursor;
pub mod facts;
pub mod index;
pub mod marks;
pub mod moment;
pub mod past;
pub mod player;
pub mod reel;
#[cfg(test)]
pub mod testkit;
#[cfg(test)]
mod tests;
pub mod track;

pub use cursor::Cursor;
pub use index::{Indexer, Piece};
pub use marks::{Kind, Marks};
pub use moment::Moment;
pub use past::Past;
pub use player::{Ask, Player, Speed};
pub use reel::Reel;
pub use track::{Steps, Track};
