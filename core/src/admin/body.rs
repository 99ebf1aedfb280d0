//! What the admin port answers with: a whole text, or snapshots without end.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::time::{Interval, MissedTickBehavior};

use super::status;
use crate::gateway::Gateway;

/// Between two snapshots.
const PACE: Duration = Duration::from_secs(1);

pub(super) enum Answer {
    Whole(Option<Bytes>),
    Live { gateway: Arc<Gateway>, pace: Interval },
}

impl Answer {
    /// Server-sent events, each `data:` with the JSON of `/api/status`. They end with the connection.
    pub(super) fn live(gateway: &Arc<Gateway>) -> Self {
        let mut pace = tokio::time::interval(PACE);
        // A reader that was slow gets what is so now.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::Live { gateway: gateway.clone(), pace }
    }
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
            Self::Live { gateway, pace } => {
                ready!(pace.poll_tick(cx));
                let event = format!("data: {}\n\n", status::snapshot(gateway));
                Poll::Ready(Some(Ok(Frame::data(event.into()))))
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
