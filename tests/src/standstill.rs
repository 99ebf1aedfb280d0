//! How long the machine itself stood still: that is not the proxy's doing, and a test that looks at a clock must know of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the thread wants to be woken.
const BEAT: Duration = Duration::from_millis(10);

/// A thread that wants nothing but to be woken in time.
pub struct Standstill {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    began: Instant,
    /// Microseconds after that.
    last: AtomicU64,
    /// Microseconds.
    worst: AtomicU64,
    over: AtomicBool,
}

impl Shared {
    fn late(&self) -> u64 {
        (micros(self.began.elapsed()).saturating_sub(self.last.load(Relaxed))).saturating_sub(micros(BEAT))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Standstill {
    /// Watches from now on.
    pub fn watch() -> Self {
        let shared = Arc::new(Shared {
            began: Instant::now(),
            last: AtomicU64::new(0),
            worst: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let beating = shared.clone();
        let thread = thread::spawn(move || {
            while !beating.over.load(Relaxed) {
                thread::park_timeout(BEAT);
                beating.worst.fetch_max(beating.late(), Relaxed);
                beating.last.store(micros(beating.began.elapsed()), Relaxed);
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// The longest that it was woken too late so far, this moment included.
    pub fn longest(&self) -> Duration {
        // What reads this may be woken before the thread is.
        Duration::from_micros(self.shared.worst.load(Relaxed).max(self.shared.late()))
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        self.shared.over.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            thread.join().ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_not_woken_is_seen_while_it_lasts() {
        let stopped = Shared {
            began: Instant::now() - Duration::from_secs(2),
            last: AtomicU64::new(0),
            worst: AtomicU64::new(0),
            over: AtomicBool::new(false),
        };
        let one = Standstill { shared: Arc::new(stopped), thread: None };
        assert!(one.longest() >= Duration::from_millis(1_900));
    }

    #[test]
    fn the_worst_is_kept() {
        let one = Standstill::watch();
        one.shared.worst.fetch_max(7_000_000, Relaxed);
        assert!(one.longest() >= Duration::from_secs(7));
    }
}
