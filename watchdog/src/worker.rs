//! One slot per worker thread: what it polls, since when, which plugin it is in, and its poll statistics.
//!
//! Slots live as long as the process, so that a thread-local can point at one without a reference count: a thread that
//! never comes back could not give it back anyway. A thread that leaves frees its slot for the next one.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, fence};

use parking_lot::Mutex;

use crate::cpu;
use crate::ticks::Ticks;

/// Poll durations are counted in buckets up to 1 us, 2 us, 4 us ... 2^20 us (about 1 s), and one for longer ones.
pub(crate) const BUCKETS: usize = 22;

thread_local! {
    static WORKER: Cell<Option<&'static WorkerSlot>> = const { Cell::new(None) };
}

/// Written by its own thread alone, except for `tid`, which is claimed under the lock of [`Workers`].
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct WorkerSlot {
    /// Odd while in a poll, or in work outside of one that was said to begin ([`work_enter`], [`plugin_enter`]); each has
    /// its own number.
    sequence: AtomicU64,
    start: AtomicU64,
    current: AtomicU64,
    /// Id of the plugin being called, plus 1.
    plugin: AtomicU32,
    /// 0 when the slot is free.
    tid: AtomicI32,
    /// The watchdog it belongs to: a probe of another one must not write its stream here.
    owner: u32,
    ticks: Ticks,
    /// The runtime whose thread it is.
    runtime: AtomicU32,
    busy: AtomicU64,
    no_progress: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sight {
    pub(crate) sequence: u64,
    pub(crate) start: u64,
    /// A packed [`StreamRef`](crate::record::StreamRef), or 0.
    pub(crate) current: u64,
    pub(crate) plugin: Option<u32>,
}

#[inline]
fn bump(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}

impl WorkerSlot {
    fn new(owner: u32, ticks: Ticks) -> Self {
        Self {
            sequence: AtomicU64::new(0),
            start: AtomicU64::new(0),
            current: AtomicU64::new(0),
            plugin: AtomicU32::new(0),
            tid: AtomicI32::new(0),
            owner,
            ticks,
            runtime: AtomicU32::new(0),
            busy: AtomicU64::new(0),
            no_progress: AtomicU64::new(0),
            buckets: Default::default(),
        }
    }

    /// Begins work of no stream's, unless the thread is in a poll or in such work already. Answers when it began.
    #[inline]
    fn begin_work(&self) -> Option<u64> {
        self.sequence.load(Relaxed).is_multiple_of(2).then(|| {
            let now = self.ticks.now();
            self.begin(0, now);
            now
        })
    }

    #[inline]
    fn end_work(&self, began: u64) {
        let ticks = self.ticks.now().saturating_sub(began);
        self.end(ticks, self.ticks.nanos(ticks) / 1_000, true);
        // Orders the end with what is stored after it, for `sight`.
        fence(Release);
    }

    /// The calling thread's slot, when it has one with this owner and is not in a poll: the outermost poll is the one
    /// that holds the worker.
    #[inline]
    pub(crate) fn for_poll(owner: u32) -> Option<&'static Self> {
        WORKER.get().filter(|slot| slot.owner == owner && slot.sequence.load(Relaxed).is_multiple_of(2))
    }

    #[inline]
    pub(crate) fn begin(&self, stream: u64, now: u64) {
        // Orders the end of the poll before with the stores below, for `sight` on machines that reorder stores.
        fence(Release);
        self.current.store(stream, Relaxed);
        self.start.store(now, Relaxed);
        self.sequence.store(self.sequence.load(Relaxed).wrapping_add(1), Release);
    }

    #[inline]
    pub(crate) fn end(&self, ticks: u64, micros: u64, moved: bool) {
        self.sequence.store(self.sequence.load(Relaxed).wrapping_add(1), Release);
        bump(&self.busy, ticks);
        if !moved {
            bump(&self.no_progress, 1);
        }
        bump(&self.buckets[bucket(micros)], 1);
    }

    pub(crate) fn tid(&self) -> Option<i32> {
        Some(self.tid.load(Acquire)).filter(|tid| *tid != 0)
    }

    pub(crate) fn runtime(&self) -> u32 {
        self.runtime.load(Relaxed)
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence.load(Acquire)
    }

    /// What it polls right now; `None` when it is not in a poll, or left one while we looked.
    pub(crate) fn sight(&self) -> Option<Sight> {
        let sequence = self.sequence.load(Acquire);
        if sequence.is_multiple_of(2) {
            return None;
        }
        let sight = Sight {
            sequence,
            start: self.start.load(Relaxed),
            current: self.current.load(Relaxed),
            plugin: self.plugin.load(Relaxed).checked_sub(1),
        };
        fence(Acquire);
        (self.sequence.load(Relaxed) == sequence).then_some(sight)
    }

    pub(crate) fn totals(&self, totals: &mut Totals) {
        totals.busy += self.busy.load(Relaxed);
        totals.no_progress += self.no_progress.load(Relaxed);
        for (sum, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.load(Relaxed);
        }
    }
}

