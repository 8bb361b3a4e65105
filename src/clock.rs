//! The one place that asks the machine for the time. Everything else is told.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Span, Stamp};

/// Real time now. Can jump when somebody sets the machine's clock.
#[expect(clippy::disallowed_methods, reason = "the edge's one clock")]
pub fn now() -> Stamp {
    stamp(SystemTime::now())
}

/// Time since the first call; never jumps. For pauses and for how long work took.
#[expect(clippy::disallowed_methods, reason = "the edge's one clock")]
pub fn elapsed() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    Instant::now().saturating_duration_since(*START)
}

/// A file's time as a point in real time; times before 1970 read as 1970.
pub fn stamp(time: SystemTime) -> Stamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Stamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// What local time is ahead of UTC, now.
#[expect(clippy::disallowed_methods, reason = "the one place that asks")]
pub fn utc_offset() -> Span {
    Span::secs(i64::from(chrono::Local::now().offset().local_minus_utc()))
}
