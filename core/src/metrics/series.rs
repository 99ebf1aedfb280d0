//! The series of a group and of a deployment, looked up once per configuration instead of once per request.

use std::sync::{Arc, OnceLock};

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge};

use super::labels::{CONTINUATIONS, GUESSED, PHASES, TOKENS};
use super::{Ending, Metrics, OTHER, OUTCOMES, SERVER, STATUSES};
use crate::dialects::Usage;

/// Of one model group.
#[derive(Clone, Debug)]
pub struct GroupSeries {
    label: Arc<str>,
    requests: IntCounterVec,
    ok: IntCounter,
    endings: [IntCounter; Ending::ALL.len()],
    continuations: [IntCounter; CONTINUATIONS.len()],
    /// Of every request.
    pub duration: Histogram,
    /// Of every request with content.
    pub first_token: Histogram,
    /// Of every stream with two pieces or more.
    pub gap: Histogram,
    /// Of every request.
    pub attempts_per_request: Histogram,
}

impl GroupSeries {
    /// A request ended. `status`: the HTTP status that the client was given, 499 when it had left.
    pub fn ended(&self, status: u16, ending: Ending) {
        if status == 200 {
            self.ok.inc();
        } else {
            self.requests.with_label_values(&[&*self.label, word(status)]).inc();
        }
        self.endings[ending as usize].inc();
    }

    /// A stream of it broke off, and this became of it: a word of `continuations`.
    pub fn continued(&self, result: &str) {
        if let Some(at) = CONTINUATIONS.iter().position(|known| *known == result) {
            self.continuations[at].inc();
        }
    }
}

/// A status as its label has it.
fn word(status: u16) -> &'static str {
    let text = status.to_string();
    let rest = if status >= 500 { SERVER } else { OTHER };
    STATUSES.iter().find(|known| **known == text).copied().unwrap_or(rest)
}

/// Calls of one deployment since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Those that came to their good end.
    pub ok: u64,
    /// Those that did not; what clients left is not in it.
    pub failed: u64,
    /// 429s.
    pub limited: u64,
}

/// Of one deployment.
#[derive(Clone, Debug)]
pub struct DeploymentSeries {
    label: Arc<str>,
    group: Arc<str>,
    attempts: IntCounterVec,
    outcomes: [OnceLock<IntCounter>; OUTCOMES.len()],
    limited: [IntCounter; PHASES.len()],
    cooldowns: IntCounter,
    budget_exhausted: IntCounter,
    /// 1 while it is put aside.
    pub cooling: IntGauge,
    /// Calls of it now.
    pub in_flight: IntGauge,
    /// From a call's begin to its first content.
    pub first_content: Histogram,
    /// Tokens as its provider counts them: input, output, cached, cache_write, reasoning.
    tokens: [IntCounter; TOKENS.len()],
    /// Tokens that are guessed: input, output.
    estimated: [IntCounter; GUESSED.len()],
}

impl DeploymentSeries {
    /// The value of the label `deployment`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether it is one of many that are counted together.
    pub fn is_other(&self) -> bool {
        &*self.label == OTHER
    }

    /// Its calls so far.
    pub fn counted(&self) -> Counted {
        let count = |series: &OnceLock<IntCounter>| series.get().map_or(0, IntCounter::get);
        let of = |outcome: &str| {
            let at = OUTCOMES.iter().position(|known| *known == outcome);
            at.map_or(0, |at| count(&self.outcomes[at]))
        };
        let all: u64 = self.outcomes.iter().map(count).sum();
        let (ok, left) = (of("ok"), of("cancelled"));
        Counted { ok, failed: all - ok - left, limited: self.limited.iter().map(IntCounter::get).sum() }
    }

    /// A call ended so: `ok`, or a word of `outcome` in docs/metrics.md.
    pub fn ended(&self, outcome: &str) {
        let at = OUTCOMES.iter().position(|known| *known == outcome).unwrap_or(UNKNOWN);
        let series = || self.attempts.with_label_values(&[&*self.label, OUTCOMES[at]]);
        self.outcomes[at].get_or_init(series).inc();
    }

    /// A call failed with 429, before content went to the client or after.
    pub fn limited(&self, mid_stream: bool) {
        self.limited[usize::from(mid_stream)].inc();
    }

