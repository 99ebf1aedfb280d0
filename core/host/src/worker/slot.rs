//! Where a caller waits for a worker's answer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use parking_lot::Mutex;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The worker ended. A clause whose subject is the worker.
    Ended(String),
    /// There is none, or too much waits for it.
    Away,
    /// The call is longer than a frame may be.
    Long,
}

/// An answer's payload, and the number of the worker that gave it.
pub(crate) type Answered = Result<(Vec<u8>, u64), Failed>;

#[derive(Debug, Default)]
struct Inside {
    answer: Option<Answered>,
    waker: Option<Waker>,
}

/// Holds one answer until it is fetched.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Inside>);

impl Slot {
    /// Gives the answer, and returns who is to be woken. The first answer stays.
    #[must_use]
    pub(crate) fn fill(&self, answer: Answered) -> Option<Waker> {
        let mut inside = self.0.lock();
        inside.answer.get_or_insert(answer);
        inside.waker.take()
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Answered> {
        let mut inside = self.0.lock();
        if let Some(answer) = inside.answer.take() {
            return Poll::Ready(answer);
        }
        match &mut inside.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

/// Waits for the answer in a slot.
#[derive(Debug)]
pub(crate) struct Waiting(pub(crate) Arc<Slot>);

impl Future for Waiting {
    type Output = Answered;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        self.0.poll(cx)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Blocks this thread until a worker answers; that is bounded by its deadlines. Never on a thread that serves.
pub(crate) fn wait<T>(call: impl Future<Output = T>) -> T {
    let mut call = pin!(call);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        match call.as_mut().poll(&mut cx) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
