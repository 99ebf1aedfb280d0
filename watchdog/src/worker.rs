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

/// Poll durations are counted in buckets up to 1 us, 2 us, 4 us ... 2^20 us (about 1 s), and one for longer ones.
pub(crate) const BUCKETS: usize = 22;

thread_local! {
    static WORKER: Cell<Option<&'static WorkerSlot>> = const { Cell::new(None) };
}

/// Written by its own thread alone, except for `tid`, which is claimed under the lock of [`Workers`].
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerSlot {
    /// Odd while in a poll; each poll has its own number.
    sequence: AtomicU64,
    start: AtomicU64,
    current: AtomicU64,
    /// Id of the plugin being called, plus 1.
    plugin: AtomicU32,
    /// 0 when the slot is free.
    tid: AtomicI32,
    /// The watchdog it belongs to: a probe of another one must not write its stream here.
    owner: u32,
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
    /// How many workers each announced runtime has.
    runtimes: Mutex<Vec<usize>>,
}

impl Workers {
    pub(crate) fn new() -> Self {
        static OWNERS: AtomicU32 = AtomicU32::new(0);
        let owner = OWNERS.fetch_add(1, Relaxed);
        Self { slots: Mutex::new(Vec::new()), owner, runtimes: Mutex::new(Vec::new()) }
    }

    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// A runtime with so many workers is the one that serves from now on. Answers its number, from 1.
    pub(crate) fn announce(&self, workers: usize) -> u32 {
        let mut runtimes = self.runtimes.lock();
        runtimes.push(workers);
        runtimes.len() as u32
    }

    /// The number of the runtime that serves, and its workers; zeros when none was announced.
    pub(crate) fn current(&self) -> (u32, usize) {
        let runtimes = self.runtimes.lock();
        (runtimes.len() as u32, runtimes.last().copied().unwrap_or(0))
    }

    /// Gives the calling thread a slot; a thread has one at a time, of the watchdog that registered it last.
    pub(crate) fn register(&self, runtime: u32) {
        self.unregister();
        let mut slots = self.slots.lock();
        let slot = match slots.iter().find(|slot| slot.tid().is_none()) {
            Some(free) => *free,
            None => {
                let slot: &'static WorkerSlot =
                    Box::leak(Box::new(WorkerSlot { owner: self.owner, ..WorkerSlot::default() }));
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

/// Says that the calling thread is inside plugin `id` until the guard is dropped. Calls may nest. Does nothing on a
/// thread that is not registered.
#[inline]
pub fn plugin_enter(id: u32) -> PluginGuard {
    let slot = WORKER.get();
    let outer = slot.map_or(0, |slot| {
        let outer = slot.plugin.load(Relaxed);
        slot.plugin.store(id.wrapping_add(1), Relaxed);
        outer
    });
    PluginGuard { slot, outer, _same_thread: PhantomData }
}

/// Ends a [`plugin_enter`] when dropped, on the same thread.
#[derive(Debug)]
#[must_use = "the plugin is left when the guard is dropped"]
pub struct PluginGuard {
    slot: Option<&'static WorkerSlot>,
    outer: u32,
    _same_thread: PhantomData<*const ()>,
}

impl Drop for PluginGuard {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.plugin.store(self.outer, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_worker(f: impl FnOnce(&'static WorkerSlot) + Send + 'static) {
        std::thread::spawn(|| {
            let workers = Workers::new();
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
    fn a_slot_is_used_again_after_its_thread_left() {
        let workers = Workers::new();
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
