//! Totals for metrics: the counters themselves, and the copy that is handed out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::Mutex;

use crate::gates::QuarantineInfo;
use crate::incident::{Action, Rule};
use crate::worker::{BUCKETS, Totals};

/// Totals since the start, and a few present values. Polls are those on registered workers.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Looks at the workers.
    pub ticks: u64,
    /// Looks that were given up because they came far too late: the whole process had been paused, or starved.
    pub skipped_ticks: u64,
    /// How late the last tick came.
    pub tick_lag: Duration,
    /// How late the latest of all ticks came.
    pub tick_lag_max: Duration,
    /// Wake-ups of the runtime while a worker was stuck.
    pub pokes: u64,
    /// How often each rule led to each action; every pair is listed, also those never seen.
    pub verdicts: Vec<((Rule, Action), u64)>,
    /// Verdicts that the global brake held back.
    pub braked: u64,
    /// Warnings that were only counted, because there had been enough of them.
    pub warnings_suppressed: u64,
    /// Reports that were only counted, because there had been enough of their kind.
    pub reports_suppressed: u64,
    /// Calls of [`Hooks`](crate::Hooks) that panicked.
    pub hook_panics: u64,
    /// Streams that are watched now.
    pub live_streams: usize,
    /// Streams that were opened when all slots were taken, and so were not watched.
    pub unwatched_streams: u64,
    /// Finished polls.
    pub polls: u64,
    /// Those that moved nothing.
    pub no_progress_polls: u64,
    /// Time spent in finished polls.
    pub busy: Duration,
    /// Durations of finished polls.
    pub poll_durations: PollDurations,
    /// Registered workers.
    pub workers: usize,
    /// Workers that are in one poll beyond one of R4's warning thresholds.
    pub stuck_workers: usize,
    /// Time that workers spent beyond them, summed over workers.
    pub worker_stuck: Duration,
    /// Workers in a poll that R4 has judged, or left at the lowest priority, of all runtimes.
    pub lost_workers: usize,
    /// Threads at the lowest priority.
    pub demoted_threads: usize,
    /// Runtimes that took over from one whose workers were stuck.
    pub takeovers: usize,
    /// What can be quarantined, and what is.
    pub quarantines: Vec<QuarantineInfo>,
    /// The plugin that a stuck worker is in.
    pub stuck_plugin: Option<Arc<str>>,
    /// R4 verdicts by the plugin that was being called, for every named plugin.
    pub plugin_stuck: Vec<(Arc<str>, u64)>,
}

/// A histogram with fixed bounds.
#[derive(Debug, Clone, Default)]
pub struct PollDurations {
    /// Upper bound of each bucket (polls shorter than it) and the polls in it alone, not cumulated.
    pub buckets: Vec<(Duration, u64)>,
    /// Polls longer than the last bound.
    pub over: u64,
}

impl PollDurations {
    pub(crate) fn from_buckets(counts: &[u64; BUCKETS]) -> Self {
        let (finite, over) = counts.split_at(BUCKETS - 1);
        Self {
            buckets: (0_u32..).zip(finite).map(|(i, n)| (Duration::from_micros(1 << i), *n)).collect(),
            over: over.iter().sum(),
        }
    }
}

/// What the sampler and the callers count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) ticks: AtomicU64,
    pub(crate) skipped_ticks: AtomicU64,
    pub(crate) lag: AtomicU64,
    pub(crate) lag_max: AtomicU64,
    pub(crate) pokes: AtomicU64,
    pub(crate) warnings_suppressed: AtomicU64,
    pub(crate) reports_suppressed: AtomicU64,
    pub(crate) hook_panics: AtomicU64,
    pub(crate) unwatched: AtomicU64,
    pub(crate) stuck_workers: AtomicU64,
    pub(crate) worker_stuck: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) demoted: AtomicU64,
    /// Id of the plugin a stuck worker is in, plus 1.
    pub(crate) stuck_plugin: AtomicU64,
    verdicts: [[AtomicU64; Action::ALL.len()]; Rule::ALL.len()],
}

impl Counters {
    fn verdict_cell(&self, rule: Rule, action: Action) -> &AtomicU64 {
        // A rule's number starts at 1.
        &self.verdicts[rule as usize - 1][action as usize]
    }

    pub(crate) fn count(&self, rule: Rule, action: Action) {
        self.verdict_cell(rule, action).fetch_add(1, Relaxed);
    }

    pub(crate) fn fill(&self, stats: &mut Stats) {
        stats.ticks = self.ticks.load(Relaxed);
        stats.skipped_ticks = self.skipped_ticks.load(Relaxed);
        stats.tick_lag = Duration::from_nanos(self.lag.load(Relaxed));
        stats.tick_lag_max = Duration::from_nanos(self.lag_max.load(Relaxed));
        stats.pokes = self.pokes.load(Relaxed);
        stats.warnings_suppressed = self.warnings_suppressed.load(Relaxed);
        stats.reports_suppressed = self.reports_suppressed.load(Relaxed);
        stats.hook_panics = self.hook_panics.load(Relaxed);
        stats.unwatched_streams = self.unwatched.load(Relaxed);
        stats.stuck_workers = self.stuck_workers.load(Relaxed) as usize;
        stats.lost_workers = self.lost.load(Relaxed) as usize;
        stats.demoted_threads = self.demoted.load(Relaxed) as usize;
        stats.worker_stuck = Duration::from_nanos(self.worker_stuck.load(Relaxed));
        for rule in Rule::ALL {
            for action in Action::ALL {
                let count = self.verdict_cell(rule, action).load(Relaxed);
                stats.verdicts.push(((rule, action), count));
                if action == Action::Braked {
                    stats.braked += count;
                }
            }
        }
    }
}

impl Stats {
    pub(crate) fn set_polls(&mut self, totals: &Totals, nanos: impl Fn(u64) -> u64) {
        self.polls = totals.buckets.iter().sum();
        self.no_progress_polls = totals.no_progress;
        self.busy = Duration::from_nanos(nanos(totals.busy));
        self.poll_durations = PollDurations::from_buckets(&totals.buckets);
    }

    /// How often `rule` led to `action`.
    pub fn verdict(&self, rule: Rule, action: Action) -> u64 {
        self.verdicts.iter().find(|(key, _)| *key == (rule, action)).map_or(0, |(_, count)| *count)
    }
}

/// The names of plugins, and how often each was found stuck.
#[derive(Debug, Default)]
pub(crate) struct Plugins(Mutex<BTreeMap<u32, (Arc<str>, u64)>>);

impl Plugins {
    pub(crate) fn name(&self, id: u32, name: &str) {
        let mut plugins = self.0.lock();
        plugins.entry(id).and_modify(|plugin| plugin.0 = name.into()).or_insert((name.into(), 0));
    }

    /// Its name, or its number when nobody named it.
    pub(crate) fn get(&self, id: u32) -> Arc<str> {
        match self.0.lock().get(&id) {
            Some((name, _)) => Arc::clone(name),
            None => format!("#{id}").into(),
        }
    }

    pub(crate) fn count_stuck(&self, id: u32) {
        self.0.lock().entry(id).or_insert_with(|| (format!("#{id}").into(), 0)).1 += 1;
    }

    pub(crate) fn stuck(&self) -> Vec<(Arc<str>, u64)> {
        self.0.lock().values().cloned().collect()
    }
}
