//! The waker must lose no wake-up, whatever the moment. A broken variant shows that these tests would notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use atomic_waker::AtomicWaker;

use super::{InlineWaker, REPOLLS};

/// What the tests ask of a waker, so that broken ones can stand in for it.
trait Inline: Send + Sync + 'static {
    fn inner(&self) -> Waker;
    fn poll_with(
        &self,
        cx: &Context<'_>,
        step: &mut dyn FnMut(&mut Context<'_>) -> Poll<usize>,
    ) -> Poll<usize>;
}

impl Inline for InlineWaker {
    fn inner(&self) -> Waker {
        self.waker().clone()
    }

    fn poll_with(
        &self,
        cx: &Context<'_>,
        step: &mut dyn FnMut(&mut Context<'_>) -> Poll<usize>,
    ) -> Poll<usize> {
        self.poll(cx, step)
    }
}

/// Broken: sleeps without looking whether it was woken meanwhile.
struct Deaf(Arc<DeafGate>);

#[derive(Default)]
struct DeafGate {
    polling: AtomicU8,
    task: AtomicWaker,
}

impl Wake for DeafGate {
    fn wake(self: Arc<Self>) {
        if self.polling.load(Ordering::SeqCst) == 0 {
            self.task.wake();
        }
    }
}

impl Inline for Deaf {
    fn inner(&self) -> Waker {
        Waker::from(Arc::clone(&self.0))
    }

    fn poll_with(
        &self,
        cx: &Context<'_>,
        step: &mut dyn FnMut(&mut Context<'_>) -> Poll<usize>,
    ) -> Poll<usize> {
        self.0.task.register(cx.waker());
        self.0.polling.store(1, Ordering::SeqCst);
        let polled = step(&mut Context::from_waker(&self.inner()));
        self.0.polling.store(0, Ordering::SeqCst);
        polled
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A wake that comes after the step has looked and before the poll sleeps: is it acted upon?
fn keeps_a_late_wake(inline: &impl Inline) -> bool {
    let outside = Arc::new(Count::default());
    let task = Waker::from(Arc::clone(&outside));
    let mut steps = 0;
    let polled = inline.poll_with(&Context::from_waker(&task), &mut |cx| {
        steps += 1;
        if steps == 2 {
            return Poll::Ready(steps);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    polled.is_ready() || outside.0.load(Ordering::SeqCst) > 0
}

#[test]
fn a_wake_during_the_poll_polls_again_in_place() {
    assert!(keeps_a_late_wake(&InlineWaker::new()));
    assert!(!keeps_a_late_wake(&Deaf(Arc::default())), "the broken variant must be noticed");
}

#[test]
fn a_step_that_wakes_itself_for_ever_yields() {
    let inline = InlineWaker::new();
    let outside = Arc::new(Count::default());
    let task = Waker::from(Arc::clone(&outside));
    let mut steps = 0;
    let polled: Poll<()> = inline.poll(&Context::from_waker(&task), |cx| {
        steps += 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    assert!(polled.is_pending());
    assert_eq!((steps, outside.0.load(Ordering::SeqCst)), (REPOLLS, 1));
}

#[test]
fn between_polls_a_wake_reaches_the_latest_task_once() {
    let inline = InlineWaker::new();
    let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
    for outside in [&first, &second] {
        let task = Waker::from(Arc::clone(outside));
        let polled: Poll<()> = inline.poll(&Context::from_waker(&task), |_| Poll::Pending);
        assert!(polled.is_pending());
    }
    inline.waker().wake_by_ref();
    inline.waker().wake_by_ref();
    let woken = |count: &Count| count.0.load(Ordering::SeqCst);
    assert_eq!((woken(&first), woken(&second)), (0, 1));

    inline.forget_task();
    assert_eq!(Arc::strong_count(&first), 1, "a pooled connection keeps no task alive");
}

/// Another thread counts up and wakes after each step; the poller must see the last count without any help.
fn survives_a_storm(inline: Arc<impl Inline>, rounds: usize, patience: Duration) -> bool {
    let count = Arc::new(AtomicUsize::new(0));
    let lost = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (seen_tx, seen_rx) = std::sync::mpsc::channel();
    let storm = std::thread::spawn({
        let (count, waker) = (Arc::clone(&count), inline.inner());
        move || {
            for n in 1..=rounds {
                count.store(n, Ordering::Relaxed);
                waker.wake_by_ref();
                // One wake per count, and none to follow: a lost one leaves the poller asleep for good.
                if seen_rx.recv_timeout(patience) != Ok(n) {
                    return;
                }
            }
        }
    });
    runtime.block_on(async {
        for expected in 1..=rounds {
            let seen = std::future::poll_fn(|cx| {
                inline.poll_with(cx, &mut |_| match count.load(Ordering::Relaxed) {
                    n if n >= expected => Poll::Ready(n),
                    _ => Poll::Pending,
                })
            });
            match tokio::time::timeout(patience, seen).await {
                Ok(n) => drop(seen_tx.send(n)),
                Err(_) => return lost.store(true, Ordering::SeqCst),
            }
        }
    });
    drop(seen_tx);
    storm.join().unwrap();
    !lost.load(Ordering::SeqCst)
}

/// Broken: notices a wake only if it comes while no poll is running, and gives the other thread time to prove it.
struct Slow(Deaf);

impl Inline for Slow {
    fn inner(&self) -> Waker {
        self.0.inner()
    }

    fn poll_with(
        &self,
        cx: &Context<'_>,
        step: &mut dyn FnMut(&mut Context<'_>) -> Poll<usize>,
    ) -> Poll<usize> {
        self.0.poll_with(cx, &mut |cx| {
            let polled = step(cx);
            for _ in 0..10 {
                std::thread::yield_now();
            }
            polled
        })
    }
}

#[test]
fn no_wake_from_another_thread_is_lost() {
    assert!(survives_a_storm(Arc::new(InlineWaker::new()), 20_000, Duration::from_secs(30)));
    let broken = Arc::new(Slow(Deaf(Arc::default())));
    assert!(
        !survives_a_storm(broken, 20_000, Duration::from_millis(300)),
        "the broken variant must be noticed"
    );
}
