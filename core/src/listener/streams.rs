//! The tasks of single HTTP/2 streams, bounded in what hyper leaves unbounded.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Instant, sleep};

use super::LAST_WORDS;
use crate::exchange::outlet;
use crate::gateway::{Gateway, Nudges};

/// Spawns them.
#[derive(Clone)]
pub(super) struct Streams {
    gateway: Arc<Gateway>,
}

impl Streams {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self { gateway }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let idle = self.gateway.routes.load().config.tidegate.clocks.client_idle;
        tokio::spawn(outlet::watched(bounded(stream, idle, self.gateway.nudges())));
    }
}

/// `idle` holds until the stream's model group is known, which may have a clock of its own.
///
/// Drops `stream`, which resets it, when its client has not come for more for `idle`, or, once it is ended by hand, has not
/// taken its last words in their time. Nudges make it look up, to find whether it is to end.
async fn bounded(stream: impl Future<Output = ()>, idle: Duration, mut nudges: Nudges) {
    let (mut stream, mut timer) = (pin!(stream), pin!(sleep(idle)));
    let mut until = None;
    let mut served = pin!(poll_fn(move |cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if until.is_none() && outlet::is_hurried() {
            until = Some(Instant::now() + LAST_WORDS);
        }
        let Some(since) = outlet::given_since() else { return Poll::Pending };
        let at = since + outlet::patience().unwrap_or(idle);
        let at = until.map_or(at, |until| at.min(until));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }));
    loop {
        tokio::select! {
            () = served.as_mut() => return,
            () = nudges.next() => {}
        }
    }
}
