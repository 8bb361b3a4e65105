//! PURE. The words of the program: events, runs, clock, tariff, meters, forecast, prices.

pub mod event;
pub mod text;
pub mod time;
pub mod tool;
pub mod usage;
