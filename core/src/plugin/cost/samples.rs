//! What the measured calls are given: the same size as in a usual chat.

use tidegate_host::{Attempt, Dialect, Target, abi};

/// A request in OpenAI's chat form.
pub(super) const REQUEST: &str = concat!(
    r#"{"model":"model","stream":true,"messages":[{"role":"system","content":"You answer briefly."},"#,
    r#"{"role":"user","content":"What is a tide gate, and when does it open? Two sentences are enough."}],"#,
    r#""temperature":0.7,"max_tokens":256}"#,
);

/// Where the value of `model` stands in it.
pub(super) const MODEL_AT: std::ops::Range<usize> = 9..16;

/// A failure in the form that most providers have.
pub(super) const ERROR: &str = r#"{"error":{"code":429,"message":"Rate limit reached","type":"requests"}}"#;

/// An event with a piece of text, as an upstream of this dialect sends it.
pub(super) fn event(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::GeminiGenerate => {
            r#"{"candidates":[{"content":{"role":"model","parts":[{"text":" opens when"}]},"index":0}],"modelVersion":"model","responseId":"r-1"}"#
        }
        Dialect::AnthropicMessages => {
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" opens when"}}"#
        }
        _ => {
            r#"{"id":"c-1","object":"chat.completion.chunk","created":1767225600,"model":"model","choices":[{"index":0,"delta":{"content":" opens when"},"finish_reason":null}]}"#
        }
    }
}

/// Deployments of two groups.
pub(super) fn targets() -> Vec<Target<'static>> {
    let target = |id: &'static str, group: &'static str| Target {
        id: id.into(),
        group: group.into(),
        weight: 1,
        oks_minute: 40,
        latency_us: 300_000,
        answer_us: 2_000_000,
        total_us: 2_000_000,
        ..Target::default()
    };
    vec![target("fast-0", "fast"), target("fast-1", "fast"), target("slow-0", "slow")]
}

/// One attempt, refused with 429.
pub(super) fn attempts() -> [Attempt; 1] {
    [Attempt {
        target: 0,
        error: abi::error::RATE_LIMIT,
        http_status: 429,
        flags: abi::attempt::RETRYABLE | abi::attempt::HAS_RETRY_AFTER,
        started_ms: 0,
        ended_ms: 120,
        retry_after_ms: 1000,
        bytes_to_client: 0,
    }]
}
