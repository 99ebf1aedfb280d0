//! Reads a request's body, bounded in size and in time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

use crate::failure::Failure;
use crate::gateway::Gateway;

/// Why there is no body.
pub(super) enum Unread {
    /// The client is to be told.
    Refused(Failure),
    /// The client is gone.
    Left,
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// The whole body. `idle`: the longest wait for its next piece; `total`: for all of it. The end of a drain ends it.
pub(super) async fn read(
    gateway: &Gateway,
    mut body: Incoming,
    limit: u64,
    idle: Duration,
    total: Duration,
) -> Result<Bytes, Unread> {
    let deadline = Instant::now() + total;
    let too_long = || Failure::refusal(413, format!("the request is longer than {limit} bytes"));
    if body.size_hint().lower() > limit {
        return Err(too_long().into());
    }
    let mut whole = BytesMut::new();
    loop {
        let wait = deadline.min(Instant::now() + idle);
        // The end of a drain has every connection polled.
        let frame = poll_fn(|cx| match gateway.is_cut() {
            true => Poll::Ready(Err(Failure::shutdown())),
            false => Pin::new(&mut body).poll_frame(cx).map(Ok),
        });
        let frame = tokio::time::timeout_at(wait, frame).await;
        let frame = frame.map_err(|_| Failure::refusal(408, "the request's body did not come"))??;
        let Some(frame) = frame else { return Ok(whole.freeze()) };
        let frame = frame.map_err(|_| Unread::Left)?;
        let Ok(data) = frame.into_data() else { continue };
        if (whole.len() + data.len()) as u64 > limit {
            return Err(too_long().into());
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
}
