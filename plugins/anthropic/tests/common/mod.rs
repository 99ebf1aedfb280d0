//! What every test of the plugin shares.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use tidegate_plugin_anthropic::Anthropic;
use tidegate_plugin_sdk::harness::{Harness, Step};
use tidegate_plugin_sdk::{Class, Dialect, FailureIn, HeadIn, Headers, Phase, RequestIn};

pub(crate) const OK: i32 = 0;
/// The event goes on as it is.
pub(crate) const PASS: i32 = 1;
pub(crate) const E_INVALID: i32 = -2;
pub(crate) const E_PROTOCOL: i32 = -4;
pub(crate) const E_TRUNCATED: i32 = -6;
pub(crate) const E_UNSUPPORTED: i32 = -7;
pub(crate) const E_UPSTREAM: i32 = -8;
/// The note that nothing follows.
pub(crate) const NOTE_DONE: (u32, u64) = (5, 0);

pub(crate) const OVERLOADED: &str = r#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
pub(crate) const MESSAGE_STOP: &str = r#"{"type":"message_stop"}"#;

pub(crate) fn anthropic() -> Harness {
    with(&json!({"api_base": "https://api.anthropic.com"})).unwrap()
}

pub(crate) fn with(params: &Value) -> Result<Harness, String> {
    let config = json!({"provider": "anthropic", "model": "claude-sonnet-4-5", "params": params, "secrets": ["api_key"]});
    Harness::new::<Anthropic>(&config).map_err(|refused| refused.why)
}

/// The head of an answer for a client of chat completions.
pub(crate) fn head() -> HeadIn<'static> {
    HeadIn {
        http_status: 200,
        dialect: Dialect::OpenAiChat,
        model: "mine",
        unix_ms: 1_700_000_000_999,
        seed: 0xabc,
        ..HeadIn::default()
    }
}

/// The upstream body for a chat body.
pub(crate) fn upstream(model: &str, body: &Value) -> Result<Value, (i32, String)> {
    asked(&anthropic(), model, body)
}

pub(crate) fn asked(harness: &Harness, model: &str, body: &Value) -> Result<Value, (i32, String)> {
    let body = body.to_string();
    let input =
        RequestIn { dialect: Dialect::OpenAiChat, model, body: body.as_bytes(), ..RequestIn::default() };
    harness.request(&input).map(|sent| sent.json()).map_err(|refused| (refused.status, refused.why))
}

pub(crate) fn classed(status: u32, headers: Vec<(&str, &str)>, body: &str) -> Class {
    let failure = FailureIn {
        phase: if status == 200 { Phase::Stream } else { Phase::Status },
        http_status: status,
        headers: Headers(headers),
        body: body.as_bytes(),
        // 2025-03-07T00:00:00Z.
        unix_ms: 1_741_305_600_000,
        ..FailureIn::default()
    };
    anthropic().classify(&failure).unwrap()
}

pub(crate) fn start() -> String {
    json!({"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 7, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 100, "output_tokens": 1},
    }})
    .to_string()
}

pub(crate) fn begin(index: u64, block: Value) -> String {
    json!({"type": "content_block_start", "index": index, "content_block": block}).to_string()
}

pub(crate) fn delta(index: u64, delta: Value) -> String {
    json!({"type": "content_block_delta", "index": index, "delta": delta}).to_string()
}

pub(crate) fn text(text: &str) -> String {
    delta(0, json!({"type": "text_delta", "text": text}))
}

pub(crate) fn stop(index: u64) -> String {
    json!({"type": "content_block_stop", "index": index}).to_string()
}

pub(crate) fn ended(reason: &str) -> String {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 15}}).to_string()
}

/// Fails unless each event has the shape that an OpenAI SDK demands of a chunk; gives the finish reasons.
pub(crate) fn check_chunks(step: &Step) -> Vec<String> {
    let mut finishes = Vec::new();
    for chunk in step.json() {
        assert_eq!(chunk["object"], "chat.completion.chunk", "{chunk}");
        assert!(chunk["id"].as_str().is_some_and(|id| !id.is_empty()), "{chunk}");
        assert!(chunk["created"].is_u64() && chunk["model"].is_string(), "{chunk}");
        let choices = chunk["choices"].as_array().expect("choices");
        assert!(!choices.is_empty() || chunk["usage"].is_object(), "{chunk}");
        for choice in choices {
            assert_eq!(choice["index"], 0, "{chunk}");
            let delta = choice["delta"].as_object().expect("delta");
            assert!(delta.get("content").is_none_or(Value::is_string), "{chunk}");
            assert!(delta.get("role").is_none_or(|role| role == "assistant"), "{chunk}");
            for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                assert!(call["index"].is_u64() && call["function"]["arguments"].is_string(), "{chunk}");
                assert_eq!(call["id"].is_string(), call["function"]["name"].is_string(), "{chunk}");
            }
            match choice["finish_reason"].as_str() {
                Some(reason) => {
                    assert!(["stop", "length", "tool_calls", "content_filter"].contains(&reason), "{chunk}");
                    finishes.push(reason.to_owned());
                }
                None => assert!(choice["finish_reason"].is_null(), "{chunk}"),
            }
        }
    }
    finishes
}
