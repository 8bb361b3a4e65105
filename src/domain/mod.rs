//! PURE. The words of the program: events, runs, clock, tariff, meters, forecast, prices.

pub mod clock;
pub mod event;
pub mod forecast;
pub mod meter;
pub mod policy;
pub mod price;
pub mod rules;
pub mod run;
pub mod salvage;
pub mod score;
pub mod seen;
pub mod series;
pub mod shell;
pub mod statement;
pub mod target;
pub mod text;
pub mod time;
pub mod tokens;
pub mod tool;
pub mod usage;
