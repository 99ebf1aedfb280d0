//! The look at the workers: which poll does not return, and what becomes of the thread in it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Sampler, nanos};
use crate::capacity::Workers;
use crate::config::Mode;
use crate::dump::WorkerDump;
use crate::incident::{Action, PollTimes, Rule};
use crate::ladder::Case;
use crate::record::StreamRef;
use crate::rules::{Judgement, LongPoll, StrikeCount};
use crate::worker::{Sight, WorkerSlot};

/// What is remembered of a worker between two ticks.
#[derive(Debug, Default)]
pub(super) struct WorkerWatch {
    tid: i32,
    sequence: u64,
    cpu: Option<u64>,
    poll: Option<PollWatch>,
    /// It runs only when nothing else wants to.
    demoted: bool,
    /// It came back, and could not be raised again.
    low: bool,
}

/// What is remembered of a poll that was seen at more than one tick.
#[derive(Debug, Clone, Copy)]
struct PollWatch {
    sequence: u64,
    since: u64,
    cpu_at_start: u64,
    strikes: StrikeCount,
    warned: bool,
    /// R4 has judged it.
    judged: bool,
    outcome: Option<Action>,
    sight: Sight,
    seen: LongPoll,
}

/// What one tick found among the workers.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) poke: bool,
    pub(super) stuck: u64,
    pub(super) stuck_plugin: Option<u32>,
}

impl WorkerWatch {
    fn is_lost(&self) -> bool {
        self.low || self.poll.is_some_and(|poll| poll.judged)
    }
}

impl Sampler {
    pub(super) fn look_at_workers(&mut self, reading: u64) -> Found {
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
            if watch.demoted && sequence != watch.sequence {
                self.raise(worker);
            }
            let watch = &mut self.watches[worker];
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
            let long = shared.ticks.between(sight.start, reading) > nanos(shared.config.rules.poke.after);
            found.poke |= long && !self.is_aside(worker);
            if self.look_at_poll(worker, sight, cpu) {
                found.stuck += 1;
                found.stuck_plugin = found.stuck_plugin.or(sight.plugin);
            }
        }
        found
    }

    /// Judges the poll that a worker is in. Answers whether the worker is stuck.
    fn look_at_poll(&mut self, worker: usize, sight: Sight, cpu: u64) -> bool {
        let aside = self.is_aside(worker);
        let watch = &mut self.watches[worker];
        let Some(mut poll) = watch.poll.filter(|poll| poll.sequence == sight.sequence) else {
            watch.poll = Some(PollWatch {
                sequence: sight.sequence,
                since: self.now,
                cpu_at_start: cpu,
                strikes: StrikeCount::default(),
                warned: false,
                judged: false,
                outcome: None,
                sight,
                seen: LongPoll { wall: Duration::ZERO, cpu: Duration::ZERO },
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
            aside,
        };
        let judgement = rules.r4.judge(long, &mut poll.strikes, &rules.strikes);
        let stuck = rules.r4.is_stuck(long);
        let demote = poll.judged && !watch.demoted && long.cpu >= rules.r4.demote_cpu;
        let now = Duration::from_nanos(self.now);
        if judgement == Judgement::Abort && matches!(poll.outcome, None | Some(Action::Braked)) {
            poll.judged = true;
            let samples =
                case.stream.map(|stream| self.streams.samples(stream, self.now)).unwrap_or_default();
            poll.outcome = self.ladder.abort(case, samples, now, poll.outcome.is_some());
        } else if judgement == Judgement::Warn && !poll.warned {
            poll.warned = true;
            self.ladder.warn(case, now);
        }
        (poll.sight, poll.seen) = (sight, long);
        self.watches[worker].poll = Some(poll);
        if demote {
            self.demote(worker, long);
        }
        stuck
    }

    /// A thread cannot be taken out of a poll, but it can be kept from taking the others' time.
    fn demote(&mut self, worker: usize, poll: LongPoll) {
        if self.shared.config.mode == Mode::Enforce {
            let thread = self.watches[worker].tid;
            self.watches[worker].demoted = self.ladder.demote(worker, thread, poll);
        }
    }

    /// Its poll has returned.
    fn raise(&mut self, worker: usize) {
        let watch = &mut self.watches[worker];
        watch.demoted = false;
        watch.low = !self.ladder.raise(watch.tid);
    }

    /// A thread of no runtime holds up nobody, once there is a runtime that serves.
    fn is_aside(&self, worker: usize) -> bool {
        self.slots[worker].runtime() == 0 && self.shared.workers.current().0 != 0
    }

    pub(super) fn capacity(&self) -> Workers {
        let (runtime, current, takeovers) = self.shared.workers.current();
        let mine = |slot: &&'static WorkerSlot| slot.runtime() == runtime;
        let serves = |slot: &&'static WorkerSlot| slot.runtime() != 0 || runtime == 0;
        let all = || self.slots.iter().zip(&self.watches);
        let lost = || all().filter(|(slot, watch)| serves(slot) && watch.is_lost());
        Workers {
            current,
            current_lost: lost().filter(|(slot, _)| mine(slot)).count(),
            lost: lost().count(),
            takeovers,
        }
    }

    pub(super) fn count_threads(&self) {
        let count =
            |is: fn(&WorkerWatch) -> bool| self.watches.iter().filter(|watch| is(watch)).count() as u64;
        self.shared.counters.lost.store(count(WorkerWatch::is_lost), Relaxed);
        self.shared.counters.demoted.store(count(|watch| watch.demoted || watch.low), Relaxed);
    }

    pub(super) fn dump_workers(&self) -> Vec<WorkerDump> {
        let watches = self.watches.iter().enumerate().filter(|(_, watch)| watch.tid != 0);
        let dump = |(worker, watch): (usize, &WorkerWatch)| {
            let poll = watch.poll;
            WorkerDump {
                worker,
                thread: watch.tid,
                stream: poll.and_then(|poll| (poll.sight.current != 0).then_some(poll.sight.current)),
                plugin: poll.and_then(|poll| poll.sight.plugin).map(|id| self.shared.plugins.get(id)),
                wall: poll.map_or(Duration::ZERO, |poll| poll.seen.wall),
                cpu: poll.map_or(Duration::ZERO, |poll| poll.seen.cpu),
            }
        };
        watches.map(dump).collect()
    }
}
