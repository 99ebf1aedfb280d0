//! What is counted of plugins: their calls, and the worker processes of those that have one.

use prometheus::{Counter, CounterVec, IntCounter, IntCounterVec, IntGaugeVec};
use tidegate_host::EndReason;

use super::Metrics;
use super::labels::PLUGIN_ERRORS;

/// The families, apart from the others: the host's hooks keep them for the life of the process.
#[derive(Clone, Debug)]
pub struct PluginFamilies {
    calls: IntCounterVec,
    seconds: CounterVec,
    errors: IntCounterVec,
    workers: IntGaugeVec,
    starts: IntCounterVec,
    ends: IntCounterVec,
    failed: IntCounterVec,
    replayed: IntCounterVec,
}

/// Of one function of one plugin.
#[derive(Clone, Debug)]
pub struct CallSeries {
    /// Calls that came back.
    pub calls: IntCounter,
    /// What they took of this process.
    pub seconds: Counter,
    /// Of these, those that failed.
    pub errors: IntCounter,
    /// And those that panicked.
    pub panics: IntCounter,
}

impl Metrics {
    /// See [`PluginFamilies`].
    pub fn of_plugins(&self) -> PluginFamilies {
        PluginFamilies {
            calls: self.plugin_calls.clone(),
            seconds: self.plugin_seconds.clone(),
            errors: self.plugin_errors.clone(),
            workers: self.plugin_workers.clone(),
            starts: self.plugin_worker_starts.clone(),
            ends: self.plugin_worker_ends.clone(),
            failed: self.plugin_worker_failed_calls.clone(),
            replayed: self.plugin_worker_replayed_streams.clone(),
        }
    }
}

impl PluginFamilies {
    /// The series of one plugin's function, at 0 from here on, to be kept.
    pub fn call(&self, plugin: &str, call: &str) -> CallSeries {
        CallSeries {
            calls: self.calls.with_label_values(&[plugin, call]),
            seconds: self.seconds.with_label_values(&[plugin, call]),
            errors: self.errors.with_label_values(&[plugin, call, PLUGIN_ERRORS[0]]),
            panics: self.errors.with_label_values(&[plugin, call, PLUGIN_ERRORS[1]]),
        }
    }

    /// So many workers of `plugin` run.
    pub fn running(&self, plugin: &str, workers: usize) {
        self.workers.with_label_values(&[plugin]).set(i64::try_from(workers).unwrap_or(i64::MAX));
    }

    /// One came up.
    pub fn started(&self, plugin: &str) {
        self.prepare(plugin);
        self.starts.with_label_values(&[plugin]).inc();
    }

    /// One ended.
    pub fn ended(&self, plugin: &str, why: &EndReason, failed: u32, replayed: u32) {
        self.prepare(plugin);
        self.ends.with_label_values(&[plugin, why.name()]).inc();
        self.failed.with_label_values(&[plugin]).inc_by(failed.into());
        self.replayed.with_label_values(&[plugin]).inc_by(replayed.into());
    }

    /// The series exist from the first worker on, so that a rate is right from its first end.
    fn prepare(&self, plugin: &str) {
        for reason in EndReason::NAMES {
            self.ends.with_label_values(&[plugin, reason]);
        }
        self.failed.with_label_values(&[plugin]);
        self.replayed.with_label_values(&[plugin]);
    }
}
