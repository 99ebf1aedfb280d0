//! Sinks that keep what is written to them, up to a cap.

use core::ffi::c_void;

use tidegate_plugin_abi::{AuthV1, ClassOutV1, RequestOutV1, ResponseV1, Status, Str, TextOutV1, status};

use super::raw::size;
use crate::{Dialect, Framing};

/// Joined pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    pub(super) bytes: Vec<u8>,
    pub(super) written: bool,
    cap: usize,
}

impl Pieces {
    pub(super) fn new(cap: usize) -> Self {
        Pieces { bytes: Vec::new(), written: false, cap }
    }

    fn push(&mut self, piece: &[u8]) -> Status {
        self.written = true;
        if self.bytes.len().saturating_add(piece.len()) > self.cap {
            return status::E_LIMIT;
        }
        self.bytes.extend_from_slice(piece);
        status::OK
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// The authentication that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentAuth {
    /// One of the ABI's schemes.
    pub scheme: u32,
    /// The secret's name.
    pub secret: String,
    /// The header.
    pub header: String,
    /// What stands before the secret.
    pub prefix: String,
    /// The OAuth scope, or AWS service.
    pub scope: String,
    /// The AWS region.
    pub region: String,
}

/// An upstream request as a provider wrote it.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The absolute URL.
    pub url: String,
    /// Headers in the order they came.
    pub headers: Vec<(String, String)>,
    /// How it is authenticated.
    pub auth: Option<SentAuth>,
    /// The answer's dialect; `None`: not said.
    pub dialect: Option<Dialect>,
    /// The answer's framing; `None`: not said.
    pub framing: Option<Framing>,
    /// Flags of the response description.
    pub response_flags: u32,
    /// The body.
    pub body: Vec<u8>,
    cap: usize,
}

impl Sent {
    pub(super) fn new(cap: usize) -> Self {
        Sent { cap, ..Sent::default() }
    }

    /// What it says that it left out; empty where it says nothing.
    pub fn dropped(&self) -> Vec<&str> {
        let told = self.headers.iter().filter(|(name, _)| name == "x-tidegate-dropped");
        told.flat_map(|(_, names)| names.split(", ")).collect()
    }

    /// The body as JSON; null when it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub(super) fn text_sink(pieces: &mut Pieces) -> TextOutV1 {
    TextOutV1 { size: size::<TextOutV1>(), reserved: 0, ctx: (&raw mut *pieces).cast(), write: Some(write) }
}

unsafe extern "C" fn write(ctx: *mut c_void, piece: Str) -> Status {
    // SAFETY: `ctx` is the `Pieces` that `text_sink` lent for the call; the piece is borrowed for this one.
    unsafe { (*ctx.cast::<Pieces>()).push(crate::ffi::bytes(piece)) }
}

type Both<'a> = (&'a mut Pieces, &'a mut Pieces);

pub(super) fn class_sink(both: &mut Both<'_>) -> ClassOutV1 {
    ClassOutV1 {
        size: size::<ClassOutV1>(),
        reserved: 0,
        ctx: (&raw mut *both).cast(),
        message: Some(message),
        code: Some(code),
    }
}

unsafe extern "C" fn message(ctx: *mut c_void, piece: Str) -> Status {
    // SAFETY: `ctx` is the pair that `class_sink` lent for the call; the piece is borrowed for this one.
    unsafe { (*ctx.cast::<Both<'_>>()).0.push(crate::ffi::bytes(piece)) }
}

unsafe extern "C" fn code(ctx: *mut c_void, piece: Str) -> Status {
    // SAFETY: as in `message`.
    unsafe { (*ctx.cast::<Both<'_>>()).1.push(crate::ffi::bytes(piece)) }
}

pub(super) fn request_sink(sent: &mut Sent) -> RequestOutV1 {
    RequestOutV1 {
        size: size::<RequestOutV1>(),
        reserved: 0,
        ctx: (&raw mut *sent).cast(),
        target: Some(target),
        header: Some(header),
        auth: Some(auth),
        response: Some(response),
        body: Some(body),
    }
}

/// # Safety
/// `text` is borrowed for the call.
unsafe fn owned(text: Str) -> String {
    // SAFETY: the caller's promise.
    String::from_utf8_lossy(unsafe { crate::ffi::bytes(text) }).into_owned()
}

unsafe extern "C" fn target(ctx: *mut c_void, method: Str, url: Str) -> Status {
    // SAFETY: `ctx` is the `Sent` that `request_sink` lent for the call, here and below.
    let sent = unsafe { &mut *ctx.cast::<Sent>() };
    // SAFETY: borrowed for this call.
    (sent.method, sent.url) = unsafe { (owned(method), owned(url)) };
    status::OK
}

unsafe extern "C" fn header(ctx: *mut c_void, name: Str, value: Str) -> Status {
    // SAFETY: as in `target`.
    let sent = unsafe { &mut *ctx.cast::<Sent>() };
    // SAFETY: borrowed for this call.
    sent.headers.push(unsafe { (owned(name), owned(value)) });
    status::OK
}

unsafe extern "C" fn auth(ctx: *mut c_void, auth: *const AuthV1) -> Status {
    // SAFETY: as in `target`; `auth` is borrowed for this call, and the SDK's own size.
    let (sent, raw) = unsafe { (&mut *ctx.cast::<Sent>(), &*auth) };
    // SAFETY: borrowed for this call.
    sent.auth = Some(unsafe {
        SentAuth {
            scheme: raw.scheme,
            secret: owned(raw.secret),
            header: owned(raw.header),
            prefix: owned(raw.prefix),
            scope: owned(raw.scope),
            region: owned(raw.region),
        }
    });
    status::OK
}

unsafe extern "C" fn response(ctx: *mut c_void, response: *const ResponseV1) -> Status {
    // SAFETY: as in `auth`.
    let (sent, raw) = unsafe { (&mut *ctx.cast::<Sent>(), &*response) };
    sent.dialect = Some(Dialect::from_value(raw.dialect));
    sent.framing = Some(Framing::from_value(raw.framing));
    sent.response_flags = raw.flags;
    status::OK
}

unsafe extern "C" fn body(ctx: *mut c_void, piece: Str) -> Status {
    // SAFETY: as in `target`; the piece is borrowed for this call.
    let (sent, piece) = unsafe { (&mut *ctx.cast::<Sent>(), crate::ffi::bytes(piece)) };
    if sent.body.len().saturating_add(piece.len()) > sent.cap {
        return status::E_LIMIT;
    }
    sent.body.extend_from_slice(piece);
    status::OK
}
