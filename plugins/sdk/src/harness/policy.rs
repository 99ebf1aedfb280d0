//! One instance of a policy, behind its table.

use core::ffi::c_void;
use std::sync::mpsc;

use tidegate_plugin_abi::{
    ActionV1, AttemptV1, HistoryInV1, PolicyV1, Status, Str, TargetV1, action, attempt, history as flags,
    status, target,
};

use super::Refusal;
use super::raw::{HostLog, size};
use super::sinks::{Pieces, text_sink};
use crate::{Action, Choice, History, Policy};

/// One instance of a policy, behind its table.
#[derive(Debug)]
pub struct PolicyHarness {
    table: PolicyV1,
    inst: *mut c_void,
    lines: mpsc::Receiver<String>,
}

impl PolicyHarness {
    /// Creates an instance of `P`.
    pub fn new<P: Policy>(config_json: &str) -> Result<Self, Refusal> {
        let table = crate::ffi::policy_table::<P>();
        let (host, lines) = HostLog::lend();
        let mut inst = core::ptr::null_mut();
        let mut why = Pieces::new(usize::MAX);
        let answer = table.create.map_or(status::E_INVALID, |create| {
            // SAFETY: the table is the SDK's own; all that is lent lives through the call, the host for ever.
            unsafe { create(host, Str::lend(config_json.as_bytes()), &text_sink(&mut why), &mut inst) }
        });
        match answer {
            status::OK => Ok(PolicyHarness { table, inst, lines }),
            refused => Err(Refusal { status: refused, why: why.text() }),
        }
    }

    /// Lines that the plugin has logged since the last call.
    pub fn log(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Whether the table has `pick`.
    pub fn picks(&self) -> bool {
        self.table.pick.is_some()
    }

    /// Asks what follows a failed attempt.
    pub fn decide(&self, history: &History<'_>) -> Result<Action, Status> {
        self.ask(self.table.decide, history)
    }

    /// Asks for the first target.
    pub fn pick(&self, history: &History<'_>) -> Result<Action, Status> {
        self.ask(self.table.pick, history)
    }

    fn ask(
        &self,
        call: Option<unsafe extern "C" fn(*mut c_void, *const HistoryInV1, *mut ActionV1) -> Status>,
        history: &History<'_>,
    ) -> Result<Action, Status> {
        let attempts: Vec<AttemptV1> = history.attempts.iter().map(raw_attempt).collect();
        let targets: Vec<TargetV1> = history.targets.iter().map(raw_target).collect();
        let input = HistoryInV1 {
            size: size::<HistoryInV1>(),
            flags: match history.stream {
                Some(true) => flags::STREAM,
                Some(false) => flags::WHOLE,
                None => 0,
            },
            now_ms: history.now_ms,
            deadline_ms: history.deadline_ms,
            seed: history.seed,
            attempts_left: history.attempts_left,
            retry_tokens: history.retry_tokens,
            group: Str::lend(history.group.as_bytes()),
            options: Str::lend(history.options.as_bytes()),
            attempts: attempts.as_ptr(),
            n_attempts: attempts.len(),
            attempt_stride: size_of::<AttemptV1>(),
            targets: targets.as_ptr(),
            n_targets: targets.len(),
            target_stride: size_of::<TargetV1>(),
            prompt_tokens: history.prompt_tokens,
        };
        let mut out = ActionV1 {
            size: size::<ActionV1>(),
            action: 0,
            target: 0,
            reason: 0,
            delay_ms: 0,
            cooldown_ms: 0,
        };
        let call = call.ok_or(status::E_UNSUPPORTED)?;
        // SAFETY: the instance is alive; all that is lent lives through the call.
        match unsafe { call(self.inst, &input, &mut out) } {
            status::OK => Ok(read_action(&out)),
            refused => Err(refused),
        }
    }
}

impl Drop for PolicyHarness {
    fn drop(&mut self) {
        if let Some(destroy) = self.table.destroy {
            // SAFETY: made by `create`, destroyed once.
            unsafe { destroy(self.inst) };
        }
    }
}

fn raw_attempt(it: &crate::Attempt) -> AttemptV1 {
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    AttemptV1 {
        target: it.target,
        error: it.error.value(),
        http_status: it.http_status,
        flags: flag(it.retryable, attempt::RETRYABLE)
            | flag(it.quota, attempt::QUOTA)
            | flag(it.committed, attempt::COMMITTED)
            | flag(it.retry_after_ms.is_some(), attempt::HAS_RETRY_AFTER),
        started_ms: it.started_ms,
        ended_ms: it.ended_ms,
        retry_after_ms: it.retry_after_ms.unwrap_or(0),
        bytes_to_client: it.bytes_to_client,
    }
}

fn raw_target(it: &crate::Target<'_>) -> TargetV1 {
    let flag = |on: bool, bit: u32| if on { bit } else { 0 };
    TargetV1 {
        id: Str::lend(it.id.as_bytes()),
        group: Str::lend(it.group.as_bytes()),
        weight: it.weight,
        order: it.order,
        flags: flag(it.unavailable, target::UNAVAILABLE)
            | flag(it.special, target::SPECIAL)
            | flag(it.input_cost.is_some(), target::HAS_INPUT_COST)
            | flag(it.output_cost.is_some(), target::HAS_OUTPUT_COST),
        inflight: it.inflight,
        fails_minute: it.fails_minute,
        oks_minute: it.oks_minute,
        cooldown_ms: it.cooldown_ms,
        latency_us: it.latency_us,
        fails_recent: it.fails_recent,
        requests_minute: it.requests_minute,
        tokens_minute: it.tokens_minute,
        answer_us: it.answer_us,
        input_cost: it.input_cost.unwrap_or(0),
        output_cost: it.output_cost.unwrap_or(0),
        total_us: it.total_us,
    }
}

fn read_action(raw: &ActionV1) -> Action {
    Action {
        choice: match raw.action {
            action::RETRY => Choice::Retry,
            action::FALLBACK => Choice::Fallback,
            action::CONTINUE => Choice::Continue,
            _ => Choice::Raise,
        },
        target: raw.target,
        reason: raw.reason,
        delay_ms: raw.delay_ms,
        cooldown_ms: raw.cooldown_ms,
    }
}
