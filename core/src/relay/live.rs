//! A source with its clocks running.

use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_host::Stream;
use tokio::time::Instant;

use super::clocks::{Clocks, Expired};
use super::reader::{Spent, Step};
use super::source::Source;
use super::translator::Translator;
use crate::dialects::Usage;

/// How long an upstream may hold its connection open after it has said why every choice ended.
const FINISH_GRACE: Duration = Duration::from_secs(5);

/// The same where the usage and the dialect's own end are still to come: an upstream that is slow, not one that is done.
const PASSED_GRACE: Duration = Duration::from_secs(15);

/// How long the end of the body may follow the terminal marker before its connection is given up.
const DRAIN_GRACE: Duration = Duration::from_millis(200);

/// The stream of one attempt, bounded in time.
pub struct Live<T = Stream> {
    source: Source<T>,
    clocks: Clocks,
    /// The request's time was over when the last data came.
    overdue: bool,
}

/// What a poll of a stream came to.
#[derive(Debug)]
pub struct Moved {
    /// The step.
    pub step: Poll<Step>,
    /// Bytes that the upstream sent.
    pub received: u64,
}

impl<T: Translator> Live<T> {
    /// `clocks` run since the call.
    pub fn new(source: Source<T>, clocks: Clocks) -> Self {
        Self { source, clocks, overdue: false }
    }

    /// The next step, or the failure of a clock.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Moved {
        if self.overdue {
            return Moved { step: Poll::Ready(Step::Failed(self.clocks.total_over())), received: 0 };
        }
        let step = self.source.poll_step(cx);
        let received = self.source.take_received();
        let content = matches!(step, Poll::Ready(Step::Data { content: true, .. }));
        if received > 0 || content || self.source.take_answered() {
            let now = Instant::now();
            if received > 0 {
                self.clocks.byte(now);
            }
            if content {
                self.clocks.content(now);
            }
            if matches!(step, Poll::Ready(Step::Data { .. })) && !self.source.finished() {
                self.overdue = self.clocks.is_overdue(now);
            }
            if self.source.finished() {
                let wait = if self.source.is_translated() { FINISH_GRACE } else { PASSED_GRACE };
                self.clocks.grace(now, self.clocks.patience(wait));
            } else {
                self.clocks.no_grace();
            }
        }
        let step = match step {
            Poll::Ready(step) => Poll::Ready(step),
            Poll::Pending => match self.clocks.poll(cx) {
                Poll::Ready(Expired::Clock(failure)) => Poll::Ready(Step::Failed(failure)),
                Poll::Ready(Expired::Grace) => self.source.poll_concluded(cx),
                Poll::Pending => Poll::Pending,
            },
        };
        Moved { step, received }
    }

    /// See [`Source::take_done`].
    pub fn take_done(&mut self) -> bool {
        self.source.take_done()
    }

    /// See [`Source::noted`].
    pub fn noted(&self) -> Usage {
        self.source.noted()
    }

    /// The answer is complete: waits a moment for the upstream's own end, so that its connection can be used again.
    pub fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.source.poll_drained(cx).is_ready() {
            return Poll::Ready(());
        }
        self.clocks.grace(Instant::now(), DRAIN_GRACE);
        self.clocks.poll(cx).map(drop)
    }

    /// See [`Source::spent`].
    pub fn spent(&self) -> Spent {
        self.source.spent()
    }

    /// The stream is over; `failed`: not with its normal end.
    pub fn close(self, failed: bool) {
        self.source.close(failed);
    }
}
