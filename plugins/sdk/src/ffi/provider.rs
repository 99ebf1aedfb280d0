//! The provider's table: one generic shim an entry.

use core::ffi::c_void;

use tidegate_plugin_abi::{
    ClassOutV1, ClassV1, EventInV1, FailureInV1, HeadInV1, HostV1, ProviderV1, RequestInV1, RequestOutV1,
    Status, Str, StreamOutV1, TextOutV1, class, event, request, status,
};

use super::panic::shield;
use super::{bytes, headers, read_sized, text, write_sized};
use crate::host::write_why;
use crate::{
    Class, Close, Config, Dialect, End, ErrorKind, EventIn, FailureIn, Fault, Flow, Framing, HeadIn, Host,
    Level, Phase, Provider, RequestIn, RequestOut, Stream, StreamOut, TextOut,
};

/// The size of `tg_class_v1` in minor 0.
const CLASS_OF_MINOR_0: usize = 24;

/// The table of `P`.
pub const fn provider_table<P: Provider>() -> ProviderV1 {
    ProviderV1 {
        size: size_of::<ProviderV1>() as u32,
        reserved: 0,
        create: Some(create::<P>),
        destroy: Some(destroy::<P>),
        request: Some(request_::<P>),
        stream_open: Some(stream_open::<P>),
        stream_event: Some(stream_event::<P>),
        stream_end: Some(stream_end::<P>),
        stream_close: Some(stream_close::<P>),
        response: Some(response::<P>),
        classify: Some(classify::<P>),
    }
}

struct Instance<P> {
    host: Host,
    provider: P,
}

struct Open<S> {
    host: Host,
    stream: S,
}

unsafe extern "C" fn create<P: Provider>(
    host: *const HostV1,
    config_json: Str,
    why: *const TextOutV1,
    inst: *mut *mut c_void,
) -> Status {
    // SAFETY: the host's table, as the header promises.
    let host = unsafe { Host::from_raw(host) };
    shield(host, "create", || {
        if inst.is_null() {
            return status::E_INVALID;
        }
        // SAFETY: borrowed for this call.
        let config = serde_json::from_slice::<Config>(unsafe { bytes(config_json) });
        let made = config.map_err(|error| format!("the configuration is not what a provider gets: {error}"));
        match made.and_then(|config| P::create(config, host)) {
            Ok(provider) => {
                // SAFETY: not null, and the host's to be written.
                unsafe { inst.write(Box::into_raw(Box::new(Instance { host, provider })).cast()) };
                status::OK
            }
            Err(said) => {
                // SAFETY: the host's sink, lent for this call.
                unsafe { write_why(why, &said) };
                status::E_CONFIG
            }
        }
    })
}

unsafe extern "C" fn destroy<P: Provider>(inst: *mut c_void) {
    if inst.is_null() {
        return;
    }
    // SAFETY: made by `create::<P>`, and destroyed once.
    let instance = unsafe { Box::from_raw(inst.cast::<Instance<P>>()) };
    shield(instance.host, "destroy", move || {
        drop(instance);
        status::OK
    });
}

/// # Safety
/// `inst` is null, or made by `create::<P>` and not yet destroyed.
unsafe fn instance<'a, P: Provider>(inst: *mut c_void) -> Option<&'a Instance<P>> {
    // SAFETY: the caller's promise.
    unsafe { inst.cast::<Instance<P>>().as_ref() }
}

/// # Safety
/// `stream` is null, or made by `stream_open::<P>`, not yet closed, and used by this thread alone.
unsafe fn open<'a, P: Provider>(stream: *mut c_void) -> Option<&'a mut Open<P::Stream>> {
    // SAFETY: the caller's promise.
    unsafe { stream.cast::<Open<P::Stream>>().as_mut() }
}

fn failed(host: Host, call: &str, fault: &Fault) -> Status {
    if let Fault::Protocol(reason) = fault {
        host.log(Level::Debug, &format!("{call}: {reason}"));
    }
    fault.status()
}

unsafe extern "C" fn request_<P: Provider>(
    inst: *mut c_void,
    input: *const RequestInV1,
    out: *const RequestOutV1,
    why: *const TextOutV1,
) -> Status {
    // SAFETY: the host's handle.
    let Some(instance) = (unsafe { instance::<P>(inst) }) else { return status::E_INVALID };
    shield(instance.host, "request", || {
        // SAFETY: lent for this call.
        let (input, sink) = unsafe { (read_request(input), read_sized(out)) };
        let (Some(input), Some(sink)) = (input, sink) else { return status::E_INVALID };
        match instance.provider.request(&input, &mut RequestOut { raw: &sink }) {
            Ok(()) => status::OK,
            Err(fault) => {
                if let Fault::Invalid(said) | Fault::Unsupported(said) = &fault {
                    // SAFETY: the host's sink, lent for this call.
                    unsafe { write_why(why, said) };
                }
                failed(instance.host, "request", &fault)
            }
        }
    })
}