#[inline]
fn bucket(micros: u64) -> usize {
    ((u64::BITS - micros.leading_zeros()) as usize).min(BUCKETS - 1)
}

/// Sums over all workers.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) busy: u64,
    pub(crate) no_progress: u64,
    pub(crate) buckets: [u64; BUCKETS],
}

/// The slots of one watchdog.
#[derive(Debug)]
pub(crate) struct Workers {
    slots: Mutex<Vec<&'static WorkerSlot>>,
    owner: u32,
    ticks: Ticks,
    runtimes: Mutex<Runtimes>,
}

#[derive(Debug, Default)]
struct Runtimes {
    /// How many workers each has that was made.
    workers: Vec<usize>,
    /// The number of the one that serves; 0: none does.
    current: u32,
    /// How many have served.
    served: usize,
}

impl Workers {
    pub(crate) fn new(ticks: Ticks) -> Self {
        static OWNERS: AtomicU32 = AtomicU32::new(0);
        let owner = OWNERS.fetch_add(1, Relaxed);
        Self { slots: Mutex::new(Vec::new()), owner, ticks, runtimes: Mutex::default() }
    }

    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// A runtime with so many workers is made. Answers its number, from 1.
    pub(crate) fn made(&self, workers: usize) -> u32 {
        let mut runtimes = self.runtimes.lock();
        runtimes.workers.push(workers);
        runtimes.workers.len() as u32
    }

    /// It is the one that serves from now on.
    pub(crate) fn serves(&self, runtime: u32) {
        let mut runtimes = self.runtimes.lock();
        runtimes.current = runtime;
        runtimes.served += 1;
    }

    /// The number of the runtime that serves, its workers, and how many took over before it did; zeros when none serves.
    pub(crate) fn current(&self) -> (u32, usize, usize) {
        let runtimes = self.runtimes.lock();
        let workers = (runtimes.current as usize).checked_sub(1).and_then(|at| runtimes.workers.get(at));
        (runtimes.current, workers.copied().unwrap_or(0), runtimes.served.saturating_sub(1))
    }

    /// Gives the calling thread a slot; a thread has one at a time, of the watchdog that registered it last.
    pub(crate) fn register(&self, runtime: u32) {
        self.unregister();
        let mut slots = self.slots.lock();
        let slot = match slots.iter().find(|slot| slot.tid().is_none()) {
            Some(free) => *free,
            None => {
                let slot: &'static WorkerSlot =
                    Box::leak(Box::new(WorkerSlot::new(self.owner, self.ticks.clone())));
                slots.push(slot);
                slot
            }
        };
        slot.runtime.store(runtime, Relaxed);
        slot.tid.store(cpu::current(), Release);
        WORKER.set(Some(slot));
    }

    pub(crate) fn unregister(&self) {
        if let Some(slot) = WORKER.take() {
            slot.plugin.store(0, Relaxed);
            slot.tid.store(0, Release);
        }
    }

    /// Puts the current slots into `seen`, in their fixed order.
    pub(crate) fn list(&self, seen: &mut Vec<&'static WorkerSlot>) {
        let slots = self.slots.lock();
        seen.extend(&slots[seen.len().min(slots.len())..]);
    }
}

/// Says that the calling thread is inside plugin `id` until the guard is dropped. Calls may nest. Outside of a stream's poll
/// the call is watched like one: whatever drops a stream or an instance may do so there. Does nothing on a thread that is
/// not registered.
#[inline]
pub fn plugin_enter(id: u32) -> PluginGuard {
    let slot = WORKER.get();
    let (outer, began) = slot.map_or((0, None), |slot| {
        let outer = slot.plugin.load(Relaxed);
        slot.plugin.store(id.wrapping_add(1), Relaxed);
        (outer, slot.begin_work())
    });
    PluginGuard { slot, outer, began, _same_thread: PhantomData }
}

/// Says that the calling thread does work of some length, of no stream's, until the guard is dropped: then another worker
/// is woken where it holds the IO of all, as for a poll. Does nothing inside a stream's poll, nor on a thread that is not
/// registered.
#[inline]
pub fn work_enter() -> WorkGuard {
    let slot = WORKER.get();
    WorkGuard { began: slot.and_then(|slot| Some((slot, slot.begin_work()?))), _same_thread: PhantomData }
}

