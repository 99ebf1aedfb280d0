//! The policy's half of the header.
#![allow(missing_docs, reason = "the header documents each field; the names are its names")]

use core::ffi::c_void;

use crate::{HostV1, Status, Str, TextOutV1};

/// `tg_attempt_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct AttemptV1 {
    pub target: u32,
    pub error: u32,
    pub http_status: u32,
    pub flags: u32,
    pub started_ms: u64,
    pub ended_ms: u64,
    pub retry_after_ms: u64,
    pub bytes_to_client: u64,
}

/// `tg_target_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct TargetV1 {
    pub id: Str,
    pub group: Str,
    pub weight: u32,
    pub order: u32,
    pub flags: u32,
    pub inflight: u32,
    pub fails_minute: u32,
    pub oks_minute: u32,
    pub cooldown_ms: u64,
    pub latency_us: u64,
    pub fails_recent: u32,
    pub requests_minute: u32,
    pub tokens_minute: u64,
    pub answer_us: u64,
    pub input_cost: u64,
    pub output_cost: u64,
    pub total_us: u64,
}

/// `tg_history_in_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct HistoryInV1 {
    pub size: u32,
    pub flags: u32,
    pub now_ms: u64,
    pub deadline_ms: u64,
    pub seed: u64,
    pub attempts_left: u32,
    pub retry_tokens: u32,
    pub group: Str,
    pub options: Str,
    pub attempts: *const AttemptV1,
    pub n_attempts: usize,
    pub attempt_stride: usize,
    pub targets: *const TargetV1,
    pub n_targets: usize,
    pub target_stride: usize,
    pub prompt_tokens: u64,
}

/// `tg_action_v1`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ActionV1 {
    pub size: u32,
    pub action: u32,
    pub target: u32,
    pub reason: u32,
    pub delay_ms: u64,
    pub cooldown_ms: u64,
}

/// `tg_policy_v1`: `pick` may be null.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PolicyV1 {
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
    pub decide: Option<
        unsafe extern "C" fn(inst: *mut c_void, input: *const HistoryInV1, out: *mut ActionV1) -> Status,
    >,
    pub pick: Option<
        unsafe extern "C" fn(inst: *mut c_void, input: *const HistoryInV1, out: *mut ActionV1) -> Status,
    >,
}
