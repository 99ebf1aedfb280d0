//! The policy's table: one generic shim an entry.

use core::ffi::c_void;

use tidegate_plugin_abi::{
    ActionV1, AttemptV1, HistoryInV1, HostV1, PolicyV1, Status, Str, TargetV1, TextOutV1, attempt, history,
    status, target,
};

use super::panic::shield;
use super::{read_prefix, read_sized, text, write_sized};
use crate::host::write_why;
use crate::{Action, Attempt, ErrorKind, History, Host, Policy, Target};

/// The size of `tg_action_v1` in minor 0.
const ACTION_OF_MINOR_0: usize = 32;

/// The table of `P`.
pub const fn policy_table<P: Policy>() -> PolicyV1 {
    PolicyV1 {
        size: size_of::<PolicyV1>() as u32,
        reserved: 0,
        create: Some(create::<P>),
        destroy: Some(destroy::<P>),
        decide: Some(decide::<P>),
        pick: if P::PICKS { Some(pick::<P>) } else { None },
    }
}

struct Instance<P> {
    host: Host,
    policy: P,
}

unsafe extern "C" fn create<P: Policy>(
    host: *const HostV1,
    config_json: Str,
    why: *const TextOutV1,
    inst: *mut *mut c_void,
) -> Status {
    // SAFETY: the host's table, as the header promises.
    let host = unsafe { Host::from_raw(host) };
    shield(host, "create", || {
        // SAFETY: borrowed for this call.
        let Some(config) = (unsafe { text(config_json) }) else { return status::E_INVALID };
        if inst.is_null() {
            return status::E_INVALID;
        }
        match P::create(config, host) {
            Ok(policy) => {
                // SAFETY: not null, and the host's to be written.
                unsafe { inst.write(Box::into_raw(Box::new(Instance { host, policy })).cast()) };
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

unsafe extern "C" fn destroy<P: Policy>(inst: *mut c_void) {
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

unsafe extern "C" fn decide<P: Policy>(
    inst: *mut c_void,
    input: *const HistoryInV1,
    out: *mut ActionV1,
) -> Status {
    // SAFETY: passed on as they came.
    unsafe { answer(inst, input, out, "decide", P::decide) }
}

unsafe extern "C" fn pick<P: Policy>(
    inst: *mut c_void,
    input: *const HistoryInV1,
    out: *mut ActionV1,
) -> Status {
    // SAFETY: passed on as they came.
    unsafe { answer(inst, input, out, "pick", P::pick) }
}

/// # Safety
/// As the header promises for `decide` and `pick`.
unsafe fn answer<P: Policy>(
    inst: *mut c_void,
    input: *const HistoryInV1,
    out: *mut ActionV1,
    call: &str,
    ask: impl FnOnce(&P, &History<'_>) -> Action,
) -> Status {
    // SAFETY: null, or made by `create::<P>`.
    let Some(instance) = (unsafe { inst.cast::<Instance<P>>().as_ref() }) else { return status::E_INVALID };
    shield(instance.host, call, || {
        // SAFETY: the host's input, borrowed for this call.
        let Some(history) = (unsafe { read_history(input) }) else { return status::E_INVALID };
        let action = ask(&instance.policy, &history);
        // SAFETY: the host's to be written.
        unsafe { write_action(out, &action) }
    })
}

/// # Safety
/// `input` is null or as the header describes it, borrowed for `'a`.
unsafe fn read_history<'a>(input: *const HistoryInV1) -> Option<History<'a>> {
    // SAFETY: the caller's promise, here and below.
    let raw = unsafe { read_sized(input) }?;
    Some(History {
        now_ms: raw.now_ms,
        deadline_ms: raw.deadline_ms,
        seed: raw.seed,
        attempts_left: raw.attempts_left,
        retry_tokens: raw.retry_tokens,
        // SAFETY: borrowed with the input.
        group: unsafe { text(raw.group) }?,
        // SAFETY: borrowed with the input.
        options: unsafe { text(raw.options) }?,
        // SAFETY: borrowed with the input.
        attempts: unsafe {
            read_array(raw.attempts, raw.n_attempts, raw.attempt_stride, |it| Some(read_attempt(it)))
        }?,
        // SAFETY: borrowed with the input, and so are the strings of each target.
        targets: unsafe { read_array(raw.targets, raw.n_targets, raw.target_stride, |it| read_target(it)) }?,
        stream: match raw.flags & (history::STREAM | history::WHOLE) {
            history::STREAM => Some(true),
            history::WHOLE => Some(false),
            _ => None,
        },
        prompt_tokens: raw.prompt_tokens,
    })
}

/// Reads an array whose elements may be shorter or longer than ours.
///
/// # Safety
/// `first` is null or the first of `count` elements, `stride` bytes apart, of an integers-and-strings struct.
unsafe fn read_array<T, U>(
    first: *const T,
    count: usize,
    stride: usize,
    convert: impl Fn(&T) -> Option<U>,
) -> Option<Vec<U>> {
    if count == 0 {
        return Some(Vec::new());
    }
    if first.is_null() || stride == 0 {
        return None;
    }
    (0..count)
        .map(|at| {
            // SAFETY: inside the array; `stride` bytes are readable there.
            let element = unsafe { read_prefix(first.byte_add(at * stride), stride) };
            convert(&element)
        })
        .collect()
}

fn read_attempt(raw: &AttemptV1) -> Attempt {
    let flag = |bit: u32| raw.flags & bit != 0;
    Attempt {
        target: raw.target,
        error: ErrorKind::from_value(raw.error),
        http_status: raw.http_status,
        retryable: flag(attempt::RETRYABLE),
        quota: flag(attempt::QUOTA),
        committed: flag(attempt::COMMITTED),
        started_ms: raw.started_ms,
        ended_ms: raw.ended_ms,
        retry_after_ms: flag(attempt::HAS_RETRY_AFTER).then_some(raw.retry_after_ms),
        bytes_to_client: raw.bytes_to_client,
    }
}

/// # Safety
/// The strings are valid for as long as `'a`.
unsafe fn read_target<'a>(raw: &TargetV1) -> Option<Target<'a>> {
    Some(Target {
        // SAFETY: borrowed with the history.
        id: unsafe { text(raw.id) }?,
        // SAFETY: borrowed with the history.
        group: unsafe { text(raw.group) }?,
        weight: raw.weight,
        order: raw.order,
        unavailable: raw.flags & target::UNAVAILABLE != 0,
        special: raw.flags & target::SPECIAL != 0,
        inflight: raw.inflight,
        fails_minute: raw.fails_minute,
        oks_minute: raw.oks_minute,
        cooldown_ms: raw.cooldown_ms,
        latency_us: raw.latency_us,
        fails_recent: raw.fails_recent,
        requests_minute: raw.requests_minute,
        tokens_minute: raw.tokens_minute,
        answer_us: raw.answer_us,
        input_cost: (raw.flags & target::HAS_INPUT_COST != 0).then_some(raw.input_cost),
        output_cost: (raw.flags & target::HAS_OUTPUT_COST != 0).then_some(raw.output_cost),
        total_us: raw.total_us,
    })
}

/// # Safety
/// `out` is null, or writable for as many bytes as its `size` says.
unsafe fn write_action(out: *mut ActionV1, action: &Action) -> Status {
    let full = ActionV1 {
        size: 0,
        action: action.choice.value(),
        target: action.target,
        reason: action.reason,
        delay_ms: action.delay_ms,
        cooldown_ms: action.cooldown_ms,
    };
    // SAFETY: the caller's promise.
    if unsafe { write_sized(out, &full, ACTION_OF_MINOR_0) } { status::OK } else { status::E_INVALID }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element of a later minor: ours, and a field that we do not know.
    #[repr(C)]
    struct Longer(AttemptV1, u64);

    fn attempt(target: u32) -> AttemptV1 {
        AttemptV1 {
            target,
            error: 1,
            http_status: 429,
            flags: attempt::HAS_RETRY_AFTER,
            started_ms: 1,
            ended_ms: 2,
            retry_after_ms: 3,
            bytes_to_client: 4,
        }
    }

    fn read(first: *const AttemptV1, count: usize, stride: usize) -> Option<Vec<Attempt>> {
        // SAFETY: each test gives the count and the stride of the array that it lends.
        unsafe { read_array(first, count, stride, |raw| Some(read_attempt(raw))) }
    }

    #[test]
    fn a_longer_element_is_read_by_its_stride() {
        let list = [Longer(attempt(5), u64::MAX), Longer(attempt(6), u64::MAX)];
        let got = read(list.as_ptr().cast(), 2, size_of::<Longer>()).unwrap();
        assert_eq!(
            got.iter().map(|it| (it.target, it.retry_after_ms)).collect::<Vec<_>>(),
            [(5, Some(3)), (6, Some(3))]
        );
    }

    #[test]
    fn a_shorter_element_leaves_the_rest_zero() {
        let short: [[u32; 4]; 2] = [[5, 1, 429, 0], [6, 1, 500, 0]];
        let got = read(short.as_ptr().cast(), 2, 16).unwrap();
        assert_eq!((got[0].http_status, got[1].target, got[1].bytes_to_client), (429, 6, 0));
    }

    #[test]
    fn an_array_without_a_place_or_a_stride_is_refused() {
        assert!(read(core::ptr::null(), 1, 48).is_none());
        assert!(read([attempt(1)].as_ptr(), 1, 0).is_none());
        assert_eq!(read(core::ptr::null(), 0, 0), Some(vec![]));
    }

    #[test]
    fn a_struct_is_read_up_to_its_size() {
        let mut full = HistoryInV1 {
            size: 16,
            flags: 0,
            now_ms: 7,
            deadline_ms: 8,
            seed: 9,
            attempts_left: 1,
            retry_tokens: 1,
            group: Str::EMPTY,
            options: Str::EMPTY,
            attempts: core::ptr::null(),
            n_attempts: 1,
            attempt_stride: 0,
            targets: core::ptr::null(),
            n_targets: 1,
            target_stride: 0,
            prompt_tokens: 0,
        };
        // SAFETY: `full` is longer than the size it claims.
        let cut = unsafe { read_history(&full) }.unwrap();
        assert_eq!((cut.now_ms, cut.deadline_ms, cut.attempts.len()), (7, 0, 0));
        full.size = 0;
        // SAFETY: as above.
        assert!(unsafe { read_history(&full) }.is_none());
        // SAFETY: null is allowed.
        assert!(unsafe { read_history(core::ptr::null()) }.is_none());
    }
}
