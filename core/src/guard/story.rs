//! What happened to a guarded process since it last was well, for the incident.

use std::collections::VecDeque;

use tidegate_watchdog::{Kind, Report};
use tokio::time::Instant;

/// Lines kept; the first ones go.
const KEPT: usize = 60;

#[derive(Debug, Default)]
pub(super) struct Story(VecDeque<(Instant, String)>);

impl Story {
    /// It is well: what comes next begins anew.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn tell(&mut self, what: impl Into<String>) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back((Instant::now(), what.into()));
    }

    /// When it began.
    pub(super) fn began(&self) -> Option<Instant> {
        self.0.front().map(|(at, _)| *at)
    }

    /// An incident that it led to.
    pub(super) fn report(&self, kind: Kind, sentence: String) -> Report {
        self.0
            .iter()
            .fold(Report::new(kind, sentence), |report, (at, what)| report.event(at.elapsed(), what.clone()))
    }
}
