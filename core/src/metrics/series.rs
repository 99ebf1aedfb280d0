//! The series that a good request touches, looked up once per configuration instead of once per request.

use prometheus::{Histogram, IntCounter};

use super::{Ending, Metrics, OUTCOMES};
use crate::dialects::Usage;

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
    /// Tokens as its provider counts them: input, output, cached, cache_write, reasoning.
    tokens: [IntCounter; 5],
    /// Tokens that are guessed: input, output.
    estimated: [IntCounter; 2],
}

impl DeploymentSeries {
    /// An answer has cost so much; a count may be a guess.
    pub fn spend(&self, usage: &Usage, guessed_input: bool, guessed_output: bool) {
        let Usage { input, output, cached, cache_write, reasoning, .. } = *usage;
        let of = |guessed: bool, at: usize| if guessed { &self.estimated[at] } else { &self.tokens[at] };
        of(guessed_input, 0).inc_by(input.unwrap_or(0));
        of(guessed_output, 1).inc_by(output.unwrap_or(0));
        for (series, part) in self.tokens[2..].iter().zip([cached, cache_write, reasoning]) {
            series.inc_by(part.unwrap_or(0));
        }
    }
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
    pub fn deployment(&self, group: &str, deployment: &str) -> DeploymentSeries {
        for outcome in OUTCOMES {
            self.attempts.with_label_values(&[deployment, outcome]);
        }
        for phase in ["start", "mid_stream"] {
            self.upstream_429.with_label_values(&[deployment, phase]);
        }
        self.cooldowns.with_label_values(&[deployment]);
        self.cooling.with_label_values(&[deployment]);
        self.in_flight.with_label_values(&[deployment]);
        let told = |kind| self.tokens.with_label_values(&[group, deployment, kind]);
        let estimated = |kind| self.tokens_estimated.with_label_values(&[group, deployment, kind]);
        DeploymentSeries {
            ok: self.attempts.with_label_values(&[deployment, "ok"]),
            tokens: ["input", "output", "cached", "cache_write", "reasoning"].map(told),
            estimated: ["input", "output"].map(estimated),
        }
    }
}
