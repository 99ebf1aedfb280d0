//! The floors: what Tidegate must reach, and whether it did.

use serde::Serialize;

use crate::report::{Metric, Ratio};
use crate::stats::Spread;
use crate::table::number;

/// The target the floors are for.
pub(crate) const TARGET: &str = "tidegate";
/// What it is compared with.
pub(crate) const BASELINE: &str = "nginx";
/// Tidegate as it is by default, in the comparison of its watchdog.
pub(crate) const WATCHDOG_ON: &str = "watchdog-on";
/// Tidegate with `watchdog: {mode: off}`.
pub(crate) const WATCHDOG_OFF: &str = "watchdog-off";

/// What of a metric is held against the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Tidegate's own value.
    Value,
    /// Tidegate's ratio to nginx.
    Nginx,
    /// The ratio of watchdog on to watchdog off.
    Watchdog,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

struct Floor {
    key: &'static str,
    metric: &'static str,
    of: Of,
    limit: Limit,
}

const FLOORS: &[Floor] = &[
    Floor { key: "request-c16", metric: "CPU per request", of: Of::Nginx, limit: Limit::AtMost(1.6) },
    Floor { key: "stream-c16", metric: "CPU per 12-event stream", of: Of::Nginx, limit: Limit::AtMost(1.5) },
    Floor { key: "flushed-c16", metric: "CPU per 12-event stream", of: Of::Nginx, limit: Limit::AtMost(1.5) },
    Floor { key: "paced-c50", metric: "CPU per event", of: Of::Nginx, limit: Limit::AtMost(1.5) },
    Floor { key: "idle-c1000", metric: "memory per idle stream", of: Of::Value, limit: Limit::AtMost(35.0) },
    Floor { key: "idle-c1000", metric: "resident, idle", of: Of::Value, limit: Limit::AtMost(25.0 * 1024.0) },
    Floor { key: "request-c16", metric: "requests", of: Of::Watchdog, limit: Limit::AtLeast(0.98) },
    Floor { key: "stream-c16", metric: "streams", of: Of::Watchdog, limit: Limit::AtLeast(0.98) },
    // Paced streams all have the same throughput, so here it is the CPU that may rise by 2 %.
    Floor { key: "paced-c50", metric: "CPU per event", of: Of::Watchdog, limit: Limit::AtMost(1.02) },
];

/// How a floor was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The median is within the limit.
    Met,
    /// It is not.
    Missed,
    /// Nothing was measured to tell by.
    NotMeasured,
}

/// One floor, held against what was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// What is limited.
    pub(crate) name: String,
    /// The limit, in words.
    pub(crate) limit: String,
    /// What was measured.
    pub(crate) measured: Option<Spread>,
    /// Where the true median lies with 95 % confidence, given six rounds or more.
    pub(crate) interval: Option<[f64; 2]>,
    /// Whether the median is within the limit.
    pub(crate) verdict: Verdict,
    /// The limit lies within the 95 % interval: another run could find the other verdict.
    pub(crate) close: bool,
}

/// Holds every floor against the metrics of the two groups.
pub(crate) fn check(main: &[Metric], watchdog: &[Metric]) -> Vec<Outcome> {
    FLOORS.iter().map(|floor| outcome(floor, main, watchdog)).collect()
}

fn outcome(floor: &Floor, main: &[Metric], watchdog: &[Metric]) -> Outcome {
    let metrics = if floor.of == Of::Watchdog { watchdog } else { main };
    let metric = metrics.iter().find(|metric| metric.key == floor.key && metric.name == floor.metric);
    let ratio = |metric: &Metric, target: &str| metric.ratios.get(target).cloned();
    let measured = metric.and_then(|metric| match floor.of {
        Of::Value => metric.targets.get(TARGET).map(|&spread| Ratio { spread, interval: None }),
        Of::Nginx => ratio(metric, TARGET),
        Of::Watchdog => ratio(metric, WATCHDOG_ON),
    });
    let verdict = match (&measured, floor.limit) {
        (None, _) => Verdict::NotMeasured,
        (Some(ratio), Limit::AtMost(limit)) if ratio.spread.median <= limit => Verdict::Met,
        (Some(ratio), Limit::AtLeast(limit)) if ratio.spread.median >= limit => Verdict::Met,
        _ => Verdict::Missed,
    };
    let interval = measured.as_ref().and_then(|ratio| ratio.interval);
    let (word, limit) = match floor.limit {
        Limit::AtMost(limit) => ("at most", limit),
        Limit::AtLeast(limit) => ("at least", limit),
    };
    let unit = match floor.of {
        Of::Value => " KB",
        Of::Nginx => " x nginx",
        Of::Watchdog => " x watchdog off",
    };
    Outcome {
        name: format!("{} ({})", floor.metric, floor.key),
        limit: format!("{word} {}{unit}", number(limit)),
        close: interval.is_some_and(|[low, high]| (low..=high).contains(&limit)),
        interval,
        measured: measured.map(|ratio| ratio.spread),
        verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{MEASURES, compare, tests::sample};

    #[test]
    fn every_floor_names_a_metric_that_exists() {
        for floor in FLOORS {
            let case = floor.key.split('-').next().unwrap();
            assert!(MEASURES.iter().any(|m| m.case == case && m.name == floor.metric), "{}", floor.metric);
        }
    }

    fn request_verdict(tidegate: f64) -> Verdict {
        let samples = [sample(BASELINE, "request", 16, 1, 10.0), sample(TARGET, "request", 16, 1, tidegate)];
        check(&compare(&samples, "main", BASELINE), &[])[0].verdict
    }

    #[test]
    fn a_floor_is_met_up_to_its_limit_and_missed_above() {
        assert_eq!(request_verdict(16.0), Verdict::Met);
        assert_eq!(request_verdict(16.1), Verdict::Missed);
    }

    #[test]
    fn the_watchdog_is_held_to_throughput() {
        let verdict = |answers| {
            let mut on = sample(WATCHDOG_ON, "request", 16, 1, 1.0);
            on.answers = answers;
            let samples = [on, sample(WATCHDOG_OFF, "request", 16, 1, 1.0)];
            check(&[], &compare(&samples, "main", WATCHDOG_OFF))[6].verdict
        };
        assert_eq!((verdict(981), verdict(979)), (Verdict::Met, Verdict::Missed));
    }

    #[test]
    fn a_limit_within_the_interval_is_close() {
        let close = |off_by: f64| {
            let samples = (1..=8_u32).flat_map(|round| {
                [
                    sample(WATCHDOG_ON, "paced", 50, round, 10.0 + f64::from(round) / 20.0 + off_by),
                    sample(WATCHDOG_OFF, "paced", 50, round, 10.0),
                ]
            });
            let samples: Vec<_> = samples.collect();
            check(&[], &compare(&samples, "main", WATCHDOG_OFF))[8].close
        };
        assert_eq!((close(0.0), close(1.0), close(-1.0)), (true, false, false));
    }

    #[test]
    fn nothing_measured_is_neither_met_nor_missed() {
        assert!(check(&[], &[]).iter().all(|outcome| outcome.verdict == Verdict::NotMeasured));
    }
}
