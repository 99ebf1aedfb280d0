//! The provider's half of the header.
#![allow(missing_docs, reason = "the header documents each field; the names are its names")]

use core::ffi::c_void;

use crate::{HostV1, Kv, Status, Str, TextOutV1};

/// `tg_auth_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AuthV1 {
    pub size: u32,
    pub scheme: u32,
    pub secret: Str,
    pub header: Str,
    pub prefix: Str,
    pub scope: Str,
    pub region: Str,
}

/// `tg_request_in_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RequestInV1 {
    pub size: u32,
    pub flags: u32,
    pub dialect: u32,
    pub reserved: u32,
    pub model: Str,
    pub body: Str,
    pub model_at: u64,
    pub model_len: u64,
    pub headers: *const Kv,
    pub n_headers: usize,
}

/// `tg_response_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ResponseV1 {
    pub size: u32,
    pub flags: u32,
    pub dialect: u32,
    pub framing: u32,
}

/// `tg_request_out_v1`.
#[repr(C)]
#[derive(Debug)]
pub struct RequestOutV1 {
    pub size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub target: Option<unsafe extern "C" fn(ctx: *mut c_void, method: Str, absolute_url: Str) -> Status>,
    pub header: Option<unsafe extern "C" fn(ctx: *mut c_void, name: Str, value: Str) -> Status>,
    pub auth: Option<unsafe extern "C" fn(ctx: *mut c_void, auth: *const AuthV1) -> Status>,
    pub response: Option<unsafe extern "C" fn(ctx: *mut c_void, response: *const ResponseV1) -> Status>,
    pub body: Option<unsafe extern "C" fn(ctx: *mut c_void, piece: Str) -> Status>,
}

/// `tg_head_in_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HeadInV1 {
    pub size: u32,
    pub http_status: u32,
    pub dialect: u32,
    pub framing: u32,
    pub model: Str,
    pub headers: *const Kv,
    pub n_headers: usize,
    pub unix_ms: u64,
    pub seed: u64,
}

/// `tg_event_in_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EventInV1 {
    pub size: u32,
    pub flags: u32,
    pub name: Str,
    pub data: Str,
}

/// `tg_stream_out_v1`.
#[repr(C)]
#[derive(Debug)]
pub struct StreamOutV1 {
    pub size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub event: Option<unsafe extern "C" fn(ctx: *mut c_void, name: Str, data: Str) -> Status>,
    pub note: Option<unsafe extern "C" fn(ctx: *mut c_void, kind: u32, value: u64) -> Status>,
}

/// `tg_failure_in_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FailureInV1 {
    pub size: u32,
    pub phase: u32,
    pub http_status: u32,
    pub reserved: u32,
    pub headers: *const Kv,
    pub n_headers: usize,
    pub event: Str,
    pub body: Str,
    pub unix_ms: u64,
    pub bytes_to_client: u64,
}

/// `tg_class_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ClassV1 {
    pub size: u32,
    pub flags: u32,
    pub error: u32,
    pub http_status: u32,
    pub retry_after_ms: u64,
}

/// `tg_class_out_v1`.
#[repr(C)]
#[derive(Debug)]
pub struct ClassOutV1 {
    pub size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub message: Option<unsafe extern "C" fn(ctx: *mut c_void, utf8: Str) -> Status>,
    pub code: Option<unsafe extern "C" fn(ctx: *mut c_void, utf8: Str) -> Status>,
}

/// `tg_provider_v1`: every function is required.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ProviderV1 {
    pub size: u32,
    pub reserved: u32,
    pub create: Option<
        unsafe extern "C" fn(
            host: *const HostV1,
            config_json: Str,
            why: *const TextOutV1,
            inst: *mut *mut c_void,
        ) -> Status,
    >,
    pub destroy: Option<unsafe extern "C" fn(inst: *mut c_void)>,
    pub request: Option<
        unsafe extern "C" fn(
            inst: *mut c_void,
            input: *const RequestInV1,
            out: *const RequestOutV1,
            why: *const TextOutV1,
        ) -> Status,
    >,
    pub stream_open: Option<
        unsafe extern "C" fn(inst: *mut c_void, head: *const HeadInV1, stream: *mut *mut c_void) -> Status,
    >,
    pub stream_event: Option<
        unsafe extern "C" fn(stream: *mut c_void, input: *const EventInV1, out: *const StreamOutV1) -> Status,
    >,
    pub stream_end: Option<unsafe extern "C" fn(stream: *mut c_void, out: *const StreamOutV1) -> Status>,
    pub stream_close: Option<unsafe extern "C" fn(stream: *mut c_void, why: u32)>,
    pub response: Option<
        unsafe extern "C" fn(
            inst: *mut c_void,
            head: *const HeadInV1,
            body: Str,
            out: *const TextOutV1,
        ) -> Status,
    >,
    pub classify: Option<
        unsafe extern "C" fn(
            inst: *mut c_void,
            input: *const FailureInV1,
            out: *mut ClassV1,
            text: *const ClassOutV1,
        ) -> Status,
    >,
}
