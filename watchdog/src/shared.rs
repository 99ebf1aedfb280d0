//! What the handle, the probes and the sampler share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::config::Config;
use crate::incident::{Ring, StreamInfo};
use crate::record::{Live, Slab, StreamRef};
use crate::stats::{Counters, Plugins, Stats};
use crate::ticks::Ticks;
use crate::worker::{Totals, WorkerSlot, Workers};

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) ticks: Ticks,
    pub(crate) slab: Slab,
    pub(crate) workers: Workers,
    pub(crate) counters: Counters,
    pub(crate) plugins: Plugins,
    pub(crate) incidents: Ring,
    pub(crate) stopping: AtomicBool,
}

impl Shared {
    pub(crate) fn new(config: Config, ticks: Ticks) -> Arc<Self> {
        Arc::new(Self {
            slab: Slab::new(config.slots),
            incidents: Ring::new(config.incidents),
            config,
            ticks,
            workers: Workers::new(),
            counters: Counters::default(),
            plugins: Plugins::default(),
            stopping: AtomicBool::new(false),
        })
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
        stats.stuck_plugin =
            self.counters.stuck_plugin.load(Relaxed).checked_sub(1).map(|id| self.plugins.get(id as u32));
        stats
    }
}
