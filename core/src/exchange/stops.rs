//! What ends a request from outside, whatever it waits for: a verdict, or a shutdown.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use tidegate_watchdog::Probe;

use super::Exchange;
use crate::failure::Failure;
use crate::gateway::Gateway;

/// Both, for one request.
pub(super) struct Stops {
    probe: Probe,
    gateway: Arc<Gateway>,
}

impl Exchange {
    pub(super) fn stops(&self) -> Stops {
        Stops { probe: self.probe.clone(), gateway: self.gateway.clone() }
    }
}

impl Stops {
    /// What `work` gives, unless one of them comes first: looked at before each of its polls. It is pinned where it is made:
    /// a future that takes another by value holds it twice.
    pub(super) async fn before<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> Result<T, Failure> {
        poll_fn(|cx| match self.probe.verdict() {
            Some(rule) => Poll::Ready(Err(Failure::aborted(rule))),
            None if self.gateway.is_cut() => Poll::Ready(Err(Failure::shutdown())),
            None => work.as_mut().poll(cx).map(Ok),
        })
        .await
    }
}
