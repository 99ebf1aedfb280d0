//! The watchdog's totals as metrics, read when Prometheus asks.

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};
use tidegate_watchdog::{QuarantineInfo, Stats, Watchdog};

use super::NAMES;
use super::proto::{self, counter, gauge, labelled};

/// Collects from a watchdog.
pub struct WatchdogCollector {
    watchdog: Watchdog,
    descs: Vec<Desc>,
}

const FAMILIES: [(&str, &str); 21] = [
    ("tidegate_watchdog_ticks_total", "Looks at the workers."),
    (
        "tidegate_watchdog_skipped_ticks_total",
        "Looks given up because the whole process had been paused or starved.",
    ),
    ("tidegate_watchdog_tick_lag_seconds", "How late the last look came."),
    ("tidegate_watchdog_verdicts_total", "Verdicts and warnings."),
    ("tidegate_watchdog_pokes_total", "Wake-ups of the runtime while a worker was in one poll for too long."),
    (
        "tidegate_watchdog_unwatched_streams_total",
        "Requests that came while every record was taken. They run, unwatched.",
    ),
    ("tidegate_watchdog_live_streams", "Requests that are watched now."),
    ("tidegate_watchdog_plugin_stuck_total", "Polls that did not return from a call of this plugin."),
    (
        "tidegate_watchdog_reports_suppressed_total",
        "Incidents other than verdicts that were only counted, because there had been ten of their kind within a minute.",
    ),
    ("tidegate_quarantined", "1 while a plugin or a deployment is quarantined, trials or not."),
    ("tidegate_quarantines_total", "Quarantines; a trial that fails counts as another."),
    (
        "tidegate_watchdog_takeovers_total",
        "Runtimes that took over from one of whose workers over half were stuck.",
    ),
    (
        "tidegate_threads_lost",
        "Workers of all runtimes that are in a poll which R4 has judged, or have returned from one at the lowest priority.",
    ),
    ("tidegate_threads_demoted", "Workers that run only when nothing else wants to."),
    (
        "tidegate_workers",
        "Threads of the data runtime: its workers, and its threads for blocking work while they live.",
    ),
    ("tidegate_workers_stuck", "Workers in one poll beyond the warning threshold."),
    ("tidegate_worker_stuck_seconds_total", "Time that workers were in one poll beyond that threshold."),
    ("tidegate_stream_polls_total", "Finished polls of requests."),
    ("tidegate_stream_no_progress_polls_total", "Finished polls that moved nothing."),
    ("tidegate_stream_busy_seconds_total", "Time spent in finished polls."),
    ("tidegate_stream_poll_duration_seconds", "Durations of finished polls."),
];

impl WatchdogCollector {
    /// A collector for `watchdog`.
    ///
    /// # Errors
    /// A name is not legal: a defect of this program.
    pub fn new(watchdog: Watchdog) -> prometheus::Result<Self> {
        let descs = FAMILIES
            .iter()
            .map(|(name, help)| Desc::new((*name).into(), (*help).into(), Vec::new(), HashMap::new()))
            .collect::<prometheus::Result<_>>()?;
        Ok(Self { watchdog, descs })
    }
}

impl Collector for WatchdogCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let stats = self.watchdog.stats();
        FAMILIES.iter().map(|(name, help)| family(name, help, metrics(name, &stats))).collect()
    }
}

fn metrics(name: &str, stats: &Stats) -> Vec<Metric> {
    let count = |value: u64| vec![counter(value as f64, &[])];
    let value = |value: f64| vec![gauge(value)];
    match name {
        "tidegate_watchdog_ticks_total" => count(stats.ticks),
        "tidegate_watchdog_skipped_ticks_total" => count(stats.skipped_ticks),
        "tidegate_watchdog_tick_lag_seconds" => value(stats.tick_lag.as_secs_f64()),
        "tidegate_watchdog_verdicts_total" => stats
            .verdicts
            .iter()
            .map(|((rule, action), count)| {
                counter(*count as f64, &[("rule", rule.as_str()), ("action", action.as_str())])
            })
            .collect(),
        "tidegate_watchdog_pokes_total" => count(stats.pokes),
        "tidegate_watchdog_unwatched_streams_total" => count(stats.unwatched_streams),
        "tidegate_watchdog_live_streams" => value(stats.live_streams as f64),
        "tidegate_watchdog_plugin_stuck_total" => stats
            .plugin_stuck
            .iter()
            .map(|(plugin, count)| counter(*count as f64, &[("plugin", plugin)]))
            .collect(),
        "tidegate_watchdog_reports_suppressed_total" => count(stats.reports_suppressed),
        "tidegate_quarantined" => {
            let each = stats.quarantines.iter().take(2 * NAMES);
            let now = |one: &QuarantineInfo| f64::from(u8::from(one.quarantined));
            each.map(|one| labelled(gauge(now(one)), &[("kind", one.what.as_str()), ("name", &*one.name)]))
                .collect()
        }
        "tidegate_quarantines_total" => {
            let each = stats.quarantines.iter().take(2 * NAMES);
            each.map(|one| counter(one.total as f64, &[("kind", one.what.as_str()), ("name", &*one.name)]))
                .collect()
        }
        "tidegate_watchdog_takeovers_total" => count(stats.takeovers as u64),
        "tidegate_threads_lost" => value(stats.lost_workers as f64),
        "tidegate_threads_demoted" => value(stats.demoted_threads as f64),
        "tidegate_workers" => value(stats.workers as f64),
        "tidegate_workers_stuck" => value(stats.stuck_workers as f64),
        "tidegate_worker_stuck_seconds_total" => vec![counter(stats.worker_stuck.as_secs_f64(), &[])],
        "tidegate_stream_polls_total" => count(stats.polls),
        "tidegate_stream_no_progress_polls_total" => count(stats.no_progress_polls),
        "tidegate_stream_busy_seconds_total" => vec![counter(stats.busy.as_secs_f64(), &[])],
        _ => vec![histogram(stats)],
    }
}

fn family(name: &str, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    let kind = match name {
        _ if name.ends_with("_total") => MetricType::COUNTER,
        "tidegate_stream_poll_duration_seconds" => MetricType::HISTOGRAM,
        _ => MetricType::GAUGE,
    };
    proto::family(name, help, kind, metrics)
}

fn histogram(stats: &Stats) -> Metric {
    let (mut below, mut buckets) = (0, Vec::new());
    for (bound, count) in &stats.poll_durations.buckets {
        below += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(below);
        buckets.push(bucket);
    }
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(below + stats.poll_durations.over);
    histogram.set_sample_sum(stats.busy.as_secs_f64());
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    metric
}
