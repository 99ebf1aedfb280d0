//! The slab of stream records: one cache line each, written by the task that polls the stream and read by the sampler.
//!
//! A record has one writer at a time (no runtime polls a task from two threads at once), so plain loads and stores do.
//! What is rarely used (labels, the handle on the client's socket) lies beside it under a mutex, which also orders
//! opening, judging and closing: a verdict on an old stream never reaches the next one in its place.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::Kill;
use crate::incident::{Labels, Phase, Rule};
use crate::journal::Journal;
use crate::report::IncidentId;

/// Which stream: the place in the slab, and how often that place was given out, counted round in [`GENERATIONS`]. Live ones
/// have an odd generation, so the packed form is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamRef {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl StreamRef {
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub(crate) fn unpack(packed: u64) -> Option<Self> {
        (packed != 0).then_some(Self { index: packed as u32, generation: (packed >> 32) as u32 })
    }
}

/// Of generations: with a place, which has 32 bits, they fit into the 53 that readers of JSON keep of a number. A place comes
/// round after a million streams, and nobody keeps a [`StreamRef`] for nearly so long.
const GENERATIONS: u32 = (1 << 21) - 1;

const NOTHING: u8 = 0;
/// Ends the streak of polls (R1), not the count of CPU (R2).
const MOVED: u8 = 1;
/// Ends both.
const PROGRESS: u8 = 2;

/// The hot line. Times are raw clock ticks.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Record {
    generation: AtomicU32,
    verdict: AtomicU8,
    phase: AtomicU8,
    /// The most that was told since the last poll ended: [`NOTHING`], [`MOVED`] or [`PROGRESS`].
    told: AtomicU8,
    no_progress: AtomicU32,
    chunks: AtomicU32,
    polls: AtomicU64,
    busy: AtomicU64,
    bytes: AtomicU64,
    progress_at: AtomicU64,
    busy_at_progress: AtomicU64,
    streak_at: AtomicU64,
}

/// A copy of a record.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Snapshot {
    pub(crate) phase: Phase,
    pub(crate) no_progress: u32,
    pub(crate) chunks: u32,
    pub(crate) polls: u64,
    pub(crate) busy: u64,
    pub(crate) bytes: u64,
    pub(crate) progress_at: u64,
    /// Ticks in finished polls since the last progress; 0 when the poll that runs now has already made some.
    pub(crate) idle_busy: u64,
    /// When the streak of polls without progress began.
    pub(crate) streak_at: u64,
    pub(crate) progressed: bool,
    pub(crate) verdict: Option<Rule>,
}

impl Record {
    fn reset(&self, now: u64) {
        self.verdict.store(0, Relaxed);
        self.phase.store(0, Relaxed);
        self.told.store(NOTHING, Relaxed);
        self.no_progress.store(0, Relaxed);
        self.chunks.store(0, Relaxed);
        for counter in [&self.polls, &self.busy, &self.bytes, &self.busy_at_progress] {
            counter.store(0, Relaxed);
        }
        self.progress_at.store(now, Relaxed);
        self.streak_at.store(now, Relaxed);
    }

    /// A poll that took `ticks` ended at `now`. Answers whether it moved anything.
    #[inline]
    pub(crate) fn polled(&self, now: u64, ticks: u64) -> bool {
        self.polls.store(self.polls.load(Relaxed).wrapping_add(1), Relaxed);
        let busy = self.busy.load(Relaxed).wrapping_add(ticks);
        self.busy.store(busy, Relaxed);
        let told = self.told.load(Relaxed);
        if told != NOTHING {
            self.told.store(NOTHING, Relaxed);
            self.no_progress.store(0, Relaxed);
            if told == PROGRESS {
                self.progress_at.store(now, Relaxed);
                self.busy_at_progress.store(busy, Relaxed);
            }
            return true;
        }
        let streak = self.no_progress.load(Relaxed);
        if streak == 0 {
            self.streak_at.store(now, Relaxed);
        }
        self.no_progress.store(streak.saturating_add(1), Relaxed);
        false
    }

    #[inline]
    pub(crate) fn progress(&self, bytes: u64) {
        self.bytes.store(self.bytes.load(Relaxed).wrapping_add(bytes), Relaxed);
        self.chunks.store(self.chunks.load(Relaxed).wrapping_add(1), Relaxed);
        self.mark_progress();
    }

    #[inline]
    pub(crate) fn mark_progress(&self) {
        self.told.store(PROGRESS, Relaxed);
    }

