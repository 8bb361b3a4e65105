//! Runs as files for others: the statement as a table, everything on one page, a film of the screen.
//!
//! - [`walk`] — a tape told step by step, so that no line of a statement is forgotten before it is written. Pure.
//! - [`csv`] — the statement, one line a charge. Pure.
//! - [`html`] — one page with everything in it. Pure.
//! - [`cast`] — the screen, drawn at recorded times, as asciicast v2.
//!
//! What agents wrote stands in all of them; it is a [`crate::domain::text::Text`] and is quoted as each form asks.

pub mod cast;
pub mod csv;
pub mod html;
pub mod walk;

use crate::domain::time::Stamp;

/// RFC 3339 in UTC, to the millisecond.
pub fn rfc3339(at: Stamp) -> String {
    let time = chrono::DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
