//! Compile-time assertions of the layout on 64-bit targets: an accidental change does not build.

macro_rules! layout {
    ($ty:ty, $size:expr $(, $field:ident @ $offset:expr)* $(,)?) => {
        #[cfg(target_pointer_width = "64")]
        const _: () = {
            assert!(core::mem::size_of::<$ty>() == $size);
            assert!(core::mem::align_of::<$ty>() == 8);
            $(assert!(core::mem::offset_of!($ty, $field) == $offset);)*
        };
    };
}

layout!(crate::Str, 16, ptr @ 0, len @ 8);
layout!(crate::Kv, 32, name @ 0, value @ 16);
layout!(crate::HostV1, 24, size @ 0, minor @ 4, ctx @ 8, log @ 16);
layout!(crate::TextOutV1, 24, ctx @ 8, write @ 16);
layout!(crate::PluginV1, 80, flags @ 12, name @ 16, version @ 32, manifest @ 48, provider @ 64, policy @ 72);
layout!(crate::AuthV1, 88, scheme @ 4, secret @ 8, header @ 24, prefix @ 40, scope @ 56, region @ 72);
layout!(crate::RequestInV1, 80, dialect @ 8, model @ 16, body @ 32, model_at @ 48, model_len @ 56, headers @ 64, n_headers @ 72);
layout!(crate::RequestOutV1, 56, ctx @ 8, target @ 16, header @ 24, auth @ 32, response @ 40, body @ 48);
layout!(crate::HeadInV1, 64, http_status @ 4, dialect @ 8, framing @ 12, model @ 16, headers @ 32, n_headers @ 40, unix_ms @ 48, seed @ 56);
layout!(crate::EventInV1, 40, flags @ 4, name @ 8, data @ 24);
layout!(crate::StreamOutV1, 32, ctx @ 8, event @ 16, note @ 24);
layout!(crate::FailureInV1, 80, phase @ 4, http_status @ 8, headers @ 16, n_headers @ 24, event @ 32, body @ 48, unix_ms @ 64, bytes_to_client @ 72);
layout!(crate::ClassV1, 24, flags @ 4, error @ 8, http_status @ 12, retry_after_ms @ 16);
layout!(crate::ClassOutV1, 32, ctx @ 8, message @ 16, code @ 24);
layout!(crate::ProviderV1, 80, create @ 8, destroy @ 16, request @ 24, stream_open @ 32, stream_event @ 40, stream_end @ 48, stream_close @ 56, response @ 64, classify @ 72);
layout!(crate::AttemptV1, 48, error @ 4, http_status @ 8, flags @ 12, started_ms @ 16, ended_ms @ 24, retry_after_ms @ 32, bytes_to_client @ 40);
layout!(crate::TargetV1, 120, id @ 0, group @ 16, weight @ 32, order @ 36, flags @ 40, inflight @ 44, fails_minute @ 48, oks_minute @ 52, cooldown_ms @ 56, latency_us @ 64, fails_recent @ 72, requests_minute @ 76, tokens_minute @ 80, answer_us @ 88, input_cost @ 96, output_cost @ 104, total_us @ 112);
layout!(crate::HistoryInV1, 128, now_ms @ 8, deadline_ms @ 16, seed @ 24, attempts_left @ 32, retry_tokens @ 36, group @ 40, options @ 56, attempts @ 72, n_attempts @ 80, attempt_stride @ 88, targets @ 96, n_targets @ 104, target_stride @ 112, prompt_tokens @ 120);
layout!(crate::ActionV1, 32, action @ 4, target @ 8, reason @ 12, delay_ms @ 16, cooldown_ms @ 24);
layout!(crate::PolicyV1, 40, create @ 8, destroy @ 16, decide @ 24, pick @ 32);

// Four u32: aligned to 4, so it stands outside the macro.
const _: () = assert!(
    core::mem::size_of::<crate::ResponseV1>() == 16 && core::mem::align_of::<crate::ResponseV1>() == 4
);