unsafe extern "C" fn stream_open<P: Provider>(
    inst: *mut c_void,
    head: *const HeadInV1,
    stream: *mut *mut c_void,
) -> Status {
    // SAFETY: the host's handle.
    let Some(instance) = (unsafe { instance::<P>(inst) }) else { return status::E_INVALID };
    let host = instance.host;
    shield(host, "stream_open", || {
        // SAFETY: lent for this call.
        let Some(head) = (unsafe { read_head(head) }) else { return status::E_INVALID };
        if stream.is_null() {
            return status::E_INVALID;
        }
        match instance.provider.open(&head) {
            Ok(opened) => {
                // SAFETY: not null, and the host's to be written.
                unsafe { stream.write(Box::into_raw(Box::new(Open { host, stream: opened })).cast()) };
                status::OK
            }
            Err(fault) => failed(host, "stream_open", &fault),
        }
    })
}

unsafe extern "C" fn stream_event<P: Provider>(
    stream: *mut c_void,
    input: *const EventInV1,
    out: *const StreamOutV1,
) -> Status {
    // SAFETY: the host's handle.
    let Some(open) = (unsafe { open::<P>(stream) }) else { return status::E_INVALID };
    let host = open.host;
    shield(host, "stream_event", || {
        // SAFETY: lent for this call.
        let (input, sink) = unsafe { (read_sized(input), read_sized(out)) };
        let (Some(input), Some(sink)) = (input, sink) else { return status::E_INVALID };
        let event = EventIn {
            stray: input.flags & event::STRAY != 0,
            // SAFETY: borrowed for this call. A name that is not UTF-8 is one that nobody knows.
            name: unsafe { text(input.name) }.unwrap_or("\u{fffd}"),
            // SAFETY: borrowed for this call.
            data: unsafe { bytes(input.data) },
        };
        match open.stream.event(&event, &mut StreamOut { raw: &sink }) {
            Ok(Flow::Pass) => status::PASS,
            Ok(Flow::Done) => status::OK,
            Err(fault) => failed(host, "stream_event", &fault),
        }
    })
}

unsafe extern "C" fn stream_end<P: Provider>(stream: *mut c_void, out: *const StreamOutV1) -> Status {
    // SAFETY: the host's handle.
    let Some(open) = (unsafe { open::<P>(stream) }) else { return status::E_INVALID };
    let host = open.host;
    shield(host, "stream_end", || {
        // SAFETY: lent for this call.
        let Some(sink) = (unsafe { read_sized(out) }) else { return status::E_INVALID };
        match open.stream.end(&mut StreamOut { raw: &sink }) {
            Ok(End::Done) => status::OK,
            Ok(End::Truncated) => status::E_TRUNCATED,
            Err(fault) => failed(host, "stream_end", &fault),
        }
    })
}

unsafe extern "C" fn stream_close<P: Provider>(stream: *mut c_void, why: u32) {
    if stream.is_null() {
        return;
    }
    // SAFETY: made by `stream_open::<P>`, and closed once.
    let open = unsafe { Box::from_raw(stream.cast::<Open<P::Stream>>()) };
    shield(open.host, "stream_close", move || {
        open.stream.close(Close::from_value(why));
        status::OK
    });
}

unsafe extern "C" fn response<P: Provider>(
    inst: *mut c_void,
    head: *const HeadInV1,
    body: Str,
    out: *const TextOutV1,
) -> Status {
    // SAFETY: the host's handle.
    let Some(instance) = (unsafe { instance::<P>(inst) }) else { return status::E_INVALID };
    shield(instance.host, "response", || {
        // SAFETY: lent for this call.
        let (head, body, sink) = unsafe { (read_head(head), bytes(body), read_sized(out)) };
        let (Some(head), Some(sink)) = (head, sink) else { return status::E_INVALID };
        match instance.provider.response(&head, body, &mut TextOut { raw: &sink }) {
            Ok(Flow::Pass) => status::PASS,
            Ok(Flow::Done) => status::OK,
            Err(fault) => failed(instance.host, "response", &fault),
        }
    })
}

