//! The watchdog's eyes: each tick it looks at the workers, each round at all live streams.
//!
//! Its clock counts only time that it saw itself: a tick adds at most twice its length. So when the whole process was
//! stopped (SIGSTOP, a paused machine), no poll has become older for it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::incident::{Action, PollTimes, Rule};
use crate::ladder::{Case, Ladder};
use crate::record::StreamRef;
use crate::rules::{Judgement, LongPoll, StrikeCount};
use crate::shared::Shared;
use crate::streams::Streams;
use crate::worker::{Sight, WorkerSlot};

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
}

/// What is remembered of a worker between two ticks.
#[derive(Debug, Default)]
struct WorkerWatch {
    tid: i32,
    sequence: u64,
    cpu: Option<u64>,
    poll: Option<PollWatch>,
}

/// What is remembered of a poll that was seen at more than one tick.
#[derive(Debug, Clone, Copy)]
struct PollWatch {
    sequence: u64,
    since: u64,
    cpu_at_start: u64,
    strikes: StrikeCount,
    warned: bool,
    outcome: Option<Action>,
}

/// What one tick found among the workers.
#[derive(Debug, Default)]
struct Found {
    poke: bool,
    stuck: u64,
    stuck_plugin: Option<u32>,
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
        if found.poke && self.now >= self.next_poke {
            self.next_poke = self.now + nanos(shared.config.rules.poke.every);
            self.ladder.poke();
        }
        if self.now >= self.next_round {
            self.next_round = self.now + nanos(shared.config.round);
            self.streams.round(&shared, &mut self.ladder, reading, Duration::from_nanos(self.now));
        }
    }

    fn look_at_workers(&mut self, reading: u64) -> Found {
        let shared = Arc::clone(&self.shared);
        shared.workers.list(&mut self.slots);
        self.watches.resize_with(self.slots.len(), WorkerWatch::default);
        let mut found = Found::default();
        for worker in 0..self.slots.len() {
            let slot = self.slots[worker];
            let watch = &mut self.watches[worker];
            let Some(tid) = slot.tid() else {
                *watch = WorkerWatch::default();
                continue;
            };
            if watch.tid != tid {
                *watch = WorkerWatch { tid, ..WorkerWatch::default() };
            }
            let sight = slot.sight();
            let sequence = slot.sequence();
            if sight.is_none() && sequence == watch.sequence {
                // It rests; its clock need not be read.
                (watch.cpu, watch.poll) = (None, None);
                continue;
            }
            watch.sequence = sequence;
            let Some(cpu) = (self.read_cpu)(tid, self.now) else { continue };
            let used = watch.cpu.replace(cpu).map_or(0, |before| cpu.saturating_sub(before));
            let Some(sight) = sight else {
                watch.poll = None;
                continue;
            };
            self.streams.credit(&shared.slab, sight, used);
            found.poke |= shared.ticks.between(sight.start, reading) > nanos(shared.config.rules.poke.after);
            if self.look_at_poll(worker, sight, cpu) {
                found.stuck += 1;
                found.stuck_plugin = found.stuck_plugin.or(sight.plugin);
            }
        }
        found
    }

    /// Judges the poll that a worker is in. Answers whether the worker is stuck.
    fn look_at_poll(&mut self, worker: usize, sight: Sight, cpu: u64) -> bool {
        let watch = &mut self.watches[worker];
        let Some(mut poll) = watch.poll.filter(|poll| poll.sequence == sight.sequence) else {
            watch.poll = Some(PollWatch {
                sequence: sight.sequence,
                since: self.now,
                cpu_at_start: cpu,
                strikes: StrikeCount::default(),
                warned: false,
                outcome: None,
            });
            return false;
        };
        let rules = &self.shared.config.rules;
        let long = LongPoll {
            wall: Duration::from_nanos(self.now - poll.since),
            cpu: Duration::from_nanos(cpu.saturating_sub(poll.cpu_at_start)),
        };
        let case = Case {
            rule: Rule::StuckPoll,
            stream: StreamRef::unpack(sight.current),
            plugin: sight.plugin,
            poll: Some(PollTimes { worker, wall: long.wall, cpu: long.cpu }),
        };
        let judgement = rules.r4.judge(long, &mut poll.strikes, &rules.strikes);
        let stuck = rules.r4.is_stuck(long);
        let now = Duration::from_nanos(self.now);
        if judgement == Judgement::Abort && matches!(poll.outcome, None | Some(Action::Braked)) {
            poll.outcome = self.ladder.abort(case, now, poll.outcome.is_some());
        } else if judgement == Judgement::Warn && !poll.warned {
            poll.warned = true;
            self.ladder.warn(case, now);
        }
        self.watches[worker].poll = Some(poll);
        stuck
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
