//! What the admin port answers with: a whole text, or snapshots without end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::status;
use crate::gateway::Gateway;

/// Between two snapshots.
const PACE: Duration = Duration::from_secs(1);

/// How long one who watches gets snapshots; the page comes back for more.
pub(super) const LONGEST: Duration = Duration::from_secs(600);

/// Who may watch at once. Probes and scrapes need seats too.
const WATCHERS: usize = 16;

/// The snapshots that all who watch share: with thousands of streams, one is work.
pub(super) struct Snapshots {
    gateway: Arc<Gateway>,
    seats: Arc<Semaphore>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Snapshots {
    pub(super) fn new(gateway: Arc<Gateway>) -> Arc<Self> {
        Arc::new(Self { gateway, seats: Arc::new(Semaphore::new(WATCHERS)), last: Mutex::default() })
    }

    /// Server-sent events, each `data:` with the JSON of `/api/status`. They end after [`LONGEST`], and when another process
    /// serves: who comes back is shown that one. `None`: too many watch.
    pub(super) fn watch(self: &Arc<Self>) -> Option<Answer> {
        let seat = self.seats.clone().try_acquire_owned().ok()?;
        let mut pace = tokio::time::interval(PACE);
        // A reader that was slow gets what is so now.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(Answer::Live { snapshots: self.clone(), pace, until: Instant::now() + LONGEST, _seat: seat })
    }

    /// No older than half the time between two, so that nobody is given one twice.
    fn event(&self) -> Bytes {
        let mut last = self.last.lock();
        match &*last {
            Some((made, event)) if made.elapsed() < PACE / 2 => event.clone(),
            _ => {
                let event = Bytes::from(format!("data: {}\n\n", status::snapshot(&self.gateway)));
                *last = Some((Instant::now(), event.clone()));
                event
            }
        }
    }
}

pub(super) enum Answer {
    Whole(Option<Bytes>),
    Live { snapshots: Arc<Snapshots>, pace: Interval, until: Instant, _seat: OwnedSemaphorePermit },
}

impl From<Bytes> for Answer {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Live { snapshots, pace, until, .. } => {
                let now = ready!(pace.poll_tick(cx));
                let goes_on = now < *until && !snapshots.gateway.has_left();
                Poll::Ready(goes_on.then(|| Ok(Frame::data(snapshots.event()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Live { .. } => SizeHint::default(),
        }
    }
}
