//! What the host hands to a provider, borrowed for one call.

use core::ops::Range;

use crate::{Dialect, Fault, Framing, Phase};

/// HTTP headers. Names are in lower case; a pair that is not UTF-8 is left out.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a>(pub Vec<(&'a str, &'a str)>);

impl<'a> Headers<'a> {
    /// The first value of `name`, which is in lower case.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// A request to be sent.
#[derive(Clone, Debug, Default)]
pub struct RequestIn<'a> {
    /// The client wants a stream.
    pub stream: bool,
    /// Of `body`: one that the manifest lists, else [`Dialect::OpenAiChat`].
    pub dialect: Dialect,
    /// The upstream's name of the model.
    pub model: &'a str,
    /// A JSON object; the deployment's default parameters are merged in already.
    pub body: &'a [u8],
    /// Where the value of the top-level `model` stands in `body`, quotes included, when the host knows.
    pub model_span: Option<Range<usize>>,
    /// The client's headers that are meant for the provider.
    pub headers: Headers<'a>,
}

/// The head of a 2xx answer.
#[derive(Clone, Debug, Default)]
pub struct HeadIn<'a> {
    /// The status.
    pub http_status: u32,
    /// The client's dialect.
    pub dialect: Dialect,
    /// As it was resolved.
    pub framing: Framing,
    /// The name of the model that the client asked for.
    pub model: &'a str,
    /// The upstream's headers.
    pub headers: Headers<'a>,
    /// The wall clock when the head came, in milliseconds since 1970.
    pub unix_ms: u64,
    /// A random number, for ids.
    pub seed: u64,
}

/// One event of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventIn<'a> {
    /// The framing did not understand this text.
    pub stray: bool,
    /// SSE `event:`, AWS `:event-type`; else empty.
    pub name: &'a str,
    /// Its data.
    pub data: &'a [u8],
}

impl<'a> EventIn<'a> {
    /// The data as text; [`Fault::Protocol`] when it is not UTF-8.
    pub fn text(&self) -> Result<&'a str, Fault> {
        core::str::from_utf8(self.data).map_err(|_| Fault::Protocol("the event is not UTF-8"))
    }
}

/// A failed attempt, to be classified.
#[derive(Clone, Debug, Default)]
pub struct FailureIn<'a> {
    /// Where it failed.
    pub phase: Phase,
    /// The status of the response, 200 for a failure inside a stream.
    pub http_status: u32,
    /// The upstream's headers.
    pub headers: Headers<'a>,
    /// The event's name, when the phase is [`Phase::Stream`].
    pub event: &'a str,
    /// The body, cut at a cap; or the event's data.
    pub body: &'a [u8],
    /// The wall clock, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Bytes that the client had got.
    pub bytes_to_client: u64,
}
