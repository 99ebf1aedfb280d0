//! The waker of a connection that is polled inline from its response body.
//!
//! hyper's connection and its body are two halves of a channel: each wakes the other while the very task that polls
//! both is running. Passed to the runtime, every such wake is another trip through its queue; here it only says
//! "poll again, in place".

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use atomic_waker::AtomicWaker;

/// Nobody polls; a wake goes to the task.
const IDLE: u8 = 0;
/// A poll is running; a wake only leaves [`WOKEN`].
const POLLING: u8 = 1;
/// A bit beside either: there was a wake since the last poll began.
const WOKEN: u8 = 2;

/// In-place polls for one poll from outside (measured: 8 absorbs what a stream needs). Past it the task is woken
/// instead, so that one busy connection cannot keep its thread.
pub(super) const REPOLLS: usize = 8;

/// One per connection, kept while the connection is pooled, so that a request allocates none.
pub(super) struct InlineWaker {
    gate: Arc<Gate>,
    waker: Waker,
}

struct Gate {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Gate {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Always a write, even when the bit stands already: the poll that clears it must see what this thread wrote
        // before the wake.
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) == IDLE {
            self.task.wake();
        }
    }
}

impl InlineWaker {
    pub(super) fn new() -> Self {
        let gate = Arc::new(Gate { state: AtomicU8::new(IDLE), task: AtomicWaker::new() });
        Self { waker: Waker::from(Arc::clone(&gate)), gate }
    }

    /// The waker that `poll` hands to its step.
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// Runs `step` until it is ready or sleeps with no wake behind it.
    ///
    /// `step` must look at everything it waits for each time: wakes are counted once, not told apart.
    pub(super) fn poll<T>(
        &self,
        cx: &Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut inner = Context::from_waker(&self.waker);
        self.gate.state.swap(POLLING, Ordering::AcqRel);
        self.gate.task.register(cx.waker());
        for _ in 0..REPOLLS {
            if let Poll::Ready(value) = step(&mut inner) {
                self.gate.state.swap(IDLE, Ordering::AcqRel);
                return Poll::Ready(value);
            }
            let slept = self.gate.state.compare_exchange(POLLING, IDLE, Ordering::AcqRel, Ordering::Acquire);
            if slept.is_ok() {
                return Poll::Pending;
            }
            self.gate.state.swap(POLLING, Ordering::AcqRel);
        }
        self.gate.state.swap(IDLE, Ordering::AcqRel);
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Forgets the task, whose memory the stored waker would otherwise keep alive while the connection is pooled.
    pub(super) fn forget_task(&self) {
        drop(self.gate.task.take());
    }
}

#[cfg(test)]
#[path = "waker_tests.rs"]
mod tests;
