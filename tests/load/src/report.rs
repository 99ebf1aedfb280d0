//! From samples to metrics: medians by target, and ratios taken round by round, so that what the machine did in one
//! round falls on both sides of the ratio.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sample::Sample;
use crate::stats::{Spread, median_interval};

/// One thing that was measured, for all targets.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Metric {
    /// `request-c16`, `paced-c50`, ...
    pub(crate) key: String,
    /// What it is, in words.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Each target's values.
    pub(crate) targets: BTreeMap<String, Spread>,
    /// Each target's ratios to the baseline.
    pub(crate) ratios: BTreeMap<String, Ratio>,
}

/// Ratios to the baseline, one for each round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ratio {
    /// Their median and spread.
    #[serde(flatten)]
    pub(crate) spread: Spread,
    /// Where their true median lies with 95 % confidence, given six rounds or more.
    pub(crate) interval: Option<[f64; 2]>,
}

/// How one metric is read from a sample of its case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    /// The case it belongs to.
    pub(crate) case: &'static str,
    /// What it is, in words.
    pub(crate) name: &'static str,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// Whether a ratio of it says anything.
    ratio: bool,
    value: Value,
}

/// Every metric, in the order of the table.
pub(crate) const MEASURES: &[Measure] = &[
    compared("request", "requests", "1/s", |sample| Some(sample.per_second())),
    compared("request", "CPU per request", "us", Sample::cpu_per_answer),
    compared("request", "latency p50", "us", |sample| Some(sample.latency_us?.p50)),
    compared("request", "latency p99", "us", |sample| Some(sample.latency_us?.p99)),
    shown("request", "load generator busy", "cores", |sample| sample.generator_busy),
    compared("stream", "streams", "1/s", |sample| Some(sample.per_second())),
    compared("stream", "CPU per 12-event stream", "us", Sample::cpu_per_answer),
    compared("flushed", "streams", "1/s", |sample| Some(sample.per_second())),
    compared("flushed", "CPU per 12-event stream", "us", Sample::cpu_per_answer),
    shown("paced", "events", "1/s", |sample| Some(sample.events_per_second())),
    compared("paced", "CPU per event", "us", Sample::cpu_per_event),
    shown("paced", "gap p50", "us", |sample| Some(sample.gap_us?.p50)),
    compared("paced", "gap p99", "us", |sample| Some(sample.gap_us?.p99)),
    compared("idle", "resident, idle", "KB", |sample| Some(sample.resident_kib? as f64)),
    compared("idle", "memory per idle stream", "KB", |sample| sample.stream_kib),
];

type Value = fn(&Sample) -> Option<f64>;

const fn compared(case: &'static str, name: &'static str, unit: &'static str, value: Value) -> Measure {
    Measure { case, name, unit, ratio: true, value }
}

const fn shown(case: &'static str, name: &'static str, unit: &'static str, value: Value) -> Measure {
    Measure { case, name, unit, ratio: false, value }
}

/// The metrics of one group of samples, with ratios to `baseline`.
pub(crate) fn compare(samples: &[Sample], group: &str, baseline: &str) -> Vec<Metric> {
    let samples: Vec<&Sample> = samples.iter().filter(|sample| sample.group == group).collect();
    let mut keys: Vec<(String, &str)> = Vec::new();
    for sample in &samples {
        if !keys.iter().any(|(key, _)| *key == sample.key()) {
            keys.push((sample.key(), &sample.case));
        }
    }
    let mut metrics = Vec::new();
    for (key, case) in keys {
        let of_key: Vec<&Sample> = samples.iter().copied().filter(|sample| sample.key() == key).collect();
        for measure in MEASURES.iter().filter(|measure| measure.case == case) {
            metrics.extend(metric(&key, measure, &of_key, baseline));
        }
    }
    metrics
}

fn metric(key: &str, measure: &Measure, samples: &[&Sample], baseline: &str) -> Option<Metric> {
    // Values by target, then by round.
    let mut values: BTreeMap<&str, BTreeMap<u32, f64>> = BTreeMap::new();
    for sample in samples {
        if let Some(value) = (measure.value)(sample) {
            values.entry(&sample.target).or_default().insert(sample.round, value);
        }
    }
    let base = values.get(baseline);
    let ratios = values.iter().filter_map(|(&target, rounds)| {
        let base = base.filter(|_| measure.ratio && target != baseline)?;
        let pairs = rounds.iter().filter_map(|(round, value)| Some((value, *base.get(round)?)));
        let ratios: Vec<f64> =
            pairs.filter(|&(_, base)| base > 0.0).map(|(value, base)| value / base).collect();
        Some((target.to_owned(), Ratio { spread: Spread::of(&ratios)?, interval: median_interval(&ratios) }))
    });
    let ratios = ratios.collect();
    let targets: BTreeMap<String, Spread> = values
        .iter()
        .filter_map(|(&target, rounds)| {
            let rounds: Vec<f64> = rounds.values().copied().collect();
            Some((target.to_owned(), Spread::of(&rounds)?))
        })
        .collect();
    (!targets.is_empty()).then(|| Metric {
        key: key.to_owned(),
        name: measure.name.to_owned(),
        unit: measure.unit,
        targets,
        ratios,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A sample of a case with CPU time and nothing else.
    pub(crate) fn sample(target: &str, case: &str, connections: usize, round: u32, cpu_us: f64) -> Sample {
        Sample {
            target: target.to_owned(),
            group: "main".to_owned(),
            case: case.to_owned(),
            connections,
            round,
            seconds: 1.0,
            answers: 1000,
            events: 1000,
            cpu_seconds: Some(cpu_us / 1000.0),
            ..Sample::default()
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let mut samples = Vec::new();
        // In the second round the machine was slow for both: the ratio does not see it.
        for (round, nginx, tidegate) in [(1, 10.0, 11.0), (2, 40.0, 48.0), (3, 10.0, 13.0)] {
            samples.push(sample("nginx", "request", 16, round, nginx));
            samples.push(sample("tidegate", "request", 16, round, tidegate));
        }
        // A round without its pair has no ratio.
        samples.push(sample("tidegate", "request", 16, 4, 99.0));
        let metrics = compare(&samples, "main", "nginx");
        let cpu = metrics.iter().find(|metric| metric.name == "CPU per request").expect("measured");
        let ratio = &cpu.ratios["tidegate"];
        assert!((ratio.spread.median - 1.2).abs() < 1e-9 && ratio.spread.count == 3, "{ratio:?}");
        assert!((ratio.spread.min - 1.1).abs() < 1e-9 && (ratio.spread.max - 1.3).abs() < 1e-9);
        assert_eq!(cpu.targets["nginx"].median, 10.0);
        assert!(!cpu.ratios.contains_key("nginx"));
    }

    #[test]
    fn groups_and_widths_are_kept_apart() {
        let mut other = sample("nginx", "request", 16, 1, 7.0);
        other.group = "watchdog".to_owned();
        let samples = [other, sample("nginx", "request", 1, 1, 5.0), sample("nginx", "paced", 50, 1, 3.0)];
        let metrics = compare(&samples, "main", "nginx");
        assert!(metrics.iter().all(|metric| metric.key != "request-c16"));
        assert!(metrics.iter().any(|metric| metric.key == "paced-c50" && metric.name == "CPU per event"));
    }
}
