//! The clocks of one upstream answer, on a single timer.
//!
//! A clock that is fed does not move the timer: the timer fires at the earliest deadline there could be, looks again, and
//! sleeps on. An event costs one read of the time. To move a timer forward costs more: a lock that all workers share, and a
//! wake of the one that waits for IO. So it begins at the shortest of its limits, and what is shorter still is set
//! when there is nothing to relay: measured, a stream that came at once woke a worker for the grace that it never needed.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::failure::{Clock, Failure};

/// The limits of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the call to its first content.
    pub first_content: Duration,
    /// Between two contents.
    pub content_idle: Duration,
    /// Between two bytes, from the first body byte on.
    pub byte_idle: Duration,
}

/// The running clocks.
#[derive(Debug)]
pub struct Clocks {
    limits: Limits,
    total: Duration,
    deadline: Instant,
    called: Instant,
    content: Option<Instant>,
    byte: Option<Instant>,
    /// Set once the answer is complete but for the upstream's own end.
    grace: Option<Instant>,
    /// The earliest deadline; the timer is set to it when it is looked at.
    earliest: Instant,
    timer: Pin<Box<Sleep>>,
}

/// What ran out.
#[derive(Debug)]
pub enum Expired {
    /// A clock.
    Clock(Failure),
    /// The grace: nothing is missing but the end itself.
    Grace,
}

impl Clocks {
    /// Starts them at `now`, for a request that began `total` before `deadline`.
    pub fn start(limits: Limits, total: Duration, deadline: Instant, now: Instant) -> Self {
        let shortest = limits.first_content.min(limits.content_idle).min(limits.byte_idle);
        let earliest = (now + shortest).min(deadline);
        Self {
            limits,
            total,
            deadline,
            called: now,
            content: None,
            byte: None,
            grace: None,
            earliest,
            timer: Box::pin(sleep_until(earliest)),
        }
    }

    /// A body byte came.
    pub fn byte(&mut self, now: Instant) {
        self.byte = Some(now);
        self.bring_forward(now + self.limits.byte_idle);
    }

    /// A content went to the client.
    pub fn content(&mut self, now: Instant) {
        self.content = Some(now);
        self.bring_forward(now + self.limits.content_idle);
    }

    /// Nothing but the upstream's end is missing: wait for it so long, or as long as was said before if that is
    /// shorter. No other clock counts any more.
    pub fn grace(&mut self, now: Instant, wait: Duration) {
        let until = self.grace.map_or(now + wait, |before| before.min(now + wait)).min(self.deadline);
        self.grace = Some(until);
        self.bring_forward(until);
    }

    /// `wait`, or what the upstream may be silent for if that is shorter: who has said how long a silence may be does not
    /// wait longer because the answer is nearly over.
    pub fn patience(&self, wait: Duration) -> Duration {
        wait.min(self.limits.byte_idle).min(self.limits.content_idle)
    }

    /// More than the end was missing.
    pub fn no_grace(&mut self) {
        self.grace = None;
    }

    /// Whether the whole request's time is over. This alone must be asked while there is always more to relay: the
    /// timer is looked at when there is nothing.
    pub fn is_overdue(&self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// The failure that it then is.
    pub fn total_over(&self) -> Failure {
        Failure::clock(Clock::Total, self.total)
    }

    /// Ready when one has run out.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Expired> {
        if self.earliest < self.timer.deadline() {
            self.timer.as_mut().reset(self.earliest);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let (at, clock, limit) = self.next();
            if at <= Instant::now() {
                return Poll::Ready(match clock {
                    Some(clock) => Expired::Clock(Failure::clock(clock, limit)),
                    None => Expired::Grace,
                });
            }
            self.earliest = at;
            self.timer.as_mut().reset(at);
        }
    }

    /// A clock that starts may end before the timer fires.
    fn bring_forward(&mut self, at: Instant) {
        self.earliest = self.earliest.min(at);
    }

