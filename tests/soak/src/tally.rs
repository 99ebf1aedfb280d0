//! What the clients did and saw, counted on their side.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_tests::{Terminal, Told};

/// Sentences on wrong answers that are kept; all are counted.
const KEPT: usize = 20;

/// Counts of the whole load.
#[derive(Default)]
pub(crate) struct Tally {
    /// Requests of which at least the head was sent.
    pub(crate) sent: AtomicU64,
    /// Answers read to a normal end.
    pub(crate) complete: AtomicU64,
    /// Answers that were an HTTP error.
    pub(crate) error: AtomicU64,
    /// Answers that ended with an error event.
    pub(crate) stream_error: AtomicU64,
    /// Whole answers of the canaries.
    pub(crate) canaries: AtomicU64,
    /// What the clients themselves did wrong, all kinds.
    pub(crate) misdeeds: AtomicU64,
    wrong: AtomicU64,
    sentences: Mutex<Vec<String>>,
    gaps: Mutex<Vec<Duration>>,
}

impl Tally {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// An answer was read to its end.
    pub(crate) fn answered(&self, told: &Told) {
        Self::add(match (told.status, &told.terminal) {
            (200, Terminal::Done) => &self.complete,
            (200, Terminal::Error(_)) => &self.stream_error,
            _ => &self.error,
        });
    }

    /// A promise was broken.
    pub(crate) fn broken(&self, sentence: String) {
        Self::add(&self.wrong);
        let mut sentences = self.sentences.lock();
        if sentences.len() < KEPT {
            let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            sentences.push(format!("[{}] {sentence}", at.as_secs()));
        }
    }

    /// The longest silence inside a canary's stream.
    pub(crate) fn gap(&self, gap: Duration) {
        self.gaps.lock().push(gap);
    }

    pub(crate) fn wrong(&self) -> (u64, Vec<String>) {
        (self.wrong.load(Relaxed), self.sentences.lock().clone())
    }

    /// Median and longest of the canaries' silences.
    pub(crate) fn gaps(&self) -> (Duration, Duration) {
        let mut gaps = self.gaps.lock().clone();
        gaps.sort_unstable();
        (gaps.get(gaps.len() / 2).copied().unwrap_or_default(), gaps.last().copied().unwrap_or_default())
    }
}