/// Ends a [`work_enter`] when dropped, on the same thread.
#[derive(Debug)]
#[must_use = "the work ends when the guard is dropped"]
pub struct WorkGuard {
    began: Option<(&'static WorkerSlot, u64)>,
    _same_thread: PhantomData<*const ()>,
}

impl Drop for WorkGuard {
    #[inline]
    fn drop(&mut self) {
        if let Some((slot, began)) = self.began {
            slot.end_work(began);
        }
    }
}

/// Ends a [`plugin_enter`] when dropped, on the same thread.
#[derive(Debug)]
#[must_use = "the plugin is left when the guard is dropped"]
pub struct PluginGuard {
    slot: Option<&'static WorkerSlot>,
    outer: u32,
    /// Where no poll was under way.
    began: Option<u64>,
    _same_thread: PhantomData<*const ()>,
}

impl Drop for PluginGuard {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            if let Some(began) = self.began {
                slot.end_work(began);
            }
            slot.plugin.store(self.outer, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_worker(f: impl FnOnce(&'static WorkerSlot) + Send + 'static) {
        std::thread::spawn(|| {
            let workers = Workers::new(Ticks::new());
            workers.register(0);
            let mut slots = Vec::new();
            workers.list(&mut slots);
            f(slots[0]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn buckets_end_at_powers_of_two_microseconds() {
        assert_eq!([0, 1, 2, 3, 4, 1023, 1024].map(bucket), [0, 1, 2, 2, 3, 10, 11]);
        assert_eq!(bucket((1 << 20) - 1), 20);
        assert_eq!(bucket(1 << 20), 21);
        assert_eq!(bucket(u64::MAX), 21);
    }

    #[test]
    fn a_poll_is_seen_while_it_lasts_and_the_next_one_is_another() {
        on_a_worker(|slot| {
            assert_eq!(slot.sight(), None);
            slot.begin(7, 100);
            let first = slot.sight().unwrap();
            assert_eq!((first.current, first.start, first.plugin), (7, 100, None));
            assert!(
                WorkerSlot::for_poll(slot.owner).is_none(),
                "a nested poll leaves the outer one in place"
            );
            slot.end(5, 0, true);
            assert_eq!(slot.sight(), None);
            assert!(WorkerSlot::for_poll(slot.owner).is_some());
            assert!(WorkerSlot::for_poll(slot.owner + 1).is_none(), "not for another watchdog's probes");
            slot.begin(7, 110);
            assert_ne!(slot.sight().unwrap().sequence, first.sequence);
        });
    }

    #[test]
    fn plugin_calls_nest() {
        on_a_worker(|slot| {
            slot.begin(1, 1);
            let plugin = || slot.sight().unwrap().plugin;
            let outer = plugin_enter(0);
            assert_eq!(plugin(), Some(0));
            let inner = plugin_enter(4);
            assert_eq!(plugin(), Some(4));
            drop(inner);
            assert_eq!(plugin(), Some(0));
            drop(outer);
            assert_eq!(plugin(), None);
        });
        drop(plugin_enter(3));
    }

    #[test]
    fn a_call_and_work_outside_of_a_poll_are_seen_and_inside_of_one_are_part_of_it() {
        on_a_worker(|slot| {
            let outer = plugin_enter(2);
            let seen = slot.sight().unwrap();
            assert_eq!((seen.current, seen.plugin), (0, Some(2)));
            let inner = plugin_enter(4);
            drop(work_enter());
            assert_eq!(
                slot.sight().unwrap(),
                Sight { plugin: Some(4), ..seen },
                "one call, whatever is in it"
            );
            drop(inner);
            assert_eq!(slot.sight().unwrap(), seen);
            drop(outer);
            assert_eq!(slot.sight(), None);
            let work = work_enter();
            let seen = slot.sight().unwrap();
            assert_eq!((seen.current, seen.plugin), (0, None));
            drop(work);
            assert_eq!(slot.sight(), None);
            slot.begin(7, 1);
            let polled = slot.sight().unwrap();
            drop((plugin_enter(2), work_enter()));
            assert_eq!(slot.sight().unwrap(), polled, "the poll goes on");
        });
    }

    #[test]
    fn a_slot_is_used_again_after_its_thread_left() {
        let workers = Workers::new(Ticks::new());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (workers.register(0), workers.unregister())).join().unwrap();
            }
        });
        let mut slots = Vec::new();
        workers.list(&mut slots);
        assert_eq!(slots.len(), 1);
        assert_eq!(slots[0].tid(), None);
    }
}