unsafe extern "C" fn classify<P: Provider>(
    inst: *mut c_void,
    input: *const FailureInV1,
    out: *mut ClassV1,
    said: *const ClassOutV1,
) -> Status {
    // SAFETY: the host's handle.
    let Some(instance) = (unsafe { instance::<P>(inst) }) else { return status::E_INVALID };
    shield(instance.host, "classify", || {
        // SAFETY: lent for this call.
        let (failure, sink) = unsafe { (read_failure(input), read_sized(said)) };
        let (Some(failure), Some(sink)) = (failure, sink) else { return status::E_INVALID };
        // SAFETY: lent for this call, with the defaults in it.
        let Some(mut raw) = (unsafe { read_sized(out) }) else { return status::E_INVALID };
        let mut found = read_class(&raw);
        instance.provider.classify(&failure, &mut found);
        write_class(&mut raw, &found);
        // SAFETY: the host's to be written.
        if !unsafe { write_sized(out, &raw, CLASS_OF_MINOR_0) } {
            return status::E_INVALID;
        }
        for (call, words) in [(sink.message, &found.message), (sink.code, &found.code)] {
            if let (Some(call), Some(words)) = (call, words) {
                // SAFETY: the host's sink, lent for this call; the words are borrowed for it. A cap cuts them short,
                // which is no failure of the classification.
                let _: Status = unsafe { call(sink.ctx, Str::lend(words.as_bytes())) };
            }
        }
        status::OK
    })
}

/// # Safety
/// `input` is null or as the header describes it, borrowed for `'a`.
unsafe fn read_request<'a>(input: *const RequestInV1) -> Option<RequestIn<'a>> {
    // SAFETY: the caller's promise, here and below.
    let raw = unsafe { read_sized(input) }?;
    // SAFETY: borrowed with the input.
    let body = unsafe { bytes(raw.body) };
    let at = usize::try_from(raw.model_at).ok()?;
    let end = at.checked_add(usize::try_from(raw.model_len).ok()?)?;
    Some(RequestIn {
        stream: raw.flags & request::STREAM != 0,
        dialect: Dialect::from_value(raw.dialect),
        // SAFETY: borrowed with the input.
        model: unsafe { text(raw.model) }?,
        body,
        model_span: (raw.model_len > 0 && end <= body.len()).then_some(at..end),
        // SAFETY: borrowed with the input.
        headers: unsafe { headers(raw.headers, raw.n_headers) },
    })
}

/// # Safety
/// `input` is null or as the header describes it, borrowed for `'a`.
unsafe fn read_head<'a>(input: *const HeadInV1) -> Option<HeadIn<'a>> {
    // SAFETY: the caller's promise, here and below.
    let raw = unsafe { read_sized(input) }?;
    Some(HeadIn {
        http_status: raw.http_status,
        dialect: Dialect::from_value(raw.dialect),
        framing: Framing::from_value(raw.framing),
        // SAFETY: borrowed with the input.
        model: unsafe { text(raw.model) }?,
        // SAFETY: borrowed with the input.
        headers: unsafe { headers(raw.headers, raw.n_headers) },
        unix_ms: raw.unix_ms,
        seed: raw.seed,
    })
}

/// # Safety
/// `input` is null or as the header describes it, borrowed for `'a`.
unsafe fn read_failure<'a>(input: *const FailureInV1) -> Option<FailureIn<'a>> {
    // SAFETY: the caller's promise, here and below.
    let raw = unsafe { read_sized(input) }?;
    Some(FailureIn {
        phase: Phase::from_value(raw.phase),
        http_status: raw.http_status,
        // SAFETY: borrowed with the input.
        headers: unsafe { headers(raw.headers, raw.n_headers) },
        // SAFETY: borrowed with the input.
        event: unsafe { text(raw.event) }.unwrap_or("\u{fffd}"),
        // SAFETY: borrowed with the input.
        body: unsafe { bytes(raw.body) },
        unix_ms: raw.unix_ms,
        bytes_to_client: raw.bytes_to_client,
    })
}

fn read_class(raw: &ClassV1) -> Class {
    Class {
        error: ErrorKind::from_value(raw.error),
        http_status: raw.http_status,
        retryable: raw.flags & class::RETRYABLE != 0,
        quota: raw.flags & class::QUOTA != 0,
        retry_after_ms: (raw.flags & class::HAS_RETRY_AFTER != 0).then_some(raw.retry_after_ms),
        message: None,
        code: None,
    }
}

fn write_class(raw: &mut ClassV1, found: &Class) {
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    raw.error = found.error.value();
    raw.http_status = found.http_status;
    raw.retry_after_ms = found.retry_after_ms.unwrap_or(0);
    raw.flags = flag(found.retryable, class::RETRYABLE)
        | flag(found.quota, class::QUOTA)
        | flag(found.retry_after_ms.is_some(), class::HAS_RETRY_AFTER);
}
