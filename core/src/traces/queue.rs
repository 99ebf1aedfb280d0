//! What waits to be sent. A worker hands its spans over or drops them: it waits for nothing, and wakes nobody, since the
//! thread at the other end looks by itself (`export::PERIOD`).

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::IntCounter;
use tokio::sync::Notify;

use super::span::Span;

/// Spans that wait, of about 1 KiB each.
pub(super) const WAITING: usize = 16_384;

/// The longest wait for the last spans at the end of the process.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Where it is counted what became of spans.
#[derive(Clone, Debug)]
pub struct Counts {
    /// A collector took them.
    pub exported: IntCounter,
    /// There was no room for them here.
    pub full: IntCounter,
    /// No collector took them.
    pub refused: IntCounter,
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    pub(super) counts: Counts,
    pub(super) wake: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Vec<Span>>,
    spans: usize,
    /// Whoever waits for the end of it. Dropped when everything is sent.
    flush: Option<SyncSender<()>>,
}

impl Queue {
    pub(super) fn new(counts: Counts) -> Self {
        Self { waiting: Mutex::default(), counts, wake: Notify::new() }
    }

    /// Hands over the spans of one request.
    pub(super) fn push(&self, spans: Vec<Span>) {
        let mut waiting = self.waiting.lock();
        if waiting.spans + spans.len() > WAITING {
            drop(waiting);
            self.counts.full.inc_by(spans.len() as u64);
            return;
        }
        waiting.spans += spans.len();
        waiting.requests.push_back(spans);
    }

    /// Spans for one message to a collector, at least `enough` if there are so many. Empty: none wait.
    pub(super) fn take(&self, enough: usize) -> Vec<Span> {
        let mut waiting = self.waiting.lock();
        let mut spans = Vec::new();
        while spans.len() < enough
            && let Some(next) = waiting.requests.pop_front()
        {
            spans.extend(next);
        }
        waiting.spans -= spans.len();
        spans
    }

    /// Whether somebody waits for the end.
    pub(super) fn is_flushing(&self) -> bool {
        self.waiting.lock().flush.is_some()
    }

    /// Everything is sent.
    pub(super) fn flushed(&self) {
        self.waiting.lock().flush = None;
    }

    /// Waits until everything is sent, but not for long.
    pub(super) fn flush(&self) {
        let (done, sent) = sync_channel(0);
        self.waiting.lock().flush = Some(done);
        self.wake.notify_one();
        // Nothing is ever sent on it: it ends with the drop, or with the time.
        let _ = sent.recv_timeout(LAST_SPANS);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;
    use crate::traces::Kind;

    fn queue() -> Queue {
        let counter = |name: &str| IntCounter::new(name, name).unwrap();
        Queue::new(Counts { exported: counter("e"), full: counter("f"), refused: counter("r") })
    }

    fn spans(count: usize) -> Vec<Span> {
        let now = SystemTime::now();
        let span = Span {
            trace: 1,
            id: 1,
            parent: 0,
            remote: false,
            flags: 1,
            state: None,
            name: String::new(),
            kind: Kind::Server,
            time: (now, now),
            facts: Vec::new(),
            events: Vec::new(),
            failed: false,
        };
        vec![span; count]
    }

    #[test]
    fn what_has_no_room_is_dropped_and_counted_and_room_comes_back() {
        let queue = queue();
        for _ in 0..WAITING / 4 {
            queue.push(spans(4));
        }
        assert_eq!(queue.counts.full.get(), 0);
        queue.push(spans(3));
        assert_eq!(queue.counts.full.get(), 3);
        assert_eq!(queue.take(6).len(), 8, "a request's spans stay together");
        queue.push(spans(8));
        assert_eq!(queue.counts.full.get(), 3);
        let mut left = 0;
        loop {
            match queue.take(512).len() {
                0 => break,
                some => left += some,
            }
        }
        assert_eq!(left, WAITING);
        assert!(queue.take(512).is_empty());
    }

    #[test]
    fn the_end_is_not_waited_for_beyond_its_bound() {
        let (queue, began) = (queue(), Instant::now());
        queue.push(spans(1));
        // Nobody sends.
        queue.flush();
        assert!(began.elapsed() >= LAST_SPANS && queue.is_flushing());
        queue.flushed();
        assert!(!queue.is_flushing());
    }
}
