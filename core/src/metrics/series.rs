//! The series that a good request touches, looked up once per configuration instead of once per request.

use prometheus::{Histogram, IntCounter};

use super::{Ending, Metrics, OUTCOMES};

/// Of one model group.
#[derive(Clone, Debug)]
pub struct GroupSeries {
    /// Requests that were answered with 200.
    pub ok: IntCounter,
    /// Requests with the dialect's normal end.
    pub complete: IntCounter,
    /// Of every request.
    pub duration: Histogram,
    /// Of every request with content.
    pub first_token: Histogram,
    /// Of every request.
    pub attempts_per_request: Histogram,
}

/// Of one deployment.
#[derive(Clone, Debug)]
pub struct DeploymentSeries {
    /// Attempts that came to their good end.
    pub ok: IntCounter,
}

impl Metrics {
    /// The series of a group, at 0 from here on, so that a rate is right from the first event.
    pub fn group(&self, group: &str) -> GroupSeries {
        for status in ["200", "429", "500", "502", "503", "504"] {
            self.requests.with_label_values(&[group, status]);
        }
        for result in ["complete", "failed", "client_gone", "refused"] {
            self.continuations.with_label_values(&[group, result]);
        }
        self.budget_exhausted.with_label_values(&[group]);
        self.budget_tokens.with_label_values(&[group]);
        GroupSeries {
            ok: self.requests.with_label_values(&[group, "200"]),
            complete: self.endings.with_label_values(&[Ending::Complete.as_str()]),
            duration: self.duration.with_label_values(&[group]),
            first_token: self.first_token.with_label_values(&[group]),
            attempts_per_request: self.attempts_per_request.with_label_values(&[group]),
        }
    }

    /// The series of a deployment, at 0 from here on.
    pub fn deployment(&self, deployment: &str) -> DeploymentSeries {
        for outcome in OUTCOMES {
            self.attempts.with_label_values(&[deployment, outcome]);
        }
        for phase in ["start", "mid_stream"] {
            self.upstream_429.with_label_values(&[deployment, phase]);
        }
        self.cooldowns.with_label_values(&[deployment]);
        self.cooling.with_label_values(&[deployment]);
        self.in_flight.with_label_values(&[deployment]);
        DeploymentSeries { ok: self.attempts.with_label_values(&[deployment, "ok"]) }
    }
}
