//! One measurement of one target, as a line of JSON between `run` and `report`.

use serde::{Deserialize, Serialize};

use crate::stats::Percentiles;

/// What was measured, of whom, and when.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Sample {
    /// `direct`, `nginx`, `tidegate`, ...
    pub(crate) target: String,
    /// Samples are compared within their group: `main` or `watchdog`.
    pub(crate) group: String,
    /// `request`, `stream`, `flushed`, `paced` or `idle`.
    pub(crate) case: String,
    /// Connections, each with one request in flight.
    pub(crate) connections: usize,
    /// Samples of one round were taken right after one another.
    pub(crate) round: u32,
    /// Length of the window.
    pub(crate) seconds: f64,
    /// Whole and right answers that ended in the window.
    pub(crate) answers: u64,
    /// Content events that came in the window.
    pub(crate) events: u64,
    /// Answers that were not 200, not whole or not right, warm-up included.
    pub(crate) errors: u64,
    /// What was wrong with the first of them.
    pub(crate) first_error: Option<String>,
    /// From sending a request to the end of its answer, in microseconds.
    pub(crate) latency_us: Option<Percentiles>,
    /// From one content event of a paced stream to the next, in microseconds.
    pub(crate) gap_us: Option<Percentiles>,
    /// CPU time of the target in the window, user and system.
    pub(crate) cpu_seconds: Option<f64>,
    /// The share of one core that the load generator itself used in the window.
    pub(crate) generator_busy: Option<f64>,
    /// Resident memory of the target after its first answers, before any load, in KiB.
    pub(crate) resident_kib: Option<u64>,
    /// Resident memory that each open idle stream added, in KiB.
    pub(crate) stream_kib: Option<f64>,
}

impl Sample {
    /// Case and connections: what must be equal for two samples to be compared.
    pub(crate) fn key(&self) -> String {
        format!("{}-c{}", self.case, self.connections)
    }

    /// Answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.seconds
    }

    /// Content events a second.
    pub(crate) fn events_per_second(&self) -> f64 {
        self.events as f64 / self.seconds
    }

    /// Microseconds of the target's CPU per answer.
    pub(crate) fn cpu_per_answer(&self) -> Option<f64> {
        Some(self.cpu_seconds? * 1e6 / positive(self.answers)?)
    }

    /// Microseconds of the target's CPU per content event.
    pub(crate) fn cpu_per_event(&self) -> Option<f64> {
        Some(self.cpu_seconds? * 1e6 / positive(self.events)?)
    }
}

fn positive(count: u64) -> Option<f64> {
    (count > 0).then_some(count as f64)
}
