//! The safe inputs as the raw structs that the tables take.

use core::ffi::c_void;
use std::sync::mpsc;

use tidegate_plugin_abi::{EventInV1, FailureInV1, HeadInV1, HostV1, Kv, RequestInV1, Str, event, request};

use crate::{EventIn, FailureIn, HeadIn, Headers, RequestIn};

pub(super) fn size<T>() -> u32 {
    size_of::<T>() as u32
}

/// A host table whose log goes to a channel.
pub(super) struct HostLog;

impl HostLog {
    /// The table is leaked: the header promises plugins that it lives as long as the process.
    pub(super) fn lend() -> (*const HostV1, mpsc::Receiver<String>) {
        let (sender, lines) = mpsc::channel::<String>();
        let ctx = Box::into_raw(Box::new(sender)).cast::<c_void>();
        let table = HostV1 { size: size::<HostV1>(), minor: 0, ctx, log: Some(log) };
        (Box::into_raw(Box::new(table)), lines)
    }
}

unsafe extern "C" fn log(ctx: *mut c_void, _level: u32, message: Str) {
    // SAFETY: `ctx` is the leaked sender, which any thread may use; the message is borrowed for this call.
    let (sender, message) = unsafe { (&*ctx.cast::<mpsc::Sender<String>>(), crate::ffi::bytes(message)) };
    // The harness may be gone: then nobody reads.
    let _ = sender.send(String::from_utf8_lossy(message).into_owned());
}

/// Headers as pairs; borrows from the safe ones.
pub(super) struct RawHeaders(Vec<Kv>);

impl RawHeaders {
    pub(super) fn of(headers: &Headers<'_>) -> Self {
        RawHeaders(
            headers.0.iter().map(|(name, value)| Kv { name: text(name), value: text(value) }).collect(),
        )
    }
}

fn text(text: &str) -> Str {
    Str::lend(text.as_bytes())
}

pub(super) fn request(input: &RequestIn<'_>, headers: &RawHeaders) -> RequestInV1 {
    let span = input.model_span.clone().unwrap_or(0..0);
    RequestInV1 {
        size: size::<RequestInV1>(),
        flags: if input.stream { request::STREAM } else { 0 },
        dialect: input.dialect.value(),
        reserved: 0,
        model: text(input.model),
        body: Str::lend(input.body),
        model_at: span.start as u64,
        model_len: span.len() as u64,
        headers: headers.0.as_ptr(),
        n_headers: headers.0.len(),
    }
}

pub(super) fn head(input: &HeadIn<'_>, headers: &RawHeaders) -> HeadInV1 {
    HeadInV1 {
        size: size::<HeadInV1>(),
        http_status: input.http_status,
        dialect: input.dialect.value(),
        framing: input.framing.value(),
        model: text(input.model),
        headers: headers.0.as_ptr(),
        n_headers: headers.0.len(),
        unix_ms: input.unix_ms,
        seed: input.seed,
    }
}

pub(super) fn event(input: &EventIn<'_>) -> EventInV1 {
    EventInV1 {
        size: size::<EventInV1>(),
        flags: if input.stray { event::STRAY } else { 0 },
        name: text(input.name),
        data: Str::lend(input.data),
    }
}

pub(super) fn failure(input: &FailureIn<'_>, headers: &RawHeaders) -> FailureInV1 {
    FailureInV1 {
        size: size::<FailureInV1>(),
        phase: input.phase.value(),
        http_status: input.http_status,
        reserved: 0,
        headers: headers.0.as_ptr(),
        n_headers: headers.0.len(),
        event: text(input.event),
        body: Str::lend(input.body),
        unix_ms: input.unix_ms,
        bytes_to_client: input.bytes_to_client,
    }
}
