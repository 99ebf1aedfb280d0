//! A request's steps for the watchdog's incidents: one note an attempt, a failure, a pause, the first content.

use std::time::Duration;

use super::Exchange;
use crate::failure::Failure;

impl Exchange {
    /// An attempt begins.
    pub(super) fn note_attempt(&self, target: u16) {
        self.probe.note("attempt", self.engine.attempts(), "", Some(self.deployment(target).name.clone()));
    }

    /// The attempt in flight failed.
    pub(super) fn note_failure(&self, failure: &Failure) {
        self.probe.note("failed", failure.status.into(), failure.kind(), None);
    }

    /// The first content came.
    pub(super) fn note_content(&self) {
        self.probe.note("first content", 0, "", None);
    }

    /// A pause before the next attempt.
    pub(super) fn note_pause(&self, ms: u64) {
        self.probe.note("back-off", u32::try_from(ms).unwrap_or(u32::MAX), "ms", None);
    }

    /// A deployment was put aside.
    pub(super) fn note_cooldown(&self, target: u16, time: Duration) {
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        self.probe.note("cooldown", seconds, "s", Some(self.deployment(target).name.clone()));
    }
}
