//! The HTTP response of a request.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use hyper::body::{Frame, SizeHint};

use super::stream::Streaming;
use super::{Exchange, Outcome};
use crate::dialects::Dialect;
use crate::failure::Failure;
use crate::metrics::Ending;
use crate::routing::group::seed;

/// A response body: all at once, or a stream that goes on.
pub enum Body {
    /// At once.
    Whole(Option<Bytes>),
    /// In pieces.
    Stream(Streaming),
}

impl Body {
    /// Bytes of a whole one that has not been read; 0 of a stream.
    pub fn len(&self) -> u64 {
        match self {
            Body::Whole(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Body::Stream(_) => 0,
        }
    }

    /// Whether that is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Body::Whole(Some(bytes.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    /// A stream that fails says so in its dialect and then ends.
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Body::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Body::Stream(stream) => {
                stream.poll_bytes(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Body::Stream(_) => SizeHint::default(),
        }
    }
}

/// The error of a request that has no exchange.
pub fn error(dialect: Dialect, failure: &Failure) -> Response<Body> {
    error_of(dialect, failure, seed())
}

/// The error of the request whose id is made of `seed`. Its status is the one to be counted and logged: a dialect may have
/// another than the failure's.
pub fn error_of(dialect: Dialect, failure: &Failure, seed: u64) -> Response<Body> {
    let id = request_id(seed);
    let mut response = Response::new(Body::from(dialect.identified_error(failure, &id)));
    let status = dialect.status(failure);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let headers = response.headers_mut();
    identify(dialect, headers, &id);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(delay) = failure.retry_after.or(is_busy(status).then_some(AT_LEAST)) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds(delay)));
    }
    response
}

/// A request's id: Anthropic's form, since its SDKs are those that show one. Clients get it in a header, where their dialect
/// has one, and the access log has it.
pub fn request_id(seed: u64) -> String {
    format!("req_{seed:016x}")
}

fn identify(dialect: Dialect, headers: &mut HeaderMap, id: &str) {
    if let (Some(name), Ok(id)) = (dialect.id_header(), HeaderValue::try_from(id)) {
        headers.insert(name, id);
    }
}

/// What a client is told at least: an SDK takes 0 for "not said".
const AT_LEAST: Duration = Duration::from_secs(1);

/// The statuses that say "later", and so have to say when.
fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 503 | 529)
}

/// Retry-After is in whole seconds: rounded up, never sooner than asked.
fn seconds(delay: Duration) -> u64 {
    let delay = delay.max(AT_LEAST);
    delay.as_secs() + u64::from(delay.subsec_nanos() > 0)
}

impl Exchange {
    pub(super) fn reply(mut self, outcome: Outcome) -> Response<Body> {
        self.answered = !matches!(outcome, Outcome::Failed(_));
        let told = self.told();
        let mut dropped = HeaderMap::new();
        self.tell_drops(&mut dropped);
        let mut response = self.answer(outcome);
        response.headers_mut().extend(dropped);
        if let Some(told) = told {
            told.put(response.headers_mut());
        }
        response
    }

    /// An answer that no provider gave.
    pub(super) fn guess(self, body: Bytes) -> Response<Body> {
        let mut response = self.reply(Outcome::Whole(body));
        response.headers_mut().insert("x-tidegate-estimate", HeaderValue::from_static("true"));
        response
    }

    fn answer(mut self, outcome: Outcome) -> Response<Body> {
        match outcome {
            Outcome::Whole(body) => {
                self.bytes_to_client += body.len() as u64;
                self.finish(200, Ending::Complete);
                let mut response = Response::new(Body::Whole(Some(body)));
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                identify(self.request.dialect, headers, &request_id(self.visit.seed));
                response
            }
            Outcome::Stream(opened) => {
                let kind =
                    if self.request.array { "application/json" } else { "text/event-stream; charset=utf-8" };
                let (dialect, id) = (self.request.dialect, request_id(self.visit.seed));
                let mut response = Response::new(Body::Stream(Streaming::new(self, opened)));
                let headers = response.headers_mut();
                identify(dialect, headers, &id);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                // A proxy of nginx's kind in front must not hold the stream back.
                headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
                response
            }
            Outcome::Failed(mut failure) => {
                if is_busy(self.request.dialect.status(&failure)) {
                    let wait = failure.retry_after.max(self.group.cooldown()).unwrap_or(AT_LEAST);
                    failure.retry_after = Some(wait);
                    if failure.status == 429 {
                        let told_ms = seconds(wait).saturating_mul(1000);
                        let who = || self.visit.who.label();
                        self.gateway.clients.told(&self.caller.identity, who, &self.group.name, told_ms);
                    }
                }
                self.visit.facts.error = Some(failure.kind());
                let mut response = error_of(self.request.dialect, &failure, self.visit.seed);
                self.finish(response.status().as_u16(), Ending::Error);
                self.bytes_to_client += response.body().len();
                if self.is_spent(&failure) {
                    response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
                }
                response
            }
        }
    }

    /// Whether a client's own retries would only multiply what was tried here, or cannot help. The official SDKs obey.
    fn is_spent(&self, failure: &Failure) -> bool {
        self.engine.attempts() > 1 || self.spending.starved || failure.quota
    }
}

#[cfg(test)]
mod tests {
    use tidegate_engine::ErrorClass;

    use super::*;

    fn told(failure: &Failure) -> Option<String> {
        let response = error(Dialect::OpenAiChat, failure);
        response.headers().get(RETRY_AFTER).map(|wait| wait.to_str().unwrap().to_owned())
    }

    #[test]
    fn who_says_later_says_when() {
        for status in [429, 503] {
            let bare = Failure::refusal(status, "m");
            assert_eq!(told(&bare).as_deref(), Some("1"), "{status}");
            for (wait_ms, want) in [(0, "1"), (50, "1"), (1000, "1"), (1001, "2"), (90_000, "90")] {
                let waits = bare.clone().retry_after(Duration::from_millis(wait_ms));
                assert_eq!(told(&waits).as_deref(), Some(want), "{status} {wait_ms}");
            }
        }
        assert_eq!(told(&Failure::shutdown()).as_deref(), Some("1"));
        let overload = Failure { class: ErrorClass::Overloaded, ..Failure::refusal(500, "m") };
        let response = error(Dialect::AnthropicMessages, &overload);
        assert_eq!((response.status().as_u16(), response.headers().contains_key(RETRY_AFTER)), (529, true));
        for status in [400, 401, 404, 408, 413, 500, 502, 504] {
            assert_eq!(told(&Failure::refusal(status, "m")), None, "{status}: nobody asked for a wait");
        }
    }
}
