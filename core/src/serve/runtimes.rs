//! The data runtimes: the first one, and those that took over from it when its workers were stuck.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use parking_lot::Mutex;
use tokio::runtime::Handle;

/// Wake-ups that wait to be run on one runtime. A runtime whose workers are all stuck would pile them up.
const WAITING: u32 = 16;

/// Reaches every data runtime from threads that are none of their workers.
#[derive(Clone, Default)]
pub(super) struct Runtimes(Arc<Mutex<Vec<Reach>>>);

#[derive(Clone)]
struct Reach {
    runtime: Handle,
    waiting: Arc<AtomicU32>,
}

impl Runtimes {
    /// From now on this is the runtime that serves.
    pub(super) fn add(&self, runtime: Handle) {
        self.0.lock().push(Reach { runtime, waiting: Arc::default() });
    }

    /// Wakes a worker of each.
    ///
    /// One poll that does not return can stop every other task, because the worker that polled the IO driver is the one
    /// that is stuck and nobody was told; a task spawned from outside wakes another (tokio-rs/tokio#4730).
    pub(super) fn poke(&self) {
        // A copy, because spawning may run more than is seen here.
        let all = self.0.lock().clone();
        for Reach { runtime, waiting } in all {
            if waiting.load(Relaxed) < WAITING {
                waiting.fetch_add(1, Relaxed);
                runtime.spawn(async move { waiting.fetch_sub(1, Relaxed) });
            }
        }
    }

    /// Runs `beat` on the runtime that serves.
    pub(super) fn beat(&self, beat: impl Future<Output = ()> + Send + 'static) {
        let serving = self.0.lock().last().cloned();
        if let Some(Reach { runtime, .. }) = serving {
            runtime.spawn(beat);
        }
    }
}
