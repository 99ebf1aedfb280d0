//! HTTP/2 upstreams: one connection task per connection, many calls on each.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::error::{BodyError, SendError};
use super::h1::Failed;
use super::settings::Settings;
use super::stream::Stream;
use super::target::Origin;

/// Calls on one connection: hyper's own assumption before the peer's SETTINGS, and the least that RFC 9113 section 6.5.2
/// recommends a peer to allow. A call past it gets another connection instead of waiting.
const STREAMS: usize = 100;
/// What a stream may send before it is read. A reader that sleeps holds this much and no more.
const STREAM_WINDOW: u32 = 128 * 1024;
/// Room for every stream's window: readers that sleep must not stop the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS as u32;
/// A ping goes out after this long without a frame while calls are open: a dead path is noticed without traffic.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A handle to a connection whose task runs on its own. The task ends when the peer closes, or when the last handle and
/// the last call are gone.
#[derive(Clone)]
pub(super) struct H2Conn {
    sender: SendRequest<Full<Bytes>>,
    usage: Arc<Usage>,
}

struct Usage {
    calls: AtomicUsize,
    last: Mutex<Instant>,
}

/// One call's place on its connection.
pub(super) struct Place(Arc<Usage>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.last.lock() = Instant::now();
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
    }
}

impl H2Conn {
    pub(super) async fn handshake(
        origin: &Arc<Origin>,
        stream: Stream,
        settings: &Settings,
    ) -> Result<Self, SendError> {
        let max_header = u32::try_from(settings.max_header).unwrap_or(u32::MAX);
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(max_header)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| SendError::from_hyper(origin, &error))?;
        let peer = Arc::clone(origin);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(upstream = %peer, %error, "an HTTP/2 connection ended");
            }
        });
        let usage = Usage { calls: AtomicUsize::new(0), last: Mutex::new(Instant::now()) };
        Ok(Self { sender, usage: Arc::new(usage) })
    }

    /// A place for one more call; `None` when the connection is full.
    pub(super) fn place(&self) -> Option<Place> {
        let enter = |calls| (calls < STREAMS).then_some(calls + 1);
        let entered = self.usage.calls.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter);
        entered.ok().map(|_| Place(Arc::clone(&self.usage)))
    }

    pub(super) fn is_open(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether no call has used the connection since `since`.
    pub(super) fn is_idle_since(&self, since: Instant) -> bool {
        self.usage.calls.load(Ordering::Acquire) == 0 && *self.usage.last.lock() <= since
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.usage, &other.usage)
    }

    pub(super) async fn exchange(
        &mut self,
        origin: &Arc<Origin>,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, Failed> {
        self.sender.try_send_request(request).await.map_err(|mut failed| {
            let unsent = failed.take_message().is_some();
            let error = failed.into_error();
            let silent = unsent || refused(&error);
            Failed { error: SendError::from_hyper(origin, &error), silent }
        })
    }
}

/// Whether the peer says that it did not process the request (RFC 9113 section 8.7), or the connection died.
fn refused(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(h2) = inner.downcast_ref::<h2::Error>() {
            let reason = h2.reason();
            return h2.is_io()
                || reason == Some(h2::Reason::REFUSED_STREAM)
                || (h2.is_go_away() && reason == Some(h2::Reason::NO_ERROR));
        }
        source = inner.source();
    }
    error.is_canceled() || error.is_closed()
}

/// A response body on one stream of a connection. Dropping it resets that stream alone.
pub(super) struct H2Body {
    incoming: Option<Incoming>,
    place: Option<Place>,
}

impl H2Body {
    pub(super) fn new(incoming: Incoming, place: Place) -> Self {
        Self { incoming: Some(incoming), place: Some(place) }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(frame) => frame,
        };
        let result = match frame {
            Some(Ok(frame)) => return Poll::Ready(Some(Ok(frame))),
            Some(Err(error)) => Some(Err(BodyError::from_hyper(&error))),
            // hyper ends a body cleanly when the stream is reset with NO_ERROR, also in its middle.
            None if incoming.is_end_stream() || incoming.size_hint().exact() == Some(0) => None,
            None => Some(Err(BodyError::Incomplete)),
        };
        self.incoming = None;
        self.place = None;
        Poll::Ready(result)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> hyper::body::SizeHint {
        match &self.incoming {
            None => hyper::body::SizeHint::with_exact(0),
            Some(incoming) => incoming.size_hint(),
        }
    }
}
