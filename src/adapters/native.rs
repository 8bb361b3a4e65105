//! Stand-in.

use super::{Format, Origin, Out};

pub(super) fn sniff(_line: &str) -> Option<Format> {
    None
}

pub(super) struct Native {}

impl Native {
    pub(super) fn new(_format: Format, _origin: &Origin) -> Self {
        Self {}
    }

    pub(super) fn line(&mut self, _line: &str, _out: &mut Out) {}
}

/// The JSON Schema of redkey's own events, generated from the types.
pub fn schema() -> serde_json::Value {
    serde_json::Value::Null
}
