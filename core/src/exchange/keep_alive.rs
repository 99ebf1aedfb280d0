//! Comments to the client of a stream that is silent, for what stands between and cuts quiet connections.
//!
//! They begin with the first content: until then the response's head is held back, so that a failure can still be an
//! HTTP status. They come between whole events, and none after the terminal. Nothing is fed by them: no clock of the
//! upstream, and not the watchdog, which counts what comes from the upstream alone.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep, sleep};

/// The timer of one stream. What is sent does not move it: it fires, looks, and sleeps on.
pub(super) struct KeepAlive {
    every: Duration,
    comment: &'static [u8],
    sent: Instant,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    /// `comment`: what the client's dialect has for it. `None` where `every` is zero: a stream without it has no timer.
    pub(super) fn every(every: Duration, comment: &'static [u8]) -> Option<Self> {
        (!every.is_zero()).then(|| Self {
            every,
            comment,
            sent: Instant::now(),
            timer: Box::pin(sleep(every)),
        })
    }

    /// Something went to the client.
    pub(super) fn sent(&mut self) {
        self.sent = Instant::now();
    }

    /// The comment, when nothing was sent for so long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let due = self.sent + self.every;
            if due <= now {
                self.sent = now;
                self.timer.as_mut().reset(now + self.every);
                return Poll::Ready(Bytes::from_static(self.comment));
            }
            self.timer.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    const S: Duration = Duration::from_secs(1);
    const COMMENT: &[u8] = b": quiet\n\n";

    #[tokio::test(start_paused = true)]
    async fn comments_come_after_silence_alone() {
        let mut quiet = KeepAlive::every(10 * S, COMMENT).unwrap();
        let began = Instant::now();
        for _ in 0..8 {
            tokio::time::advance(4 * S).await;
            quiet.sent();
        }
        assert_eq!(poll_fn(|cx| quiet.poll(cx)).await, COMMENT);
        assert_eq!(began.elapsed().as_secs(), 8 * 4 + 10);
        assert_eq!(poll_fn(|cx| quiet.poll(cx)).await, COMMENT);
        assert_eq!(began.elapsed().as_secs(), 8 * 4 + 20);
    }

    #[test]
    fn zero_is_off() {
        assert!(KeepAlive::every(Duration::ZERO, COMMENT).is_none());
    }
}
