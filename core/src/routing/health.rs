//! What is known of a deployment between requests: its cooldown, its last minute, what is in flight.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::usage::{Times, Usage};

/// Milliseconds since the process first asked.
pub fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    u64::try_from(START.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

const BUCKETS: usize = 6;
const BUCKET_MS: u64 = 10_000;

/// The state of one deployment. It outlives a reload of the configuration.
#[derive(Debug, Default)]
pub struct Health {
    cool_until_ms: AtomicU64,
    inflight: AtomicU32,
    latency_us: Average,
    total_us: Average,
    window_ms: AtomicU64,
    minute: Mutex<[Bucket; BUCKETS]>,
    row: Mutex<Row>,
    /// Of this minute. Counted where something asks for it.
    pub usage: Usage,
    /// Until the first content of streams, where the strategy asks for it.
    pub streams: Times,
    /// Of whole answers, by token where they say how many they have.
    pub answers: Times,
}

/// Failures that followed each other closely. Successes between them do not matter, in litellm either.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    fails: u32,
    last_ms: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    period: u64,
    fails: u32,
    oks: u32,
}

impl Health {
    /// Puts the deployment aside for `time` from now. A later end that is already set stays.
    pub fn cool(&self, time: Duration) {
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.cool_until_ms.fetch_max(now_ms().saturating_add(millis), Relaxed);
    }

    /// What is left of its cooldown, in milliseconds; 0: none.
    pub fn cooldown_ms(&self) -> u64 {
        self.cool_until_ms.load(Relaxed).saturating_sub(now_ms())
    }

    /// Calls in flight.
    pub fn inflight(&self) -> u32 {
        self.inflight.load(Relaxed)
    }

    /// Counts a call for as long as the guard lives.
    pub fn enter(self: &std::sync::Arc<Self>) -> InFlight {
        self.inflight.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    /// Failures that are further apart than `time` have nothing to do with each other.
    pub fn count_over(&self, time: Duration) {
        self.window_ms.store(u64::try_from(time.as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Failures of which each came soon after the one before, the last of them not long ago.
    pub fn fails_recent(&self) -> u32 {
        let row = *self.row.lock();
        if now_ms().saturating_sub(row.last_ms) <= self.window_ms.load(Relaxed) { row.fails } else { 0 }
    }

    /// An attempt came to its end.
    pub fn record(&self, ok: bool) {
        if !ok {
            let fails = self.fails_recent().saturating_add(1);
            *self.row.lock() = Row { fails, last_ms: now_ms() };
        }
        let period = now_ms() / BUCKET_MS;
        let mut minute = self.minute.lock();
        let bucket = &mut minute[usize::try_from(period).unwrap_or(0) % BUCKETS];
        if bucket.period != period {
            *bucket = Bucket { period, ..Bucket::default() };
        }
        if ok {
            bucket.oks = bucket.oks.saturating_add(1);
        } else {
            bucket.fails = bucket.fails.saturating_add(1);
        }
    }

    /// Failures and successes of the last 60 s.
    pub fn minute(&self) -> (u32, u32) {
        let oldest = (now_ms() / BUCKET_MS).saturating_sub(BUCKETS as u64 - 1);
        let minute = self.minute.lock();
        minute.iter().filter(|bucket| bucket.period >= oldest).fold((0, 0), |(fails, oks), bucket| {
            (fails.saturating_add(bucket.fails), oks.saturating_add(bucket.oks))
        })
    }

    /// The first content came after `time`.
    pub fn first_content(&self, time: Duration) {
        self.latency_us.add(time);
    }

    /// The moving average of the time to the first content, in microseconds; 0: not known.
    pub fn latency_us(&self) -> u64 {
        self.latency_us.0.load(Relaxed)
    }

    /// A good answer came to its end after `time`.
    pub fn answered(&self, time: Duration) {
        self.total_us.add(time);
    }

    /// The moving average of the time to the end of a good answer, in microseconds; 0: not known.
    pub fn total_us(&self) -> u64 {
        self.total_us.0.load(Relaxed)
    }
}

/// A moving average with weight 1/8, in microseconds. Of two calls that end at once one may be lost: nothing counts on it.
#[derive(Debug, Default)]
struct Average(AtomicU64);

impl Average {
    fn add(&self, time: Duration) {
        let new = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let old = self.0.load(Relaxed);
        let average = if old == 0 { new } else { old - old / 8 + new / 8 };
        self.0.store(average, Relaxed);
    }
}

/// A call in flight.
#[derive(Debug)]
pub struct InFlight(std::sync::Arc<Health>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.inflight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_cooldown_is_never_shortened() {
        let health = Health::default();
        assert_eq!(health.cooldown_ms(), 0);
        health.cool(Duration::from_secs(60));
        health.cool(Duration::from_secs(5));
        assert!(health.cooldown_ms() > 50_000);
    }

    #[test]
    fn failures_far_apart_do_not_add_up() {
        let health = Health::default();
        health.count_over(Duration::from_secs(3600));
        assert_eq!(health.fails_recent(), 0);
        for expected in 1..=3 {
            health.record(false);
            health.record(true);
            assert_eq!(health.fails_recent(), expected);
        }
        health.count_over(Duration::ZERO);
        let then = now_ms();
        while now_ms() == then {
            std::thread::yield_now();
        }
        assert_eq!(health.fails_recent(), 0);
        health.record(false);
        health.count_over(Duration::from_secs(3600));
        assert_eq!(health.fails_recent(), 1, "a new row began");
    }

    #[test]
    fn an_average_follows_slowly_and_is_never_unknown_again() {
        let health = Health::default();
        assert_eq!(health.total_us(), 0);
        health.answered(Duration::ZERO);
        assert_eq!(health.total_us(), 1, "as fast as can be, and known");
        let health = Health::default();
        for millis in [80, 160] {
            health.answered(Duration::from_millis(millis));
        }
        assert_eq!(health.total_us(), 90_000);
        assert_eq!(health.latency_us(), 0, "which is another");
    }

    #[test]
    fn the_last_minute_is_counted() {
        let health = Arc::new(Health::default());
        health.record(false);
        health.record(true);
        health.record(false);
        assert_eq!(health.minute(), (2, 1));
        let (one, two) = (health.enter(), health.enter());
        assert_eq!(health.inflight(), 2);
        drop((one, two));
        assert_eq!(health.inflight(), 0);
    }
}