    #[inline]
    pub(crate) fn mark_moved(&self) {
        if self.told.load(Relaxed) == NOTHING {
            self.told.store(MOVED, Relaxed);
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    #[inline]
    pub(crate) fn verdict(&self) -> Option<Rule> {
        match self.verdict.load(Relaxed) {
            0 => None,
            rule => Rule::from_u8(rule),
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let busy = self.busy.load(Relaxed);
        let told = self.told.load(Relaxed);
        let progressed = told == PROGRESS;
        let idle_busy = if progressed { 0 } else { busy.saturating_sub(self.busy_at_progress.load(Relaxed)) };
        Snapshot {
            phase: Phase::from_u8(self.phase.load(Relaxed)),
            no_progress: if told != NOTHING { 0 } else { self.no_progress.load(Relaxed) },
            chunks: self.chunks.load(Relaxed),
            polls: self.polls.load(Relaxed),
            busy,
            bytes: self.bytes.load(Relaxed),
            progress_at: self.progress_at.load(Relaxed),
            idle_busy,
            streak_at: self.streak_at.load(Relaxed),
            progressed,
            verdict: self.verdict(),
        }
    }
}

/// What is read only when something is wrong, or when someone looks.
pub(crate) struct Cold {
    pub(crate) labels: Labels,
    pub(crate) deployment: Option<Arc<str>>,
    pub(crate) kill: Option<Weak<dyn Kill>>,
    pub(crate) opened_at: u64,
    pub(crate) journal: Journal,
    /// The incident of the verdict on it.
    pub(crate) condemned: Option<IncidentId>,
}

/// All records.
pub(crate) struct Slab {
    records: Arc<[Record]>,
    cold: Box<[Mutex<Option<Box<Cold>>>]>,
    free: Mutex<Vec<u32>>,
    /// No place at or above this was ever used.
    used: AtomicUsize,
    live: AtomicUsize,
}

impl Slab {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            records: (0..slots).map(|_| Record::default()).collect(),
            cold: (0..slots).map(|_| Mutex::new(None)).collect(),
            // Low places first, so that the walk over the used ones stays short.
            free: Mutex::new((0..slots as u32).rev().collect()),
            used: AtomicUsize::new(0),
            live: AtomicUsize::new(0),
        }
    }

    pub(crate) fn records(&self) -> Arc<[Record]> {
        Arc::clone(&self.records)
    }

    pub(crate) fn live(&self) -> usize {
        self.live.load(Relaxed)
    }

    /// Takes a place; `None` when all are taken.
    pub(crate) fn open(&self, cold: Cold) -> Option<StreamRef> {
        let index = self.free.lock().pop()?;
        let place = index as usize;
        let mut held = self.cold[place].lock();
        let record = &self.records[place];
        record.reset(cold.opened_at);
        *held = Some(Box::new(cold));
        let generation = next(record.generation.load(Relaxed));
        record.generation.store(generation, Release);
        drop(held);
        self.used.fetch_max(place + 1, Relaxed);
        self.live.fetch_add(1, Relaxed);
        Some(StreamRef { index, generation })
    }

    /// Gives a place back. Waits for a verdict that is being carried out on it.
    pub(crate) fn close(&self, stream: StreamRef) {
        let place = stream.index as usize;
        let mut held = self.cold[place].lock();
        self.records[place].generation.store(next(stream.generation), Release);
        let cold = held.take();
        drop(held);
        self.live.fetch_sub(1, Relaxed);
        self.free.lock().push(stream.index);
        // After the lock: the last owner of a label may be freed here.
        drop(cold);
    }

    /// Copies the record of a stream that is still live.
    pub(crate) fn snapshot(&self, stream: StreamRef) -> Option<Snapshot> {
        let record = self.records.get(stream.index as usize)?;
        let is_live = || record.generation.load(Acquire) == stream.generation;
        if !is_live() {
            return None;
        }
        let copy = record.snapshot();
        is_live().then_some(copy)
    }

    /// The live streams, without their records.
    pub(crate) fn streams(&self) -> impl Iterator<Item = StreamRef> + '_ {
        let used = self.used.load(Relaxed);
        self.records[..used].iter().enumerate().filter_map(|(index, record)| {
            let generation = record.generation.load(Acquire);
            (generation % 2 == 1).then_some(StreamRef { index: index as u32, generation })
        })
    }

