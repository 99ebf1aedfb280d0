//! Asks `/metrics` again and again, as Prometheus would, and keeps what came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::client;

/// An answer costs an unoptimized build some milliseconds: oftener, and the scrapes would be most of the CPU that is measured.
const EVERY: Duration = Duration::from_millis(400);
/// An admin thread that is not blind answers in milliseconds.
pub(super) const LIMIT: Duration = Duration::from_secs(1);

/// What the scrapes of some time came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scrapes {
    /// How many were asked for.
    pub(crate) asked: u32,
    /// How many of them were answered, in time and with Tidegate's metrics.
    pub(crate) answered: u32,
    /// The slowest answer.
    pub(crate) slowest: Duration,
}

impl Scrapes {
    /// Whether every one was answered, and there was one.
    pub(crate) fn all_answered(self) -> bool {
        self.asked > 0 && self.answered == self.asked
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.asked += other.asked;
        self.answered += other.answered;
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// A scraper at work. Dropping it ends it.
pub(crate) struct Scraper {
    seen: Arc<Mutex<Scrapes>>,
    task: JoinHandle<()>,
}

impl Scraper {
    /// `limit`: an answer that takes longer is none.
    pub(crate) fn start(admin: SocketAddr, limit: Duration) -> Self {
        let seen = Arc::<Mutex<Scrapes>>::default();
        let board = seen.clone();
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let asked = Instant::now();
                let answer = timeout(limit, client::get(admin, "/metrics")).await;
                let good = matches!(&answer, Ok(Ok((200, text))) if text.contains("\ntidegate_"));
                let slowest = asked.elapsed();
                board.lock().add(Scrapes { asked: 1, answered: u32::from(good), slowest });
            }
        });
        Self { seen, task }
    }

    /// What came since the last call.
    pub(crate) fn take(&self) -> Scrapes {
        std::mem::take(&mut *self.seen.lock())
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_answer_is_too_many_and_none_proves_nothing() {
        let mut scrapes = Scrapes::default();
        assert!(!scrapes.all_answered());
        scrapes.add(Scrapes { asked: 1, answered: 1, slowest: Duration::from_millis(3) });
        assert!(scrapes.all_answered());
        scrapes.add(Scrapes { asked: 1, answered: 0, slowest: Duration::from_millis(2) });
        assert!(!scrapes.all_answered());
        assert_eq!(scrapes.slowest, Duration::from_millis(3));
    }
}
