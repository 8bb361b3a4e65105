//! Stand-in.

use super::{Format, Origin, Out};

pub(super) fn sniff(_line: &str) -> Option<Format> {
    None
}

pub(super) struct Opencode {}

impl Opencode {
    pub(super) fn new(_format: Format, _origin: &Origin) -> Self {
        Self {}
    }

    pub(super) fn line(&mut self, _line: &str, _out: &mut Out) {}
}
