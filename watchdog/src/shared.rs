//! What the handle, the probes and the sampler share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::Hooks;
use crate::config::Config;
use crate::gates::Gates;
use crate::incident::{Incident, StreamInfo};
use crate::record::{Live, Slab, StreamRef};
use crate::report::{IncidentId, Report};
use crate::ring::Ring;
use crate::stats::{Counters, Plugins, Stats};
use crate::ticks::Ticks;
use crate::worker::{Totals, WorkerSlot, Workers};

pub(crate) struct Shared {
    pub(crate) config: Config,
    /// The handle's: a probe that outlives the handle must not keep the owner's things.
    pub(crate) hooks: Weak<dyn Hooks>,
    pub(crate) ticks: Ticks,
    pub(crate) slab: Slab,
    pub(crate) workers: Workers,
    pub(crate) counters: Counters,
    pub(crate) plugins: Plugins,
    pub(crate) gates: Gates,
    pub(crate) incidents: Ring,
    pub(crate) stopping: AtomicBool,
    pub(crate) draining: AtomicBool,
}

impl Shared {
    pub(crate) fn new(config: Config, ticks: Ticks, hooks: Weak<dyn Hooks>) -> Arc<Self> {
        Arc::new(Self {
            hooks,
            slab: Slab::new(config.slots),
            incidents: Ring::new(config.incidents),
            config,
            workers: Workers::new(ticks.clone()),
            ticks,
            counters: Counters::default(),
            plugins: Plugins::default(),
            gates: Gates::default(),
            stopping: AtomicBool::new(false),
            draining: AtomicBool::new(false),
        })
    }

    /// The watch must outlive a fault in its owner's hooks.
    pub(crate) fn call(&self, f: impl FnOnce(&dyn Hooks)) {
        let Some(hooks) = self.hooks.upgrade() else { return };
        if catch_unwind(AssertUnwindSafe(|| f(&*hooks))).is_err() {
            self.counters.hook_panics.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn report(&self, report: Report) -> Option<IncidentId> {
        let now = Duration::from_nanos(self.ticks.nanos(self.ticks.now()));
        if self.incidents.admits(report.kind, now, self.config.rules.warnings.reports_per_minute) {
            return Some(self.keep(Incident::reported(report)).id);
        }
        self.counters.reports_suppressed.fetch_add(1, Relaxed);
        None
    }

    /// Puts an incident into the ring and tells the owner.
    pub(crate) fn keep(&self, incident: Incident) -> Arc<Incident> {
        let incident = self.incidents.push(incident);
        self.call(|hooks| hooks.incident(&incident));
        incident
    }

    pub(crate) fn describe(&self, stream: StreamRef, live: &Live<'_>) -> StreamInfo {
        let now = self.ticks.now();
        let since = |start| Duration::from_nanos(self.ticks.between(start, now));
        let record = live.snapshot();
        StreamInfo {
            id: stream.pack(),
            labels: live.cold.labels.clone(),
            deployment: live.cold.deployment.clone(),
            phase: record.phase,
            polls: record.polls,
            no_progress: record.no_progress,
            busy: Duration::from_nanos(self.ticks.nanos(record.busy)),
            bytes: record.bytes,
            chunks: record.chunks,
            age: since(live.cold.opened_at),
            since_progress: since(record.progress_at),
            plugin: None,
            verdict: record.verdict,
        }
    }

    pub(crate) fn streams(&self) -> Vec<StreamInfo> {
        let mut slots = Vec::new();
        self.workers.list(&mut slots);
        let running: Vec<_> = slots.iter().filter_map(|slot| slot.sight()).collect();
        self.slab
            .streams()
            .filter_map(|stream| {
                let mut info = self.slab.with_live(stream, |live| self.describe(stream, live))?;
                info.plugin = running
                    .iter()
                    .find(|sight| sight.current == info.id)
                    .and_then(|sight| sight.plugin)
                    .map(|id| self.plugins.get(id));
                Some(info)
            })
            .collect()
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats { live_streams: self.slab.live(), ..Stats::default() };
        self.counters.fill(&mut stats);
        let mut slots: Vec<&'static WorkerSlot> = Vec::new();
        self.workers.list(&mut slots);
        let mut totals = Totals::default();
        for slot in slots {
            stats.workers += usize::from(slot.tid().is_some());
            slot.totals(&mut totals);
        }
        stats.set_polls(&totals, |ticks| self.ticks.nanos(ticks));
        stats.plugin_stuck = self.plugins.stuck();
        stats.takeovers = self.workers.current().2;
        stats.quarantines = self.gates.list();
        stats.stuck_plugin =
            self.counters.stuck_plugin.load(Relaxed).checked_sub(1).map(|id| self.plugins.get(id as u32));
        stats
    }
}
