//! The watchdog's eyes: each tick it looks at the workers, each round at all live streams.
//!
//! Its clock counts only time that it saw itself: a tick adds at most twice its length. So when the whole process was
//! stopped (SIGSTOP, a paused machine), no poll has become older for it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::ladder::Ladder;
use crate::shared::Shared;
use crate::streams::Streams;
use crate::worker::WorkerSlot;

mod escalate;
mod workers;

use escalate::Escalation;
use workers::WorkerWatch;

/// Ticks in a row that are given up for being late. A pause makes one late; a machine that is always late must be
/// watched all the same.
const MAX_SKIPPED: u32 = 3;

/// Reads another thread's CPU clock: thread, the sampler's own time as a stand-in; nanoseconds.
pub(crate) type ReadCpu = Box<dyn Fn(i32, u64) -> Option<u64> + Send>;

pub(crate) struct Sampler {
    shared: Arc<Shared>,
    ladder: Ladder,
    read_cpu: ReadCpu,
    slots: Vec<&'static WorkerSlot>,
    watches: Vec<WorkerWatch>,
    streams: Streams,
    /// Time seen so far, in nanoseconds.
    now: u64,
    last_tick: u64,
    skipped: u32,
    next_round: u64,
    next_poke: u64,
    escalation: Escalation,
}

impl Sampler {
    pub(crate) fn new(shared: Arc<Shared>, ladder: Ladder, read_cpu: ReadCpu) -> Self {
        let last_tick = shared.ticks.now();
        let next_round = nanos(shared.config.round);
        Self {
            shared,
            ladder,
            read_cpu,
            slots: Vec::new(),
            watches: Vec::new(),
            streams: Streams::default(),
            now: 0,
            last_tick,
            skipped: 0,
            next_round,
            next_poke: 0,
            escalation: Escalation::default(),
        }
    }

    /// Ticks until told to stop. The thread is unparked for that.
    pub(crate) fn run(mut self) {
        while !self.shared.stopping.load(Relaxed) {
            std::thread::park_timeout(self.shared.config.tick);
            self.tick();
        }
    }

    pub(crate) fn tick(&mut self) {
        let shared = Arc::clone(&self.shared);
        let tick = nanos(shared.config.tick);
        let reading = shared.ticks.now();
        let elapsed = shared.ticks.between(self.last_tick, reading);
        self.last_tick = reading;
        let seen = elapsed.min(2 * tick);
        self.now += seen;

        let lag = elapsed.saturating_sub(tick);
        shared.counters.ticks.fetch_add(1, Relaxed);
        shared.counters.lag.store(lag, Relaxed);
        shared.counters.lag_max.fetch_max(lag, Relaxed);
        if lag > 2 * tick && self.skipped < MAX_SKIPPED {
            self.skipped += 1;
            shared.counters.skipped_ticks.fetch_add(1, Relaxed);
            return;
        }
        self.skipped = 0;

        let found = self.look_at_workers(reading);
        shared.counters.stuck_workers.store(found.stuck, Relaxed);
        shared.counters.worker_stuck.fetch_add(found.stuck * seen, Relaxed);
        shared.counters.stuck_plugin.store(found.stuck_plugin.map_or(0, |id| u64::from(id) + 1), Relaxed);
        self.count_threads();
        self.escalate();
        if found.poke && self.now >= self.next_poke {
            self.next_poke = self.now + nanos(shared.config.rules.poke.every);
            self.ladder.poke();
        }
        if self.now >= self.next_round {
            self.next_round = self.now + nanos(shared.config.round);
            self.streams.round(&shared, &mut self.ladder, reading, Duration::from_nanos(self.now));
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