    /// Runs `f` on a stream that is still live, and keeps it from being closed meanwhile. `f` must be short.
    pub(crate) fn with_live<R>(&self, stream: StreamRef, f: impl FnOnce(&mut Live<'_>) -> R) -> Option<R> {
        let place = stream.index as usize;
        let mut held = self.cold.get(place)?.lock();
        let record = &self.records[place];
        if record.generation.load(Acquire) != stream.generation {
            return None;
        }
        let cold = held.as_mut()?;
        Some(f(&mut Live { record, cold }))
    }
}

fn next(generation: u32) -> u32 {
    generation.wrapping_add(1) & GENERATIONS
}

/// A stream that cannot be closed while this exists.
pub(crate) struct Live<'a> {
    record: &'a Record,
    pub(crate) cold: &'a mut Cold,
}

impl Live<'_> {
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.record.snapshot()
    }

    /// The incident's number is there before the verdict is: the stream may end at once.
    pub(crate) fn condemn(&mut self, rule: Rule, incident: IncidentId) {
        self.cold.condemned = Some(incident);
        self.record.verdict.store(rule as u8, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: IncidentId = IncidentId { start: 1, number: 1 };

    fn cold() -> Cold {
        Cold {
            labels: Labels::default(),
            deployment: None,
            kill: None,
            opened_at: 0,
            journal: Journal::default(),
            condemned: None,
        }
    }

    #[test]
    fn a_record_is_one_cache_line() {
        assert_eq!(size_of::<Record>(), 64);
    }

    #[test]
    fn a_full_slab_says_so_and_a_closed_place_is_given_out_again() {
        let slab = Slab::new(1);
        let first = slab.open(cold()).unwrap();
        assert!(slab.open(cold()).is_none());
        slab.close(first);
        let second = slab.open(cold()).unwrap();
        assert_eq!(second.index, first.index);
        assert_ne!(second.generation, first.generation);
        assert_eq!(slab.live(), 1);
    }

    #[test]
    fn nothing_said_about_an_old_stream_reaches_the_next_in_its_place() {
        let slab = Slab::new(1);
        let old = slab.open(cold()).unwrap();
        slab.close(old);
        let new = slab.open(cold()).unwrap();
        assert!(slab.with_live(old, |live| live.condemn(Rule::NoProgress, ID)).is_none());
        assert!(slab.snapshot(old).is_none());
        assert_eq!(slab.snapshot(new).unwrap().verdict, None);
        // And what was said about the old one while it lived is gone.
        slab.with_live(new, |live| live.condemn(Rule::Cpu, ID)).unwrap();
        slab.close(new);
        let third = slab.open(cold()).unwrap();
        assert_eq!(slab.snapshot(third).unwrap().verdict, None);
    }

    #[test]
    fn an_id_is_a_number_that_every_reader_of_json_keeps() {
        let slab = Slab::new(1);
        slab.records[0].generation.store(GENERATIONS - 1, Relaxed);
        let last = slab.open(cold()).unwrap();
        assert!(StreamRef { index: u32::MAX, ..last }.pack() < 1 << 53);
        slab.close(last);
        let first = slab.open(cold()).unwrap();
        assert_eq!(first.generation, 1, "they count round, and live ones stay odd");
        assert!(slab.with_live(last, |_| ()).is_none() && slab.with_live(first, |_| ()).is_some());
    }

    #[test]
    fn bytes_that_bring_the_client_nothing_end_the_streak_alone() {
        let record = Record::default();
        record.polled(10, 3);
        record.mark_moved();
        assert_eq!(record.snapshot().no_progress, 0);
        assert!(record.polled(20, 3));
        let s = record.snapshot();
        assert_eq!((s.no_progress, s.idle_busy, s.progress_at), (0, 6, 0));
        record.progress(1);
        record.mark_moved();
        record.polled(30, 3);
        assert_eq!(record.snapshot().idle_busy, 0, "progress is not undone by a lesser word");
    }

    #[test]
    fn progress_ends_the_streak_and_its_cpu() {
        let record = Record::default();
        for now in 1..=5 {
            assert!(!record.polled(now * 10, 3));
        }
        let s = record.snapshot();
        assert_eq!((s.no_progress, s.idle_busy, s.streak_at), (5, 15, 10));
        record.progress(7);
        assert_eq!(record.snapshot().no_progress, 0, "already while the poll that made it runs");
        assert!(record.polled(60, 3));
        let s = record.snapshot();
        assert_eq!((s.no_progress, s.idle_busy, s.bytes, s.chunks, s.progress_at), (0, 0, 7, 1, 60));
        assert!(!record.polled(70, 3));
        assert_eq!(record.snapshot().idle_busy, 3);
    }
}