    /// The policy put it aside.
    pub fn put_aside(&self) {
        self.cooldowns.inc();
    }

    /// The retry budget of its group is used up.
    pub fn starved(&self) {
        self.budget_exhausted.inc();
    }

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

/// Outcomes that have no series before the first of them. Who meets one meets it at every call from the first on, so that no
/// rate is the worse for it; and a scrape of 200 deployments stays below 1 MB.
const LATE: [&str; 4] = ["auth", "permission", "not_found", "unknown"];

/// Where `unknown` stands in [`OUTCOMES`].
const UNKNOWN: usize = 3;

impl Metrics {
    /// The series of a group, at 0 from here on, so that a rate is right from the first event.
    pub fn group(&self, group: &str) -> GroupSeries {
        let label = self.groups.label(group);
        for status in ["200", "429", "500", "502", "503", "504", SERVER] {
            self.requests.with_label_values(&[&*label, status]);
        }
        self.budget_exhausted.with_label_values(&[&*label]);
        self.budget_tokens.with_label_values(&[&*label]);
        GroupSeries {
            ok: self.requests.with_label_values(&[&*label, "200"]),
            endings: Ending::ALL.map(|kind| self.endings.with_label_values(&[kind.as_str()])),
            continuations: CONTINUATIONS
                .map(|result| self.continuations.with_label_values(&[&*label, result])),
            duration: self.duration.with_label_values(&[&*label]),
            first_token: self.first_token.with_label_values(&[&*label]),
            gap: self.gap.with_label_values(&[&*label]),
            attempts_per_request: self.attempts_per_request.with_label_values(&[&*label]),
            requests: self.requests.clone(),
            label,
        }
    }

    /// The series of a deployment, at 0 from here on.
    pub fn deployment(&self, group: &str, deployment: &str) -> DeploymentSeries {
        let (group, label) = (self.groups.label(group), self.deployments.label(deployment));
        let estimated = |kind| self.tokens_estimated.with_label_values(&[&*group, &*label, kind]);
        let told = |kind| self.tokens.with_label_values(&[&*group, &*label, kind]);
        DeploymentSeries {
            attempts: self.attempts.clone(),
            outcomes: OUTCOMES.map(|outcome| {
                let series = || self.attempts.with_label_values(&[&*label, outcome]);
                if LATE.contains(&outcome) { OnceLock::new() } else { series().into() }
            }),
            limited: PHASES.map(|phase| self.upstream_429.with_label_values(&[&*label, phase])),
            cooldowns: self.cooldowns.with_label_values(&[&*label]),
            budget_exhausted: self.budget_exhausted.with_label_values(&[&*group]),
            cooling: self.cooling.with_label_values(&[&*label]),
            in_flight: self.in_flight.with_label_values(&[&*label]),
            first_content: self.upstream_first_content.with_label_values(&[&*label]),
            tokens: TOKENS.map(told),
            estimated: GUESSED.map(estimated),
            group,
            label,
        }
    }

    /// A call left the group that was asked for, and went to this deployment's.
    pub fn fell(&self, from: &GroupSeries, to: &DeploymentSeries) {
        let pair = format!("{}\n{}", from.label, to.group);
        let labels =
            if &*self.pairs.label(&pair) == OTHER { [OTHER, OTHER] } else { [&*from.label, &*to.group] };
        self.fallbacks.with_label_values(&labels).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_of_a_failed_server_has_a_label_that_begins_with_5() {
        for (status, label) in
            [(200, "200"), (418, OTHER), (499, "499"), (500, "500"), (501, "5xx"), (520, "5xx"), (529, "5xx")]
        {
            assert_eq!(word(status), label);
        }
        let metrics = Metrics::new().unwrap();
        let group = metrics.group("g");
        let counted = || metrics.requests.with_label_values(&["g", SERVER]).get();
        let text = String::from_utf8(metrics.encode(&[], &super::super::Known::new())).unwrap();
        assert!(text.contains("tidegate_requests_total{group=\"g\",status=\"5xx\"} 0"), "a rate needs its 0");
        group.ended(526, Ending::Error);
        assert_eq!(counted(), 1);
    }
}
