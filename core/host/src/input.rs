//! What the core lends a plugin for one call. Headers are laid out as the contract has them, so none is copied.

use std::marker::PhantomData;

use tidegate_plugin_abi as abi;

use crate::types::{Dialect, Framing, Phase};
use crate::wire::lend;

/// Bytes lent to a plugin, in the contract's own layout. Made with `into()` from `&str` or `&[u8]`.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Lent<'a>(abi::Str, PhantomData<&'a [u8]>);

// SAFETY: it is a `&'a [u8]` in another layout, and that is Send.
unsafe impl Send for Lent<'_> {}
// SAFETY: as above; `&[u8]` is Sync.
unsafe impl Sync for Lent<'_> {}

impl<'a> Lent<'a> {
    /// What is lent.
    pub fn as_bytes(&self) -> &'a [u8] {
        if self.0.len == 0 {
            return &[];
        }
        // SAFETY: made from a `&'a [u8]`, and there is no other way to make one that is not empty.
        unsafe { std::slice::from_raw_parts(self.0.ptr, self.0.len) }
    }
}

impl<'a> From<&'a [u8]> for Lent<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(lend(bytes), PhantomData)
    }
}

impl<'a> From<&'a str> for Lent<'a> {
    fn from(text: &'a str) -> Self {
        text.as_bytes().into()
    }
}

impl Default for Lent<'_> {
    fn default() -> Self {
        Self(abi::Str::EMPTY, PhantomData)
    }
}

/// A header lent to a plugin; names are in lower case.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Header<'a> {
    /// The name, in lower case.
    pub name: Lent<'a>,
    /// The value, any bytes.
    pub value: Lent<'a>,
}

impl<'a> Header<'a> {
    /// A header from its parts.
    pub fn new(name: &'a str, value: &'a [u8]) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

const _: () = assert!(
    size_of::<Header<'_>>() == size_of::<abi::Kv>()
        && std::mem::offset_of!(Header<'_>, value) == std::mem::offset_of!(abi::Kv, value)
);

fn kvs(headers: &[Header<'_>]) -> *const abi::Kv {
    headers.as_ptr().cast()
}

/// A client's request, for [`crate::ProviderInstance::request`].
#[derive(Clone, Debug)]
pub struct RequestIn<'a> {
    /// Of `body`: one that the manifest lists, else [`Dialect::OpenaiChat`].
    pub dialect: Dialect,
    /// The client asked for a stream.
    pub stream: bool,
    /// The upstream's name of the model.
    pub model: &'a str,
    /// A JSON object, the configuration's default parameters merged in.
    pub body: &'a [u8],
    /// Where the value of the top-level `"model"` stands in `body`, quotes included, when it is known.
    pub model_span: Option<std::ops::Range<usize>>,
    /// The client's headers that are meant for the provider.
    pub headers: &'a [Header<'a>],
}

impl RequestIn<'_> {
    pub(crate) fn raw(&self) -> abi::RequestInV1 {
        let span = self.model_span.clone().unwrap_or(0..0);
        abi::RequestInV1 {
            size: size_of::<abi::RequestInV1>() as u32,
            flags: if self.stream { abi::request::STREAM } else { 0 },
            dialect: self.dialect as u32,
            reserved: 0,
            model: lend(self.model.as_bytes()),
            body: lend(self.body),
            model_at: span.start as u64,
            model_len: span.len() as u64,
            headers: kvs(self.headers),
            n_headers: self.headers.len(),
        }
    }
}

/// The head of an upstream's answer, for a stream or a whole body.
#[derive(Clone, Copy, Debug)]
pub struct HeadIn<'a> {
    /// The status, 2xx.
    pub http_status: u16,
    /// The client's dialect.
    pub dialect: Dialect,
    /// The body's framing, resolved.
    pub framing: Framing,
    /// The model's name as the client asked for it.
    pub model: &'a str,
    /// The upstream's headers.
    pub headers: &'a [Header<'a>],
    /// The wall clock when the head came, milliseconds since 1970.
    pub unix_ms: u64,
    /// A random number, for ids.
    pub seed: u64,
}

impl HeadIn<'_> {
    pub(crate) fn raw(&self) -> abi::HeadInV1 {
        abi::HeadInV1 {
            size: size_of::<abi::HeadInV1>() as u32,
            http_status: self.http_status.into(),
            dialect: self.dialect as u32,
            framing: self.framing as u32,
            model: lend(self.model.as_bytes()),
            headers: kvs(self.headers),
            n_headers: self.headers.len(),
            unix_ms: self.unix_ms,
            seed: self.seed,
        }
    }
}

/// A failure that the provider is to name.
#[derive(Clone, Copy, Debug)]
pub struct FailureIn<'a> {
    /// What failed: the HTTP status, an event of a stream, or a 2xx body.
    pub phase: Phase,
    /// The upstream's HTTP status.
    pub http_status: u16,
    /// The upstream's headers.
    pub headers: &'a [Header<'a>],
    /// The event's name, when it was an event.
    pub event: &'a [u8],
    /// The body, cut at a cap; or the event's data.
    pub body: &'a [u8],
    /// The wall clock, milliseconds since 1970, for Retry-After dates.
    pub unix_ms: u64,
    /// What had gone to the client before it failed.
    pub bytes_to_client: u64,
}

impl FailureIn<'_> {
    pub(crate) fn raw(&self) -> abi::FailureInV1 {
        abi::FailureInV1 {
            size: size_of::<abi::FailureInV1>() as u32,
            phase: self.phase as u32,
            http_status: self.http_status.into(),
            reserved: 0,
            headers: kvs(self.headers),
            n_headers: self.headers.len(),
            event: lend(self.event),
            body: lend(self.body),
            unix_ms: self.unix_ms,
            bytes_to_client: self.bytes_to_client,
        }
    }
}
