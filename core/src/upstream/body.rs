//! The one body type that the relay sees, whatever carries it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::error::BodyError;
use super::h1::H1Body;
use super::h2::H2Body;

/// A response body. Frames are pulled: nothing is read from the upstream beyond small fixed buffers while this is not
/// polled.
///
/// Its end (`None`) means that the upstream ended it as its framing demands. Dropping it before that closes the
/// HTTP/1.1 connection or resets the HTTP/2 stream, which is how a call is cancelled; after `[DONE]` or the like, use
/// [`Body::finish`] instead, which keeps the connection if it can.
pub struct Body {
    kind: Kind,
}

enum Kind {
    H1(H1Body),
    H2(H2Body),
    #[cfg(test)]
    Script(std::collections::VecDeque<Scripted>),
}

/// What a poll of a test's body gives; after the last one it is pending for ever.
#[cfg(test)]
pub(crate) type Scripted = Poll<Option<Result<Bytes, BodyError>>>;

/// Frames that [`Body::finish`] throws away before it gives up on the connection.
const FINISH_FRAMES: usize = 4;

impl Body {
    pub(super) fn h1(body: H1Body) -> Self {
        Self { kind: Kind::H1(body) }
    }

    pub(super) fn h2(body: H2Body) -> Self {
        Self { kind: Kind::H2(body) }
    }

    #[cfg(test)]
    pub(crate) fn script(polls: impl IntoIterator<Item = Scripted>) -> Self {
        Self { kind: Kind::Script(polls.into_iter().collect()) }
    }

    /// For a reader that has all it needs: takes the end of the body if it has already arrived, so that the connection
    /// can be used again, and never waits for it.
    pub fn finish(mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..FINISH_FRAMES {
            match self.poll(&mut cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None | Some(Err(_))) | Poll::Pending => return,
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.kind {
            Kind::H1(body) => body.poll_frame(cx),
            Kind::H2(body) => body.poll_frame(cx),
            #[cfg(test)]
            Kind::Script(polls) => match polls.pop_front() {
                Some(Poll::Pending) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Some(frame) => frame.map(|frame| frame.map(|read| read.map(Frame::data))),
                None => Poll::Pending,
            },
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.get_mut().poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::H1(body) => body.is_end_stream(),
            Kind::H2(body) => body.is_end_stream(),
            #[cfg(test)]
            Kind::Script(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::H1(body) => body.size_hint(),
            Kind::H2(body) => body.size_hint(),
            #[cfg(test)]
            Kind::Script(_) => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            Kind::H1(_) => "Body(HTTP/1.1)",
            Kind::H2(_) => "Body(HTTP/2)",
            #[cfg(test)]
            Kind::Script(_) => "Body(script)",
        };
        f.write_str(name)
    }
}