    fn next(&self) -> (Instant, Option<Clock>, Duration) {
        if let Some(until) = self.grace {
            return (until, None, Duration::ZERO);
        }
        let content = match self.content {
            Some(last) => (last + self.limits.content_idle, Clock::ContentIdle, self.limits.content_idle),
            None => (self.called + self.limits.first_content, Clock::FirstContent, self.limits.first_content),
        };
        let mut next = (self.deadline, Some(Clock::Total), self.total);
        if content.0 < next.0 {
            next = (content.0, Some(content.1), content.2);
        }
        if let Some(last) = self.byte {
            let idle = last + self.limits.byte_idle;
            if idle < next.0 {
                next = (idle, Some(Clock::ByteIdle), self.limits.byte_idle);
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn clocks() -> Clocks {
        let now = Instant::now();
        let limits = Limits { first_content: 10 * S, content_idle: 5 * S, byte_idle: 2 * S };
        Clocks::start(limits, 60 * S, now + 60 * S, now)
    }

    async fn expired(clocks: &mut Clocks) -> String {
        match std::future::poll_fn(|cx| clocks.poll(cx)).await {
            Expired::Clock(failure) => failure.message,
            Expired::Grace => "grace".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_byte_only_the_first_content_counts() {
        let begin = Instant::now();
        assert!(expired(&mut clocks()).await.contains("no content from the upstream within 10s"));
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_feed_the_byte_clock_and_no_other() {
        let mut clocks = clocks();
        let begin = Instant::now();
        for _ in 0..20 {
            tokio::time::advance(Duration::from_millis(450)).await;
            clocks.byte(Instant::now());
        }
        assert!(expired(&mut clocks).await.contains("no content"));
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_starts_its_clock_when_the_timer_was_set_to_a_later_one() {
        let mut clocks = clocks();
        let begin = Instant::now();
        assert!(tokio::time::timeout(3 * S, expired(&mut clocks)).await.is_err());
        clocks.byte(Instant::now());
        assert!(expired(&mut clocks).await.contains("no byte for 2s"));
        assert_eq!(begin.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_is_moved_when_there_is_nothing_to_relay_and_not_before() {
        let mut clocks = clocks();
        let (now, before) = (Instant::now(), clocks.timer.deadline());
        assert_eq!(before, now + 2 * S, "no clock of its limits can end sooner");
        clocks.byte(now);
        clocks.content(now);
        clocks.grace(now, S);
        assert_eq!(clocks.timer.deadline(), before);
        assert_eq!(expired(&mut clocks).await, "grace");
        assert_eq!(now.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn content_feeds_its_own_clock() {
        let mut clocks = clocks();
        tokio::time::advance(9 * S).await;
        clocks.content(Instant::now());
        clocks.byte(Instant::now());
        let begin = Instant::now();
        assert!(expired(&mut clocks).await.contains("no byte for 2s"));
        assert_eq!(begin.elapsed().as_secs(), 2);
        clocks.byte(Instant::now());
        tokio::time::advance(Duration::from_millis(1900)).await;
        clocks.byte(Instant::now());
        tokio::time::advance(Duration::from_millis(900)).await;
        clocks.byte(Instant::now());
        assert!(expired(&mut clocks).await.contains("no further content for 5s"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_and_the_grace_end_it() {
        let now = Instant::now();
        let limits = Limits { first_content: 100 * S, content_idle: 100 * S, byte_idle: 100 * S };
        let mut long = Clocks::start(limits, 30 * S, now + 30 * S, now);
        assert!(expired(&mut long).await.contains("longer than 30s"));
        let now = Instant::now();
        let mut done = Clocks::start(limits, 30 * S, now + 30 * S, now);
        done.grace(now, 9 * S);
        done.grace(now, S);
        done.grace(now, 9 * S);
        assert_eq!(expired(&mut done).await, "grace");
        assert_eq!(now.elapsed().as_secs(), 1);
        assert!(!done.is_overdue(now + 29 * S));
        assert!(done.is_overdue(now + 30 * S));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_for_an_end_than_for_a_byte() {
        let clocks = clocks();
        assert_eq!((clocks.patience(S), clocks.patience(15 * S)), (S, 2 * S));
        let limits = Limits { byte_idle: 60 * S, ..clocks.limits };
        let now = Instant::now();
        assert_eq!(Clocks::start(limits, 60 * S, now + 60 * S, now).patience(15 * S), 5 * S);
    }

    #[tokio::test(start_paused = true)]
    async fn a_grace_that_was_taken_back_ends_nothing() {
        let mut clocks = clocks();
        let now = Instant::now();
        clocks.grace(now, S);
        clocks.no_grace();
        assert!(expired(&mut clocks).await.contains("no content"));
        assert_eq!(now.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_complete_answer_fails_by_no_clock() {
        let mut clocks = clocks();
        let now = Instant::now();
        clocks.byte(now);
        clocks.content(now);
        clocks.grace(now, 30 * S);
        assert_eq!(expired(&mut clocks).await, "grace");
        assert_eq!(now.elapsed().as_secs(), 30);
    }
}
